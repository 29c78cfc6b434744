/// Which slots have to be looked at, and when: a timing wheel with one entry for each slot at most times.
///
/// A deadline that moves away costs nothing: the entry stays where it is, and when its tick comes the slot
/// says how long it really has. Only a deadline that comes nearer makes a second entry; the first is then
/// found to be stale. So ten thousand idle connections cost nothing in a turn, and a little every minute.
public struct DeadlineWheel: Sendable {
    /// Nanoseconds in a tick: how much later than its deadline a slot may be reported.
    public static let tick: Int64 = 25_000_000
    /// A power of two. Later deadlines wait in the last bucket and are put in again.
    private static let bucketCount = 1024
    /// No tick: the slot has no valid entry.
    public static let none = Int64.max

    private var buckets = [[UInt32]](repeating: [], count: bucketCount)
    private var occupied = [UInt64](repeating: 0, count: bucketCount / 64)
    /// The last tick that was looked at.
    private var current: Int64

    /// A wheel that stands at `now`.
    public init(at now: Instant) { current = now.nanoseconds / Self.tick }

    /// The tick at which a slot with this deadline should be looked at.
    public func tick(for deadline: Instant) -> Int64 {
        let whole = deadline.nanoseconds / Self.tick
        return min(max(whole + 1, current + 1), current + Int64(Self.bucketCount) - 1)
    }

    /// Enters a slot for a tick that ``tick(for:)`` gave.
    public mutating func insert(_ slot: UInt32, at tick: Int64) {
        let bucket = Int(tick) & (Self.bucketCount - 1)
        buckets[bucket].append(slot)
        occupied[bucket >> 6] |= 1 << UInt64(bucket & 63)
    }

    /// Moves on and takes out the entries that have come due, with their ticks.
    public mutating func advance(to now: Instant, into due: inout [(slot: UInt32, tick: Int64)]) {
        let target = now.nanoseconds / Self.tick
        while let tick = nextTick, tick <= target {
            let bucket = Int(tick) & (Self.bucketCount - 1)
            for slot in buckets[bucket] { due.append((slot, tick)) }
            buckets[bucket].removeAll(keepingCapacity: true)
            occupied[bucket >> 6] &= ~(1 << UInt64(bucket & 63))
        }
        current = max(current, target)
    }

    /// When ``advance(to:into:)`` should be called next.
    public var deadline: Instant {
        guard let tick = nextTick else { return .never }
        return Instant(nanoseconds: tick * Self.tick)
    }

    /// The first tick after ``current`` that has entries; all of them lie within one turn of the wheel.
    private var nextTick: Int64? {
        let start = Int(current + 1) & (Self.bucketCount - 1)
        for step in 0...occupied.count {
            let word = ((start >> 6) + step) & (occupied.count - 1)
            var bits = occupied[word]
            if step == 0 { bits &= ~0 << UInt64(start & 63) }
            if step == occupied.count { bits &= (1 << UInt64(start & 63)) - 1 }
            guard bits != 0 else { continue }
            let bucket = word << 6 | bits.trailingZeroBitCount
            let distance = (bucket - start) & (Self.bucketCount - 1)
            return current + 1 + Int64(distance)
        }
        return nil
    }
}
