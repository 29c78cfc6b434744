// Values on the command line and in the environment: lengths of time, sizes, and where a setting comes from.

import ArgumentParser
import Glibc
import Primitives

/// A length of time as people write it: `250ms`, `30s`, `5m`, `1h`, `1.5s`; a bare number means seconds.
struct TimeSpan: ExpressibleByArgument, Equatable {
    var span: Instant.Span

    init(_ span: Instant.Span) { self.span = span }

    init?(argument: String) {
        let units: [(suffix: String, nanoseconds: Double)] = [
            ("ms", 1e6), ("us", 1e3), ("µs", 1e3), ("s", 1e9), ("m", 6e10), ("h", 3.6e12), ("", 1e9),
        ]
        guard let unit = units.first(where: { argument.hasSuffix($0.suffix) }) else { return nil }
        let digits = argument.dropLast(unit.suffix.count)
        guard let first = digits.first, first.isNumber, digits.allSatisfy({ $0.isNumber || $0 == "." }),
            let number = Double(digits), number * unit.nanoseconds <= 1e18
        else { return nil }
        span = Instant.Span(nanoseconds: Int64((number * unit.nanoseconds).rounded()))
    }

    /// The shortest exact form.
    var defaultValueDescription: String {
        let milliseconds = span.milliseconds
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}

/// A number of bytes as people write it: `4096`, `64KiB`, `64MiB`, `1GiB` (also `K`, `M`, `G`: powers of
/// 1024).
struct ByteSize: ExpressibleByArgument, Equatable {
    var bytes: Int

    init(_ bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let units: [(suffix: String, shift: Int)] = [
            ("KiB", 10), ("MiB", 20), ("GiB", 30), ("K", 10), ("M", 20), ("G", 30), ("", 0),
        ]
        guard let unit = units.first(where: { argument.hasSuffix($0.suffix) }) else { return nil }
        let digits = argument.dropLast(unit.suffix.count)
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits),
            number <= Int.max >> unit.shift
        else { return nil }
        bytes = number << unit.shift
    }

    /// The form with the largest unit that leaves a whole number.
    var defaultValueDescription: String {
        for (suffix, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(suffix)"
        }
        return "\(bytes)"
    }
}

/// Environment variables, or what a test puts in their place.
struct Environment: Sendable {
    private let lookUp: @Sendable (String) -> String?

    /// Looks variables up with `lookUp`.
    init(_ lookUp: @escaping @Sendable (String) -> String?) { self.lookUp = lookUp }

    /// The variables of this process.
    static let process = Environment { name in getenv(name).map { String(cString: $0) } }

    /// A variable that is set and not empty.
    subscript(name: String) -> String? {
        lookUp(name).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The flag's value if it was given, else the variable's, else nil. A variable that makes no sense is a
    /// usage error that names it.
    func value<Value: ExpressibleByArgument>(
        _ flag: Value?, _ name: String
    ) throws(CommandFailure) -> Value? {
        if let flag { return flag }
        guard let text = self[name] else { return nil }
        guard let value = Value(argument: text) else {
            let choices = Value.allValueStrings
            let hint = choices.isEmpty ? "" : "; it may be \(choices.joined(separator: ", "))"
            throw .usage("the value \"\(text)\" of the environment variable \(name) makes no sense\(hint)")
        }
        return value
    }

    /// Values separated by commas, from the flags or else from the variable.
    func list(_ flags: [String], _ name: String) -> [String] {
        let texts = flags.isEmpty ? [self[name] ?? ""] : flags
        return texts.flatMap { $0.split(separator: ",") }.map(String.init)
    }
}
