import Consensus
import Primitives

/// Thesis, figure 3.2, "Leader Append-Only": "a leader never overwrites or deletes entries in its log; it
/// only appends new entries".
final class LeadersOnlyAppend: Invariant {
    static let name = "I10"
    static let promise = "A leader never removes or replaces an entry of its log."
    let facts: FactKinds = [.logged]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .logged(let place, let change) = fact else { return }
        let node = chronicle.nodes[place]
        guard node.now.role == .leader else { return }
        if let truncated = change.truncated {
            throw violation("\(node.name) leads and removes its entries from \(truncated.from) on")
        }
        if let position = change.resetTo {
            throw violation("\(node.name) leads and lets its log begin anew after \(position)")
        }
    }
}
