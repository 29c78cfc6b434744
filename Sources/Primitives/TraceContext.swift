/// The trace that a request belongs to, as its caller told it: the W3C Recommendation "Trace Context".
///
/// A class, so that whoever belongs to no trace carries an empty pointer and nothing else.
public final class TraceContext: Sendable {
    /// The upper half of the trace's identifier.
    public let traceHigh: UInt64
    /// The lower half of the trace's identifier.
    public let traceLow: UInt64
    /// The span that what follows is a part of; never zero.
    public let span: UInt64
    /// Whether the caller may have recorded the trace.
    public let isSampled: Bool
    /// What tracing systems tell each other beyond that (`tracestate`), as it came; empty if nothing.
    public let state: String

    /// The most bytes that ``state`` may have: the least that the Recommendation (3.3.1.5) wants passed on.
    public static let stateLimit = 512

    /// Makes a context of these parts; nil if an identifier is zero or the state is not one.
    public init?(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool, state: String = "") {
        guard traceHigh | traceLow != 0, span != 0, Self.isState(state) else { return nil }
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads a `traceparent`, as in `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; nil if it is
    /// none. Of later versions, what version 00 has is read and the rest is left (3.2.4).
    public convenience init?(traceparent text: ArraySlice<UInt8>, state: String = "") {
        let dash = UInt8(ascii: "-")
        func isDash(_ place: Int) -> Bool { text[text.startIndex + place] == dash }
        func number(_ place: Int, digits: Int) -> UInt64? {
            var number: UInt64 = 0
            for byte in text[(text.startIndex + place)..<(text.startIndex + place + digits)] {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "f"):
                    number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
                default: return nil
                }
            }
            return number
        }
        guard text.count >= 55, isDash(2), isDash(35), isDash(52), let version = number(0, digits: 2),
            version != 0xff, text.count == 55 || (version > 0 && isDash(55)),
            let high = number(3, digits: 16), let low = number(19, digits: 16),
            let span = number(36, digits: 16), let flags = number(53, digits: 2)
        else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1, state: state)
    }

    /// Whether text may be a ``state``: it is not looked into, but has to be printable and not too long.
    public static func isState(_ text: String) -> Bool {
        text.utf8.count <= stateLimit && text.utf8.allSatisfy { (32...126).contains($0) || $0 == 9 }
    }

    /// The same trace with a span of one's own; zero becomes 1.
    public func child(_ span: UInt64) -> TraceContext {
        guard
            let child = TraceContext(
                traceHigh: traceHigh, traceLow: traceLow, span: max(1, span), isSampled: isSampled,
                state: state)
        else { preconditionFailure("a sound context has become unsound: \(self)") }
        return child
    }

    /// The trace's identifier: 32 hexadecimal digits.
    public var traceID: String { hexadecimal(traceHigh, digits: 16) + hexadecimal(traceLow, digits: 16) }
    /// The span's identifier: 16 hexadecimal digits.
    public var spanID: String { hexadecimal(span, digits: 16) }
    /// The value of the header of that name, in version 00. Flags other than "sampled" are zero, as the
    /// Recommendation (3.2.2.5) demands.
    public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }
}

extension TraceContext: Equatable, CustomStringConvertible {
    /// Whether all parts are equal.
    public static func == (a: TraceContext, b: TraceContext) -> Bool {
        a.traceHigh == b.traceHigh && a.traceLow == b.traceLow && a.span == b.span
            && a.isSampled == b.isSampled && a.state == b.state
    }

    /// The ``traceparent``.
    public var description: String { traceparent }
}
