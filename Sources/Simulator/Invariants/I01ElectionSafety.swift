import Consensus
import Primitives

/// Raft thesis, figure 3.2, "Election Safety": "at most one leader can be elected in a given term". Broken by
/// bugs E1, E3, E6, D17 of the catalogue.
final class ElectionSafety: Invariant {
    static let name = "I1"
    static let promise = "At most one node ever leads in a term."
    let facts: FactKinds = [.elected]
    private var leaders: [Term: Int] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .elected(let place) = fact else { return }
        let node = chronicle.nodes[place]
        let first = leaders[node.now.term] ?? place
        leaders[node.now.term] = first
        try demand(
            first == place,
            "n\(first + 1) and \(node.name) are both elected in term \(node.now.term)")
    }
}
