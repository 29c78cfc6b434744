// Events: what spreads from node to node, and who is told of it.
import API
import Clocks
import Gossip
import HTTPServer
import Platform
import Primitives
import Watches

/// This node's events, and the streams that follow them.
///
/// An object of ``Datagrams``', and of nobody else.
final class EventLayer: FollowedLog {
    private(set) var events: Events
    /// What came from others since it was asked for last: the times of their publication.
    private(set) var arrived: [(origin: NodeID, stamp: Stamp)] = []
    let followers = Followers<EventQuery>()
    private let nameOf: (NodeID) -> String
    private var effects: [Events.Effect] = []
    private var payloads: [(peer: NodeID, content: [UInt8])] = []

    /// `process` is greater for each process of the node that follows another one.
    init(
        own: NodeID, peers: [NodeID], process: UInt64, at now: Instant, nameOf: @escaping (NodeID) -> String
    ) {
        self.nameOf = nameOf
        events = Events(own: own, process: process, peers: peers, seed: Entropy.seed(), at: now)
    }

    /// When ``wake(at:)`` is to be called.
    var deadline: Instant { events.deadline }

    func receive(_ content: ArraySlice<UInt8>, from peer: NodeID, at now: Instant) {
        events.receive(content, from: peer, at: now, into: &effects)
        carryOut(at: now)
    }

    /// Pushes to these nodes from now on.
    func send(to peers: [NodeID]) { events.send(to: peers) }

    func wake(at now: Instant) {
        events.wake(at: now, into: &effects)
        carryOut(at: now)
    }

    /// Publishes an event.
    func publish(
        topic: String, _ body: [UInt8], ttl: Instant.Span, at now: Instant
    ) throws(EventRefusal) -> EventID {
        let id = try events.publish(topic: topic, body: body, ttl: ttl, at: now, into: &effects)
        carryOut(at: now)
        return id
    }

    func takePayloads() -> [(peer: NodeID, content: [UInt8])] {
        defer { payloads.removeAll(keepingCapacity: true) }
        return payloads
    }

    func takeArrived() -> [(origin: NodeID, stamp: Stamp)] {
        defer { arrived.removeAll() }
        return arrived
    }

    /// Where a stream begins that wants what came after this event, and whether that is known here.
    func place(after id: EventID?) -> (place: UInt64, isKnown: Bool) {
        guard let id else { return (0, true) }
        guard let event = events.event(id) else { return (0, false) }
        return (event.place, true)
    }

    var placed: UInt64 { events.placed }

    func dropped(_ query: EventQuery) -> UInt64 { events.dropped }

    func piece(
        _ query: EventQuery, after place: UInt64, most: Int, bytes: Int, _ format: WatchFormat,
        _ api: NativeAPI
    ) -> LogPiece {
        let found = events.stored(topic: query.topic, after: place, limit: most)
        var piece = LogPiece(place: placed, isBehind: false)
        for (count, event) in found.enumerated() {
            if let view = view(of: event) {
                piece.lines += api.line(of: view, format)
                piece.count += 1
            }
            if count + 1 == most || piece.lines.count > bytes {
                return LogPiece(lines: piece.lines, count: piece.count, place: event.place, isBehind: true)
            }
        }
        return piece
    }

    /// An event as answers show it; nil if it was not published by a node of this version.
    func view(of event: Event) -> EventView? {
        guard let (event, stamp) = EventStamp.open(event) else { return nil }
        return EventView(event: event, stamp: stamp, origin: nameOf(event.id.origin))
    }

    private func carryOut(at now: Instant) {
        for effect in effects {
            switch effect {
            case .send(let peer, let content): payloads.append((peer, content))
            case .deliver(let event):
                if event.id.origin != events.own, let stamp = EventStamp.open(event)?.stamp {
                    arrived.append((event.id.origin, stamp))
                }
                followers.stir(at: now)
            }
        }
        effects.removeAll(keepingCapacity: true)
    }
}
