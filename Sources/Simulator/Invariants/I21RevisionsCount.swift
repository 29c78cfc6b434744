import Consensus
import Primitives
import Store

/// The contract of the store: "revision: grows by one with each command that changes something". Looked at in
/// the ledger, to which all nodes are held by I19. Bugs A2, R13, W12.
final class RevisionsCount: Invariant {
    static let name = "I21"
    static let promise =
        "Each command that changes something makes the next revision, and no other entry does."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        var index = from
        while index <= upTo {
            if let applied = chronicle.store.applied(at: index),
                let before = chronicle.store.state(at: index.previous)
            {
                try check(applied, after: before, index)
            }
            index = index.next
        }
    }

    func check(
        _ applied: StoreGhost.Applied, after before: Fingerprint, _ index: LogIndex
    ) throws(Violation) {
        let expected =
            switch applied.outcome {
            // Leases end with their keys.
            case .coordinated?: applied.state.revision
            case .replayed?, nil: before.revision
            case let outcome?: outcome.revision ?? before.revision
            }
        try demand(
            applied.state.revision == expected
                && (expected == before.revision || expected == before.revision.next),
            "entry \(index) leads from revision \(before.revision) to \(applied.state.revision): "
                + "\(applied.outcome.map { "\($0)" } ?? "no command")")
        try demand(
            applied.state.compactRevision >= before.compactRevision
                && applied.state.compactRevision <= applied.state.revision
                && applied.state.lastTime >= before.lastTime,
            "entry \(index) leads from \(before) to \(applied.state)")
    }
}
