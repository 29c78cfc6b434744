import Consensus
import NodeCore
import Primitives
import Testing

@testable import Simulator

/// The second part of a run convicts a cluster that makes no progress: here somebody sees to it that it
/// can't.
@Suite struct LivenessTests {
    /// Does something to the cluster once, in the first turn of a node for which `condition` holds.
    private final class Saboteur: Observer {
        private let condition: (Simulation) -> Bool
        private let harm: (Simulation) -> Void
        private(set) var hasActed = false

        init(when condition: @escaping (Simulation) -> Bool, harm: @escaping (Simulation) -> Void) {
            self.condition = condition
            self.harm = harm
        }

        func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation) {
            guard !hasActed, case .turn = step.what, condition(simulation) else { return }
            hasActed = true
            harm(simulation)
        }
    }

    /// A run of three nodes in which nothing goes wrong for half a second, and then this.
    private func verdict(
        transfer: Bool = false, cut: Bool = false, _ saboteur: Saboteur?
    ) -> (violation: Violation?, at: Instant) {
        var reduction = Reduction()
        reduction.safety = .milliseconds(500)
        var plan = Plan(seed: 1, profile: .lite, reduction: reduction)
        plan.faults = []
        plan.core = [0, 1, 2]
        (plan.endsWithTransfer, plan.endsWithCut) = (transfer, cut)
        let outcome = Simulation(plan: plan, observers: saboteur.map { [$0] } ?? []).run()
        return (outcome.violation, outcome.at)
    }

    private static func cutEverything(_ simulation: Simulation) {
        for link in simulation.network.links.indices { simulation.network.links[link].cuts += 1 }
    }

    private static func isolate(_ index: Int, _ simulation: Simulation) {
        for other in simulation.nodes.indices where other != index {
            for link in [simulation.network.place(index, other), simulation.network.place(other, index)] {
                simulation.network.links[link].cuts += 1
            }
        }
    }

    @Test func `a cluster that is left alone passes, with a transfer and a cut link at the end`() {
        let found = verdict(transfer: true, cut: true, nil)
        #expect(found.violation == nil)
        #expect(found.at < Instant.zero + .seconds(15))
    }

    @Test func `no leader`() {
        let saboteur = Saboteur(when: { $0.phase == .liveness }, harm: Self.cutEverything)
        let found = verdict(saboteur)
        #expect(saboteur.hasActed)
        #expect(found.violation?.invariant == "V1")
        #expect(found.violation?.details.contains("no leader within ten election timeouts") == true)
    }

    @Test func `nobody is answered`() {
        let saboteur = Saboteur(when: { $0.phase == .settling }) { simulation in
            for node in simulation.nodes { node.clientCuts += 1 }
        }
        let found = verdict(saboteur)
        #expect(saboteur.hasActed)
        #expect(found.violation?.invariant == "V2")
    }

    @Test func `one node does not catch up`() {
        // It hears its leader, and clients reach the others; but its disk never comes to an end.
        let saboteur = Saboteur(when: { $0.phase == .settling }) { simulation in
            guard let leader = simulation.leader else { return }
            simulation.nodes[(leader.index + 1) % 3].diskStallsUntil = .max / 2
        }
        let found = verdict(saboteur)
        #expect(saboteur.hasActed)
        #expect(["V2", "V3"].contains(found.violation?.invariant ?? ""))
        #expect(found.at > Instant.zero + .seconds(40))
    }

    @Test func `leadership that does not arrive where it was handed to`() {
        let saboteur = Saboteur(when: { $0.progress.trial?.kind == .transfer }) { simulation in
            guard let target = simulation.progress.trial?.leader else { return }
            Self.isolate(target, simulation)
        }
        let found = verdict(transfer: true, saboteur)
        #expect(saboteur.hasActed)
        #expect(found.violation?.invariant == "V1")
        #expect(found.violation?.details.contains("although it was to") == true)
    }

    @Test func `a leader that falls because one link is cut`() {
        let saboteur = Saboteur(when: { $0.progress.trial?.kind == .cut }) { simulation in
            guard let leader = simulation.progress.trial?.leader else { return }
            Self.isolate(leader, simulation)
        }
        let found = verdict(cut: true, saboteur)
        #expect(saboteur.hasActed)
        #expect(found.violation?.invariant == "V4")
    }
}
