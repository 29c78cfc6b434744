// Requests that wait in the replicated state, and leases that are held for connected clients.
import API
import HTTP
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store

// MARK: - Waiting in the state

extension NodeLoop {
    /// The command of a request was applied, and was not refused. It may have to wait; and a client that has
    /// gone meanwhile must not hold anything.
    mutating func finishCoordination(
        _ plan: WritePlan, _ id: RequestID, _ outcome: Outcome, on connection: ConnectionID
    ) {
        guard server.isWaiting(connection) else {
            repeats.finish(connection)
            return giveBack(plan, id, outcome)
        }
        if waitsForMore(plan, outcome, on: connection) { return }
        if outcome.isWaiting { return wait(for: id, plan, on: connection) }
        if let message = plan.message,
            let (record, deliveries) = api.record(of: plan, id: id, outcome: outcome, at: wall)
        {
            outbox.add(record, deliveries)
            if message.wait != nil { return awaitEnd(of: id, message, on: connection) }
        }
        let context = writeContext(plan, id)
        let response = api.render(write: plan, outcome: outcome, context: context)
        guard plan.hold != nil, let lease = heldLease(outcome), response.status < 300 else {
            return answer(connection, response)
        }
        hold(lease, plan, id, on: connection, response)
    }

    /// A client waits for the end of a request that waits in the state: its own, or the one that it repeats.
    mutating func wait(
        for request: RequestID, _ plan: WritePlan, on connection: ConnectionID, isRepeat: Bool = false
    ) {
        guard server.isWaiting(connection) else { return }
        parked.insert(request, .init(connection: connection, plan: plan, isRepeat: isRepeat))
        traced[connection]?.isHeld = true
        server.watch(connection)
    }

    /// A request that waited in the state has come to its end.
    mutating func settle(_ id: RequestID, _ outcome: Outcome) {
        guard !parked.isEmpty else { return }
        for client in parked.remove(id) {
            server.watch(client.connection, false)
            finishCoordination(
                client.plan, id, client.isRepeat ? .replayed(outcome, original: id) : outcome,
                on: client.connection)
        }
    }

    /// A client that waited in the state is gone: it gives up its place, unless it can come back.
    mutating func abandon(_ connection: ConnectionID) {
        guard let (request, plan) = parked.remove(connection) else { return }
        if plan.once == nil { abandon(request) }
    }

    /// The client is gone before it could hear what it was given. If it has a key it may come back for it.
    private mutating func giveBack(_ plan: WritePlan, _ id: RequestID, _ outcome: Outcome) {
        guard plan.once == nil else { return }
        if isHeld(by: id) { return abandon(id) }
        guard plan.hold?.endsAtOnce == true, let lease = heldLease(outcome) else { return }
        carryOutUnattended(.lease(.revoke(id: lease.id)))
    }

    /// Whether a request has a place or a hold of its own in the state; a lease alone is none.
    private func isHeld(by request: RequestID) -> Bool {
        node.replica.keyspace.coordination.row(of: request) != nil
    }

    private mutating func abandon(_ request: RequestID) {
        if isHeld(by: request) { carryOutUnattended(.abandon(request)) }
    }

    private mutating func carryOutUnattended(_ command: CoordinationCommand) {
        submit(
            .coordinate(command), token: requests.insert(.unattended), id: requestIDs.next(at: wall),
            deadline: now + .seconds(60), on: nil)
    }

    /// The thing with this row changed. A lease that is gone ends the stream that held it.
    mutating func lookAgain(at row: RowKey) {
        if !claimWatches.isEmpty { claimWatches.note(row) }
        tryAgain(at: row)
        if row.isTask { waiters.isStirred = true }
        if let name = row.participant { settle(participant: name) }
        if let name = row.loggedInbox, home(of: name) == roster.own { waiters.isStirred = true }
        guard !holds.isEmpty else { return }
        for connection in holds.connections(holding: row) {
            if let hold = holds[connection] { checkHold(of: connection, hold) }
        }
    }

    /// The state was replaced by a snapshot: what was told meanwhile was not heard here.
    mutating func lookAgainAtAll() {
        claimWatches.noteAll()
        for connection in holds.connections {
            if let hold = holds[connection] { checkHold(of: connection, hold) }
        }
        for row in repeats.rows { tryAgain(at: row) }
        for name in inboxes.names { settle(participant: name) }
        lookAgainAtLogged()
        waiters.isStirred = true
        for request in parked.requests {
            switch node.replica.keyspace.claimOutcome(of: request) {
            case .waiting: continue
            case .granted(let grant): settle(request, .coordinated(.claim(.granted(grant))))
            default:
                // It came to an end that nobody remembers. A party that arrives again is told where it
                // stands.
                for client in parked.remove(request) {
                    server.watch(client.connection, false)
                    refuse(client.connection, .outcomeUnknown, client.plan.traits, requestID: request)
                }
            }
        }
    }

    /// How long timers of the state still run by this node's clock, for those who ask.
    func timeLeft() -> @Sendable (UInt64) -> Int64? {
        let (queue, now) = (node.replica.timers, now)
        return { number in queue.deadline(of: number).map { max(0, ($0 - now).milliseconds) } }
    }
}

// MARK: - Holding leases

extension NodeLoop {
    /// Begins to hold a lease for a client, with the answer as the stream's first line.
    private mutating func hold(
        _ lease: Lease, _ plan: WritePlan, _ request: RequestID, on connection: ConnectionID,
        _ response: HTTP.Response
    ) {
        guard let wish = plan.hold else { return }
        metrics.answered(connection, response.status, at: now)
        var head = api.renderHold(response)
        dress(&head, for: connection)
        let isHeld = isHeld(by: request)
        let end: CoordinationCommand? =
            !wish.endsAtOnce ? nil : isHeld ? .abandon(request) : .lease(.revoke(id: lease.id))
        guard server.beginStream(connection, head, at: now) else {
            if let end { carryOutUnattended(end) }
            return
        }
        server.watch(connection)
        let timeToLive = Instant.Span.milliseconds(Int(lease.terms.timeToLive))
        // It is renewed at once, which tells exactly until when it is held.
        holds[connection] = Hold(
            lease: lease.id, claim: isHeld ? request : nil, timeToLive: timeToLive, atEnd: end, renewAt: now,
            isSafeUntil: now + timeToLive)
        nextHold = now
    }

    /// Renews what is due, and ends what can't be known to be held any more.
    mutating func renewHolds() {
        for connection in holds.takeDue(at: now) {
            guard var hold = holds[connection] else { continue }
            if hold.isSafeUntil <= now {
                endHold(
                    of: connection, .leaseNotFound,
                    "lease '\(hold.lease)' could not be renewed in time: it may have expired")
                continue
            }
            if hold.renewAt <= now {
                let token = requests.insert(.renewal(connection, since: now))
                submit(
                    .coordinate(.lease(.renew(id: hold.lease, timeToLive: nil))), token: token,
                    id: requestIDs.next(at: wall), deadline: hold.isSafeUntil, on: nil)
                hold.renewAt = now + Self.renewalInterval(hold.timeToLive)
            }
            holds[connection] = hold
        }
        nextHold = holds.nextDue()
    }

    /// A third of the time to live, so that two may fail; and often enough to be a sign of life.
    private static func renewalInterval(_ timeToLive: Instant.Span) -> Instant.Span {
        min(.milliseconds(Int(timeToLive.milliseconds / 3)), .seconds(10))
    }

    mutating func finishRenewal(of connection: ConnectionID, since start: Instant, _ outcome: Outcome) {
        guard var hold = holds[connection] else { return }
        guard case .coordinated(.lease(.renewed(let lease))) = outcome else {
            return endHold(of: connection, .leaseNotFound, "lease '\(hold.lease)' has ended")
        }
        if let claim = hold.claim, !isHeld(by: claim) {
            return endHold(of: connection, .notHolder, "it was taken away")
        }
        hold.timeToLive = .milliseconds(Int(lease.terms.timeToLive))
        hold.isSafeUntil = start + hold.timeToLive
        holds[connection] = hold
        nextHold = holds.nextDue()
        let line = api.holdLine(
            lease: lease.id, renewedAt: wall, remaining: (hold.isSafeUntil - now).milliseconds)
        if !server.write(connection, line, at: now) {
            endHold(of: connection, .overloaded, "the client does not read")
        }
    }

    private mutating func checkHold(of connection: ConnectionID, _ hold: Hold) {
        guard let lease = node.replica.keyspace.lease(hold.lease) else {
            return endHold(of: connection, .leaseNotFound, "lease '\(hold.lease)' has ended")
        }
        let timeToLive = Instant.Span.milliseconds(Int(lease.terms.timeToLive))
        guard timeToLive != hold.timeToLive else { return }
        // It was given another time, perhaps one that is over before the next renewal.
        var hold = hold
        hold.timeToLive = timeToLive
        hold.isSafeUntil = min(hold.isSafeUntil, now + timeToLive)
        hold.renewAt = now
        holds[connection] = hold
        nextHold = now
    }

    /// Ends a stream with a problem: what it held is not held any more, or not for certain.
    private mutating func endHold(of connection: ConnectionID, _ code: ProblemCode, _ detail: String) {
        holds[connection] = nil
        let line = api.errorLine(code, detail: detail, context: context())
        server.watch(connection, false)
        server.endStream(connection, line, at: now, into: &inbound)
    }

    /// A client is gone for which something was held.
    mutating func letGo(_ connection: ConnectionID) {
        guard let hold = holds[connection] else { return }
        holds[connection] = nil
        if let command = hold.atEnd { carryOutUnattended(command) }
    }

    /// Ends everything that is held or waited for: the node stops.
    mutating func endHolds() {
        for connection in holds.connections {
            letGo(connection)
            server.endStream(connection, api.byeLine(), at: now, into: &inbound)
        }
        for request in parked.requests {
            for client in parked.remove(request) {
                // With a key it keeps its place, and the client can ask another node.
                if client.plan.once == nil { abandon(request) }
                let code = client.plan.once == nil ? ProblemCode.shuttingDown : .outcomeUnknown
                refuse(client.connection, code, client.plan.traits, requestID: request)
            }
        }
    }

    /// The lease under which an outcome gave something that may be held.
    private func heldLease(_ outcome: Outcome) -> Lease? {
        switch outcome {
        case .coordinated(.lease(.granted(let lease))), .coordinated(.lease(.renewed(let lease))): lease
        case .coordinated(.claim(.granted(let grant))): grant.lease
        case .coordinated(.participant(.registered(_, let lease, _))): lease
        case .coordinated(.task(.registered(let worker, _))): node.replica.keyspace.lease(worker.lease)
        default: nil
        }
    }
}
