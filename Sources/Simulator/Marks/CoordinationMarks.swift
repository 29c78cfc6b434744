import Consensus
import NodeCore
import Primitives
import Replication
import Store

extension Mark {
    static let coordination: [Mark: String] = [
        .leaseRenewed: "lease renewed",
        .leaseExpired: "lease that expired",
        .leaseExpiredWithKeys: "lease that expired, and keys with it",
        .leaseExpiredInLaterTerm: "lease that expired in a later term than it was renewed in",
        .leaseRenewalTooLate: "renewal that came after the lease had expired",
        .leasesExpiredTogether: "two leases that one firing has ended",
        .firingHitNothing: "firing of a timer that had been ended or prolonged meanwhile",
        .firingOfDeposedLeader: "firing that was committed when a later leader was elected",
        .timeLeftRecorded: "how much is left of a timer, put in the log",
        .claimReadersTogether: "lock held by two readers",
        .claimReaderBehindWriter: "reader that waits, behind a writer, for a lock that readers hold",
        .claimWaiterLetIn: "somebody let in who had waited",
        .claimWaiterLetInLaterTerm: "somebody let in in a later term than the wait began in",
        .claimTakenOver: "somebody let in since another one's lease expired",
        .claimClosedByDelay: "lock kept closed after a lease expired",
        .claimWaitTimedOut: "wait that was over before anybody was let in",
        .claimLeaseEndedWaiting: "lease that ended while its holder waited",
        .claimWaiterAbandoned: "place in a queue given up, since the client was gone",
        .claimHoldAbandoned: "hold given back, since the client was gone",
        .claimReleasedAgain: "release of what was not held any more",
        .claimCandidateOvertook: "candidate of a higher priority elected before one that waited longer",
        .claimPermitsShared: "semaphore held by two",
        .waitersInSnapshot: "snapshot of the leader with somebody who waits in it",
        .waitersAfterStart: "start from a state in which somebody waits",
        .messageRedelivered: "message handed out again",
        .messageRedeliveredLaterTerm: "message handed out again in a later term",
        .messageDied: "message handed out from the queue of the dead",
        .messageAcknowledgedTooLate: "acknowledgement that came when the message was another's, or nobody's",
        .messageNeverSeen: "messages that came back, since the client was gone",
        .messageRepeated: "message that was enqueued before, by its dedupe id",
        .onceReplayed: "request that had been carried out before, by its idempotency key",
        .onceReplayedElsewhere: "request that had been carried out for another node, likewise",
        .onceReplayedLaterTerm: "request that had been carried out in an earlier term, likewise",
        .onceReused: "idempotency key of another request",
        .cancelledInTime: "request cancelled before it came",
        .cancelledTooLate: "request that was to be cancelled and had been carried out",
        .cancelledCame: "request that came after it had been cancelled",
    ]
}

/// Marks about leases, locks, queues and what comes of requests.
final class CoordinationMarks: FactListener {
    let facts: FactKinds = [.grown, .elected, .checkpoints, .started]
    private let book: MarkBook
    private var lastElected = Term.zero
    /// In which term each lease was renewed last.
    private var renewed: [String: Term] = [:]
    private var expired: Set<String> = []
    private var waiting: [RequestID: Term] = [:]
    private var received: [UInt64: Term] = [:]
    private var done: [RequestID: Term] = [:]
    private var leases: [Lease] = []
    private var claims: [CoordinationGhost.Claim] = []
    /// How many keys were under leases after the entry before.
    private var leasedKeys = 0

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .elected(let node): lastElected = max(lastElected, chronicle.nodes[node].now.term)
        case .grown(_, let from, let upTo):
            try chronicle.forEachCoordination(from: from, upTo: upTo) {
                index, applied, ghost throws(Violation) in
                look(applied, ghost, chronicle.ledger.term(at: index) ?? .zero)
            }
        case .checkpoints(_, let turn):
            for case .snapshotLoaded(let keyspace, _) in turn.reports {
                book.hit(.waitersInSnapshot, if: Self.hasWaiters(keyspace))
            }
        case .started(let node):
            guard let keyspace = chronicle.source?.keyspace(of: node) else { return }
            book.hit(.waitersAfterStart, if: Self.hasWaiters(keyspace))
        default: break
        }
    }

    private static func hasWaiters(_ keyspace: Keyspace) -> Bool {
        ClaimKind.allCases.contains { kind in
            keyspace.claims(kind, limit: 100).contains { $0.waiterCount > 0 }
        }
    }

    private func look(_ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, _ term: Term) {
        if let outcome = applied.outcome { look(outcome, ghost, applied.request, term) }
        for news in ghost.news {
            if case .settled(let request, .claim(let outcome)) = news {
                settled(request, outcome, ghost, term)
            }
        }
        for claim in ghost.claims { look(claim) }
        if case .coordinate(.timers(.fire(let leader, let numbers))) = ghost.command.operation {
            book.hit(.firingOfDeposedLeader, if: leader < lastElected)
            fired(numbers, ghost, term, applied)
        }
        (leases, claims) = (ghost.leases, ghost.claims)
    }

    private func fired(
        _ numbers: [UInt64], _ ghost: CoordinationGhost, _ term: Term, _ applied: StoreGhost.Applied
    ) {
        let living = Set(ghost.leases.map(\.id))
        let ended = leases.filter { !living.contains($0.id) }
        book.hit(.leaseExpired, if: !ended.isEmpty)
        book.hit(.leasesExpiredTogether, if: ended.count > 1)
        if case .coordinated(.timers(let count))? = applied.outcome {
            book.hit(.firingHitNothing, if: count < numbers.count)
        }
        for lease in ended {
            expired.insert(lease.id)
            if let last = renewed[lease.id] { book.hit(.leaseExpiredInLaterTerm, if: last < term) }
        }
        for case .settled(_, .claim(.granted)) in ghost.news { book.hit(.claimTakenOver, if: !ended.isEmpty) }
    }

    private func look(_ claim: CoordinationGhost.Claim) {
        let isShared = claim.holders.count > 1
        switch claim.state.claim.kind {
        case .lock:
            book.hit(.claimReadersTogether, if: isShared)
            let isRead = claim.holders.first?.mode == .read
            book.hit(.claimReaderBehindWriter, if: isRead && claim.waiters.contains { $0.mode == .read })
        case .semaphore: book.hit(.claimPermitsShared, if: isShared)
        case .election: break
        }
        book.hit(.claimClosedByDelay, if: claim.state.delay != nil && !claim.waiters.isEmpty)
    }

    private func settled(
        _ request: RequestID, _ outcome: ClaimOutcome, _ ghost: CoordinationGhost, _ term: Term
    ) {
        let began = waiting.removeValue(forKey: request)
        switch outcome {
        case .granted(let grant):
            book.hit(.claimWaiterLetIn)
            if let began { book.hit(.claimWaiterLetInLaterTerm, if: began < term) }
            let before = claims.first { $0.state.claim == grant.claim }?.waiters ?? []
            if let own = before.first(where: { $0.owner == grant.owner }) {
                book.hit(.claimCandidateOvertook, if: before.contains { $0.timer < own.timer })
            }
        case .gaveUp(.held): book.hit(.claimWaitTimedOut)
        case .gaveUp(.leaseEnded): book.hit(.claimLeaseEndedWaiting)
        default: break
        }
    }

    private func look(
        _ outcome: Outcome, _ ghost: CoordinationGhost, _ request: RequestID, _ term: Term
    ) {
        done[request] = term
        switch (ghost.command.operation, outcome) {
        case (_, .replayed(_, let original)):
            book.hit(.onceReplayed)
            book.hit(.onceReplayedElsewhere, if: original.high & 0xffff != request.high & 0xffff)
            if let first = done[original] { book.hit(.onceReplayedLaterTerm, if: first < term) }
        case (_, .refused(.keyReused)): book.hit(.onceReused)
        case (_, .refused(.cancelled)): book.hit(.cancelledCame)
        case (.coordinate(.cancel), .coordinated(.request(.never))): book.hit(.cancelledInTime)
        case (.coordinate(.cancel), .coordinated(.request(.known))): book.hit(.cancelledTooLate)
        case (.coordinate(.timers(.elapsed)), _): book.hit(.timeLeftRecorded)
        case (.coordinate(.timers(.fire)), _):
            book.hit(.leaseExpiredWithKeys, if: leasedKeys > ghost.keys.values.count { $0 != nil })
        case (.coordinate(.lease(.grant)), .coordinated(.lease(.granted(let lease)))):
            renewed[lease.id] = term
            expired.remove(lease.id)
        case (.coordinate(.lease(.renew(let id, _))), .coordinated):
            book.hit(.leaseRenewed)
            renewed[id] = term
        case (.coordinate(.lease(.renew(let id, _))), .refused):
            book.hit(.leaseRenewalTooLate, if: expired.contains(id))
        case (.coordinate(.claim(let command)), .coordinated(.claim(let outcome))):
            if case (.release, .released(false)) = (command, outcome) { book.hit(.claimReleasedAgain) }
            if case .waiting = outcome { waiting[request] = term }
        case (.coordinate(.queue(let command)), _): look(command, outcome, term)
        case (.coordinate(.abandon(let other)), .coordinated(.abandoned(true))): abandoned(other, ghost)
        default: break
        }
        leasedKeys = ghost.keys.values.count { $0 != nil }
    }

    private func abandoned(_ request: RequestID, _ ghost: CoordinationGhost) {
        let waiters = ghost.claims.reduce(0) { $0 + $1.waiters.count }
        let holders = ghost.claims.reduce(0) { $0 + $1.holders.count }
        if waiting.removeValue(forKey: request) != nil, waiters < claims.reduce(0, { $0 + $1.waiters.count })
        {
            return book.hit(.claimWaiterAbandoned)
        }
        if holders < claims.reduce(0, { $0 + $1.holders.count }) { return book.hit(.claimHoldAbandoned) }
        book.hit(.messageNeverSeen)
    }

    private func look(_ command: QueueCommand, _ outcome: Outcome, _ term: Term) {
        switch (command, outcome) {
        case (.receive, .coordinated(.queue(.received(let messages)))):
            for message in messages {
                book.hit(.messageRedelivered, if: message.attempt > 1)
                if let last = received[message.id.number] {
                    book.hit(.messageRedeliveredLaterTerm, if: last < term)
                }
                book.hit(.messageDied, if: message.source != nil)
                received[message.id.number] = term
            }
        case (.acknowledge, .refused(.coordination(.queue(.receiptExpired)))):
            book.hit(.messageAcknowledgedTooLate)
        case (.enqueue, .coordinated(.queue(.enqueued(_, isNew: false, _)))): book.hit(.messageRepeated)
        default: break
        }
    }
}
