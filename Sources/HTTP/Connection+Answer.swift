// Answers become bytes here: status line, fields, framing of the body (RFC 9112, section 6).

extension Connection {
    /// How the body of a streamed answer is delimited.
    enum StreamFraming: Sendable, Equatable {
        /// There is no body (HEAD, 204, 304): pieces are dropped.
        case none
        case length(left: Int)
        case chunked
        /// HTTP/1.0: the connection's end is the body's end.
        case untilClose
    }

    /// Answers the request under way. Does nothing if the connection was given up meanwhile; stops the
    /// process if there is no request under way.
    public mutating func respond(_ response: Response, at moment: Moment) {
        guard phase != .ended else { return }
        precondition(phase == .answering, "there is no request to answer")
        willOutput(at: moment)
        let closes = response.closes || willClose
        let count = response.body.count
        appendHead(response, moment)
        if response.status != 204, response.status != 304 {
            append("Content-Length: ", to: &outgoing)
            appendDecimal(count, to: &outgoing)
            appendLineEnd(to: &outgoing)
        }
        appendConnection(closes: closes)
        if method != .head, response.status != 204, response.status != 304 {
            outgoing.append(contentsOf: response.body)
        }
        answered(closes: closes, at: moment)
    }

    /// Begins an answer whose body comes in pieces: with `length` under `Content-Length`, otherwise chunked,
    /// or ended by closing for HTTP/1.0. `head.body` is its first piece. Does nothing if the connection was
    /// given up meanwhile; stops the process if there is no request under way.
    public mutating func beginStream(_ head: Response, length: Int? = nil, at moment: Moment) {
        guard phase != .ended else { return }
        precondition(phase == .answering, "there is no request to answer")
        willOutput(at: moment)
        phase = .streaming
        appendHead(head, moment)
        let hasBody = method != .head && head.status != 204 && head.status != 304
        if let length {
            append("Content-Length: ", to: &outgoing)
            appendDecimal(length, to: &outgoing)
            appendLineEnd(to: &outgoing)
            stream = .length(left: length)
        } else if minorVersion == 1 {
            if head.status != 204, head.status != 304 {
                append("Transfer-Encoding: chunked\r\n", to: &outgoing)
            }
            stream = .chunked
        } else {
            stream = .untilClose
            if hasBody { keepsAlive = false }
        }
        if head.closes { keepsAlive = false }
        if !hasBody { stream = .none }
        appendConnection(closes: willClose)
        appendPiece(head.body)
    }

    /// Adds a piece to the stream. False: the piece was not taken, because the client reads too slowly (more
    /// than ``Limits/outputBuffer`` would wait), or the connection was given up (``shouldClose``).
    public mutating func writeStream(_ bytes: [UInt8], at moment: Moment) -> Bool {
        guard phase == .streaming else { return false }
        guard outputCount == 0 || bytes.count <= streamRoom else { return false }
        willOutput(at: moment)
        appendPiece(bytes)
        return true
    }

    /// How many bytes the stream takes now; more only if nothing waits at all.
    public var streamRoom: Int { max(0, limits.outputBuffer - outputCount) }

    /// Ends the stream, after `last`, which is taken even if the buffer is full. A stream that is shorter
    /// than its announced length closes the connection, so that the client sees that it is cut off.
    public mutating func endStream(_ last: [UInt8] = [], at moment: Moment) {
        guard phase == .streaming else { return }
        willOutput(at: moment)
        appendPiece(last)
        var isCutOff = false
        switch stream {
        case .chunked: append("0\r\n\r\n", to: &outgoing)
        case .length(let left): isCutOff = left > 0
        case .none, .untilClose: break
        }
        answered(closes: willClose || isCutOff, at: moment)
    }

    private mutating func appendPiece(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        switch stream {
        case .none: break
        case .length(let left):
            precondition(bytes.count <= left, "the stream is longer than announced")
            stream = .length(left: left - bytes.count)
            outgoing.append(contentsOf: bytes)
        case .chunked:
            appendHexadecimal(bytes.count, to: &outgoing)
            appendLineEnd(to: &outgoing)
            outgoing.append(contentsOf: bytes)
            appendLineEnd(to: &outgoing)
        case .untilClose: outgoing.append(contentsOf: bytes)
        }
    }

    private mutating func appendHead(_ response: Response, _ moment: Moment) {
        if outgoing.isEmpty { outgoing.reserveCapacity(512) }
        assert((200...599).contains(response.status))
        let line = statusLine(response.status)
        append(line, to: &outgoing)
        if line.utf8CodeUnitCount == 9 {
            appendDecimal(response.status, to: &outgoing)
            append(" \r\n", to: &outgoing)
        }
        outgoing.append(contentsOf: moment.standardFields)
        outgoing.append(contentsOf: response.lines)
    }

    /// The `Connection` field where it says something, and the end of the head.
    private mutating func appendConnection(closes: Bool) {
        if closes {
            append("Connection: close\r\n\r\n", to: &outgoing)
        } else if minorVersion == 0 {
            append("Connection: keep-alive\r\n\r\n", to: &outgoing)
        } else {
            appendLineEnd(to: &outgoing)
        }
    }
}

/// The whole status line of a status that we use; of any other only `HTTP/1.1 `.
private func statusLine(_ status: Int) -> StaticString {
    switch status {
    case 200: "HTTP/1.1 200 OK\r\n"
    case 201: "HTTP/1.1 201 Created\r\n"
    case 202: "HTTP/1.1 202 Accepted\r\n"
    case 204: "HTTP/1.1 204 No Content\r\n"
    case 206: "HTTP/1.1 206 Partial Content\r\n"
    case 302: "HTTP/1.1 302 Found\r\n"
    case 304: "HTTP/1.1 304 Not Modified\r\n"
    case 307: "HTTP/1.1 307 Temporary Redirect\r\n"
    case 400: "HTTP/1.1 400 Bad Request\r\n"
    case 401: "HTTP/1.1 401 Unauthorized\r\n"
    case 403: "HTTP/1.1 403 Forbidden\r\n"
    case 404: "HTTP/1.1 404 Not Found\r\n"
    case 405: "HTTP/1.1 405 Method Not Allowed\r\n"
    case 406: "HTTP/1.1 406 Not Acceptable\r\n"
    case 408: "HTTP/1.1 408 Request Timeout\r\n"
    case 409: "HTTP/1.1 409 Conflict\r\n"
    case 410: "HTTP/1.1 410 Gone\r\n"
    case 411: "HTTP/1.1 411 Length Required\r\n"
    case 412: "HTTP/1.1 412 Precondition Failed\r\n"
    case 413: "HTTP/1.1 413 Content Too Large\r\n"
    case 414: "HTTP/1.1 414 URI Too Long\r\n"
    case 415: "HTTP/1.1 415 Unsupported Media Type\r\n"
    case 416: "HTTP/1.1 416 Range Not Satisfiable\r\n"
    case 417: "HTTP/1.1 417 Expectation Failed\r\n"
    case 421: "HTTP/1.1 421 Misdirected Request\r\n"
    case 422: "HTTP/1.1 422 Unprocessable Content\r\n"
    case 428: "HTTP/1.1 428 Precondition Required\r\n"
    case 429: "HTTP/1.1 429 Too Many Requests\r\n"
    case 431: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
    case 500: "HTTP/1.1 500 Internal Server Error\r\n"
    case 501: "HTTP/1.1 501 Not Implemented\r\n"
    case 503: "HTTP/1.1 503 Service Unavailable\r\n"
    case 504: "HTTP/1.1 504 Gateway Timeout\r\n"
    case 505: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
    case 507: "HTTP/1.1 507 Insufficient Storage\r\n"
    default: "HTTP/1.1 "
    }
}
