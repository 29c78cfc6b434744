import Consensus
import Primitives

/// Thesis 3.6.2 and figure 3.7: "Raft never commits log entries from previous terms by counting replicas.
/// Only log entries from the leader's current term are committed by counting replicas". And only leaders
/// count. Bug L2.
final class CommittedInOwnTerm: Invariant {
    static let name = "I11"
    static let promise =
        "Entries are committed by a leader first, and never without an entry of its own term at their end."
    let facts: FactKinds = [.committed, .grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .committed(let place):
            let node = chronicle.nodes[place]
            guard node.now.role == .leader else { return }
            let term = node.memory.term(at: node.now.commit)
            try demand(
                term == node.now.term,
                "\(node.name) leads in term \(node.now.term) and commits up to \(node.now.commit), an entry "
                    + "of term \(term?.description ?? "unknown")")
        case .grown(let place, let from, let upTo):
            let node = chronicle.nodes[place]
            try demand(
                node.now.role == .leader,
                "\(node.name) is a \(node.now.role) and takes \(from)...\(upTo) for committed, which no "
                    + "leader has committed")
        default: break
        }
    }
}
