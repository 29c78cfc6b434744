import Histories
import Primitives

/// Clients of a store that is what it promises to be: every operation takes effect at one moment between its
/// invocation and its return, or, if its outcome is unknown, at any later moment or never.
struct Generator {
    struct Options {
        var clients = 4
        var keys = 3
        var operations = 60
        /// Of 100 writes: how many are of unknown outcome, and how many are refused with the label that they
        /// were not applied.
        var unknown = 10
        var failed = 5
        /// Of 100 reads: how many are of the past.
        var stale = 10
        /// Of 100 reads: how many ask for a revision.
        var past = 0
        var usesRanges = true
        var usesBatches = true
        var usesIncrements = true
        /// Of 100 operations: how many are transactions.
        var transactions = 0
        /// Whether conditions name values instead of revisions, and nothing tells revisions.
        var isRegister = false
        /// Whether values are never written twice.
        var isUnique = true
        /// Others raise the revision, too.
        var isExclusive = true
        /// How likely a client is to wait, of 100: the more the more operations overlap.
        var idle = 30
    }

    private struct Client {
        var id: Int
        var operation: Int?
        var answer: (HistoryOperation.Answer, UInt64)?
        var isApplied = false
        var willBeUnknown = false
        var willFail = false
        /// What the client has seen last, for conditions.
        var seen: [[UInt8]: (value: [UInt8], revision: UInt64)] = [:]
    }

    private let options: Options
    private var random: SeededGenerator
    private var store = PlainStore()
    private var past: [PlainStore] = []
    private var clients: [Client]
    private var recorder: HistoryRecorder
    private var actions: [HistoryOperation.Action] = []
    /// Operations of unknown outcome that may still take effect.
    private var adrift: [Int] = []
    private var values = 0
    private var time: Int64 = 0

    static func history(_ options: Options, seed: UInt64) -> History {
        var generator = Generator(options, seed: seed)
        return generator.run()
    }

    private init(_ options: Options, seed: UInt64) {
        self.options = options
        random = SeededGenerator(seed: seed)
        clients = (0..<options.clients).map { Client(id: $0) }
        recorder = HistoryRecorder(isExclusive: options.isExclusive)
        past = [store]
    }

    private mutating func run() -> History {
        while recorder.count < options.operations || clients.contains(where: { $0.operation != nil }) {
            time += 10
            if chance(options.isExclusive ? 0 : 10) { store.revision += 1; past.append(store) }
            if !adrift.isEmpty, chance(10) { apply(adrift: Int(random.next(below: UInt64(adrift.count)))) }
            let place = Int(random.next(below: UInt64(clients.count)))
            step(place)
        }
        return options.isRegister ? recorder.history.withoutRevisions : recorder.history
    }

    private mutating func step(_ place: Int) {
        guard let operation = clients[place].operation else {
            if recorder.count < options.operations, !chance(options.idle) { invoke(place) }
            return
        }
        if clients[place].willFail {
            clients[place].willFail = false
            clients[place].operation = nil
            return recorder.finish(operation, .failed("no_leader"), at: time)
        }
        if !clients[place].isApplied {
            if clients[place].willBeUnknown, chance(50) {
                adrift.append(operation)
                return giveUp(place, operation)
            }
            if chance(options.idle) { return }
            clients[place].answer = carryOut(operation)
            clients[place].isApplied = true
            return
        }
        if chance(options.idle) { return }
        if clients[place].willBeUnknown { return giveUp(place, operation) }
        finish(place, operation)
    }

    private mutating func giveUp(_ place: Int, _ operation: Int) {
        clients[place].operation = nil
        recorder.finish(operation, .unknown("timeout"), at: time)
    }

    private mutating func apply(adrift place: Int) {
        let operation = adrift.remove(at: place)
        _ = carryOut(operation)
    }

    private mutating func carryOut(_ operation: Int) -> (HistoryOperation.Answer, UInt64) {
        switch actions[operation] {
        case .get(_, .stale), .list(_, .stale):
            var old = past[Int(random.next(below: UInt64(past.count)))]
            return (old.apply(actions[operation]), old.revision)
        case .get(_, .at(let revision)), .list(_, .at(let revision)):
            guard var old = past.last(where: { $0.revision == revision.rawValue }) else {
                preconditionFailure("only what was is asked for")
            }
            return (old.apply(actions[operation]), old.revision)
        default:
            let before = store.revision
            let answer = store.apply(actions[operation])
            if store.revision != before { past.append(store) }
            return (answer, store.revision)
        }
    }

    private mutating func finish(_ place: Int, _ operation: Int) {
        guard let (answer, revision) = clients[place].answer else { preconditionFailure() }
        clients[place].operation = nil
        var seen: Revision? = Revision(revision)
        switch answer {
        case .written, .incremented, .batch, .refused: seen = nil
        case .deleted(let count, _): if count > 0 { seen = nil }
        case .transaction: if answer.hasMade, !actions[operation].isRead { seen = nil }
        case .absent, .found, .items: break
        }
        recorder.finish(operation, .ok(answer, at: seen), at: time)
        switch (actions[operation], answer) {
        case (.get(let key, _), .found(let sighting)):
            clients[place].seen[key] = (sighting.value ?? [], sighting.revision?.rawValue ?? 0)
        case (.put(let key, let value, _), .written(let revision, _, _)):
            clients[place].seen[key] = (value, revision?.rawValue ?? 0)
        default: break
        }
    }

    // MARK: What to do

    private mutating func invoke(_ place: Int) {
        let action = action(clients[place])
        clients[place].operation = recorder.invoke(action, client: place, node: "n\(place % 3 + 1)", at: time)
        actions.append(action)
        clients[place].isApplied = false
        let isWrite = !action.isRead
        clients[place].willFail = isWrite && chance(options.failed)
        clients[place].willBeUnknown = isWrite && !clients[place].willFail && chance(options.unknown)
    }

    private mutating func action(_ client: Client) -> HistoryOperation.Action {
        if options.transactions > 0, chance(options.transactions) {
            var draw = TransactionDraw(options: options, random: random, values: values)
            defer { (random, values) = (draw.random, draw.values) }
            return draw.action(revision: store.revision)
        }
        let key = Array("k\(random.next(below: UInt64(options.keys)))".utf8)
        var freshness: HistoryOperation.Freshness = chance(options.stale) ? .stale : .linearizable
        if options.past > 0, !options.isRegister, chance(options.past) {
            freshness = .at(Revision(past[Int(random.next(below: UInt64(past.count)))].revision))
        }
        switch random.next(below: 100) {
        case 0..<35: return .get(key, freshness)
        case 35..<40 where options.usesRanges: return .list(.prefix(Array("k".utf8)), freshness)
        case 40..<42 where options.usesRanges: return .deleteRange(.prefix(Array("k".utf8)))
        case 42..<50 where options.usesIncrements: return .increment(Array("k0".utf8), by: 1)
        case 50..<56 where options.usesBatches:
            let other = Array("k\(random.next(below: UInt64(options.keys)))".utf8)
            return .batch(
                [
                    HistoryOperation.Put(key: key, value: value()),
                    HistoryOperation.Put(key: other, value: value()),
                ],
                createOnly: chance(40))
        case 56..<64: return .delete(key, if: condition(client, key), mustExist: chance(20))
        case 64..<80: return .put(key, value: value(), if: condition(client, key) ?? .absent)
        default: return .put(key, value: value())
        }
    }

    private mutating func condition(_ client: Client, _ key: [UInt8]) -> HistoryOperation.Condition? {
        switch random.next(below: 4) {
        case 0: return .absent
        case 1: return .exists
        case 2: return nil
        default:
            guard let seen = client.seen[key] else { return nil }
            return options.isRegister ? .value(seen.value) : .revision(Revision(seen.revision))
        }
    }

    private mutating func value() -> [UInt8] {
        values += 1
        return Array("\(options.isUnique ? UInt64(values) : random.next(below: 4))".utf8)
    }

    private mutating func chance(_ percent: Int) -> Bool { random.next(below: 100) < UInt64(percent) }
}

extension History {
    /// The same history as of a register that tells values alone.
    var withoutRevisions: History {
        History(
            operations.map { operation in
                var operation = operation
                if case .ok(let answer, _) = operation.outcome {
                    operation.outcome = .ok(answer.withoutRevisions.withoutVersions)
                }
                return operation
            }, isExclusive: isExclusive)
    }
}

extension HistoryOperation.Answer {
    var withoutVersions: HistoryOperation.Answer {
        switch self {
        case .found(let sighting): .found(HistoryOperation.Sighting(value: sighting.value))
        case .items(let items):
            .items(
                items.map {
                    HistoryOperation.Item(key: $0.key, HistoryOperation.Sighting(value: $0.sighting.value))
                })
        case .written: .written()
        case .incremented(let sum, _, _): .incremented(sum)
        case .transaction(let answer, let revision):
            .transaction(
                HistoryOperation.TransactionAnswer(
                    succeeded: answer.succeeded, results: answer.results.map(\.withoutVersions)),
                revision: revision)
        default: self
        }
    }
}
