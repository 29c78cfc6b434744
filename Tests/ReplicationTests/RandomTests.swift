import Consensus
import Foundation
import Primitives
import Store
import Testing

@testable import Replication

/// Whole clusters under load while things go wrong. The seed of a failing run reproduces it:
/// `PARLEY_SEEDS=17..<18 swift test --filter RandomTests`; more of them search longer.
struct RandomTests {
    static let seeds: Range<UInt64> = {
        let parts = (ProcessInfo.processInfo.environment["PARLEY_SEEDS"] ?? "").components(separatedBy: "..<")
        guard parts.count == 2, let first = UInt64(parts[0]), let end = UInt64(parts[1]), first < end else {
            return 1..<13
        }
        return first..<end
    }()

    private func makeCluster(_ generator: inout SeededGenerator) -> Cluster {
        var limits = Replica.Limits()
        var store = Store.Limits()
        (store.minimumRevisions, store.maximumRevisions, store.stepsPerCommand) = (5, 40, 2)
        func coin() -> Bool { generator.next(below: 2) == 0 }
        if coin() { limits.appliesPerTurn = 1 + Int(generator.next(below: 4)) }
        if coin() { limits.entryCacheBytes = Int(generator.next(below: 2_000)) }
        if generator.next(below: 4) > 0 {
            limits.checkpointLogBytes = 200 + Int(generator.next(below: 4_000))
        }
        if coin() { limits.forwardBytes = 100 }
        if coin() { limits.readRounds = 1 }
        if coin() { limits.readRetry = .milliseconds(30) }
        if coin() { (limits.pendingWrites, limits.pendingReads) = (20, 20) }
        let (smallAppends, smallLog) = (coin(), coin())
        return Cluster(
            coin() ? 3 : 5, seed: generator.next(), limits: limits, storeLimits: store,
            tune: { options in
                if smallAppends { (options.maxEntriesPerAppend, options.maxBytesPerAppend) = (3, 150) }
                if smallLog { (options.maxUncommittedEntries, options.maxAppendsInFlight) = (12, 2) }
            })
    }

    @Test(arguments: seeds)
    func `whatever goes wrong, answers are true and nothing happens twice`(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let cluster = makeCluster(&generator)
        let clients = Clients(cluster, seed: generator.next())
        var nemesis = Nemesis(cluster, clients, seed: generator.next())
        clients.ask(every: .milliseconds(8))
        for _ in 0..<30 {
            cluster.run(for: .milliseconds(150))
            nemesis.strike()
        }
        clients.isActive = false
        nemesis.end()
        finish(cluster, clients)
        if ProcessInfo.processInfo.environment["PARLEY_SEEDS"] != nil { report(seed, cluster, clients) }
    }

    /// Progress, then agreement, then the truth of every answer.
    private func finish(_ cluster: Cluster, _ clients: Clients) {
        let isSettled = cluster.run(upTo: .seconds(10)) { clients.open == 0 }
        #expect(isSettled, "requests are open for longer than they may be")
        expectAgreement(cluster)
        var last: [UInt64] = []
        for node in cluster.nodes {
            last.append(clients.ask(.put, of: node, patience: .seconds(5)))
            last.append(clients.ask(.read, of: node, patience: .seconds(5)))
        }
        #expect(cluster.run(upTo: .seconds(6)) { clients.open == 0 }, "there is no progress after healing")
        for token in last {
            guard case .answered = clients.requests[token]?.end else {
                Issue.record("no progress after healing: \(String(describing: clients.requests[token]))")
                continue
            }
        }
        expectAgreement(cluster)
        clients.checkFinalState(cluster.nodes[0].replica.keyspace)
        for node in cluster.nodes { #expect(node.replica.isIdle, "node \(node.id) holds on to something") }
    }

    /// A leader is found, and all come to the same state.
    private func expectAgreement(_ cluster: Cluster) {
        let isEqual = cluster.run(upTo: .seconds(5)) {
            guard let leader = cluster.leader, leader.replica.raft.isReady else { return false }
            let last = leader.replica.raft.lastIndex
            return cluster.nodes.allSatisfy { $0.replica.keyspace.appliedIndex == last }
        }
        #expect(isEqual, "replicas don't catch up")
        let digests = cluster.nodes.map(\.replica.keyspace.digest)
        #expect(Set(digests).count == 1, "replicas differ: \(digests)")
    }

    private func report(_ seed: UInt64, _ cluster: Cluster, _ clients: Clients) {
        let (answered, refused, unknown) = (
            clients.count { if case .answered = $0.end { true } else { false } },
            clients.count { $0.end == .refused }, clients.count { $0.end == .unknown }
        )
        let terms = cluster.nodes[0].replica.raft.term
        let installs = cluster.nodes.reduce(0) { $0 + $1.installs }
        let checkpoints = cluster.nodes.reduce(0) { $0 + $1.checkpoints }
        print(
            "seed \(seed): \(cluster.nodes.count) nodes, \(answered) answered, \(refused) refused, \(unknown) unknown,"
                + " term \(terms), \(checkpoints) checkpoints, \(installs) installs")
    }
}

extension Replica {
    /// Whether nobody waits for anything and nothing is held for anybody.
    var isIdle: Bool {
        writes.isEmpty && writes.bytes == 0 && writes.waiting.isEmpty && writes.toForward.isEmpty
            && proposals.isEmpty && reads.count == 0 && reads.waiting.isEmpty && reads.rounds.isEmpty
            && reads.barriers.isEmpty
    }
}
