import Consensus
import Primitives

/// Thesis, figure 3.1: "currentTerm: latest term server has seen (initialized to 0 on first boot, increases
/// monotonically)"; "commitIndex […] increases monotonically"; "lastApplied […] increases monotonically".
/// After a crash a node may only have forgotten what was not durable. Bugs E4, L8, A2, S1.
final class TermsNeverGoBack: Invariant {
    static let name = "I2"
    static let promise =
        "Terms, commit and applied indexes, revisions and the store's time never go back on a node; a "
        + "restart forgets nothing of them that was durable."
    let facts: FactKinds = [.turned, .started]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .turned(let place):
            let node = chronicle.nodes[place]
            let (old, new) = (node.before, node.now)
            let grows =
                new.term >= old.term && new.commit >= old.commit && new.applied >= old.applied
                && new.snapshot >= old.snapshot && new.first >= old.first
                && new.checkpoint >= old.checkpoint
                && new.state.revision >= old.state.revision && new.state.lastTime >= old.state.lastTime
                && new.state.compactRevision >= old.state.compactRevision
            if !grows { throw violation("\(node.name) goes back from \(old) to \(new)") }
        case .started(let place):
            let node = chronicle.nodes[place]
            guard !node.isInjured else { return }
            try demand(
                node.now.term >= node.disk.term && node.now.commit >= node.disk.commit,
                "\(node.name) starts in term \(node.now.term) with commit index \(node.now.commit); "
                    + "\(node.disk.term) and \(node.disk.commit) were durable")
            let checkpoint = node.disk.checkpoints.last?.index ?? .zero
            try demand(
                node.now.applied >= checkpoint,
                "\(node.name) starts with entry \(node.now.applied) applied; its checkpoint of \(checkpoint) "
                    + "was durable")
        default: break
        }
    }
}
