import Consensus

// What a step means for the memory of the world: elections, commitment and reads, judged as they are noted.

extension SmallScope.Ghost {
    static let invariants: [(name: String, words: String)] = [
        ("election safety", "At most one node is ever elected in a term."),
        ("leaders commit", "What is committed is committed by a leader first; the others learn it from it."),
        (
            "fresh reads",
            "A read is answered with an index that covers all that any node knew to be committed by then."
        ),
        ("answered once", "No read is answered twice, or without having been asked."),
    ]

    /// `node`, counted from zero, has become leader.
    mutating func elected(_ node: Int, in term: Int) -> SmallScope.Breach? {
        let other = leader(of: term)
        if other != 0 && other != node + 1 {
            return SmallScope.Breach(
                invariant: "election safety", text: "nodes \(other) and \(node + 1) lead in term \(term)")
        }
        if other == 0 { noteLeader(node + 1, of: term) }
        return nil
    }

    /// The commit index of `node` has moved. What is not in the ledger yet is added, if the node leads; that
    /// it agrees with what is, is a check of the world.
    mutating func committed(_ node: Int, _ summary: SmallScope.Summary) -> SmallScope.Breach? {
        guard summary.commit > ledgerCount else { return nil }
        guard summary.role == .leader else {
            return SmallScope.Breach(
                invariant: "leaders commit",
                text: "node \(node + 1) applies entry \(summary.commit), which no leader has committed")
        }
        while ledgerCount < summary.commit {
            append(summary.log[ledgerCount + 1], committedIn: summary.term)
        }
        return nil
    }

    /// A read was answered, or failed.
    mutating func answered(_ token: Int, _ index: Int?) -> SmallScope.Breach? {
        guard isOpen(token) else {
            return SmallScope.Breach(
                invariant: "answered once", text: "read \(token) is answered and is not open")
        }
        let known = ledgerCount(atStartOf: token)
        closeRead(token)
        guard let index, index < known else { return nil }
        return SmallScope.Breach(
            invariant: "fresh reads",
            text:
                "read \(token) is answered with index \(index); \(known) entries were committed when it began"
        )
    }
}
