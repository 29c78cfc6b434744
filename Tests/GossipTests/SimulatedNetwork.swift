import Primitives

@testable import Gossip

/// Nodes under virtual time, and datagrams between them that are lost, late, doubled and overtaken. One seed,
/// one run.
final class SimulatedNetwork {
    struct Node {
        var membership: Membership
        var events: Events
        var isUp = true
        var isPaused = false
        /// What came while the process stood still, as in a socket's buffer.
        var waiting: [(from: NodeID, payload: [UInt8])] = []
        var wakesAt = Instant.never
        var process: UInt64 = 1
    }

    private enum Happening: Sendable {
        case wake(Int)
        case datagram(from: NodeID, to: Int, payload: [UInt8])
        case call(Int)
    }

    var nodes: [Node] = []
    private(set) var now = Instant.zero
    var loss = 0.0
    var duplication = 0.0
    var reordering = 0.0
    var delay = Instant.Span.milliseconds(1)..<Instant.Span.milliseconds(10)
    /// Whether datagrams from the first to the second one are dropped.
    var isCut: (NodeID, NodeID) -> Bool = { _, _ in false }
    private(set) var transitions: [(observer: NodeID, what: MemberTransition)] = []
    private(set) var delivered: [(at: NodeID, event: EventID, when: Instant)] = []
    private(set) var longestPayload = 0
    private(set) var membershipBytes = 0, eventBytes = 0
    private var agenda = Agenda<Happening>()
    private var calls: [(SimulatedNetwork) -> Void] = []
    private var random: SeededGenerator
    private let options: MembershipOptions
    private let eventOptions: EventOptions

    init(
        _ count: Int, seed: UInt64, options: MembershipOptions = MembershipOptions(),
        events: EventOptions = EventOptions()
    ) {
        random = SeededGenerator(seed: seed)
        self.options = options
        eventOptions = events
        for place in 0..<count { nodes.append(make(place, of: count, process: 1)) }
        for place in 0..<count { schedule(place) }
    }

    static func id(_ place: Int) -> NodeID { NodeID(UInt64(place) + 1) }
    static func place(_ id: NodeID) -> Int { Int(id.rawValue) - 1 }

    private func make(_ place: Int, of count: Int, process: UInt64) -> Node {
        let others = (0..<count).map(Self.id)
        var node = Node(
            membership: Membership(
                own: Self.id(place), process: process, peers: others, options: options, seed: random.next(),
                at: now),
            events: Events(
                own: Self.id(place), process: process, peers: others, options: eventOptions,
                seed: random.next(), at: now))
        node.process = process
        return node
    }

    // MARK: Running

    func run(for span: Instant.Span) {
        let end = now + span
        while let first = agenda.first, first.at <= end {
            agenda.removeFirst()
            now = max(now, first.at)
            switch first.id {
            case .wake(let place): wake(place, scheduled: first.at)
            case .datagram(let from, let to, let payload): arrive(payload, from: from, to: to)
            case .call(let number): calls[number](self)
            }
        }
        now = end
    }

    /// Runs until something holds, and says how long that took; nil if it did not happen within `limit`.
    func run(atMost limit: Instant.Span, until isSo: () -> Bool) -> Instant.Span? {
        let start = now
        while !isSo() {
            guard now - start < limit else { return nil }
            run(for: .milliseconds(100))
        }
        return now - start
    }

    func after(_ span: Instant.Span, _ call: @escaping (SimulatedNetwork) -> Void) {
        calls.append(call)
        agenda.insert(.call(calls.count - 1), at: now + span)
    }

    private func wake(_ place: Int, scheduled: Instant) {
        guard nodes[place].wakesAt == scheduled else { return }
        nodes[place].wakesAt = .never
        guard nodes[place].isUp, !nodes[place].isPaused else { return }
        step(place)
    }

    private func step(_ place: Int) {
        var effects: [Membership.Effect] = []
        nodes[place].membership.wake(at: now, into: &effects)
        carryOut(effects, of: place)
        var others: [Events.Effect] = []
        nodes[place].events.wake(at: now, into: &others)
        carryOut(others, of: place)
        schedule(place)
    }

    private func arrive(_ payload: [UInt8], from: NodeID, to place: Int) {
        guard nodes[place].isUp else { return }
        guard !nodes[place].isPaused else {
            if nodes[place].waiting.count < 200 { nodes[place].waiting.append((from, payload)) }
            return
        }
        let body = payload.dropFirst()
        if payload.first == 0 {
            var effects: [Membership.Effect] = []
            nodes[place].membership.receive(body, from: from, at: now, into: &effects)
            carryOut(effects, of: place)
        } else {
            var effects: [Events.Effect] = []
            nodes[place].events.receive(body, from: from, at: now, into: &effects)
            carryOut(effects, of: place)
        }
        schedule(place)
    }

    private func schedule(_ place: Int) {
        let deadline = max(now, min(nodes[place].membership.deadline, nodes[place].events.deadline))
        guard nodes[place].isUp, deadline < nodes[place].wakesAt else { return }
        nodes[place].wakesAt = deadline
        agenda.insert(.wake(place), at: deadline)
    }

    private func carryOut(_ effects: [Membership.Effect], of place: Int) {
        for effect in effects {
            switch effect {
            case .send(let to, let payload):
                membershipBytes += payload.count
                send(0, payload, from: Self.id(place), to: to)
            case .transition(let what): transitions.append((Self.id(place), what))
            }
        }
    }

    private func carryOut(_ effects: [Events.Effect], of place: Int) {
        for effect in effects {
            switch effect {
            case .send(let to, let payload):
                eventBytes += payload.count
                send(1, payload, from: Self.id(place), to: to)
            case .deliver(let event): delivered.append((Self.id(place), event.id, now))
            }
        }
    }

    private func draw() -> Double { Double(random.next() >> 11) / Double(1 << 53) }

    private func send(_ kind: UInt8, _ payload: [UInt8], from: NodeID, to: NodeID) {
        longestPayload = max(longestPayload, payload.count)
        let copies = draw() < duplication ? 2 : 1
        for _ in 0..<copies where draw() >= loss && !isCut(from, to) {
            var late = random.next(in: delay)
            if draw() < reordering { late = late + random.next(in: .zero..<(.milliseconds(200))) }
            let happening = Happening.datagram(from: from, to: Self.place(to), payload: [kind] + payload)
            agenda.insert(happening, at: now + late)
        }
    }

    // MARK: Faults

    func crash(_ place: Int) { nodes[place].isUp = false }

    func restart(_ place: Int) {
        nodes[place] = make(place, of: nodes.count, process: nodes[place].process + 1)
        schedule(place)
    }

    func pause(_ place: Int, for span: Instant.Span) {
        nodes[place].isPaused = true
        after(span) { network in
            network.nodes[place].isPaused = false
            let waiting = network.nodes[place].waiting
            network.nodes[place].waiting = []
            for (from, payload) in waiting { network.arrive(payload, from: from, to: place) }
            network.step(place)
        }
    }

    func leave(_ place: Int) {
        var effects: [Membership.Effect] = []
        nodes[place].membership.leave(at: now, into: &effects)
        carryOut(effects, of: place)
        schedule(place)
    }

    func publish(_ place: Int, topic: String = "t", _ body: [UInt8] = [1, 2, 3]) throws -> EventID {
        var effects: [Events.Effect] = []
        defer {
            carryOut(effects, of: place)
            schedule(place)
        }
        return try nodes[place].events.publish(
            topic: topic, body: body, ttl: .seconds(600), at: now, into: &effects)
    }

    // MARK: Looking

    func state(of member: Int, at observer: Int) -> MemberState? {
        nodes[observer].membership.state(of: Self.id(member))
    }

    func view(of member: Int, at observer: Int) -> MemberView? {
        nodes[observer].membership.view(at: now).members.first { $0.id == Self.id(member) }
    }

    /// Whether all living nodes but the member itself believe this of it.
    func allBelieve(_ state: MemberState, of member: Int) -> Bool {
        nodes.indices.allSatisfy { place in
            place == member || !nodes[place].isUp || self.state(of: member, at: place) == state
        }
    }

    /// Whether all living nodes take all living nodes for alive.
    var isWhole: Bool {
        nodes.indices.allSatisfy { !nodes[$0].isUp || allBelieve(.alive, of: $0) }
    }

    /// How often a node was taken for dead in the eyes of one that found so itself.
    var verdicts: Int {
        transitions.count {
            if case .suspicionExpired = $0.what.cause { return true }
            return false
        }
    }
}
