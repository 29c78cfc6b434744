import Primitives
import Testing

@testable import Simulator

/// What plans are drawn like.
@Suite struct SceneTests {
    @Test func `every kind of fault is drawn, and scenes are common`() {
        var kinds: Set<String> = []
        var withScenes = 0
        for seed in UInt64(1)...150 {
            let plan = Plan(seed: seed, profile: .std)
            if plan.families.contains(.scenes) { withScenes += 1 }
            for fault in plan.faults {
                kinds.insert(fault.action.kind)
                #expect(fault.at >= .zero && fault.lasts >= .zero, "seed \(seed): \(fault)")
            }
            #expect(plan.faults.map(\.number) == Array(plan.faults.indices), "seed \(seed)")
        }
        #expect((75...135).contains(withScenes))
        let expected: Set<String> = [
            "kill", "power cut", "crash at disk operation", "mass crash", "pause", "disk thread stall",
            "node loop stall", "slow disk", "full disk", "disk error", "damage", "wall clock step", "drift",
            "transfer", "partition", "flapping", "clog", "reset", "loss", "delay", "clients cut off",
            "repeats", "rush",
            "lost disk",
        ]
        #expect(kinds == expected)
    }

    @Test func `what is durable goes bad on less than half of the nodes`() {
        for seed in UInt64(1)...150 {
            let plan = Plan(seed: seed, profile: .std)
            #expect(plan.fragile.count < (plan.nodeCount + 1) / 2, "seed \(seed)")
            #expect(plan.core.count > plan.nodeCount / 2, "seed \(seed)")
            for fault in plan.faults {
                switch fault.action {
                case .damage(.node(let index), _), .loseDisk(.node(let index)):
                    #expect(plan.fragile.contains(index), "seed \(seed): \(fault)")
                case .damage, .loseDisk: Issue.record("seed \(seed): \(fault) befalls anybody")
                default: break
                }
            }
        }
    }

    @Test func `a leader and one follower cut off have each other`() {
        var plan = Plan(seed: 1, profile: .lite, nodes: 5)
        plan.faults = [
            PlannedFault(
                number: 0, at: .zero + .milliseconds(10), lasts: .seconds(1),
                action: .partition(.duo(.node(3), 4)))
        ]
        final class Look: Observer {
            var cuts: [[Int]] = []
            func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation) {
                guard cuts.isEmpty, case .turn = step.what, simulation.now > .zero + .milliseconds(20) else {
                    return
                }
                for from in 0..<5 {
                    cuts.append((0..<5).filter { simulation.network.isCut(from, $0) })
                }
            }
        }
        let look = Look()
        _ = Simulation(plan: plan, observers: [look]).run()
        // Four on from n4 is n3.
        #expect(look.cuts == [[2, 3], [2, 3], [0, 1, 4], [0, 1, 4], [2, 3]])
    }

    @Test func `a rush makes clients ask more often, and only while it lasts`() {
        func operations(_ faults: [FaultAction]) -> Int {
            var plan = Plan(seed: 5, profile: .lite)
            plan.faults = faults.enumerated().map { number, action in
                PlannedFault(number: number, at: .zero + .seconds(2), lasts: .seconds(3), action: action)
            }
            return Simulation(plan: plan).run().statistics.operations
        }
        let (calm, hurried) = (operations([]), operations([.rush(factor: 20, impatient: false, nil)]))
        #expect(hurried > 2 * calm)
        #expect(hurried < 40 * calm)
    }

    @Test func `a node whose disk is lost is not started again, and the others go on`() {
        var plan = Plan(seed: 6, profile: .lite)
        plan.fragile = [1]
        plan.core = [0, 1, 2]
        plan.faults = [
            PlannedFault(number: 0, at: .zero + .seconds(2), lasts: .zero, action: .loseDisk(.node(1)))
        ]
        let simulation = Simulation(plan: plan)
        let outcome = simulation.run()
        #expect(outcome.violation == nil)
        #expect(simulation.nodes[1].state == .down && simulation.nodes[1].life == 1)
        #expect(simulation.core == [0, 2])
        #expect(outcome.statistics.answered > 0)
    }
}
