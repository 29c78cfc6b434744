// The words of the ladder of links: what is sent, what may be refused, what comes of it, and how much.

public import Primitives

/// What a link promises of one message (Cachin, Guerraoui and Rodrigues, sections 2.4.2 to 2.4.4 and 3.9.2).
/// Each rung stands on the one before it.
public enum LinkRung: UInt8, Sendable, CaseIterable {
    /// Sent once: it may be lost, come twice, or late.
    case fairLoss = 0
    /// Sent again and again until it expires or is stopped: delivered at least once, and then again.
    case stubborn = 1
    /// Sent until it is acknowledged: delivered exactly once while both processes live.
    case perfect = 2
    /// As ``perfect``, and after whatever was sent before it over ``perfect`` and ``fifo``.
    case fifo = 3

    /// Whether the receiver acknowledges it and drops duplicates.
    var isAcknowledged: Bool { rawValue >= LinkRung.perfect.rawValue }
}

/// A message that came over a link.
public struct LinkMessage: Equatable, Sendable {
    /// The promise under which it was sent.
    public var rung: LinkRung
    /// Whom it is for, in the users' own numbering.
    public var kind: UInt8
    /// What was sent; a part of the payload that it came in.
    public var bytes: ArraySlice<UInt8>
}

/// Why a message can't be sent.
public enum LinkRefusal: Error, Equatable, Sendable {
    /// Longer than ``Link/longestMessage``.
    case tooLong
    /// As many messages or bytes wait as may: the peer is slow, far, or not there.
    case full
    /// Its time is over already.
    case expired
}

/// How a link goes about it.
public struct LinkOptions: Sendable, Equatable {
    /// Messages that wait or are under way, and their bytes.
    public var mostMessages = 4_096, mostBytes = 1 << 20
    /// Bytes under way at most.
    public var mostUnderWay = 128 << 10
    /// Bytes of messages that came before their predecessors.
    public var mostHeldBytes = 256 << 10
    /// Until a round trip was measured it is taken to last so long.
    public var firstTimeout = Instant.Span.milliseconds(200)
    /// Bounds of the retransmission timeout. RFC 6298 asks for a second at least; within a data centre that
    /// would be a hundred round trips.
    public var shortestTimeout = Instant.Span.milliseconds(20), longestTimeout = Instant.Span.seconds(2)
    /// An acknowledgement waits so long for a message that it can go with.
    public var acknowledgementDelay = Instant.Span.milliseconds(2)

    /// The defaults.
    public init() {}
}

/// What happened to the messages of one rung.
public struct RungCounters: Sendable, Equatable {
    /// Messages that were sent for the first time, and transmissions of them after that.
    public var sent: UInt64 = 0, retransmitted: UInt64 = 0
    /// Messages that the peer has, as it says.
    public var acknowledged: UInt64 = 0
    /// Messages whose time was over before they were acknowledged, and those of which a restart of the peer
    /// left open whether it had them.
    public var expired: UInt64 = 0, lost: UInt64 = 0
    /// Messages that were handed over here.
    public var delivered: UInt64 = 0
    /// Messages that came once more and were dropped, and those that came before an earlier one.
    public var duplicates: UInt64 = 0, reordered: UInt64 = 0
    /// Messages that a caller wanted to send and that were refused.
    public var refused: UInt64 = 0
}

/// What happened on one link.
public struct LinkCounters: Sendable, Equatable {
    private var rungs = [RungCounters](repeating: RungCounters(), count: LinkRung.allCases.count)
    /// Payloads that were made, and that were taken.
    public var payloadsSent: UInt64 = 0, payloadsReceived: UInt64 = 0
    /// Payloads that no link makes.
    public var malformed: UInt64 = 0
    /// Payloads of an earlier process of the peer's, and those for another process of this node's.
    public var stale: UInt64 = 0, misaddressed: UInt64 = 0
    /// Messages that had come too early and found no room; the peer sends them again.
    public var overflows: UInt64 = 0
    /// Messages that had come before their predecessors when the peer's process ended: they were dropped.
    public var abandoned: UInt64 = 0
    /// Restarts of the peer.
    public var restarts: UInt64 = 0

    /// Nothing has happened.
    public init() {}

    /// The counters of one rung.
    public subscript(rung: LinkRung) -> RungCounters {
        get { rungs[Int(rung.rawValue)] }
        _modify { yield &rungs[Int(rung.rawValue)] }
    }
}
