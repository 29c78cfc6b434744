import Consensus
import Primitives
import Store

/// A command is checked as a whole before it changes anything, and all that it changes carries one revision.
/// Bug A3.
final class AllOrNothing: Invariant {
    static let name = "I22"
    static let promise = "A refused command changes nothing; all changes of one command carry its revision."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        var index = from
        while index <= upTo {
            if let applied = chronicle.store.applied(at: index), let outcome = applied.outcome,
                let before = chronicle.store.state(at: index.previous)
            {
                try check(outcome, before, applied.state, index)
            }
            index = index.next
        }
        try checkLast(upTo, chronicle)
    }

    func check(
        _ outcome: Outcome, _ before: Fingerprint, _ after: Fingerprint, _ index: LogIndex
    ) throws(Violation) {
        let grows = after.count - before.count
        let isFitting =
            switch outcome {
            case .refused: grows == 0 && after.logicalBytes == before.logicalBytes
            case .compacted: grows == 0 && after.logicalBytes == before.logicalBytes
            case .put(let put): grows == (put.created ? 1 : 0)
            case .incremented(_, _, let version): grows == (version == 1 ? 1 : 0)
            case .deleted(let count, _, _): grows == -count
            case .batch(let results, _): grows >= 0 && grows <= results.count
            case .transaction(let outcome, _): grows == Self.growth(by: outcome.results)
            // Leases end with their keys.
            case .coordinated: grows <= 0
            case .replayed: grows == 0
            }
        try demand(isFitting, "entry \(index), \(outcome), leads from \(before) to \(after)")
    }

    /// How many keys there are more after a transaction that did this.
    private static func growth(by results: [TransactionOutcome.Result]) -> Int {
        results.reduce(0) { sum, result in
            switch result {
            case .wrote(.put(let put)): sum + (put.created ? 1 : 0)
            case .wrote(.incremented(_, _, let version)): sum + (version == 1 ? 1 : 0)
            case .wrote(.deleted(let count, _, _)): sum - count
            case .wrote, .item, .items: sum
            case .transaction(let nested): sum + growth(by: nested.results)
            }
        }
    }

    /// Of the last entry the store still shows what was written.
    private func checkLast(_ index: LogIndex, _ chronicle: Chronicle) throws(Violation) {
        guard case .batch(let results, let revision)? = chronicle.store.applied(at: index)?.outcome,
            let entry = chronicle.committed(index), let command = try? Command(decoding: entry.payload),
            case .batch(let puts, _) = command.operation
        else { return }
        for (put, result) in zip(puts, results) where result == .put(revision) {
            let written = try? chronicle.store.keyspace.get(put.key).get()?.modRevision
            try demand(
                written == revision,
                "entry \(index) writes \(puts.count) keys at revision \(revision), one of them carries "
                    + "\(written?.description ?? "none")")
        }
    }
}
