import Consensus
import Primitives

/// Thesis 3.6.1: "the voter denies its vote if its own log is more up-to-date than that of the candidate",
/// compared by the last entries' terms first and their indexes second. A log never becomes less up to
/// date, so what the voter had before the turn is the least that the candidate must have. Bug E5.
final class VotesForTheUpToDate: Invariant {
    static let name = "I4"
    static let promise = "Nobody votes for a candidate whose log is less up to date than its own."
    let facts: FactKinds = [.receivedVote, .turned]
    private var requests: [(node: Int, from: NodeID, term: Term, last: LogPosition)] = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .received(let place, let message):
            guard case .voteRequest(let request) = message.body, !request.isPreVote else { return }
            requests.append((place, message.from, message.term, request.last))
        case .turned(let place):
            let node = chronicle.nodes[place]
            let isNew = node.now.vote != node.before.vote || node.now.term != node.before.term
            if isNew, let vote = node.now.vote, vote != node.id { try check(node, vote) }
            if !requests.isEmpty { requests.removeAll { $0.node == place } }
        default: break
        }
    }

    private func check(_ node: NodeGhost, _ vote: NodeID) throws(Violation) {
        let request = requests.last {
            $0.node == node.index && $0.from == vote && $0.term == node.now.term
        }
        guard let request else {
            throw violation("\(node.name) votes for \(vote) in term \(node.now.term), which has not asked")
        }
        try demand(
            request.last.isAtLeastAsUpToDate(as: node.before.last),
            "\(node.name), whose log ends at \(node.before.last), votes for \(vote), whose log ends at "
                + "\(request.last)")
    }
}
