import Primitives
import Testing

@testable import Store

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Transaction.Step {
    fileprivate static func put(_ key: String, _ value: String) -> Self {
        .put(key: bytes(key), value: bytes(value), returnPrevious: false)
    }
    fileprivate static func delete(_ key: String) -> Self { .delete(key: bytes(key), returnPrevious: true) }
    fileprivate static func get(_ key: String) -> Self { .get(key: bytes(key)) }
}

@Suite struct TransactionTests {
    private static func store(_ items: KeyValuePairs<String, String>) -> Keyspace {
        var keyspace = Keyspace(limits: Limits(), leafCapacity: 2, innerCapacity: 4)
        for (key, value) in items { keyspace.put(key, value) }
        return keyspace
    }

    private static func done(_ outcome: Outcome) -> TransactionOutcome? {
        guard case .transaction(let outcome, _) = outcome else { return nil }
        return outcome
    }

    @Test func `writes share a revision, and their events are in the order of the keys`() throws {
        var keyspace = Self.store(["a": "10", "b": "0"])
        let outcome = keyspace.apply(
            .transaction(
                Transaction(
                    conditions: [.value(key: bytes("a"), .equal, bytes("10"))],
                    then: [
                        .put("z", "1"), .increment(key: bytes("b"), by: 5), .put("a", "5"), .delete("none"),
                    ])))
        guard case .transaction(let done, let revision) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(revision == Revision(4) && done.succeeded && done.results.count == 4)
        #expect(
            done.results == [
                .wrote(.put(PutOutcome(revision: revision, createRevision: revision, version: 1))),
                .wrote(.incremented(value: 5, revision: revision, version: 2)),
                .wrote(.put(PutOutcome(revision: revision, createRevision: Revision(2), version: 2))),
                .wrote(.deleted(count: 0, revision: revision, previous: nil)),
            ])
        #expect(keyspace.text() == "a=5 b=5 z=1")
        var keys: [String] = []
        _ = keyspace.changes(since: Revision(3)) {
            #expect($0.revision == revision)
            keys.append(string($0.key))
            return true
        }
        #expect(keys == ["a", "b", "z"])
        #expect(try keyspace.restored().digest == keyspace.digest)
    }

    @Test func `a transaction that changes nothing takes no revision`() {
        var keyspace = Self.store(["a": "1"])
        let outcome = keyspace.apply(
            .transaction(Transaction(then: [.get("a"), .delete("x"), .deleteRange(.prefix(bytes("y")))])))
        #expect(keyspace.revision == Revision(2))
        #expect(Self.done(outcome)?.results.count == 3)
        #expect(
            Self.done(outcome)?.results.last
                == .wrote(.deleted(count: 0, revision: Revision(2), previous: nil)))
    }

    @Test func `conditions that fail are named, and without another branch nothing is done`() {
        var keyspace = Self.store(["a": "1", "p/1": "", "p/2": ""])
        let conditions: [Transaction.Condition] = [
            .revision(key: bytes("a"), .equal, 2),
            .revision(key: bytes("a"), .greater, 2),
            .version(key: bytes("none"), .equal, 0),
            .version(key: bytes("none"), .notEqual, 0),
            .value(key: bytes("a"), .less, bytes("1")),
            .count(.prefix(bytes("p/")), .less, 2),
        ]
        let failed = [
            FailedCondition(index: 1, found: 2, revision: 2),
            FailedCondition(index: 3, found: 0, revision: 0),
            FailedCondition(index: 4, found: nil, revision: 2),
            FailedCondition(index: 5, found: 2, revision: nil),
        ]
        let before = keyspace.digest
        #expect(
            keyspace.apply(.transaction(Transaction(conditions: conditions, then: [.put("a", "2")])))
                == .refused(.transaction(.conditionsFailed(failed))))
        #expect(keyspace.revision == Revision(4) && keyspace.text(.only(bytes("a"))) == "a=1")
        #expect(keyspace.digest != before, "the entry counts as applied")
        let other = keyspace.apply(
            .transaction(
                Transaction(conditions: conditions, then: [.put("a", "2")], otherwise: [.put("a", "3")])))
        #expect(Self.done(other)?.succeeded == false && Self.done(other)?.failed == failed)
        #expect(keyspace.text(.only(bytes("a"))) == "a=3")
    }

    @Test(arguments: [
        (Transaction.Comparison.equal, "0 1 0"), (.notEqual, "1 0 1"), (.less, "1 0 0"), (.atMost, "1 1 0"),
        (.greater, "0 0 1"), (.atLeast, "0 1 1"),
    ])
    func `comparisons compare what is there with what is given`(
        comparison: Transaction.Comparison, holds: String
    ) {
        let keyspace = Self.store(["a": "m"])
        func text(_ conditions: [Transaction.Condition]) -> String {
            conditions.map { condition in
                if case .transaction = keyspace.evaluate(Transaction(conditions: [condition], then: [])) {
                    return "1"
                }
                return "0"
            }.joined(separator: " ")
        }
        let key = bytes("a")
        #expect(text(["n", "m", "l"].map { .value(key: key, comparison, bytes($0)) }) == holds)
        #expect(text([3, 2, 1].map { .revision(key: key, comparison, $0) }) == holds)
        #expect(text([3, 2, 1].map { .createRevision(key: key, comparison, $0) }) == holds)
        #expect(text([2, 1, 0].map { .version(key: key, comparison, $0) }) == holds)
        #expect(text([2, 1, 0].map { .count(.all, comparison, $0) }) == holds)
        #expect(text([.value(key: bytes("none"), comparison, [])]) == "0", "nothing has no value")
    }

    @Test func `two steps that write a key are refused, unless only one can be carried out`() {
        var keyspace = Self.store(["a": "1"])
        func overlap(_ then: [Transaction.Step], _ otherwise: [Transaction.Step]? = nil) -> String? {
            let outcome = keyspace.apply(
                .transaction(Transaction(conditions: [], then: then, otherwise: otherwise)))
            guard case .refused(.transaction(.overlap(let key))) = outcome else { return nil }
            return string(key)
        }
        func nested(_ then: [Transaction.Step], _ otherwise: [Transaction.Step]? = nil) -> Transaction.Step {
            .transaction(Transaction(then: then, otherwise: otherwise))
        }
        #expect(overlap([.put("a", "2"), .put("a", "3")]) == "a")
        #expect(overlap([.put("b", "2"), .increment(key: bytes("b"), by: 1)]) == "b")
        #expect(overlap([.deleteRange(.prefix(bytes("p/"))), .put("p/x", "")]) == "p/x")
        #expect(overlap([.deleteRange(.all), .delete("c")]) == "c")
        #expect(overlap([.put("d", "")], [.put("e", ""), .put("e", "")]) == "e")
        #expect(overlap([.put("f", ""), nested([.get("f")], [.put("f", "")])]) == "f")
        #expect(overlap([nested([.put("g", "")]), nested([], [.delete("g")])]) == "g")
        #expect(keyspace.revision == Revision(2))
        #expect(overlap([.put("a", "2"), .put("b", "3")], [.put("a", "4")]) == nil)
        #expect(overlap([nested([.put("h", "1")], [.put("h", "2")])]) == nil)
        #expect(overlap([.deleteRange(KeyRange(start: bytes("p"), end: bytes("p"))), .put("p", "")]) == nil)
    }

    @Test func `a step that can't be carried out stops all of them`() {
        var keyspace = Self.store(["text": "x", "most": "\(Int64.max)"])
        let inner = Transaction.Step.transaction(
            Transaction(then: [.get("a"), .increment(key: bytes("most"), by: 1)]))
        #expect(
            keyspace.apply(.transaction(Transaction(then: [.put("a", "1"), inner])))
                == .refused(.transaction(.step(at: [1, 1], .overflow))))
        #expect(
            keyspace.apply(
                .transaction(Transaction(then: [.put("a", "1"), .increment(key: bytes("text"), by: 1)])))
                == .refused(.transaction(.step(at: [1], .notAnInteger))))
        #expect(keyspace.text() == "most=\(Int64.max) text=x" && keyspace.revision == Revision(3))
    }

    @Test func `what is read is bounded`() {
        var keyspace = Keyspace()
        let value = [UInt8](repeating: 7, count: 3 << 20)
        for key in ["a", "b", "c"] {
            keyspace.apply(.put(key: bytes(key), value: value, guard: nil, returnPrevious: false))
        }
        let all: [Transaction.Step] = [.get("a"), .get("b"), .put("d", ""), .get("c")]
        #expect(keyspace.apply(.transaction(Transaction(then: all))) == .refused(.transaction(.tooMuchRead)))
        #expect(keyspace.count == 3)
        #expect(
            keyspace.evaluate(Transaction(then: [.list(.all, limit: 5)]))
                == .refused(.transaction(.tooMuchRead)))
        let two = keyspace.evaluate(Transaction(then: [.list(.all, limit: 2)]))
        guard case .items(let items, let more)? = Self.done(two)?.results.first else {
            Issue.record("\(two)")
            return
        }
        #expect(items.count == 2 && more)
    }

    @Test func `what the binary form can't express is known before`() {
        #expect(Transaction(then: Array(repeating: .get("a"), count: 128)).isEncodable)
        #expect(!Transaction(then: Array(repeating: .get("a"), count: 129)).isEncodable)
        #expect(!Transaction(then: [.list(.all, limit: 0)]).isEncodable)
        #expect(!Transaction(then: [.list(.all, limit: 1001)]).isEncodable)
        var nested = Transaction(then: [])
        for _ in 1..<8 { nested = Transaction(then: [.transaction(nested)]) }
        #expect(nested.isEncodable)
        #expect(!Transaction(then: [.transaction(nested)]).isEncodable)
    }

    // MARK: - Against a model

    /// Carries a transaction out in the plainest way: conditions first, then step by step.
    private struct Model {
        var items: [[UInt8]: (value: [UInt8], created: UInt64, written: UInt64, version: UInt64)] = [:]
        var revision: UInt64 = 1

        func holds(_ condition: Transaction.Condition) -> Bool {
            let item = condition.key.flatMap { items[$0] }
            switch condition {
            case .value(_, let comparison, let value):
                return item.map { comparison.holds($0.value, value) } ?? false
            case .revision(_, let comparison, let number): return comparison.holds(item?.written ?? 0, number)
            case .createRevision(_, let comparison, let number):
                return comparison.holds(item?.created ?? 0, number)
            case .version(_, let comparison, let number): return comparison.holds(item?.version ?? 0, number)
            case .count(let range, let comparison, let number):
                return comparison.holds(UInt64(items.keys.count { range.contains($0) }), number)
            case .lease, .leaseExists, .held: preconditionFailure("not drawn: \(condition)")
            }
        }

        func chosen(_ transaction: Transaction) -> [Transaction.Step] {
            let branch =
                transaction.conditions.allSatisfy(holds) ? transaction.then : transaction.otherwise ?? []
            return branch.flatMap { step in
                if case .transaction(let nested) = step { return chosen(nested) }
                return [step]
            }
        }

        /// What each chosen step that reads finds.
        mutating func carryOut(_ steps: [Transaction.Step]) -> [String] {
            let before = self
            var read: [String] = []
            var isChanged = false
            for step in steps {
                switch step {
                case .put(let key, let value, _): write(key, value, before.revision + 1, &isChanged)
                case .increment(let key, let by):
                    let number = items[key].flatMap { Int64(string($0.value)) } ?? 0
                    write(key, bytes("\(number + by)"), before.revision + 1, &isChanged)
                case .delete(let key, _): if items.removeValue(forKey: key) != nil { isChanged = true }
                case .deleteRange(let range):
                    for key in items.keys where range.contains(key) {
                        items[key] = nil
                        isChanged = true
                    }
                case .get(let key): read.append(items[key].map { string($0.value) } ?? "-")
                case .list(let range, let limit):
                    let keys = items.keys.filter { range.contains($0) }.sorted {
                        $0.lexicographicallyPrecedes($1)
                    }
                    read.append(keys.prefix(limit).map { string($0) }.joined(separator: ","))
                case .transaction, .enqueue, .acknowledge, .leasedPut: break
                }
            }
            revision = before.revision + (isChanged ? 1 : 0)
            return read
        }

        private mutating func write(
            _ key: [UInt8], _ value: [UInt8], _ revision: UInt64, _ isChanged: inout Bool
        ) {
            let old = items[key]
            items[key] = (value, old?.created ?? revision, revision, (old?.version ?? 0) + 1)
            isChanged = true
        }
    }

    private static func read(_ outcome: TransactionOutcome) -> [String] {
        outcome.results.flatMap { result -> [String] in
            switch result {
            case .wrote: return []
            case .item(let item): return [item.map { string($0.value) } ?? "-"]
            case .items(let items, _): return [items.map { string($0.key) }.joined(separator: ",")]
            case .transaction(let nested): return read(nested)
            }
        }
    }

    private static func transaction(_ random: inout TestRandom, depth: Int) -> Transaction {
        func key() -> [UInt8] { bytes(["a", "b", "c", "d", "e", "f"][random.below(6)]) }
        func comparison() -> Transaction.Comparison { Transaction.Comparison.allCases[random.below(6)] }
        func range() -> KeyRange { KeyRange(start: key(), end: key()) }
        func condition() -> Transaction.Condition {
            switch random.below(5) {
            case 0: .value(key: key(), comparison(), bytes("\(random.below(4))"))
            case 1: .revision(key: key(), comparison(), UInt64(random.below(8)))
            case 2: .createRevision(key: key(), comparison(), UInt64(random.below(8)))
            case 3: .version(key: key(), comparison(), UInt64(random.below(3)))
            default: .count(range(), comparison(), UInt64(random.below(4)))
            }
        }
        func step() -> Transaction.Step {
            switch random.below(depth > 0 ? 8 : 7) {
            case 0, 1:
                .put(key: key(), value: bytes("\(random.below(4))"), returnPrevious: random.below(2) == 0)
            case 2: .delete(key: key(), returnPrevious: false)
            case 3: .deleteRange(range())
            case 4: .increment(key: key(), by: Int64(random.below(3)))
            case 5: .get(key: key())
            case 6: .list(range(), limit: 1 + random.below(3))
            default: .transaction(transaction(&random, depth: depth - 1))
            }
        }
        func steps() -> [Transaction.Step] { (0..<random.below(4)).map { _ in step() } }
        return Transaction(
            conditions: (0..<random.below(3)).map { _ in condition() }, then: steps(),
            otherwise: random.below(3) == 0 ? nil : steps())
    }

    @Test(arguments: 1...4) func `transactions do what a plain model does`(seed: UInt64) throws {
        var random = TestRandom(seed: seed)
        var keyspace = Keyspace(limits: Limits(), leafCapacity: 3, innerCapacity: 4)
        var model = Model()
        var (done, refused, overlapping) = (0, 0, 0)
        for _ in 0..<1500 {
            let transaction = Self.transaction(&random, depth: 2)
            let expected = keyspace.evaluate(transaction)
            let outcome = keyspace.apply(.transaction(transaction))
            #expect(outcome == expected, "a dry run tells what will be")
            switch outcome {
            case .transaction(let result, let revision):
                #expect(result.succeeded == transaction.conditions.allSatisfy(model.holds))
                #expect(Self.read(result) == model.carryOut(model.chosen(transaction)), "\(transaction)")
                #expect(revision.rawValue == model.revision)
                done += 1
            case .refused(.transaction(.conditionsFailed(let failed))):
                #expect(transaction.otherwise == nil)
                #expect(
                    failed.map(\.index)
                        == transaction.conditions.indices.filter { !model.holds(transaction.conditions[$0]) })
                refused += 1
            case .refused(.transaction(.overlap)): overlapping += 1
            default: Issue.record("\(outcome)")
            }
            #expect(keyspace.revision.rawValue == model.revision && keyspace.count == model.items.count)
        }
        for (key, item) in model.items {
            let version = try keyspace.get(key).get()
            let found = try #require(version)
            #expect(found.value == item.value && found.version == item.version)
            #expect(
                found.createRevision.rawValue == item.created && found.modRevision.rawValue == item.written)
        }
        #expect(done > 500 && refused > 50 && overlapping > 50)
        #expect(try keyspace.restored().digest == keyspace.digest)
    }
}
