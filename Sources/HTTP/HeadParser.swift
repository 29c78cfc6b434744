/// Reads the head of a request (RFC 9112, sections 2 to 5) line by line. A line is looked at when it is
/// complete, so that nothing depends on how the bytes were cut; only lengths are checked before.
///
/// All places are relative to the beginning of the head, which must stay the same until the head is
/// complete.
struct HeadParser: Sendable {
    /// How the body is delimited.
    enum Framing: Sendable, Equatable {
        case none
        case length(Int)
        case chunked
    }

    private(set) var method = Method.get
    private(set) var minorVersion: UInt8 = 1
    private(set) var framing = Framing.none
    /// Whether the client waits for `100 (Continue)`.
    private(set) var expectsContinue = false
    /// Where the head ends, once it is complete.
    private(set) var end = 0

    private var line = 0
    private var scanned = 0
    private var emptyLines = 0
    private var fieldsStart = 0
    private(set) var hasRequestLine = false
    private var path = 0..<0
    private var query = 0..<0
    private var targetAuthority: Range<Int>?
    private var host: Range<Int>?
    private var transferEncoding: Range<Int>?
    private var contentLength: Int?
    private var saysClose = false
    private var saysKeepAlive = false
    private var expectsOther = false
    private var lines: [Request.FieldLine] = []

    /// Whether the connection may be used again (RFC 9112, section 9.3).
    var keepsAlive: Bool { !saysClose && (minorVersion == 1 || saysKeepAlive) }

    /// Looks at what is there so far, from `start` on. True: the head is complete.
    mutating func advance(_ input: [UInt8], from start: Int, _ limits: Limits) throws(ProtocolError) -> Bool {
        let bytes = input.span.extracting(start...)
        while true {
            if !hasRequestLine, line < bytes.count {
                let first = bytes[line]
                // Other protocols are refused by their first byte instead of waiting for a line end.
                guard isTokenByte(first) || first == 13 || first == 10 else {
                    throw HeadParser.badRequestLine
                }
            }
            guard let content = try nextLine(bytes, limits) else { return false }
            if hasRequestLine {
                if content.isEmpty {
                    end = line
                    try complete(bytes)
                    return true
                }
                try field(bytes, content, limits)
            } else if content.isEmpty {
                emptyLines += 1
                if emptyLines > 2 { throw .bad("there are empty lines before the request") }
            } else {
                try requestLine(bytes, content)
                hasRequestLine = true
                fieldsStart = line
            }
        }
    }

    /// The request, without its body. `head` is the array whose span was parsed, from `start` on.
    mutating func makeRequest(from input: [UInt8], at start: Int) -> Request {
        func copy(_ range: Range<Int>) -> [UInt8] {
            range.isEmpty ? [] : Array(input[start + range.lowerBound..<start + range.upperBound])
        }
        var head = copy(fieldsStart..<end)
        var authority = 0..<0
        if let target = targetAuthority {
            authority = head.count..<head.count + target.count
            head += copy(target)
        } else if let host {
            authority = host.lowerBound - fieldsStart..<host.upperBound - fieldsStart
        }
        let path = path.isEmpty ? [UInt8(ascii: "/")] : copy(path)
        return Request(
            method: method, path: path, query: copy(query), minorVersion: minorVersion,
            keepsAlive: keepsAlive,
            head: head, lines: lines, authority: authority)
    }

    // MARK: Lines

    /// The content of the next line, if it is complete; `line` moves behind it.
    private mutating func nextLine(
        _ bytes: Span<UInt8>, _ limits: Limits
    ) throws(ProtocolError) -> Range<Int>? {
        let limit =
            hasRequestLine
            ? max(0, min(limits.fieldLine, 65_535, limits.head - (line - fieldsStart) - 2))
            : limits.requestLine
        let found = firstLineFeed(bytes, from: scanned)
        guard (found ?? bytes.count) - line <= limit + 1 else {
            throw hasRequestLine
                ? ProtocolError(.fieldsTooLarge, "a header line or all of them together are too long")
                : ProtocolError(.uriTooLong, "the request line is too long")
        }
        guard let found else {
            scanned = bytes.count
            return nil
        }
        guard found > line, bytes[found - 1] == 13 else { throw .bad("a line does not end in CR LF") }
        let content = line..<found - 1
        line = found + 1
        scanned = line
        return content
    }

    private static let badRequestLine = ProtocolError.bad("the request line is malformed")

    // MARK: Request line

    private mutating func requestLine(_ bytes: Span<UInt8>, _ content: Range<Int>) throws(ProtocolError) {
        var place = content.lowerBound
        let end = content.upperBound
        while place < end, isTokenByte(bytes[place]) { place += 1 }
        let token = content.lowerBound..<place
        guard !token.isEmpty, place < end, bytes[place] == 32 else { throw HeadParser.badRequestLine }
        let start = place + 1
        place = start
        while place < end, bytes[place] > 32, bytes[place] != 127, bytes[place] != UInt8(ascii: "#") {
            place += 1
        }
        let target = start..<place
        guard !target.isEmpty, place < end, bytes[place] == 32 else { throw HeadParser.badRequestLine }
        try version(bytes, place + 1..<end)
        guard let method = HeadParser.method(bytes, token) else {
            throw ProtocolError(.notImplemented, "the method is not known")
        }
        guard method != .connect else { throw ProtocolError(.notImplemented, "this server is no tunnel") }
        self.method = method
        try self.target(bytes, target)
    }

    private mutating func version(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ProtocolError) {
        let name: StaticString = "HTTP/"
        let start = range.lowerBound
        guard range.count == 8, bytes[start + 6] == UInt8(ascii: "."), bytes[start + 5] &- 48 < 10,
            bytes[start + 7] &- 48 < 10
        else { throw HeadParser.badRequestLine }
        for place in 0..<5 where unsafe bytes[start + place] != name.utf8Start[place] {
            throw HeadParser.badRequestLine
        }
        guard bytes[start + 5] == 49 else {
            throw ProtocolError(.versionNotSupported, "this server speaks HTTP/1.1")
        }
        minorVersion = min(1, bytes[start + 7] - 48)
    }

    private static func method(_ bytes: Span<UInt8>, _ token: Range<Int>) -> Method? {
        func matches(_ method: Method) -> Method? {
            let name = method.name
            guard name.utf8CodeUnitCount == token.count else { return nil }
            for place in 0..<token.count
            where unsafe bytes[token.lowerBound + place] != name.utf8Start[place] {
                return nil
            }
            return method
        }
        return switch bytes[token.lowerBound] {
        case UInt8(ascii: "G"): matches(.get)
        case UInt8(ascii: "P"): matches(.put) ?? matches(.post) ?? matches(.patch)
        case UInt8(ascii: "H"): matches(.head)
        case UInt8(ascii: "D"): matches(.delete)
        case UInt8(ascii: "O"): matches(.options)
        case UInt8(ascii: "T"): matches(.trace)
        case UInt8(ascii: "C"): matches(.connect)
        default: nil
        }
    }

    /// The four forms of RFC 9112, section 3.2; the authority form belongs to CONNECT and is refused.
    private mutating func target(_ bytes: Span<UInt8>, _ target: Range<Int>) throws(ProtocolError) {
        var start = target.lowerBound
        let end = target.upperBound
        if bytes[start] != UInt8(ascii: "/") {
            if target.count == 1, bytes[start] == UInt8(ascii: "*"), method == .options {
                path = target
                return
            }
            var scheme = start
            while scheme < end, bytes[scheme] != UInt8(ascii: ":") { scheme += 1 }
            guard equals(bytes, start..<scheme, "http") || equals(bytes, start..<scheme, "https"),
                end - scheme > 3, bytes[scheme + 1] == UInt8(ascii: "/"),
                bytes[scheme + 2] == UInt8(ascii: "/")
            else { throw .bad("the target is neither a path nor an http URL") }
            let authority = scheme + 3
            start = authority
            while start < end, bytes[start] != UInt8(ascii: "/"), bytes[start] != UInt8(ascii: "?") {
                start += 1
            }
            guard authority < start, isAuthority(bytes, authority..<start) else {
                throw .bad("the target's host is malformed")
            }
            targetAuthority = authority..<start
        }
        var place = start
        while place < end, bytes[place] != UInt8(ascii: "?") {
            if bytes[place] == UInt8(ascii: "%") {
                guard end - place > 2, let high = hexValue(bytes[place + 1]),
                    let low = hexValue(bytes[place + 2]),
                    high | low != 0
                else { throw .bad("the path's percent-encoding is malformed or stands for NUL") }
            }
            place += 1
        }
        path = start..<place
        if place < end { query = place + 1..<end }
    }

    // MARK: Fields

    private mutating func field(
        _ bytes: Span<UInt8>, _ content: Range<Int>, _ limits: Limits
    ) throws(ProtocolError) {
        let colon = try HeadParser.fieldName(bytes, content)
        guard lines.count < limits.fieldCount else {
            throw ProtocolError(.fieldsTooLarge, "there are too many header lines")
        }
        let value = trimmed(bytes, colon + 1..<content.upperBound)
        for place in value where !isValueByte(bytes[place]) {
            throw .bad("a header value has a control character")
        }
        let name = content.lowerBound..<colon
        if lines.isEmpty { lines.reserveCapacity(8) }
        lines.append(
            Request.FieldLine(
                start: UInt32(name.lowerBound - fieldsStart), nameCount: UInt16(name.count),
                valueOffset: UInt16(value.lowerBound - name.lowerBound), valueCount: UInt16(value.count)))
        switch name.count {
        case 4 where equals(bytes, name, "host"):
            guard host == nil else { throw .bad("there are two Host lines") }
            guard isAuthority(bytes, value) else { throw .bad("the Host is malformed") }
            host = value
        case 6 where equals(bytes, name, "expect"):
            if equals(bytes, value, "100-continue") { expectsContinue = true } else { expectsOther = true }
        case 10 where equals(bytes, name, "connection"): connection(bytes, value)
        case 14 where equals(bytes, name, "content-length"):
            guard contentLength == nil else { throw .bad("there are two Content-Length lines") }
            guard let length = HeadParser.number(bytes, value) else {
                throw .bad("the Content-Length is malformed")
            }
            contentLength = length
        case 17 where equals(bytes, name, "transfer-encoding"):
            guard transferEncoding == nil else { throw .bad("there are two Transfer-Encoding lines") }
            transferEncoding = value
        default: break
        }
    }

    /// Where the colon is that ends the name of the field line `content`.
    static func fieldName(_ bytes: Span<UInt8>, _ content: Range<Int>) throws(ProtocolError) -> Int {
        var colon = content.lowerBound
        if isBlank(bytes[colon]) { throw .bad("a header line begins with white space") }
        while colon < content.upperBound, isTokenByte(bytes[colon]) { colon += 1 }
        guard colon > content.lowerBound, colon < content.upperBound, bytes[colon] == UInt8(ascii: ":") else {
            throw .bad("a header name is malformed")
        }
        return colon
    }

    private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var number = 0
        for place in range {
            let digit = bytes[place] &- 48
            guard digit < 10 else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(digit))
            if overflow || carry { return nil }
            number = sum
        }
        return range.isEmpty ? nil : number
    }

    private mutating func connection(_ bytes: Span<UInt8>, _ value: Range<Int>) {
        var (close, keepAlive) = (false, false)
        forEachElement(bytes, value) { element in
            if equals(bytes, element, "close") { close = true }
            if equals(bytes, element, "keep-alive") { keepAlive = true }
        }
        saysClose = saysClose || close
        saysKeepAlive = saysKeepAlive || keepAlive
    }

    // MARK: End of the head

    private mutating func complete(_ bytes: Span<UInt8>) throws(ProtocolError) {
        if host == nil, minorVersion == 1 { throw .bad("there is no Host line") }
        if let coding = transferEncoding {
            // RFC 9112, section 6.1: both may only mean an attempt to smuggle a request.
            if contentLength != nil { throw .bad("there are both Content-Length and Transfer-Encoding") }
            if minorVersion == 0 { throw .bad("HTTP/1.0 has no Transfer-Encoding") }
            try check(bytes, coding: coding)
            framing = .chunked
        } else if let length = contentLength, length > 0 {
            framing = .length(length)
        }
        if minorVersion == 0 {
            expectsContinue = false
        } else if expectsOther {
            throw ProtocolError(.expectationFailed, "the only expectation that is met is 100-continue")
        }
    }

    /// Only `chunked` is accepted. A list that ends in it is a coding that we do not know (501); anything
    /// else leaves the end of the body in doubt (400).
    private func check(_ bytes: Span<UInt8>, coding: Range<Int>) throws(ProtocolError) {
        if equals(bytes, coding, "chunked") { return }
        var (isList, chunked, endsChunked) = (true, 0, false)
        forEachElement(bytes, coding) { element in
            endsChunked = equals(bytes, element, "chunked")
            chunked += endsChunked ? 1 : 0
            isList = isList && !element.isEmpty
            for place in element where !isTokenByte(bytes[place]) { isList = false }
        }
        guard isList, endsChunked, chunked == 1 else { throw .bad("the Transfer-Encoding is malformed") }
        throw ProtocolError(.notImplemented, "the only transfer coding is chunked")
    }
}

/// The place of the first line feed at or after `start`.
func firstLineFeed(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    var place = start
    while place < bytes.count {
        if bytes[place] == 10 { return place }
        place += 1
    }
    return nil
}
