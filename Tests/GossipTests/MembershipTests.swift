import Primitives
import Testing

@testable import Gossip

/// Whole clusters under virtual time.
@Suite struct MembershipTests {
    @Test(arguments: [(3, 20), (5, 20), (24, 3)])
    func `a crash is known to all within three periods times log2 of n`(count: Int, runs: Int) {
        let limit = Instant.Span.milliseconds(Int(3_000 * binaryLogarithm(Double(count))))
        for seed in 1...UInt64(runs) {
            let network = SimulatedNetwork(count, seed: seed)
            network.run(for: .seconds(10))
            #expect(network.isWhole && network.transitions.count == count * (count - 1))
            network.crash(1)
            let took = network.run(atMost: .seconds(60)) { network.allBelieve(.dead, of: 1) }
            #expect(took.map { $0 <= limit } == true, "seed \(seed) took \(String(describing: took))")
        }
    }

    @Test func `loss, doubling and overtaking kill nobody`() {
        let network = SimulatedNetwork(12, seed: 1)
        (network.loss, network.duplication, network.reordering) = (0.05, 0.1, 0.2)
        network.run(for: .seconds(300))
        #expect(network.isWhole)
        #expect(network.verdicts == 0)
        #expect(network.nodes.allSatisfy { $0.membership.counters.malformed == 0 })
        #expect(network.nodes.contains { $0.membership.counters.indirectAcks > 0 })
    }

    @Test func `under heavy loss who is suspected objects, and stays`() {
        let network = SimulatedNetwork(8, seed: 3)
        network.loss = 0.35
        network.run(for: .seconds(300))
        let objections = network.nodes.reduce(0) { $0 + $1.membership.counters.objections }
        #expect(objections > 0)
        network.loss = 0
        network.run(for: .seconds(60))
        #expect(network.isWhole)
        let refuted = network.nodes.reduce(0) { $0 + $1.membership.counters.suspicionsRefuted }
        #expect(refuted > 0)
    }

    @Test func `a node that was restarted is believed at once, and is a new process`() {
        let network = SimulatedNetwork(5, seed: 4)
        network.run(for: .seconds(5))
        network.crash(2)
        network.run(for: .seconds(30))
        #expect(network.allBelieve(.dead, of: 2))
        network.restart(2)
        let took = network.run(atMost: .seconds(10)) { network.isWhole }
        #expect(took != nil)
        #expect(network.view(of: 2, at: 0)?.incarnation.process == 2)
        let last = network.transitions.last { $0.what.member == NodeID(3) && $0.observer == NodeID(1) }
        if case .restarted = last?.what.cause {} else { Issue.record("\(String(describing: last))") }
    }

    @Test func `who leaves has left, and is not taken for dead`() {
        let network = SimulatedNetwork(6, seed: 5)
        network.run(for: .seconds(5))
        network.leave(3)
        network.run(for: .seconds(4))
        network.crash(3)
        network.run(for: .seconds(60))
        #expect(network.allBelieve(.left, of: 3))
        #expect(
            !network.transitions.contains {
                $0.what.member == NodeID(4) && $0.what.to > .alive && $0.what.to < .left
            })
        network.restart(3)
        #expect(network.run(atMost: .seconds(10)) { network.isWhole } != nil)
    }

    @Test(arguments: [4, 10]) func `halves that were apart see each other again`(count: Int) {
        let network = SimulatedNetwork(count, seed: 6)
        network.run(for: .seconds(5))
        network.isCut = { $0.rawValue % 2 != $1.rawValue % 2 }
        network.run(for: .seconds(60))
        #expect(network.state(of: 1, at: 0) == .dead && network.state(of: 0, at: 1) == .dead)
        #expect(network.state(of: 2, at: 0) == .alive)
        network.isCut = { _, _ in false }
        #expect(network.run(atMost: .seconds(60)) { network.isWhole } != nil)
    }

    @Test func `a node that stood still blames nobody, and tells of it`() throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let network = SimulatedNetwork(5, seed: seed)
            network.run(for: .seconds(5))
            network.pause(0, for: .seconds(20))
            network.run(for: .seconds(19))
            #expect((1..<5).allSatisfy { network.state(of: 0, at: $0) == .dead })
            let silent = try #require(network.view(of: 0, at: 1))
            #expect(silent.diagnosis == .silent && silent.reach == .none && silent.paused == nil)
            let before = network.transitions.count
            network.run(for: .seconds(8))
            #expect(network.isWhole)
            #expect(
                !network.transitions[before...].contains {
                    $0.observer == NodeID(1) && $0.what.member != NodeID(1)
                })
            let back = try #require(network.view(of: 0, at: 1))
            #expect(back.diagnosis == .paused)
            #expect(try #require(back.paused) > .seconds(18))
            #expect(network.nodes[0].membership.counters.pauses == 1)
            network.run(for: .seconds(90))
            #expect(network.view(of: 0, at: 1)?.diagnosis == .healthy)
        }
    }

    @Test func `a pause that interrupts a suspicion does not end it`() {
        let network = SimulatedNetwork(5, seed: 7)
        network.run(for: .seconds(5))
        // Node 0 suspects node 1, which is cut off for a moment, and then stands still itself.
        network.isCut = { from, to in from == NodeID(2) || to == NodeID(2) }
        _ = network.run(atMost: .seconds(20)) { network.state(of: 1, at: 0) == .suspect }
        network.isCut = { _, _ in false }
        network.pause(0, for: .seconds(30))
        network.run(for: .seconds(40))
        #expect(network.isWhole)
        let verdicts = network.transitions.filter {
            if case .suspicionExpired = $0.what.cause { return $0.observer == NodeID(1) }
            return false
        }
        #expect(verdicts.isEmpty)
    }

    @Test func `a crash and broken ways can be told apart`() throws {
        let network = SimulatedNetwork(6, seed: 8)
        network.run(for: .seconds(40))
        // From node 0 nothing comes to node 1; between nodes 2 and 3 nothing passes; node 5 is gone.
        network.isCut = { from, to in
            (from, to) == (NodeID(1), NodeID(2)) || (from, to) == (NodeID(3), NodeID(4))
                || (from, to) == (NodeID(4), NodeID(3))
        }
        network.crash(5)
        network.run(for: .seconds(60))
        func look(_ member: Int, _ observer: Int) throws -> MemberView {
            try #require(network.view(of: member, at: observer))
        }
        let to = try look(1, 0)
        #expect(to.reach == .indirect && to.diagnosis == .onewayTo && to.state == .alive)
        #expect(try #require(to.heardThrough) > network.now - .seconds(20))
        let from = try look(0, 1)
        #expect(from.reach == .indirect && from.diagnosis == .onewayFrom && from.state == .alive)
        #expect(try look(3, 2).diagnosis == .onewayFrom)
        #expect(try look(2, 3).diagnosis == .onewayFrom)
        let crashed = try look(5, 0)
        #expect(crashed.reach == .none && crashed.diagnosis == .silent && crashed.state == .dead)
        #expect(!crashed.suspectedBy.isEmpty)
        #expect(try #require(crashed.phi) > PhiDetector.hopeless && crashed.verdict == .hopeless)
        let healthy = try look(4, 0)
        #expect(healthy.diagnosis == .healthy && healthy.reach == .direct && healthy.missed == 0)
        #expect(try #require(healthy.roundTrip) < .milliseconds(25))
        #expect(try #require(healthy.smoothedRoundTrip) > .milliseconds(1))
        #expect(network.verdicts <= 5, "only the crashed one was taken for dead")
    }

    @Test func `what a node sends does not grow with the cluster`() {
        let rates = [6, 24].map { count in
            let network = SimulatedNetwork(count, seed: 9)
            network.run(for: .seconds(30))
            let start = network.membershipBytes
            network.run(for: .seconds(30))
            return (network.membershipBytes - start) / count / 30
        }
        #expect(rates[1] <= rates[0] + 5 && rates[0] < 100, "\(rates) bytes a second")
    }

    @Test func `when half of a cluster is gone no datagram is too long`() {
        let network = SimulatedNetwork(70, seed: 10, options: MembershipOptions())
        network.run(for: .seconds(3))
        for place in 0..<35 { network.crash(place) }
        network.run(for: .seconds(15))
        #expect(network.longestPayload <= MembershipOptions.longestPayload)
        #expect(network.longestPayload > 200)
    }

    @Test func `one seed, one run`() {
        func run(_ seed: UInt64) -> [MemberTransition] {
            let network = SimulatedNetwork(6, seed: seed)
            network.loss = 0.3
            network.run(for: .seconds(60))
            return network.transitions.map(\.what)
        }
        let first = run(1)
        #expect(first == run(1))
        #expect(first != run(2))
    }
}
