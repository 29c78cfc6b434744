import Consensus
import Primitives

/// Thesis, figure 3.2, "Log Matching": "if two logs contain an entry with the same index and term, then the
/// logs are identical in all entries up through the given index". By induction: every entry that is put into
/// any log has the content and the predecessor that this position has everywhere. Bugs L1, L3, L13, L14, L18,
/// L19, A10.
final class LogMatching: Invariant {
    static let name = "I9"
    static let promise =
        "Two logs that hold an entry of the same index and term are identical up to it, and hold only what "
        + "some leader has made."
    let facts: FactKinds = [.logged, .started]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .logged(let place, let change):
            guard let conflict = change.conflict else { return }
            throw violation("in the log of \(chronicle.nodes[place].name): \(conflict)")
        case .started(let place):
            let node = chronicle.nodes[place]
            try demand(
                !node.isForeign,
                "\(node.name) finds entries in its log that were never put there, up to \(node.now.last)")
        default: break
        }
    }
}
