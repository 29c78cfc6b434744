// The router without its handlers: not generic, so that it is compiled once and fast.

/// Patterns and where they lead, as places in the route table.
struct PathTable: Sendable {
    enum Match {
        case found(Int, Captures)
        case methodNotAllowed(allow: String)
        case options(allow: String)
        case notFound, malformed
    }

    private let patterns: [PathPattern]
    private let allAllowed: String

    init(_ routes: [(method: Method, pattern: String)]) {
        var patterns: [PathPattern] = []
        for (place, route) in routes.enumerated() {
            let index = patterns.firstIndex { $0.text == route.pattern } ?? patterns.count
            if index == patterns.count { patterns.append(PathPattern(route.pattern)) }
            patterns[index].add(route.method, at: place)
        }
        // Literals before captures, and captures of one segment before those of many: the closest pattern
        // wins.
        self.patterns = patterns.enumerated().sorted { a, b in
            (a.element.looseness, -a.element.literal.count, a.offset)
                < (b.element.looseness, -b.element.literal.count, b.offset)
        }.map(\.element)
        allAllowed = PathTable.allow(routes.map(\.method))
    }

    func match(_ method: Method, _ path: [UInt8]) -> Match {
        if path.count == 1, path[0] == UInt8(ascii: "*") {
            return method == .options ? .options(allow: allAllowed) : .notFound
        }
        let start = PathTable.prefixLength(of: path)
        if start > 0, start == path.count { return match(method, [UInt8(ascii: "/")]) }
        for pattern in patterns where path.hasBytes(pattern.literal, at: start) {
            let values: [[UInt8]]
            switch pattern.fit(path, from: start) {
            case .no: continue
            case .malformed: return .malformed
            case .fits(let captured): values = captured
            }
            guard let route = pattern.route(for: method) else {
                let allow = PathTable.allow(pattern.methods)
                return method == .options ? .options(allow: allow) : .methodNotAllowed(allow: allow)
            }
            return .found(route, Captures(names: pattern.names, values: values))
        }
        return .notFound
    }

    /// How much of a path is the optional `/api/v1`.
    static func prefixLength(of path: [UInt8]) -> Int {
        let prefix: StaticString = "/api/v1"
        let count = prefix.utf8CodeUnitCount
        guard path.count >= count, path.count == count || path[count] == UInt8(ascii: "/") else { return 0 }
        for place in 0..<count where unsafe path[place] != prefix.utf8Start[place] { return 0 }
        return count
    }

    private static func allow(_ routed: [Method]) -> String {
        var methods = Set(routed)
        methods.insert(.options)
        if methods.contains(.get) { methods.insert(.head) }
        return Method.allCases.filter(methods.contains).map(\.name.description).joined(separator: ", ")
    }
}

/// A pattern taken apart, with the routes of its methods.
struct PathPattern: Sendable {
    enum Segment: Sendable {
        case literal([UInt8])
        case one, rest
    }

    let text: String
    /// The bytes before the first capture.
    let literal: [UInt8]
    /// What follows ``literal``: captures, and literals (slashes included) between them.
    let segments: [Segment]
    let names: [String]
    private(set) var methods: [Method] = []
    private var places: [Int] = []

    init(_ text: String) {
        precondition(text.hasPrefix("/"), "a pattern begins with a slash: \(text)")
        var segments: [Segment] = []
        var names: [String] = []
        var literal: [UInt8] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            literal.append(UInt8(ascii: "/"))
            guard part.hasPrefix("{"), part.hasSuffix("}") else {
                precondition(!part.contains("{"), "a capture is a whole segment: \(text)")
                literal += part.utf8
                continue
            }
            if case .rest = segments.last { preconditionFailure("the rest is not at the end: \(text)") }
            segments.append(.literal(literal))
            literal = []
            let isRest = part.hasSuffix("...}")
            segments.append(isRest ? .rest : .one)
            names.append(String(part.dropFirst().dropLast(isRest ? 4 : 1)))
        }
        if case .rest = segments.last {
            precondition(literal.isEmpty, "the rest is not at the end: \(text)")
        }
        if !literal.isEmpty { segments.append(.literal(literal)) }
        guard case .literal(let first)? = segments.first else { preconditionFailure("empty pattern") }
        self.text = text
        self.literal = first
        self.segments = Array(segments.dropFirst())
        self.names = names
    }

    /// 0 for a pattern of literals, 1 for one with captures of single segments, 2 for one with a rest.
    var looseness: Int {
        if case .rest = segments.last { 2 } else { names.isEmpty ? 0 : 1 }
    }

    mutating func add(_ method: Method, at place: Int) {
        precondition(!methods.contains(method), "\(method.name) \(text) is routed twice")
        methods.append(method)
        places.append(place)
    }

    func route(for method: Method) -> Int? {
        if let place = methods.firstIndex(of: method) { return places[place] }
        guard method == .head else { return nil }
        return methods.firstIndex(of: .get).map { places[$0] }
    }

    /// The captures of a path, decoded.
    enum Fit {
        case fits([[UInt8]])
        case malformed
        case no
    }

    /// Takes the captures out of a path that begins with ``literal`` at `start`.
    func fit(_ path: [UInt8], from start: Int) -> Fit {
        var place = start + literal.count
        var values: [[UInt8]] = []
        var isMalformed = false
        for segment in segments {
            let end: Int
            switch segment {
            case .literal(let bytes):
                guard path.hasBytes(bytes, at: place) else { return .no }
                place += bytes.count
                continue
            case .one: end = path[place...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
            case .rest: end = path.endIndex
            }
            guard end > place else { return .no }
            if let value = Percent.decode(path[place..<end]) {
                values.append(value)
            } else {
                isMalformed = true
            }
            place = end
        }
        guard place == path.endIndex else { return .no }
        return isMalformed ? .malformed : .fits(values)
    }
}

extension [UInt8] {
    /// Whether `bytes` stand at `place`.
    func hasBytes(_ bytes: [UInt8], at place: Int) -> Bool {
        guard count - place >= bytes.count else { return false }
        for index in bytes.indices where self[place + index] != bytes[index] { return false }
        return true
    }
}
