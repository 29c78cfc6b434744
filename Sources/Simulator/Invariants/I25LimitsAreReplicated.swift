import Consensus
import Primitives
import Store

/// A store that was read from a checkpoint does with the next entries what the one does that has applied
/// everything itself: nothing that decides is left out of the checkpoint, and nothing outside the replicated
/// data decides. Sampled: every 128 entries, for the last 16 of them. Bugs A4, A14, S6, S14.
final class LimitsAreReplicated: Invariant {
    static let name = "I25"
    static let promise =
        "A store read from a checkpoint goes on exactly as one that has applied every entry itself."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        let end = LogIndex(upTo.rawValue / 128 * 128)
        guard end >= from, end > .zero, let start = chronicle.keyspace(at: end - 16) else { return }
        var writer = CheckpointWriter(start, cluster: ClusterID(1))
        var reader = CheckpointReader(limits: start.limits)
        var read: Keyspace?
        do {
            while let chunk = writer.next() { try reader.receive(chunk) }
            read = try reader.finish()
        } catch {
            throw violation("a checkpoint of \(end - 16) can't be read: \(error)")
        }
        guard var state = read else { return }
        while state.appliedIndex < end {
            let next = state.appliedIndex.next
            guard let entry = chronicle.committed(next) else { return }
            let outcome = StoreGhost.apply(entry, at: next, to: &state)
            try demand(
                outcome == chronicle.store.applied(at: next)?.outcome,
                "after a checkpoint of \(end - 16) entry \(next) does another thing: "
                    + "\(outcome.map { "\($0)" } ?? "nothing")")
        }
        try demand(
            state.digest == chronicle.digest(at: end),
            "after a checkpoint of \(end - 16) the state at \(end) is another")
    }
}
