import Primitives
import Testing

@testable import Links

/// What is said of broadcast is what it does: a node is told messages in any order, and each step that one of
/// them takes is noted.
@Suite struct `Specification of broadcast` {
    private var node: Broadcast
    private var delivered: Set<BroadcastID> = []
    private var waiting: Set<BroadcastID> = []
    private var skipped: Set<BroadcastID> = []
    private var steps: Set<String> = []

    init() {
        var options = BroadcastOptions()
        (options.mostPending, options.patience, options.mostNumbers) = (3, .milliseconds(500), 8)
        node = Broadcast(
            own: NodeID(1), process: 9, peers: (2...5).map { NodeID($0) }, options: options)
    }

    /// Notes what one call has done, to the message that came with it if there was one.
    private mutating func note(_ effects: [Broadcast.Effect], _ id: BroadcastID?, before: BroadcastCounters) {
        var lateOnes = node.counters.late - before.late
        for case .deliver(let message) in effects {
            steps.insert(waiting.remove(message.id) == nil ? "unknown -> delivered" : "waiting -> delivered")
            delivered.insert(message.id)
        }
        if let id, !delivered.contains(id), !waiting.contains(id), !skipped.contains(id) {
            if node.counters.overflows > before.overflows {
                steps.insert("unknown -> skipped")
                skipped.insert(id)
            } else if lateOnes > 0, node.load.held + node.load.pending <= waiting.count {
                lateOnes -= 1
                steps.insert("unknown -> skipped")
                skipped.insert(id)
            } else if node.counters.duplicates == before.duplicates {
                steps.insert("unknown -> waiting")
                waiting.insert(id)
            }
        }
        // Nobody is told which ones: those that are not held any more.
        if lateOnes > 0 { steps.insert("waiting -> skipped") }
    }

    private mutating func say(_ kind: BroadcastKind, at now: Instant) {
        var effects: [Broadcast.Effect] = []
        let before = node.counters
        guard let id = try? node.broadcast([1], kind, at: now, into: &effects) else { return }
        note(effects, id, before: before)
    }

    private mutating func hear(
        _ kind: BroadcastKind, _ origin: UInt64, _ number: UInt64, from peer: UInt64,
        _ vector: [CausalEntry] = [], at now: Instant = .zero
    ) {
        let id = BroadcastID(
            kind: kind, origin: NodeID(origin), process: origin == 1 ? 9 : 5, number: number)
        let message = CausalDelivery.Message(id: id, vector: vector, bytes: [1])
        var effects: [Broadcast.Effect] = []
        let before = node.counters
        node.receive(message.encode()[...], from: NodeID(peer), at: now, into: &effects)
        note(effects, id.origin == node.own ? nil : id, before: before)
    }

    private mutating func wake(at now: Instant) {
        var effects: [Broadcast.Effect] = []
        let before = node.counters
        node.wake(at: now, into: &effects)
        note(effects, nil, before: before)
    }

    @Test mutating func `every stated step is taken, and none that is not stated`() {
        let entry = CausalEntry(node: NodeID(3), process: 5, count: 2)
        for kind in BroadcastKind.allCases { say(kind, at: .zero) }
        #expect(delivered.count == 3 && waiting.count == 1)
        for peer in [2, 3] as [UInt64] { hear(.uniform, 1, 1, from: peer) }
        #expect(waiting.isEmpty, "a majority has it")
        for number in 1...8 as ClosedRange<UInt64> { hear(.uniform, 2, number, from: 2) }
        hear(.causal, 2, 1, from: 2, [entry])
        hear(.causal, 3, 2, from: 3)
        hear(.causal, 3, 1, from: 3)
        hear(.causal, 4, 2, from: 4)
        wake(at: .zero + .seconds(1))
        hear(.causal, 4, 1, from: 4)
        // Two that wait for each other: one of them is given up.
        let circle = (
            CausalEntry(node: NodeID(4), process: 5, count: 3),
            CausalEntry(node: NodeID(5), process: 5, count: 1)
        )
        hear(.causal, 5, 1, from: 5, [circle.0], at: .zero + .seconds(1))
        hear(.causal, 4, 3, from: 4, [circle.1], at: .zero + .seconds(1))
        wake(at: .zero + .seconds(9))
        let stated = Set(AlgorithmSpecification.broadcast.transitions.map { "\($0.from) -> \($0.to)" })
        #expect(steps.subtracting(stated).isEmpty, "taken, but not stated")
        #expect(stated.subtracting(steps).isEmpty, "stated, but never taken")
    }
}
