// Closed loop and fixed rate. With a fixed rate, a request is due at its time whether or not the server keeps
// up, and its latency counts from then: a stall is charged to every request that it delays (Tene, "How NOT to
// Measure Latency").

import Primitives

/// When requests are due.
struct Pace {
    /// Nanoseconds between arrivals; nil for a closed loop.
    private let interval: Double?
    private let start: Instant
    private let end: Instant
    private var arrivals = 0

    /// `rate` is in requests a second; nil makes each connection send as soon as it has its answer.
    init(rate: Double?, start: Instant, end: Instant) {
        interval = rate.map { 1e9 / $0 }
        self.start = start
        self.end = end
    }

    var isFixed: Bool { interval != nil }

    /// When the next request is due; nil if there is none before the end.
    func next(_ now: Instant) -> Instant? {
        guard let interval else { return now < end ? now : nil }
        let due = Instant(nanoseconds: start.nanoseconds + Int64(Double(arrivals) * interval))
        return due < end ? due : nil
    }

    /// Takes the next request if it is due, and answers since when.
    mutating func take(_ now: Instant) -> Instant? {
        guard let due = next(now), due <= now else { return nil }
        arrivals += 1
        return due
    }

    /// How many requests were due by `now` and were never taken.
    mutating func overdue(_ now: Instant) -> Int {
        guard isFixed else { return 0 }
        var count = 0
        while take(now) != nil { count += 1 }
        return count
    }
}
