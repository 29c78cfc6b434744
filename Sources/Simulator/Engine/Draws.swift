// What the simulator draws. Whole numbers only: floating point may differ between machines, and a seed must
// mean the same run on all of them.

import Primitives

extension SeededGenerator {
    /// A number from 0 up to but not including `bound`; 0 if there is no such number.
    mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next(below: UInt64(bound))) : 0 }

    /// A number of the range.
    mutating func number(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// True so many times in a million.
    mutating func chance(_ perMillion: Int) -> Bool {
        perMillion > 0 && below(1_000_000) < perMillion
    }

    /// True every second time.
    mutating func coin() -> Bool { next() & 1 == 0 }

    /// A span of the range, bounds included.
    mutating func span(_ from: Instant.Span, _ to: Instant.Span) -> Instant.Span {
        Instant.Span(nanoseconds: from.nanoseconds + Int64(below(Int(to.nanoseconds - from.nanoseconds) + 1)))
    }

    /// A number of the range whose order of magnitude is evenly distributed: as likely between 1 and 10 as
    /// between 10 and 100. The lower bound must be positive.
    mutating func magnitude(_ range: ClosedRange<Int>) -> Int {
        // Binary logarithms in 16ths, straight lines in between.
        func logarithm(_ number: Int) -> Int {
            let exponent = 63 - number.leadingZeroBitCount
            let fraction = exponent >= 4 ? number >> (exponent - 4) : number << (4 - exponent)
            return exponent * 16 + (fraction - 16)
        }
        func power(_ logarithm: Int) -> Int {
            let (exponent, fraction) = (logarithm / 16, logarithm % 16 + 16)
            return exponent >= 4 ? fraction << (exponent - 4) : fraction >> (4 - exponent)
        }
        let (low, high) = (logarithm(range.lowerBound), logarithm(range.upperBound))
        let step = number(in: low...max(low, high))
        let (from, upTo) = (power(step), max(power(step), power(step + 1) - 1))
        return min(max(number(in: from...upTo), range.lowerBound), range.upperBound)
    }

    /// A span of the range whose order of magnitude is evenly distributed.
    mutating func magnitude(_ from: Instant.Span, _ to: Instant.Span) -> Instant.Span {
        Instant.Span(nanoseconds: Int64(magnitude(Int(from.nanoseconds)...Int(to.nanoseconds))))
    }

    /// About an exponentially distributed span with this mean; at most 64 times as long.
    mutating func exponential(_ mean: Instant.Span) -> Instant.Span {
        let bits = next()
        // -ln(u) = ln 2 * -log2(u); the fraction of the logarithm is taken as linear.
        let zeros = min(bits.leadingZeroBitCount, 48)
        let fraction = (bits << UInt64(zeros + 1)) >> 48
        let logarithm = Int64(zeros + 1) << 16 - Int64(fraction)
        // ln 2 * 65536 = 45426
        let halved = (mean.nanoseconds * logarithm) >> 16
        return Instant.Span(nanoseconds: (halved * 45_426) >> 16)
    }

    /// One of these.
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
