public import Primitives

extension HistoryOperation {
    /// What the store said. What is nil was not told, and is not checked.
    public enum Answer: Sendable, Equatable {
        /// To a get: there is no such key.
        case absent
        /// To a get: this is the key.
        case found(Sighting)
        /// To a list: these are the keys.
        case items([Item])
        /// To a put: it was written.
        case written(revision: Revision? = nil, createRevision: Revision? = nil, version: UInt64? = nil)
        /// To a delete or a delete of a range: how many keys are gone, and since which revision if any.
        case deleted(Int, revision: Revision? = nil)
        /// To an increment: the sum.
        case incremented(Int64, revision: Revision? = nil, version: UInt64? = nil)
        /// To a batch: what became of each put, in the order of the batch.
        case batch([BatchResult])
        /// To a transaction: what it did, at which revision if it changed anything. A dry one tells no
        /// revisions that there are not.
        case transaction(TransactionAnswer, revision: Revision? = nil)
        /// To any write: it changed nothing.
        case refused(Refusal)
    }

    /// What was seen of a key.
    public struct Sighting: Sendable, Equatable {
        /// The value.
        public var value: [UInt8]?
        /// The revision of the last write.
        public var revision: Revision?
        /// The revision that made the key.
        public var createRevision: Revision?
        /// How many times it was written since it was made.
        public var version: UInt64?

        /// Makes a sighting.
        public init(
            value: [UInt8]? = nil, revision: Revision? = nil, createRevision: Revision? = nil,
            version: UInt64? = nil
        ) {
            self.value = value
            self.revision = revision
            self.createRevision = createRevision
            self.version = version
        }
    }

    /// A line of a list.
    public struct Item: Sendable, Equatable {
        /// The key.
        public var key: [UInt8]
        /// What was told of it.
        public var sighting: Sighting

        /// Makes a line.
        public init(key: [UInt8], _ sighting: Sighting) {
            self.key = key
            self.sighting = sighting
        }
    }

    /// What became of one put of a batch.
    public enum BatchResult: Sendable, Equatable {
        /// It was written.
        case written(Revision?)
        /// The key existed and the batch was to create only.
        case exists
    }

    /// Why a write changed nothing.
    public enum Refusal: Sendable, Equatable {
        /// Its condition did not hold.
        case condition(Current)
        /// The key to delete does not exist.
        case notFound
        /// The value to increment is no number.
        case notAnInteger
        /// The sum would be too large.
        case overflow
        /// Conditions of a transaction did not hold; none if it was not told which.
        case conditions([FailedCondition])
        /// The step at this place, counted through the branches from the outermost on, could not be done.
        case step(at: [Int], StepRefusal)
    }

    /// What a refusal told of the key.
    public enum Current: Sendable, Equatable {
        /// Nothing.
        case untold
        /// It does not exist.
        case absent
        /// Its last write was at this revision.
        case revision(Revision)
    }
}

extension HistoryOperation {
    /// The revision at which the store was changed, if it was and this was told.
    var writtenRevision: Revision? {
        guard case .ok(let answer, _) = outcome, !action.isDry else { return nil }
        return answer.writtenRevision
    }

    /// Whether the answer says that the store was changed.
    var hasChanged: Bool {
        guard case .ok(let answer, _) = outcome, !action.isDry else { return false }
        return answer.hasChanged
    }

    /// Whether it may have changed the store without anybody having said so.
    var isOpenWrite: Bool {
        if case .unknown = outcome { return !action.isRead }
        return false
    }

    /// Whether there is an answer.
    var isAnswered: Bool { if case .ok = outcome { true } else { false } }

    /// Whether it is labelled as certainly not applied.
    var isFailedWrite: Bool {
        if case .failed = outcome { return !action.isRead }
        return false
    }

    /// Why the answer can not be one to what was asked; nil if it can. This is about its form alone.
    var malformation: String? {
        guard case .ok(let answer, let seen) = outcome else { return nil }
        if case .at(let revision) = action.freshness, let seen, seen != revision {
            return "it reflects revision \(seen) although revision \(revision) was asked for"
        }
        switch (action, answer) {
        case (.get, .absent), (.get, .found), (.put, .written), (.increment, .incremented): return nil
        case (.put, .refused(let refusal)), (.delete, .refused(let refusal)),
            (.increment, .refused(let refusal)):
            return refusal.isOfTransaction ? "the answer is of another kind than the question" : nil
        case (.delete, .deleted(let count, _)):
            return (0...1).contains(count) ? nil : "it says that \(count) keys were deleted"
        case (.deleteRange, .deleted(let count, _)): return count >= 0 ? nil : "the count is below zero"
        case (.list(let selection, _), .items(let items)):
            return HistoryOperation.malformation(of: items, in: selection)
        case (.transaction(let transaction, _), .transaction(let answer, let revision)):
            return malformation(of: answer, revision, transaction)
        case (.transaction(let transaction, _), .refused(.conditions(let failed))):
            if transaction.otherwise != nil { return "it was refused although it says what to do else" }
            let indices = transaction.conditions.indices
            return indices.isEmpty || failed.contains { !indices.contains($0.index) }
                ? "it failed by a condition that there is not" : nil
        case (.transaction, .refused(.step)): return nil
        case (.batch(let puts, let createOnly), .batch(let results)):
            if puts.count != results.count { return "it has \(results.count) results for \(puts.count) puts" }
            if !createOnly, results.contains(.exists) {
                return "it spared a key although it was to overwrite"
            }
            if createOnly, let key = twiceCreated(puts, results) {
                return "it created \(readable(key)) twice"
            }
            var revisions: [Revision] = []
            for case .written(let revision?) in results { revisions.append(revision) }
            return revisions.allSatisfy { $0 == revisions[0] } ? nil : "one batch has two revisions"
        default: return "the answer is of another kind than the question"
        }
    }

    private func twiceCreated(_ puts: [Put], _ results: [BatchResult]) -> [UInt8]? {
        var keys: Set<[UInt8]> = []
        for (put, result) in zip(puts, results) where !keys.insert(put.key).inserted && result != .exists {
            return put.key
        }
        return nil
    }

    private func malformation(
        of answer: TransactionAnswer, _ revision: Revision?, _ transaction: Transaction
    ) -> String? {
        if let reason = transaction.malformation(of: answer) { return reason }
        let told = answer.writtenRevisions
        if revision != nil, !answer.hasChanged { return "it made a revision although it changed nothing" }
        if action.isDry { return told.isEmpty ? nil : "a dry one tells a revision of its own" }
        if told.contains(where: { $0 != revision ?? told[0] }) { return "one transaction has two revisions" }
        return nil
    }

    /// Why these can not be the keys of a selection; nil if they can.
    static func malformation(of items: [Item], in selection: KeySelection) -> String? {
        if let stranger = items.first(where: { !selection.contains($0.key) }) {
            return "it lists \(readable(stranger.key)), which was not asked for"
        }
        for (item, next) in zip(items, items.dropFirst())
        where !item.key.lexicographicallyPrecedes(next.key) {
            return "it lists \(readable(next.key)) after \(readable(item.key))"
        }
        return nil
    }
}

extension HistoryOperation.Answer {
    /// The revision that the change made, if there was one and it was told.
    var writtenRevision: Revision? {
        switch self {
        case .written(let revision, _, _), .incremented(_, let revision, _): return revision
        case .deleted(let count, let revision): return count > 0 ? revision : nil
        case .batch(let results):
            for case .written(let revision?) in results { return revision }
            return nil
        case .transaction(let answer, let revision):
            return answer.hasChanged ? revision ?? answer.writtenRevisions.first : nil
        case .absent, .found, .items, .refused: return nil
        }
    }

    /// Whether it says that the store was changed.
    var hasChanged: Bool {
        switch self {
        case .written, .incremented: true
        case .deleted(let count, _): count > 0
        case .batch(let results): results.contains { $0 != .exists }
        case .transaction(let answer, _): answer.hasChanged
        case .absent, .found, .items, .refused: false
        }
    }
}

extension HistoryOperation.Refusal {
    /// Whether only transactions are refused so.
    fileprivate var isOfTransaction: Bool {
        switch self {
        case .condition, .notFound, .notAnInteger, .overflow: false
        case .conditions, .step: true
        }
    }
}

extension HistoryOperation.Action {
    /// Whether it only asks what would be done.
    var isDry: Bool { if case .transaction(_, let isDry) = self { isDry } else { false } }
}
