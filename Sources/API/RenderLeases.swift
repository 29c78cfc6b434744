// Answers about leases.

public import HTTP
import JSON
public import Primitives
import Store

extension NativeAPI {
    func render(
        _ outcome: LeaseOutcome, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        switch outcome {
        case .granted(let lease):
            var response = answer(plan, status: 201, revision: context.revision, context: context) { json in
                write(lease, left: ("expires_in_ms", lease.terms.timeToLive), to: &json)
            }
            var location: [UInt8] = Array("/leases/".utf8)
            Percent.encode(Array(lease.id.utf8), keepingSlashes: false, into: &location)
            response.addField("Location", location)
            return response
        case .renewed(let lease):
            return answer(plan, revision: context.revision, context: context) { json in
                write(lease, left: ("remaining_ms", lease.terms.timeToLive), to: &json)
            }
        case .revoked(let keys, let holds, let revision):
            return answer(plan, revision: revision, context: context) { json in
                json.field("deleted_keys", keys)
                json.field("released_holds", holds)
                json.field("revision", revision.rawValue)
            }
        }
    }

    /// The answer to a question about leases.
    func render(
        _ query: LeaseQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let id = query.id else {
            return renderList(query, keyspace: keyspace, traits: traits, context: context)
        }
        guard let lease = keyspace.lease(id) else {
            return problem(Self.problem(.leaseNotFound(id)), traits: traits, context: context)
        }
        let keys = query.withKeys ? keyspace.keys(ofLease: id, limit: Self.mostKeys + 1) : []
        let held = keyspace.fences(ofLease: id, limit: Self.mostLocks + 1)
        return json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            write(lease, left: remaining(lease, context), to: &json)
            write(held, to: &json)
            if query.withKeys {
                json.name("keys")
                json.beginArray()
                for key in keys.prefix(Self.mostKeys) { write(key: key, to: &json) }
                json.endArray()
                if keys.count > Self.mostKeys { json.field("more", true) }
            }
            json.endObject()
        }
    }

    /// Writes a key as an element: text if it is UTF-8, else an object.
    private func write(key: [UInt8], to json: inout JSONWriter) {
        if let text = String(validating: key, as: UTF8.self) { return json.string(text) }
        json.beginObject()
        json.bytesField("key", key)
        json.endObject()
    }

    /// Writes what is held under a lease.
    private func write(_ held: [Fence], to json: inout JSONWriter) {
        json.name("locks")
        json.beginArray()
        for fence in held.prefix(Self.mostLocks) {
            json.beginObject()
            json.field("kind", "\(fence.claim.kind)")
            json.field("name", fence.claim.name)
            json.field("token", fence.token)
            json.endObject()
        }
        json.endArray()
        if held.count > Self.mostLocks { json.field("more_locks", true) }
    }

    /// The most locks and the like of a lease that an answer shows.
    private static let mostLocks = 1_000

    /// The most keys of a lease that an answer shows.
    private static let mostKeys = 10_000

    private func renderList(
        _ query: LeaseQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let leases = keyspace.leases(after: query.after, limit: query.limit + 1)
        var next: String?
        if leases.count > query.limit {
            let last = Array(leases[query.limit - 1].id.utf8)
            next = CursorPosition(revision: .zero, place: .key(last)).token(for: LeaseQuery.fingerprint)
        }
        var response = json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.name("items")
            json.beginArray()
            for lease in leases.prefix(query.limit) {
                json.beginObject()
                write(lease, left: remaining(lease, context), to: &json)
                json.endObject()
            }
            json.endArray()
            if let next { json.field("next", next) }
            json.field("revision", keyspace.revision.rawValue)
            json.endObject()
        }
        if let next { response.addField("Link", query.link.next(next)) }
        return response
    }

    private func remaining(_ lease: Lease, _ context: AnswerContext) -> (String, Int64)? {
        context.timeLeft?(lease.timer).map { ("remaining_ms", $0) }
    }

    private func write(_ lease: Lease, left: (name: String, milliseconds: Int64)?, to json: inout JSONWriter)
    {
        json.field("id", lease.id)
        json.field("ttl_ms", lease.terms.timeToLive)
        if let left { json.field(left.name, left.milliseconds) }
        json.field("granted_revision", lease.grantedRevision.rawValue)
        json.field("granted_at", lease.grantedAt.rfc3339)
        if !lease.terms.name.isEmpty { json.field("name", lease.terms.name) }
        if !lease.terms.meta.isEmpty { json.field("meta", lease.terms.meta) }
        if lease.terms.end == .release { json.field("on_expire", "release") }
        if lease.terms.lockDelay > 0 { json.field("lock_delay_ms", lease.terms.lockDelay) }
        if lease.isPrivate { json.field("private", true) }
    }
}

// MARK: - Streams that hold something

extension NativeAPI {
    /// The beginning of a stream that keeps what `outcome` gave: the answer's own body is its first line.
    public func renderHold(_ answer: HTTP.Response) -> HTTP.Response {
        var head = answer
        head.setField("Content-Type", "application/x-ndjson")
        head.addField("X-Accel-Buffering", "no" as StaticString)
        return head
    }

    /// A line that tells that what is held was renewed.
    public func holdLine(lease: String, renewedAt: WallTime, remaining: Int64) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.field("id", lease)
        json.field("renewed_at", renewedAt.rfc3339)
        json.field("remaining_ms", remaining)
        json.endObject()
        json.lineEnd()
        return json.take()
    }

    /// The last line of a stream that the node ends because it stops.
    public func byeLine() -> [UInt8] { Array("{\"bye\":\"shutting_down\"}\n".utf8) }

    /// The last line of a stream that ends with a problem.
    public func errorLine(_ code: ProblemCode, detail: String, context: AnswerContext) -> [UInt8] {
        let body = problem(code, detail: detail, context: context).body
        var line = Array("{\"error\":".utf8)
        line += body.last == UInt8(ascii: "\n") ? body.dropLast() : body[...]
        line += Array("}\n".utf8)
        return line
    }
}
