import Consensus
import Primitives

/// Thesis, figure 3.2, "State Machine Safety": "if a server has applied a log entry at a given index to its
/// state machine, no other server will ever apply a different log entry for the same index". Checked when a
/// commit index moves, before anything is applied. Bugs L1, L2, M2, A8.
final class StateMachineSafety: Invariant {
    static let name = "I18"
    static let promise = "All nodes commit the same entries in the same order."
    let facts: FactKinds = [.committed, .started]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .committed(let place), .started(let place):
            let node = chronicle.nodes[place]
            let commit = node.now.commit
            guard commit > node.memory.base.index || node.memory.base.index == commit else { return }
            let own = node.memory.mark(at: commit)
            let ledger = chronicle.ledger.mark(at: commit)
            try demand(
                own == ledger,
                "\(node.name) takes \(commit)@\(own?.term.description ?? "none") for committed, with all "
                    + "before it; committed is another log up to \(commit)@"
                    + "\(ledger?.term.description ?? "none")")
        default: break
        }
    }
}
