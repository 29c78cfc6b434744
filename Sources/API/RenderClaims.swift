// Answers about locks, elections and semaphores.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func render(
        _ outcome: ClaimOutcome, of claim: ClaimName, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        func tell(_ status: Int = 200, _ members: (inout JSONWriter) -> Void) -> HTTP.Response {
            answer(plan, status: status, revision: context.revision, context: context) { json in
                json.field("name", claim.name)
                members(&json)
            }
        }
        switch outcome {
        case .granted(let grant):
            // Its own lease began with it. The answer is the same whenever it is told again.
            let left = grant.lease.isPrivate ? grant.lease.terms.timeToLive : nil
            return tell { write(grant, left: left, to: &$0) }
        case .proclaimed(let grant): return tell { write(grant, left: nil, to: &$0) }
        case .renewed(let grant):
            return tell { write(grant, left: grant.lease.terms.timeToLive, to: &$0) }
        case .released(let wasHeld): return tell { $0.field("released", wasHeld) }
        case .configured(let permits, let held, let isNew):
            var response = tell(isNew ? 201 : 200) { json in
                json.field("permits", permits)
                json.field("held", held)
                json.field("available", permits > held ? permits - held : 0)
            }
            if isNew {
                var location: [UInt8] = Array("/semaphores/".utf8)
                Percent.encode(Array(claim.name.utf8), keepingSlashes: false, into: &location)
                response.addField("Location", location)
            }
            return response
        case .cleared(let holders, let waiters):
            return tell { json in
                json.field(claim.kind == .semaphore ? "deleted" : "broken", true)
                json.field("holders", holders)
                if claim.kind == .semaphore { json.field("waiters", waiters) }
            }
        case .gaveUp(let refusal):
            return problem(claimProblem(refusal, context), traits: plan.traits, context: context)
        case .waiting:
            return problem(
                .internal, detail: "the request still waits", traits: plan.traits, context: context)
        }
    }

    /// Why something is not to be had, as a problem.
    func claimProblem(_ refusal: ClaimRefusal, _ context: AnswerContext) -> Problem {
        switch refusal {
        case .held(let block): return problem(block, context)
        case .notHolder(let claim, let token):
            return Problem(
                .notHolder, "\(claim.kind.article) '\(claim.name)' is not held with token \(token)"
            ).with("name", .text(claim.name))
        case .notFound(let claim):
            let detail =
                claim.kind == .semaphore
                ? "there is no semaphore '\(claim.name)'"
                : "nobody holds \(claim.kind.article) '\(claim.name)', nor waits for it"
            return Problem(claim.kind == .semaphore ? .semaphoreNotFound : .lockNotFound, detail)
                .with("name", .text(claim.name))
        case .tooManyWaiters(let claim):
            return Problem(
                .tooManyWaiters, "\(Store.Limits.claimWaiters) requests wait for '\(claim.name)' already"
            ).with("name", .text(claim.name))
        case .tooManyPermits(let claim, let wanted, let permits):
            return Problem(
                .invalid, "semaphore '\(claim.name)' has \(permits) permits: \(wanted) are never to be had"
            ).with(
                "errors",
                .errors([.init(field: "permits", message: "is more than the semaphore has, \(permits)")]))
        case .leaseEnded(_, let lease): return Self.problem(.leaseNotFound(lease))
        }
    }

    private func problem(_ block: ClaimBlock, _ context: AnswerContext) -> Problem {
        let name = block.claim.name
        let place = "place \(block.position) in the queue"
        var problem: Problem
        switch block.claim.kind {
        case .lock:
            let holder = block.holder.map { $0.owner.isEmpty ? "somebody" : "'\($0.owner)'" }
            let state = holder.map { "is held by \($0)" } ?? "stays closed for a while after a lease expired"
            problem = Problem(.lockHeld, "lock '\(name)' \(state); \(place)")
        case .election:
            let leader = block.holder.map { "'\($0.owner)' leads" } ?? "nobody leads yet"
            problem = Problem(.electionLost, "election '\(name)': \(leader); \(place)")
        case .semaphore:
            problem = Problem(
                .noPermits, "semaphore '\(name)' has \(block.available) permits free; \(place)")
        }
        problem = problem.with("name", .text(name))
        var seconds: Int64 = 1
        if let holder = block.holder {
            let left = timeLeft(holder, context)
            var json = JSONWriter()
            json.beginObject()
            write(holder: holder, left: left, to: &json)
            json.endObject()
            problem = problem.with(
                block.claim.kind == .election ? "elected" : "holder", .json(json.take()))
            if let left {
                problem = problem.with("remaining_ms", .number(UInt64(max(0, left))))
                seconds = max(1, (left + 999) / 1000)
            }
        }
        problem = problem.with("queue_position", .number(UInt64(block.position)))
        if block.claim.kind == .semaphore { problem = problem.with("available", .number(block.available)) }
        problem.retryAfter = Int(seconds)
        return problem
    }

    private func timeLeft(_ grant: ClaimGrant, _ context: AnswerContext) -> Int64? {
        context.timeLeft?(grant.lease.timer)
    }

    /// What a holder is told of what it has.
    private func write(_ grant: ClaimGrant, left: Int64?, to json: inout JSONWriter) {
        switch grant.claim.kind {
        case .lock:
            json.field("token", grant.token)
            if !grant.owner.isEmpty { json.field("owner", grant.owner) }
            json.field("mode", grant.mode == .read ? "read" : "write")
        case .election:
            json.field("leader", grant.owner)
            json.field("value", grant.value)
            json.field("term", grant.token)
            json.field("token", grant.token)
        case .semaphore:
            json.field("token", grant.token)
            if !grant.owner.isEmpty { json.field("owner", grant.owner) }
            json.field("permits", grant.permits)
            json.field("available", grant.available)
        }
        json.field("lease", grant.lease.id)
        json.field("ttl_ms", grant.lease.terms.timeToLive)
        if let left { json.field("remaining_ms", left) }
        json.field("acquired_revision", grant.revision.rawValue)
    }

    /// What everybody may know of a holder.
    private func write(holder: ClaimGrant, left: Int64?, to json: inout JSONWriter) {
        let isElection = holder.claim.kind == .election
        json.field(isElection ? "candidate" : "owner", holder.owner)
        if isElection {
            json.field("value", holder.value)
            json.field("term", holder.token)
        }
        json.field("token", holder.token)
        if holder.claim.kind == .semaphore { json.field("permits", holder.permits) }
        json.field("lease", holder.lease.id)
        json.field("since", holder.since.rfc3339)
        if let left { json.field("remaining_ms", left) }
        json.field("acquired_revision", holder.revision.rawValue)
    }
}

// MARK: - Reads

/// How a lock, an election or a semaphore stands at one moment.
struct ClaimPicture {
    let claim: ClaimName
    let state: ClaimState?
    /// The first of those who hold it.
    let holders: [ClaimGrant]
    /// The first of those who wait for it.
    let queue: [ClaimCandidate]

    init(of claim: ClaimName, in keyspace: borrowing Keyspace, limit: Int) {
        self.claim = claim
        state = keyspace.claim(claim)
        holders = keyspace.holders(of: claim, limit: limit)
        queue = keyspace.queue(of: claim, limit: limit)
    }
}

extension NativeAPI {
    /// The answer to a question about locks, elections or semaphores.
    func render(
        _ query: ClaimQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let claim = query.name else {
            return renderList(query, keyspace: keyspace, traits: traits, context: context)
        }
        if let token = query.token {
            return renderCheck(claim, token, keyspace: keyspace, traits: traits, context: context)
        }
        let picture = ClaimPicture(of: claim, in: keyspace, limit: query.limit)
        if claim.kind == .semaphore, picture.state == nil {
            return problem(claimProblem(.notFound(claim), context), traits: traits, context: context)
        }
        if claim.kind == .election, picture.holders.isEmpty {
            let problem = Problem(.noLeaderElected, "election '\(claim.name)' has no leader")
                .with("name", .text(claim.name))
                .with("candidates", .number(UInt64(picture.state?.waiterCount ?? 0)))
            return self.problem(problem, traits: traits, context: context)
        }
        return json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            write(picture, context, to: &json)
            json.endObject()
        }
    }

    /// How a lock, an election or a semaphore stands, as members of an object.
    func write(_ picture: ClaimPicture, _ context: AnswerContext, to json: inout JSONWriter) {
        let (claim, state, holders) = (picture.claim, picture.state, picture.holders)
        json.field("name", claim.name)
        switch claim.kind {
        case .lock:
            json.field("held", !holders.isEmpty)
            let writer = holders.first { $0.mode == .write }
            if let writer { write("holder", [writer], context, asOne: true, to: &json) }
            write("readers", holders.filter { $0.mode == .read }, context, to: &json)
        case .election: write("leader", holders, context, asOne: true, to: &json)
        case .semaphore:
            json.field("permits", state?.permits ?? 0)
            json.field("held", state?.held ?? 0)
            json.field("available", state?.available ?? 0)
            write("holders", holders, context, to: &json)
        }
        if claim.kind != .election { json.field("holder_count", state?.holderCount ?? 0) }
        if let delay = state?.delay {
            json.field("closed", true)
            if let left = context.timeLeft?(delay) { json.field("closed_ms", left) }
        }
        write(picture.queue, of: claim.kind, to: &json)
        json.field("queue_length", state?.waiterCount ?? 0)
    }

    private func write(
        _ name: String, _ holders: [ClaimGrant], _ context: AnswerContext, asOne: Bool = false,
        to json: inout JSONWriter
    ) {
        json.name(name)
        if asOne, holders.isEmpty { return json.null() }
        if !asOne { json.beginArray() }
        for holder in asOne ? holders.prefix(1) : holders[...] {
            json.beginObject()
            write(holder: holder, left: timeLeft(holder, context), to: &json)
            json.endObject()
        }
        if !asOne { json.endArray() }
    }

    private func write(_ queue: [ClaimCandidate], of kind: ClaimKind, to json: inout JSONWriter) {
        json.name(kind == .election ? "candidates" : "queue")
        json.beginArray()
        for waiter in queue {
            json.beginObject()
            json.field(kind == .election ? "candidate" : "owner", waiter.owner)
            switch kind {
            case .lock: json.field("mode", waiter.mode == .read ? "read" : "write")
            case .election:
                json.field("value", waiter.value)
                json.field("priority", waiter.priority)
            case .semaphore: json.field("permits", waiter.permits)
            }
            json.field("since", waiter.since.rfc3339)
            json.field("position", waiter.position)
            json.endObject()
        }
        json.endArray()
    }

    private func renderCheck(
        _ claim: ClaimName, _ token: UInt64, keyspace: borrowing Keyspace, traits: RequestTraits,
        context: AnswerContext
    ) -> HTTP.Response {
        guard keyspace.isHeld(claim, token: token) else {
            let problem = Self.problem(
                Fence(claim, token: token), current: keyspace.currentToken(of: claim))
            return self.problem(problem, traits: traits, context: context)
        }
        return json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.field("valid", true)
            json.field("name", claim.name)
            json.field("token", token)
            json.endObject()
        }
    }

    private func renderList(
        _ query: ClaimQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let claims = keyspace.claims(
            query.kind, prefix: query.prefix, after: query.after, limit: query.limit + 1)
        var next: String?
        if claims.count > query.limit {
            let last = Array(claims[query.limit - 1].claim.name.utf8)
            next = CursorPosition(revision: .zero, place: .key(last)).token(for: query.fingerprint)
        }
        let items = claims.prefix(query.limit).map { state in
            (state, keyspace.holders(of: state.claim, limit: 1).first)
        }
        var response = json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.name("items")
            json.beginArray()
            for (state, first) in items { write(state, first, context, to: &json) }
            json.endArray()
            if let next { json.field("next", next) }
            json.field("revision", keyspace.revision.rawValue)
            json.endObject()
        }
        if let next { response.addField("Link", query.link.next(next)) }
        return response
    }

    private func write(
        _ state: ClaimState, _ first: ClaimGrant?, _ context: AnswerContext, to json: inout JSONWriter
    ) {
        json.beginObject()
        json.field("name", state.claim.name)
        switch state.claim.kind {
        case .lock:
            json.field("held", state.holderCount > 0)
            if let first, first.mode == .write { write("holder", [first], context, asOne: true, to: &json) }
            json.field("holder_count", state.holderCount)
        case .election: if let first { write("leader", [first], context, asOne: true, to: &json) }
        case .semaphore:
            json.field("permits", state.permits)
            json.field("held", state.held)
            json.field("available", state.available)
            json.field("holder_count", state.holderCount)
        }
        json.field("queue_length", state.waiterCount)
        json.endObject()
    }
}
