import Primitives
import Testing

@testable import Links

@Suite struct BroadcastTests {
    /// Broadcasts at random; with crashes, a minority ends in the midst of what it does.
    private func storm(_ seed: UInt64, nodes: Int, _ kinds: [BroadcastKind], crashes: Int) throws
        -> BroadcastWorld
    {
        var world = BroadcastWorld(nodes: nodes, seed: seed)
        for round in 0..<60 {
            let node = Int(world.net.random.next(below: UInt64(nodes)))
            if round % 20 == 10, round / 20 < crashes {
                world.fuses[node] = Int(world.net.random.next(below: UInt64(nodes)))
            }
            guard world.net.isUp[node] else { continue }
            let kind = kinds[Int(world.net.random.next(below: UInt64(kinds.count)))]
            _ = try world.broadcast(labelled(round), kind, from: node)
            world.run(for: world.net.random.next(in: .zero..<Instant.Span.milliseconds(20)))
        }
        world.run(for: .seconds(60))
        return world
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `while all live, all deliver everything once`(seed: UInt64) throws {
        let world = try storm(seed, nodes: 3, BroadcastKind.allCases, crashes: 0)
        let all = world.causes.keys.sorted()
        #expect(all.count == 60)
        for node in 0..<3 {
            #expect(world.delivered[node][0].sorted() == all)
            #expect(world.nodes[node].counters.delivered == 60)
            #expect(world.nodes[node].counters.malformed == 0)
            #expect(world.nodes[node].load == (0, 0))
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `what one delivered that lives, or any if uniform, all deliver that live`(seed: UInt64) throws {
        for kind in [BroadcastKind.reliable, .uniform, .causal] {
            let world = try storm(seed, nodes: 5, [kind], crashes: 2)
            let living = (0..<5).filter { world.net.isUp[$0] }
            #expect(living.count >= 3)
            let witnesses = kind == .uniform ? Array(0..<5) : living
            var owed = Set(witnesses.flatMap { world.delivered[$0][0] })
            // And what who lives has sent.
            for id in world.causes.keys where living.contains(Int(id.origin.rawValue) - 1) { owed.insert(id) }
            for node in living {
                #expect(Set(world.delivered[node][0]) == owed, "\(kind)")
                #expect(world.delivered[node][0].count == owed.count)
            }
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `causes come before effects, all of them`(seed: UInt64) throws {
        let world = try storm(seed, nodes: 4, [.causal], crashes: 0)
        for node in 0..<4 {
            var before: Set<BroadcastID> = []
            for id in world.delivered[node][0] {
                #expect(before.isSuperset(of: world.causes[id] ?? []), "\(id) came before a cause")
                before.insert(id)
            }
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `over restarts no effect comes before a cause, and nothing waits for ever`(seed: UInt64) throws {
        var options = BroadcastOptions()
        options.patience = .milliseconds(500)
        var world = BroadcastWorld(nodes: 4, options: options, seed: seed)
        for round in 0..<120 {
            let node = Int(world.net.random.next(below: 4))
            _ = try world.broadcast(labelled(round), .causal, from: node)
            world.run(for: world.net.random.next(in: .zero..<Instant.Span.milliseconds(20)))
            if round % 20 == 19, round < 100 { world.restart(Int(world.net.random.next(below: 4))) }
        }
        world.run(for: .seconds(60))
        for node in 0..<4 {
            for process in world.delivered[node] {
                #expect(Set(process).count == process.count)
                var after = Set(process)
                for id in process {
                    after.remove(id)
                    #expect(after.isDisjoint(with: world.causes[id] ?? []), "\(id) came before a cause")
                }
            }
            #expect(world.nodes[node].load.held == 0)
            // The last ones come to all: who restarted is one of us again.
            #expect((world.delivered[node].last ?? []).count > 3)
        }
    }

    @Test func `nobody delivers a uniform message before a majority has it`() throws {
        let peers = [2, 3, 4, 5].map { NodeID($0) }
        var node = Broadcast(own: NodeID(1), process: 9, peers: peers)
        var effects: [Broadcast.Effect] = []
        _ = try node.broadcast([1], .uniform, at: .zero, into: &effects)
        #expect(effects.count == 4)
        guard case .send(_, let bytes) = effects[0] else { return }
        func take(_ peer: UInt64) -> Int {
            effects = []
            node.receive(bytes[...], from: NodeID(peer), at: .zero, into: &effects)
            return effects.count
        }
        #expect(take(2) == 0)
        #expect(take(2) == 0)
        #expect(take(3) == 1)
        #expect(node.load.pending == 1)
        #expect(take(4) == 0)
        #expect(take(5) == 0)
        #expect(node.load.pending == 0)
        #expect(take(5) == 0)
    }

    @Test func `memory is bounded, and what is refused or forgotten is counted`() throws {
        var options = BroadcastOptions()
        (options.mostPending, options.mostHeld, options.mostNumbers) = (4, 4, 8)
        let peers = [2, 3, 4, 5].map { NodeID($0) }
        var node = Broadcast(own: NodeID(1), process: 9, peers: peers, options: options)
        var effects: [Broadcast.Effect] = []
        for _ in 0..<4 { _ = try node.broadcast([1], .uniform, at: .zero, into: &effects) }
        #expect(throws: BroadcastRefusal.full) {
            _ = try node.broadcast([1], .uniform, at: .zero, into: &effects)
        }
        #expect(throws: BroadcastRefusal.tooLong) {
            _ = try node.broadcast([UInt8](repeating: 1, count: 1_024), .reliable, at: .zero, into: &effects)
        }
        node.receive(payload(.uniform, 2, 1), from: NodeID(2), at: .zero, into: &effects)
        #expect(node.counters.overflows == 1)
        // Two others have the first one: it is delivered, and may be forgotten.
        for peer in [2, 3] as [UInt64] {
            node.receive(payload(.uniform, 1, 1, process: 9), from: NodeID(peer), at: .zero, into: &effects)
        }
        _ = try node.broadcast([1], .uniform, at: .zero, into: &effects)
        #expect(node.counters.forgotten == 1)
        #expect(node.load.pending == 4)
        // Numbers 2, 4, 6 and so on wait for the odd ones, until there are too many.
        for number in 1...20 as ClosedRange<UInt64> {
            node.receive(payload(.causal, 2, number * 2), from: NodeID(2), at: .zero, into: &effects)
            #expect(node.load.held <= 4)
        }
        #expect(node.counters.skipped == 16)
        effects = []
        node.receive(payload(.causal, 2, 1), from: NodeID(2), at: .zero, into: &effects)
        #expect(!effects.contains { if case .deliver = $0 { true } else { false } })
    }

    private func payload(
        _ kind: BroadcastKind, _ origin: UInt64, _ number: UInt64, process: UInt64 = 5,
        _ vector: [CausalEntry] = []
    ) -> ArraySlice<UInt8> {
        let id = BroadcastID(kind: kind, origin: NodeID(origin), process: process, number: number)
        return CausalDelivery.Message(id: id, vector: vector, bytes: [1]).encode()[...]
    }

    private func delivered(
        _ payloads: [(peer: UInt64, payload: ArraySlice<UInt8>)], waiting span: Instant.Span = .seconds(60)
    ) -> [BroadcastID] {
        var node = Broadcast(own: NodeID(1), process: 9, peers: [NodeID(2), NodeID(3), NodeID(4)])
        var effects: [Broadcast.Effect] = []
        for (peer, payload) in payloads {
            node.receive(payload, from: NodeID(peer), at: .zero, into: &effects)
        }
        node.wake(at: .zero + span, into: &effects)
        return effects.compactMap { if case .deliver(let message) = $0 { message.id } else { nil } }
    }

    @Test func `who can wait no longer does not leave those behind that waited with it`() {
        // The second node's message came after one of the third's, and that one after one that is lost.
        let lost = CausalEntry(node: NodeID(4), process: 5, count: 1)
        let first = CausalEntry(node: NodeID(3), process: 5, count: 1)
        let both: [(UInt64, ArraySlice<UInt8>)] = [
            (2, payload(.causal, 2, 1, [first, lost])), (3, payload(.causal, 3, 1, [lost])),
        ]
        #expect(delivered(both, waiting: .milliseconds(4_999)) == [])
        #expect(delivered(both).map(\.origin) == [NodeID(3), NodeID(2)])
        // What is found after all comes too late.
        #expect(delivered(both + [(4, payload(.causal, 4, 1))]).map(\.origin).first == NodeID(4))
    }

    @Test func `messages that wait for each other are none of a history: one of them is dropped`() {
        let (two, three) = (
            CausalEntry(node: NodeID(2), process: 5, count: 1),
            CausalEntry(node: NodeID(3), process: 5, count: 1)
        )
        let circle: [(UInt64, ArraySlice<UInt8>)] = [
            (2, payload(.causal, 2, 1, [three])), (3, payload(.causal, 3, 1, [two])),
        ]
        #expect(delivered(circle).count == 1)
    }

    @Test func `hostile messages change nothing, or nothing but themselves`() {
        let entries = [UInt64.max >> 2, 1, 0].enumerated().map { place, count in
            CausalEntry(node: NodeID(UInt64(place + 1)), process: .max, count: count)
        }
        var node = Broadcast(own: NodeID(1), process: 9, peers: [NodeID(2), NodeID(3)])
        var effects: [Broadcast.Effect] = []
        let whole = payload(.causal, 2, 1 << 61, process: .max, entries)
        for count in 0..<(whole.count - 1) {
            node.receive(whole.prefix(count), from: NodeID(2), at: .zero, into: &effects)
        }
        #expect(node.counters.malformed == UInt64(whole.count) - 1)
        #expect(effects == [])
        var random = SeededGenerator(seed: 8)
        for _ in 0..<20_000 {
            var bytes = Array(whole)
            for _ in 0..<3 {
                bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            node.receive(bytes[...], from: NodeID(2), at: .zero, into: &effects)
            node.wake(at: Instant(nanoseconds: 1 << 40), into: &effects)
        }
        // A stranger, and a best-effort message from somebody else than who relays it.
        let before = node.counters.malformed
        node.receive(payload(.reliable, 2, 7), from: NodeID(9), at: .zero, into: &effects)
        node.receive(payload(.reliable, 9, 7), from: NodeID(2), at: .zero, into: &effects)
        node.receive(payload(.bestEffort, 3, 7), from: NodeID(2), at: .zero, into: &effects)
        #expect(node.counters.malformed == before + 3)
    }
}
