// The ladder of links between this node and its peers, and the broadcasts that stand on it.
import API
import Links
import Platform
import Primitives

/// This node's links to all peers, and what is said over them to one node or to all.
///
/// An object of ``Datagrams``', and of nobody else.
final class LinkLayer {
    /// Whose message it is: what links call its kind.
    private enum User: UInt8 {
        case broadcast = 1
        /// A part of a ``Parcel``.
        case parcel = 2
        /// What was taken out of an inbox.
        case receipt = 3
    }

    /// What became of a message of a link's.
    enum Outcome {
        case acknowledged, expired, lost
    }

    /// Something for a user of a link.
    enum News {
        /// A parcel of a peer's.
        case parcel([UInt8], from: NodeID)
        /// Names of messages of this node's that a peer's inbox no longer has, because they were taken.
        case receipt(ArraySlice<UInt8>, from: NodeID)
        /// A part of a parcel came to its end; the number is the one that ``send(_:to:on:expires:at:)`` gave.
        case ended(UInt64, Outcome, to: NodeID)
    }

    /// So long a link tries to deliver what is said to all, if it has room for so much.
    private static let patience = Instant.Span.seconds(3_600)

    /// The links, by peer.
    private(set) var links: [NodeID: Link] = [:]
    /// What is said to all nodes.
    private(set) var broadcast: Broadcast
    /// What was said to all nodes, and is to be handed over here.
    private(set) var heard: [BroadcastMessage] = []
    /// What users of the links are to be told.
    private(set) var news: [News] = []
    /// Payloads for datagrams.
    private(set) var payloads: [(peer: NodeID, content: [UInt8])] = []

    /// Peers' processes that have answered and that nobody was told of yet.
    private(set) var connected: [(peer: NodeID, cause: LinkCause, incarnation: UInt64)] = []

    private var effects: [Link.Effect] = []
    private var spreading: [Broadcast.Effect] = []
    private var touched: Set<NodeID> = []
    private let peers: [NodeID]
    private var parcels: [NodeID: Parcels] = [:]
    private var lastParcel: UInt64 = 0

    /// `process` is greater for each process of the node that follows another one.
    init(own: NodeID, peers: [NodeID], process: UInt64) {
        broadcast = Broadcast(own: own, process: process, peers: peers)
        self.peers = peers
        for peer in peers { links[peer] = Link(incarnation: process, seed: Entropy.seed()) }
    }

    /// When ``wake(at:)`` is to be called.
    var deadline: Instant { links.values.reduce(broadcast.deadline) { min($0, $1.deadline) } }

    /// Takes the content of a datagram.
    func receive(_ content: ArraySlice<UInt8>, from peer: NodeID, at now: Instant) {
        links[peer]?.receive(content, at: now, into: &effects)
        touched.insert(peer)
        carryOut(from: peer, at: now)
    }

    /// Does what is due.
    func wake(at now: Instant) {
        for peer in peers where (links[peer]?.deadline ?? .never) <= now {
            links[peer]?.wake(at: now, into: &effects)
            touched.insert(peer)
            carryOut(from: peer, at: now)
        }
        if broadcast.deadline <= now {
            broadcast.wake(at: now, into: &spreading)
            spread(at: now)
        }
    }

    /// Says something to all nodes, this one among them.
    func say(
        _ bytes: [UInt8], _ kind: BroadcastKind, at now: Instant
    ) throws(BroadcastRefusal) -> BroadcastID {
        let id = try broadcast.broadcast(bytes, kind, at: now, into: &spreading)
        spread(at: now)
        return id
    }

    /// Sends a parcel to a peer, and answers the numbers under which the ends of its parts are told.
    ///
    /// - Throws: A refusal: nothing was sent then.
    func send(
        _ bytes: [UInt8], to peer: NodeID, on rung: LinkRung, expires: Instant, at now: Instant
    ) throws(LinkRefusal) -> [UInt64] {
        guard let load = links[peer]?.load, let options = links[peer]?.options else { throw .full }
        lastParcel += 1
        let parts = Parcel.parts(of: bytes, number: lastParcel)
        guard !parts.isEmpty else { throw .tooLong }
        // All or none of them.
        let room = bytes.count + parts.count * 16
        guard load.messages + parts.count <= options.mostMessages, load.bytes + room <= options.mostBytes
        else { throw .full }
        touched.insert(peer)
        var numbers: [UInt64] = []
        for part in parts {
            let number = try links[peer]?.send(
                part, kind: User.parcel.rawValue, on: rung, expires: expires, at: now)
            if let number { numbers.append(number) }
        }
        return numbers
    }

    /// Sends a stubborn message no more.
    func stop(_ number: UInt64, to peer: NodeID) { _ = links[peer]?.stop(number) }

    /// Tells a peer which of its messages were taken out of an inbox here.
    func acknowledge(_ names: [UInt8], to peer: NodeID, at now: Instant) {
        // Refused if the peer is gone for long: then it does not hear of it.
        _ = try? links[peer]?.send(
            names, kind: User.receipt.rawValue, on: .perfect, expires: now + Self.patience, at: now)
        touched.insert(peer)
    }

    func takeNews() -> [News] {
        guard !news.isEmpty else { return [] }
        defer { news.removeAll(keepingCapacity: true) }
        return news
    }

    /// Makes the datagrams of this turn.
    func flush(at now: Instant) {
        for peer in touched {
            links[peer]?.flush(at: now, into: &effects)
            carryOut(from: peer, at: now)
        }
        touched.removeAll(keepingCapacity: true)
    }

    /// Adds what the links did to the state of the node.
    func show(in status: inout NodeStatus, _ roster: Roster) {
        for place in status.links.indices {
            guard let peer = roster.member(named: status.links[place].name), let link = links[peer.id] else {
                continue
            }
            status.links[place].ladder = NodeStatus.Link.Ladder(
                isConnected: link.state == .connected, roundTrip: link.roundTrip, counters: link.counters)
        }
    }

    func takePayloads() -> [(peer: NodeID, content: [UInt8])] {
        defer { payloads.removeAll(keepingCapacity: true) }
        return payloads
    }

    func takeHeard() -> [BroadcastMessage] {
        defer { heard.removeAll() }
        return heard
    }

    func takeConnected() -> [(peer: NodeID, cause: LinkCause, incarnation: UInt64)] {
        defer { connected.removeAll() }
        return connected
    }

    private func carryOut(from peer: NodeID, at now: Instant) {
        for effect in effects {
            switch effect {
            case .transmit(let content): payloads.append((peer, content))
            case .deliver(let message) where message.kind == User.broadcast.rawValue:
                broadcast.receive(message.bytes, from: peer, at: now, into: &spreading)
            case .deliver(let message) where message.kind == User.parcel.rawValue:
                if let parcel = parcels[peer, default: Parcels()].receive(message.bytes) {
                    news.append(.parcel(parcel, from: peer))
                }
            case .deliver(let message) where message.kind == User.receipt.rawValue:
                news.append(.receipt(message.bytes, from: peer))
            case .acknowledged(let number): news.append(.ended(number, .acknowledged, to: peer))
            case .expired(let number, _): news.append(.ended(number, .expired, to: peer))
            case .lost(let number): news.append(.ended(number, .lost, to: peer))
            case .connected(let cause, let incarnation):
                connected.append((peer, cause, incarnation))
                // Parts of another process's parcels don't fit.
                parcels[peer] = nil
            case .deliver: break
            }
        }
        effects.removeAll(keepingCapacity: true)
        spread(at: now)
    }

    private func spread(at now: Instant) {
        for effect in spreading {
            switch effect {
            case .send(let peer, let bytes):
                // Refused if the peer is gone for long: the link counts it.
                _ = try? links[peer]?.send(
                    bytes, kind: User.broadcast.rawValue, on: .perfect, expires: now + Self.patience, at: now)
                touched.insert(peer)
            case .deliver(let message): heard.append(message)
            }
        }
        spreading.removeAll(keepingCapacity: true)
    }
}
