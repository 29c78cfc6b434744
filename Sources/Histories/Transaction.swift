import Primitives

extension HistoryOperation {
    /// Reads and writes that happen together. Conditions on the state before choose which of them; all writes
    /// carry one revision, and a read sees what the steps before it have written.
    ///
    /// No two steps that may both be carried out write the same key: a store refuses that without looking.
    public struct Transaction: Sendable, Equatable {
        /// What must hold, all of it, for `then` to be done.
        public var conditions: [Condition]
        /// What is done then.
        public var then: [Step]
        /// What is done else. Nil: it is refused then; a nested one does nothing.
        public var otherwise: [Step]?

        /// Makes a transaction.
        public init(conditions: [Condition] = [], then: [Step], otherwise: [Step]? = nil) {
            self.conditions = conditions
            self.then = then
            self.otherwise = otherwise
        }

        /// How what is there compares with what is given. The raw values are those of the file form.
        public enum Relation: String, Sendable, CaseIterable {
            case equal = "="
            case notEqual = "!="
            case less = "<"
            case atMost = "<="
            case greater = ">"
            case atLeast = ">="

            /// Whether it can be told without an order.
            var isEquality: Bool { self == .equal || self == .notEqual }

            /// Whether it holds.
            public func holds(_ found: UInt64, _ given: UInt64) -> Bool {
                switch self {
                case .equal: found == given
                case .notEqual: found != given
                case .less: found < given
                case .atMost: found <= given
                case .greater: found > given
                case .atLeast: found >= given
                }
            }

            /// Whether it holds in the order of bytes.
            public func holds(_ found: [UInt8], _ given: [UInt8]) -> Bool {
                if found == given { return holds(0, 0) }
                return found.lexicographicallyPrecedes(given) ? holds(0, 1) : holds(1, 0)
            }
        }

        /// A number of a key; 0 if it does not exist.
        public enum Property: String, Sendable, CaseIterable {
            /// The revision of its last write.
            case revision
            /// The revision that made it.
            case createRevision = "create_revision"
            /// How many times it was written since it was made.
            case version
        }

        /// Something that holds or not. No comparison of the value of an absent key holds.
        public enum Condition: Sendable, Equatable {
            /// A key's value compares like this.
            case value([UInt8], Relation, [UInt8])
            /// A number of a key does.
            case number([UInt8], Property, Relation, UInt64)
            /// How many keys there are of a selection does.
            case count(KeySelection, Relation, UInt64)
        }

        /// Something that is done.
        public indirect enum Step: Sendable, Equatable {
            /// Writes a value.
            case put([UInt8], value: [UInt8])
            /// Deletes a key, if it is there.
            case delete([UInt8])
            /// Deletes all keys of a selection.
            case deleteRange(KeySelection)
            /// Adds to a value that is decimal text; an absent key counts as 0.
            case increment([UInt8], by: Int64)
            /// Reads a key.
            case get([UInt8])
            /// Reads the first keys of a selection.
            case list(KeySelection, limit: Int)
            /// Does what the conditions of another transaction choose.
            case transaction(Transaction)
        }

        /// The steps of a branch; none if there is none.
        func branch(_ succeeded: Bool) -> [Step] { succeeded ? then : otherwise ?? [] }

        /// All steps of all branches that are no transactions.
        var allSteps: [Step] {
            (then + (otherwise ?? [])).flatMap { step -> [Step] in
                if case .transaction(let nested) = step { nested.allSteps } else { [step] }
            }
        }

        /// All conditions, nested ones too.
        var allConditions: [Condition] {
            conditions
                + (then + (otherwise ?? [])).flatMap { step -> [Condition] in
                    if case .transaction(let nested) = step { nested.allConditions } else { [] }
                }
        }

        /// Whether no step writes.
        var isReadOnly: Bool {
            allSteps.allSatisfy { step in
                switch step {
                case .get, .list: true
                case .put, .delete, .deleteRange, .increment, .transaction: false
                }
            }
        }

        /// The keys that it names.
        var namedKeys: [[UInt8]] {
            let conditions = allConditions.compactMap { condition -> [UInt8]? in
                switch condition {
                case .value(let key, _, _), .number(let key, _, _, _): key
                case .count: nil
                }
            }
            return conditions
                + allSteps.compactMap { step in
                    switch step {
                    case .put(let key, _), .delete(let key), .increment(let key, _), .get(let key): key
                    case .deleteRange, .list, .transaction: nil
                    }
                }
        }

        /// The selections that it names.
        var selections: [KeySelection] {
            let counted = allConditions.compactMap { condition -> KeySelection? in
                if case .count(let selection, _, _) = condition { selection } else { nil }
            }
            return counted
                + allSteps.compactMap { step in
                    switch step {
                    case .deleteRange(let selection), .list(let selection, _): selection
                    case .put, .delete, .increment, .get, .transaction: nil
                    }
                }
        }
    }

    /// What a transaction did.
    public struct TransactionAnswer: Sendable, Equatable {
        /// Whether all conditions held.
        public var succeeded: Bool
        /// The answers of the chosen steps, in their order.
        public var results: [Answer]
        /// The conditions that did not hold; empty if they were not told.
        public var failed: [FailedCondition]

        /// Makes an answer.
        public init(succeeded: Bool, results: [Answer], failed: [FailedCondition] = []) {
            self.succeeded = succeeded
            self.results = results
            self.failed = failed
        }

        /// The answers of all steps that are no transactions.
        var allResults: [Answer] {
            results.flatMap { result -> [Answer] in
                if case .transaction(let nested, _) = result { nested.allResults } else { [result] }
            }
        }

        /// All conditions that did not hold, nested ones too.
        var allFailed: [FailedCondition] {
            failed
                + results.flatMap { result -> [FailedCondition] in
                    if case .transaction(let nested, _) = result { nested.allFailed } else { [] }
                }
        }
    }

    /// A condition that did not hold. What is nil was not told.
    public struct FailedCondition: Sendable, Equatable {
        /// Its place among those of its transaction.
        public var index: Int
        /// The number or the count that was found.
        public var found: UInt64?
        /// The revision of the key's last write, 0 if it was absent.
        public var revision: UInt64?

        /// Makes the description.
        public init(index: Int, found: UInt64? = nil, revision: UInt64? = nil) {
            self.index = index
            self.found = found
            self.revision = revision
        }
    }

    /// Why a step of a transaction could not be done. The raw values are those of the file form.
    public enum StepRefusal: String, Sendable {
        /// The value to increment is no number.
        case notAnInteger = "not_an_integer"
        /// The sum would be too large.
        case overflow
    }
}

extension HistoryOperation.Transaction {
    /// Why an answer can not be one to this; nil if it can. This is about its form alone.
    func malformation(of answer: HistoryOperation.TransactionAnswer, isOutermost: Bool = true) -> String? {
        if let failed = answer.failed.first(where: { !conditions.indices.contains($0.index) }) {
            return "it tells of condition \(failed.index), which there is not"
        }
        if answer.succeeded, !answer.failed.isEmpty { return "it succeeded although a condition failed" }
        if !answer.succeeded, conditions.isEmpty { return "it failed without a condition" }
        if isOutermost, !answer.succeeded, otherwise == nil {
            return "it did something although a condition failed"
        }
        let steps = branch(answer.succeeded)
        if steps.count != answer.results.count {
            return "it has \(answer.results.count) results for \(steps.count) steps"
        }
        for (step, result) in zip(steps, answer.results) {
            switch (step, result) {
            case (.put, .written), (.increment, .incremented), (.get, .absent), (.get, .found): continue
            case (.delete, .deleted(let count, _)):
                if !(0...1).contains(count) { return "it says that \(count) keys were deleted" }
            case (.deleteRange, .deleted(let count, _)): if count < 0 { return "the count is below zero" }
            case (.list(let selection, let limit), .items(let items)):
                if items.count > limit { return "it lists more than \(limit) keys" }
                if let reason = HistoryOperation.malformation(of: items, in: selection) { return reason }
            case (.transaction(let nested), .transaction(let answer, _)):
                if let reason = nested.malformation(of: answer, isOutermost: false) { return reason }
            default: return "a result is of another kind than its step"
            }
        }
        return nil
    }
}

extension HistoryOperation.TransactionAnswer {
    /// Whether a step changed anything.
    var hasChanged: Bool { allResults.contains { $0.hasChanged } }

    /// The revisions that its writes tell as their own.
    var writtenRevisions: [Revision] { allResults.compactMap(\.writtenRevision) }
}
