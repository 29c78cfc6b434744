import Consensus
import Primitives

// The log of one node, and that of two (thesis 3.5, 3.6).

extension SmallScope.Invariants {
    static let logShape = OfStep(
        name: "log shape",
        words:
            "The log has no gaps, its terms never fall and none is later than the node's, and the core knows "
            + "the terms of just the entries that its owner has."
    ) { turn in
        let (raft, tape) = (turn.member.raft, turn.member.written)
        // In the middle of a turn the owner has not been given the entries yet.
        if turn.member.isMidTurn { return nil }
        if raft.lastIndex != tape.lastIndex || raft.firstIndex != tape.base.index.next {
            return "\(raft), but the owner has \(tape.base.index.next) to \(tape.lastIndex)"
        }
        var last = tape.base
        for entry in tape.entries {
            guard entry.index == last.index.next, entry.term >= last.term, entry.term <= raft.term else {
                return "\(entry.index)@\(entry.term) follows \(last): \(raft)"
            }
            guard raft.term(at: entry.index) == entry.term else {
                return "the owner has \(entry.index)@\(entry.term): \(raft)"
            }
            last = LogPosition(index: entry.index, term: entry.term)
        }
        return nil
    }

    static let leaderAppendsOnly = OfStep(
        name: "leader append-only",
        words: "As long as a node leads, its log only grows at the end."
    ) { turn in
        let (before, after) = (turn.before.raft, turn.member.raft)
        guard before.role == .leader, after.role == .leader, before.term == after.term else { return nil }
        return rewritten(turn, upTo: before.lastIndex)
    }

    static let committedStays = OfStep(
        name: "committed stays",
        words: "What a node knows to be committed is never cut from its log or overwritten."
    ) { turn in
        let kept =
            turn.action.kind == .crash
            ? min(turn.before.raft.commit, turn.before.disk.tape.lastIndex) : turn.before.raft.commit
        return rewritten(turn, upTo: kept)
    }

    /// Words about the first entry up to `last` that is no longer what it was, if there is one.
    private static func rewritten(_ turn: SmallScope.Turn, upTo last: LogIndex) -> String? {
        let (before, after) = (turn.before, turn.member)
        let source = turn.action.kind == .crash ? before.disk.tape.terms : nil
        for raw in 1..<last.rawValue + 1 where LogIndex(raw) > after.raft.firstIndex.previous {
            let index = LogIndex(raw)
            let old = source?.term(at: index) ?? before.raft.term(at: index)
            guard let old, after.raft.term(at: index) != old else { continue }
            return "entry \(index)@\(old) does not stay: \(before.raft) becomes \(after.raft)"
        }
        return nil
    }

    static let logMatching = OfWorld(
        name: "log matching",
        words: "If two logs hold an entry with the same index and term, they are the same up to it, kinds of "
            + "entries included."
    ) { nodes, changed, _ in
        let one = nodes[changed]
        for place in nodes.indices where place != changed && !one.isMidTurn && !nodes[place].isMidTurn {
            let other = nodes[place]
            let first = max(one.base, other.base)
            var last = min(one.last, other.last)
            while last > first && one.log.term(at: last) != other.log.term(at: last) { last -= 1 }
            guard last > first, !one.log.agrees(with: other.log, after: first, upTo: last) else { continue }
            return
                "the logs of nodes \(changed + 1) and \(place + 1) have entry \(last) of the same term, but "
                + "differ before: \(one.logText) and \(other.logText)"
        }
        return nil
    }

    static let progressGrows = OfStep(
        name: "progress grows",
        words:
            "As long as a node leads, what it takes for durable on a peer never shrinks, and what it sends "
            + "next lies beyond that."
    ) { turn in
        let (before, after) = (turn.before.raft, turn.member.raft)
        guard after.role == .leader else { return nil }
        let old = before.role == .leader && before.term == after.term ? before.peers : []
        for peer in after.peers {
            if peer.next <= peer.match { return "\(peer)" }
            if let was = old.first(where: { $0.id == peer.id }), was.match > peer.match {
                return "\(was) becomes \(peer)"
            }
        }
        return nil
    }
}

extension SmallScope.Summary {
    /// The log as in `[2] 1 1c 2c`: the base, and for each entry its term, with `c` for a command.
    var logText: String {
        var text = "[\(base)]"
        for index in base + 1..<max(base, last) + 1 {
            text += " \(log.term(at: index))" + (log[index] >> 5 == 1 ? "c" : "")
        }
        return text
    }
}
