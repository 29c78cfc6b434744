import Clocks
import Primitives
import Testing

@Suite struct ClockGuardTests {
    private let start = Instant.zero + .seconds(100)
    private let year: Int64 = 31_536_000_000_000

    /// What clocks agree on whose difference from this one is between these, in microseconds.
    private func agreement(_ offsets: [ClosedRange<Int64>], of clocks: Int) -> ClockAgreement? {
        ClockAgreement(
            of: offsets.map { OffsetInterval(least: $0.lowerBound, most: $0.upperBound) }, clocks: clocks)
    }

    @Test func `a clock that was set to next year is corrected by the others, and believed again`() {
        var trust = ClockGuard()
        let near = agreement([-300...200, -100...400], of: 3)
        #expect(trust.judge(near, at: start, clock: 0) == nil)
        #expect(trust.correction == 0)
        let far = agreement([-year - 300...(-year + 200), -year - 100...(-year + 400)], of: 3)
        #expect(trust.judge(far, at: start, clock: year) == .disagreed)
        #expect(trust.isWrong && abs(trust.correction + year) <= 400)
        #expect(trust.judge(far, at: start, clock: year) == nil)
        #expect(trust.judge(near, at: start, clock: 0) == .agreed)
        #expect(trust.correction == 0)
    }

    @Test func `one clock of three that is wrong corrects nobody else`() {
        var trust = ClockGuard()
        #expect(trust.judge(agreement([year...year + 10, -50...50], of: 3), at: start, clock: 0) == nil)
        #expect(trust.correction == 0)
    }

    @Test func `two clocks can't tell which is wrong, and who hears from nobody believes its own`() {
        var trust = ClockGuard()
        #expect(trust.judge(agreement([year...year + 10], of: 2), at: start, clock: 0) == nil)
        #expect(trust.judge(agreement([year...year + 10], of: 3), at: start, clock: 0) == nil)
        #expect(trust.judge(nil, at: start, clock: 0) == nil)
        #expect(trust.correction == 0)
        let far = agreement([year...year + 10, year...year + 10], of: 3)
        #expect(trust.judge(far, at: start, clock: 0) == .disagreed)
        #expect(trust.judge(nil, at: start, clock: 0) == .alone)
        #expect(trust.correction == 0)
    }

    @Test func `around the bound it does not waver`() {
        var trust = ClockGuard()
        func all(_ offset: Int64) -> ClockAgreement? { agreement([offset...offset, offset...offset], of: 3) }
        #expect(trust.judge(all(ClockGuard.bound), at: start, clock: 0) == nil)
        #expect(trust.judge(all(ClockGuard.bound + 1), at: start, clock: 0) == .disagreed)
        #expect(trust.judge(all(ClockGuard.bound - 1), at: start, clock: 0) == nil)
        #expect(trust.correction == ClockGuard.bound - 1)
        #expect(trust.judge(all(-500_000), at: start, clock: 0) == .agreed)
        #expect(trust.judge(all(-ClockGuard.bound), at: start, clock: 0) == nil)
    }

    @Test func `it is judged twice a second, and at once when the clock was set`() {
        var trust = ClockGuard()
        #expect(trust.isDue(at: start, clock: 0))
        _ = trust.judge(nil, at: start, clock: 7_000_000)
        func isDue(after span: Instant.Span, clock: Int64) -> Bool {
            trust.isDue(at: start + span, clock: clock)
        }
        #expect(!isDue(after: .milliseconds(499), clock: 7_499_000))
        #expect(isDue(after: .milliseconds(500), clock: 7_500_000))
        #expect(!isDue(after: .milliseconds(10), clock: 7_260_000))
        #expect(isDue(after: .milliseconds(10), clock: 7_260_001))
        #expect(isDue(after: .milliseconds(10), clock: 6_759_999))
    }
}
