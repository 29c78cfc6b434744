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
final class EventLayer {
    /// A stream that tells of events. It keeps no events: only how far it is among those that the node keeps.
    struct Follower {
        var topic: String?
        var place: UInt64
        var left: Int
        var until: Instant
        var format: WatchFormat
        var told: Instant
        /// It has to be told that it may have missed some.
        var hasMissed: Bool
        /// Nothing was told yet, so nothing that went before can have been missed.
        var isNew = true
    }

    /// Streams at most.
    static let mostFollowers = 1_000
    /// A stream with so many bytes unsent gets no more for now.
    static let mostUnsent = 64 << 10
    /// A stream is told something at least as often.
    static let silence = Instant.Span.seconds(15)
    /// A stream that could not be written to is tried again after so long.
    static let pause = Instant.Span.milliseconds(50)

    private(set) var events: Events
    /// What came from others since it was asked for last: the times of their publication.
    private(set) var arrived: [(origin: NodeID, stamp: Stamp)] = []
    var followers: [ConnectionID: Follower] = [:]
    /// When a stream must be looked after.
    var followersDue = Instant.never
    private var effects: [Events.Effect] = []
    private var payloads: [(peer: NodeID, content: [UInt8])] = []

    /// `process` is greater for each process of the node that follows another one.
    init(own: NodeID, peers: [NodeID], process: UInt64, at now: Instant) {
        events = Events(own: own, process: process, peers: peers, seed: Entropy.seed(), at: now)
    }

    /// When ``wake(at:)`` is to be called.
    var deadline: Instant { events.deadline }

    func receive(_ content: ArraySlice<UInt8>, from peer: NodeID, at now: Instant) {
        events.receive(content, from: peer, at: now, into: &effects)
        carryOut(at: now)
    }

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

    private func carryOut(at now: Instant) {
        for effect in effects {
            switch effect {
            case .send(let peer, let content): payloads.append((peer, content))
            case .deliver(let event):
                if event.id.origin != events.own, let stamp = EventStamp.open(event)?.stamp {
                    arrived.append((event.id.origin, stamp))
                }
                if !followers.isEmpty { followersDue = now }
            }
        }
        effects.removeAll(keepingCapacity: true)
    }
}

/// An event as answers show it; nil if it was not published by a node of this version.
func view(of event: Event, _ roster: Roster) -> EventView? {
    guard let (event, stamp) = EventStamp.open(event) else { return nil }
    return EventView(event: event, stamp: stamp, origin: roster.name(of: event.id.origin))
}
