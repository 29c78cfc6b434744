// What the clients of a check ask for. Values without clocks and connections: the same seed draws the same.

import Histories
import Primitives

/// The keys of a check: few at a time, so that clients contend for them, and all of them fresh after a while.
/// To search the history of one key takes time and memory that grow with its length, so none gets long.
struct CheckKeys: Sendable {
    /// How many operations a key gets, about, before it is given up.
    static let operationsPerKey = 500

    /// What all keys begin with.
    var prefix: String
    /// How many there are at a time.
    var count: Int

    /// The last of them hold numbers, the others text.
    var counters: Int { count / 4 }

    /// The keys' generation when so many operations were begun.
    func generation(at operation: Int) -> Int { operation / (count * Self.operationsPerKey) }

    /// What the keys of a generation begin with.
    func folder(_ generation: Int) -> [UInt8] { Array("\(prefix)\(generation)/".utf8) }

    /// The keys of a generation, text before numbers.
    func keys(_ generation: Int) -> [[UInt8]] {
        (0..<count).map { number in
            let letter = number < count - counters ? "k" : "n"
            return folder(generation) + Array("\(letter)\(number)".utf8)
        }
    }
}

/// How often what is asked.
struct CheckMix: Sendable {
    /// Of 100 operations, how many are reads.
    var reads: Int
    /// Of 100 reads, how many may be stale.
    var stale: Int
}

/// One client: draws an operation after the other, and makes conditions of what it was told.
struct CheckClient: Sendable {
    /// Its number, from 0.
    let number: Int
    private let mix: CheckMix
    private let keySet: CheckKeys
    private var random: SeededGenerator
    private var generation = -1
    private var folder: [UInt8] = []
    private var keys: [[UInt8]] = []
    /// By key: the revision it was last told of; 0 if there was no key, nil if it has not heard of it.
    private var known: [UInt64?] = []
    private var valueCount = 0

    init(number: Int, keys: CheckKeys, mix: CheckMix, seed: UInt64) {
        self.number = number
        self.mix = mix
        keySet = keys
        random = SeededGenerator(seed: seed ^ (UInt64(number) + 1) &* 0x9e37_79b9_7f4a_7c15)
    }

    // MARK: Where and when

    /// Chooses an endpoint. A third of the clients stay with one: an order that only one node gets wrong
    /// shows best to those who ask nobody else.
    mutating func endpoint(of count: Int) -> Int {
        number % 3 == 0 ? number / 3 % count : Int(random.next(below: UInt64(count)))
    }

    /// A span about as long as this one: from half of it to half as much again.
    mutating func pause(about span: Instant.Span) -> Instant.Span {
        let half = max(1, span.nanoseconds / 2)
        return Instant.Span(nanoseconds: half) + random.next(in: .zero..<Instant.Span(nanoseconds: 2 * half))
    }

    // MARK: What

    /// The next operation, when so many were begun by all clients.
    mutating func next(at operation: Int) -> HistoryOperation.Action {
        let current = keySet.generation(at: operation)
        if current != generation {
            generation = current
            folder = keySet.folder(current)
            keys = keySet.keys(current)
            known = [UInt64?](repeating: nil, count: keys.count)
        }
        return below(100) < mix.reads ? read() : write()
    }

    private mutating func read() -> HistoryOperation.Action {
        let freshness: HistoryOperation.Freshness = below(100) < mix.stale ? .stale : .linearizable
        let key = below(keys.count)
        switch below(20) {
        case 0, 1: return .list(.prefix(folder), freshness)
        case 2:
            // What a store has told of a revision it must be able to tell again.
            guard let revision = known[key], revision > 0 else { fallthrough }
            return .get(keys[key], .at(Revision(revision)))
        default: return .get(keys[key], freshness)
        }
    }

    private mutating func write() -> HistoryOperation.Action {
        let text = below(keys.count - keySet.counters)
        let any = below(keys.count)
        switch below(20) {
        case 0..<7: return .put(keys[text], value: value())
        case 7..<11: return .put(keys[text], value: value(), if: condition(text))
        case 11: return .put(keys[text], value: value(), if: .absent)
        case 12: return .put(keys[text], value: value(), if: .exists)
        case 13: return .delete(keys[any])
        case 14:
            guard let revision = known[any], revision > 0 else { fallthrough }
            return .delete(keys[any], if: .revision(Revision(revision)))
        case 15: return .delete(keys[any], mustExist: true)
        case 16: return .increment(keys[any], by: 1)
        default:
            guard keySet.counters > 0 else { return .put(keys[text], value: value()) }
            let counter = keys.count - keySet.counters + below(keySet.counters)
            // Of two kinds, so that a sum tells which of those with an unknown outcome happened.
            return .increment(keys[counter], by: below(4) == 0 ? 100 : 1)
        }
    }

    private func condition(_ key: Int) -> HistoryOperation.Condition {
        guard let revision = known[key], revision > 0 else { return .absent }
        return .revision(Revision(revision))
    }

    /// A value that nobody else writes, and this client only once.
    private mutating func value() -> [UInt8] {
        valueCount += 1
        return Array("c\(number).\(valueCount)".utf8)
    }

    private mutating func below(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }

    // MARK: What it learns

    /// Remembers what an answer told of a key.
    mutating func learn(_ action: HistoryOperation.Action, _ outcome: HistoryOperation.Outcome) {
        guard case .ok(let answer, _) = outcome else { return }
        switch (action, answer) {
        case (.get(let key, .linearizable), .found(let seen)): note(key, seen.revision)
        case (.get(let key, .linearizable), .absent): note(key, .zero)
        case (.put(let key, _, _), .written(let revision, _, _)): note(key, revision)
        case (.increment(let key, _), .incremented(_, let revision, _)): note(key, revision)
        case (.put(let key, _, _), .refused(.condition(.revision(let revision)))): note(key, revision)
        case (.delete(let key, _, _), .refused(.condition(.revision(let revision)))): note(key, revision)
        case (.delete(let key, _, _), .deleted), (.delete(let key, _, _), .refused): note(key, .zero)
        case (.put(let key, _, _), .refused): note(key, .zero)
        default: break
        }
    }

    private mutating func note(_ key: [UInt8], _ revision: Revision?) {
        guard let revision, let place = keys.firstIndex(of: key) else { return }
        known[place] = revision.rawValue
    }
}
