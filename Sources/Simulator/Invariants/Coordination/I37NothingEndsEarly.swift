import Consensus
import NodeCore
import Primitives
import Store

/// Nothing that lasts for a while is over before that while has passed in true time, since the entry that
/// began or prolonged it came into being: leases, waits, delays of locks and messages, visibility. Clocks of
/// the nodes may be fast by a twentieth: so much less is allowed, and a millisecond for rounding. What a
/// stopped process or a new leader adds makes it longer, never shorter. Bugs LK1, LK6, LK7.
final class NothingEndsEarly: Invariant {
    static let name = "I37"
    static let promise =
        "No lease, wait, delay or visibility ends before its time, by any clock that is at most 5 % fast."
    let facts: FactKinds = [.logged, .grown]

    /// Since when something lasts, and how long it is to last, in milliseconds.
    private struct Lasting {
        var since: Instant?
        var milliseconds: Int64
        /// The request that has it, if that matters.
        var request = RequestID.none
        /// In which mode a lock was held that is kept closed.
        var mode = ClaimMode.write
    }

    private struct Wait {
        var wait: Lasting
        var timeToLive: Int64
    }

    /// When each entry came into being.
    private var made: [LogPosition: Instant] = [:]
    private var leases: [String: Lasting] = [:]
    private var waits: [RequestID: Wait] = [:]
    /// Waits at barriers.
    private var parties: [RequestID: Lasting] = [:]
    private var closed: [ClaimName: Lasting] = [:]
    /// By the number of the message's place.
    private var messages: [UInt64: Lasting] = [:]
    private var claims: [CoordinationGhost.Claim] = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .logged(let place, let change):
            let memory = chronicle.nodes[place].memory
            var index = change.first
            for _ in 0..<change.count {
                if let term = memory.mark(at: index)?.term {
                    let position = LogPosition(index: index, term: term)
                    if made[position] == nil { made[position] = chronicle.time }
                }
                index = index.next
            }
        case .grown(_, let from, let upTo):
            try chronicle.forEachCoordination(from: from, upTo: upTo) {
                index, applied, ghost throws(Violation) in
                let position = LogPosition(index: index, term: chronicle.ledger.term(at: index) ?? .zero)
                try look(applied, ghost, at: index, made: made[position])
            }
            if made.count > 4_096 { made = made.filter { $0.key.index > upTo } }
        default: break
        }
    }

    private func look(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, at index: LogIndex, made: Instant?
    ) throws(Violation) {
        let now = Moment(index: index, made: made)
        if let outcome = applied.ownOutcome {
            try look(ghost, outcome, applied.request, now)
        }
        for case .settled(let request, .claim(let outcome)) in ghost.news {
            guard let known = waits.removeValue(forKey: request) else { continue }
            switch outcome {
            case .gaveUp(.held): try demand(known.wait, is: now, "the wait of \(request)")
            case .granted(let grant): try note(grant, timeToLive: known.timeToLive, now)
            default: break
            }
        }
        for case .settled(let request, .barrier(let outcome)) in ghost.news {
            guard let known = parties.removeValue(forKey: request),
                case .coordinate(.timers) = ghost.command.operation
            else { continue }
            switch outcome {
            case .arrived: try demand(known, is: now, "the wait of \(request) at a barrier")
            case .left(_, let left, let all) where left < all:
                try demand(known, is: now, "the wait of \(request) to leave a barrier")
            default: break
            }
        }
        if case .coordinate(.timers(.fire)) = ghost.command.operation { try lookAtEnded(ghost, now) }
        let living = Set(ghost.leases.map(\.id))
        leases = leases.filter { living.contains($0.key) }
        claims = ghost.claims
    }

    private struct Moment {
        var index: LogIndex
        var made: Instant?
    }

    private func demand(_ lasting: Lasting, is now: Moment, _ what: String) throws(Violation) {
        guard let since = lasting.since, let made = now.made else { return }
        let least = lasting.milliseconds * 1_000_000 * 20 / 21 - 1_000_000
        try demand(
            (made - since).nanoseconds >= least,
            "\(what) was to last \(lasting.milliseconds) ms, and entry \(now.index) ends it after "
                + "\((made - since).microseconds) us")
    }

    private func look(
        _ ghost: CoordinationGhost, _ outcome: Outcome, _ request: RequestID, _ now: Moment
    ) throws(Violation) {
        switch (ghost.command.operation, outcome) {
        case (.coordinate(.lease(.grant(let terms))), .coordinated(.lease(.granted(let lease)))):
            leases[lease.id] = Lasting(since: now.made, milliseconds: terms.timeToLive)
        case (.coordinate(.lease(.renew(let id, let timeToLive))), .coordinated(.lease(.renewed))):
            leases[id]?.since = now.made
            if let timeToLive { leases[id]?.milliseconds = timeToLive }
        case (.leasedPut(_, _, _, _, .own(let milliseconds)), .put(let put)):
            if let id = put.lease { leases[id] = Lasting(since: now.made, milliseconds: milliseconds) }
        case (.coordinate(.claim(let command)), .coordinated(.claim(let outcome))):
            try look(command, outcome, request, now)
        case (.coordinate(.queue(let command)), .coordinated(.queue(let outcome))):
            try look(command, outcome, request, ghost, now)
        case (.coordinate(.barrier(.arrive(_, let asked))), .coordinated(.barrier(.waiting))):
            parties[request] = Lasting(since: now.made, milliseconds: asked.wait)
        case (.coordinate(.barrier(.leave(_, _, let wait))), .coordinated(.barrier(.leaving))):
            parties[request] = Lasting(since: now.made, milliseconds: wait)
        case (.coordinate(.abandon(let other)), .coordinated(.abandoned(true))):
            waits[other] = nil
            parties[other] = nil
            messages = messages.filter { $0.value.request != other }
        default: break
        }
    }

    private func look(
        _ command: ClaimCommand, _ outcome: ClaimOutcome, _ request: RequestID, _ now: Moment
    ) throws(Violation) {
        switch (command, outcome) {
        case (.acquire(let asked), .granted(let grant)): try note(grant, timeToLive: asked.timeToLive, now)
        case (.acquire(let asked), .waiting):
            waits[request] = Wait(
                wait: Lasting(since: now.made, milliseconds: asked.wait), timeToLive: asked.timeToLive)
        case (.renew, .renewed(let grant)): leases[grant.lease.id]?.since = now.made
        case (.clear(let claim), _): closed[claim] = nil
        default: break
        }
    }

    /// Somebody was let in.
    private func note(_ grant: ClaimGrant, timeToLive: Int64, _ now: Moment) throws(Violation) {
        if grant.lease.isPrivate {
            leases[grant.lease.id] = Lasting(since: now.made, milliseconds: timeToLive)
        }
        guard let delay = closed[grant.claim], delay.mode == .write || grant.mode == .write else { return }
        try demand(delay, is: now, "the delay of \(grant.claim)")
        closed[grant.claim] = nil
    }

    private func look(
        _ command: QueueCommand, _ outcome: QueueOutcome, _ request: RequestID, _ ghost: CoordinationGhost,
        _ now: Moment
    ) throws(Violation) {
        switch (command, outcome) {
        case (.enqueue(_, let message), .enqueued(let id, isNew: true, _)) where message.delay > 0:
            messages[id.number] = Lasting(since: now.made, milliseconds: message.delay)
        case (.receive(let queue, _, let visibility, _), .received(let received)):
            let usual = ghost.queues.first { $0.name == queue }?.settings.visibility ?? 0
            for message in received {
                guard let receipt = message.receipt else { continue }
                if let last = messages[receipt.message] {
                    try demand(last, is: now, "the time of message \(message.id) until it is handed out")
                }
                messages[receipt.message] = Lasting(
                    since: now.made, milliseconds: visibility ?? usual, request: request)
            }
        case (.extend(_, let receipt, let visibility), .extended):
            messages[receipt.message]?.since = now.made
            messages[receipt.message]?.milliseconds = visibility
        case (.acknowledge(_, let receipt), .acknowledged): messages[receipt.message] = nil
        case (.giveBack(_, let receipt, let delay), .returned):
            messages[receipt.message] = Lasting(since: now.made, milliseconds: delay)
        default: break
        }
    }

    /// A firing has ended leases.
    private func lookAtEnded(_ ghost: CoordinationGhost, _ now: Moment) throws(Violation) {
        let living = Set(ghost.leases.map(\.id))
        for (id, lasting) in leases.sorted(by: { $0.key < $1.key }) where !living.contains(id) {
            try demand(lasting, is: now, "lease \(id)")
        }
        for claim in claims where claim.state.claim.kind != .semaphore {
            for hold in claim.holders where hold.lease.terms.lockDelay > 0 && !living.contains(hold.lease.id)
            {
                var delay = Lasting(since: now.made, milliseconds: hold.lease.terms.lockDelay)
                delay.mode = hold.mode
                if let old = closed[claim.state.claim] {
                    if hold.mode == .read { delay.mode = old.mode }
                    // Of an old delay nothing is known but that it may be over.
                    delay.mode = claim.state.delay == nil ? hold.mode : delay.mode
                }
                closed[claim.state.claim] = delay
            }
        }
    }
}
