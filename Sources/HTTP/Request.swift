/// A complete request: head and body.
///
/// The field lines stay where they were received, in one buffer with a table of places; nothing is turned
/// into text before someone asks for text.
public struct Request: Sendable {
    /// What to do.
    public var method: Method
    /// The path, still percent-encoded, beginning with `/` (or `*` of `OPTIONS *`). Its percent-encoding is
    /// well-formed and has no `%00`. The scheme and authority of an absolute target are not part of it.
    public var path: [UInt8]
    /// What follows the first `?` of the target, still percent-encoded; empty if there is none.
    public var query: [UInt8]
    /// The body, without its transfer coding.
    public var body: [UInt8]
    /// 0 or 1 of HTTP/1.0 and HTTP/1.1; later minor versions count as 1 (RFC 9110, section 2.5).
    public let minorVersion: UInt8
    /// Whether the connection may be used again after the answer.
    public let keepsAlive: Bool
    /// The bytes that the tables point into: request line and field lines.
    let head: [UInt8]
    let lines: [FieldLine]
    private let authorityStart: Int
    private let authorityEnd: Int

    /// Where the name and the value of one field line are.
    struct FieldLine: Sendable {
        var start: UInt32
        var nameCount: UInt16
        var valueOffset: UInt16
        var valueCount: UInt16
    }

    init(
        method: Method, path: [UInt8], query: [UInt8], minorVersion: UInt8, keepsAlive: Bool, head: [UInt8],
        lines: [FieldLine], authority: Range<Int>
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = []
        self.minorVersion = minorVersion
        self.keepsAlive = keepsAlive
        self.head = head
        self.lines = lines
        self.authorityStart = authority.lowerBound
        self.authorityEnd = authority.upperBound
    }

    /// A request that did not come over a connection: for tests and for requests that the program makes to
    /// itself. `target` is a path with an optional query; the authority is the `host` field.
    public init(
        method: Method, target: String, fields: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        let bytes = Array(target.utf8)
        let mark = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        var head: [UInt8] = []
        var lines: [FieldLine] = []
        var authority = 0..<0
        for (name, value) in fields {
            let start = head.count
            head += name.utf8
            let valueStart = head.count
            head += value.utf8
            lines.append(
                FieldLine(
                    start: UInt32(start), nameCount: UInt16(valueStart - start),
                    valueOffset: UInt16(valueStart - start), valueCount: UInt16(head.count - valueStart)))
            if name.utf8.elementsEqual("host".utf8, by: { lowerCase($0) == $1 }) {
                authority = valueStart..<head.count
            }
        }
        self.init(
            method: method, path: Array(bytes[..<mark]), query: Array(bytes[mark...].dropFirst()),
            minorVersion: 1,
            keepsAlive: true, head: head, lines: lines, authority: authority)
        self.body = body
    }

    /// The host and port that the client asked for: of an absolute target, or else of `Host`; empty if
    /// neither.
    public var authority: ArraySlice<UInt8> { head[authorityStart..<authorityEnd] }

    /// Whether the request came with a length or a transfer coding; without, the body is empty because nobody
    /// said that there is one (411 where a value is required).
    public var announcesBody: Bool {
        !body.isEmpty || field("content-length") != nil || field("transfer-encoding") != nil
    }

    /// The value of the first field with this name, without the white space around it. `lowercaseName` must
    /// be in lower case.
    public func field(_ lowercaseName: StaticString) -> ArraySlice<UInt8>? {
        for line in lines where named(lowercaseName, line) { return value(line) }
        return nil
    }

    /// The values of all fields with this name, in order.
    public func fields(named lowercaseName: StaticString) -> [ArraySlice<UInt8>] {
        var values: [ArraySlice<UInt8>] = []
        for line in lines where named(lowercaseName, line) { values.append(value(line)) }
        return values
    }

    /// The value of the first field with this name as text, or nil if there is none or it is not UTF-8.
    public func fieldText(_ lowercaseName: StaticString) -> String? {
        field(lowercaseName).flatMap { String(validating: $0, as: UTF8.self) }
    }

    private func named(_ name: StaticString, _ line: FieldLine) -> Bool {
        guard Int(line.nameCount) == name.utf8CodeUnitCount else { return false }
        let start = Int(line.start)
        for place in 0..<name.utf8CodeUnitCount
        where unsafe lowerCase(head[start + place]) != name.utf8Start[place] {
            return false
        }
        return true
    }

    private func value(_ line: FieldLine) -> ArraySlice<UInt8> {
        let start = Int(line.start) + Int(line.valueOffset)
        return head[start..<start + Int(line.valueCount)]
    }
}
