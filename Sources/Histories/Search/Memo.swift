import Primitives

/// Remembers from where the search found no way on: the state, the required operations that were done, and
/// the optional ones that were used up. Whoever comes to the same place with as many used up, or more, can go
/// no further either.
///
/// The required operations are ordered by their calls, so those done are all up to some place and few above
/// it: only the words between are kept.
struct Memo {
    /// A set as the words from `first` on; words before are full, words behind empty.
    struct Window {
        var first: Int
        var words: ArraySlice<UInt64>
    }

    private struct Entry {
        var hash: UInt64
        var state: Int32
        var first: Int32
        var count: Int32
        var words: Int
        /// The newest of the sets of optional operations, -1 if none was kept.
        var used: Int
    }

    private let usedCount: Int
    private var entries: [Entry] = []
    /// Places in `entries`, counted from 1; a power of two in length, probed linearly.
    private var table = [UInt32](repeating: 0, count: 1024)
    /// Windows, and sets of optional operations, each after the place of the next one of its entry.
    private var arena: [UInt64] = []

    /// For sets of `usedCount` words of optional operations.
    init(usedCount: Int) { self.usedCount = usedCount }

    /// How many places are remembered.
    var count: Int { entries.count }

    /// Remembers a place; false if it was known, or a better one.
    mutating func insert(_ state: Int32, hash: UInt64, done: Window, used: [UInt64]) -> Bool {
        if 2 * entries.count >= table.count { grow() }
        let hash = hash ^ mixed(UInt64(UInt32(bitPattern: state)))
        var place = Int(truncatingIfNeeded: hash) & (table.count - 1)
        while table[place] != 0 {
            let index = Int(table[place]) - 1
            if matches(entries[index], state, hash, done) { return add(used, to: index) }
            place = (place + 1) & (table.count - 1)
        }
        let entry = Entry(
            hash: hash, state: state, first: Int32(done.first), count: Int32(done.words.count),
            words: arena.count, used: -1)
        arena.append(contentsOf: done.words)
        entries.append(entry)
        table[place] = UInt32(entries.count)
        return add(used, to: entries.count - 1)
    }

    private func matches(_ entry: Entry, _ state: Int32, _ hash: UInt64, _ done: Window) -> Bool {
        guard entry.hash == hash, entry.state == state, Int(entry.first) == done.first,
            Int(entry.count) == done.words.count
        else { return false }
        for (offset, word) in done.words.enumerated() where arena[entry.words + offset] != word {
            return false
        }
        return true
    }

    /// False if a subset of `used` is there already.
    private mutating func add(_ used: [UInt64], to index: Int) -> Bool {
        var place = entries[index].used
        while place >= 0 {
            var isSubset = true
            for (offset, word) in used.enumerated() where arena[place + 1 + offset] & ~word != 0 {
                isSubset = false
                break
            }
            if isSubset { return false }
            place = Int(Int64(bitPattern: arena[place]))
        }
        let next = Int64(entries[index].used)
        entries[index].used = arena.count
        arena.append(UInt64(bitPattern: next))
        arena.append(contentsOf: used)
        return true
    }

    private mutating func grow() {
        table = [UInt32](repeating: 0, count: 2 * table.count)
        for (index, entry) in entries.enumerated() {
            var place = Int(truncatingIfNeeded: entry.hash) & (table.count - 1)
            while table[place] != 0 { place = (place + 1) & (table.count - 1) }
            table[place] = UInt32(index + 1)
        }
    }
}

/// Spreads the bits of a number (the finisher of SplitMix64).
func mixed(_ number: UInt64) -> UInt64 {
    var generator = SeededGenerator(seed: number)
    return generator.next()
}
