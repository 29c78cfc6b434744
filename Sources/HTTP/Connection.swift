public import Primitives

/// One HTTP/1.1 connection as the server sees it, without the socket.
///
/// The driver hands in what it received and asks for the next request; answers come back as bytes in
/// ``output``. Requests are parsed one at a time: the next pipelined one only after the present one was
/// answered. Whatever the segmentation of the input, the requests and the output are the same.
///
/// The driver's loop: read while ``wantsRead``; ``received(_:at:)`` or ``receivedEnd(at:)``; take
/// ``nextRequest()``; write ``output`` and tell ``wrote(_:at:)``; when ``wantsShutdown``, shut down the
/// sending side and tell ``didShutdown(at:)``; when ``shouldClose``, close; at ``deadline``, ``expire(at:)``.
/// Any of these calls may make a request available.
public struct Connection: Sendable {
    /// Decides about a request when its head is complete and before its body is read. A response refuses it:
    /// it is sent at once, without `100 (Continue)`, and the connection is closed.
    public typealias Admission = @Sendable (Request) -> Response?

    /// Where the connection is with its present request.
    enum Phase: Sendable, Equatable {
        /// Can become: length, chunks, ready (head complete), answering (refused), ended.
        case head
        /// Can become: ready (body complete), ended.
        case length(left: Int)
        /// Can become: ready (body complete), ended.
        case chunks
        /// Can become: answering (given to the owner).
        case ready
        /// Can become: head (answered), streaming, ended.
        case answering
        /// Can become: head (stream complete), ended.
        case streaming
        /// No further request. What is left to do is to write, to linger and to close.
        case ended
    }

    let limits: Limits
    private let admission: Admission?
    var phase = Phase.head

    // Input: what is unread begins at `cursor`.
    private var input: [UInt8] = []
    private var cursor = 0
    private var parser = HeadParser()
    private var chunks = ChunkDecoder()
    private var pending: Request?
    private var body: [UInt8] = []
    private var bodyLimit = 0

    // The request under way, as far as its answer depends on it.
    var method = Method.get
    var minorVersion: UInt8 = 1
    var keepsAlive = true
    var stream = StreamFraming.none

    // Output: what is unwritten begins at `written`.
    var outgoing: [UInt8] = []
    private var written = 0
    private var outputProgress: Instant

    // Time and end.
    private var headDeadline: Instant
    private var headBegan = false
    private var isFirst = true
    private var bodyBegan = Instant.zero
    private var bodyProgress = Instant.zero
    private var bodyReceived = 0
    private var lingerDeadline = Instant.never
    private var lingered = 0
    private var hasShutDown = false
    private var isFinishing = false
    private var isAbandoned = false

    /// Whether the client has ended its side.
    public private(set) var peerHasEnded = false

    /// A connection accepted at `moment`. `admission` is asked about every request that announces a body.
    public init(limits: Limits = Limits(), at moment: Moment, admission: Admission? = nil) {
        self.limits = limits
        self.admission = admission
        outputProgress = moment.now
        headDeadline = moment.now + limits.headTimeout
    }
}

// MARK: - Input

extension Connection {
    /// Takes in what the socket gave.
    public mutating func received(_ bytes: UnsafeRawBufferPointer, at moment: Moment) {
        guard accepts(bytes.count) else { return }
        unsafe input.append(contentsOf: bytes)
        advance(at: moment, fresh: true)
    }

    /// Takes in what the socket gave.
    public mutating func received(_ bytes: [UInt8], at moment: Moment) {
        guard accepts(bytes.count) else { return }
        input.append(contentsOf: bytes)
        advance(at: moment, fresh: true)
    }

    /// The client has ended its side. What was received completely is still answered; a stream is over.
    public mutating func receivedEnd(at moment: Moment) {
        guard !peerHasEnded else { return }
        peerHasEnded = true
        if phase == .streaming { abandon() } else { advance(at: moment, fresh: false) }
    }

    /// Whether the driver should read: not while too much is unread or unsent, nor after the end.
    public var wantsRead: Bool {
        if isAbandoned || peerHasEnded { return false }
        switch phase {
        case .ended: return hasShutDown
        case .length, .chunks: return true
        case .head where outputCount <= limits.outputBuffer: return true
        case .head, .ready, .answering, .streaming: return input.count - cursor < limits.inputBuffer
        }
    }

    /// Whether new input is of any use; after the end it is counted and thrown away.
    private mutating func accepts(_ count: Int) -> Bool {
        guard phase != .ended, !isAbandoned else {
            lingered += count
            return false
        }
        if cursor > 0, cursor * 2 >= input.count {
            input.removeSubrange(..<cursor)
            cursor = 0
        }
        bodyReceived += count
        return true
    }

    /// Goes as far as the input allows. `fresh` says that bytes have arrived.
    private mutating func advance(at moment: Moment, fresh: Bool) {
        if fresh { bodyProgress = moment.now }
        do throws(ProtocolError) {
            while try step(at: moment) {}
        } catch {
            refuse(error.response, at: moment)
        }
        if cursor == input.count, cursor > 0 {
            input.removeAll(keepingCapacity: input.capacity <= 4096)
            cursor = 0
        }
        if peerHasEnded, phase != .ready, phase != .answering, outputCount <= limits.outputBuffer { end() }
    }

    /// One part of a request; false if more input or an answer is needed first.
    private mutating func step(at moment: Moment) throws(ProtocolError) -> Bool {
        switch phase {
        case .head:
            guard cursor < input.count, outputCount <= limits.outputBuffer else { return false }
            if !headBegan {
                headBegan = true
                if !isFirst { headDeadline = moment.now + limits.headTimeout }
            }
            guard try parser.advance(input, from: cursor, limits) else { return false }
            try beginBody(at: moment)
        case .length(let left):
            guard cursor < input.count else { return false }
            let count = min(left, input.count - cursor)
            body.append(contentsOf: input[cursor..<cursor + count])
            cursor += count
            phase = .length(left: left - count)
            if left == count { completeBody() }
        case .chunks:
            let isComplete = try chunks.advance(input, from: &cursor, into: &body, limit: bodyLimit, limits)
            guard isComplete else { return false }
            completeBody()
        case .ready, .answering, .streaming, .ended: return false
        }
        return true
    }

    private mutating func beginBody(at moment: Moment) throws(ProtocolError) {
        let request = parser.makeRequest(from: input, at: cursor)
        cursor += parser.end
        method = request.method
        minorVersion = request.minorVersion
        keepsAlive = request.keepsAlive
        guard parser.framing != .none else {
            pending = request
            phase = .ready
            return
        }
        bodyLimit = limits.bodyLimit(of: request.path)
        if case .length(let length) = parser.framing, length > bodyLimit {
            throw ProtocolError(.contentTooLarge, "the body is too long")
        }
        if let refusal = admission?(request) {
            refuse(refusal, at: moment)
            return
        }
        if parser.expectsContinue {
            willOutput(at: moment)
            append("HTTP/1.1 100 Continue\r\n\r\n", to: &outgoing)
        }
        pending = request
        bodyBegan = moment.now
        bodyProgress = moment.now
        bodyReceived = input.count - cursor
        if case .length(let length) = parser.framing {
            // No more is set aside than a client has a right to without having sent it.
            body.reserveCapacity(min(length, 64 * 1024))
            phase = .length(left: length)
        } else {
            chunks = ChunkDecoder()
            phase = .chunks
        }
    }

    private mutating func completeBody() {
        pending?.body = body
        body = []
        phase = .ready
    }

    /// Answers instead of the owner, and ends the connection.
    private mutating func refuse(_ response: Response, at moment: Moment) {
        var response = response
        response.closes = true
        if !parser.hasRequestLine { (method, minorVersion) = (.get, 1) } else { method = parser.method }
        phase = .answering
        respond(response, at: moment)
    }
}

// MARK: - Requests

extension Connection {
    /// The next request, if it is complete and the one before was answered. Each is given once.
    public mutating func nextRequest() -> Request? {
        guard phase == .ready, !isAbandoned else { return nil }
        phase = .answering
        let request = pending
        pending = nil
        return request
    }

    /// Whether a request was given out and its answer is not complete.
    public var isAnswering: Bool { phase == .answering || phase == .streaming }

    /// Whether the answer under way is a stream.
    public var isStreaming: Bool { phase == .streaming }

    /// No further requests: an idle connection ends now, a busy one after its answer (`Connection: close`).
    public mutating func finish(at moment: Moment) {
        isFinishing = true
        if phase == .head, !headBegan { end() }
    }

    var willClose: Bool { !keepsAlive || isFinishing }

    /// The answer is complete: the next request may begin, or none.
    mutating func answered(closes: Bool, at moment: Moment) {
        if closes {
            end()
            return
        }
        phase = .head
        parser = HeadParser()
        headBegan = false
        isFirst = false
        headDeadline = moment.now + limits.keepAliveIdle
        advance(at: moment, fresh: false)
    }

    private mutating func end() {
        phase = .ended
        input = []
        cursor = 0
        pending = nil
        body = []
    }

    /// Gives the connection up: nothing more is read or written, ``shouldClose`` is true.
    public mutating func abandon() {
        end()
        isAbandoned = true
        outgoing = []
        written = 0
    }
}

// MARK: - Output

extension Connection {
    /// The bytes that wait to be written.
    public var output: ArraySlice<UInt8> { outgoing[written...] }

    /// How many bytes wait to be written.
    public var outputCount: Int { outgoing.count - written }

    /// Lends the bytes that wait to be written.
    public func withOutput<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe outgoing.withUnsafeBytes { bytes in
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[written...]))
        }
    }

    /// The driver has written that many bytes of ``output``.
    public mutating func wrote(_ count: Int, at moment: Moment) {
        precondition(count >= 0 && count <= outputCount, "more was written than there was")
        guard count > 0 else { return }
        outputProgress = moment.now
        written += count
        if written == outgoing.count {
            outgoing.removeAll(keepingCapacity: outgoing.capacity <= 8192)
            written = 0
        } else if written >= limits.outputBuffer {
            outgoing.removeSubrange(..<written)
            written = 0
        }
        guard phase == .head else { return }
        // A client that is still taking the last answer is not idle.
        if !headBegan, !isFirst { headDeadline = moment.now + limits.keepAliveIdle }
        if cursor < input.count || peerHasEnded { advance(at: moment, fresh: false) }
    }

    /// Output is about to be added: the time that the client has for it begins, unless it runs already.
    mutating func willOutput(at moment: Moment) {
        if outputCount == 0 { outputProgress = moment.now }
    }
}

// MARK: - Time and end

extension Connection {
    /// Whether the driver should shut down the sending side now: everything is written, and input that is
    /// still on its way must be read so that the answer is not lost to a reset (RFC 9112, section 9.6).
    public var wantsShutdown: Bool {
        phase == .ended && outputCount == 0 && !peerHasEnded && !hasShutDown && !isAbandoned
    }

    /// The driver has shut down the sending side.
    public mutating func didShutdown(at moment: Moment) {
        hasShutDown = true
        lingered = 0
        lingerDeadline = moment.now + limits.lingerTimeout
    }

    /// Whether the driver should close the socket now.
    public var shouldClose: Bool {
        if isAbandoned { return true }
        guard phase == .ended, outputCount == 0 else { return false }
        return peerHasEnded || hasShutDown && lingered >= limits.lingerBytes
    }

    /// When ``expire(at:)`` is due; ``Instant/never`` while the owner of a request takes its time.
    public var deadline: Instant {
        if isAbandoned { return .never }
        let write = outputCount > 0 ? outputProgress + limits.writeTimeout : .never
        switch phase {
        case .head where outputCount <= limits.outputBuffer: return min(write, headDeadline)
        case .length, .chunks: return min(write, bodyDeadline)
        case .ended: return min(write, lingerDeadline)
        case .head, .ready, .answering, .streaming: return write
        }
    }

    private var bodyDeadline: Instant {
        let idle = bodyProgress + limits.bodyIdle
        guard limits.bodyRate > 0 else { return idle }
        let (milliseconds, overflow) = bodyReceived.multipliedReportingOverflow(by: 1000)
        let allowed = Instant.Span.milliseconds(overflow ? .max : milliseconds / limits.bodyRate)
        return min(idle, bodyBegan + limits.bodyIdle + allowed)
    }

    /// The time is ``deadline`` or later.
    public mutating func expire(at moment: Moment) {
        guard moment.now >= deadline, deadline != .never else { return }
        if outputCount > 0, moment.now >= outputProgress + limits.writeTimeout {
            abandon()
            return
        }
        switch phase {
        case .head where headBegan, .length, .chunks:
            refuse(ProtocolError(.requestTimeout, "the request did not arrive in time").response, at: moment)
        case .head, .ended: abandon()
        case .ready, .answering, .streaming: break
        }
    }
}
