// From a request to its plan, to the replica, and back to an answer.
import API
import Consensus
import HTTP
import HTTPServer
import NodeCore
import Platform
import Primitives
import Replication
import Store

extension NodeLoop {
    /// What every answer tells of the node.
    func context() -> AnswerContext {
        AnswerContext(
            revision: node.replica.keyspace.revision, term: node.replica.raft.term, leader: leaderHint)
    }

    mutating func handle(_ request: Request, on connection: ConnectionID) {
        if request.path.starts(with: "/peer/".utf8) { return handlePeer(request, on: connection) }
        let (plan, route) = api.planAndRoute(for: request)
        metrics.began(connection, route, request.method, at: now)
        if let trace = api.trace(of: request) {
            traced[connection] = TracedRequest(
                trace, span: spans.next(), method: request.method, route: route, began: now)
        }
        guard takesClock(of: request, on: connection) else { return }
        switch plan {
        case .answer(var response):
            api.complete(&response, context: context())
            answer(connection, response)
        case .write(let plan): write(plan, on: connection)
        case .importLines(let plan): importLines(plan, on: connection)
        case .read(let plan): read(plan, on: connection)
        case .local(let plan): local(plan, on: connection)
        case .transfer(let plan): transfer(plan, on: connection)
        case .message(let plan): message(plan, on: connection, isCurrent: false)
        case .messageRecord(let id, let traits):
            answer(
                connection,
                api.render(record: outbox.record(id), of: id, traits: traits, context: context()))
        case .events(let plan): handleEvents(plan, on: connection)
        case .transitions(let plan): follow(plan, on: connection)
        case .broadcast(let plan): broadcast(plan, on: connection)
        case .fault(let plan): fault(plan, on: connection)
        }
    }

    mutating func answer(_ connection: ConnectionID, _ response: consuming Response) {
        metrics.answered(connection, response.status, at: now)
        dress(&response, for: connection)
        server.respond(to: connection, response, at: now, into: &inbound)
    }

    /// Begins an answer whose body comes in parts.
    private mutating func stream(
        _ connection: ConnectionID, _ head: consuming Response, _ lines: RangeLines
    ) {
        metrics.answered(connection, head.status, at: now)
        dress(&head, for: connection)
        if server.beginStream(connection, head, at: now) { streams[connection] = lines }
    }

    mutating func refuse(
        _ connection: ConnectionID, _ code: ProblemCode, _ traits: RequestTraits, detail: String? = nil,
        requestID: RequestID? = nil, lag: Int64? = nil, explanation: AnswerContext.Explanation? = nil
    ) {
        var context = context()
        context.requestID = requestID
        context.lagMilliseconds = lag
        context.explanation = explanation
        traced[connection]?.problem = code
        answer(connection, api.problem(code, detail: detail, traits: traits, context: context))
    }

    /// Whether a request may go on here; else it was answered with a redirect or a refusal.
    private mutating func routes(
        _ routing: Routing, _ target: [UInt8], _ traits: RequestTraits, on connection: ConnectionID
    ) -> Bool {
        if drain?.handedOver == true {
            refuse(connection, .shuttingDown, traits)
            return false
        }
        guard routing != .forward, node.replica.raft.role != .leader else { return true }
        if leaderHint == nil {
            refuse(connection, .noLeader, traits)
        } else if routing == .never {
            refuse(connection, .notLeader, traits)
        } else {
            answer(connection, api.redirect(target: target, traits: traits, context: context()))
        }
        return false
    }
}

// MARK: - Writes

extension NodeLoop {
    private mutating func write(_ plan: WritePlan, on connection: ConnectionID) {
        guard routes(plan.routing, plan.target, plan.traits, on: connection) else { return }
        let token = requests.insert(.write(connection, plan))
        let operation = plan.operation(at: node.replica.keyspace.revision)
        let id = requestIDs.next(at: wall)
        if plan.traits.flags.contains(.explain) { writeTimes.begin(id, at: now) }
        submit(
            operation, token: token, id: id, deadline: now + plan.timeout, once: plan.once, on: connection)
    }

    mutating func submit(
        _ operation: Store.Operation, token: UInt64, id: RequestID, deadline: Instant,
        once: OnceKey? = nil, on connection: ConnectionID?
    ) {
        let trace = traced.isEmpty ? nil : connection.flatMap { traced[$0]?.trace }
        let write = Write(
            token: token, requestID: id, operation: operation, deadline: deadline, trace: trace,
            once: once)
        step(.write(write))
    }

    private mutating func importLines(_ plan: ImportPlan, on connection: ConnectionID) {
        guard routes(plan.routing, plan.target, plan.traits, on: connection) else { return }
        let importing = PendingRequest.Importing(
            connection: connection, plan: plan, deadline: now + plan.timeout,
            requestID: requestIDs.next(at: wall))
        goOn(importing)
    }

    /// Commits the next command of an import, or answers it.
    private mutating func goOn(_ importing: PendingRequest.Importing) {
        var isOver = importing.outcomes.count == importing.plan.batches.count
        // A key that was used for something else, or was cancelled.
        if importing.plan.once != nil, case .outcome(.refused) = importing.outcomes.last { isOver = true }
        guard !isOver else {
            var context = context()
            context.requestID = importing.requestID
            return answer(
                importing.connection,
                api.render(import: importing.plan, outcomes: importing.outcomes, context: context))
        }
        let number = importing.outcomes.count
        let batch = importing.plan.batches[number]
        let token = requests.insert(.importing(importing))
        submit(
            batch.operation, token: token, id: requestIDs.next(at: wall), deadline: importing.deadline,
            once: importing.plan.once?.part(number), on: importing.connection)
    }

    mutating func finishWrite(_ token: UInt64, _ id: RequestID, _ outcome: Outcome) {
        switch requests.remove(token) {
        case .write(let connection, let plan)
        where outcome.isCoordination || outcome.isMissingQueue && plan.repeats != nil:
            finishCoordination(plan, id, outcome, on: connection)
        case .write(let connection, let plan):
            if case .replayed(let first, let original) = outcome, first.isWaiting {
                return wait(for: original, plan, on: connection, isRepeat: true)
            }
            endTry(plan, on: connection)
            let context = writeContext(plan, id)
            answer(connection, api.render(write: plan, outcome: outcome, context: context))
        case .importing(var importing):
            importing.outcomes.append(.outcome(outcome))
            goOn(importing)
        case .renewal(let connection, let start): finishRenewal(of: connection, since: start, outcome)
        case .taking(let taking):
            guard case .coordinated(.participant(.taken(let count))) = outcome else {
                return finishTaking(taking, count: 0, .internal)
            }
            finishTaking(taking, count: count, nil)
        case .read, .local, .message, .log, .unattended, nil: break
        }
    }

    /// What the answer to a write tells of the node.
    mutating func writeContext(_ plan: WritePlan, _ id: RequestID) -> AnswerContext {
        var context = context()
        context.requestID = id
        if plan.showsTimers { context.timeLeft = timeLeft() }
        if plan.traits.flags.contains(.explain) { context.explanation = explanation(of: id) }
        if node.replica.raft.role != .leader { context.servedBy = leaderHint?.name }
        return context
    }

    /// For `?explain`: where the time of a write went, and on the leader whose disks have it.
    private mutating func explanation(of id: RequestID) -> AnswerContext.Explanation {
        guard let times = writeTimes.finish(id) else { return .init() }
        var holders: [String] = []
        if node.replica.raft.role == .leader, let index = times.index {
            if node.replica.raft.durableIndex >= index { holders.append(configuration.name) }
            for peer in node.replica.raft.peers where peer.match >= index {
                if let name = roster.member(peer.id)?.name { holders.append(name) }
            }
        }
        let stages = times.stages(committed: turnEnd, answered: Clock.now())
        return .init(stages: stages, acknowledgedBy: holders)
    }

    mutating func failWrite(_ token: UInt64, _ id: RequestID, _ refusal: WriteRefusal) {
        let code: ProblemCode =
            switch refusal {
            case .noLeader: .noLeader
            case .notLeader: .notLeader
            case .overloaded: .overloaded
            case .storageFull: .storageFull
            case .unknown: .outcomeUnknown
            }
        switch requests.remove(token) {
        case .write(let connection, let plan):
            endTry(plan, on: connection)
            let times = plan.traits.flags.contains(.explain) ? writeTimes.finish(id) : nil
            let stages = times?.stages(committed: nil, answered: Clock.now())
            refuse(
                connection, code, plan.traits, requestID: id, explanation: stages.map { .init(stages: $0) })
        case .importing(var importing):
            importing.outcomes.append(.failed(code))
            // What follows was not tried: an import goes in order or not at all.
            while importing.outcomes.count < importing.plan.batches.count {
                importing.outcomes.append(.failed(.noLeader))
            }
            goOn(importing)
        case .taking(let taking): finishTaking(taking, count: 0, code)
        // It is tried again until what is held has run out.
        case .renewal, .read, .local, .message, .log, .unattended, nil: break
        }
    }
}

// MARK: - Reads

extension NodeLoop {
    /// How long ago this node was last known to be current, in milliseconds.
    var lagMilliseconds: Int64 { max(0, (now - node.replica.currentAsOf).milliseconds) }

    private enum Freshly { case now, later, never }

    /// Whether something may be answered from this node's state now, after a read round, or not.
    private mutating func freshly(
        _ freshness: Freshness, _ traits: RequestTraits, on connection: ConnectionID
    ) -> Freshly {
        switch freshness.level {
        case .linearizable: return .later
        case .stale(let maxLag, let orLinearizable):
            guard let maxLag, now - node.replica.currentAsOf > maxLag, node.replica.raft.role != .leader
            else {
                return .now
            }
            if orLinearizable { return .later }
            refuse(connection, .tooStale, traits, lag: lagMilliseconds)
            return .never
        }
    }

    private mutating func read(_ plan: ReadPlan, on connection: ConnectionID) {
        switch freshly(plan.freshness, plan.traits, on: connection) {
        case .now: attempt(plan, on: connection, given: .stale, since: now)
        case .later:
            let token = requests.insert(.read(connection, plan, since: now))
            step(.read(token: token, deadline: now + plan.freshness.timeout))
        case .never: break
        }
    }

    mutating func finishRead(_ token: UInt64) {
        switch requests.remove(token) {
        case .read(let connection, let plan, let since):
            attempt(plan, on: connection, given: .linearizable, since: now, readIndex: now - since)
        case .local(let connection, let plan): attempt(plan, on: connection)
        case .message(let connection, let plan): message(plan, on: connection, isCurrent: true)
        case .write, .importing, .log, .renewal, .taking, .unattended, nil: break
        }
    }

    mutating func failRead(_ token: UInt64, _ refusal: ReadRefusal) {
        let code: ProblemCode =
            switch refusal {
            case .noLeader: .noLeader
            case .noQuorum: .noQuorum
            case .overloaded: .overloaded
            }
        switch requests.remove(token) {
        case .read(let connection, let plan, _): refuse(connection, code, plan.traits)
        case .local(let connection, let plan): refuse(connection, code, plan.traits)
        case .message(let connection, let plan): refuse(connection, code, plan.traits)
        case .write, .importing, .log, .renewal, .taking, .unattended, nil: break
        }
    }

    /// Answers a read, or holds it back until its revision is reached or its key has changed.
    private mutating func attempt(
        _ plan: ReadPlan, on connection: ConnectionID, given: AnswerContext.Consistency, since start: Instant,
        readIndex: Instant.Span? = nil
    ) {
        if let wanted = plan.freshness.minRevision, node.replica.keyspace.revision < wanted {
            return hold(
                connection, .revision(wanted, plan), until: start + plan.freshness.timeout, plan.traits)
        }
        var context = readContext(given)
        if plan.target.showsTimers { context.timeLeft = timeLeft() }
        if plan.traits.flags.contains(.explain) {
            context.explanation = explanation(ofReadOn: connection, readIndex: readIndex)
        }
        switch api.render(read: plan, keyspace: node.replica.keyspace, context: context) {
        case .answer(let response): answer(connection, response)
        case .stream(let head, let lines): stream(connection, head, lines)
        case .watch(let head, let request): beginWatch(connection, head, request, plan.traits)
        case .claimWatch(let head, let watch): beginClaimWatch(connection, head, watch, plan.traits)
        case .wait:
            hold(connection, .change(plan), until: start + (plan.wait ?? .zero), plan.traits)
        }
    }

    /// For `?explain`: how long it took to be sure of the state, and all until now.
    private func explanation(
        ofReadOn connection: ConnectionID, readIndex: Instant.Span? = nil
    ) -> AnswerContext.Explanation {
        var stages: [AnswerContext.Explanation.Stage] = []
        if let readIndex { stages.append(.init(name: "readindex", duration: readIndex)) }
        if let start = metrics.start(on: connection) {
            stages.append(.init(name: "total", duration: Clock.now() - start))
        }
        return .init(stages: stages)
    }

    /// Gives every long list its next part, if the client has taken most of the last one.
    mutating func progressStreams() {
        guard !streams.isEmpty else { return }
        for connection in streams.keys.sorted(by: { $0.slot < $1.slot })
        where server.outputCount(of: connection) < Self.streamBuffer {
            if let part = streams[connection]?.next() {
                if !server.write(connection, part, at: now) { streams[connection] = nil }
            } else {
                streams[connection] = nil
                server.endStream(connection, at: now, into: &inbound)
            }
        }
    }

    /// Whether a long list could go on at once.
    var hasReadyStream: Bool {
        streams.keys.contains { server.outputCount(of: $0) < Self.streamBuffer }
    }

    /// Bytes of a long list that may wait for a slow client.
    private static var streamBuffer: Int { 64 << 10 }

    private func readContext(_ given: AnswerContext.Consistency) -> AnswerContext {
        var context = context()
        context.time = wall
        context.consistency = given
        if given == .stale { context.lagMilliseconds = node.replica.raft.isReady ? 0 : lagMilliseconds }
        return context
    }

    private func given(_ freshness: Freshness) -> AnswerContext.Consistency {
        freshness.level == .linearizable ? .linearizable : .stale
    }

    mutating func hold(
        _ connection: ConnectionID, _ cause: Waiter.Cause, until deadline: Instant, _ traits: RequestTraits
    ) {
        guard !waiters.isFull else {
            return refuse(connection, .overloaded, traits, detail: "too many answers are held back")
        }
        traced[connection]?.isHeld = true
        waiters.insert(Waiter(connection: connection, cause: cause, deadline: deadline))
    }

    /// Looks at the held answers that something may have happened to.
    mutating func settleWaiters() {
        if outbox.isStirred {
            outbox.isStirred = false
            waiters.isStirred = true
        }
        for (waiter, isOver) in waiters.due(in: node.replica.keyspace, at: now) {
            settle(waiter, isOver: isOver)
        }
    }

    private mutating func settle(_ waiter: Waiter, isOver: Bool) {
        let connection = waiter.connection
        switch waiter.cause {
        case .change(let plan):
            var context = readContext(given(plan.freshness))
            if plan.traits.flags.contains(.explain) {
                context.explanation = explanation(ofReadOn: connection)
            }
            let result = api.render(
                read: plan, keyspace: node.replica.keyspace, context: context, isFinal: isOver)
            switch result {
            case .wait: waiters.insert(waiter)
            case .answer(let response): answer(connection, response)
            case .stream(let head, let lines): stream(connection, head, lines)
            case .watch(let head, let request): beginWatch(connection, head, request, plan.traits)
            case .claimWatch(let head, let watch): beginClaimWatch(connection, head, watch, plan.traits)
            }
        case .revision(let wanted, let plan):
            if node.replica.keyspace.revision >= wanted {
                attempt(plan, on: connection, given: given(plan.freshness), since: now)
            } else if isOver {
                refuse(connection, .tooStale, plan.traits, detail: notReached(wanted), lag: lagMilliseconds)
            } else {
                waiters.insert(waiter)
            }
        case .localRevision(let wanted, let plan):
            if node.replica.keyspace.revision >= wanted {
                attempt(plan, on: connection)
            } else if isOver {
                refuse(connection, .tooStale, plan.traits, detail: notReached(wanted), lag: lagMilliseconds)
            } else {
                waiters.insert(waiter)
            }
        case .transition(let plan, let known):
            guard trail.last(of: .raft) > known || isOver else { return waiters.insert(waiter) }
            show(plan, on: connection)
        case .message(let plan):
            guard hasNews(for: plan) || isOver else { return waiters.insert(waiter) }
            show(plan, on: connection)
        case .delivery(let plan, let id):
            let record = outbox.record(id)
            guard isOver || record?.isFinal ?? true else { return waiters.insert(waiter) }
            outbox.endAwaiting(id)
            var context = context()
            context.requestID = id
            answer(connection, api.render(awaited: plan, record: record, of: id, context: context))
        case .transfer(let plan, let from, let term):
            settleTransfer(plan, from: from, term: term, waiter, isOver: isOver)
        }
    }

    private func notReached(_ wanted: Revision) -> String {
        "this node has applied revision \(node.replica.keyspace.revision), not yet \(wanted)"
    }
}
