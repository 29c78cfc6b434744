import Primitives
import Testing

@testable import Telemetry

@Suite struct LatencyHistogramTests {
    /// The nearest-rank quantile of numbers that are all kept.
    private func exact(_ sorted: [UInt64], _ fraction: Double) -> UInt64 {
        let rank = max(1, Int((fraction * Double(sorted.count) * (1 - 1e-12)).rounded(.up)))
        return sorted[rank - 1]
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `quantiles are at most 1.6 % above the exact ones and never below`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var histogram = LatencyHistogram()
        var numbers: [UInt64] = []
        for _ in 0..<5000 {
            // Spread over many magnitudes, as latencies with a long tail are.
            let number = generator.next() >> generator.next(below: 60)
            numbers.append(number)
            histogram.record(number)
        }
        numbers.sort()
        for fraction in [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1] {
            let truth = exact(numbers, fraction)
            let told = histogram.quantile(fraction)
            #expect(told >= truth)
            #expect(Double(told) <= Double(truth) * (1 + 1.0 / 64) + 1)
        }
        #expect(histogram.max == numbers.last)
        #expect(histogram.count == 5000)
    }

    @Test func `small numbers are exact`() {
        var histogram = LatencyHistogram()
        for number in 1...100 as ClosedRange<UInt64> { histogram.record(number) }
        for percent in 1...100 as ClosedRange<UInt64> {
            #expect(histogram.quantile(Double(percent) / 100) == percent)
        }
        #expect(histogram.mean == 50.5)
    }

    @Test func `buckets are contiguous and hold what belongs to them`() {
        var before: UInt64?
        for bucket in 0..<(59 * 64) {
            let last = LatencyHistogram.upperBound(of: bucket)
            #expect(LatencyHistogram.bucket(of: last) == bucket)
            if let before { #expect(LatencyHistogram.bucket(of: before + 1) == bucket) }
            before = last
        }
        #expect(before == .max)
    }

    @Test func `an empty histogram says nothing`() {
        let histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == 0)
        #expect(histogram.mean == 0)
    }

    @Test func `a merged histogram is that of all numbers`() {
        var generator = SeededGenerator(seed: 1)
        var (a, b, all) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        for place in 0..<1000 {
            let number = generator.next(below: 1 << 40)
            all.record(number)
            if place % 3 == 0 { a.record(number) } else { b.record(number) }
        }
        a.merge(b)
        #expect(a == all)
    }
}
