// The query of one request, checked against what its route takes.

import HTTP
import Primitives

/// The parameters that were given, each at most once and each known to the route.
struct Parameters {
    private var given: [(name: Parameter, value: [UInt8])] = []
    /// `Prefer: wait=30` (RFC 7240): a wish, so it counts only where it makes sense.
    var preferredWait: Instant.Span?
    /// `Prefer: redirect`.
    var prefersRedirect = false

    /// No parameters.
    init() {}

    /// Reads the query of a request to `route`, and refuses whatever the route does not take.
    init(_ raw: [UInt8], of route: RouteEntry) throws(Problem) {
        if raw.isEmpty { return }
        let query: Query
        do { query = try Query(parsing: raw) } catch {
            throw Problem(.badRequest, "the query can't be read: \(Self.explain(error))")
        }
        for parameter in query.parameters {
            guard let name = Parameter.byName[parameter.name], route.parameters.contains(name) else {
                throw Self.unknown(parameter.name, on: route)
            }
            guard self[name] == nil else {
                throw Problem(.badRequest, "\(name.rawValue) is given twice")
                    .with("parameter", .text(name.rawValue))
            }
            given.append((name, parameter.value))
        }
    }

    private static func explain(_ error: QueryError) -> String {
        switch error {
        case .malformedEncoding(let place): "parameter \(place + 1) is wrongly percent-encoded"
        case .emptyName(let place): "parameter \(place + 1) has no name"
        case .nameNotText(let place): "the name of parameter \(place + 1) is not UTF-8"
        }
    }

    private static func unknown(_ name: String, on route: RouteEntry) -> Problem {
        let shown = readable(name.utf8)
        if Parameter.later.contains(name) {
            return Problem(.notImplemented, "the parameter \(shown) is not supported yet")
                .with("parameter", .text(shown))
        }
        let names = route.parameters.map(\.rawValue)
        let path = "\(route.method.name) \(route.pattern)"
        guard let suggestion = nearest(to: name, among: names) else {
            let list = names.joined(separator: ", ")
            return Problem(.unknownParameter, "\(path) has no parameter \(shown); it takes \(list)")
                .with("parameter", .text(shown))
        }
        return Problem(
            .unknownParameter, "\(path) has no parameter \(shown); did you mean \(suggestion)?"
        )
        .with("parameter", .text(shown)).with("nearest", .text(suggestion))
    }

    /// The value of a parameter, if it was given.
    subscript(name: Parameter) -> [UInt8]? {
        // By place, because walking over the elements would retain and release each value.
        for place in given.indices where given[place].name == name { return given[place].value }
        return nil
    }

    /// Whether a parameter that needs no value was given: `?keys`, `?keys=true` and `?keys=1` say yes.
    func flag(_ name: Parameter) throws(Problem) -> Bool {
        guard let value = self[name] else { return false }
        switch String(decoding: value, as: UTF8.self) {
        case "", "true", "1": return true
        case "false", "0": return false
        default: throw bad(name, value, "needs no value, or true or false")
        }
    }

    /// A value as text.
    func text(_ name: Parameter) throws(Problem) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = String(validating: value, as: UTF8.self) else {
            throw bad(name, value, "has to be UTF-8")
        }
        return text
    }

    /// One of several words.
    func choice<Choice: RawRepresentable>(
        _ name: Parameter, of _: Choice.Type, words: String
    ) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let value = self[name] else { return nil }
        guard let choice = Choice(rawValue: String(decoding: value, as: UTF8.self)) else {
            throw bad(name, value, "is one of \(words)")
        }
        return choice
    }

    /// A whole number within bounds.
    func number(_ name: Parameter, in range: ClosedRange<UInt64>) throws(Problem) -> UInt64? {
        guard let value = self[name] else { return nil }
        guard let number = decimal(value), range.contains(number) else {
            let bounds =
                range.upperBound == .max
                ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
            throw bad(name, value, "is a whole number \(bounds)")
        }
        return number
    }

    /// A revision; 0 only where it means "before everything".
    func revision(_ name: Parameter, orZero: Bool = false) throws(Problem) -> Revision? {
        try number(name, in: (orZero ? 0 : 1)...(.max)).map { Revision($0) }
    }

    /// A length of time, cut to `most`.
    func span(
        _ name: Parameter, most: Instant.Span, orZero: Bool = true
    ) throws(Problem) -> Instant.Span? {
        guard let value = self[name] else { return nil }
        guard let span = parseSpan(value), orZero || span > .zero else {
            throw Problem(
                .badDuration,
                "\(name.rawValue) is a length of time such as 250ms, 30s, 5m or 1h, not "
                    + "'\(readable(value))'"
            ).with("parameter", .text(name.rawValue))
        }
        return min(span, most)
    }

    /// Refuses a value in words.
    func bad(_ name: Parameter, _ value: [UInt8], _ reason: String) -> Problem {
        Problem(.badRequest, "\(name.rawValue) \(reason), not '\(readable(value))'")
            .with("parameter", .text(name.rawValue))
    }

    /// Refuses parameters that mean nothing without another one.
    func demand(_ needed: Parameter, for names: Parameter...) throws(Problem) {
        guard self[needed] == nil else { return }
        for name in names where self[name] != nil {
            throw Problem(.badRequest, "\(name.rawValue) means something only with \(needed.rawValue)")
                .with("parameter", .text(name.rawValue))
        }
    }

    /// Refuses parameters that contradict another one.
    func refuse(_ names: Parameter..., with other: Parameter) throws(Problem) {
        guard self[other] != nil else { return }
        for name in names where self[name] != nil {
            throw Problem(.badRequest, "\(name.rawValue) and \(other.rawValue) exclude each other")
                .with("parameter", .text(name.rawValue))
        }
    }
}
