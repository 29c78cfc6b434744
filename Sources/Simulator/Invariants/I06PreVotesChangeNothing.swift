import Consensus
import Primitives

/// Thesis 9.6: in the pre-vote phase a candidate only asks; it must not disturb anybody. Bugs E10, E16.
final class PreVotesChangeNothing: Invariant {
    static let name = "I6"
    static let promise = "To be asked for a pre-vote changes neither term, vote, leader nor log."
    let facts: FactKinds = [.received, .told, .event, .turned]
    private var isAsked = false
    private var isBusy = false

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .received(_, let message):
            if case .voteRequest(let request) = message.body, request.isPreVote {
                isAsked = true
            } else {
                isBusy = true
            }
        case .turned(let place):
            defer { (isAsked, isBusy) = (false, false) }
            guard isAsked && !isBusy else { return }
            let (old, new) = (chronicle.nodes[place].before, chronicle.nodes[place].now)
            try demand(
                old.term == new.term && old.vote == new.vote && old.leader == new.leader
                    && old.last == new.last && (new.role == old.role || new.role == .follower),
                "\(chronicle.nodes[place].name) was asked for a pre-vote and goes from \(old) to \(new)")
        default: isBusy = true
        }
    }
}
