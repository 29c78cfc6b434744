import Consensus
import Primitives
import Store

/// What a read shows is exactly the state at the revision that it names, stale reads included: no part of an
/// older or a newer one. Bugs R8, R11, A6, A13, A15.
final class TrueSnapshots: Invariant {
    static let name = "I35"
    static let promise = "Every read, also a stale one, shows the state of the very revision that it names."
    let facts: FactKinds = [.returned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .returned(let operation) = fact, let outcome = operation.outcome else { return }
        switch (operation.action, outcome) {
        case (.get(let key, _), .item(let item, let revision)):
            guard let state = try state(at: revision, operation, chronicle) else { return }
            guard case .success(let expected) = state.get(key, at: revision) else { return }
            try demand(
                item == expected,
                "operation \(operation.number) found \(Self.text(item)) at revision \(revision), where "
                    + "\(Self.text(expected)) was")
        case (.range(let range, let limit, _), .items(let items, let more, let revision)):
            guard let state = try state(at: revision, operation, chronicle) else { return }
            guard case .success(let page) = state.range(range, at: revision, limit: limit) else { return }
            try demand(
                items == page.items && more == page.more,
                "operation \(operation.number) found \(items.count) items\(more ? ", and more," : "") "
                    + "at revision \(revision), "
                    + "where \(page.rows.count) were\(page.more ? ", and more" : "")")
        case (.evaluate(let transaction), .evaluated(let outcome, let revision)):
            // A transaction is only evaluated in the present: of what is compacted since, nothing is known.
            guard let state = try state(at: revision, operation, chronicle), state.revision == revision
            else { return }
            try demand(
                outcome == state.evaluate(transaction),
                "operation \(operation.number) was told \(outcome) at revision \(revision), where it is "
                    + "\(state.evaluate(transaction))")
        default: break
        }
    }

    /// A state that still knows the revision; nil if none does.
    private func state(
        at revision: Revision, _ operation: OperationRecord, _ chronicle: Chronicle
    ) throws(Violation) -> Keyspace? {
        let newest = chronicle.store.keyspace
        if revision <= newest.revision, revision >= newest.compactRevision { return newest }
        guard let index = chronicle.store.index(of: revision) else {
            throw violation(
                "operation \(operation.number) was read at revision \(revision), which does not exist")
        }
        return chronicle.keyspace(at: index)
    }

    private static func text(_ item: Item?) -> String {
        item.map { "revision \($0.modRevision), version \($0.version), \($0.value.count) bytes" } ?? "nothing"
    }
}
