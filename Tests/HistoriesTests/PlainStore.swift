import Histories
import Primitives

/// The store's semantics written down a second time, as plainly as can be: what the checkers are compared with.
struct PlainStore: Equatable {
    struct Entry: Equatable {
        var value: [UInt8]
        var created: UInt64
        var changed: UInt64
        var version: UInt64

        var sighting: HistoryOperation.Sighting {
            HistoryOperation.Sighting(
                value: value, revision: Revision(changed), createRevision: Revision(created), version: version
            )
        }
    }

    var revision: UInt64 = 1
    var entries: [[UInt8]: Entry] = [:]

    /// Carries an operation out; what it changes is at revision `next`, one above the present by default.
    mutating func apply(
        _ action: HistoryOperation.Action, at next: UInt64? = nil
    ) -> HistoryOperation.Answer {
        let next = next ?? revision + 1
        switch action {
        case .get(let key, _): return entries[key].map { .found($0.sighting) } ?? .absent
        case .list(let selection, _):
            let keys = entries.keys.filter(selection.contains).sorted { $0.lexicographicallyPrecedes($1) }
            return .items(keys.map { HistoryOperation.Item(key: $0, entries[$0]!.sighting) })
        case .put(let key, let value, let condition):
            if let refusal = refusal(condition, key) { return .refused(refusal) }
            return write(key, value, next)
        case .delete(let key, let condition, let mustExist):
            if let refusal = refusal(condition, key) { return .refused(refusal) }
            if entries[key] == nil { return mustExist ? .refused(.notFound) : .deleted(0) }
            entries[key] = nil
            revision = next
            return .deleted(1, revision: Revision(next))
        case .deleteRange(let selection):
            let keys = entries.keys.filter(selection.contains)
            if keys.isEmpty { return .deleted(0) }
            for key in keys { entries[key] = nil }
            revision = next
            return .deleted(keys.count, revision: Revision(next))
        case .increment(let key, let by): return increment(key, by, next)
        case .batch(let puts, let createOnly): return batch(puts, createOnly, next)
        case .transaction(let transaction, let isDry):
            var after = self
            let answer = after.carryOut(transaction, at: next)
            if isDry { return answer.known(through: revision) }
            if case .transaction = answer { self = after }
            return answer
        }
    }

    private mutating func write(_ key: [UInt8], _ value: [UInt8], _ next: UInt64) -> HistoryOperation.Answer {
        let old = entries[key]
        let entry = Entry(
            value: value, created: old?.created ?? next, changed: next, version: (old?.version ?? 0) + 1)
        entries[key] = entry
        revision = next
        return .written(
            revision: Revision(next), createRevision: Revision(entry.created), version: entry.version)
    }

    private mutating func increment(_ key: [UInt8], _ by: Int64, _ next: UInt64) -> HistoryOperation.Answer {
        var number: Int64 = 0
        if let entry = entries[key] {
            let text = String(decoding: entry.value, as: UTF8.self)
            guard !text.hasPrefix("+"), let old = Int64(text) else { return .refused(.notAnInteger) }
            number = old
        }
        let (sum, overflow) = number.addingReportingOverflow(by)
        if overflow { return .refused(.overflow) }
        guard case .written(let revision, _, let version) = write(key, Array(String(sum).utf8), next) else {
            preconditionFailure()
        }
        return .incremented(sum, revision: revision, version: version)
    }

    private mutating func batch(
        _ puts: [HistoryOperation.Put], _ createOnly: Bool, _ next: UInt64
    ) -> HistoryOperation.Answer {
        var results: [HistoryOperation.BatchResult] = []
        for (index, put) in puts.enumerated() {
            if createOnly, entries[put.key] != nil {
                results.append(.exists)
                continue
            }
            results.append(.written(Revision(next)))
            let isRepeated = puts[(index + 1)...].contains { $0.key == put.key }
            if createOnly || !isRepeated { _ = write(put.key, put.value, next) }
        }
        return .batch(results)
    }

    private func refusal(
        _ condition: HistoryOperation.Condition?, _ key: [UInt8]
    ) -> HistoryOperation.Refusal? {
        let entry = entries[key]
        let holds =
            switch condition {
            case nil: true
            case .revision(let revision): entry?.changed == revision.rawValue
            case .absent: entry == nil
            case .exists: entry != nil
            case .value(let value): entry?.value == value
            }
        return holds ? nil : .condition(entry.map { .revision(Revision($0.changed)) } ?? .absent)
    }
}

extension HistoryOperation.Answer {
    /// Whether this answer, which may leave things out, can be the full one of a store.
    func fits(_ full: HistoryOperation.Answer) -> Bool {
        func same<Value: Equatable>(_ told: Value?, _ actual: Value?) -> Bool {
            told == nil || told == actual
        }
        func same(_ told: HistoryOperation.Sighting, _ actual: HistoryOperation.Sighting) -> Bool {
            same(told.value, actual.value) && same(told.revision, actual.revision)
                && same(told.createRevision, actual.createRevision) && same(told.version, actual.version)
        }
        switch (self, full) {
        case (.absent, .absent): return true
        case (.found(let told), .found(let actual)): return same(told, actual)
        case (.items(let told), .items(let actual)):
            return told.map(\.key) == actual.map(\.key)
                && zip(told, actual).allSatisfy { same($0.sighting, $1.sighting) }
        case (.written(let revision, let created, let version), .written(let r, let c, let v)):
            return same(revision, r) && same(created, c) && same(version, v)
        case (.deleted(let count, let revision), .deleted(let c, let r)):
            return count == c && (count == 0 || same(revision, r))
        case (.incremented(let sum, let revision, let version), .incremented(let s, let r, let v)):
            return sum == s && same(revision, r) && same(version, v)
        case (.batch(let told), .batch(let actual)):
            return told.count == actual.count
                && zip(told, actual).allSatisfy { told, actual in
                    switch (told, actual) {
                    case (.exists, .exists): true
                    case (.written(let revision), .written(let actual)): same(revision, actual)
                    default: false
                    }
                }
        case (.transaction(let told, let revision), .transaction(let actual, let r)):
            return same(revision, r) && told.fits(actual)
        case (.refused(.conditions(let told)), .refused(.conditions(let actual))):
            return told.fit(actual)
        case (.refused(.condition(.untold)), .refused(.condition)): return true
        case (.refused(let told), .refused(let actual)): return told == actual
        default: return false
        }
    }
}
