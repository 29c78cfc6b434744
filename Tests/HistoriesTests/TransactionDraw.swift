import Histories
import Primitives

/// Draws transactions for ``Generator``.
struct TransactionDraw {
    typealias Transaction = HistoryOperation.Transaction

    let options: Generator.Options
    var random: SeededGenerator
    var values: Int
    /// The keys that steps write so far: none is written twice.
    private var free: [Int] = []

    init(options: Generator.Options, random: SeededGenerator, values: Int) {
        self.options = options
        self.random = random
        self.values = values
    }

    mutating func action(revision: UInt64) -> HistoryOperation.Action {
        free = Array(0..<options.keys)
        let transaction = transaction(revision, depth: 0)
        return .transaction(transaction, dry: below(8) == 0)
    }

    private mutating func transaction(_ revision: UInt64, depth: Int) -> Transaction {
        let conditions = (0..<below(3)).map { _ in condition(revision) }
        let all = free
        let then = steps(revision, depth)
        guard below(3) > 0 else { return Transaction(conditions: conditions, then: then) }
        // Only one of the two happens, so that both may write the same key.
        let left = free
        free = all
        let otherwise = steps(revision, depth)
        free = free.filter { left.contains($0) }
        return Transaction(conditions: conditions, then: then, otherwise: otherwise)
    }

    private mutating func steps(_ revision: UInt64, _ depth: Int) -> [Transaction.Step] {
        (0..<(1 + below(3))).map { _ in step(revision, depth) }
    }

    private mutating func step(_ revision: UInt64, _ depth: Int) -> Transaction.Step {
        let key = key(below(options.keys))
        switch below(12) {
        case 0...2: return .get(key)
        case 3: return .list(.prefix(bytes("k")), limit: 1 + below(3))
        case 4...5 where depth < 2:
            return .transaction(transaction(revision, depth: depth + 1))
        case 6 where free.count == options.keys:
            free = []
            return .deleteRange(.prefix(bytes("k")))
        default:
            guard !free.isEmpty else { return .get(key) }
            let mine = self.key(free.remove(at: below(free.count)))
            switch below(4) {
            case 0: return .delete(mine)
            case 1: return .increment(mine, by: 1)
            default:
                values += 1
                return .put(mine, value: bytes("\(options.isUnique ? values : below(4))"))
            }
        }
    }

    private mutating func condition(_ revision: UInt64) -> Transaction.Condition {
        let key = key(below(options.keys))
        let relation = below(2) == 0 ? .equal : Transaction.Relation.allCases[below(6)]
        switch below(6) {
        case 0, 1: return .value(key, relation, bytes("\(below(max(1, values) + 1))"))
        case 2: return .count(.prefix(bytes("k")), relation, UInt64(below(options.keys + 1)))
        case 3: return .number(key, .version, relation, UInt64(below(3)))
        case 4:
            let isPlain = options.isRegister || below(2) == 0
            let property: Transaction.Property = isPlain ? .version : .createRevision
            return .number(key, property, .equal, 0)
        default:
            if options.isRegister { return .number(key, .version, .greater, 0) }
            let property: Transaction.Property = below(3) == 0 ? .createRevision : .revision
            return .number(key, property, relation, UInt64(below(Int(revision) + 2)))
        }
    }

    private func key(_ number: Int) -> [UInt8] { bytes("k\(number)") }

    private mutating func below(_ limit: Int) -> Int { Int(random.next(below: UInt64(limit))) }
}
