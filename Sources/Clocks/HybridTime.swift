public import Primitives

/// A time of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): the greatest physical
/// time that its maker knew of, in milliseconds, and a counter of what happened within it.
///
/// If one event happened before another, its time is the smaller one; and it is never further ahead of true
/// time than the fastest clock among those that took part.
public struct HybridTime: Hashable, Comparable, Sendable {
    /// The physical part.
    public let wall: WallTime
    /// Tells apart what has the same physical part.
    public let counter: UInt16

    /// Makes a time of its two parts.
    public init(_ wall: WallTime, _ counter: UInt16 = 0) {
        self.wall = wall
        self.counter = counter
    }

    /// Orders by the physical part, then by the counter.
    public static func < (a: HybridTime, b: HybridTime) -> Bool {
        (a.wall, a.counter) < (b.wall, b.counter)
    }

    /// As in `2026-11-22T10:52:33.120Z/0003`: the counter has four hexadecimal digits, so that texts of the
    /// years 0 to 9999 are in the order of their times.
    public var text: String {
        let digits = String(counter, radix: 16)
        return "\(wall.rfc3339)/" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }

    /// Writes the milliseconds since 1970 and the counter, ten bytes in all.
    public func encode(into writer: inout ByteWriter) {
        writer.fixed(wall.milliseconds)
        writer.fixed(counter)
    }

    /// Reads what ``encode(into:)`` wrote: any time, also one that no calendar has.
    public init(from reader: inout ByteReader) throws(ByteReaderError) {
        let wall = WallTime(milliseconds: try reader.fixed(Int64.self))
        self.init(wall, try reader.fixed(UInt16.self))
    }

    /// The next greater time.
    var next: HybridTime {
        counter < .max
            ? HybridTime(wall, counter + 1) : HybridTime(WallTime(milliseconds: wall.milliseconds + 1))
    }
}
