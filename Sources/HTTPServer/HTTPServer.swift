public import HTTP
public import Platform
public import Primitives

/// An HTTP/1.1 server without a thread of its own: it drives ``HTTP/Connection``s on its owner's
/// ``Platform/Poller``.
///
/// The owner's turn: wait in the poller; `handle` each ready token that the server `owns`; `expire`; deal
/// with the inbox, answering at once or later; `flush`. Whatever a turn wrote to one connection leaves in one
/// system call. If there is something in the inbox after `flush`, the next wait must not block.
public struct HTTPServer: ~Copyable {
    /// What the server has done since it was made.
    public struct Counters: Sendable, Equatable {
        /// Connections that were accepted, those beyond the limit among them.
        public var accepted: UInt64 = 0
        /// Connections beyond ``HTTPServer/maxConnections`` that were answered 503, and accepts that failed
        /// for want of descriptors or memory.
        public var refused: UInt64 = 0
        /// Connections that have ended, for whatever reason.
        public var closed: UInt64 = 0
        /// Requests that were handed to the owner.
        public var requests: UInt64 = 0
        /// Bytes read from sockets.
        public var bytesReceived: UInt64 = 0
        /// Bytes written to sockets.
        public var bytesSent: UInt64 = 0

        /// Nothing done yet.
        public init() {}
    }

    /// How many connections may be open; further ones are told 503 and closed.
    public let maxConnections: Int
    /// What was done so far.
    public internal(set) var counters = Counters()

    let limits: Limits
    let tag: UInt8
    let admission: Connection.Admission?
    var acceptor: Acceptor
    var table = ConnectionTable()
    var wheel: DeadlineWheel
    var moment: Moment
    /// Slots that something happened to in this turn.
    var touched: [UInt32] = []
    var settling: [UInt32] = []
    /// Slots with streams that wait for their turn to be written.
    var streams = FIFO<UInt32>()
    var due: [(slot: UInt32, tick: Int64)] = []
    /// One receive buffer for all connections: only what a request leaves unfinished is kept for each.
    let buffer: ReceiveBuffer

    /// Listens on `host:port` (`:port` for every address, port 0 for any port) without accepting yet.
    ///
    /// `name` goes into the `Server` field. `tag` is the top byte of every token that the server gives to the
    /// poller, so that the owner can keep its own tokens apart. `admission` may refuse a request before its
    /// body is read.
    public init(
        listeningOn address: String, limits: Limits = Limits(), maxConnections: Int = 10_000,
        name: String = "parley", tag: UInt8 = 0x48, admission: Connection.Admission? = nil
    ) throws(ListenError) {
        precondition(maxConnections > 0)
        acceptor = try Acceptor(listeningOn: address, token: Self.token(tag, .max, 0))
        self.limits = limits
        self.maxConnections = maxConnections
        self.tag = tag
        self.admission = admission
        let now = Clock.now()
        wheel = DeadlineWheel(at: now)
        moment = Moment(now: now, wallTime: Clock.wallTime(), server: name)
        buffer = ReceiveBuffer(capacity: 64 * 1024)
    }

    /// Where the server listens, with the real port.
    public var boundAddress: SocketAddress { acceptor.address }

    /// Open connections, the refused ones that linger among them.
    public var openConnections: Int { table.count }

    /// When ``expire(at:on:into:)`` and ``flush(at:on:into:)`` are due.
    public var deadline: Instant {
        streams.isEmpty ? min(wheel.deadline, acceptor.resumesAt) : .zero
    }

    /// Whether a token that the poller reports is one of this server's.
    public func owns(_ token: UInt64) -> Bool { UInt8(token >> 56) == tag }

    /// Begins to accept connections.
    public mutating func register(with poller: borrowing Poller) throws(SystemError) {
        try acceptor.start(on: poller)
    }

    /// Leaves new connections waiting in the kernel's queue; the open ones go on.
    public mutating func stopAccepting(on poller: borrowing Poller) { acceptor.stop(on: poller) }

    /// Lets every connection end after the answer that is under way; idle ones end now.
    public mutating func finishConnections(at now: Instant) {
        advance(to: now)
        for index in 0..<table.slotCount where table.isOpen(index) && table[index].refusedUntil == nil {
            table[index].http.finish(at: moment)
            touch(index)
        }
    }

    /// Deals with one readiness report whose token the server owns. What comes of it goes into the inbox.
    public mutating func handle(
        _ ready: Poller.Ready, at now: Instant, on poller: borrowing Poller, into inbox: inout [Inbound]
    ) {
        advance(to: now)
        let slot = UInt32(truncatingIfNeeded: ready.token)
        guard slot != .max else { return acceptWaiting(on: poller) }
        let index = Int(slot)
        // A report may be older than the connection that has the slot now.
        guard table.isOpen(index), token(at: index) == ready.token else { return }
        if table[index].refusedUntil != nil { return discard(index) }
        if ready.isWritable && table[index].isBlocked {
            table[index].isBlocked = false
            touch(index)
        }
        if ready.isReadable && table[index].interest.contains(.read) {
            receive(index, into: &inbox)
        } else if ready.hasFailed {
            drop(index, into: &inbox)
        }
    }

    /// Looks at the connections whose deadline has come. Follow it with ``flush(at:on:into:)``.
    public mutating func expire(at now: Instant, on poller: borrowing Poller, into inbox: inout [Inbound]) {
        advance(to: now)
        acceptor.resume(at: now, on: poller)
        guard wheel.deadline <= now else { return }
        wheel.advance(to: now, into: &due)
        for (slot, tick) in due {
            let index = Int(slot)
            guard table.scheduled(index) == tick else { continue }
            table.setScheduled(index, DeadlineWheel.none)
            guard table.isOpen(index) else { continue }
            if let end = table[index].refusedUntil {
                if end <= now { drop(index, into: &inbox) } else { schedule(index, end) }
                continue
            }
            table[index].expire(at: moment)
            touch(index)
        }
        due.removeAll(keepingCapacity: true)
    }

    mutating func advance(to now: Instant) {
        if now != moment.now { moment.advance(to: now, wallTime: Clock.wallTime()) }
    }

    static func token(_ tag: UInt8, _ slot: UInt32, _ generation: UInt32) -> UInt64 {
        UInt64(tag) << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(slot)
    }

    func token(at index: Int) -> UInt64 {
        let id = table.id(at: index)
        return Self.token(tag, id.slot, id.generation)
    }
}

/// Memory that is read into over and over again.
struct ReceiveBuffer: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    init(capacity: Int) { bytes = .allocate(byteCount: capacity, alignment: 64) }

    deinit { bytes.deallocate() }
}
