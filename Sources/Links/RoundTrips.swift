// How long a message and its acknowledgement take, and how much may be under way meanwhile.

internal import Primitives

/// Round trips as TCP measures them (RFC 6298): the smoothed time and its mean deviation.
struct RoundTrips: Sendable {
    private(set) var smoothed: Instant.Span?
    private var deviation = Instant.Span.zero

    /// A message that was sent once only was acknowledged after this time. Of one that was sent again nobody
    /// knows which of the copies was meant (Karn and Partridge 1987).
    mutating func note(_ sample: Instant.Span) {
        let sample = Instant.Span(nanoseconds: max(0, sample.nanoseconds))
        guard let smoothed else {
            self.smoothed = sample
            deviation = Instant.Span(nanoseconds: sample.nanoseconds / 2)
            return
        }
        let error = abs(smoothed.nanoseconds - sample.nanoseconds)
        deviation = Instant.Span(nanoseconds: deviation.nanoseconds + (error - deviation.nanoseconds) / 4)
        self.smoothed = Instant.Span(
            nanoseconds: smoothed.nanoseconds + (sample.nanoseconds - smoothed.nanoseconds) / 8)
    }

    /// After so long a message that was sent `attempts` times is sent again.
    func timeout(attempts: Int, _ options: LinkOptions) -> Instant.Span {
        let first = smoothed.map { $0 + deviation * 4 + options.acknowledgementDelay } ?? options.firstTimeout
        let bounded = max(options.shortestTimeout, min(first, options.longestTimeout))
        let doubled = bounded.nanoseconds << Int64(min(max(attempts - 1, 0), 10))
        return min(Instant.Span(nanoseconds: doubled), options.longestTimeout)
    }

    /// Messages overtake each other by so much without one being lost (RFC 8985, section 6.2).
    var reordering: Instant.Span {
        max(Instant.Span(nanoseconds: (smoothed?.nanoseconds ?? 0) / 4), .milliseconds(1))
    }
}

/// How many bytes may be under way: more with every acknowledgement, half as many after a loss (RFC 5681 in
/// the small; RFC 8085, section 3.1 asks it of whoever uses UDP).
struct CongestionWindow: Sendable {
    /// As in RFC 6928, ten datagrams to begin with; two always.
    private static let first = 10 * Datagram.longest, least = 2 * Datagram.longest

    private(set) var bytes = Self.first
    private var threshold = Int.max
    private var reducedAt: Instant?

    mutating func acknowledge(_ count: Int, most: Int) {
        bytes = min(most, bytes + (bytes < threshold ? count : max(1, count * Datagram.longest / bytes)))
    }

    /// A message that left at `sent` was lost. What left before the last reduction tells nothing new.
    mutating func lose(sent: Instant, at now: Instant) {
        if let reducedAt, sent <= reducedAt { return }
        reducedAt = now
        bytes = max(Self.least, bytes / 2)
        threshold = bytes
    }
}
