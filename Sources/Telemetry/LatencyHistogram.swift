// A histogram for latencies of any size at one fixed relative error, as in HdrHistogram (Tene): 64 linear
// buckets for each power of two.

/// Counts whole numbers, usually nanoseconds, and tells their quantiles to within 1.6 %.
public struct LatencyHistogram: Sendable, Equatable {
    private static let subBuckets = 64
    private static let subBits = 6

    private var buckets = [UInt64](repeating: 0, count: 59 * subBuckets)
    /// How many numbers were counted.
    public private(set) var count: UInt64 = 0
    /// Their sum; saturates.
    public private(set) var sum: UInt64 = 0
    /// The largest, exactly; 0 if there was none.
    public private(set) var max: UInt64 = 0

    /// Starts empty.
    public init() {}

    /// Counts `value`.
    public mutating func record(_ value: UInt64) {
        buckets[LatencyHistogram.bucket(of: value)] += 1
        count += 1
        let (total, overflow) = sum.addingReportingOverflow(value)
        sum = overflow ? .max : total
        max = Swift.max(max, value)
    }

    /// Adds all that `other` counted.
    public mutating func merge(_ other: LatencyHistogram) {
        for place in buckets.indices { buckets[place] += other.buckets[place] }
        count += other.count
        let (total, overflow) = sum.addingReportingOverflow(other.sum)
        sum = overflow ? .max : total
        max = Swift.max(max, other.max)
    }

    /// The least number that at least `fraction` of all numbers don't exceed (the nearest-rank quantile),
    /// rounded up to the end of its bucket but never beyond ``max``. 0 if nothing was counted.
    public func quantile(_ fraction: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        // A hair less, so that 0.07 of 100 is the 7th and not, by rounding of the product, the 8th.
        let rank = Swift.max(1, UInt64((fraction * Double(count) * (1 - 1e-12)).rounded(.up)))
        var seen: UInt64 = 0
        for place in buckets.indices where buckets[place] > 0 {
            seen += buckets[place]
            if seen >= rank { return Swift.min(LatencyHistogram.upperBound(of: place), max) }
        }
        return max
    }

    /// The mean, 0 if nothing was counted.
    public var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }

    /// Values below 64 have a bucket each; above, the six bits after the leading one choose it.
    static func bucket(of value: UInt64) -> Int {
        guard value >= UInt64(subBuckets) else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let shift = exponent - subBits
        return (shift + 1) * subBuckets + Int(value >> UInt64(shift)) - subBuckets
    }

    /// The largest value that belongs to the bucket.
    static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= subBuckets else { return UInt64(bucket) }
        let shift = UInt64(bucket / subBuckets - 1)
        let first = UInt64(bucket % subBuckets + subBuckets)
        return first << shift | (1 << shift - 1)
    }
}
