import Primitives

/// A history taken apart by keys, with values as codes.
struct Compiled {
    let history: History
    /// All keys that anybody named, ascending.
    let keys: [[UInt8]]
    let values: ValueTable
    /// By key.
    let traits: [KeyTraits]
    /// By operation, ascending by key: what it asked of each key and was told. Empty for what says nothing:
    /// reads without an answer, and what was labelled as not applied. Of a transaction of unknown outcome it
    /// is all that it may do, of which several may be to one key.
    let parts: [[KeyPart]]
    /// Transactions as a whole, by operation; none if only some keys are looked at.
    let transactions: [Int: ExactTransaction]

    /// Takes a history apart; with `only` nothing but these keys is looked at.
    init(_ history: History, only: Set<[UInt8]>? = nil) {
        var compiler = Compiler(history, only: only)
        compiler.survey()
        self.history = history
        parts = history.operations.map { compiler.parts(of: $0) }
        var transactions: [Int: ExactTransaction] = [:]
        if only == nil {
            for (index, operation) in history.operations.enumerated()
            where !parts[index].isEmpty || operation.isAnswered {
                transactions[index] = compiler.exact(operation)
            }
        }
        self.transactions = transactions
        keys = compiler.keys
        values = compiler.values
        traits = compiler.traits
    }

    /// Keys that operations bind together, as groups in the order of their first key. Every key is in one.
    func groups(boundBy isBinding: (Int) -> Bool) -> [[Int]] {
        var leaders = Array(keys.indices)
        func leader(_ key: Int) -> Int {
            var key = key
            while leaders[key] != key { key = leaders[key] }
            return key
        }
        for operation in parts.indices where parts[operation].count > 1 && isBinding(operation) {
            for part in parts[operation].dropFirst() {
                let (one, other) = (leader(parts[operation][0].key), leader(part.key))
                leaders[max(one, other)] = min(one, other)
            }
        }
        var groups: [[Int]] = []
        var places: [Int: Int] = [:]
        for key in keys.indices {
            let leader = leader(key)
            if let place = places[leader] {
                groups[place].append(key)
            } else {
                places[leader] = groups.count
                groups.append([key])
            }
        }
        return groups
    }
}

/// Collects what must be known of all operations before any can be taken apart.
struct Compiler {
    let history: History
    let keys: [[UInt8]]
    var values = ValueTable()
    var traits: [KeyTraits]
    let places: [[UInt8]: Int]
    /// Whether all keys are looked at.
    private let isWhole: Bool
    /// By key: the values that somebody saw or compared with.
    private var seen: [Set<Value>]
    private var isCounter: [Bool]
    /// By key: whether values are compared by their order.
    private var isOrdered: [Bool]

    init(_ history: History, only: Set<[UInt8]>?) {
        self.history = history
        var names: Set<[UInt8]> = []
        for operation in history.operations { names.formUnion(operation.namedKeys) }
        if let only { names.formIntersection(only) }
        isWhole = only == nil
        keys = names.sorted { $0.lexicographicallyPrecedes($1) }
        places = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
        traits = [KeyTraits](repeating: KeyTraits(), count: keys.count)
        seen = [Set<Value>](repeating: [], count: keys.count)
        isCounter = [Bool](repeating: false, count: keys.count)
        isOrdered = isCounter
    }

    // MARK: Survey

    mutating func survey() {
        for operation in history.operations {
            survey(operation.action)
            guard case .ok(let answer, _) = operation.outcome else { continue }
            switch (operation.action, answer) {
            case (.get(let key, _), .found(let sighting)): survey(sighting, of: key)
            case (.list, .items(let items)): for item in items { survey(item.sighting, of: item.key) }
            case (.put(let key, _, _), .written(_, let created, let version)):
                survey(HistoryOperation.Sighting(createRevision: created, version: version), of: key)
            case (.increment(let key, _), .incremented(_, _, let version)):
                survey(HistoryOperation.Sighting(version: version), of: key)
            case (_, .refused(.condition(.revision))):
                for key in operation.namedKeys {
                    if let place = places[key] { traits[place].tracksRevisions = true }
                }
            case (.transaction(let transaction, _), .refused(.conditions(let failed))):
                survey(failed, transaction.conditions)
            case (.transaction(let transaction, _), .transaction(let answer, _)):
                survey(answer, transaction)
            default: break
            }
        }
    }

    private mutating func survey(_ action: HistoryOperation.Action) {
        switch action {
        case .put(let key, _, let condition?), .delete(let key, let condition?, _):
            guard let place = places[key] else { return }
            switch condition {
            case .value(let value): seen[place].insert(values.value(value))
            case .revision: traits[place].tracksRevisions = true
            case .absent, .exists: break
            }
        case .increment(let key, _): if let place = places[key] { isCounter[place] = true }
        case .transaction(let transaction, _):
            for condition in transaction.allConditions { survey(condition) }
            for case .increment(let key, _) in transaction.allSteps {
                if let place = places[key] { isCounter[place] = true }
            }
        default: break
        }
    }

    private mutating func survey(_ condition: HistoryOperation.Transaction.Condition) {
        switch condition {
        case .value(let key, let relation, let value):
            guard let place = places[key] else { return }
            seen[place].insert(values.value(value))
            if !relation.isEquality { isOrdered[place] = true }
        case .number(let key, let property, _, _):
            guard let place = places[key] else { return }
            switch property {
            case .revision: traits[place].tracksRevisions = true
            case .createRevision: traits[place].tracksCreation = true
            case .version: traits[place].tracksVersions = true
            }
        case .count: break
        }
    }

    private mutating func survey(
        _ answer: HistoryOperation.TransactionAnswer, _ transaction: HistoryOperation.Transaction
    ) {
        survey(answer.failed, transaction.conditions)
        for (step, result) in zip(transaction.branch(answer.succeeded), answer.results) {
            switch (step, result) {
            case (.get(let key), .found(let sighting)): survey(sighting, of: key)
            case (.list, .items(let items)): for item in items { survey(item.sighting, of: item.key) }
            case (.put(let key, _), .written(_, let created, let version)):
                survey(HistoryOperation.Sighting(createRevision: created, version: version), of: key)
            case (.increment(let key, _), .incremented(_, _, let version)):
                survey(HistoryOperation.Sighting(version: version), of: key)
            case (.transaction(let nested), .transaction(let answer, _)): survey(answer, nested)
            default: break
            }
        }
    }

    private mutating func survey(
        _ failed: [HistoryOperation.FailedCondition],
        _ conditions: [HistoryOperation.Transaction.Condition]
    ) {
        for failure in failed where failure.revision != nil && conditions.indices.contains(failure.index) {
            switch conditions[failure.index] {
            case .value(let key, _, _), .number(let key, _, _, _):
                if let place = places[key] { traits[place].tracksRevisions = true }
            case .count: break
            }
        }
    }

    private mutating func survey(_ sighting: HistoryOperation.Sighting, of key: [UInt8]) {
        guard let place = places[key] else { return }
        if let value = sighting.value { seen[place].insert(values.value(value)) }
        if sighting.revision != nil { traits[place].tracksRevisions = true }
        if sighting.createRevision != nil { traits[place].tracksCreation = true }
        if sighting.version != nil { traits[place].tracksVersions = true }
    }

    // MARK: Parts

    mutating func parts(of operation: HistoryOperation) -> [KeyPart] {
        switch operation.outcome {
        case .failed: return []
        case .unknown: return operation.action.isRead ? [] : openParts(of: operation.action)
        case .ok(let answer, _): return parts(of: operation.action, answer)
        }
    }

    private mutating func openParts(of action: HistoryOperation.Action) -> [KeyPart] {
        switch action {
        case .get, .list: return []
        case .put(let key, let value, let condition):
            return one(key) { .put($1.written(value, at: $0), $1.condition(condition)) }
        case .delete(let key, let condition, let mustExist):
            return one(key) { .delete($1.condition(condition), mustExist: mustExist) }
        case .increment(let key, let by): return one(key) { _, _ in .increment(by) }
        case .deleteRange(let selection):
            return select(selection).map {
                KeyPart(key: $0, action: .delete(nil, mustExist: false), result: .unknown)
            }
        case .batch(let puts, let createOnly):
            return batch(puts, createOnly: createOnly, results: nil)
        case .transaction(let transaction, _): return openParts(of: transaction)
        }
    }

    private mutating func parts(
        of action: HistoryOperation.Action, _ answer: HistoryOperation.Answer
    ) -> [KeyPart] {
        switch (action, answer) {
        case (.get(let key, _), .found(let sighting)):
            return places[key].map {
                [KeyPart(key: $0, action: .observe, result: .present(seen(sighting)))]
            } ?? []
        case (.get(let key, _), _):
            return places[key].map { [KeyPart(key: $0, action: .observe, result: .absent)] } ?? []
        case (.list(let selection, _), .items(let items)): return list(selection, items)
        case (.deleteRange(let selection), .deleted(let count, _)): return deleteRange(selection, count)
        case (.batch(let puts, let createOnly), .batch(let results)):
            return batch(puts, createOnly: createOnly, results: results)
        case (.transaction(let transaction, let isDry), let answer):
            return parts(of: transaction, isDry: isDry, answer)
        default:
            var parts = openParts(of: action)
            for place in parts.indices { parts[place].result = result(answer) }
            return parts
        }
    }

    func result(_ answer: HistoryOperation.Answer) -> KeyPart.Result {
        switch answer {
        case .written(let revision, let created, let version):
            return .done(
                Seen(revision: revision?.rawValue, created: created?.rawValue, version: version),
                existed: version.map { $0 > 1 })
        case .incremented(let value, let revision, let version):
            return .done(
                Seen(value: .number(value), revision: revision?.rawValue, version: version),
                existed: version.map { $0 > 1 })
        case .deleted(let count, _): return count == 0 ? .absent : .done(Seen(), existed: true)
        case .refused(let refusal): return .refused(KeyRefusal(refusal))
        case .absent, .found, .items, .batch, .transaction: return .unknown
        }
    }

    private mutating func list(_ selection: KeySelection, _ items: [HistoryOperation.Item]) -> [KeyPart] {
        var found: [Int: Seen] = [:]
        for item in items { if let place = places[item.key] { found[place] = seen(item.sighting) } }
        return select(selection).map { key in
            KeyPart(key: key, action: .observe, result: found[key].map { .present($0) } ?? .absent)
        }
    }

    func deleteRange(_ selection: KeySelection, _ count: Int) -> [KeyPart] {
        let keys = select(selection)
        // The count says something of each key only if there is no key but these.
        let didExist = isWhole && count == keys.count ? true : nil
        let result: KeyPart.Result = count == 0 ? .absent : .done(Seen(), existed: didExist)
        return keys.map { KeyPart(key: $0, action: .delete(nil, mustExist: false), result: result) }
    }

    /// Of puts of one key the last counts, or the first if the batch is to create only.
    private mutating func batch(
        _ puts: [HistoryOperation.Put], createOnly: Bool, results: [HistoryOperation.BatchResult]?
    ) -> [KeyPart] {
        var parts: [Int: KeyPart] = [:]
        for (index, put) in puts.enumerated() {
            guard let key = places[put.key], !createOnly || parts[key] == nil else { continue }
            let result: KeyPart.Result =
                switch results?[index] {
                case nil: .unknown
                case .exists?: .present(Seen())
                case .written(let revision)?:
                    .done(Seen(revision: revision?.rawValue), existed: createOnly ? false : nil)
                }
            let value = written(put.value, at: key)
            parts[key] = KeyPart(key: key, action: .put(value, createOnly ? .absent : nil), result: result)
        }
        return parts.keys.sorted().compactMap { parts[$0] }
    }

    mutating func one(
        _ key: [UInt8], _ action: (Int, inout Compiler) -> KeyPart.Action
    ) -> [KeyPart] {
        guard let place = places[key] else { return [] }
        return [KeyPart(key: place, action: action(place, &self), result: .unknown)]
    }

    func select(_ selection: KeySelection) -> [Int] {
        keys.indices.filter { selection.contains(keys[$0]) }
    }

    // MARK: Values

    /// A value that was written; all that nobody saw are the same.
    mutating func written(_ bytes: [UInt8], at key: Int) -> Value {
        let value = values.value(bytes)
        if seen[key].contains(value) || isOrdered[key] || (isCounter[key] && values.number(value) != nil) {
            return value
        }
        return .unseen
    }

    mutating func seen(_ sighting: HistoryOperation.Sighting) -> Seen {
        Seen(
            value: sighting.value.map { values.value($0) }, revision: sighting.revision?.rawValue,
            created: sighting.createRevision?.rawValue, version: sighting.version)
    }

    private mutating func condition(_ condition: HistoryOperation.Condition?) -> KeyCondition? {
        switch condition {
        case nil: nil
        case .revision(let revision): .revision(revision.rawValue)
        case .absent: .absent
        case .exists: .exists
        case .value(let value): .value(values.value(value))
        }
    }
}

extension KeyRefusal {
    fileprivate init(_ refusal: HistoryOperation.Refusal) {
        switch refusal {
        case .condition(.untold): self = .condition(current: nil, isTold: false)
        case .condition(.absent): self = .condition(current: nil, isTold: true)
        case .condition(.revision(let revision)):
            self = .condition(current: revision.rawValue, isTold: true)
        case .notFound: self = .notFound
        case .notAnInteger, .step(_, .notAnInteger): self = .notAnInteger
        case .overflow, .step(_, .overflow): self = .overflow
        // Only transactions are told so, which are not taken apart by this.
        case .conditions: self = .condition(current: nil, isTold: false)
        }
    }
}

extension HistoryOperation {
    /// The keys that the question names, and those that the answer does.
    var namedKeys: [[UInt8]] {
        switch action {
        case .get(let key, _), .put(let key, _, _), .delete(let key, _, _), .increment(let key, _):
            return [key]
        case .batch(let puts, _): return puts.map(\.key)
        case .list:
            if case .ok(.items(let items), _) = outcome { return items.map(\.key) }
            return []
        case .deleteRange: return []
        case .transaction(let transaction, _):
            guard case .ok(.transaction(let answer, _), _) = outcome else { return transaction.namedKeys }
            let listed = answer.allResults.flatMap { result -> [[UInt8]] in
                if case .items(let items) = result { items.map(\.key) } else { [] }
            }
            return transaction.namedKeys + listed
        }
    }
}
