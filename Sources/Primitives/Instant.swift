// Time is an input: pure code is handed instants and never reads a clock.

/// A point on a node's monotonic clock, in nanoseconds from an arbitrary origin.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since the origin.
    public let nanoseconds: Int64
    /// Makes the instant this many nanoseconds after the origin.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The origin.
    public static let zero = Instant(nanoseconds: 0)
    /// An instant that never comes.
    public static let never = Instant(nanoseconds: .max)

    /// Orders by time.
    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    /// The instant a span later; never beyond ``never``.
    public static func + (a: Instant, span: Span) -> Instant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return overflow ? .never : Instant(nanoseconds: sum)
    }
    /// The span from `b` to `a`, negative if `a` is earlier.
    public static func - (a: Instant, b: Instant) -> Span {
        Span(nanoseconds: a.nanoseconds &- b.nanoseconds)
    }
}

extension Instant {
    /// A length of time in nanoseconds. Eight bytes, where the standard library's `Duration` has sixteen.
    public struct Span: Hashable, Comparable, Sendable {
        /// The length; negative spans lead back in time.
        public let nanoseconds: Int64
        /// Makes a span of this many nanoseconds.
        public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

        /// No time at all.
        public static let zero = Span(nanoseconds: 0)
        /// A span of milliseconds; saturates beyond 292 years.
        public static func milliseconds(_ count: Int) -> Span { scaled(count, 1_000_000) }
        /// A span of microseconds; saturates beyond 292 years.
        public static func microseconds(_ count: Int) -> Span { scaled(count, 1_000) }
        /// A span of seconds; saturates beyond 292 years.
        public static func seconds(_ count: Int) -> Span { scaled(count, 1_000_000_000) }

        /// Whole milliseconds, rounded towards zero.
        public var milliseconds: Int64 { nanoseconds / 1_000_000 }
        /// Whole microseconds, rounded towards zero.
        public var microseconds: Int64 { nanoseconds / 1_000 }

        /// Orders by length.
        public static func < (a: Span, b: Span) -> Bool { a.nanoseconds < b.nanoseconds }
        /// The sum. Stops the process on overflow.
        public static func + (a: Span, b: Span) -> Span { Span(nanoseconds: a.nanoseconds + b.nanoseconds) }
        /// The difference. Stops the process on overflow.
        public static func - (a: Span, b: Span) -> Span { Span(nanoseconds: a.nanoseconds - b.nanoseconds) }
        /// The span `factor` times. Stops the process on overflow.
        public static func * (a: Span, factor: Int) -> Span {
            Span(nanoseconds: a.nanoseconds * Int64(factor))
        }

        private static func scaled(_ count: Int, _ unit: Int64) -> Span {
            let (product, overflow) = Int64(count).multipliedReportingOverflow(by: unit)
            return Span(nanoseconds: overflow ? (count < 0 ? .min : .max) : product)
        }
    }
}

/// A point in civil time as the wall clock tells it: milliseconds since 1970-01-01T00:00:00Z, without leap
/// seconds.
public struct WallTime: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970.
    public let milliseconds: Int64
    /// Makes the time this many milliseconds after 1970.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
    /// Orders by time.
    public static func < (a: WallTime, b: WallTime) -> Bool { a.milliseconds < b.milliseconds }

    /// RFC 3339 in UTC with milliseconds, as in `2026-11-22T10:52:33.120Z`.
    public var rfc3339: String {
        let civil = self.civil
        let clock = "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second))"
        let fraction = String(1000 + civil.millisecond).dropFirst()
        let year = String(civil.year)
        let padded = String(repeating: "0", count: max(0, 4 - year.utf8.count)) + year
        return "\(padded)-\(two(civil.month))-\(two(civil.day))T\(clock).\(fraction)Z"
    }

    /// The `Date` header's form (RFC 9110, section 5.6.7), as in `Sun, 22 Nov 2026 10:52:33 GMT`.
    public var httpDate: String {
        let civil = self.civil
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekday = weekdays[((civil.daysSince1970 % 7) + 7) % 7]
        let clock = "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second))"
        return "\(weekday), \(two(civil.day)) \(months[civil.month - 1]) \(civil.year) \(clock) GMT"
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private struct Civil {
        var daysSince1970, year, month, day, hour, minute, second, millisecond: Int
    }

    /// Days to civil date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private var civil: Civil {
        let dayMilliseconds = 86_400_000
        let total = Int(milliseconds)
        let days = total >= 0 ? total / dayMilliseconds : (total - dayMilliseconds + 1) / dayMilliseconds
        let rest = total - days * dayMilliseconds
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return Civil(
            daysSince1970: days, year: year, month: month, day: day, hour: rest / 3_600_000,
            minute: rest / 60_000 % 60, second: rest / 1000 % 60, millisecond: rest % 1000)
    }
}
