// The ladder of links (Cachin, Guerraoui and Rodrigues, chapter 2): what datagrams don't promise is made of
// retransmission, acknowledgement and numbers, as a value that is told what came and what time it is.

public import Primitives

/// This node's end of the way to one peer, in both directions and for all rungs.
///
/// Whoever owns it sends what it says as datagrams, calls ``wake(at:into:)`` when ``deadline`` has come, and
/// ``flush(at:into:)`` at the end of each turn in which anything else was called: messages of one turn share
/// datagrams.
public struct Link: Sendable {
    /// Bytes of a message at most.
    public static let longestMessage = 1_024

    /// What is to be done, or what became of a message; the number is the one that `send` gave it.
    public enum Effect: Equatable, Sendable {
        /// Send a datagram with this content.
        case transmit([UInt8])
        /// Take a message.
        case deliver(LinkMessage)
        /// The peer's process has the message.
        case acknowledged(UInt64)
        /// The message's time is over. If it was sent meanwhile, nobody here knows whether the peer has it;
        /// if not, it has not, and never will.
        case expired(UInt64, wasSent: Bool)
        /// The peer restarted before it acknowledged the message: nobody here knows whether its last process
        /// had it; the new one has not, and never will.
        case lost(UInt64)
        /// The peer's process has answered: the first one that did, or another one than before.
        case connected(LinkCause, incarnation: UInt64)
    }

    struct Outgoing: Sendable {
        var number: UInt64
        var rung: LinkRung
        var kind: UInt8
        var bytes: [UInt8]
        var expires: Instant
    }

    /// A message that was sent under a number of the link's.
    struct Slot: Sendable {
        var message: Outgoing
        var sent: Instant
        var due: Instant
        var attempts = 0
        /// It is sent again with the next datagrams.
        var isLost = false
    }

    struct Stubborn: Sendable {
        var message: Outgoing
        var due: Instant
        var attempts = 0
    }

    /// This process.
    public let incarnation: UInt64
    /// How it goes about it.
    public let options: LinkOptions
    /// What happened so far.
    public internal(set) var counters = LinkCounters()
    /// The peer's process; nil until it has answered this one.
    public internal(set) var peer: UInt64?

    var random: SeededGenerator
    var lastNumber: UInt64 = 0
    var waiting: [Outgoing] = []
    var waitingFrom = 0
    var unbound: [Outgoing] = []
    var stubborn: [Stubborn] = []
    /// Messages from `base` up to `next` that are still open, each at its number modulo the window.
    var slots: [Slot?]
    var base: UInt64 = 1, next: UInt64 = 1
    var openCount = 0, openBytes = 0
    var heldBytes = 0
    var trips = RoundTrips()
    var congestion = CongestionWindow()
    /// When the latest message left that was sent once and acknowledged.
    var latestAcknowledged = Instant(nanoseconds: .min)
    var reviewAt = Instant.never, expiryAt = Instant.never, stubbornAt = Instant.never
    var lostCount = 0
    /// What the peer said last of its own; while it is below ``base``, the peer waits for what was given up.
    var peerNext: UInt64 = 1
    var floorAt = Instant.never
    var floorAttempts = 0

    var reception = Reception()
    var unacknowledged = 0
    var acknowledgeAt = Instant.never
    /// The process to tell about this one.
    var greets: UInt64?
    var helloAt = Instant(nanoseconds: .min)
    var hellos = 0

    /// Begins without knowing whether the peer is there.
    ///
    /// - Parameters:
    ///   - incarnation: Greater for every process that this node runs, as its wall clock at the start is; not
    ///     0.
    ///   - seed: Decides how far retransmissions are spread.
    public init(incarnation: UInt64, options: LinkOptions = LinkOptions(), seed: UInt64) {
        precondition(incarnation > 0, "incarnation 0 stands for none")
        self.incarnation = incarnation
        self.options = options
        random = SeededGenerator(seed: seed)
        slots = [Slot?](repeating: nil, count: Reception.window)
    }

    /// Whether the peer's process has answered this one: perfect and FIFO messages leave from then on.
    public var state: LinkState { peer == nil ? .unknown : .connected }

    /// The smoothed round trip; nil until there was one.
    public var roundTrip: Instant.Span? { trips.smoothed }

    /// Messages that were neither acknowledged nor given up, and their bytes.
    public var load: (messages: Int, bytes: Int) {
        (waiting.count - waitingFrom + unbound.count + stubborn.count + openCount, heldBytes)
    }

    /// When ``wake(at:into:)`` must be called.
    public var deadline: Instant {
        var earliest = min(expiryAt, stubbornAt, acknowledgeAt, floorAt)
        if openCount > 0 { earliest = min(earliest, reviewAt) }
        if peer == nil, waitingFrom < waiting.count { earliest = min(earliest, helloAt) }
        return earliest
    }

    /// Sends a message and answers the number under which its outcome is told; over fair-loss nothing is
    /// told. It leaves with the next ``flush(at:into:)``.
    ///
    /// - Parameters:
    ///   - kind: Tells the receiver whom it is for.
    ///   - expires: A perfect or FIFO message that is not acknowledged by then is given up; a stubborn one is
    ///     sent until then.
    /// - Throws: A refusal; nothing has changed then but a counter.
    public mutating func send(
        _ bytes: [UInt8], kind: UInt8, on rung: LinkRung, expires: Instant, at now: Instant
    ) throws(LinkRefusal) -> UInt64 {
        if let refusal = refusal(bytes.count, expires: expires, at: now) {
            counters[rung].refused += 1
            throw refusal
        }
        lastNumber += 1
        heldBytes += bytes.count
        let message = Outgoing(number: lastNumber, rung: rung, kind: kind, bytes: bytes, expires: expires)
        switch rung {
        case .fairLoss: unbound.append(message)
        case .stubborn:
            stubborn.append(Stubborn(message: message, due: now))
            stubbornAt = min(stubbornAt, now)
            expiryAt = min(expiryAt, expires)
        case .perfect, .fifo:
            waiting.append(message)
            expiryAt = min(expiryAt, expires)
        }
        return lastNumber
    }

    private func refusal(_ count: Int, expires: Instant, at now: Instant) -> LinkRefusal? {
        if count > Self.longestMessage { return .tooLong }
        if expires <= now { return .expired }
        let load = load
        return load.messages >= options.mostMessages || load.bytes + count > options.mostBytes ? .full : nil
    }

    /// Sends a stubborn message no more; false if it is none, or not sent any more.
    public mutating func stop(_ number: UInt64) -> Bool {
        guard let place = stubborn.firstIndex(where: { $0.message.number == number }) else { return false }
        heldBytes -= stubborn.remove(at: place).message.bytes.count
        return true
    }

    /// Does what is due. Calling it too early does nothing; its datagrams leave with the next flush.
    public mutating func wake(at now: Instant, into effects: inout [Effect]) {
        if expiryAt <= now { expire(at: now, into: &effects) }
        if openCount > 0, reviewAt <= now { review(at: now) }
    }

    // MARK: Parts

    func place(of number: UInt64) -> Int { Int(number % UInt64(Reception.window)) }

    /// Takes a message out that is settled one way or the other.
    mutating func close(_ number: UInt64) -> Slot? {
        guard let slot = slots[place(of: number)] else { return nil }
        slots[place(of: number)] = nil
        openCount -= 1
        openBytes -= slot.message.bytes.count
        heldBytes -= slot.message.bytes.count
        if slot.isLost { lostCount -= 1 }
        return slot
    }

    /// Below the first open message nothing is sent any more.
    mutating func raiseBase() {
        while base < next, slots[place(of: base)] == nil { base += 1 }
    }
}
