import Consensus
import Primitives

/// Thesis, figure 3.1: entries are only removed "if an existing entry conflicts with a new one (same
/// index but different terms)", which never happens to a committed one. Bugs L1, L6, L17, S16.
final class CommittedStays: Invariant {
    static let name = "I14"
    static let promise =
        "No committed entry is ever removed from a log, nor one that agrees with the leader's."
    let facts: FactKinds = [.logged]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .logged(let place, let change) = fact else { return }
        let node = chronicle.nodes[place]
        if let position = change.resetTo {
            try demand(
                position.index >= node.before.commit,
                "\(node.name) lets its log begin anew after \(position), with \(node.before.commit) committed"
            )
        }
        guard let (from, last) = change.truncated, let removed = change.truncatedMark else { return }
        try demand(
            from > node.before.commit,
            "\(node.name) removes \(from)...\(last), with \(node.before.commit) committed")
        try demand(
            chronicle.ledger.chain(at: from) != removed.chain,
            "\(node.name) removes \(from)...\(last): \(from)@\(removed.term) is committed")
        try demand(
            node.memory.mark(at: from) != removed,
            "\(node.name) removes \(from)...\(last) to put the same entry at \(from)")
    }
}
