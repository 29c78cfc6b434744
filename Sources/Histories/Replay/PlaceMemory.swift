import Primitives

/// Two independent sums over what makes up a place of the search. Two places that differ have the same mark
/// with a chance of one in 2^128.
struct Mark: Hashable {
    private var one: UInt64 = 0
    private var other: UInt64 = 0

    /// Adds a fact, or takes it out again.
    mutating func toggle(_ fact: UInt64, kind: UInt64) {
        one ^= mixed(fact &* 0x9E37_79B9_7F4A_7C15 &+ kind)
        other ^= mixed(mixed(fact) ^ (kind &+ 1) &* 0xD6E8_FEB8_6659_FD93)
    }

    /// Replaces the state of a key.
    mutating func change(_ key: Int, from old: ExactKey?, to new: ExactKey?) {
        if let old { toggle(old.digest(key), kind: 2) }
        if let new { toggle(new.digest(key), kind: 2) }
    }
}

extension ExactKey {
    fileprivate func digest(_ key: Int) -> UInt64 {
        var sum = mixed(UInt64(bitPattern: value.code) ^ (value.isNumber ? 1 << 63 : 0))
        for part in [revision, created, version, UInt64(key)] { sum = mixed(sum &+ part) }
        return sum
    }
}

/// The places from where a search found no way on, each with how many writes of unknown outcome were used up,
/// by class. Whoever comes there with as many of each used up, or more, can go no further either.
///
/// All classes count, also those that touch none of the keys that the search failed by: a write of theirs may
/// make a revision that somebody must make, and with it let other writes be kept for later.
struct PlaceMemory {
    private struct Entry {
        /// Those of which some were used up.
        var classes: [Int32]
        var used: [UInt16]
    }

    private var places: [Mark: [Entry]] = [:]
    /// How many numbers are kept, which is what the memory costs.
    private(set) var size = 0

    /// Remembers a place that leads nowhere.
    mutating func insert(_ place: Mark, used: [UInt16]) {
        let classes = used.indices.filter { used[$0] > 0 }
        let entry = Entry(classes: classes.map { Int32($0) }, used: classes.map { used[$0] })
        places[place, default: []].append(entry)
        size += 2 * classes.count + 32
    }

    /// Whether a place is known to lead nowhere.
    func contains(_ place: Mark, used: [UInt16]) -> Bool {
        places[place]?.contains { entry in
            zip(entry.classes, entry.used).allSatisfy { used[Int($0)] >= $1 }
        } ?? false
    }
}
