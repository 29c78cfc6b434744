// A transaction as the replay of all keys together carries it out.

/// A transaction on keys by their places, with what was told of it.
struct ExactTransaction {
    /// What it was told.
    enum Expected {
        /// Nothing: its outcome is unknown.
        case unknown
        /// It was carried out, as ``Branching`` tells.
        case done
        /// Its conditions did not hold.
        case conditions([HistoryOperation.FailedCondition])
        /// A step could not be done.
        case step(at: [Int], HistoryOperation.StepRefusal)
    }

    enum Condition: Equatable {
        case value(Int, HistoryOperation.Transaction.Relation, Value)
        case number(
            Int, HistoryOperation.Transaction.Property, HistoryOperation.Transaction.Relation, UInt64)
        case count([Int], HistoryOperation.Transaction.Relation, UInt64)
    }

    indirect enum Step {
        /// What it asks of one key.
        case part(KeyPart)
        /// Deletes keys; how many there were, if it was told.
        case clear([Int], told: Int?)
        /// Reads the first of some keys; which these were, if it was told.
        case list([Int], limit: Int, told: [(key: Int, seen: Seen)]?)
        case branching(Branching)
    }

    /// Conditions and what they choose.
    struct Branching {
        var conditions: [Condition]
        var then: [Step]
        var otherwise: [Step]?
        /// Whether the conditions held and which did not, if it was told.
        var told: (succeeded: Bool, failed: [HistoryOperation.FailedCondition])?
    }

    var root: Branching
    var expected: Expected
    /// Whether it changes nothing in any case.
    var isDry: Bool
}

/// Carries transactions out.
struct TransactionRun {
    let values: ValueTable
    let traits: [KeyTraits]
    /// The revision of what it writes.
    let revision: UInt64
    /// The keys that it wrote, with what they are now.
    private(set) var changes: [(key: Int, state: ExactKey?)] = []
    private var hasWritten = false

    init(values: ValueTable, traits: [KeyTraits], revision: UInt64) {
        self.values = values
        self.traits = traits
        self.revision = revision
    }

    /// The chosen steps and where each stands.
    private struct Choice {
        var steps: [(place: [Int], step: ExactTransaction.Step)] = []
    }

    /// Carries a transaction out on keys, and answers whether it wrote anything; nil if it can not have been
    /// told what it was told.
    mutating func carryOut(_ transaction: ExactTransaction, on keys: [ExactKey?]) -> Bool? {
        let failed = failures(transaction.root.conditions, keys)
        if !failed.isEmpty, transaction.root.otherwise == nil {
            switch transaction.expected {
            case .unknown: return false
            case .conditions(let told): return agree(told, failed) ? false : nil
            case .done, .step: return nil
            }
        }
        if case .conditions = transaction.expected { return nil }
        var choice = Choice()
        guard choose(transaction.root, failed, at: [], keys, &choice) else { return nil }
        for (place, step) in choice.steps {
            guard let refusal = refusal(of: step, keys) else { continue }
            switch transaction.expected {
            case .unknown: return false
            case .step(let told, let reason): return told == place && reason == refusal ? false : nil
            case .done, .conditions: return nil
            }
        }
        if case .step = transaction.expected { return nil }
        for (_, step) in choice.steps where !take(step, keys) { return nil }
        if transaction.isDry {
            changes = []
            return false
        }
        return hasWritten
    }

    // MARK: Conditions

    /// Collects the chosen steps; false if others were told to be chosen.
    private func choose(
        _ branching: ExactTransaction.Branching, _ failed: [HistoryOperation.FailedCondition],
        at place: [Int], _ keys: [ExactKey?], _ choice: inout Choice
    ) -> Bool {
        if let told = branching.told {
            guard told.succeeded == failed.isEmpty, agree(told.failed, failed) else { return false }
        }
        let branch = failed.isEmpty ? branching.then : branching.otherwise ?? []
        for (index, step) in branch.enumerated() {
            guard case .branching(let nested) = step else {
                choice.steps.append((place + [index], step))
                continue
            }
            // All conditions are about the state before the transaction.
            let failures = failures(nested.conditions, keys)
            guard choose(nested, failures, at: place + [index], keys, &choice) else { return false }
        }
        return true
    }

    private func agree(
        _ told: [HistoryOperation.FailedCondition], _ actual: [HistoryOperation.FailedCondition]
    ) -> Bool {
        if told.isEmpty { return true }
        return told.count == actual.count
            && zip(told, actual).allSatisfy { told, actual in
                told.index == actual.index && (told.found == nil || told.found == actual.found)
                    && (told.revision == nil || told.revision == actual.revision)
            }
    }

    private func failures(
        _ conditions: [ExactTransaction.Condition], _ keys: [ExactKey?]
    ) -> [HistoryOperation.FailedCondition] {
        conditions.indices.compactMap { failure(of: conditions[$0], at: $0, keys) }
    }

    private func failure(
        of condition: ExactTransaction.Condition, at index: Int, _ keys: [ExactKey?]
    ) -> HistoryOperation.FailedCondition? {
        switch condition {
        case .value(let key, let relation, let value):
            if let state = keys[key], holds(state.value, relation, value) { return nil }
            return HistoryOperation.FailedCondition(index: index, revision: keys[key]?.revision ?? 0)
        case .number(let key, let property, let relation, let number):
            let state = keys[key]
            let found =
                switch property {
                case .revision: state?.revision ?? 0
                case .createRevision: state?.created ?? 0
                case .version: state?.version ?? 0
                }
            if relation.holds(found, number) { return nil }
            return HistoryOperation.FailedCondition(
                index: index, found: found, revision: state?.revision ?? 0)
        case .count(let selected, let relation, let number):
            let found = UInt64(selected.count { keys[$0] != nil })
            if relation.holds(found, number) { return nil }
            return HistoryOperation.FailedCondition(index: index, found: found)
        }
    }

    private func holds(
        _ found: Value, _ relation: HistoryOperation.Transaction.Relation, _ given: Value
    ) -> Bool {
        if relation.isEquality { return relation.holds(found == given ? 0 : 1, 0) }
        return relation.holds(values.bytes(of: found), values.bytes(of: given))
    }

    // MARK: Steps

    private func refusal(
        of step: ExactTransaction.Step, _ keys: [ExactKey?]
    ) -> HistoryOperation.StepRefusal? {
        guard case .part(let part) = step, case .increment(let by) = part.action else { return nil }
        guard let number = values.number(keys[part.key]?.value) else { return .notAnInteger }
        return number.addingReportingOverflow(by).overflow ? .overflow : nil
    }

    /// A key as the steps so far have left it.
    private func state(of key: Int, _ keys: [ExactKey?]) -> ExactKey? {
        if let change = changes.last(where: { $0.key == key }) { return change.state }
        return keys[key]
    }

    /// Does a step; false if it can not have been told what it was told.
    private mutating func take(_ step: ExactTransaction.Step, _ keys: [ExactKey?]) -> Bool {
        switch step {
        case .part(let part): return take(part, keys)
        case .clear(let cleared, let told):
            let present = cleared.filter { state(of: $0, keys) != nil }
            if let told, told != present.count { return false }
            for key in present { changes.append((key, nil)) }
            hasWritten = hasWritten || !present.isEmpty
            return true
        case .list(let selected, let limit, let told):
            guard let told else { return true }
            let present = selected.filter { state(of: $0, keys) != nil }.prefix(limit)
            return told.map(\.key) == Array(present)
                && told.allSatisfy { state(of: $0.key, keys)?.matches($0.seen) == true }
        case .branching: return true
        }
    }

    private mutating func take(_ part: KeyPart, _ keys: [ExactKey?]) -> Bool {
        if case .observe = part.action, case .unknown = part.result { return true }
        let old = state(of: part.key, keys)
        var next = old
        let step = ExactStep(values: values, traits: traits[part.key], revision: revision)
        guard let isWrite = step.take(part, &next) else { return false }
        hasWritten = hasWritten || isWrite
        if next != old { changes.append((part.key, next)) }
        return true
    }
}
