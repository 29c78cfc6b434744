import Consensus
import Primitives

/// Thesis 3.4: "each server will vote for at most one candidate in a given term"; figure 3.1: votedFor is
/// "updated on stable storage before responding to RPCs". A candidate's request is its vote for itself. Bugs
/// E1, E3, D17.
final class OneVotePerTerm: Invariant {
    static let name = "I3"
    static let promise =
        "A node votes at most once in a term, restarts included, and the vote is durable before anybody "
        + "hears of it."
    let facts: FactKinds = [.sentVote, .turned]
    private var votes: [Int: [Term: NodeID]] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .sent(let place, let message):
            switch message.body {
            case .voteRequest(let request) where !request.isPreVote:
                try vote(of: chronicle.nodes[place], message.term, for: message.from)
            case .voteResponse(let response) where response.granted && !response.isPreVote:
                try vote(of: chronicle.nodes[place], message.term, for: message.to)
            default: break
            }
        case .turned(let place):
            let node = chronicle.nodes[place]
            guard let old = node.before.vote, node.before.term == node.now.term else { return }
            try demand(
                node.now.vote == old,
                "\(node.name) takes back its vote for \(old) in term \(node.now.term)")
        default: break
        }
    }

    private func vote(of node: NodeGhost, _ term: Term, for candidate: NodeID) throws(Violation) {
        let first = votes[node.index]?[term] ?? candidate
        votes[node.index, default: [:]][term] = first
        try demand(
            first == candidate, "\(node.name) votes for \(first) and \(candidate) in term \(term)")
        let durable = node.disk.votes[term]
        try demand(
            durable == candidate,
            "\(node.name) tells its vote for \(candidate) in term \(term), but durable is "
                + "\(durable?.description ?? "none")")
    }
}
