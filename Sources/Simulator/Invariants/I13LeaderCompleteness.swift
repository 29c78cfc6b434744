import Consensus
import Primitives

/// Thesis, figure 3.2, "Leader Completeness": "if a log entry is committed in a given term, then that entry
/// will be present in the logs of the leaders for all higher-numbered terms". Bugs E5, L1, M2.
final class LeaderCompleteness: Invariant {
    static let name = "I13"
    static let promise = "Whoever is elected has everything in its log that was ever committed."
    let facts: FactKinds = [.elected]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .elected(let place) = fact else { return }
        let node = chronicle.nodes[place]
        let last = chronicle.ledger.lastIndex
        try demand(
            node.memory.chain(at: last) == chronicle.ledger.chain(at: last),
            "\(node.name) is elected in term \(node.now.term) without \(chronicle.ledger.last), which is "
                + "committed; its log ends at \(node.memory.last)")
    }
}
