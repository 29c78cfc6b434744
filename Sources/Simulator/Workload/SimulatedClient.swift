import Primitives
import Store

/// Makes values of which no two are the same.
struct ValueMaker: Sendable {
    let client: Int
    private var counter = 0

    init(client: Int) { self.client = client }

    mutating func next(_ random: inout SeededGenerator) -> [UInt8] {
        counter += 1
        let text = "c\(client).\(counter)"
        // Some are larger, so that the log has more to hold.
        let padding = random.chance(100_000) ? random.magnitude(16...600) : 0
        return Array(text.utf8) + [UInt8](repeating: UInt8(ascii: "."), count: padding)
    }
}

/// A client: one operation after the other, with pauses for thought.
struct SimulatedClient: Sendable {
    let plan: ClientPlan
    var random: SeededGenerator
    /// The node it turns to next.
    var node: Int
    /// When it asks next, in nanoseconds of true time, if it does not wait.
    var asksAt: Int64 = 0
    /// The operation it waits for.
    var waitsFor: Int32?
    /// What it does besides.
    var coordination: CoordinationClient
    /// The idempotency key of the action that was drawn last.
    private(set) var once: OnceKey?
    private var values: ValueMaker
    /// The latest revision that it was told.
    private(set) var latest = Revision(1)
    /// What it last read of each key, to make conditions of.
    private var seen: [KnownKey] = []

    init(plan: ClientPlan, coordination: CoordinationPlan, seed: UInt64) {
        self.plan = plan
        self.coordination = CoordinationClient(
            client: plan.number, plan: coordination, seed: seed ^ 0xc00d_1a7e_9b1c_55e7)
        random = SeededGenerator(seed: seed)
        values = ValueMaker(client: plan.number)
        node = plan.home ?? 0
    }

    /// Chooses a node for the next operation.
    mutating func chooseNode(of count: Int) -> Int {
        if plan.home == nil { node = random.below(count) }
        return node
    }

    /// Turns to a node that is known to lead.
    mutating func choose(leader: Int) -> Int {
        node = leader
        return leader
    }

    /// The node was of no use.
    mutating func turnAway(of count: Int) {
        guard plan.failsOver else { return }
        node = (node + 1 + random.below(max(1, count - 1))) % count
    }

    /// Remembers what a key was last seen at.
    mutating func note(_ key: [UInt8], _ revision: Revision?, _ value: [UInt8]? = nil) {
        if let place = seen.firstIndex(where: { $0.key == key }) {
            seen[place].revision = revision
            seen[place].value = value ?? seen[place].value
        } else {
            seen.append(KnownKey(key: key, revision: revision, value: value))
        }
    }

    /// Remembers a revision of the store.
    mutating func note(_ revision: Revision) { latest = max(latest, revision) }

    // MARK: - What it asks

    mutating func nextAction(_ keys: KeyPlan) -> ClientAction {
        once = nil
        if let asked = coordination.nextAtOnce() { return write(asked) }
        if random.below(100) < plan.reads { return nextRead(keys) }
        if let asked = coordination.next() { return write(asked) }
        if random.chance(120_000) { return nextTransaction(keys) }
        return .write(nextWrite(keys), forwards: random.below(100) >= plan.unforwarded)
    }

    private mutating func write(_ asked: CoordinationClient.Asked) -> ClientAction {
        once = asked.once
        return .write(asked.operation, forwards: coordination.forwards(unforwarded: plan.unforwarded))
    }

    static func plainKey(_ number: Int) -> [UInt8] { Array("k\(number)".utf8) }
    static func counterKey(_ number: Int) -> [UInt8] { Array("n\(number)".utf8) }

    private mutating func plainKey(_ keys: KeyPlan) -> [UInt8] { Self.plainKey(random.below(keys.plain)) }

    private mutating func anyKey(_ keys: KeyPlan) -> [UInt8] {
        let number = random.below(keys.plain + keys.counters)
        return number < keys.plain ? Self.plainKey(number) : Self.counterKey(number - keys.plain)
    }

    private mutating func nextRead(_ keys: KeyPlan) -> ClientAction {
        let isStale = random.below(100) < plan.stale
        guard random.chance(150_000) else { return .get(anyKey(keys), isStale: isStale) }
        let range = random.coin() ? KeyRange.all : KeyRange.prefix(Array("k".utf8))
        return .range(range, limit: random.number(in: 1...8), isStale: isStale)
    }

    private mutating func nextTransaction(_ keys: KeyPlan) -> ClientAction {
        var drawing = TransactionDrawing(
            keys: keys, known: seen, latest: latest, random: random, values: values)
        let transaction = drawing.draw()
        random = drawing.random
        values = drawing.values
        let isEvaluated = random.chance(transaction.isReadOnly ? 700_000 : 70_000)
        if isEvaluated { return .evaluate(transaction) }
        return .write(.transaction(transaction), forwards: random.below(100) >= plan.unforwarded)
    }

    private mutating func value() -> [UInt8] { values.next(&random) }

    private mutating func nextWrite(_ keys: KeyPlan) -> Store.Operation {
        let wantsPrevious = random.chance(200_000)
        switch random.below(20) {
        case 0...7:
            return .put(key: plainKey(keys), value: value(), guard: nil, returnPrevious: wantsPrevious)
        case 8...11:
            let key = plainKey(keys)
            return .put(key: key, value: value(), guard: condition(for: key), returnPrevious: wantsPrevious)
        case 12: return .put(key: plainKey(keys), value: value(), guard: .absent, returnPrevious: false)
        case 13, 14:
            let key = plainKey(keys)
            return .delete(
                key: key, guard: random.coin() ? condition(for: key) : nil, returnPrevious: wantsPrevious,
                mustExist: random.coin())
        case 15:
            switch random.below(7) {
            case 0: return .deleteRange(KeyRange.prefix(Array("k1".utf8)))
            case 1, 5, 6:
                // Often all of it.
                let kept = random.coin() ? random.below(2) : random.below(20)
                return .compact(Revision(latest.rawValue - min(latest.rawValue, UInt64(kept))))
            // Mostly refused, since the value is no number.
            case 2: return .increment(key: plainKey(keys), by: 1)
            default: return .put(key: plainKey(keys), value: value(), guard: .exists, returnPrevious: false)
            }
        case 16:
            let count = random.number(in: 1...3)
            let puts = (0..<count).map { _ in BatchPut(key: plainKey(keys), value: value()) }
            return .batch(puts, createOnly: random.chance(300_000))
        default:
            guard keys.counters > 0 else {
                return .put(key: plainKey(keys), value: value(), guard: nil, returnPrevious: wantsPrevious)
            }
            let key = Self.counterKey(random.below(keys.counters))
            if random.chance(50_000) {
                return .delete(key: key, guard: nil, returnPrevious: false, mustExist: false)
            }
            return .increment(key: key, by: Int64(random.number(in: -3...10)))
        }
    }

    private mutating func condition(for key: [UInt8]) -> Store.Guard {
        guard let known = seen.first(where: { $0.key == key }) else { return .absent }
        return known.revision.map { .revision($0) } ?? .absent
    }
}
