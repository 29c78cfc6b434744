// What the client asks of the cluster, what it hears, and how it gets there, without saying by what library.

public import Primitives

/// One request, addressed to no node in particular.
public struct Call: Sendable {
    /// The method's name, as in `PUT`.
    public var method: String
    /// The path, percent-encoded, beginning with a slash.
    public var path: String
    /// The query, as pairs not yet encoded; a nil value stands for a name alone.
    public var query: [(name: String, value: String?)]
    /// Further header fields.
    public var fields: [(name: String, value: String)]
    /// The body; nil for none.
    public var body: [UInt8]?
    /// Whether a write may be sent again when nobody knows what became of it: it does the same once or twice.
    public var mayRepeat = false

    /// Makes a call.
    public init(
        _ method: String, _ path: String, query: [(name: String, value: String?)] = [],
        fields: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.fields = fields
        self.body = body
    }

    /// Whether it changes something.
    public var isWrite: Bool { method != "GET" && method != "HEAD" }

    /// Path and query as they stand in a URL.
    public var target: String {
        var text = path
        for (place, pair) in query.enumerated() {
            text += place == 0 ? "?" : "&"
            text += percentEncoded(Array(pair.name.utf8))
            if let value = pair.value { text += "=" + percentEncoded(Array(value.utf8)) }
        }
        return text
    }

    /// The path of a key. Slashes stay; the segments `.` and `..` are encoded, because HTTP clients and
    /// proxies would remove them.
    public static func keyPath(_ key: [UInt8]) -> String {
        var segments: [String] = []
        for segment in key.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            switch String(decoding: segment, as: UTF8.self) {
            case ".": segments.append("%2E")
            case "..": segments.append("%2E%2E")
            default: segments.append(percentEncoded(Array(segment)))
            }
        }
        return "/kv/" + segments.joined(separator: "/")
    }
}

/// What a node answered.
public struct Answer: Sendable {
    /// The status code.
    public var status: Int
    /// The header fields with their names in lower case.
    public var fields: [(name: String, value: String)]
    /// The body.
    public var body: [UInt8]
    /// Who answered.
    public var endpoint: Endpoint

    /// Makes an answer.
    public init(status: Int, fields: [(name: String, value: String)], body: [UInt8], endpoint: Endpoint) {
        self.status = status
        self.fields = fields
        self.body = body
        self.endpoint = endpoint
    }

    /// The first field with this name, which must be in lower case.
    public func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// A field that holds a number, with or without quotation marks around it, as an `ETag` has.
    public func number(_ name: String) -> UInt64? {
        field(name).flatMap { UInt64($0.filter { $0 != "\"" }) }
    }
}

/// What became of one attempt to make a call at one endpoint.
public enum Attempt: Sendable {
    /// There was a whole answer.
    case answered(Answer)
    /// There was none. `mayHaveArrived` is false only if the request can not have reached the node.
    case failed(reason: String, mayHaveArrived: Bool)
}

/// Carries one call to one endpoint. It follows no redirect and repeats nothing.
public protocol Transport {
    /// Makes the call and waits for its answer, no longer than `timeout`; for the connection to be made no
    /// longer than `connectTimeout`.
    mutating func perform(
        _ call: Call, at endpoint: Endpoint, timeout: Instant.Span, connectTimeout: Instant.Span
    ) -> Attempt
}

/// All bytes but the unreserved characters (RFC 3986, section 2.3) as `%XX`.
public func percentEncoded(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count)
    for byte in bytes {
        switch byte {
        case 48...57, 65...90, 97...122, 45, 46, 95, 126: text.append(byte)
        default: text.append(contentsOf: [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]])
        }
    }
    return String(decoding: text, as: UTF8.self)
}
