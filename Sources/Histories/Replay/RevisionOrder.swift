import Primitives

/// What revisions and times say of the order, without looking at any value.
struct RevisionOrder {
    /// A write that told its revision.
    struct Write {
        var revision: UInt64
        /// Its place in the history.
        var operation: Int
    }

    private let history: History
    /// Ascending by revision.
    let writes: [Write]
    /// By operation: the highest revision that anybody had told before it was invoked.
    let floors: [UInt64]
    /// By operation: who told that.
    private let floorTellers: [Int?]
    /// By operation: the lowest revision of a write that was invoked after it had returned.
    private let ceilings: [UInt64]

    init(_ history: History) {
        self.history = history
        let operations = history.operations
        var writes: [Write] = []
        for (index, operation) in operations.enumerated() {
            if let revision = operation.writtenRevision {
                writes.append(Write(revision: revision.rawValue, operation: index))
            }
        }
        writes.sort { ($0.revision, $0.operation) < ($1.revision, $1.operation) }
        self.writes = writes

        // Operations are in the order of their invocation; those that overlap at one point of time do not
        // precede each other.
        let returned = operations.indices.filter { operations[$0].isAnswered }.sorted { a, b in
            (operations[a].returned ?? .max, a) < (operations[b].returned ?? .max, b)
        }
        var floors: [UInt64] = []
        var tellers: [Int?] = []
        var highest: UInt64 = history.startRevision.rawValue
        var teller: Int?
        var place = 0
        for operation in operations {
            while place < returned.count, (operations[returned[place]].returned ?? .max) < operation.invoked {
                let told = operations[returned[place]].toldRevisions.map(\.rawValue).max() ?? 0
                if told > highest {
                    highest = told
                    teller = returned[place]
                }
                place += 1
            }
            floors.append(highest)
            tellers.append(teller)
        }
        self.floors = floors
        floorTellers = tellers

        var ceilings = [UInt64](repeating: .max, count: operations.count)
        var lowest = UInt64.max
        var next = operations.count
        for index in returned.reversed() {
            while next > 0, operations[next - 1].invoked > (operations[index].returned ?? .max) {
                next -= 1
                if let revision = operations[next].writtenRevision { lowest = min(lowest, revision.rawValue) }
            }
            ceilings[index] = lowest
        }
        self.ceilings = ceilings
    }

    /// Where an operation stands in the order of revisions. In intervals a write at revision r is at 2r, and
    /// what sees r at 2r + 1.
    func place(of index: Int) -> (ModelOperation.Place, Interval) {
        let operation = history.operations[index]
        if let revision = operation.writtenRevision?.rawValue {
            let time = Int64(2 * revision)
            return (.write(revision), Interval(start: time, end: time))
        }
        guard case .ok(_, let seen) = operation.outcome else {
            return (.untold, Interval(start: Int64(2 * floors[index] + 1), end: .max))
        }
        if case .at(let revision) = operation.action.freshness { return at(revision.rawValue) }
        if let seen { return at(seen.rawValue) }
        let start = operation.action.freshness == .stale ? 0 : Int64(2 * floors[index] + 1)
        let ceiling = ceilings[index]
        let end = ceiling == .max ? Int64.max : Int64(2 * ceiling - 1)
        return (.untold, Interval(start: start, end: max(start, end)))
    }

    private func at(_ revision: UInt64) -> (ModelOperation.Place, Interval) {
        let time = Int64(2 * revision + 1)
        return (.read(revision), Interval(start: time, end: time))
    }

    // MARK: Findings

    /// A revision that two writes claim, or that contradicts the order in time.
    func finding() -> Finding? {
        for (write, next) in zip(writes, writes.dropFirst()) where write.revision == next.revision {
            let ids = [write, next].map { history.operations[$0.operation].id }.sorted()
            return Finding(
                kind: .duplicateRevision, culprit: ids[1], proof: ids,
                reason: "operations \(ids[0]) and \(ids[1]) were both told that they made revision "
                    + "\(write.revision)")
        }
        for (index, operation) in history.operations.enumerated() {
            if let finding = late(operation, index) { return finding }
        }
        return nil
    }

    private func late(_ operation: HistoryOperation, _ index: Int) -> Finding? {
        let floor = floors[index]
        var proof = [operation.id]
        if let teller = floorTellers[index] { proof.insert(history.operations[teller].id, at: 0) }
        let before =
            floorTellers[index].map { "after operation \(history.operations[$0].id) had returned" }
            ?? "in a store"
        if let revision = operation.writtenRevision?.rawValue {
            guard revision <= floor else { return nil }
            return Finding(
                kind: .order, culprit: operation.id, proof: proof,
                reason: "operation \(operation.id) was invoked \(before) that had reached revision \(floor), "
                    + "and yet it made revision \(revision)")
        }
        guard case .ok(_, let seen?) = operation.outcome else { return nil }
        if operation.action.freshness == .linearizable, seen.rawValue < floor {
            return Finding(
                kind: .order, culprit: operation.id, proof: proof,
                reason: "operation \(operation.id) was invoked \(before) that had reached revision \(floor), "
                    + "and yet it saw only revision \(seen)")
        }
        if let told = operation.toldRevisions.max(), told > seen {
            return Finding(
                kind: .malformedAnswer, culprit: operation.id, proof: [operation.id],
                reason: "operation \(operation.id) tells of revision \(told) although it says that it saw "
                    + "only revision \(seen)")
        }
        return nil
    }

    /// A revision that is told of two keys and that no operation can have given to both.
    func sharedRevision() -> Finding? {
        let owned = Set(writes.map(\.revision))
        var seen: [UInt64: (key: [UInt8], operation: Int)] = [:]
        for operation in history.operations {
            for (key, revision) in operation.sightedRevisions where !owned.contains(revision) {
                guard let other = seen[revision] else {
                    seen[revision] = (key, operation.id)
                    continue
                }
                if other.key == key { continue }
                let pair: Set<[UInt8]> = [key, other.key]
                let isExplained = history.operations.contains { write in
                    write.isOpenWrite && Set(write.namedKeys).isSuperset(of: pair)
                }
                if isExplained { continue }
                return Finding(
                    kind: .duplicateRevision, culprit: operation.id,
                    proof: other.operation == operation.id
                        ? [operation.id] : [other.operation, operation.id],
                    reason: "revision \(revision) is told both of key \(readable(other.key)) and of key "
                        + "\(readable(key)), which no operation wrote together")
            }
        }
        return nil
    }
}

extension HistoryOperation {
    /// The revisions of keys that the answer tells without having made them.
    var sightedRevisions: [(key: [UInt8], revision: UInt64)] {
        guard case .ok(let answer, _) = outcome else { return [] }
        switch (action, answer) {
        case (.get(let key, _), .found(let sighting)):
            return sighting.revision.map { [(key, $0.rawValue)] } ?? []
        case (.list, .items(let items)):
            return items.compactMap { item in item.sighting.revision.map { (item.key, $0.rawValue) } }
        case (_, .refused(.condition(.revision(let revision)))):
            return namedKeys.map { ($0, revision.rawValue) }
        default: return []
        }
    }
}
