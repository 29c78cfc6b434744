import Primitives

/// What the transport knows about one peer: what waits for it, and whether it is worth trying.
struct Peer {
    struct Batch {
        let number: UInt64
        let url: String
        let body: [UInt8]
    }

    /// Transfers under way to this peer.
    var inFlight = 0
    /// Until when batches fail at once, because connecting failed.
    private(set) var restsUntil = Instant.zero
    private var rest = Instant.Span.zero
    private var queue: [Batch] = []
    /// The first batch of the queue; those before it are gone.
    private var head = 0
    private(set) var queuedBytes = 0

    var queuedCount: Int { queue.count - head }

    mutating func enqueue(_ batch: Batch) {
        queue.append(batch)
        queuedBytes += batch.body.count
    }

    mutating func dequeue() -> Batch? {
        guard head < queue.count else { return nil }
        let batch = queue[head]
        queuedBytes -= batch.body.count
        head += 1
        if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64 {
            queue.removeFirst(head)
            head = 0
        }
        return batch
    }

    /// Connecting failed: each failure in a row doubles the rest.
    mutating func becomeUnreachable(at now: Instant, _ limits: PeerTransport.Limits) {
        // Several transfers fail together; only the first of them counts.
        guard restsUntil <= now else { return }
        rest = rest == .zero ? limits.retryAtLeast : min(rest + rest, limits.retryAtMost)
        restsUntil = now + rest
    }

    /// The peer was reached.
    mutating func becomeReachable() {
        rest = .zero
        restsUntil = .zero
    }
}

/// A large resource that is pulled in ranges.
struct Fetch {
    let id: UInt64
    let url: String
    /// Where the next range begins.
    var offset: UInt64
    /// How many bytes may still come.
    var left: UInt64
    /// The size of the whole resource, once a range has told it.
    var total: UInt64?

    /// The first byte, the last byte and the size of `bytes 0-99/1000` (RFC 9110, section 14.4).
    static func parse(contentRange text: String) -> (first: UInt64, last: UInt64, total: UInt64)? {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return nil }
        let numbers = parts[1].split(whereSeparator: { $0 == "-" || $0 == "/" }).map { UInt64($0) }
        guard numbers.count == 3, let first = numbers[0], let last = numbers[1], let total = numbers[2],
            first <= last, last < total
        else { return nil }
        return (first, last, total)
    }
}
