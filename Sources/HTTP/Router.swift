/// One line of the route table.
///
/// A pattern is a path whose segments are literals or captures: `{name}` is one segment, `{name...}` the rest
/// of the path, slashes included, and only allowed at the end. A capture is never empty.
public struct Route<Handler: Sendable>: Sendable {
    /// The method that is routed.
    public let method: Method
    /// The pattern, which is also the route's name in documents and metrics.
    public let pattern: String
    /// What the table's owner does with it.
    public let handler: Handler

    /// A line of the table.
    public init(_ method: Method, _ pattern: String, _ handler: Handler) {
        self.method = method
        self.pattern = pattern
        self.handler = handler
    }
}

/// What the captures of a pattern stand for, percent-decoded once.
public struct Captures: Sendable {
    let names: [String]
    let values: [[UInt8]]

    /// The bytes that the capture with this name stands for. Stops the process if the pattern has none: names
    /// are literals of the program.
    public subscript(name: String) -> [UInt8] {
        guard let place = names.firstIndex(of: name) else { preconditionFailure("no capture named \(name)") }
        return values[place]
    }

    /// The first capture of a pattern. Stops the process if the pattern has none.
    public var first: [UInt8] { values[0] }

    /// The second capture of a pattern; nil if it has only one.
    public var second: [UInt8]? { values.count > 1 ? values[1] : nil }
}

/// Where a request leads.
public enum RouteMatch<Handler: Sendable>: Sendable {
    /// To this route. `HEAD` leads to the route for `GET` unless it has its own.
    case found(Route<Handler>, Captures)
    /// The path is known, the method is not: 405 with this `Allow`.
    case methodNotAllowed(allow: String)
    /// `OPTIONS` without a route of its own: 204 with this `Allow`.
    case options(allow: String)
    /// No pattern fits: 404.
    case notFound
    /// A capture's percent-encoding is malformed: 400. (A connection lets no such path through.)
    case malformed
}

/// Finds the route of a request in a table that is data.
///
/// Literals are compared with the path as it was sent: nothing is decoded, no `.` or `..` segment is resolved
/// and no slash is merged before a route is chosen, so a path cannot mean one route here and another one to a
/// proxy. Captures are then decoded once, so `%2F` inside a capture is data. Every path also answers below
/// `/api/v1`.
public struct Router<Handler: Sendable>: Sendable {
    /// The table, in the order given.
    public let routes: [Route<Handler>]
    private let table: PathTable

    /// Prepares the table. Stops the process if a pattern is malformed or a method is routed twice.
    public init(_ routes: [Route<Handler>]) {
        self.routes = routes
        table = PathTable(routes.map { ($0.method, $0.pattern) })
    }

    /// Finds where a request with this method and raw path leads.
    public func match(_ method: Method, _ path: [UInt8]) -> RouteMatch<Handler> {
        switch table.match(method, path) {
        case .found(let place, let captures): .found(routes[place], captures)
        case .methodNotAllowed(let allow): .methodNotAllowed(allow: allow)
        case .options(let allow): .options(allow: allow)
        case .notFound: .notFound
        case .malformed: .malformed
        }
    }
}
