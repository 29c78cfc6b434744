// Transactions taken apart: whole for the replay of all keys together, which decides, and key by key for the
// searches that come before it. Key by key less is seen, but nothing that is not there: what another key
// decides may have been so or not.

extension Compiler {
    /// A transaction as a whole, with what was told of it.
    mutating func exact(_ operation: HistoryOperation) -> ExactTransaction? {
        guard case .transaction(let transaction, let isDry) = operation.action else { return nil }
        guard case .ok(let answer, _) = operation.outcome else {
            return ExactTransaction(root: branching(transaction, nil), expected: .unknown, isDry: isDry)
        }
        let expected: ExactTransaction.Expected
        switch answer {
        case .transaction(let told, _):
            return ExactTransaction(root: branching(transaction, told), expected: .done, isDry: isDry)
        case .refused(.conditions(let failed)): expected = .conditions(failed)
        case .refused(.step(let place, let reason)): expected = .step(at: place, reason)
        default: expected = .conditions([])
        }
        return ExactTransaction(root: branching(transaction, nil), expected: expected, isDry: isDry)
    }

    private mutating func branching(
        _ transaction: HistoryOperation.Transaction, _ told: HistoryOperation.TransactionAnswer?
    ) -> ExactTransaction.Branching {
        let results = told?.results
        let then = steps(transaction.then, told?.succeeded == true ? results : nil)
        let otherwise = transaction.otherwise.map { steps($0, told?.succeeded == false ? results : nil) }
        return ExactTransaction.Branching(
            conditions: transaction.conditions.map { condition($0) }, then: then, otherwise: otherwise,
            told: told.map { ($0.succeeded, $0.failed) })
    }

    private mutating func condition(
        _ condition: HistoryOperation.Transaction.Condition
    ) -> ExactTransaction.Condition {
        switch condition {
        case .value(let key, let relation, let value):
            .value(place(of: key), relation, values.value(value))
        case .number(let key, let property, let relation, let number):
            .number(place(of: key), property, relation, number)
        case .count(let selection, let relation, let number): .count(select(selection), relation, number)
        }
    }

    private mutating func steps(
        _ steps: [HistoryOperation.Transaction.Step], _ told: [HistoryOperation.Answer]?
    ) -> [ExactTransaction.Step] {
        steps.enumerated().map { index, step in
            self.step(step, told.flatMap { $0.indices.contains(index) ? $0[index] : nil })
        }
    }

    private mutating func step(
        _ step: HistoryOperation.Transaction.Step, _ told: HistoryOperation.Answer?
    ) -> ExactTransaction.Step {
        switch step {
        case .deleteRange(let selection):
            if case .deleted(let count, _)? = told { return .clear(select(selection), told: count) }
            return .clear(select(selection), told: nil)
        case .list(let selection, let limit):
            guard case .items(let items)? = told else {
                return .list(select(selection), limit: limit, told: nil)
            }
            let seen = items.map { (key: place(of: $0.key), seen: self.seen($0.sighting)) }
            return .list(select(selection), limit: limit, told: seen)
        case .transaction(let nested):
            if case .transaction(let answer, _)? = told { return .branching(branching(nested, answer)) }
            return .branching(branching(nested, nil))
        case .put(let key, let value):
            let place = place(of: key)
            let action = KeyPart.Action.put(written(value, at: place), nil)
            return .part(KeyPart(key: place, action: action, result: result(told)))
        case .delete(let key):
            let action = KeyPart.Action.delete(nil, mustExist: false)
            return .part(KeyPart(key: place(of: key), action: action, result: result(told)))
        case .increment(let key, let by):
            return .part(KeyPart(key: place(of: key), action: .increment(by), result: result(told)))
        case .get(let key):
            return .part(KeyPart(key: place(of: key), action: .observe, result: result(told)))
        }
    }

    private mutating func result(_ told: HistoryOperation.Answer?) -> KeyPart.Result {
        switch told {
        case nil: .unknown
        case .found(let sighting)?: .present(seen(sighting))
        case .absent?: .absent
        case .some(let answer): result(answer)
        }
    }

    private func place(of key: [UInt8]) -> Int {
        guard let place = places[key] else { preconditionFailure("a key that nobody names") }
        return place
    }

    // MARK: Key by key

    /// What a transaction of unknown outcome may do: each write by itself.
    mutating func openParts(of transaction: HistoryOperation.Transaction) -> [KeyPart] {
        var parts: [KeyPart] = []
        for step in transaction.allSteps {
            switch step {
            case .put(let key, let value):
                parts += one(key) { .put($1.written(value, at: $0), nil) }
            case .delete(let key): parts += one(key) { _, _ in .delete(nil, mustExist: false) }
            case .increment(let key, let by): parts += one(key) { _, _ in .increment(by) }
            case .deleteRange(let selection):
                parts += select(selection).map {
                    KeyPart(key: $0, action: .delete(nil, mustExist: false), result: .unknown)
                }
            case .get, .list, .transaction: break
            }
        }
        return parts.sorted { $0.key < $1.key }
    }

    /// What a transaction that was answered tells of each key.
    mutating func parts(
        of transaction: HistoryOperation.Transaction, isDry: Bool, _ answer: HistoryOperation.Answer
    ) -> [KeyPart] {
        var telling = Telling()
        switch answer {
        case .transaction(let answer, _): collect(transaction, answer, &telling)
        case .refused(.conditions(let failed)): collect(transaction.conditions, failed, &telling)
        default: break
        }
        if isDry { telling.writes = [:] }
        var parts: [KeyPart] = []
        for key in Set(telling.facts.keys).union(telling.writes.keys).sorted() {
            let fact = telling.facts[key] ?? Fact()
            if var write = telling.writes[key] {
                write.action = write.action.under(fact)
                parts.append(write)
            } else if fact.isAbsent != fact.exists {
                let result: KeyPart.Result = fact.isAbsent ? .absent : .present(fact.seen)
                parts.append(KeyPart(key: key, action: .observe, result: result))
            }
        }
        return parts
    }

    private mutating func collect(
        _ transaction: HistoryOperation.Transaction, _ answer: HistoryOperation.TransactionAnswer,
        _ telling: inout Telling
    ) {
        if answer.succeeded {
            for condition in transaction.conditions { collect(condition, &telling) }
        } else {
            collect(transaction.conditions, answer.failed, &telling)
        }
        for (step, result) in zip(transaction.branch(answer.succeeded), answer.results) {
            if case .transaction(let nested) = step, case .transaction(let answer, _) = result {
                collect(nested, answer, &telling)
            } else {
                collect(step, result, &telling)
            }
        }
    }

    /// What it says of a key that a condition held.
    private mutating func collect(
        _ condition: HistoryOperation.Transaction.Condition, _ telling: inout Telling
    ) {
        switch condition {
        case .value(let key, let relation, let value):
            guard let place = places[key] else { return }
            telling.note(place, Seen(value: relation == .equal ? values.value(value) : nil))
        case .number(let key, let property, let relation, let number):
            guard let place = places[key] else { return }
            if relation == .equal, number == 0 { return telling.noteAbsent(place) }
            if relation.holds(0, number) { return }
            telling.note(place, relation == .equal ? Seen(property, number) : Seen())
        case .count: break
        }
    }

    /// What it says of keys that conditions failed.
    private func collect(
        _ conditions: [HistoryOperation.Transaction.Condition],
        _ failed: [HistoryOperation.FailedCondition], _ telling: inout Telling
    ) {
        for failure in failed where conditions.indices.contains(failure.index) {
            guard let revision = failure.revision else { continue }
            switch conditions[failure.index] {
            case .value(let key, _, _):
                if let place = places[key] { telling.note(place, revision: revision) }
            case .number(let key, let property, _, _):
                guard let place = places[key] else { continue }
                telling.note(place, revision: revision)
                if revision > 0, let found = failure.found { telling.note(place, Seen(property, found)) }
            case .count: break
            }
        }
    }

    private mutating func collect(
        _ step: HistoryOperation.Transaction.Step, _ result: HistoryOperation.Answer,
        _ telling: inout Telling
    ) {
        switch (step, result) {
        case (.get(let key), .found(let sighting)):
            if let place = places[key] { telling.note(place, seen(sighting)) }
        case (.get(let key), .absent): if let place = places[key] { telling.noteAbsent(place) }
        case (.list(let selection, let limit), .items(let items)):
            let last = items.count < limit ? nil : items.last?.key
            for place in select(selection) {
                if let item = items.first(where: { $0.key == keys[place] }) {
                    telling.note(place, seen(item.sighting))
                } else if last.map({ keys[place].lexicographicallyPrecedes($0) }) ?? true {
                    telling.noteAbsent(place)
                }
            }
        case (.deleteRange(let selection), .deleted(let count, _)):
            for part in deleteRange(selection, count) { telling.writes[part.key] = part }
        case (.put(let key, _), _), (.delete(let key), _), (.increment(let key, _), _):
            guard places[key] != nil, case .part(let part) = self.step(step, result) else { return }
            telling.writes[part.key] = part
        default: break
        }
    }
}

/// What is known of a key before a transaction.
private struct Fact {
    var isAbsent = false
    var exists = false
    var seen = Seen()
}

/// What a transaction tells, key by key.
private struct Telling {
    var facts: [Int: Fact] = [:]
    var writes: [Int: KeyPart] = [:]

    /// Keys that were written already tell nothing of the state before.
    mutating func noteAbsent(_ key: Int) {
        if writes[key] == nil { facts[key, default: Fact()].isAbsent = true }
    }

    mutating func note(_ key: Int, revision: UInt64) {
        if revision == 0 { noteAbsent(key) } else { note(key, Seen(revision: revision)) }
    }

    mutating func note(_ key: Int, _ seen: Seen) {
        guard writes[key] == nil else { return }
        var fact = facts[key] ?? Fact()
        fact.exists = true
        fact.seen.value = fact.seen.value ?? seen.value
        fact.seen.revision = fact.seen.revision ?? seen.revision
        fact.seen.created = fact.seen.created ?? seen.created
        fact.seen.version = fact.seen.version ?? seen.version
        facts[key] = fact
    }
}

extension Seen {
    fileprivate init(_ property: HistoryOperation.Transaction.Property, _ number: UInt64) {
        switch property {
        case .revision: self.init(revision: number)
        case .createRevision: self.init(created: number)
        case .version: self.init(version: number)
        }
    }
}

extension KeyPart.Action {
    /// A write with what is known of its key before as its condition.
    fileprivate func under(_ fact: Fact) -> KeyPart.Action {
        var condition: KeyCondition?
        if fact.isAbsent != fact.exists {
            if fact.isAbsent {
                condition = .absent
            } else if let revision = fact.seen.revision {
                condition = .revision(revision)
            } else {
                condition = fact.seen.value.map { .value($0) } ?? .exists
            }
        }
        return switch self {
        case .put(let value, _): .put(value, condition)
        case .delete(_, let mustExist): .delete(condition, mustExist: mustExist)
        case .increment, .observe: self
        }
    }
}
