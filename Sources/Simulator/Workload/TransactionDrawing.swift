import Primitives
import Store

/// What a client knows of a key.
struct KnownKey: Sendable {
    var key: [UInt8]
    /// The revision of its last write; nil if it did not exist.
    var revision: Revision?
    /// Its value, if the client has seen it.
    var value: [UInt8]?
}

/// Draws the transactions of a client.
///
/// Their conditions are made of what the client has seen last, so that they hold about as often as not; their
/// steps touch several keys, none of them twice in one branch, but for a few that the store must refuse.
struct TransactionDrawing {
    typealias Step = Transaction.Step

    let keys: KeyPlan
    let known: [KnownKey]
    let latest: Revision
    private(set) var random: SeededGenerator
    private(set) var values: ValueMaker
    /// Keys that no step writes yet.
    private var free: [[UInt8]] = []

    init(
        keys: KeyPlan, known: [KnownKey], latest: Revision, random: SeededGenerator, values: ValueMaker
    ) {
        self.keys = keys
        self.known = known
        self.latest = latest
        self.random = random
        self.values = values
    }

    mutating func draw() -> Transaction {
        free = (0..<keys.plain).map(SimulatedClient.plainKey)
        free += (0..<keys.counters).map(SimulatedClient.counterKey)
        var transaction = random.chance(100_000) ? readOnly() : transaction(depth: 0)
        if random.chance(20_000) {
            let key = anyKey()
            transaction.then += [.delete(key: key, returnPrevious: false), .increment(key: key, by: 1)]
        }
        return transaction
    }

    private mutating func readOnly() -> Transaction {
        var conditions: [Transaction.Condition] = []
        if random.coin() { conditions.append(condition()) }
        return Transaction(
            conditions: conditions, then: [.get(key: anyKey()), .get(key: anyKey()), list()],
            otherwise: [list()])
    }

    private mutating func transaction(depth: Int) -> Transaction {
        var conditions: [Transaction.Condition] = []
        for _ in 0..<(random.chance(150_000) ? 0 : random.number(in: 1...2)) {
            conditions.append(condition())
        }
        let all = free
        let then = steps(depth)
        guard random.chance(600_000) else { return Transaction(conditions: conditions, then: then) }
        // Only one of the two branches is carried out: both may write the same keys.
        let left = free
        free = all
        let otherwise = steps(depth)
        free.removeAll { !left.contains($0) }
        return Transaction(conditions: conditions, then: then, otherwise: otherwise)
    }

    private mutating func steps(_ depth: Int) -> [Step] {
        let count = random.number(in: 1...3)
        var steps: [Step] = []
        for _ in 0..<count { add(&steps, depth) }
        return steps
    }

    private mutating func add(_ steps: inout [Step], _ depth: Int) {
        switch random.below(20) {
        case 0...1: steps.append(.get(key: anyKey()))
        case 2: steps.append(list())
        case 3...4 where depth < 2:
            var nested = transaction(depth: depth + 1)
            // Often about a key that a step before it has written.
            if random.coin(), let key = steps.compactMap(\.writtenKey).last {
                nested.conditions.append(condition(about: key))
            }
            steps.append(.transaction(nested))
        case 5:
            let range = KeyRange.prefix(Array("k1".utf8))
            let covered = (0..<keys.plain).map(SimulatedClient.plainKey).filter { range.contains($0) }
            guard covered.allSatisfy({ free.contains($0) }) else { return }
            free.removeAll { range.contains($0) }
            steps.append(.deleteRange(range))
        default:
            guard !free.isEmpty else { return steps.append(.get(key: anyKey())) }
            let key = free.remove(at: random.below(free.count))
            steps.append(write(key))
            if random.chance(200_000) { steps.append(random.chance(700_000) ? .get(key: key) : list()) }
        }
    }

    private mutating func write(_ key: [UInt8]) -> Step {
        let isCounter = key[0] == UInt8(ascii: "n")
        let previous = random.chance(100_000)
        if random.chance(150_000) { return .delete(key: key, returnPrevious: previous) }
        // Of a plain key the value is no number, so that all is refused.
        if isCounter || random.chance(20_000) {
            return .increment(key: key, by: Int64(random.number(in: -3...10)))
        }
        return .put(key: key, value: values.next(&random), returnPrevious: previous)
    }

    private mutating func list() -> Step {
        let range = random.coin() ? KeyRange.all : KeyRange.prefix(Array("k".utf8))
        return .list(range, limit: random.number(in: 1...8))
    }

    // MARK: - Conditions

    private mutating func condition() -> Transaction.Condition {
        if random.chance(150_000) {
            let limit = UInt64(random.below(keys.plain + 2))
            let comparison: Transaction.Comparison = random.coin() ? .atLeast : .less
            return .count(KeyRange.prefix(Array("k".utf8)), comparison, limit)
        }
        return condition(about: anyKey())
    }

    private mutating func condition(about key: [UInt8]) -> Transaction.Condition {
        let known = known.first { $0.key == key }
        let comparison = Transaction.Comparison.allCases[random.below(6)]
        switch random.below(12) {
        case 0, 1:
            if let value = known?.value { return .value(key: key, .equal, value) }
            return .version(key: key, .equal, 0)
        case 2: return .value(key: key, random.coin() ? .notEqual : comparison, known?.value ?? [0x63])
        case 3: return .version(key: key, .equal, 0)
        case 4: return .version(key: key, comparison, UInt64(random.below(4)))
        case 5: return .createRevision(key: key, .greater, 0)
        case 6:
            // Only now and then, since an order of revisions makes histories dearer to judge.
            guard random.chance(100_000) else { return .createRevision(key: key, .equal, 0) }
            let least = latest.rawValue - UInt64(random.below(Int(min(latest.rawValue, 20))))
            return random.coin()
                ? .revision(key: key, comparison, least) : .createRevision(key: key, comparison, least)
        default: return .revision(key: key, .equal, known?.revision?.rawValue ?? 0)
        }
    }

    private mutating func anyKey() -> [UInt8] {
        let number = random.below(keys.plain + keys.counters)
        return number < keys.plain
            ? SimulatedClient.plainKey(number) : SimulatedClient.counterKey(number - keys.plain)
    }
}

extension Transaction.Step {
    /// The one key that it writes by itself.
    var writtenKey: [UInt8]? {
        switch self {
        case .put(let key, _, _), .delete(let key, _), .increment(let key, _), .leasedPut(let key, _, _, _):
            key
        case .deleteRange, .get, .list, .transaction, .enqueue, .acknowledge: nil
        }
    }
}
