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

/// What is to blame for a search that went no further.
struct Blame {
    /// The keys whose states made it fail.
    var keys: Set<Int> = []
    /// Whether anything else may be to blame, too. It always may: to leave out writes that touch no key to
    /// blame has convicted a good history (3159 of `GeneratedTests`), so that nothing is left out.
    var isAll = true

    init() {}

    init(keys: [Int]) { self.keys = Set(keys) }

    mutating func formUnion(_ other: Blame) {
        keys.formUnion(other.keys)
        isAll = isAll || other.isAll
    }
}

/// The places from where a search found no way on, each with what was to blame and the writes of unknown
/// outcome that could have helped and were used up, by class. Whoever comes there with as many of these used
/// up, or more, can go no further either.
struct PlaceMemory {
    private struct Entry {
        var classes: [Int32]
        var used: [UInt16]
        var blame: Blame
    }

    private var places: [Mark: [Entry]] = [:]
    /// How many numbers are kept, which is what the memory costs.
    private(set) var size = 0

    /// Remembers a place that leads nowhere.
    mutating func insert(_ place: Mark, used: [UInt16], _ blame: Blame, _ problem: JointProblem) {
        var classes: Set<Int> = []
        if blame.isAll {
            classes.formUnion(used.indices)
        } else {
            for key in blame.keys { classes.formUnion(problem.classesOfKey[key]) }
        }
        let relevant = classes.filter { used[$0] > 0 }
        let entry = Entry(
            classes: relevant.map { Int32($0) }, used: relevant.map { used[$0] }, blame: blame)
        places[place, default: []].append(entry)
        size += 2 * relevant.count + 4 * blame.keys.count + 32
    }

    /// What was to blame if a place is known to lead nowhere.
    func blame(at place: Mark, used: [UInt16]) -> Blame? {
        guard let known = places[place] else { return nil }
        return known.first { entry in
            zip(entry.classes, entry.used).allSatisfy { used[Int($0)] >= $1 }
        }?.blame
    }
}
