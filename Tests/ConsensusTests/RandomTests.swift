import Consensus
import Primitives
import Testing

/// Clusters under faults drawn from a seed: nothing promised may break, and after healing all must go on.
@Suite struct RandomTests {
    static let seedsPerCase = 10

    @Test(arguments: 0..<20) func `safe under faults, alive after them`(_ group: UInt64) {
        for offset in 0..<UInt64(Self.seedsPerCase) {
            var run = FaultyRun(seed: 1000 + group * 100 + offset)
            run.run()
            if !run.problems.isEmpty {
                Issue.record("seed \(1000 + group * 100 + offset): \(run.problems.joined(separator: "; "))")
            }
        }
    }

    @Test func `the same seed gives the same run`() {
        func digest() -> [String] {
            var run = FaultyRun(seed: 77)
            run.run()
            return run.cluster.nodes.map { "\($0.raft)" } + [
                "\(run.cluster.now) \(run.cluster.checker.ledger.count)"
            ]
        }
        #expect(digest() == digest())
    }
}

/// One seed's run: faults for a while, then a time without them in which all must converge.
struct FaultyRun {
    let cluster: Cluster
    var generator: SeededGenerator
    var problems: [String] = []
    private var token: UInt64 = 0
    private var proposals: UInt64 = 0
    private let changesMembers: Bool

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        let count = Int(3 + 2 * generator.next(below: 2))
        let draw = generator.next(below: 3)
        let hasLearner = count == 5 && draw == 0
        changesMembers = generator.next(below: 3) == 0
        let ids = (1...UInt64(count)).map { NodeID($0) }
        let configuration =
            hasLearner
            ? Configuration(voters: Array(ids.dropLast()), learners: [ids[count - 1]])
            : Configuration(voters: ids)
        let tight = generator.next(below: 2) == 0
        cluster = Cluster(count, configuration: configuration, seed: generator.next()) { options in
            if tight {
                options.maxEntriesPerAppend = 2
                options.maxBytesPerAppend = 20
                options.maxAppendsInFlight = 3
                options.maxBytesInFlight = 50
                options.maxUncommittedEntries = 20
            }
        }
        cluster.faults.loss = some(200)
        cluster.faults.duplicates = some(200)
        cluster.faults.shortSends = some(300)
        cluster.faults.fetchFailures = some(500)
        cluster.faults.turn = .microseconds(Int(some(3000)))
        let delays = [2, 20, 120]
        cluster.faults.delay = .microseconds(100) ..< .milliseconds(delays[Int(generator.next(below: 3))])
        cluster.faults.sync = .microseconds(50) ..< .milliseconds(delays[Int(generator.next(below: 3))])
    }

    /// Nothing, or less than `limit`.
    private mutating func some(_ limit: UInt64) -> UInt64 {
        generator.next(below: 2) == 0 ? 0 : generator.next(below: limit)
    }

    mutating func run() {
        for _ in 0..<50 {
            cluster.run(for: generator.next(in: .milliseconds(1) ..< .milliseconds(120)))
            disturb()
            use()
        }
        converge()
        problems += cluster.checker.breaches
    }

    private mutating func pick() -> Node {
        cluster.nodes[Int(generator.next(below: UInt64(cluster.nodes.count)))]
    }

    private mutating func disturb() {
        let node = pick()
        switch generator.next(below: 14) {
        case 0: cluster.crash(node.id)
        case 1, 2, 3: for node in cluster.nodes where !node.isUp { cluster.restart(node.id) }
        case 4: cluster.partition([[node.id]])
        case 5:
            let other = pick()
            cluster.block(node.id, other.id)
        case 6, 7: cluster.heal()
        case 8: cluster.checkpoint(node.id, keeping: generator.next(below: 5))
        case 9:
            if let leader = cluster.leader { cluster.post(.transferLeadership(to: node.id), to: leader.id) }
        case 10:
            if let leader = cluster.leader { cluster.crash(leader.id) }
            for other in cluster.nodes where generator.next(below: 4) > 0 {
                for gone in cluster.nodes where !gone.isUp {
                    cluster.post(.peerDisconnected(gone.id), to: other.id)
                }
            }
        case 11:
            for other in cluster.nodes { cluster.post(.peerUnreachable(node.id), to: other.id) }
        case 12 where changesMembers: changeMembers()
        default: break
        }
    }

    private mutating func use() {
        for _ in 0..<generator.next(below: 6) {
            let node = generator.next(below: 3) == 0 ? pick() : cluster.leader ?? pick()
            token += 1
            cluster.post(.read(token: token), to: node.id)
            var batch: [Proposal] = []
            for _ in 0..<generator.next(below: 4) {
                proposals += 1
                batch.append(Proposal(payload: Array("\(proposals)".utf8)))
            }
            cluster.post(.propose(batch), to: node.id)
        }
    }

    private mutating func changeMembers() {
        guard let leader = cluster.leader else { return }
        let present = leader.raft.configuration
        let next: Configuration
        if present.isJoint {
            next = Configuration(voters: present.voters, learners: present.learners)
        } else {
            let voters = cluster.nodes.map(\.id).filter { _ in generator.next(below: 4) > 0 }
            next = Configuration(voters: voters, outgoing: present.voters)
        }
        cluster.post(.propose([Proposal(kind: .configuration, payload: next.encode())]), to: leader.id)
    }

    private mutating func converge() {
        cluster.heal()
        cluster.faults.loss = 0
        cluster.faults.duplicates = 0
        cluster.faults.shortSends = 0
        cluster.faults.fetchFailures = 0
        cluster.faults.delay = .microseconds(100) ..< .milliseconds(2)
        cluster.faults.sync = .microseconds(100) ..< .milliseconds(2)
        for node in cluster.nodes { cluster.restart(node.id) }
        // A leader that is about to be deposed may still look like one.
        cluster.run(for: .seconds(3))
        let elected = cluster.run(upTo: .seconds(10)) { cluster.leader?.raft.isReady == true }
        guard elected, let leader = cluster.leader else {
            return problems.append("no leader after healing: \(cluster.nodes.map { "\($0.raft)" })")
        }
        cluster.post(.propose([Proposal(payload: Array("last".utf8))]), to: leader.id)
        let before = cluster.checker.ledger.count
        let answered = cluster.checker.readsAnswered
        token += 1
        cluster.post(.read(token: token), to: leader.id)
        let agreed = cluster.run(upTo: .seconds(10)) {
            guard let leader = cluster.leader, cluster.checker.ledger.count > before else { return false }
            return leader.raft.configuration.members.allSatisfy {
                cluster[$0].applied == leader.raft.lastIndex
            }
        }
        if !agreed {
            problems.append(
                "no agreement after healing: \(cluster.nodes.map { "\($0.raft) \($0.raft.peers)" })")
        }
        cluster.run(for: .milliseconds(100))
        if cluster.checker.readsAnswered == answered { problems.append("the last read was not answered") }
    }
}
