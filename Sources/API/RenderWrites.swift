// Answers to writes.

public import HTTP
import JSON
import Primitives
public import Store

extension NativeAPI {
    /// The answer to a write whose outcome is known.
    public func render(
        write plan: WritePlan, outcome: Store.Outcome, context: AnswerContext
    ) -> HTTP.Response {
        // One more pair below, and the compiler does not see any more that there are all.
        if case .coordinated(.task(let outcome)) = outcome, case .task(let form) = plan.form {
            return render(outcome, of: form, plan: plan, context: context)
        }
        if let answer = render(sent: outcome, plan: plan, context: context) { return answer }
        if case .coordinated(.participant(let outcome)) = outcome {
            return render(outcome, plan: plan, context: context)
        }
        switch (outcome, plan.form) {
        case (.put(let put), .put(let key)): return render(put, key: key, plan: plan, context: context)
        case (.deleted(let count, let revision, let previous), _):
            return answer(plan, revision: revision, context: context) { json in
                json.field("deleted", count)
                json.field("revision", revision.rawValue)
                if let previous { write(previous, named: "prev", to: &json) }
            }
        case (.incremented(let value, let revision, let version), _):
            var response = answer(plan, revision: revision, context: context) { json in
                json.field("value", String(value))
                json.field("revision", revision.rawValue)
                json.field("version", version)
            }
            response.setField("ETag", "\"\(revision)\"")
            return response
        case (.compacted(let revision), _):
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("compact_revision", revision.rawValue)
            }
        case (.refused(.compacted(let compact, _)), .compact):
            if case .compactKeeping = plan.change {
                return answer(plan, revision: context.revision, context: context) { json in
                    json.field("compact_revision", compact.rawValue)
                }
            }
            return render(refused: outcome, plan: plan, context: context)
        case (.transaction(let outcome, let revision), .transaction(let transaction)):
            return answer(plan, revision: revision, context: context) { json in
                write(outcome, of: transaction, revision: revision, to: &json)
            }
        case (.replayed(let original, let request), _):
            var context = context
            context.requestID = request
            var response = render(write: plan, outcome: original, context: context)
            response.addField("Idempotent-Replayed", "true" as StaticString)
            return response
        case (.coordinated(.request(let state)), .request(let shown)):
            return render(state, shown: shown, plan: plan, context: context)
        case (.coordinated(.queue(let outcome)), .queue(let form)):
            return render(outcome, of: form, plan: plan, context: context)
        case (.coordinated(.barrier(let outcome)), .barrier(let name)):
            return render(outcome, of: name, plan: plan, context: context)
        case (.coordinated(.lease(let outcome)), .lease):
            return render(outcome, plan: plan, context: context)
        case (.coordinated(.historyBounds(let bounds)), .compaction):
            return render(bounds, plan: plan, context: context)
        case (.coordinated(.announced(let index)), .announcement):
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("id", context.requestID?.description)
                json.field("abstraction", "atomic")
                json.field("index", index.rawValue)
            }
        case (.coordinated(.claim(let outcome)), .claim(let claim)):
            return render(outcome, of: claim, plan: plan, context: context)
        case (.refused(.coordination(.claim(let refusal))), _):
            return problem(claimProblem(refusal, context), traits: plan.traits, context: context)
        case (.refused, _): return render(refused: outcome, plan: plan, context: context)
        case (.batch, _), (.put, _), (.transaction, _), (.coordinated, _):
            return problem(
                .internal, detail: "the outcome does not belong to the request", traits: plan.traits,
                context: context)
        }
    }

    private func render(
        _ put: PutOutcome, key: [UInt8], plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        let status = put.created ? 201 : 200
        var response: HTTP.Response
        if plan.traits.flags.isEmpty, let body = Self.plainBody(put, key: key) {
            response = HTTP.Response(status: status, contentType: "application/json", body: body)
            response.addField("Cache-Control", "no-store" as StaticString)
            addContext(to: &response, revision: put.revision, traits: plan.traits, context: context)
            if let requestID = context.requestID {
                response.addField("Parley-Request-Id", requestID.description)
            }
        } else {
            response = answer(plan, status: status, revision: put.revision, context: context) { json in
                json.bytesField("key", key)
                json.field("revision", put.revision.rawValue)
                json.field("create_revision", put.createRevision.rawValue)
                json.field("version", put.version)
                if let lease = put.lease { json.field("lease", lease) }
                if let previous = put.previous { write(previous, named: "prev", to: &json) }
            }
        }
        addTag(put.revision, to: &response)
        if put.created {
            var location: [UInt8] = Array("/kv/".utf8)
            Percent.encode(key, keepingSlashes: true, into: &location)
            response.addField("Location", location)
        }
        return response
    }

    /// The body for a key that needs no escaping, which is nearly every one: the same bytes as the writer's,
    /// for a third of the time.
    private static func plainBody(_ put: PutOutcome, key: [UInt8]) -> [UInt8]? {
        guard put.previous == nil, put.lease == nil, isPlain(key) else { return nil }
        var body: [UInt8] = []
        body.reserveCapacity(key.count + 128)
        append("{\"key\":\"", to: &body)
        body.append(contentsOf: key)
        append("\",\"revision\":", to: &body)
        appendDecimal(put.revision.rawValue, to: &body)
        append(",\"create_revision\":", to: &body)
        appendDecimal(put.createRevision.rawValue, to: &body)
        append(",\"version\":", to: &body)
        appendDecimal(put.version, to: &body)
        append("}\n", to: &body)
        return body
    }

    private func render(refused outcome: Outcome, plan: WritePlan, context: AnswerContext) -> HTTP.Response {
        guard case .refused(let refusal) = outcome else { preconditionFailure("not refused: \(outcome)") }
        return problem(self.problem(refusal, plan: plan), traits: plan.traits, context: context)
    }

    private func problem(_ refusal: Refusal, plan: WritePlan) -> Problem {
        let key = plan.key
        let shown = readable(key ?? [])
        switch refusal {
        case .preconditionFailed(let current):
            let state = current.map { "is at revision \($0)" } ?? "does not exist"
            var problem = Problem(.preconditionFailed, "key '\(shown)' \(state)\(plan.conditionText)")
            if let key { problem = problem.with("key", .bytes(key)) }
            if let current { problem = problem.with("current_revision", .number(current.rawValue)) }
            return problem
        case .keyNotFound:
            let problem = Problem(.keyNotFound, "there is no key '\(shown)'")
            return key.map { problem.with("key", .bytes($0)) } ?? problem
        case .notAnInteger: return Self.invalidValue("is not the decimal text of a 64-bit integer")
        case .overflow: return Self.invalidValue("would leave the range of 64-bit integers")
        case .compacted(let compact, let current): return Self.compacted(compact, current)
        case .futureRevision(let current): return Self.future(current)
        case .transaction(let reason):
            guard case .transaction(let transaction) = plan.form else {
                return Problem(.internal, "the outcome does not belong to the request")
            }
            return Self.problem(reason, of: transaction)
        case .coordination(let refusal): return Self.problem(refusal)
        case .fenceStale(let fence, let current): return Self.problem(fence, current: current)
        case .cancelled: return Self.cancelled
        case .keyReused: return Self.keyReused
        case .malformedCommand:
            return Problem(
                .internal, "the command could not be read when it was applied; nothing was changed")
        }
    }

    static var cancelled: Problem {
        Problem(.requestCancelled, "the request was cancelled before it was carried out")
    }

    static var keyReused: Problem {
        Problem(
            .idempotencyKeyReused, "the Idempotency-Key was used for a request that differs from this one")
    }

    private static func invalidValue(_ message: String) -> Problem {
        Problem(.invalid, "the value \(message)").with(
            "errors", .errors([.init(field: "value", message: message)]))
    }

    static func compacted(_ compact: Revision, _ current: Revision) -> Problem {
        Problem(.compacted, "history before revision \(compact) was dropped; the current one is \(current)")
            .with("compact_revision", .number(compact.rawValue))
            .with("current_revision", .number(current.rawValue))
    }

    static func future(_ current: Revision) -> Problem {
        Problem(.futureRevision, "the current revision is \(current)")
            .with("current_revision", .number(current.rawValue))
    }

    /// 307 to the same target on the leader, or 503 `no_leader`: the answer to a request that asked to be
    /// redirected, on a node that does not lead.
    public func redirect(
        target: [UInt8], traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let leader = context.leader else {
            return problem(.noLeader, traits: traits, context: context)
        }
        var response = json(status: 307, revision: context.revision, traits: traits, context: context) {
            json in
            json.beginObject()
            json.field("leader", leader.name)
            json.field("leader_url", leader.url)
            json.endObject()
        }
        response.setField("Location", Array(leader.url.utf8) + target)
        return response
    }

    func answer(
        _ plan: WritePlan, status: Int = 200, revision: Revision, context: AnswerContext,
        _ members: (inout JSONWriter) -> Void
    ) -> HTTP.Response {
        var response: HTTP.Response
        if plan.traits.flags.contains(.minimal) {
            response = HTTP.Response(status: status)
            addContext(to: &response, revision: revision, traits: plan.traits, context: context)
            response.addField("Preference-Applied", "return=minimal" as StaticString)
        } else {
            response = json(status: status, revision: revision, traits: plan.traits, context: context) {
                json in
                json.beginObject()
                members(&json)
                if plan.traits.flags.contains(.explain) { explain(context, to: &json) }
                json.endObject()
            }
        }
        if let requestID = context.requestID {
            response.addField("Parley-Request-Id", requestID.description)
        }
        return response
    }

    private func explain(_ context: AnswerContext, to json: inout JSONWriter) {
        json.name("explain")
        json.beginObject()
        if let leader = context.leader { json.field("leader", leader.name) }
        json.field("term", context.term.rawValue)
        json.name("acknowledged_by")
        json.beginArray()
        for name in context.explanation?.acknowledgedBy ?? [] { json.string(name) }
        json.endArray()
        json.endObject()
    }
}

extension WritePlan {
    /// A revision that no key is ever at: what a tag comes to that can't be one of ours.
    static let noRevision = Revision(.max)

    /// What the condition said, to follow a sentence on what is.
    var conditionText: String {
        guard let condition, case .operation(let operation) = change else { return "" }
        let wanted: Guard?
        switch operation {
        case .put(_, _, let guarded, _), .delete(_, let guarded, _, _), .leasedPut(_, _, let guarded, _, _):
            wanted = guarded
        case .deleteRange, .increment, .batch, .compact, .transaction, .coordinate, .fenced: wanted = nil
        }
        switch wanted {
        case .revision(Self.noRevision): return ", \(condition.rawValue) named no revision"
        case .revision(let revision): return ", \(condition.rawValue) said \(revision)"
        case .exists: return ", \(condition.rawValue) said that it exists"
        case .absent: return ", \(condition.rawValue) said that it does not exist"
        case nil: return ""
        }
    }

    /// The key that the write is about, if it is about one.
    var key: [UInt8]? {
        guard case .operation(let operation) = change else { return nil }
        switch operation {
        case .put(let key, _, _, _), .delete(let key, _, _, _), .increment(let key, _),
            .leasedPut(let key, _, _, _, _):
            return key
        case .deleteRange, .batch, .compact, .transaction, .coordinate, .fenced: return nil
        }
    }
}
