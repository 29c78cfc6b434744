import Consensus
import Primitives

// What is said is durable first (thesis, figure 3.1: "updated on stable storage before responding to RPCs").

extension SmallScope.Invariants {
    static let termBeforeMessage = OfMessage(
        name: "durable term",
        words:
            "No message leaves a node before the term it speaks in is on its disk, but for the question of "
            + "a pre-vote and the answer to it, which speak of a term that does not exist yet."
    ) { message, member in
        switch message.body {
        case .voteRequest(let request) where request.isPreVote: return nil
        case .voteResponse(let response) where response.isPreVote && response.granted: return nil
        default: break
        }
        let durable = member.disk.hardState.term
        return durable >= message.term ? nil : "\(message) leaves while term \(durable) is on disk"
    }

    static let voteBeforeAnswer = OfMessage(
        name: "durable vote",
        words:
            "A vote, and a candidate's request for votes, leave when that vote is on disk in that term. As "
            + "a vote on disk never changes within a term, nobody votes twice."
    ) { message, member in
        let candidate: NodeID
        switch message.body {
        case .voteRequest(let request) where !request.isPreVote: candidate = message.from
        case .voteResponse(let response) where !response.isPreVote && response.granted:
            candidate = message.to
        default: return nil
        }
        let durable = member.disk.hardState
        if durable.term == message.term && durable.vote == candidate { return nil }
        return "\(message) leaves while term \(durable.term) with a vote for "
            + "\(durable.vote?.description ?? "nobody") is on disk"
    }

    static let entriesBeforeAnswer = OfMessage(
        name: "durable entries",
        words:
            "A follower says that its log matches up to an index when it is on disk that far, and the same."
    ) { message, member in
        guard case .appendResponse(let response) = message.body, case .matched(let index) = response.outcome,
            index > member.disk.snapshot.position.index
        else { return nil }
        let durable = member.disk.tape.term(at: index)
        // What it said in an earlier term may have been overwritten in memory since.
        let isOld = message.term < member.raft.term
        if let durable, isOld || member.written.term(at: index) == durable { return nil }
        let found = durable.map { "an entry of term \($0)" } ?? "nothing"
        return "\(message) leaves while the disk has \(found) at \(index)"
    }

    /// What is written over a hard state: the term never goes back, and within a term a vote is given once.
    static func breach(writing new: HardState, over old: HardState) -> SmallScope.Breach? {
        let text: String
        if new.term < old.term {
            text = "term \(new.term) is written over term \(old.term)"
        } else if new.term == old.term, let vote = old.vote, new.vote != vote {
            text =
                "the vote for \(new.vote?.description ?? "nobody") is written over that for \(vote) in term "
                + "\(old.term)"
        } else if new.commit < old.commit {
            text = "commit index \(new.commit) is written over \(old.commit)"
        } else {
            return nil
        }
        return SmallScope.Breach(invariant: "hard state grows", text: text)
    }
}
