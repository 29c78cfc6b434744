import Consensus
import Primitives

/// Thesis 4.1: a change of members is only begun when the one before is committed; and, from the
/// correction of the single-server change (Ongaro, raft-dev 2015), not before the leader has committed an
/// entry of its own term. Bugs M1, M3, M4.
final class OneChangeAtATime: Invariant {
    static let name = "I30"
    static let promise =
        "At most one configuration of a log is uncommitted, and a leader adds none before it has committed "
        + "in its term."
    let facts: FactKinds = [.logged]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .logged(let place, let change) = fact, !change.configurations.isEmpty else { return }
        let node = chronicle.nodes[place]
        // A follower takes in one message what its leader has added and committed one after the other, so
        // only what nobody has committed counts.
        let open = node.configurations.filter { $0.index > max(node.now.commit, chronicle.ledger.lastIndex) }
        try demand(
            open.count <= 1,
            "\(node.name) has uncommitted configurations at \(open.map { "\($0.index)" })")
        guard node.now.role == .leader, node.before.role == .leader else { return }
        try demand(
            chronicle.ledger.last.term == node.now.term,
            "\(node.name) changes members before it has committed in term \(node.now.term)")
    }
}
