// What nodes tell each other in datagrams, beside the peer requests that carry consensus: who is there, what
// time it is, what goes over links, and events. Nothing that has to be agreed on depends on them.
import Clocks
import Faults
import Gossip
import Links
import Platform
import Primitives

/// The node's datagram socket, and those that speak through it.
///
/// An object of the node loop's, and of nobody else: as a part of that value its many fields would make the
/// loop take minutes to compile.
final class Datagrams {
    /// What went through the socket.
    struct Counters {
        /// Datagrams that the kernel took, and those that it did not, or whose receiver's address is not
        /// known.
        var sent: UInt64 = 0, unsent: UInt64 = 0
        /// Datagrams that were taken.
        var received: UInt64 = 0
        /// Datagrams that were dropped, by the reason.
        var refused: [DatagramRefusal: UInt64] = [:]
    }

    /// A sealed datagram on its way to a peer.
    private struct Outgoing {
        var peer: NodeID
        var bytes: [UInt8]
    }

    /// So many datagrams are taken in a turn: the rest waits in the kernel, so that nobody else has to.
    private static let mostPerTurn = 256

    /// Who is there.
    private(set) var membership: Membership
    /// What time it is at the others.
    private(set) var probes: ClockProbes
    /// Messages that are sent until they arrive.
    let links: LinkLayer
    /// News for everybody.
    let events: EventLayer
    private(set) var counters = Counters()
    /// Changes of ``membership`` that nobody has been told yet.
    private(set) var news: [MemberTransition] = []

    private let socket: UDPSocket
    private let seal: DatagramSeal
    private let isAlone: Bool
    private var addresses: [NodeID: SocketAddress] = [:]
    private var buffer = [UInt8](repeating: 0, count: DatagramSeal.longestDatagram + 1)
    private var effects: [Membership.Effect] = []
    private var outgoing: [Outgoing] = []
    private var held = DelayLine<Outgoing>()

    /// `process` is greater for each process of the node that follows another one.
    init(
        socket: consuming UDPSocket, seal: DatagramSeal, roster: Roster, process: UInt64, at now: Instant
    ) {
        let (own, peers) = (roster.own, roster.peers.map(\.id))
        self.socket = socket
        self.seal = seal
        isAlone = peers.isEmpty
        membership = Membership(own: own, process: process, peers: peers, seed: Entropy.seed(), at: now)
        links = LinkLayer(own: own, peers: peers, process: process)
        events = EventLayer(own: own, peers: peers, process: process, at: now, nameOf: roster.name(of:))
        probes = ClockProbes(peers: peers, seed: Entropy.seed(), at: now)
    }

    /// When ``wake(at:)`` is to be called.
    var deadline: Instant {
        // Alone there is nobody to ask, but events have to be forgotten.
        isAlone
            ? (events.events.isEmpty ? .never : events.deadline)
            : min(
                membership.deadline, probes.deadline, links.deadline, events.deadline, held.deadline)
    }

    /// A peer takes datagrams there.
    func note(_ address: SocketAddress, of peer: NodeID) { addresses[peer] = address }

    /// Takes what has come, but for what comes over ways that are cut on purpose.
    func receive(at now: Instant, _ faults: FaultControl?) {
        for _ in 0..<Self.mostPerTurn {
            guard let count = socket.receive(into: &buffer) else { break }
            do throws(DatagramRefusal) {
                // One byte more than any datagram has: who fills it is refused.
                let datagram = try seal.open(buffer[..<min(count, buffer.count)])
                if faults?.table.cuts(datagram.sender, membership.own, at: now) == true {
                    faults?.table.noteCut(datagram.sender, membership.own, at: now)
                    continue
                }
                counters.received += 1
                take(datagram, at: now)
            } catch {
                counters.refused[error, default: 0] += 1
            }
        }
        carryOut()
    }

    private func take(_ datagram: Datagram, at now: Instant) {
        let content = datagram.content[...]
        switch datagram.service {
        case .events: events.receive(content, from: datagram.sender, at: now)
        case .links: links.receive(content, from: datagram.sender, at: now)
        case .membership: membership.receive(content, from: datagram.sender, at: now, into: &effects)
        case .clocks:
            let clock = Clock.wallMicroseconds()
            // Read as late as that: what the turn has taken so far would pass for a part of the way.
            let now = Clock.now()
            if let answer = probes.receive(content, from: datagram.sender, at: now, clock: clock) {
                send(answer, for: .clocks, to: datagram.sender)
            }
        }
    }

    /// Does what is due.
    func wake(at now: Instant) {
        if membership.deadline <= now { membership.wake(at: now, into: &effects) }
        if probes.deadline <= now, let question = probes.wake(at: Clock.now()) {
            send(question.payload, for: .clocks, to: question.peer)
        }
        if links.deadline <= now { links.wake(at: now) }
        if events.deadline <= now { events.wake(at: now) }
        carryOut()
    }

    /// Tells the others that this node goes away.
    func leave(at now: Instant) {
        membership.leave(at: now, into: &effects)
        carryOut()
    }

    /// The changes of ``membership`` since this was called last.
    func takeNews() -> [MemberTransition] {
        defer { news.removeAll() }
        return news
    }

    private func carryOut() {
        for effect in effects {
            switch effect {
            case .send(let peer, let payload): send(payload, for: .membership, to: peer)
            case .transition(let transition):
                news.append(transition)
                noteLiving(transition)
            }
        }
        effects.removeAll(keepingCapacity: true)
    }

    /// News are pushed to those that are taken to be there; the others get what they missed later.
    private func noteLiving(_ transition: MemberTransition) {
        guard transition.member != membership.own, transition.from != transition.to else { return }
        events.send(to: membership.living)
    }

    private func send(_ content: [UInt8], for service: DatagramService, to peer: NodeID) {
        let bytes = seal.seal(content, for: service, to: peer)
        outgoing.append(Outgoing(peer: peer, bytes: bytes))
    }

    /// Sends what is to be sent; some of it later, twice or never, if there are faults that say so.
    func flush(at now: Instant, _ faults: FaultControl?) {
        links.flush(at: now)
        for (peer, content) in links.takePayloads() { send(content, for: .links, to: peer) }
        for (peer, content) in events.takePayloads() { send(content, for: .events, to: peer) }
        while let datagram = held.next(at: now) { transmit(datagram) }
        for datagram in outgoing {
            guard faults?.table.isEmpty == false else {
                transmit(datagram)
                continue
            }
            switch faults?.table.decide(
                from: membership.own, to: datagram.peer, bytes: datagram.bytes.count, at: now)
            {
            case .drop: break
            case .deliver(let delay, let copies):
                for _ in 0..<copies {
                    let isHeld = held.hold(datagram, bytes: datagram.bytes.count, until: now + delay)
                    if !isHeld { faults?.table.noteOverflow() }
                }
            case .pass, nil: transmit(datagram)
            }
        }
        outgoing.removeAll(keepingCapacity: true)
    }

    private func transmit(_ datagram: Outgoing) {
        guard let address = addresses[datagram.peer], socket.send(datagram.bytes, to: address) else {
            return counters.unsent += 1
        }
        counters.sent += 1
    }
}
