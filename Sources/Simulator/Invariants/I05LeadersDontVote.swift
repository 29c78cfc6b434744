import Consensus
import Primitives

/// A leader has voted for itself, so it has no vote left in its term (thesis 3.4). Bug E2.
final class LeadersDontVote: Invariant {
    static let name = "I5"
    static let promise = "A leader never votes for another node in a term that it leads or has led."
    let facts: FactKinds = [.sentVote]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .sent(let place, let message) = fact,
            case .voteResponse(let response) = message.body, response.granted, !response.isPreVote
        else { return }
        try demand(
            chronicle.leaders[message.term] != place,
            "\(chronicle.nodes[place].name) leads in term \(message.term) and votes for \(message.to)")
    }
}
