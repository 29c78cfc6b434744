import Consensus
import Primitives

/// Thesis 6.4: "If the leader has not yet marked an entry from its current term committed, it waits until it
/// has done so" before it answers how far the log has got. Then the index it names has an entry of its term.
/// Bugs R2, R4, R5.
final class ReadyLeadersAnswer: Invariant {
    static let name = "I34"
    static let promise =
        "A leader tells followers how far to read only after it has committed an entry of its own term."
    let facts: FactKinds = [.sentRead]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .sent(let place, let message) = fact,
            case .readIndexResponse(_, let index?) = message.body
        else { return }
        let term = chronicle.ledger.term(at: index)
        try demand(
            term == message.term,
            "\(chronicle.nodes[place].name) names \(index) to \(message.to) in term \(message.term); "
                + "committed there is an entry of term \(term?.description ?? "none")")
    }
}
