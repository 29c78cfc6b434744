/// An answer to a request. Its framing (`Content-Length`, `Transfer-Encoding`, `Connection`), `Date` and
/// `Server` are the connection's business and cannot be set here.
public struct Response: Sendable {
    /// The status code, 200...599.
    public var status: Int
    /// The body. It is left out, but its length told, in answers to HEAD; 204 and 304 have none.
    public var body: [UInt8]
    /// Whether the connection is closed after this response.
    public var closes = false
    /// The field lines, each with its line end.
    private(set) var lines: [UInt8] = []
    /// One bit for each class of names that was set, so that a first `setField` need not search.
    private var seen: UInt64 = 0

    /// An answer with this status and body.
    public init(status: Int, body: [UInt8] = []) {
        self.status = status
        self.body = body
    }

    /// An answer with a body of this type.
    public init(status: Int, contentType: StaticString, body: [UInt8]) {
        self.init(status: status, body: body)
        addField("Content-Type", contentType)
    }

    /// Makes this the only field with that name. Control characters in the value are percent-encoded, so that
    /// a value can never end its line (the class of CVE-2022-3215).
    public mutating func setField(_ name: StaticString, _ value: String) {
        removeField(name)
        addField(name, value)
    }

    /// Makes this the only field with that name.
    public mutating func setField(_ name: StaticString, _ value: [UInt8]) {
        removeField(name)
        addField(name, value)
    }

    /// Makes this the only field with that name.
    public mutating func setField(_ name: StaticString, _ value: Int) {
        removeField(name)
        begin(name)
        appendDecimal(value, to: &lines)
        appendLineEnd(to: &lines)
    }

    /// Makes this the only field with that name.
    public mutating func setField(_ name: StaticString, _ value: UInt64) {
        removeField(name)
        begin(name)
        appendDecimal(value, to: &lines)
        appendLineEnd(to: &lines)
    }

    /// Adds a field, whether or not there is one with that name (`Link`, `WWW-Authenticate`).
    public mutating func addField(_ name: StaticString, _ value: String) {
        begin(name)
        appendValue(value.utf8.span)
    }

    /// Adds a field, whether or not there is one with that name.
    public mutating func addField(_ name: StaticString, _ value: [UInt8]) {
        begin(name)
        appendValue(value.span)
    }

    /// Adds a field with a fixed value, whether or not there is one with that name.
    public mutating func addField(_ name: StaticString, _ value: StaticString) {
        begin(name)
        append(value, to: &lines)
        appendLineEnd(to: &lines)
    }

    /// The value of the first field with this name (in any case), for tests and for those who amend answers.
    public func fieldText(_ name: String) -> String? {
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                line[..<colon].elementsEqual(name.utf8, by: { lowerCase($0) == lowerCase($1) })
            else { continue }
            return String(decoding: line[(colon + 2)...].dropLast(), as: UTF8.self)
        }
        return nil
    }

    private mutating func appendValue(_ value: Span<UInt8>) {
        for place in 0..<value.count {
            let byte = value[place]
            if isValueByte(byte) {
                lines.append(byte)
            } else {
                lines.append(UInt8(ascii: "%"))
                lines.append(upperHexDigit(byte >> 4))
                lines.append(upperHexDigit(byte & 15))
            }
        }
        appendLineEnd(to: &lines)
    }

    private mutating func begin(_ name: StaticString) {
        assert(!isFraming(name), "the connection sets this field")
        if lines.isEmpty { lines.reserveCapacity(192) }
        seen |= Response.mark(of: name)
        append(name, to: &lines)
        append(": ", to: &lines)
    }

    private static func mark(of name: StaticString) -> UInt64 {
        guard name.utf8CodeUnitCount > 0 else { return 0 }
        let last = unsafe lowerCase(name.utf8Start[name.utf8CodeUnitCount - 1])
        return 1 << UInt64((name.utf8CodeUnitCount &* 7 &+ Int(last)) & 63)
    }

    private mutating func removeField(_ name: StaticString) {
        guard seen & Response.mark(of: name) != 0 else { return }
        let wanted = name.description.utf8
        var start = 0
        while start < lines.count {
            let end = (lines[start...].firstIndex(of: UInt8(ascii: "\n")) ?? lines.count - 1) + 1
            let label = lines[start..<end].prefix { $0 != UInt8(ascii: ":") }
            if label.elementsEqual(wanted, by: { lowerCase($0) == lowerCase($1) }) {
                lines.removeSubrange(start..<end)
            } else {
                start = end
            }
        }
    }

    private func isFraming(_ name: StaticString) -> Bool {
        let name = name.description.lowercased()
        return ["content-length", "transfer-encoding", "connection", "date", "server"].contains(name)
    }
}
