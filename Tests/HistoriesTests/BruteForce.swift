import Histories
import Primitives

/// Tries every order of a small history. Slow, and plain enough to be believed.
struct BruteForce {
    enum Mode {
        /// Revisions count: an operation that told one is at that place.
        case revisions
        /// Nothing counts but times and what was told; the histories tell no revisions.
        case values
        /// Revisions are names of versions that may stand for any others, one for one.
        case names
    }

    private let operations: [HistoryOperation]
    private let mode: Mode
    private let isExclusive: Bool
    private let highest: UInt64
    private var isDone: [Bool]
    /// In the mode `names`: told revisions by those of the store, and back.
    private typealias Names = (told: [UInt64: UInt64], actual: [UInt64: UInt64])

    static func isLinearizable(_ history: History, _ mode: Mode) -> Bool {
        var search = BruteForce(history, mode)
        return search.goOn(PlainStore(revision: history.startRevision.rawValue), ([:], [:]))
    }

    private init(_ history: History, _ mode: Mode) {
        operations = history.operations.filter { operation in
            switch operation.outcome {
            case .ok: mode == .revisions || operation.freshness == .linearizable
            case .failed: false
            case .unknown: !operation.action.isRead
            }
        }
        self.mode = mode
        isExclusive = history.isExclusive
        highest = (operations.flatMap(\.allRevisions) + operations.flatMap(\.action.named)).max() ?? 1
        isDone = operations.map { _ in false }
    }

    private mutating func goOn(_ store: PlainStore, _ names: Names) -> Bool {
        let isOver = operations.indices.allSatisfy { isDone[$0] || operations[$0].isUnknown }
        if isOver { return true }
        for index in operations.indices where !isDone[index] && isNext(index) {
            isDone[index] = true
            defer { isDone[index] = false }
            for (next, change) in steps(operations[index], store, names) where goOn(next, change) {
                return true
            }
        }
        return false
    }

    /// Whether everything that precedes an operation is done. Reads of the past are preceded by nothing.
    private func isNext(_ index: Int) -> Bool {
        let operation = operations[index]
        if operation.freshness != .linearizable { return true }
        return operations.indices.allSatisfy { other in
            isDone[other] || operations[other].isUnknown
                || (operations[other].returned ?? .max) >= operation.invoked
        }
    }

    private func steps(
        _ operation: HistoryOperation, _ store: PlainStore, _ names: Names
    ) -> [(PlainStore, Names)] {
        guard mode == .revisions else { return orderSteps(operation, store, names) }
        guard case .ok(let told, let seen) = operation.outcome else {
            return revisions(after: store).compactMap { revision in
                var next = store
                _ = next.apply(operation.action, at: revision)
                return next.revision == revision ? (next, names) : nil
            }
        }
        if operation.changes, operation.pinned == nil {
            return revisions(after: store).compactMap { revision in
                var next = store
                return told.fits(next.apply(operation.action, at: revision)) ? (next, names) : nil
            }
        }
        var store = store
        if let place = operation.pinned {
            // Others may have raised the revision unless they are known not to have.
            let before = operation.changes ? place - 1 : place
            guard isExclusive ? store.revision == before : store.revision <= before else { return [] }
            store.revision = before
        } else if let seen, operation.freshness == .linearizable {
            guard isExclusive ? store.revision == seen.rawValue : store.revision <= seen.rawValue else {
                return []
            }
            store.revision = seen.rawValue
        }
        return told.fits(store.apply(operation.action)) ? [(store, names)] : []
    }

    /// The revisions that a write can have which does not tell it. Above all that anybody names one is as good
    /// as another.
    private func revisions(after store: PlainStore) -> ClosedRange<UInt64> {
        let next = store.revision + 1
        return next...(isExclusive ? next : max(next, highest + 1))
    }

    private func orderSteps(
        _ operation: HistoryOperation, _ store: PlainStore, _ names: Names
    ) -> [(PlainStore, Names)] {
        var next = store
        var names = names
        let action = mode == .names ? operation.action.renamed(names.actual) : operation.action
        let actual = next.apply(action)
        guard case .ok(let told, _) = operation.outcome else {
            return next == store ? [] : [(next, names)]
        }
        guard mode == .names else { return told.fits(actual) ? [(next, names)] : [] }
        if told.revisions.count != actual.revisions.count { return [] }
        // The revision of a condition that was told by nobody yet can be any; then it can not be checked here,
        // and such histories are not made.
        for (name, real) in zip(told.revisions, actual.revisions) {
            guard let name else { continue }
            guard let real else { return [] }
            if names.told[real, default: name] != name || names.actual[name, default: real] != real {
                return []
            }
            names.told[real] = name
            names.actual[name] = real
        }
        return told.withoutRevisions.fits(actual) ? [(next, names)] : []
    }
}

extension HistoryOperation {
    var isUnknown: Bool { if case .unknown = outcome { true } else { false } }

    var freshness: Freshness {
        switch action {
        case .get(_, let freshness), .list(_, let freshness): freshness
        default: .linearizable
        }
    }

    /// Whether the answer says that something changed.
    var changes: Bool {
        guard case .ok(let answer, _) = outcome else { return false }
        return switch answer {
        case .written, .incremented: true
        case .deleted(let count, _): count > 0
        case .batch(let results): results.contains { $0 != .exists }
        case .transaction(let answer, _): !isDry && answer.changes
        default: false
        }
    }

    private var isDry: Bool { if case .transaction(_, dry: true) = action { true } else { false } }

    /// The revision at which it must stand.
    var pinned: UInt64? {
        guard case .ok(let answer, let seen) = outcome else { return nil }
        if changes { return answer.made }
        switch freshness {
        case .at(let revision):
            // What reflects another revision than was asked for stands nowhere.
            return seen == nil || seen == revision ? revision.rawValue : 0
        case .stale: return seen?.rawValue
        case .linearizable: return nil
        }
    }

    var allRevisions: [UInt64] {
        guard case .ok(let answer, let seen) = outcome else { return [] }
        return answer.revisions.compactMap { $0 } + (seen.map { [$0.rawValue] } ?? [])
    }
}

extension HistoryOperation.Action {
    /// The revisions that its conditions name.
    var named: [UInt64] {
        switch self {
        case .put(_, _, .revision(let revision)), .delete(_, .revision(let revision), _): [revision.rawValue]
        case .transaction(let transaction, _): transaction.namedRevisions
        default: []
        }
    }

    /// The condition's revision as the store knows it.
    func renamed(_ actual: [UInt64: UInt64]) -> HistoryOperation.Action {
        func rename(_ condition: HistoryOperation.Condition?) -> HistoryOperation.Condition? {
            guard case .revision(let name)? = condition else { return condition }
            return .revision(Revision(actual[name.rawValue] ?? 1 << 40))
        }
        return switch self {
        case .put(let key, let value, let condition): .put(key, value: value, if: rename(condition))
        case .delete(let key, let condition, let mustExist):
            .delete(key, if: rename(condition), mustExist: mustExist)
        default: self
        }
    }
}

extension HistoryOperation.Answer {
    /// The revision that the change made, if it is told.
    var made: UInt64? {
        switch self {
        case .written(let revision, _, _), .deleted(_, let revision), .incremented(_, let revision, _):
            return revision?.rawValue
        case .batch(let results):
            for case .written(let revision?) in results { return revision.rawValue }
            return nil
        case .transaction(let answer, let revision):
            return revision?.rawValue ?? answer.results.lazy.compactMap(\.made).first
        default: return nil
        }
    }

    /// All revisions in their order, nil where one is not told.
    var revisions: [UInt64?] {
        func of(_ sighting: HistoryOperation.Sighting) -> [UInt64?] {
            [sighting.revision?.rawValue, sighting.createRevision?.rawValue]
        }
        return switch self {
        case .absent: []
        case .found(let sighting): of(sighting)
        case .items(let items): items.flatMap { of($0.sighting) }
        case .written(let revision, let created, _): [revision?.rawValue, created?.rawValue]
        case .deleted(let count, let revision): count > 0 ? [revision?.rawValue] : []
        case .incremented(_, let revision, _): [revision?.rawValue]
        case .batch(let results):
            results.map { if case .written(let revision) = $0 { revision?.rawValue } else { nil } }
        case .refused(.condition(.revision(let revision))): [revision.rawValue]
        case .refused(.conditions(let failed)): failed.map(\.revision)
        case .refused: []
        case .transaction(let answer, let revision):
            [revision?.rawValue] + answer.failed.map(\.revision) + answer.results.flatMap(\.revisions)
        }
    }

    /// The answer with no revision told.
    var withoutRevisions: HistoryOperation.Answer {
        func strip(_ sighting: HistoryOperation.Sighting) -> HistoryOperation.Sighting {
            HistoryOperation.Sighting(value: sighting.value, version: sighting.version)
        }
        return switch self {
        case .absent: self
        case .found(let sighting): .found(strip(sighting))
        case .items(let items):
            .items(items.map { HistoryOperation.Item(key: $0.key, strip($0.sighting)) })
        case .written(_, _, let version): .written(version: version)
        case .deleted(let count, _): .deleted(count)
        case .incremented(let sum, _, let version): .incremented(sum, version: version)
        case .batch(let results): .batch(results.map { $0 == .exists ? .exists : .written(nil) })
        case .refused(.condition(.revision)): .refused(.condition(.untold))
        case .refused(.conditions): .refused(.conditions([]))
        case .refused: self
        case .transaction(let answer, _):
            .transaction(
                HistoryOperation.TransactionAnswer(
                    succeeded: answer.succeeded, results: answer.results.map(\.withoutRevisions)))
        }
    }
}
