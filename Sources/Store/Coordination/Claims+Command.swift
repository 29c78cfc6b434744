import Primitives

// Nothing is granted while a command is at work: what it touches is noted, and the queues of that are looked
// at when all leases that end with the command have ended. So nobody gets anything under a lease that ends at
// the same moment.

extension Keyspace {
    mutating func carryOut(_ command: ClaimCommand, id: RequestID) -> Outcome {
        switch command {
        case .acquire(let request): acquire(request, id)
        case .release(let claim, let token): release(claim, token)
        case .renew(let claim, let token): renew(claim, token)
        case .proclaim(let claim, let token, let value): proclaim(claim, token, value)
        case .configure(let name, let permits): configure(ClaimName(.semaphore, name), permits)
        case .clear(let claim): clear(claim)
        }
    }

    private mutating func acquire(_ request: ClaimRequest, _ id: RequestID) -> Outcome {
        if let known = claimOutcome(of: id) { return .coordinated(.claim(known)) }
        if let lease = request.lease, self.lease(lease) == nil {
            return .refused(.coordination(.leaseNotFound(lease)))
        }
        let claim = request.claim
        let row = coordination.claim(claim)
        if claim.kind == .semaphore {
            guard let row else { return .refused(.coordination(.claim(.notFound(claim)))) }
            guard request.permits <= row.permits else {
                return .refused(
                    .coordination(
                        .claim(.tooManyPermits(claim, wanted: request.permits, permits: row.permits))))
            }
        }
        let state = row ?? ClaimRow()
        guard hasRoom else { return .refused(.coordination(.full)) }
        let isFirst = state.waiters == 0 || (isPlanted(.readerOvertakes) && request.mode == .read)
        if isFirst, state.admits(claim.kind, request.mode, permits: request.permits) {
            let waiter = ClaimWaiter(request, id, at: lastTime)
            return .coordinated(.claim(.granted(grant(claim, waiter, .granted))))
        }
        guard request.wait > 0 else {
            let block = block(claim, position: Int(state.waiters) + 1)
            return .refused(.coordination(.claim(.held(block))))
        }
        guard state.waiters < Limits.claimWaiters else {
            return .refused(.coordination(.claim(.tooManyWaiters(claim))))
        }
        let place = coordination.enqueue(request, id, at: lastTime, state)
        // Only candidates can come before others who wait.
        let position =
            claim.kind == .election ? coordination.position(of: place) : Int(state.waiters) + 1
        return .coordinated(.claim(.waiting(position: position)))
    }

    /// Lets somebody in who may be let in.
    private mutating func grant(
        _ claim: ClaimName, _ waiter: ClaimWaiter, _ cause: ClaimCause
    ) -> ClaimGrant {
        let lease = waiter.lease ?? grantLease(LeaseTerms(timeToLive: waiter.timeToLive), isPrivate: true).id
        let token = isPlanted(.tokenRepeats) ? coordination.lastNumber : coordination.nextNumber()
        let hold = ClaimHold(
            request: waiter.request, owner: waiter.owner, mode: waiter.mode, permits: waiter.permits,
            value: waiter.value, lease: lease, since: lastTime, revision: revision)
        let row = claim.hold(token)
        coordination.set(row, hold)
        coordination.set(RowKey(token: token), bytes: row.bytes)
        coordination.hold(row, under: lease)
        if hold.request != .none { coordination.note(hold.request, in: row) }
        var state = coordination.claim(claim) ?? ClaimRow()
        state.holders += 1
        state.held += hold.permits
        state.isHeldAlone = claim.kind != .semaphore && hold.mode == .write
        coordination.set(claim, state)
        coordination.tell(
            claim, waiter.owner, token, from: cause == .turn ? .waiting : .outside, to: .holding, cause)
        return grant(claim, token, hold)
    }

    private mutating func release(_ claim: ClaimName, _ token: UInt64) -> Outcome {
        guard let hold = hold(claim, token) else {
            // Tokens that were held once are not remembered: any number that may have been one passes for
            // one, unless it is known to be that of another thing's holder.
            guard token <= coordination.lastNumber, !coordination.has(RowKey(token: token)) else {
                return .refused(.coordination(.claim(.notHolder(claim, token: token))))
            }
            return .coordinated(.claim(.released(false)))
        }
        giveBack(claim.hold(token), hold, .released)
        return .coordinated(.claim(.released(true)))
    }

    private mutating func renew(_ claim: ClaimName, _ token: UInt64) -> Outcome {
        guard let hold = hold(claim, token) else {
            return .refused(.coordination(.claim(.notHolder(claim, token: token))))
        }
        _ = carryOut(LeaseCommand.renew(id: hold.lease, timeToLive: nil))
        return .coordinated(.claim(.renewed(grant(claim, token, hold))))
    }

    private mutating func proclaim(_ claim: ClaimName, _ token: UInt64, _ value: String) -> Outcome {
        guard var hold = hold(claim, token) else {
            return .refused(.coordination(.claim(.notHolder(claim, token: token))))
        }
        guard hasRoom else { return .refused(.coordination(.full)) }
        hold.value = value
        coordination.set(claim.hold(token), hold)
        coordination.news.append(.changed(claim.row))
        return .coordinated(.claim(.proclaimed(grant(claim, token, hold))))
    }

    private mutating func configure(_ claim: ClaimName, _ permits: UInt64) -> Outcome {
        let row = coordination.claim(claim)
        guard row != nil || hasRoom else { return .refused(.coordination(.full)) }
        var state = row ?? ClaimRow()
        state.permits = permits
        coordination.set(claim, state)
        coordination.touch(claim)
        return .coordinated(
            .claim(.configured(permits: permits, held: state.held, isNew: row == nil)))
    }

    private mutating func clear(_ claim: ClaimName) -> Outcome {
        guard var state = coordination.claim(claim) else {
            return .refused(.coordination(.claim(.notFound(claim))))
        }
        let (holders, waiters) = (Int(state.holders), Int(state.waiters))
        if claim.kind == .semaphore {
            for row in coordination.keys(claim.queue) {
                coordination.sendAway(row, .notFound(claim))
            }
            state.permits = 0
            state.waiters = 0
        }
        coordination.disarm(state.delay)
        state.delay = 0
        coordination.set(claim, state)
        coordination.touch(claim)
        for row in coordination.keys(claim.holds) {
            if let hold: ClaimHold = coordination.value(row) { giveBack(row, hold, .takenAway) }
        }
        return .coordinated(
            .claim(.cleared(holders: holders, waiters: claim.kind == .semaphore ? waiters : 0)))
    }

    /// Ends a hold that is given back, or taken away.
    private mutating func giveBack(_ row: RowKey, _ hold: ClaimHold, _ cause: ClaimCause) {
        coordination.letGo(row, of: hold.lease)
        coordination.removeHold(row, hold, cause)
        endIfUnused(hold.lease)
    }

    /// Nobody waits any more for the answer to a request that stands in the queue or holds something.
    mutating func abandonClaim(_ row: RowKey) {
        if row.kind == .claimWaiter {
            coordination.removeWaiter(row, .withdrawn)
        } else if let hold: ClaimHold = coordination.value(row), !isPlanted(.abandonKeepsHold) {
            giveBack(row, hold, .withdrawn)
        }
    }

    /// A wait is over.
    mutating func endWait(_ row: RowKey) {
        let claim = ClaimName(of: row)
        let block = block(claim, position: coordination.position(of: row))
        coordination.sendAway(row, .held(block))
    }

    /// Lets in whoever may be let in now, in all that the command has touched.
    mutating func grantClaims() {
        guard !coordination.touched.isEmpty else { return }
        let touched = coordination.touched.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        for row in touched { grantNext(ClaimName(of: row)) }
        coordination.touched.removeAll(keepingCapacity: true)
    }

    private mutating func grantNext(_ claim: ClaimName) {
        while let state = coordination.claim(claim), state.waiters > 0,
            let (row, value) = coordination.first(claim.queue)
        {
            let waiter: ClaimWaiter = Coordination.decode(value)
            if claim.kind == .semaphore, waiter.permits > state.permits {
                coordination.sendAway(
                    row, .tooManyPermits(claim, wanted: waiter.permits, permits: state.permits))
                continue
            }
            guard state.admits(claim.kind, waiter.mode, permits: waiter.permits) else { return }
            coordination.removeWaiter(row, nil)
            let grant = grant(claim, waiter, .turn)
            coordination.news.append(.settled(waiter.request, .claim(.granted(grant))))
        }
    }
}

extension Coordination {
    func claim(_ claim: ClaimName) -> ClaimRow? { value(claim.row) }

    mutating func set(_ claim: ClaimName, _ state: ClaimRow) {
        if state.isIdle { remove(claim.row) } else { set(claim.row, state) }
        news.append(.changed(claim.row))
    }

    /// A thing's queue is to be looked at before the command ends.
    mutating func touch(_ claim: ClaimName) { touched.insert(claim.row) }

    /// The place of a row in its queue, from 1 on.
    func position(of row: RowKey) -> Int { countRows(from: ClaimName(of: row).queue, to: row) + 1 }

    fileprivate mutating func enqueue(
        _ request: ClaimRequest, _ id: RequestID, at time: WallTime, _ state: ClaimRow
    ) -> RowKey {
        let row = request.claim.waiter(priority: request.priority, nextNumber())
        var waiter = ClaimWaiter(request, id, at: time)
        waiter.timer = arm(.claimWait(row), milliseconds: request.wait)
        set(row, waiter)
        if let lease = waiter.lease { hold(row, under: lease) }
        if id != .none { note(id, in: row) }
        var state = state
        state.waiters += 1
        set(request.claim, state)
        tell(request.claim, request.owner, 0, from: .outside, to: .waiting, .queued)
        return row
    }

    fileprivate mutating func tell(
        _ claim: ClaimName, _ owner: String, _ token: UInt64, from: ClaimantState, to: ClaimantState,
        _ cause: ClaimCause
    ) {
        news.append(.stepped(.claim(claim, owner: owner, token: token, from: from, to: to, cause)))
    }

    /// Takes somebody out of a queue, who leaves for this reason; nil: to hold the thing.
    fileprivate mutating func removeWaiter(_ row: RowKey, _ cause: ClaimCause?) {
        guard let waiter: ClaimWaiter = value(row) else { return }
        let claim = ClaimName(of: row)
        disarm(waiter.timer)
        if let lease = waiter.lease { letGo(row, of: lease) }
        if waiter.request != .none { forget(waiter.request) }
        remove(row)
        if let cause { tell(claim, waiter.owner, 0, from: .waiting, to: .outside, cause) }
        if var state = self.claim(claim) {
            state.waiters -= 1
            set(claim, state)
        }
        touch(claim)
    }

    /// Takes somebody out of a queue who is told why.
    fileprivate mutating func sendAway(_ row: RowKey, _ reason: ClaimRefusal) {
        guard let waiter: ClaimWaiter = value(row) else { return }
        let cause: ClaimCause =
            switch reason {
            case .held: .waitOver
            case .leaseEnded: .leaseEnded
            default: .refused
            }
        if !(cause == .waitOver && isPlanted(.timedOutStaysInLine)) { removeWaiter(row, cause) }
        news.append(.settled(waiter.request, .claim(.gaveUp(reason))))
    }

    /// Ends a hold, whatever becomes of its lease.
    fileprivate mutating func removeHold(_ row: RowKey, _ hold: ClaimHold, _ cause: ClaimCause) {
        let claim = ClaimName(of: row)
        tell(claim, hold.owner, row.lastNumber, from: .holding, to: .outside, cause)
        remove(row)
        remove(RowKey(token: row.lastNumber))
        if hold.request != .none { forget(hold.request) }
        if var state = self.claim(claim) {
            state.holders -= 1
            state.held -= hold.permits
            state.isHeldAlone = false
            set(claim, state)
        }
        if !isPlanted(.releaseForgetsQueue) { touch(claim) }
    }

    /// The lease has ended under which something was held or waited for.
    mutating func endClaim(_ row: RowKey, delay: Int64) {
        let claim = ClaimName(of: row)
        if let waiter: ClaimWaiter = row.kind == .claimWaiter ? value(row) : nil {
            if isPlanted(.grantsUnderDeadLease) { return }
            return sendAway(row, .leaseEnded(claim, lease: waiter.lease ?? ""))
        }
        guard let hold: ClaimHold = value(row) else { return }
        if delay > 0, claim.kind != .semaphore, var state = self.claim(claim) {
            // Of two delays the longer one counts, from now on: never too short.
            let old = state.delay == 0 ? nil : value(RowKey(.timer, state.delay), as: TimerRow.self)
            disarm(state.delay)
            if old == nil || hold.mode == .write { state.delayedMode = hold.mode }
            state.delay = arm(.claimDelay(claim.row), milliseconds: max(delay, old?.duration ?? 0))
            set(claim, state)
        }
        removeHold(row, hold, .leaseEnded)
    }

    /// The delay after a lease expired is over.
    mutating func endDelay(_ row: RowKey) {
        let claim = ClaimName(of: row)
        guard var state = self.claim(claim) else { return }
        state.delay = 0
        set(claim, state)
        touch(claim)
    }
}

extension ClaimWaiter {
    /// Somebody who asks now, and has no timer yet.
    init(_ request: ClaimRequest, _ id: RequestID, at time: WallTime) {
        self.init(
            request: id, owner: request.owner, mode: request.mode, permits: request.permits,
            value: request.value, lease: request.lease, timeToLive: request.timeToLive, timer: 0, since: time)
    }
}
