// Transactions in the form that the checkers of histories take.

import Histories
import Primitives
import Store

extension Transaction {
    /// The transaction as the checkers know it.
    var recorded: HistoryOperation.Transaction {
        HistoryOperation.Transaction(
            conditions: conditions.map(\.recorded), then: then.map(\.recorded),
            otherwise: otherwise.map { $0.map(\.recorded) })
    }
}

extension KeyRange {
    fileprivate var recorded: KeySelection { .range(start: start, end: end ?? [CoordinationClient.keyStart]) }
}

extension Transaction.Comparison {
    fileprivate var recorded: HistoryOperation.Transaction.Relation {
        switch self {
        case .equal: .equal
        case .notEqual: .notEqual
        case .less: .less
        case .atMost: .atMost
        case .greater: .greater
        case .atLeast: .atLeast
        }
    }
}

extension Transaction.Condition {
    fileprivate var recorded: HistoryOperation.Transaction.Condition {
        switch self {
        case .value(let key, let comparison, let value): .value(key, comparison.recorded, value)
        case .revision(let key, let comparison, let number):
            .number(key, .revision, comparison.recorded, number)
        case .createRevision(let key, let comparison, let number):
            .number(key, .createRevision, comparison.recorded, number)
        case .version(let key, let comparison, let number):
            .number(key, .version, comparison.recorded, number)
        case .count(let range, let comparison, let number):
            .count(range.recorded, comparison.recorded, number)
        case .lease, .leaseExists, .held: preconditionFailure("no part of a history: \(self)")
        }
    }
}

extension Transaction.Step {
    fileprivate var recorded: HistoryOperation.Transaction.Step {
        switch self {
        case .put(let key, let value, _): .put(key, value: value)
        case .delete(let key, _): .delete(key)
        case .deleteRange(let range): .deleteRange(range.recorded)
        case .increment(let key, let by): .increment(key, by: by)
        case .get(let key): .get(key)
        case .list(let range, let limit): .list(range.recorded, limit: limit)
        case .transaction(let nested): .transaction(nested.recorded)
        case .enqueue, .acknowledge, .leasedPut: preconditionFailure("no part of a history: \(self)")
        }
    }
}

extension FailedCondition {
    fileprivate var recorded: HistoryOperation.FailedCondition {
        HistoryOperation.FailedCondition(index: index, found: found, revision: revision)
    }
}

extension TransactionRefusal {
    /// What the checkers are told; nil if it depends on nothing that the store holds.
    var recorded: HistoryOperation.Refusal? {
        switch self {
        case .conditionsFailed(let failed): .conditions(failed.map(\.recorded))
        case .step(let place, .notAnInteger): .step(at: place, .notAnInteger)
        case .step(let place, .overflow): .step(at: place, .overflow)
        case .step(_, .queue), .step(_, .full), .step(_, .leaseNotFound):
            preconditionFailure("no part of a history: \(self)")
        case .overlap, .tooMuchRead: nil
        }
    }
}

extension TransactionOutcome {
    /// What it did. Of a dry one only revisions up to `last` are told: later ones there are not.
    func recorded(upTo last: Revision?) -> HistoryOperation.TransactionAnswer {
        HistoryOperation.TransactionAnswer(
            succeeded: succeeded, results: results.map { $0.recorded(upTo: last) },
            failed: failed.map(\.recorded))
    }
}

extension TransactionOutcome.Result {
    fileprivate func recorded(upTo last: Revision?) -> HistoryOperation.Answer {
        func known(_ revision: Revision) -> Revision? { last.map { revision <= $0 } ?? true ? revision : nil }
        func sighting(_ item: Item) -> HistoryOperation.Sighting {
            HistoryOperation.Sighting(
                value: item.value, revision: known(item.modRevision),
                createRevision: known(item.createRevision), version: item.version)
        }
        switch self {
        case .wrote(.put(let put)):
            return .written(
                revision: known(put.revision), createRevision: known(put.createRevision),
                version: put.version)
        case .wrote(.deleted(let count, let revision, _)):
            return .deleted(count, revision: count > 0 ? known(revision) : nil)
        case .wrote(.incremented(let value, let revision, let version)):
            return .incremented(value, revision: known(revision), version: version)
        case .wrote: preconditionFailure("no step does this: \(self)")
        case .item(let item): return item.map { .found(sighting($0)) } ?? .absent
        case .items(let items, _):
            return .items(
                items.filter(\.isRecorded).map { HistoryOperation.Item(key: $0.key, sighting($0)) })
        case .transaction(let nested): return .transaction(nested.recorded(upTo: last))
        }
    }

    /// Whether it changed anything.
    var hasChanged: Bool {
        switch self {
        case .wrote(.put), .wrote(.incremented): true
        case .wrote(.deleted(let count, _, _)): count > 0
        case .wrote, .item, .items: false
        case .transaction(let nested): nested.results.contains(where: \.hasChanged)
        }
    }
}

extension Outcome {
    /// What a transaction that was only evaluated would have done at a revision.
    func recorded(evaluatedAt revision: Revision) -> HistoryOperation.Outcome {
        switch self {
        case .transaction(let outcome, _):
            return .ok(.transaction(outcome.recorded(upTo: revision)), at: revision)
        case .refused(.transaction(let refusal)):
            return refusal.recorded.map { .ok(.refused($0), at: revision) } ?? .failed("\(refusal)")
        default: preconditionFailure("no transaction is answered so: \(self)")
        }
    }
}
