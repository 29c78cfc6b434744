import Consensus
import Primitives

/// Thesis, figure 3.1: "If commitIndex > lastApplied: increment lastApplied, apply log[lastApplied] to state
/// machine". Index and effect are one: a state with its index is what the entries up to there make (I19),
/// also after a crash (I26). Bugs A1, A7, S3.
final class AppliedIsCommitted: Invariant {
    static let name = "I20"
    static let promise = "Nothing is applied before it is committed."
    let facts: FactKinds = [.turned, .started]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .turned(let place), .started(let place):
            let node = chronicle.nodes[place]
            try demand(
                node.now.applied <= node.now.commit && node.now.checkpoint <= node.now.applied,
                "\(node.name) has applied \(node.now.applied), committed \(node.now.commit), checkpoint "
                    + "\(node.now.checkpoint)")
        default: break
        }
    }
}
