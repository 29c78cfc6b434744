// Instants in requests.

import Primitives

/// Reads an instant as RFC 3339 has it: `2026-11-22T10:00:00Z`, `2026-11-22T11:00:00.25+01:00`. Nil for
/// anything else, also for a date that does not exist.
///
/// Digits beyond milliseconds are dropped, which changes no comparison with times in milliseconds. A leap
/// second is the last millisecond before it. A space may stand for the plus sign, which a query turns into
/// one unless it is encoded.
func parseInstant(_ text: [UInt8]) -> WallTime? {
    var reader = InstantReader(text)
    guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
        let day = reader.number(2), reader.take("Tt "), let hour = reader.number(2), reader.take(":"),
        let minute = reader.number(2), reader.take(":"), let second = reader.number(2),
        let fraction = reader.milliseconds(), let offset = reader.offset(), reader.isAtEnd,
        (1...12).contains(month), (1...daysOf(month, year)).contains(day), hour < 24, minute < 60,
        second <= 60
    else { return nil }
    let (seconds, milliseconds) = second == 60 ? (59, 999) : (second, fraction)
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset
    return WallTime(milliseconds: Int64((minutes * 60 + seconds) * 1000 + milliseconds))
}

private func daysOf(_ month: Int, _ year: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
}

/// Days since 1970 after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
private func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    // The year 0 begins before the era that the algorithm counts from.
    let shifted = (month <= 2 ? year - 1 : year) + 400
    let yearOfEra = shifted % 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return (shifted / 400 - 1) * 146_097 + dayOfEra - 719_468
}

private struct InstantReader {
    private let text: [UInt8]
    private var place = 0

    init(_ text: [UInt8]) { self.text = text }

    var isAtEnd: Bool { place == text.count }

    /// Passes over one of these characters.
    mutating func take(_ wanted: String) -> Bool {
        guard place < text.count, wanted.utf8.contains(text[place]) else { return false }
        place += 1
        return true
    }

    private mutating func digit() -> Int? {
        guard place < text.count, case 48...57 = text[place] else { return nil }
        place += 1
        return Int(text[place - 1]) - 48
    }

    mutating func number(_ count: Int) -> Int? {
        var number = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// A fraction of a second, 0 if there is none; nil for a point without digits.
    mutating func milliseconds() -> Int? {
        guard take(".") else { return 0 }
        guard var sum = digit().map({ $0 * 100 }) else { return nil }
        var unit = 10
        while let digit = digit() {
            sum += digit * unit
            unit /= 10
        }
        return sum
    }

    /// How many minutes the clock is ahead of UTC.
    mutating func offset() -> Int? {
        if take("Zz") { return 0 }
        let isBehind = take("-")
        guard isBehind || take("+ "), let hours = number(2), take(":"), let minutes = number(2),
            hours < 24, minutes < 60
        else { return nil }
        return (isBehind ? -1 : 1) * (hours * 60 + minutes)
    }
}

extension Parameters {
    private static let form = "an RFC 3339 instant such as 2026-11-22T10:00:00Z"

    /// An instant.
    func instant(_ name: Parameter) throws(Problem) -> WallTime? {
        guard let value = self[name] else { return nil }
        guard let instant = parseInstant(value) else { throw bad(name, value, "is \(Self.form)") }
        return instant
    }

    /// A revision or an instant.
    func moment(_ name: Parameter) throws(Problem) -> Moment? {
        guard let value = self[name] else { return nil }
        if let number = decimal(value), number > 0 { return .revision(Revision(number)) }
        guard let instant = parseInstant(value) else {
            throw bad(name, value, "is a revision or \(Self.form)")
        }
        return .instant(instant)
    }
}

/// A point of the store's history.
enum Moment: Sendable, Equatable {
    case revision(Revision)
    /// The last revision whose commit time is not after this.
    case instant(WallTime)
}
