import Consensus
import Primitives
import Store

/// What an entry did to leases, locks, queues and the like, and how these stand after it.
struct CoordinationGhost: Sendable {
    /// A lock, an election or a semaphore.
    struct Claim: Sendable {
        var state: ClaimState
        var holders: [ClaimGrant]
        var waiters: [ClaimCandidate]
    }

    /// A barrier, with who has arrived in its present generation, and who belonged to the one that was
    /// released last, in the order of arrival.
    struct Barrier: Sendable {
        var state: Store.Barrier
        var here: [BarrierMember]
        var gone: [BarrierMember]
    }

    /// What the entry says, without its fences.
    var command: Command
    /// The tokens that must be current for it to change anything.
    var fences: [Fence] = []
    /// What happened that somebody outside the state waits for.
    var news: [Coordination.News]
    var leases: [Lease]
    var claims: [Claim]
    var queues: [Queue]
    var barriers: [Barrier]
    /// The keys that only the clients of these things use, with the leases that they are under.
    var keys: [[UInt8]: String?]

    /// Nil if the entry is not about them.
    init?(of entry: EntryBook.Known, _ news: [Coordination.News], _ keyspace: borrowing Keyspace) {
        guard entry.kind == .command, Self.isAbout(entry.payload),
            let command = try? Command(decoding: entry.payload)
        else { return nil }
        self.command = command
        if case .fenced(let fences, let operation) = command.operation {
            self.fences = fences
            self.command.operation = operation
        }
        self.news = news
        leases = keyspace.leases(limit: 1000)
        queues = keyspace.queues(limit: 100)
        barriers = keyspace.barriers(limit: 100).map { state in
            Barrier(
                state: state, here: keyspace.members(of: state, generation: state.generation),
                gone: state.released == 0 ? [] : keyspace.members(of: state, generation: state.released))
        }
        claims = []
        for kind in ClaimKind.allCases {
            for state in keyspace.claims(kind, limit: 100) {
                claims.append(
                    Claim(
                        state: state, holders: keyspace.holders(of: state.claim, limit: 1000),
                        waiters: keyspace.queue(of: state.claim, limit: 1000)))
            }
        }
        keys = [:]
        if case .success(let page) = keyspace.range(.prefix([CoordinationClient.keyStart]), limit: 100) {
            for item in page.items { keys[item.key] = .some(item.lease) }
        }
    }

    /// Puts under leases, coordination, and what has an idempotency key or a fence: operations 8 to 11 of a
    /// command whose principal is empty.
    private static func isAbout(_ payload: [UInt8]) -> Bool {
        payload.count > 26 && payload[25] == 0 && (8...11).contains(payload[26])
    }
}

extension Chronicle {
    /// Calls `body` for each entry of a range that is about leases, locks, queues and the like.
    func forEachCoordination(
        from: LogIndex, upTo: LogIndex,
        _ body: (LogIndex, StoreGhost.Applied, CoordinationGhost) throws(Violation) -> Void
    ) throws(Violation) {
        var index = from
        while index <= upTo {
            if let applied = store.applied(at: index), let ghost = applied.coordination {
                try body(index, applied, ghost)
            }
            index = index.next
        }
    }
}

extension StoreGhost.Applied {
    /// What the command did that it asks for; nil if it was known before, or refused for that or by a fence.
    var ownOutcome: Outcome? {
        switch outcome {
        case .replayed, .refused(.cancelled), .refused(.keyReused), .refused(.fenceStale), nil: nil
        case let own?: own
        }
    }

    /// Whether it is the first to ask for what it asks for, so that its outcome is kept under its key.
    var isFirst: Bool {
        switch outcome {
        case .replayed, .refused(.cancelled), .refused(.keyReused), nil: false
        default: true
        }
    }
}
