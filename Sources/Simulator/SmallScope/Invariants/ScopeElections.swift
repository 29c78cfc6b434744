import Consensus
import Primitives

// Terms and votes (thesis 3.4, 3.6.1, 9.6).

extension SmallScope.Invariants {
    static let monotony = OfStep(
        name: "never back",
        words: "Term and commit index never go back while a node runs, and a crash takes it back no further "
            + "than to what is on its disk; within a term a vote is not taken back or changed."
    ) { turn in
        let after = turn.member.raft
        let isCrash = turn.action.kind == .crash
        let before = isCrash ? turn.before.disk.hardState : turn.before.raft.hardState
        if after.term < before.term { return "the term goes back from \(before.term): \(after)" }
        if after.commit < before.commit {
            return "the commit index goes back from \(before.commit): \(after)"
        }
        if after.term == before.term, let vote = before.vote, after.vote != vote {
            return "the vote for \(vote) in term \(after.term) changes: \(after)"
        }
        return nil
    }

    static let noVoteAgainstOneself = OfMessage(
        name: "leader votes for itself",
        words: "A leader does not vote for another candidate in the term it leads."
    ) { message, member in
        guard case .voteResponse(let response) = message.body, response.granted, !response.isPreVote,
            member.raft.role == .leader, member.raft.term == message.term
        else { return nil }
        return "\(message) leaves the leader of that term"
    }

    static let voteForTheUpToDate = OfStep(
        name: "up-to-date vote",
        words: "A node gives its vote, and its word that it would, only to a candidate whose log ends in a "
            + "later term than its own, or in the same and no earlier."
    ) { turn in
        guard let message = turn.message, case .voteRequest(let request) = message.body else { return nil }
        let own = turn.before.raft.lastPosition
        let isUpToDate =
            request.last.term > own.term
            || (request.last.term == own.term && request.last.index >= own.index)
        if isUpToDate { return nil }
        // A vote of before may be repeated; it was for the same candidate.
        let isNewVote = turn.member.raft.vote == message.from && turn.before.raft.vote != message.from
        let isPromise = turn.said.contains { answer in
            if case .voteResponse(let response) = answer.body {
                return response.isPreVote && response.granted
            }
            return false
        }
        guard isNewVote && turn.member.raft.term == message.term || isPromise else { return nil }
        return "the log that ends at \(own) is no reason to refuse \(message)"
    }

    static let preVoteChangesNothing = OfStep(
        name: "pre-vote without effect",
        words: "The request for a pre-vote changes no term, vote, leader or log, writes nothing, and makes "
            + "nobody more than a follower."
    ) { turn in
        guard let message = turn.message, case .voteRequest(let request) = message.body, request.isPreVote,
            !turn.before.isMidTurn
        else { return nil }
        let (before, after) = (turn.before.raft, turn.member.raft)
        let isSame =
            before.hardState == after.hardState && before.leader == after.leader
            && before.lastPosition == after.lastPosition && before.durableIndex == after.durableIndex
        let mayBeRole = before.role == after.role || (before.role == .preCandidate && after.role == .follower)
        return isSame && mayBeRole && !turn.hasWrittenState ? nil : "\(before) becomes \(after) by \(message)"
    }

    static let electedByQuorum = OfWorld(
        name: "elected by a quorum",
        words:
            "Of a majority it is on disk that they voted for the leader of the term, or that they have gone "
            + "on to a later one."
    ) { nodes, changed, _ in
        let leader = nodes[changed]
        guard leader.role == .leader else { return nil }
        var votes = 0
        for node in nodes
        where node.durableTerm > leader.term
            || (node.durableTerm == leader.term && node.durableVote == changed + 1)
        {
            votes += 1
        }
        if votes > nodes.count / 2 { return nil }
        return "node \(changed + 1) leads in term \(leader.term) with \(votes) votes of \(nodes.count)"
    }
}
