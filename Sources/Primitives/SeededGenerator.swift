/// A small, fast pseudo-random generator (SplitMix64, Steele, Lea and Flood 2014) whose sequence depends on
/// nothing but the seed.
///
/// The mapping from bits to ranges is our own: the standard library's may change between toolchains, and a
/// seed must reproduce a run for ever.
public struct SeededGenerator: Sendable, Equatable {
    private var state: UInt64

    /// Starts the sequence that belongs to `seed`.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// A number from 0 up to but not including `bound` (Lemire's multiplication; bias below 2^-32 for bounds
    /// below 2^32). `bound` must not be zero.
    public mutating func next(below bound: UInt64) -> UInt64 {
        precondition(bound > 0)
        return next().multipliedFullWidth(by: bound).high
    }

    /// A span from `range.lowerBound` up to but not including `range.upperBound`.
    public mutating func next(in range: Range<Instant.Span>) -> Instant.Span {
        let width = UInt64(range.upperBound.nanoseconds - range.lowerBound.nanoseconds)
        return Instant.Span(nanoseconds: range.lowerBound.nanoseconds + Int64(next(below: width)))
    }

    /// A generator of its own for one concern, so that a draw for another concern does not change it.
    public mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }
}
