import Histories
import Primitives

// Transactions written down a second time, as plainly as can be.

extension PlainStore {
    /// What a transaction does and says; changes this store, also if it is refused in the end.
    mutating func carryOut(
        _ transaction: HistoryOperation.Transaction, at next: UInt64
    ) -> HistoryOperation.Answer {
        let before = self
        let failed = before.failures(transaction.conditions)
        if !failed.isEmpty, transaction.otherwise == nil { return .refused(.conditions(failed)) }
        for (place, step) in before.chosen(transaction, at: []) {
            guard case .increment(let key, let by) = step else { continue }
            var trial = before
            switch trial.apply(.increment(key, by: by)) {
            case .refused(.notAnInteger): return .refused(.step(at: place, .notAnInteger))
            case .refused(.overflow): return .refused(.step(at: place, .overflow))
            default: break
            }
        }
        let answer = answer(to: transaction, before, at: next)
        return .transaction(answer, revision: revision == next ? Revision(next) : nil)
    }

    private func chosen(
        _ transaction: HistoryOperation.Transaction, at place: [Int]
    ) -> [([Int], HistoryOperation.Transaction.Step)] {
        let holds = failures(transaction.conditions).isEmpty
        return (holds ? transaction.then : transaction.otherwise ?? []).enumerated().flatMap { index, step in
            guard case .transaction(let nested) = step else { return [(place + [index], step)] }
            return chosen(nested, at: place + [index])
        }
    }

    private mutating func answer(
        to transaction: HistoryOperation.Transaction, _ before: PlainStore, at next: UInt64
    ) -> HistoryOperation.TransactionAnswer {
        let failed = before.failures(transaction.conditions)
        var answer = HistoryOperation.TransactionAnswer(
            succeeded: failed.isEmpty, results: [], failed: failed)
        for step in failed.isEmpty ? transaction.then : transaction.otherwise ?? [] {
            let result: HistoryOperation.Answer
            switch step {
            case .put(let key, let value): result = apply(.put(key, value: value), at: next)
            case .delete(let key): result = apply(.delete(key), at: next)
            case .deleteRange(let selection): result = apply(.deleteRange(selection), at: next)
            case .increment(let key, let by): result = apply(.increment(key, by: by), at: next)
            case .get(let key): result = apply(.get(key))
            case .list(let selection, let limit):
                guard case .items(let items) = apply(.list(selection)) else { preconditionFailure() }
                result = .items(Array(items.prefix(limit)))
            case .transaction(let nested):
                result = .transaction(self.answer(to: nested, before, at: next))
            }
            answer.results.append(result)
        }
        return answer
    }

    private func failures(
        _ conditions: [HistoryOperation.Transaction.Condition]
    ) -> [HistoryOperation.FailedCondition] {
        conditions.enumerated().compactMap { index, condition in
            switch condition {
            case .value(let key, let relation, let value):
                if let entry = entries[key], relation.holds(entry.value, value) { return nil }
                return HistoryOperation.FailedCondition(index: index, revision: entries[key]?.changed ?? 0)
            case .number(let key, let property, let relation, let number):
                let entry = entries[key]
                let found =
                    switch property {
                    case .revision: entry?.changed ?? 0
                    case .createRevision: entry?.created ?? 0
                    case .version: entry?.version ?? 0
                    }
                if relation.holds(found, number) { return nil }
                return HistoryOperation.FailedCondition(
                    index: index, found: found, revision: entry?.changed ?? 0)
            case .count(let selection, let relation, let number):
                let count = UInt64(entries.keys.count(where: selection.contains))
                return relation.holds(count, number)
                    ? nil : HistoryOperation.FailedCondition(index: index, found: count)
            }
        }
    }
}

extension HistoryOperation.Answer {
    /// The answer of a dry transaction, which tells no revisions that there are not.
    func known(through last: UInt64) -> HistoryOperation.Answer {
        func known(_ revision: Revision?) -> Revision? {
            revision.flatMap { $0.rawValue <= last ? $0 : nil }
        }
        func known(_ sighting: HistoryOperation.Sighting) -> HistoryOperation.Sighting {
            var sighting = sighting
            sighting.revision = known(sighting.revision)
            sighting.createRevision = known(sighting.createRevision)
            return sighting
        }
        switch self {
        case .found(let sighting): return .found(known(sighting))
        case .items(let items):
            return .items(items.map { HistoryOperation.Item(key: $0.key, known($0.sighting)) })
        case .written(_, let created, let version):
            return .written(createRevision: known(created), version: version)
        case .deleted(let count, _): return .deleted(count)
        case .incremented(let sum, _, let version): return .incremented(sum, version: version)
        case .transaction(let answer, _):
            return .transaction(
                HistoryOperation.TransactionAnswer(
                    succeeded: answer.succeeded, results: answer.results.map { $0.known(through: last) },
                    failed: answer.failed))
        default: return self
        }
    }

    /// Whether it tells that something changed.
    var hasMade: Bool {
        switch self {
        case .written, .incremented: true
        case .deleted(let count, _): count > 0
        case .batch(let results): results.contains { $0 != .exists }
        case .transaction(let answer, _): answer.changes
        default: false
        }
    }
}

extension HistoryOperation.TransactionAnswer {
    /// Whether it changed anything.
    var changes: Bool { results.contains(where: \.hasMade) }

    /// Whether this, which may leave things out, can be the full answer of a store.
    func fits(_ full: HistoryOperation.TransactionAnswer) -> Bool {
        succeeded == full.succeeded && failed.fit(full.failed) && results.count == full.results.count
            && zip(results, full.results).allSatisfy { $0.fits($1) }
    }
}

extension [HistoryOperation.FailedCondition] {
    /// Whether these, which may leave things out, can be all that failed.
    func fit(_ full: [HistoryOperation.FailedCondition]) -> Bool {
        if isEmpty { return true }
        return count == full.count
            && zip(self, full).allSatisfy { told, actual in
                told.index == actual.index && (told.found == nil || told.found == actual.found)
                    && (told.revision == nil || told.revision == actual.revision)
            }
    }
}

extension HistoryOperation.Transaction {
    /// The revisions that its conditions compare with, and those beside them.
    var namedRevisions: [UInt64] {
        let own = conditions.flatMap { condition -> [UInt64] in
            guard case .number(_, let property, _, let number) = condition, property != .version else {
                return []
            }
            return [number + 1]
        }
        return own
            + (then + (otherwise ?? [])).flatMap { step -> [UInt64] in
                if case .transaction(let nested) = step { nested.namedRevisions } else { [] }
            }
    }
}
