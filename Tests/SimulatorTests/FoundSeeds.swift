import Primitives
import Replication
import Testing
import WAL

@testable import Simulator

/// Runs that failed because of a bug of the product. A seed means something else as soon as anything is drawn
/// differently, so what made it fail is written out: the limits, the links and the faults. Only small delays
/// are still drawn, so each story is run with some seeds; and each tells which rare state it must come into,
/// lest it passes because nothing happens any more.
@Suite struct FoundSeeds {
    struct Story: Sendable, CustomTestStringConvertible {
        /// Where it was found, and what was wrong.
        let testDescription: String
        let seeds: ClosedRange<UInt64>
        let make: @Sendable (inout Plan) -> Void
        /// What must have happened in one of the runs.
        let mark: Mark
        /// The end of the slowest run.
        var latest = Instant.zero + .seconds(60)
    }

    private static func fault(_ milliseconds: Int, lasts: Int = 0, _ action: FaultAction) -> PlannedFault {
        PlannedFault(
            number: 0, at: .zero + .milliseconds(milliseconds), lasts: .milliseconds(lasts), action: action)
    }

    private static let rush = fault(300, lasts: 3500, .rush(factor: 12, impatient: false, nil))

    /// Small segments and a checkpoint every few entries.
    private static func press(_ plan: inout Plan) {
        plan.knobs.log.segmentBytes = 4096
        plan.knobs.log.spareSliceBytes = 4096
        plan.knobs.replica.checkpointLogBytes = 256
    }

    static let stories: [Story] = [
        Story(
            testDescription: """
                std 0x2f: the disk was full for a moment although a spare segment was ready; nobody looked \
                again, and the node refused writes for ever
                """,
            seeds: 1...2,
            make: { plan in
                press(&plan)
                plan.faults = [rush]
                for node in 0..<3 {
                    for number in 0..<4 {
                        let at = 700 + 700 * number + 100 * node
                        let error = FaultAction.diskError(.node(node), .noSpace, skipping: 2 * number)
                        plan.faults.append(fault(at, lasts: 300, error))
                    }
                }
            },
            mark: .spaceReturned),
        Story(
            testDescription: """
                std 0x10005b: a checkpoint had its name, the process died before it synced the folder, the \
                next one cut the log to it, and a power failure took the name away
                """,
            seeds: 1...2,
            make: { plan in
                press(&plan)
                plan.faults = [rush]
                for number in 0..<6 {
                    let node = Target.node(number % 3)
                    let at = 600 + 500 * number
                    let death = FaultAction.dieAtOperation(node, operations: 3 * number, power: false)
                    plan.faults.append(fault(at, lasts: 20, death))
                    plan.faults.append(fault(at + 300, lasts: 50, .powerCut(node)))
                }
            },
            mark: .checkpointInterrupted),
        Story(
            testDescription: """
                std 0x62 with forgetsLiveLeader: a request came twice, the second copy was damaged and \
                refused, and that was taken for proof that nothing had come: writes were carried out twice
                """,
            seeds: 1...2,
            make: { plan in
                plan.network.duplicates = 300_000
                plan.network.corruption = 100_000
                plan.faults = [rush]
            },
            mark: .batchRepeatedDropped),
        Story(
            testDescription: """
                std 0x9f: a part of a snapshot was lost, and the follower did nothing for 30 s
                """,
            seeds: 1...2,
            make: { plan in
                press(&plan)
                plan.knobs.fetchChunk = 64
                plan.network.fetchFailures = 300_000
                plan.faults = [
                    rush,
                    fault(400, lasts: 2500, .partition(.isolate(.node(2), sends: true, hears: true))),
                ]
            },
            mark: .snapshotOffered, latest: .zero + .seconds(25)),
        Story(
            testDescription: """
                found by thought: the leader's checkpoint went bad on disk, the follower without which \
                nothing could be committed fetched and refused it for ever
                """,
            seeds: 1...4,
            make: { plan in
                press(&plan)
                plan.core = [0, 2]
                plan.fragile = [0]
                for place in plan.clients.indices { plan.clients[place].home = 2 * (place % 2) }
                plan.faults = [
                    rush,
                    fault(400, lasts: 3000, .partition(.isolate(.node(2), sends: true, hears: true))),
                    fault(2600, lasts: 600_000, .kill(.node(1))),
                    fault(3300, .damage(.node(0), .rotNewestCheckpoint)),
                ]
            },
            mark: .checkpointReplaced),
    ]

    @Test(arguments: stories)
    func `a run that failed once passes`(story: Story) {
        var marks = MarkCounts()
        for seed in story.seeds {
            var reduction = Reduction()
            reduction.safety = .seconds(4)
            var plan = Plan(seed: seed, profile: .lite, reduction: reduction)
            plan.core = [0, 1, 2]
            (plan.endsWithTransfer, plan.endsWithCut) = (false, false)
            for place in plan.clients.indices { plan.clients[place].home = place % 3 }
            story.make(&plan)
            plan.faults.sort { $0.at < $1.at }
            let chronicler = Chronicler(seed: seed)
            let outcome = Simulation(plan: plan, observers: [chronicler]).run()
            marks.merge(chronicler.marks)
            let violation = outcome.violation
            #expect(violation == nil, "seed \(seed): \(violation?.details ?? "")")
            #expect(outcome.at <= story.latest, "seed \(seed) ends at \(outcome.at)")
        }
        #expect(marks[story.mark] > 0, "\(story.mark) is not reached any more")
    }
}
