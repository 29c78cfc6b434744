import Primitives

// What the checkers find, before it is explained.

/// The outcome of one check.
enum CheckResult {
    case fine
    case undecided(Doubt)
    case violation(Finding)
}

/// What is wrong, in short.
struct Finding {
    var kind: Counterexample.Kind
    /// The keys that it concerns; nil if it concerns the order of all operations.
    var keys: [[UInt8]]?
    /// The id of the operation that cannot be.
    var culprit: Int?
    /// The ids of the operations that prove it; empty if they must be looked for.
    var proof: [Int] = []
    /// One sentence; empty if it must be looked for.
    var reason = ""
    /// Whether it shows only if keys are looked at together.
    var scope = SearchScope.keys
    /// Whether it takes all operations together to show it.
    var isAboutAll = false
}

/// Revisions from here on are not believed: JSON numbers are exact below.
let revisionLimit: UInt64 = 1 << 53

/// An answer that is wrong whatever the store holds.
func malformedAnswer(in history: History) -> Finding? {
    for operation in history.operations {
        if let reason = operation.malformation {
            return malformed(operation, reason)
        }
        if operation.toldRevisions.contains(where: { $0.rawValue >= revisionLimit }) {
            return malformed(operation, "it tells a revision of 2^53 or above")
        }
        guard case .deleteRange(let selection) = operation.action,
            case .ok(.deleted(let count, _), _) = operation.outcome, count > 0
        else { continue }
        var keys: Set<[UInt8]> = []
        for other in history.operations { keys.formUnion(other.namedKeys.filter(selection.contains)) }
        if count > keys.count {
            return malformed(operation, "\(count) keys were deleted, of which only \(keys.count) are known")
        }
    }
    return nil
}

private func malformed(_ operation: HistoryOperation, _ reason: String) -> Finding {
    Finding(kind: .malformedAnswer, culprit: operation.id, proof: [operation.id], reason: reason)
}

extension HistoryOperation {
    /// Whether anything about it speaks of a revision.
    var tellsRevisions: Bool {
        switch action {
        case .put(_, _, .revision), .delete(_, .revision, _): true
        case .transaction(let transaction, _):
            !toldRevisions.isEmpty || transaction.allConditions.contains { $0.isAboutRevisions }
        default: !toldRevisions.isEmpty
        }
    }

    /// Every revision in the answer. The store had reached all of them when it was given.
    var toldRevisions: [Revision] {
        guard case .ok(let answer, let revision) = outcome else { return [] }
        return (revision.map { [$0] } ?? []) + answer.toldRevisions
    }
}

extension HistoryOperation.Answer {
    /// The conditions of a transaction that did not hold.
    var failed: [HistoryOperation.FailedCondition] {
        switch self {
        case .refused(.conditions(let failed)): failed
        case .transaction(let answer, _): answer.allFailed
        default: []
        }
    }

    /// Every revision that it tells.
    var toldRevisions: [Revision] {
        var told: [Revision] = []
        func add(_ sighting: HistoryOperation.Sighting) {
            if let revision = sighting.revision { told.append(revision) }
            if let revision = sighting.createRevision { told.append(revision) }
        }
        switch self {
        case .absent, .refused(.notFound), .refused(.notAnInteger), .refused(.overflow), .refused(.step),
            .refused(.conditions):
            break
        case .found(let sighting): add(sighting)
        case .items(let items): for item in items { add(item.sighting) }
        case .written(let revision, let created, _):
            told += [revision, created].compactMap { $0 }
        case .deleted(_, let revision), .incremented(_, let revision, _):
            if let revision { told.append(revision) }
        case .batch(let results): for case .written(let revision?) in results { told.append(revision) }
        case .refused(.condition(let current)):
            if case .revision(let revision) = current { told.append(revision) }
        case .transaction(let answer, let revision):
            if let revision { told.append(revision) }
            for result in answer.allResults { told += result.toldRevisions }
        }
        told += failed.compactMap(\.toldRevision)
        return told
    }
}

extension HistoryOperation.FailedCondition {
    /// The revision of a key that it tells.
    fileprivate var toldRevision: Revision? { revision.flatMap { $0 > 0 ? Revision($0) : nil } }
}

extension HistoryOperation.Transaction.Condition {
    /// Whether it compares with a revision.
    var isAboutRevisions: Bool {
        switch self {
        case .number(_, let property, _, _): property != .version
        case .value, .count: false
        }
    }
}
