import Primitives

/// Decides what becomes of everything that isn't synced when the power fails.
///
/// How much is kept is drawn once for the whole crash, so that "all but one sector" and "one sector of many"
/// are as likely as "about half".
struct CrashFate {
    enum Sector { case kept, lost, garbled }

    private(set) var losses = DiskLosses()
    private var random: SeededGenerator
    /// Of 16.
    private let keepsSectors: UInt64
    private let garbles: UInt64
    private let keepsNames: UInt64
    /// Whether names are kept as a journal keeps them: all up to some change, and none after it.
    private let isOrdered: Bool

    /// Draws a fate.
    init(using random: inout SeededGenerator, garbling: Bool) {
        var own = random.split()
        let weights: [UInt64] = [0, 1, 4, 8, 8, 12, 15, 16]
        keepsSectors = weights[Int(own.next(below: 8))]
        keepsNames = weights[Int(own.next(below: 8))]
        let rubbish: [UInt64] = [0, 0, 2, 6]
        garbles = garbling ? rubbish[Int(own.next(below: 4))] : 0
        isOrdered = own.next(below: 2) == 0
        self.random = own
    }

    private init() {
        random = SeededGenerator(seed: 0)
        (keepsSectors, garbles, keepsNames, isOrdered) = (0, 0, 0, false)
    }

    /// All that isn't synced is lost.
    static let worst = CrashFate()

    private mutating func happens(_ weight: UInt64) -> Bool {
        weight > 0 && (weight >= 16 || random.next(below: 16) < weight)
    }

    mutating func sector() -> Sector {
        if happens(garbles) {
            losses.sectorsGarbled += 1
            return .garbled
        }
        if happens(keepsSectors) {
            losses.sectorsKept += 1
            return .kept
        }
        losses.sectorsLost += 1
        return .lost
    }

    /// The length of a file whose length wasn't synced.
    mutating func size(durable: Int, cached: Int, lowest: Int) -> Int {
        if happens(keepsSectors) { return cached }
        losses.sizesLost += 1
        let low = min(durable, lowest)
        let high = max(durable, cached)
        // Lengths in between were there, too, if it was written in several pieces.
        guard keepsSectors > 0, high > low, random.next(below: 4) == 0 else { return durable }
        return low + Int(random.next(below: UInt64(high - low)))
    }

    /// Which of a folder's unsynced changes happen.
    mutating func kept(of count: Int) -> [Bool] {
        var result = [Bool](repeating: false, count: count)
        if isOrdered && keepsNames > 0 {
            let end = Int(random.next(below: UInt64(count + 1)))
            for place in 0..<end { result[place] = true }
        } else {
            for place in 0..<count { result[place] = happens(keepsNames) }
        }
        for isKept in result {
            losses.namesKept += isKept ? 1 : 0
            losses.namesLost += isKept ? 0 : 1
        }
        return result
    }

    /// What a garbled sector holds: rubbish, a mixture of `old` and `new`, zeros, or one wrong bit.
    mutating func garbled(old: [UInt8], new: [UInt8]) -> [UInt8] {
        var result = new
        switch random.next(below: 4) {
        case 0:
            for place in result.indices { result[place] = UInt8(truncatingIfNeeded: random.next()) }
        case 1:
            let cut = Int(random.next(below: UInt64(new.count + 1)))
            for place in cut..<new.count { result[place] = old[place] }
        case 2:
            for place in result.indices { result[place] = 0 }
        default:
            let bit = Int(random.next(below: UInt64(8 * new.count)))
            result[bit / 8] ^= 1 << (bit % 8)
        }
        return result
    }
}
