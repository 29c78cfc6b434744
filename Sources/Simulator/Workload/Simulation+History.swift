// What clients have seen, in the form that the checkers of histories take.

public import Histories
import Primitives
import Store

extension Simulation {
    /// What clients have asked and were told so far.
    public var history: History {
        // Nobody but these clients writes. To give up history changes nothing that they can see.
        let own = operations.filter { !$0.action.isCompaction && !$0.isApart }.map(\.recorded)
        return History(own + otherRevisions.recorded, isExclusive: otherRevisions.isComplete)
    }

    /// Judges what clients have seen.
    func judgeHistory() {
        let history = history
        switch checkRevisions(history, budget: Self.searchBudget) {
        case .violation(let example): return fail("history", describe(example))
        case .linearizable, .undecided: break
        }
        if case .violation(let example) = checkLinearizability(history, budget: Self.searchBudget) {
            fail("history", describe(example))
        }
    }

    /// Steps of a search: enough for any history that has an explanation which is easy to find.
    private static var searchBudget: Int { 80_000 }

    private func describe(_ example: Counterexample) -> String {
        let involved = example.operations.map { "#\($0.id)" }.joined(separator: " ")
        return "\(example.kind.rawValue): \(example.reason) (operations \(involved))"
    }
}

extension OperationRecord {
    /// The operation as the checkers know it.
    var recorded: HistoryOperation {
        HistoryOperation(
            id: number, client: client, node: "n\(node + 1)", action: recordedAction,
            invoked: invoked.nanoseconds, returned: returned?.nanoseconds, outcome: recordedOutcome)
    }

    private var recordedAction: HistoryOperation.Action {
        switch action {
        case .get(let key, let isStale): return .get(key, isStale ? .stale : .linearizable)
        case .range(let range, _, let isStale):
            // A page that ends early tells of the keys up to its last one.
            var end = range.end ?? [CoordinationClient.keyStart]
            if case .items(let items, true, _)? = outcome, let last = items.last {
                let next = last.key + [0]
                if next.lexicographicallyPrecedes(end) { end = next }
            }
            return .list(.range(start: range.start, end: end), isStale ? .stale : .linearizable)
        case .evaluate(let transaction): return .transaction(transaction.recorded, dry: true)
        case .write(let operation, _): return operation.recorded
        }
    }

    private var recordedOutcome: HistoryOperation.Outcome {
        switch outcome {
        case nil: .unknown("no answer yet")
        case .unknown(let reason): .unknown(reason)
        case .refused(let reason): .failed(reason)
        case .item(let item, let revision): .ok(item.map { .found($0.sighting) } ?? .absent, at: revision)
        case .items(let items, _, let revision):
            .ok(
                .items(items.filter(\.isRecorded).map { HistoryOperation.Item(key: $0.key, $0.sighting) }),
                at: revision)
        case .evaluated(let outcome, let revision): outcome.recorded(evaluatedAt: revision)
        case .written(let outcome): outcome.recorded
        }
    }
}

extension Item {
    /// Whether histories know of its key.
    var isRecorded: Bool { key.first != CoordinationClient.keyStart }

    fileprivate var sighting: HistoryOperation.Sighting {
        HistoryOperation.Sighting(
            value: value, revision: modRevision, createRevision: createRevision, version: version)
    }
}

extension Store.Guard {
    fileprivate var recorded: HistoryOperation.Condition {
        switch self {
        case .revision(let revision): .revision(revision)
        case .absent: .absent
        case .exists: .exists
        }
    }
}

extension Store.Operation {
    fileprivate var recorded: HistoryOperation.Action {
        switch self {
        case .put(let key, let value, let condition, _): .put(key, value: value, if: condition?.recorded)
        case .delete(let key, let condition, _, let mustExist):
            .delete(key, if: condition?.recorded, mustExist: mustExist)
        case .deleteRange(let range): .deleteRange(.range(start: range.start, end: range.end))
        case .increment(let key, let amount): .increment(key, by: amount)
        case .batch(let puts, let createOnly):
            .batch(puts.map { HistoryOperation.Put(key: $0.key, value: $0.value) }, createOnly: createOnly)
        case .transaction(let transaction): .transaction(transaction.recorded)
        case .compact, .leasedPut, .coordinate, .fenced: preconditionFailure("no part of a history: \(self)")
        }
    }
}

extension Outcome {
    fileprivate var recorded: HistoryOperation.Outcome {
        switch self {
        case .put(let put):
            return .ok(
                .written(revision: put.revision, createRevision: put.createRevision, version: put.version))
        case .deleted(let count, let revision, _):
            return count > 0
                ? .ok(.deleted(count, revision: revision)) : .ok(.deleted(0), at: revision)
        case .incremented(let value, let revision, let version):
            return .ok(.incremented(value, revision: revision, version: version))
        case .batch(let results, let revision):
            let told = results.map { result -> HistoryOperation.BatchResult in
                if case .put(let revision) = result { .written(revision) } else { .exists }
            }
            let hasWritten = results.contains { $0 != .exists }
            return .ok(.batch(told), at: hasWritten ? nil : revision)
        case .replayed(let outcome, _): return outcome.recorded
        case .coordinated: preconditionFailure("no part of a history: \(self)")
        case .transaction(let outcome, let revision):
            let answer = outcome.recorded(upTo: nil)
            return outcome.results.contains(where: \.hasChanged)
                ? .ok(.transaction(answer, revision: revision)) : .ok(.transaction(answer), at: revision)
        case .compacted(let revision): return .ok(.deleted(0), at: revision)
        case .refused(.transaction(let refusal)):
            return refusal.recorded.map { .ok(.refused($0)) } ?? .failed("\(refusal)")
        case .refused(let refusal): return .ok(.refused(refusal.recorded))
        }
    }
}

extension Refusal {
    fileprivate var recorded: HistoryOperation.Refusal {
        switch self {
        case .preconditionFailed(let current): .condition(current.map { .revision($0) } ?? .absent)
        case .keyNotFound: .notFound
        case .notAnInteger: .notAnInteger
        case .overflow: .overflow
        case .compacted, .futureRevision, .transaction, .coordination, .cancelled, .keyReused,
            .fenceStale, .malformedCommand:
            preconditionFailure("no client asks for what is refused so: \(self)")
        }
    }
}
