// The very end of a run: the cluster is whole and quiet, and one thing is done to it that it must stand.

import Consensus
import NodeCore
import Primitives
import Replication

extension Simulation {
    /// Begins with what is still to be tried. False if nothing is.
    func beginTrial() -> Bool {
        if plan.endsWithCut, !progress.tried.contains(.cut), beginCut() { return true }
        guard plan.endsWithTransfer, !progress.tried.contains(.transfer) else { return false }
        // Nodes may still wait for answers that were lost with the last faults.
        guard progress.tried.contains(.calm) else {
            begin(Trial(kind: .calm, leader: leader?.index ?? 0, at: time))
            return true
        }
        return beginTransfer()
    }

    /// Looks how a trial goes.
    func look(at trial: Trial) {
        switch trial.kind {
        case .calm: if time - trial.at > 2_500_000_000 { progress.trial = nil }
        case .transfer: lookTransfer(trial)
        case .cut: lookCut(trial)
        }
    }

    private func begin(_ trial: Trial) {
        progress.trial = trial
        if !progress.tried.contains(trial.kind) { progress.tried.append(trial.kind) }
    }

    // MARK: - A transfer

    /// Asks the leader to hand over to another node, which is as far as itself: that must succeed.
    private func beginTransfer() -> Bool {
        progress.tried.append(.transfer)
        guard let leader else { return false }
        let others = core.filter { $0 != leader.index }
        guard let target = others.first(where: { $0 > leader.index }) ?? others.first else { return false }
        begin(Trial(kind: .transfer, leader: target, at: time))
        deliver(.event(.transferLeadership(to: nodes[target].id)), to: leader)
        return true
    }

    private func lookTransfer(_ trial: Trial) {
        if leader?.index == trial.leader { return progress.trial = nil }
        if time - trial.at > 2 * plan.knobs.raft.electionTimeout.upperBound.nanoseconds {
            fail("V1", "n\(trial.leader + 1) does not lead although it was to: \(states)")
        }
    }

    // MARK: - A link

    /// Cuts the link between the leader and one other node, in one direction or both. The leader still hears
    /// a quorum, and the others hear the leader: nothing may change (V4).
    private func beginCut() -> Bool {
        progress.tried.append(.cut)
        guard let leader, let term = leader.core?.replica.raft.term, core.count > nodes.count / 2 + 1 else {
            return false
        }
        let others = core.filter { $0 != leader.index }
        guard let other = others.last(where: { $0 < leader.index }) ?? others.last else { return false }
        let ways = [network.place(leader.index, other), network.place(other, leader.index)]
        let cuts =
            switch leader.random.below(3) {
            case 0: [ways[0]]
            case 1: [ways[1]]
            default: ways
            }
        for link in cuts { network.links[link].cuts += 1 }
        begin(Trial(kind: .cut, leader: leader.index, term: term, at: time, links: cuts))
        return true
    }

    private func lookCut(_ trial: Trial) {
        guard let now = leader, now.index == trial.leader, now.core?.replica.raft.term == trial.term else {
            return fail(
                "V4", "n\(trial.leader + 1) led, one link was cut, and now it leads no more: \(states)")
        }
        let patience = plan.knobs.raft.electionTimeout.upperBound.nanoseconds * 5 / 2
        guard time - trial.at > patience else { return }
        for link in trial.links { network.links[link].cuts -= 1 }
        progress.trial = nil
    }
}
