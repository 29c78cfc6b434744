internal import Primitives

/// The events of one process.
struct EventStream: Hashable, Comparable, Sendable {
    var origin: NodeID
    var process: UInt64

    static let first = EventStream(origin: .zero, process: 0)
    static let last = EventStream(origin: NodeID(.max), process: .max)

    static func < (a: EventStream, b: EventStream) -> Bool {
        (a.origin, a.process) < (b.origin, b.process)
    }
}

/// Which events of one process were seen: ranges of their counters, in order and apart from each other.
struct SeenCounters: Equatable, Sendable {
    /// So many ranges are kept apart; beyond that, the lowest gap is given up.
    static let most = 64

    private(set) var ranges: [ClosedRange<UInt64>] = []

    func contains(_ counter: UInt64) -> Bool { ranges.contains { $0.contains(counter) } }

    /// Adds a counter that is not there yet. Returns how many others are counted as seen because their gap
    /// had to be given up.
    mutating func insert(_ counter: UInt64) -> UInt64 {
        let place = ranges.firstIndex { $0.lowerBound > counter } ?? ranges.count
        ranges.insert(counter...counter, at: place)
        join(place)
        if place > 0 { join(place - 1) }
        guard ranges.count > Self.most else { return 0 }
        let gap = ranges[1].lowerBound - ranges[0].upperBound - 1
        ranges[0...1] = [ranges[0].lowerBound...ranges[1].upperBound]
        return gap
    }

    private mutating func join(_ place: Int) {
        guard place + 1 < ranges.count, ranges[place].upperBound + 1 == ranges[place + 1].lowerBound else {
            return
        }
        ranges[place...(place + 1)] = [ranges[place].lowerBound...ranges[place + 1].upperBound]
    }

    /// How many ranges, then for each how far it is from the last one and how much longer than one it is.
    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(ranges.count))
        var end: UInt64 = 0
        for range in ranges {
            writer.varint(range.lowerBound - end)
            writer.varint(range.upperBound - range.lowerBound)
            end = range.upperBound
        }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReaderError) {
        let count = try reader.count()
        guard count <= Self.most else { throw .malformed }
        var end: UInt64 = 0
        for place in 0..<count {
            let (lower, over) = end.addingReportingOverflow(try reader.varint())
            let (upper, beyond) = lower.addingReportingOverflow(try reader.varint())
            // Ranges that touch would be one.
            guard !over, !beyond, upper < .max, lower > 0, place == 0 || lower > end + 1 else {
                throw .malformed
            }
            ranges.append(lower...upper)
            end = upper
        }
    }
}
