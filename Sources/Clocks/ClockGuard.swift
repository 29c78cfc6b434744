public import Primitives

/// Whether this machine's clock may be believed: it is compared with what most of the cluster's clocks agree
/// on, and corrected as long as it is far from that.
///
/// So the times of revisions, and hybrid times, stay right to a second on a node whose clock was set to next
/// year, as long as most of the nodes' clocks are right (Marzullo; Lamport and Melliar-Smith, "Synchronizing
/// clocks in the presence of faults", 1985). Two clocks that differ can't tell which of them is wrong: then
/// nothing is corrected.
public struct ClockGuard: Sendable {
    /// A clock further from the agreement than this is wrong, in microseconds.
    public static let bound: Int64 = 1_000_000
    /// And right again when it is nearer than this.
    static let nearness: Int64 = 500_000
    /// A clock that moved so much against the monotonic clock since it was read last was set.
    static let step: Int64 = 250_000
    /// How often it is judged, at least, as long as it is read.
    static let interval = Instant.Span.milliseconds(500)

    /// What is to be added to this machine's clock, in microseconds: 0 as long as it is believed.
    public private(set) var correction: Int64 = 0
    private var judged = Instant.zero
    private var origin: Int64 = 0

    /// Believes the clock until it hears otherwise.
    public init() {}

    /// Whether the clock is wrong.
    public var isWrong: Bool { correction != 0 }

    /// Whether it is time for ``judge(_:at:clock:)``: often enough, and at once when the clock was set.
    /// `clock` is this machine's, in microseconds since 1970.
    public func isDue(at now: Instant, clock: Int64) -> Bool {
        now - judged >= Self.interval || abs(clock - now.nanoseconds / 1_000 - origin) > Self.step
    }

    /// Takes over what most clocks agree on. Answers why this machine's clock is not believed any more, or is
    /// believed again; nil if nothing has changed.
    public mutating func judge(_ agreement: ClockAgreement?, at now: Instant, clock: Int64) -> ClockCause? {
        judged = now
        origin = clock - now.nanoseconds / 1_000
        let wasWrong = isWrong
        // Nobody to say that it is wrong.
        guard let interval = agreement?.interval else {
            correction = 0
            return wasWrong ? .alone : nil
        }
        let distance = interval.least > 0 ? interval.least : min(0, interval.most)
        let limit = wasWrong ? Self.nearness : Self.bound
        correction = abs(distance) > limit ? interval.estimate : 0
        return isWrong == wasWrong ? nil : isWrong ? .disagreed : .agreed
    }
}
