// One node's dealings with one other: what waits to be told, what is on its way, what was heard.
import Consensus
public import Primitives
public import Replication
import Wire

/// The node's dealings with one peer.
public struct PeerLink: Sendable {
    /// A request of the peer that is not answered yet.
    struct Held {
        var id: PeerRequestID
        var since: Instant
        /// The answer waits until this much is on disk, so that it can tell so.
        var releaseAfter: UInt64
        var wantsJSON: Bool
    }

    /// Bounds on one link.
    struct Limits {
        /// Requests under way at a time: while they are, messages gather for the next one.
        var inFlight = 3
        /// How long a request of the peer may be held for the sake of an answer that carries more.
        var hold = Instant.Span.milliseconds(5)
        /// Messages that may wait; beyond, the oldest consensus messages are dropped, which Raft tolerates.
        var outbox = 8192
        /// Bytes of messages in one request.
        var batchBytes = 4 << 20
    }

    /// The peer.
    public let id: NodeID
    let limits = Limits()
    /// Messages that wait to be sent.
    public private(set) var outbox: [PeerMessage] = []
    private(set) var held: [Held] = []
    private(set) var inFlight: [UInt64: InFlight] = [:]
    private var lastBatch: UInt64 = 0
    private var seen = BatchWindow()

    /// Messages handed to the peer.
    public private(set) var sent: UInt64 = 0
    /// Messages heard from it.
    public private(set) var received: UInt64 = 0
    /// Messages dropped unsent for want of room.
    public private(set) var dropped: UInt64 = 0
    /// Requests that got no answer.
    public private(set) var failures: UInt64 = 0
    /// Batches that had come before.
    public private(set) var duplicates: UInt64 = 0
    /// Smoothed time from a request to its answer; includes the peer's disk when it waits for that.
    public private(set) var roundTrip: Instant.Span?
    /// When it was last heard.
    public private(set) var lastHeard: Instant?

    struct InFlight {
        var since: Instant
        /// Forwarded writes in it, to be given back if it certainly never arrived.
        var requests: [RequestID]
    }

    init(_ id: NodeID) { self.id = id }

    /// Whether the last request got no answer.
    public private(set) var isFailing = false
    /// Whether there is room for messages that nobody repeats.
    public var hasRoomForNotes: Bool { outbox.count < limits.outbox / 2 }

    /// Puts a message in line. Answers the forwarded writes that had to be given up for want of room.
    mutating func enqueue(_ message: PeerMessage) -> [RequestID] {
        outbox.append(message)
        guard outbox.count > limits.outbox else { return [] }
        let overflow = outbox.count / 2
        let given = outbox.prefix(overflow).flatMap(Self.forwardedRequests)
        outbox.removeFirst(overflow)
        dropped += UInt64(overflow)
        return given
    }

    /// Notes a batch of the peer; false if it was seen before.
    mutating func note(_ envelope: Envelope, at now: Instant) -> Bool {
        guard seen.insert(envelope.batch, of: envelope.incarnation) || isPlanted(.takesBatchTwice) else {
            duplicates += 1
            return false
        }
        received += UInt64(envelope.messages.count)
        isFailing = false
        lastHeard = now
        return true
    }

    mutating func hold(_ request: Held) { held.append(request) }

    /// Requests held in this turn wait until this much is on disk.
    mutating func scheduleHeld(after sequence: UInt64) {
        for place in held.indices where held[place].releaseAfter == .max {
            held[place].releaseAfter = sequence
        }
    }

    mutating func forget(_ id: PeerRequestID) { held.removeAll { $0.id == id } }

    /// When ``nextAnswer(durable:at:)`` may have something to do without anything else happening.
    var deadline: Instant { held.first.map { $0.since + limits.hold } ?? .never }

    /// The held request to be answered now, and with what; nil if none is ripe.
    mutating func nextAnswer(durable: UInt64, at now: Instant) -> (Held, [PeerMessage], batch: UInt64)? {
        guard
            let place = held.firstIndex(where: { $0.releaseAfter <= durable || now >= $0.since + limits.hold }
            )
        else { return nil }
        let request = held.remove(at: place)
        return (request, takeMessages(), nextBatch())
    }

    /// Messages to be sent in a request now; nil if there are none, too much is under way, or an answer is
    /// about to carry them.
    mutating func nextBatch(at now: Instant) -> (messages: [PeerMessage], batch: UInt64)? {
        guard !outbox.isEmpty, held.isEmpty, inFlight.count < limits.inFlight else { return nil }
        let messages = takeMessages()
        let batch = nextBatch()
        inFlight[batch] = InFlight(since: now, requests: messages.flatMap(Self.forwardedRequests))
        return (messages, batch)
    }

    mutating func answered(_ batch: UInt64, at now: Instant) {
        isFailing = false
        guard let request = inFlight.removeValue(forKey: batch) else { return }
        let sample = now - request.since
        guard let smoothed = roundTrip else {
            roundTrip = sample
            return
        }
        let change = (sample.nanoseconds - smoothed.nanoseconds) / 8
        roundTrip = Instant.Span(nanoseconds: smoothed.nanoseconds + change)
    }

    /// A request got no answer. Answers its forwarded writes, if it certainly never arrived.
    mutating func failed(_ batch: UInt64, reached: Bool) -> [RequestID] {
        failures += 1
        isFailing = true
        guard let request = inFlight.removeValue(forKey: batch) else { return [] }
        return reached && !isPlanted(.takesSilenceForLoss) ? [] : request.requests
    }

    /// A batch was lost on its way, or its answer was, and nobody says so: neither does it show how long the
    /// way takes, nor may its writes be given back. On a link that is cut, silence counts as failure.
    mutating func lost(_ batch: UInt64, isCut: Bool) {
        inFlight[batch] = nil
        guard isCut else { return }
        failures += 1
        isFailing = true
    }

    private mutating func nextBatch() -> UInt64 {
        lastBatch += 1
        return lastBatch
    }

    private mutating func takeMessages() -> [PeerMessage] {
        var size = 0
        var count = 0
        for message in outbox {
            size += message.encodedSizeHint
            if size > limits.batchBytes && count > 0 { break }
            count += 1
        }
        sent += UInt64(count)
        if count == outbox.count {
            defer { outbox = [] }
            return outbox
        }
        defer { outbox.removeFirst(count) }
        return Array(outbox.prefix(count))
    }

    private static func forwardedRequests(_ message: PeerMessage) -> [RequestID] {
        guard case .forward(let forward) = message else { return [] }
        return forward.requests
    }
}
