/// A half of an operation that stands in an ``EventList``.
struct Interval {
    var start: Int64
    var end: Int64
}

/// Calls and returns in the order of time, as a list from which operations are lifted and put back (Lowe,
/// "Testing for linearizability", 2017). Ends meet as overlaps: at one time calls come before returns.
struct EventList {
    /// The list is a ring: the head is both before the first node and after the last.
    static let head: Int32 = 0

    private var next: [Int32]
    private var previous: [Int32]
    /// By node: `operation << 1`, and 1 more for a return.
    private let contents: [Int32]
    private let times: [Int64]
    private let calls: [Int32]
    private let returns: [Int32]

    init(_ intervals: [Interval]) {
        let count = intervals.count
        var order = (0..<Int32(2 * count)).map { $0 }
        func time(_ event: Int32) -> Int64 {
            let interval = intervals[Int(event >> 1)]
            return event & 1 == 0 ? interval.start : interval.end
        }
        order.sort { a, b in (time(a), a & 1, a) < (time(b), b & 1, b) }
        contents = [0] + order
        times = [.min] + order.map(time)
        var calls = [Int32](repeating: 0, count: count)
        var returns = calls
        for (place, event) in order.enumerated() {
            if event & 1 == 0 {
                calls[Int(event >> 1)] = Int32(place + 1)
            } else {
                returns[Int(event >> 1)] = Int32(place + 1)
            }
        }
        self.calls = calls
        self.returns = returns
        let nodes = Int32(2 * count + 1)
        next = (0..<nodes).map { ($0 + 1) % nodes }
        previous = (0..<nodes).map { ($0 + nodes - 1) % nodes }
    }

    func node(after node: Int32) -> Int32 { next[Int(node)] }
    func isReturn(_ node: Int32) -> Bool { contents[Int(node)] & 1 == 1 }
    func operation(_ node: Int32) -> Int { Int(contents[Int(node)] >> 1) }
    func time(_ node: Int32) -> Int64 { times[Int(node)] }

    /// Takes both halves of an operation out.
    mutating func lift(_ operation: Int) {
        for node in [calls[operation], returns[operation]] {
            next[Int(previous[Int(node)])] = next[Int(node)]
            previous[Int(next[Int(node)])] = previous[Int(node)]
        }
    }

    /// Undoes the last `lift` that was not undone.
    mutating func putBack(_ operation: Int) {
        for node in [returns[operation], calls[operation]] {
            next[Int(previous[Int(node)])] = node
            previous[Int(next[Int(node)])] = node
        }
    }
}
