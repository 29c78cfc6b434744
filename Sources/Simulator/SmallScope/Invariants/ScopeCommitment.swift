import Consensus
import Primitives

// What is committed (thesis 3.6).

extension SmallScope.Invariants {
    static let ownTermCommits = OfStep(
        name: "own term commits",
        words: "A leader moves the commit index only to an entry of its own term (thesis 3.6.2, figure 3.7)."
    ) { turn in
        let (before, after) = (turn.before.raft, turn.member.raft)
        guard after.role == .leader, after.commit > before.commit, before.role == .leader else { return nil }
        return after.term(at: after.commit) == after.term ? nil : "\(before) becomes \(after)"
    }

    static let ledgerAgreement = OfWorld(
        name: "state machine safety",
        words: "Up to its commit index each node has the entries that were committed there, the same "
            + "everywhere and for ever."
    ) { nodes, changed, ghost in
        let node = nodes[changed]
        if node.isMidTurn { return nil }
        guard node.commit <= ghost.ledgerCount else {
            return "node \(changed + 1) applies entry \(node.commit), which no leader has committed"
        }
        guard node.base == 0 || node.baseTerm == ghost.ledger.term(at: node.base),
            node.snapshot == 0 || node.snapshotTerm == ghost.ledger.term(at: node.snapshot)
        else {
            return "node \(changed + 1) has a checkpoint of \(node.base)@\(node.baseTerm), which was not "
                + "committed"
        }
        guard !node.log.agrees(with: ghost.ledger, after: node.base, upTo: node.commit) else { return nil }
        return "node \(changed + 1) applies up to \(node.commit) of \(node.logText), but \(ghost.ledgerText) "
            + "was committed"
    }

    static let leaderCompleteness = OfWorld(
        name: "leader completeness",
        words: "What was committed in a term is in the log of the leader of each later one."
    ) { nodes, _, ghost in
        for place in nodes.indices where nodes[place].role == .leader && !nodes[place].isMidTurn {
            let leader = nodes[place]
            var count = ghost.ledgerCount
            while count > 0 && Int(ghost.commitTerms[count]) >= leader.term { count -= 1 }
            let isHeld =
                leader.last >= count && leader.log.agrees(with: ghost.ledger, after: leader.base, upTo: count)
            if !isHeld {
                return "node \(place + 1) leads in term \(leader.term) with \(leader.logText), but "
                    + "\(ghost.ledgerText) was committed before"
            }
        }
        return nil
    }

    static let durableOnQuorum = OfWorld(
        name: "committed is durable",
        words:
            "All that was ever committed is on the disks of a majority, always. Any two majorities share a "
            + "node, so each election and each commit meets one that has it."
    ) { nodes, _, ghost in
        guard ghost.ledgerCount > 0 else { return nil }
        var holders = 0
        for node in nodes where node.holdsDurably(ghost.ledger, upTo: ghost.ledgerCount) { holders += 1 }
        if holders > nodes.count / 2 { return nil }
        return "\(ghost.ledgerText) is committed, but durable on \(holders) of \(nodes.count) nodes"
    }

    static let matchIsDurable = OfWorld(
        name: "match is durable",
        words: "What a leader takes for durable on a peer of its term is durable there, and the same."
    ) { nodes, _, _ in
        for place in nodes.indices where nodes[place].role == .leader && !nodes[place].isMidTurn {
            let leader = nodes[place]
            for other in nodes.indices where other != place && nodes[other].term == leader.term {
                let peer = nodes[other]
                let match = leader.match(other)
                let first = max(leader.base, peer.durableBase)
                if match > peer.durableLast
                    || !leader.log.agrees(with: peer.durableLog, after: first, upTo: match)
                {
                    return "node \(place + 1) takes \(leader.logText) up to \(match) for durable on node "
                        + "\(other + 1)"
                }
            }
        }
        return nil
    }
}

extension SmallScope.Ghost {
    /// The ledger as in `1 1c 2c`: each entry's term, with `c` for a command.
    var ledgerText: String {
        (1..<ledgerCount + 1).map { "\(ledger.term(at: $0))" + (ledger[$0] >> 5 == 1 ? "c" : "") }
            .joined(separator: " ")
    }
}
