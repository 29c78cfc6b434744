import Primitives

@testable import Links

/// Nodes with a link between any two, under virtual time, on a network that loses, doubles and delays.
struct LinkWorld {
    struct Network {
        var loss: UInt64 = 30, duplication: UInt64 = 20
        var delay = Instant.Span.microseconds(100)..<Instant.Span.milliseconds(20)
        /// In a hundred payloads so many come once more at any time later.
        var replays: UInt64 = 0
    }

    struct Event {
        var at: Instant
        var from, to: Int
        var payload: [UInt8]
    }

    struct Heard: Equatable {
        var node, peer: Int
        /// The process that was told.
        var process: UInt64
        var effect: Link.Effect
    }

    var now = Instant(nanoseconds: 1_000_000_000)
    var random: SeededGenerator
    var network: Network
    var options: LinkOptions
    /// By node and peer.
    var links: [[Link]]
    var processes: [UInt64]
    var isUp: [Bool]
    var pending: [Event] = []
    var old: [Event] = []
    var heard: [Heard] = []
    var isCut = false
    var steps = 0

    init(nodes: Int, network: Network = Network(), options: LinkOptions = LinkOptions(), seed: UInt64) {
        random = SeededGenerator(seed: seed)
        self.network = network
        self.options = options
        processes = (0..<nodes).map { UInt64(100 + $0) }
        isUp = [Bool](repeating: true, count: nodes)
        links = []
        for node in 0..<nodes { links.append(makeLinks(node)) }
    }

    private mutating func makeLinks(_ node: Int) -> [Link] {
        (0..<processes.count).map { _ in
            Link(incarnation: processes[node], options: options, seed: random.next())
        }
    }

    /// The node's process ends, and another one begins at once.
    mutating func restart(_ node: Int) {
        processes[node] += 1_000
        links[node] = makeLinks(node)
    }

    mutating func send(
        _ bytes: [UInt8], kind: UInt8 = 0, on rung: LinkRung = .perfect, from node: Int, to peer: Int,
        for span: Instant.Span = .seconds(86_400)
    ) throws -> UInt64 {
        try links[node][peer].send(bytes, kind: kind, on: rung, expires: now + span, at: now)
    }

    mutating func flush(_ node: Int, _ peer: Int) {
        guard isUp[node] else { return }
        var effects: [Link.Effect] = []
        links[node][peer].flush(at: now, into: &effects)
        note(effects, node, peer)
    }

    private mutating func note(_ effects: [Link.Effect], _ node: Int, _ peer: Int) {
        for effect in effects {
            guard case .transmit(let payload) = effect else {
                heard.append(Heard(node: node, peer: peer, process: processes[node], effect: effect))
                continue
            }
            precondition(payload.count <= Datagram.longest, "a payload of \(payload.count) bytes")
            transmit(payload, node, peer)
        }
    }

    private mutating func transmit(_ payload: [UInt8], _ node: Int, _ peer: Int) {
        var copies = random.next(below: 100) < network.loss || isCut ? 0 : 1
        while copies > 0, copies < 4, random.next(below: 100) < network.duplication { copies += 1 }
        for _ in 0..<copies { enqueue(payload, node, peer, after: random.next(in: network.delay)) }
        if network.replays > 0 {
            old.append(Event(at: now, from: node, to: peer, payload: payload))
            if random.next(below: 100) < network.replays {
                let event = old[Int(random.next(below: UInt64(old.count)))]
                enqueue(event.payload, event.from, event.to, after: random.next(in: network.delay))
            }
        }
    }

    private mutating func enqueue(_ payload: [UInt8], _ node: Int, _ peer: Int, after delay: Instant.Span) {
        let event = Event(at: now + delay, from: node, to: peer, payload: payload)
        var (low, high) = (0, pending.count)
        while low < high {
            let middle = (low + high) / 2
            // The next one is the last, so that taking it is cheap.
            if pending[middle].at > event.at { low = middle + 1 } else { high = middle }
        }
        pending.insert(event, at: low)
    }

    /// Lets a span of time pass.
    mutating func run(for span: Instant.Span) {
        let end = now + span
        while step(until: end) {}
    }

    /// Does what is next, if that is not after `end`. False if there is nothing: then it is `end`.
    mutating func step(until end: Instant) -> Bool {
        steps += 1
        var next = pending.last?.at ?? .never
        var due: (node: Int, peer: Int)?
        for node in links.indices where isUp[node] {
            for peer in links.indices where peer != node && links[node][peer].deadline < next {
                next = links[node][peer].deadline
                due = (node, peer)
            }
        }
        guard next <= end, steps < 4_000_000 else {
            now = end
            return false
        }
        now = max(now, next)
        if let due { wake(due.node, due.peer) } else { arrive() }
        return true
    }

    private mutating func wake(_ node: Int, _ peer: Int) {
        var effects: [Link.Effect] = []
        links[node][peer].wake(at: now, into: &effects)
        note(effects, node, peer)
        flush(node, peer)
    }

    private mutating func arrive() {
        guard let event = pending.popLast(), isUp[event.to] else { return }
        var effects: [Link.Effect] = []
        links[event.to][event.from].receive(event.payload[...], at: now, into: &effects)
        note(effects, event.to, event.from)
        flush(event.to, event.from)
    }

    /// What was delivered at a node, in order.
    func delivered(at node: Int) -> [LinkMessage] {
        heard.compactMap { heard in
            guard heard.node == node, case .deliver(let message) = heard.effect else { return nil }
            return message
        }
    }
}
