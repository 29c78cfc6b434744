import Consensus
import Primitives
import Testing

/// What is said of Raft is what it does: under faults every step that is stated is taken, and no other one.
@Suite struct `Specification of Raft` {
    private static let spec = AlgorithmSpecification.raft

    @Test func `every stated step is taken under faults, and none that is not stated`() {
        let stated = Set(Self.spec.transitions.map { "\($0.from) -> \($0.to): \($0.cause)" })
        var seen: Set<String> = []
        for seed in 5_000..<5_200 as Range<UInt64> where !seen.isSuperset(of: stated) {
            var run = FaultyRun(seed: seed)
            run.run()
            Self.depose(in: run.cluster)
            seen.formUnion(run.cluster.steps)
        }
        #expect(seen.subtracting(stated).isEmpty, "taken, but not stated")
        #expect(stated.subtracting(seen).isEmpty, "stated, but never taken")
    }

    /// Cuts the leader off; then takes the next one out of the configuration.
    private static func depose(in cluster: Cluster) {
        guard let cut = cluster.leader else { return }
        cluster.partition([[cut.id]])
        cluster.run(for: .seconds(5))
        cluster.heal()
        cluster.run(for: .seconds(5))
        guard let leader = cluster.leader, !leader.raft.configuration.isJoint else { return }
        let voters = leader.raft.configuration.voters
        let others = voters.filter { $0 != leader.id }
        guard others.count > 1 else { return }
        for next in [Configuration(voters: others, outgoing: voters), Configuration(voters: others)] {
            cluster.post(.propose([Proposal(kind: .configuration, payload: next.encode())]), to: leader.id)
            cluster.run(for: .seconds(1))
        }
    }

    @Test func `every role is reached from the first, and every name is given once`() {
        var reached: Set = [Role.initial.name]
        for _ in Role.allCases {
            for step in Self.spec.transitions where reached.contains(step.from) { reached.insert(step.to) }
        }
        #expect(reached == Set(Role.allCases.map(\.name)))
        #expect(Self.spec.states.filter(\.isInitial).map(\.name) == ["follower"])
        #expect(Set(Message.Kind.allCases.map(\.name)).count == Self.spec.messages.count)
        #expect(Self.spec.messages.allSatisfy { !$0.meaning.isEmpty })
    }
}
