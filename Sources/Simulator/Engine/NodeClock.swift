import Primitives

/// The clocks of one machine: the monotonic one has an origin and a rate of its own, the wall clock can be
/// set.
struct NodeClock: Sendable {
    /// True time and the clock's own at the moment since when the rate holds.
    private var base: (true: Int64, own: Int64)
    /// How much it runs fast.
    private(set) var millionths: Int
    /// Milliseconds by which the wall clock is ahead of the monotonic one (and 1970 before it).
    private(set) var wallOffset: Int64

    /// 2026-11-01T00:00:00Z.
    private static let epoch: Int64 = 1_793_491_200_000

    init(origin: Int64, millionths: Int, wallOffset: Int) {
        base = (0, origin)
        self.millionths = millionths
        self.wallOffset = Self.epoch + Int64(wallOffset) - origin / 1_000_000
    }

    func own(_ time: Int64) -> Int64 {
        let passed = time - base.true
        guard millionths != 0 else { return base.own + passed }
        return base.own + passed + Int64(Int128(passed) * Int128(millionths) / 1_000_000)
    }

    func now(_ time: Int64) -> Instant { Instant(nanoseconds: own(time)) }

    func wall(_ time: Int64) -> WallTime {
        WallTime(milliseconds: max(0, own(time) / 1_000_000 + wallOffset))
    }

    /// The first moment of true time at which the clock shows at least `instant`; nil if that never comes.
    func time(of instant: Instant) -> Int64? {
        guard instant != .never else { return nil }
        let passed = instant.nanoseconds - base.own
        guard millionths != 0, passed > 0 else { return base.true + passed }
        // Both divisions round, so begin a little before.
        let estimate = Int64(Int128(passed) * 1_000_000 / Int128(1_000_000 + millionths))
        var time = base.true + max(0, estimate - 2)
        while own(time) < instant.nanoseconds { time += 1 }
        return time
    }

    mutating func setRate(_ millionths: Int, at time: Int64) {
        base = (time, own(time))
        self.millionths = millionths
    }

    mutating func stepWall(by milliseconds: Int) { wallOffset += Int64(milliseconds) }
}
