public import Primitives

/// How unlikely a silence is, judged by a peer's own habits: the phi accrual failure detector (Hayashibara,
/// Defago, Yared and Katayama 2004). A view for people; nothing is decided by it.
///
/// Phi is -log10 of the probability that a message comes even later than this, if the times between messages
/// are normally distributed as the last ones were. At 1 one in ten silences is as long, at 3 one in a
/// thousand.
public struct PhiDetector: Sendable {
    /// What a level of phi means.
    public enum Verdict: String, Sendable {
        /// Too few messages were heard to tell.
        case unknown
        /// Below ``PhiDetector/doubtful``.
        case expected
        /// Below ``PhiDetector/hopeless``.
        case doubtful
        /// At or above ``PhiDetector/hopeless``.
        case hopeless
    }

    /// Silences as long as this come once in a thousand.
    public static let doubtful = 3.0
    /// Silences as long as this come once in a hundred million.
    public static let hopeless = 8.0
    /// Times between messages that are kept.
    static let window = 64
    /// Fewer times than this tell nothing.
    static let fewest = 4
    /// The smallest standard deviation in seconds: a perfectly regular peer may still be a little late once.
    static let least = 0.1

    private var last: Instant?
    private var gaps: [Double] = []
    private var place = 0

    /// Has heard nothing.
    public init() {}

    /// Something was heard.
    public mutating func hear(at now: Instant) {
        defer { last = max(now, last ?? now) }
        guard let last, last < now else { return }
        let gap = Double((now - last).nanoseconds) / 1e9
        if gaps.count < Self.window {
            gaps.append(gap)
        } else {
            gaps[place] = gap
            place = (place + 1) % Self.window
        }
    }

    /// The level of suspicion now, from 0 up; nil as long as too little was heard.
    public func phi(at now: Instant) -> Double? {
        guard let last, gaps.count >= Self.fewest else { return nil }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        // A fifth of the mean at least: a short run of equal gaps promises no more.
        let deviation = max(Self.least, mean / 5, variance.squareRoot())
        let y = (Double((now - last).nanoseconds) / 1e9 - mean) / deviation
        // The normal distribution's tail by the logistic approximation, as in Akka's detector: 1 / (1 + e^x).
        let x = y * (1.5976 + 0.070566 * y * y)
        // ln(1 + e^x) without overflow.
        let logarithm =
            x > 0 ? x + naturalLogarithm(1 + exponential(-x)) : naturalLogarithm(1 + exponential(x))
        return logarithm / 2.302585092994046
    }

    /// The level of suspicion in a word.
    public func verdict(at now: Instant) -> Verdict {
        guard let phi = phi(at: now) else { return .unknown }
        return phi >= Self.hopeless ? .hopeless : phi >= Self.doubtful ? .doubtful : .expected
    }
}
