import HTTP
import Platform
import Primitives

/// One open connection: the socket, the protocol's state, and what this turn has to do with them.
struct Slot: ~Copyable {
    let socket: Descriptor
    var http: Connection
    /// What the poller watches the socket for.
    var interest: Poller.Interest = .read
    /// Whether the socket's buffer is full, so that writing waits for the poller.
    var isBlocked = false
    /// Whether the slot is in the server's list of those to settle at the end of the turn.
    var isTouched = false
    /// Whether the owner was given a request and has not answered it completely.
    var owesAnswer = false
    /// Whether the owner wants to know when the connection ends.
    var isWatched = false
    /// Whether the owner wants to know when nothing waits to be written any more.
    var reportsDrain = false
    /// Set for a connection beyond the limit: it was told so, and until then what it sends is thrown away.
    var refusedUntil: Instant?

    init(socket: consuming Descriptor, http: Connection) {
        self.socket = socket
        self.http = http
    }
}

// Questions are asked here, where the slot is borrowed whole: reading `http` through the table from outside
// would copy it, with every buffer's reference count, for each of them.
extension Slot {
    /// What came of a read.
    enum Input {
        case bytes(Int)
        case end
        case nothing
        case broken
    }

    /// Reads once and hands what came to the protocol.
    mutating func receive(into buffer: UnsafeMutableRawBufferPointer, at moment: Moment) -> Input {
        switch socket.receive(into: buffer) {
        case .moved(let count):
            http.received(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: moment)
            return .bytes(count)
        case .ended:
            http.receivedEnd(at: moment)
            return .end
        case .blocked: return .nothing
        case .broken: return .broken
        }
    }

    /// The next request, if there is one and none is under way; the owner then owes an answer.
    mutating func nextRequest() -> Request? {
        guard !owesAnswer, let request = http.nextRequest() else { return nil }
        owesAnswer = true
        return request
    }

    /// Answers the request under way.
    mutating func respond(_ response: Response, at moment: Moment) {
        owesAnswer = false
        http.respond(response, at: moment)
    }

    /// Ends the stream under way.
    mutating func endStream(_ last: [UInt8], at moment: Moment) {
        owesAnswer = false
        http.endStream(last, at: moment)
    }

    /// Whether there is output and the socket may take it.
    var wantsWrite: Bool { !isBlocked && http.outputCount > 0 }

    /// One write of all output: how much the socket took, or nil if the connection is broken.
    mutating func write(at moment: Moment) -> Int? {
        let waiting = http.outputCount
        // A closure that borrowed the socket would borrow the slot, and `http` would be copied.
        let number = socket.number
        switch http.withOutput({ Descriptor.send($0, to: number) }) {
        case .moved(let count):
            isBlocked = count < waiting
            http.wrote(count, at: moment)
            return count
        case .blocked:
            isBlocked = true
            return 0
        case .ended, .broken:
            return nil
        }
    }

    /// Carries out the end of the sending side if it is due; true if the connection is over.
    mutating func finish(at moment: Moment) -> Bool {
        if http.wantsShutdown {
            socket.finishSending()
            http.didShutdown(at: moment)
        }
        return http.shouldClose || isWatched && http.peerHasEnded
    }

    /// What the poller should watch the socket for.
    var wantedInterest: Poller.Interest {
        var interest: Poller.Interest = http.wantsRead ? .read : []
        if isBlocked { interest.insert(.write) }
        return interest
    }

    /// When the connection must be looked at.
    var deadline: Instant { refusedUntil ?? http.deadline }

    /// Whether a stream is under way.
    var isStreaming: Bool { http.isStreaming }

    /// Whether the owner is to be told now that nothing waits any more; it is told once.
    mutating func takeDrainReport() -> Bool {
        guard reportsDrain, http.outputCount == 0 else { return false }
        reportsDrain = false
        return true
    }

    /// Bytes that wait to be written.
    var outputCount: Int { http.outputCount }

    /// Whether the client has ended its side.
    var peerHasEnded: Bool { http.peerHasEnded }

    /// Tells the protocol about its deadline if it has come.
    mutating func expire(at moment: Moment) {
        if http.deadline <= moment.now { http.expire(at: moment) }
    }
}
