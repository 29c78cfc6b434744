import Consensus
import NodeCore
import Primitives
import Store

/// After every committed entry leases, the keys under them, and who holds and waits for what are those that
/// the rules make of the entries (``HoldingModel``): a firing ends what it names and nothing that was
/// prolonged meanwhile, what is under a lease ends with it and at once, nobody holds what another has alone,
/// nobody is overtaken or forgotten, who was given up holds nothing, and every grant has a greater token than
/// all before it. Bugs LK1 to LK4, LK9, LK12.
final class HoldersByTheRules: Invariant {
    static let name = "I42"
    static let promise =
        "Leases end when they must and with all that is under them; a lock has one writer or readers, a "
        + "leader is alone, permits suffice; whoever waits is let in by the order of the log, with "
        + "growing tokens."
    let facts: FactKinds = [.grown]
    private var model = HoldingModel()
    private var lastToken: UInt64 = 0

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        try chronicle.forEachCoordination(from: from, upTo: upTo) { index, applied, ghost throws(Violation) in
            try judge(applied, ghost, term: chronicle.ledger.term(at: index) ?? .zero, index)
        }
    }

    /// Takes in the next entry about these things.
    func judge(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, term: Term, _ index: LogIndex
    ) throws(Violation) {
        if applied.ownOutcome != nil { try follow(applied, ghost, term, index) }
        model.letIn()
        try compare(ghost, index)
    }

    // MARK: The entry, by the rules

    private func follow(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, _ term: Term, _ index: LogIndex
    ) throws(Violation) {
        let outcome = applied.ownOutcome
        switch (ghost.command.operation, outcome) {
        case (.coordinate(.lease(let command)), _): try follow(command, outcome, index)
        case (.coordinate(.claim(let command)), _):
            try follow(command, applied.request, outcome, index)
        case (.coordinate(.timers(.fire(let leader, let numbers))), _) where leader == term:
            model.fire(numbers)
        case (.coordinate(.abandon(let request)), _): model.abandon(request)
        case (.leasedPut(let key, _, _, _, let choice), .put(let put)?):
            switch choice {
            case .existing(let id): model.put(key, under: id)
            case .kept: model.put(key, under: model.keys[key] ?? nil)
            case .own:
                if let id = put.lease {
                    model.leases[id] = HoldingModel.Lease(isPrivate: true, deletes: true, lockDelay: 0)
                }
                model.put(key, under: put.lease)
            }
        case (.leasedPut(_, _, _, _, .existing(let id)), .refused(.coordination(.leaseNotFound))?):
            try demand(model.leases[id] == nil, "entry \(index) finds no lease \(id), which lives")
        case (.put(let key, _, _, _), .put?), (.increment(let key, _), .incremented?):
            if key.first == CoordinationClient.keyStart { model.put(key, under: nil) }
        case (.delete(let key, _, _, _), .deleted?):
            if key.first == CoordinationClient.keyStart { model.delete(key) }
        default: break
        }
    }

    private func follow(_ command: LeaseCommand, _ outcome: Outcome?, _ index: LogIndex) throws(Violation) {
        switch (command, outcome) {
        case (.grant(let terms), .coordinated(.lease(.granted(let lease)))?):
            try demand(model.leases[lease.id] == nil, "entry \(index) grants \(lease.id) twice")
            model.leases[lease.id] = HoldingModel.Lease(
                isPrivate: false, deletes: terms.end == .delete, lockDelay: terms.lockDelay)
        case (.grant(let terms), _):
            try demand(
                terms.id.map { model.leases[$0] != nil } ?? false, "entry \(index) does not grant \(terms)")
        case (.renew(let id, _), let outcome?):
            let isRenewed = if case .coordinated = outcome { true } else { false }
            try demand(
                isRenewed == (model.leases[id] != nil),
                "entry \(index) \(isRenewed ? "renews" : "does not renew") lease \(id)")
        case (.revoke(let id), let outcome?):
            let isRevoked = if case .coordinated = outcome { true } else { false }
            try demand(
                isRevoked == (model.leases[id] != nil),
                "entry \(index) \(isRevoked ? "revokes" : "does not revoke") lease \(id)")
            model.end(lease: id, hasExpired: false)
        case (_, nil): break
        }
    }

    private func follow(
        _ command: ClaimCommand, _ request: RequestID, _ outcome: Outcome?, _ index: LogIndex
    ) throws(Violation) {
        switch command {
        case .acquire(let asked):
            let verdict = model.acquire(asked, request)
            let told: HoldingModel.Verdict =
                switch outcome {
                case .coordinated(.claim(.granted)): .granted
                case .coordinated(.claim(.waiting)): .waiting
                default: .refused
                }
            try demand(
                told == verdict, "entry \(index), \(asked), ends with \(told), by the rules with \(verdict)")
        case .release(let claim, let token):
            let isReleased = model.release(claim, token: token)
            guard case .coordinated(.claim(.released(let told)))? = outcome else {
                return try demand(!isReleased, "entry \(index) does not release \(claim) of \(token)")
            }
            try demand(told == isReleased, "entry \(index) tells of \(claim) of \(token): \(told)")
        case .renew(let claim, let token):
            let isHeld = model.claims[claim]?.holders.contains { $0.token == token } ?? false
            let isRenewed = if case .coordinated? = outcome { true } else { false }
            try demand(isHeld == isRenewed, "entry \(index), \(command): \(outcome.map { "\($0)" } ?? "")")
        case .configure(let name, let permits):
            model.claims[ClaimName(.semaphore, name), default: HoldingModel.Claim()].permits = permits
        case .clear(let claim): model.clear(claim)
        case .proclaim: break
        }
    }

    // MARK: What the store has made of it

    private func compare(_ ghost: CoordinationGhost, _ index: LogIndex) throws(Violation) {
        for claim in ghost.claims { try compare(claim, index) }
        let known = Set(ghost.claims.map(\.state.claim))
        for (name, claim) in model.claims where !claim.isNothing && !known.contains(name) {
            throw violation("after entry \(index) nothing is known of \(name); it must be \(claim)")
        }
        let living = Set(ghost.leases.map(\.id))
        for (id, _) in model.leases where !living.contains(id) {
            throw violation("after entry \(index) lease \(id) is gone, which must live")
        }
        for lease in ghost.leases {
            try demand(model.leases[lease.id] != nil, "after entry \(index) lease \(lease.id) lives on")
            model.leases[lease.id]?.timer = lease.timer
        }
        try demand(
            ghost.keys == model.keys,
            "after entry \(index) there are \(Self.words(ghost.keys)); by the rules \(Self.words(model.keys))"
        )
    }

    private func compare(_ claim: CoordinationGhost.Claim, _ index: LogIndex) throws(Violation) {
        let name = claim.state.claim
        guard var expected = model.claims[name] else {
            throw violation("after entry \(index) there is \(claim.state), and must be nothing")
        }
        try demand(
            name.kind == .semaphore || claim.holders.allSatisfy { $0.mode == .read }
                || claim.holders.count == 1,
            "after entry \(index) \(name) is held by \(claim.holders.map { "\($0.owner) (\($0.mode))" })")
        let (holders, waiters) = (claim.holders.map(\.owner), claim.waiters.map(\.owner))
        try demand(
            Set(holders) == Set(expected.holders.map(\.owner)) && holders.count == expected.holders.count,
            "after entry \(index) \(name) is held by \(holders); by the rules by "
                + "\(expected.holders.map(\.owner))")
        try demand(
            waiters == expected.queue.map(\.owner),
            "after entry \(index) \(waiters) wait for \(name); by the rules \(expected.queue.map(\.owner))")
        try demand(
            (claim.state.delay == nil) == (expected.delay == nil) && claim.state.permits == expected.permits,
            "after entry \(index) there is \(claim.state); by the rules \(expected)")
        expected.delay = claim.state.delay
        for waiter in claim.waiters {
            if let place = expected.waiters.firstIndex(where: { $0.owner == waiter.owner }) {
                expected.waiters[place].timer = waiter.timer
            }
        }
        for place in expected.holders.indices where expected.holders[place].token == 0 {
            guard let grant = claim.holders.first(where: { $0.owner == expected.holders[place].owner }) else {
                continue
            }
            try demand(
                grant.token > lastToken,
                "entry \(index) gives token \(grant.token) of \(name) after \(lastToken)")
            lastToken = grant.token
            expected.holders[place].token = grant.token
            if expected.holders[place].lease == nil {
                expected.holders[place].lease = grant.lease.id
                model.leases[grant.lease.id] = HoldingModel.Lease(
                    isPrivate: true, deletes: true, lockDelay: 0)
            }
            try demand(
                expected.holders[place].lease == grant.lease.id,
                "entry \(index) gives \(name) under \(grant.lease.id)")
        }
        model.claims[name] = expected
    }

    private static func words(_ keys: [[UInt8]: String?]) -> String {
        keys.map { "\(String(decoding: $0.key, as: UTF8.self)) under \($0.value ?? "nothing")" }.sorted()
            .joined(separator: ", ")
    }
}
