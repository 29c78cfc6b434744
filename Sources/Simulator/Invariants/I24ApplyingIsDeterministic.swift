import Consensus
import Primitives
import Store

/// What a command does depends on nothing but the command and the state. Sampled: an entry in 64 is applied
/// again to a copy of the state before it. (Within one process, so that hash seeds are the same: that they
/// don't matter is found by running a seed in two processes.) Bug A9.
final class ApplyingIsDeterministic: Invariant {
    static let name = "I24"
    static let promise = "An entry that is applied twice to the same state does the same both times."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        let index = LogIndex(upTo.rawValue / 64 * 64)
        guard index >= from, index > .zero, var copy = chronicle.keyspace(at: index.previous),
            let entry = chronicle.committed(index), let first = chronicle.store.applied(at: index)
        else { return }
        let outcome = StoreGhost.apply(entry, at: index, to: &copy)
        try demand(
            outcome == first.outcome && Fingerprint(copy) == first.state,
            "entry \(index) did \(first.outcome.map { "\($0)" } ?? "nothing"), and a second time "
                + "\(outcome.map { "\($0)" } ?? "nothing")")
        guard let digest = chronicle.digest(at: index) else { return }
        try demand(copy.digest == digest, "entry \(index) leaves other records when it is applied again")
    }
}
