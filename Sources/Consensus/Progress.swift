import Primitives

/// What a leader knows of one peer, and what is under way to it.
///
/// ```
///           rejected, unreachable, no answer
///        ┌──────────────────────────────────┐
///        ▼                                  │
///      probe ──────── matched ─────────▶ replicate
///        │  ▲                               ▲
///        │  └─ no answer ─┐                 │
///        └─ log too short ─▶ snapshot ─ matched
/// ```
struct Progress: Sendable {
    let id: NodeID
    var isLearner: Bool
    private(set) var state = PeerView.State.probe
    /// Invariant: never goes back in a term (thesis, figure 3.1).
    private(set) var match = LogIndex.zero
    /// Invariant: `match < next`.
    private(set) var next: LogIndex
    private(set) var window = Window()
    /// The highest commit index the peer was told, or would have been if all had arrived.
    var commitSent = LogIndex.zero
    /// The latest read round the peer has answered.
    private(set) var round: UInt64 = 0
    private(set) var lastContact: Instant?
    /// Since when an answer is due: when the oldest unanswered append or snapshot reference was sent, or the
    /// last answer came. Nil if nothing is under way.
    private(set) var awaitingSince: Instant?
    /// How often in a row an answer has failed to come.
    private var retries = 0

    init(id: NodeID, isLearner: Bool, next: LogIndex) {
        self.id = id
        self.isLearner = isLearner
        self.next = next
    }

    /// The peer has answered something in this term.
    mutating func heard(at now: Instant) { lastContact = now }

    /// The peer has answered a heartbeat of `round`.
    mutating func acknowledged(round answered: UInt64) { round = max(round, answered) }

    /// One append from `next` on was sent and nothing more will be until it is answered.
    mutating func sentProbe(at now: Instant) { awaitingSince = now }

    /// The entries from `next` up to `end` were sent.
    mutating func sent(upTo end: LogIndex, bytes: Int, sizeIsKnown: Bool, at now: Instant) {
        window.add(last: end.previous, bytes: bytes, sizeIsKnown: sizeIsKnown)
        next = end
        if awaitingSince == nil { awaitingSince = now }
    }

    /// A snapshot reference was sent; the log goes on after it.
    mutating func sentSnapshot(at index: LogIndex, now: Instant) {
        state = .snapshot
        window.clear()
        next = max(match, index).next
        awaitingSince = now
    }

    /// The peer holds the leader's log up to `index`, which the leader still knows if `isInLog`. Returns
    /// whether that is news.
    mutating func matched(_ index: LogIndex, isInLog: Bool, at now: Instant) -> Bool {
        let isNews = index > match || isPlanted(.matchGoesBack)
        if isNews { match = index }
        switch state {
        case .probe where index.next >= next || isNews, .snapshot where isInLog:
            state = .replicate
            window.clear()
            next = match.next
        case .probe, .snapshot:
            next = max(next, match.next)
            return isNews
        case .replicate:
            if isNews && window.hasUnknownSize {
                // The owner may have sent only the first part of what it was asked to.
                window.clear()
                next = match.next
            } else {
                window.free(upTo: match)
                next = max(next, match.next)
            }
        }
        retries = 0
        awaitingSince = window.isEmpty ? nil : now
        return isNews
    }

    /// The peer does not hold what comes before `previous`' next; `retry` is where to try. Late answers are
    /// ignored.
    mutating func rejected(previous: LogIndex, retry: LogIndex) {
        switch state {
        case .probe where previous.next == next && previous > match, .replicate where previous > match:
            probe(from: max(match.next, min(retry, previous)))
            retries = 0
        case .probe, .replicate, .snapshot: break
        }
    }

    /// The peer can't be reached, so what is under way is probably lost. The next sign of life starts a
    /// probe.
    mutating func unreachable() {
        if state == .replicate { probe(from: match.next) }
        awaitingSince = Instant(nanoseconds: .min / 2)
    }

    /// Takes what is under way for lost if it has not been answered for long, longer with each time in a row.
    /// `patience` is how long at first.
    mutating func retryIfLate(_ patience: Instant.Span, at now: Instant) {
        guard let awaitingSince, now - awaitingSince >= patience * (1 << min(retries, 3)) else { return }
        retries += 1
        // In the other states all before `next` may already be there; what was matched is a poorer guess.
        probe(from: state == .replicate ? match.next : next)
    }

    private mutating func probe(from index: LogIndex) {
        state = .probe
        window.clear()
        next = index
        awaitingSince = nil
    }
}

extension Progress {
    /// The appends under way to a peer, oldest first.
    struct Window: Sendable {
        private var slots: [(last: LogIndex, bytes: Int)] = []
        private var head = 0
        private(set) var bytes = 0
        /// Whether one of them may be cut short by the owner, because the core did not know its size.
        private(set) var hasUnknownSize = false

        var isEmpty: Bool { head == slots.count }
        var count: Int { slots.count - head }

        mutating func add(last: LogIndex, bytes: Int, sizeIsKnown: Bool) {
            if head >= 32 {
                slots.removeFirst(head)
                head = 0
            }
            slots.append((last, bytes))
            self.bytes += bytes
            if !sizeIsKnown { hasUnknownSize = true }
        }

        mutating func free(upTo index: LogIndex) {
            while head < slots.count, slots[head].last <= index {
                bytes -= slots[head].bytes
                head += 1
            }
            if isEmpty { clear() }
        }

        mutating func clear() {
            slots.removeAll(keepingCapacity: true)
            head = 0
            bytes = 0
            hasUnknownSize = false
        }
    }
}
