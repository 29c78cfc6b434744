// Who is concerned by a key: single keys by their bytes, ranges in a tree of intervals.

import Primitives
import Store

/// The ranges that are watched, each with those who watch it.
///
/// Ranges lie sorted by their starts in an array that is read as a balanced tree; beside each stands the
/// greatest end in its part of the tree (Cormen et al., "Introduction to Algorithms", section 17.3: interval
/// trees). New ranges wait in a short list until that has grown enough to be worth sorting in.
struct RangeIndex: Sendable {
    /// One range of one audience.
    struct Watch: Hashable, Sendable {
        var audience: UInt32
        /// Which of the audience's ranges.
        var part: UInt16
    }

    private struct Group: Sendable {
        let range: KeyRange
        var watches: [Watch]
    }

    private var byKey: [[UInt8]: [Watch]] = [:]
    private var groups: [Group] = []
    private var byRange: [KeyRange: Int] = [:]
    /// Groups by the starts of their ranges.
    private var sorted: [Int] = []
    /// For each place in `sorted`: the greatest end in the subtree whose root it is.
    private var greatestEnds: [[UInt8]?] = []
    /// Groups that are not in `sorted` yet.
    private var fresh: [Int] = []
    /// Groups that nobody watches any more.
    private var emptyCount = 0

    /// How many distinct keys and ranges there are.
    var count: Int { byKey.count + groups.count - emptyCount }

    mutating func insert(_ range: KeyRange, _ watch: Watch) {
        if let key = range.onlyKey { return byKey[key, default: []].append(watch) }
        if let place = byRange[range] {
            if groups[place].watches.isEmpty { emptyCount -= 1 }
            return groups[place].watches.append(watch)
        }
        byRange[range] = groups.count
        fresh.append(groups.count)
        groups.append(Group(range: range, watches: [watch]))
        if fresh.count > 32 + sorted.count / 8 { rebuild() }
    }

    mutating func remove(_ range: KeyRange, _ watch: Watch) {
        if let key = range.onlyKey {
            byKey[key]?.removeAll { $0 == watch }
            if byKey[key]?.isEmpty == true { byKey[key] = nil }
            return
        }
        guard let place = byRange[range] else { return }
        groups[place].watches.removeAll { $0 == watch }
        guard groups[place].watches.isEmpty else { return }
        emptyCount += 1
        if emptyCount > 32 + groups.count / 2 { rebuild() }
    }

    /// Calls `body` with each watch of a range that the key is in, in an order that depends on nothing but
    /// what was inserted and removed.
    func forEach(_ key: [UInt8], _ body: (Watch) -> Void) {
        if let watches = byKey[key] { watches.forEach(body) }
        if !sorted.isEmpty { search(0, sorted.count, key, body) }
        for place in fresh where groups[place].range.contains(key) { groups[place].watches.forEach(body) }
    }

    private func search(_ low: Int, _ high: Int, _ key: [UInt8], _ body: (Watch) -> Void) {
        guard low < high else { return }
        let middle = (low + high) / 2
        if let end = greatestEnds[middle], !key.lexicographicallyPrecedes(end) { return }
        search(low, middle, key, body)
        let range = groups[sorted[middle]].range
        guard !key.lexicographicallyPrecedes(range.start) else { return }
        if range.contains(key) { groups[sorted[middle]].watches.forEach(body) }
        search(middle + 1, high, key, body)
    }

    private mutating func rebuild() {
        groups.removeAll { $0.watches.isEmpty }
        emptyCount = 0
        byRange = Dictionary(uniqueKeysWithValues: groups.indices.map { (groups[$0].range, $0) })
        fresh = []
        sorted = groups.indices.sorted { a, b in
            let (left, right) = (groups[a].range, groups[b].range)
            if left.start == right.start { return a < b }
            return left.start.lexicographicallyPrecedes(right.start)
        }
        greatestEnds = Array(repeating: [], count: sorted.count)
        _ = noteEnds(0, sorted.count)
    }

    /// The greatest end of a part of the tree, which is not empty; nil if a range there has none.
    private mutating func noteEnds(_ low: Int, _ high: Int) -> [UInt8]? {
        let middle = (low + high) / 2
        var greatest = groups[sorted[middle]].range.end
        if low < middle { greatest = Self.later(greatest, noteEnds(low, middle)) }
        if middle + 1 < high { greatest = Self.later(greatest, noteEnds(middle + 1, high)) }
        greatestEnds[middle] = greatest
        return greatest
    }

    private static func later(_ a: [UInt8]?, _ b: [UInt8]?) -> [UInt8]? {
        guard let a, let b else { return nil }
        return a.lexicographicallyPrecedes(b) ? b : a
    }
}

extension KeyRange {
    /// The only key that can be in the range; nil if there may be others.
    var onlyKey: [UInt8]? {
        guard let end, end.count == start.count + 1, end.last == 0, end.starts(with: start) else {
            return nil
        }
        return start
    }
}
