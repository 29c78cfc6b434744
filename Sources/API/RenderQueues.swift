// Answers about queues and their messages.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func render(
        _ outcome: QueueOutcome, of form: QueueForm, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        let revision = context.revision
        switch outcome {
        case .configured(let queue, let isNew):
            var response = answer(plan, status: isNew ? 201 : 200, revision: revision, context: context) {
                json in
                write(settings: queue, to: &json)
            }
            if isNew { addLocation("/queues/", form.name, to: &response) }
            return response
        case .enqueued(let id, let isNew, let revision):
            return answer(plan, status: isNew ? 201 : 200, revision: revision, context: context) { json in
                json.field("id", id.description)
                if !isNew { json.field("duplicate", true) }
                json.field("revision", revision.rawValue)
            }
        case .received(let messages): return render(messages, of: form, plan: plan, context: context)
        case .acknowledged(let id):
            return answer(plan, revision: revision, context: context) { json in
                json.field("id", id.description)
                json.field("acknowledged", true)
            }
        case .returned(let id, let isDead):
            return answer(plan, revision: revision, context: context) { json in
                json.field("id", id.description)
                json.field("dead", isDead)
            }
        case .extended(let id, let visibility):
            return answer(plan, revision: revision, context: context) { json in
                json.field("id", id.description)
                json.field("visibility_ms", visibility)
            }
        case .purged(let count), .deleted(let count):
            return answer(plan, revision: revision, context: context) { json in
                json.field("deleted_messages", count)
            }
        }
    }

    private func render(
        _ messages: [ReceivedMessage], of form: QueueForm, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        var response: HTTP.Response
        if form.wantsItems, !messages.isEmpty {
            response = json(revision: context.revision, traits: plan.traits, context: context) { json in
                json.beginObject()
                json.name("items")
                json.beginArray()
                for message in messages { write(message, to: &json) }
                json.endArray()
                json.endObject()
            }
        } else {
            if let message = messages.first {
                // Messages are anybody's bytes: a browser must neither guess their type nor run them.
                response = HTTP.Response(
                    status: 200, contentType: "application/octet-stream", body: message.body)
                response.addField("X-Content-Type-Options", "nosniff" as StaticString)
                response.addField("Content-Security-Policy", "sandbox" as StaticString)
                response.addField("Parley-Message-Id", message.id.description)
                if let receipt = message.receipt { response.addField("Parley-Receipt", receipt.description) }
                response.addField("Parley-Attempt", String(message.attempt))
                response.addField("Parley-Enqueued-At", message.enqueuedAt.rfc3339)
            } else {
                response = HTTP.Response(status: 204)
            }
            response.addField("Cache-Control", "no-store" as StaticString)
            addContext(to: &response, revision: context.revision, traits: plan.traits, context: context)
        }
        if let requestID = context.requestID {
            response.addField("Parley-Request-Id", requestID.description)
        }
        return response
    }

    /// Where a thing is that was made.
    func addLocation(_ path: String, _ name: String, to response: inout HTTP.Response) {
        var location = Array(path.utf8)
        Percent.encode(Array(name.utf8), keepingSlashes: false, into: &location)
        response.addField("Location", location)
    }

    // MARK: - Questions

    func render(
        _ query: QueueQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        switch query.target {
        case .all: return renderList(query, keyspace: keyspace, traits: traits, context: context)
        case .one(let name):
            guard let queue = keyspace.queue(name) else {
                return problem(Self.problem(QueueRefusal.notFound(name)), traits: traits, context: context)
            }
            let (oldest, now) = (keyspace.oldestMessage(of: queue), keyspace.lastTime)
            return json(revision: keyspace.revision, traits: traits, context: context) { json in
                json.beginObject()
                write(settings: queue, to: &json)
                write(counts: queue, to: &json)
                if let oldest {
                    json.field("oldest_age_ms", max(0, now.milliseconds - oldest.milliseconds))
                    json.field("oldest_enqueued_at", oldest.rfc3339)
                }
                json.endObject()
            }
        case .peek(let name):
            guard let queue = keyspace.queue(name) else {
                return problem(Self.problem(QueueRefusal.notFound(name)), traits: traits, context: context)
            }
            let messages = keyspace.peek(queue, limit: query.limit)
            return json(revision: keyspace.revision, traits: traits, context: context) { json in
                json.beginObject()
                json.name("items")
                json.beginArray()
                for message in messages { write(message, to: &json) }
                json.endArray()
                json.field("ready", queue.ready)
                json.endObject()
            }
        }
    }

    private func renderList(
        _ query: QueueQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let queues = keyspace.queues(after: query.after, limit: query.limit + 1)
        let last = queues.count > query.limit ? queues[query.limit - 1].name : nil
        let revision = keyspace.revision
        return page(last, QueueQuery.fingerprint, query.link, revision, traits, context) { json in
            for queue in queues.prefix(query.limit) {
                json.beginObject()
                json.field("name", queue.name)
                write(counts: queue, to: &json)
                json.endObject()
            }
        }
    }

    /// A page of a list; it goes on after `last` if there is one.
    func page(
        _ last: String?, _ fingerprint: UInt64, _ link: PageLink, _ revision: Revision,
        _ traits: RequestTraits, _ context: AnswerContext, _ items: (inout JSONWriter) -> Void
    ) -> HTTP.Response {
        let next = last.map {
            CursorPosition(revision: .zero, place: .key(Array($0.utf8))).token(for: fingerprint)
        }
        var response = json(revision: revision, traits: traits, context: context) { json in
            json.beginObject()
            json.name("items")
            json.beginArray()
            items(&json)
            json.endArray()
            if let next { json.field("next", next) }
            json.field("revision", revision.rawValue)
            json.endObject()
        }
        if let next { response.addField("Link", link.next(next)) }
        return response
    }

    // MARK: - Parts

    private func write(settings queue: Queue, to json: inout JSONWriter) {
        let settings = queue.settings
        json.field("name", queue.name)
        json.field("visibility_ms", settings.visibility)
        json.field("max_attempts", UInt64(settings.maximumAttempts))
        if let deadLetter = settings.deadLetter { json.field("dead_letter", deadLetter) }
        json.field("max_length", settings.maximumLength)
        json.field("retention_ms", settings.retention)
        json.field("order", settings.order == .priority ? "priority" : "fifo")
        json.field("created_at", queue.createdAt.rfc3339)
    }

    private func write(counts queue: Queue, to json: inout JSONWriter) {
        json.field("ready", queue.ready)
        json.field("in_flight", queue.inFlight)
        json.field("delayed", queue.delayed)
        json.field("dead", queue.dead)
        json.field("dropped", queue.dropped)
        json.field("expired", queue.expired)
    }

    private func write(_ message: ReceivedMessage, to json: inout JSONWriter) {
        json.beginObject()
        json.field("id", message.id.description)
        if let receipt = message.receipt { json.field("receipt", receipt.description) }
        json.bytesField("body", message.body)
        json.field("attempt", UInt64(message.attempt))
        json.field("enqueued_at", message.enqueuedAt.rfc3339)
        if message.priority > 0 { json.field("priority", UInt64(message.priority)) }
        if let source = message.source { json.field("dead_from", source) }
        json.endObject()
    }

    /// Why nothing was changed in a queue, as a problem.
    static func problem(_ refusal: QueueRefusal) -> Problem {
        switch refusal {
        case .notFound(let name):
            Problem(.queueNotFound, "there is no queue '\(name)'").with("queue", .text(name))
        case .receiptExpired(let receipt):
            Problem(.receiptExpired, "the receipt \(receipt) gives no right to a message any more")
                .with("receipt", .text(receipt.description))
        case .full(let name, let length):
            Problem(.queueFull, "the queue '\(name)' has \(length) messages, as many as it takes")
                .with("queue", .text(name)).with("max_length", .number(UInt64(length)))
        case .notEmpty(let name):
            Problem(.queueNotEmpty, "the order of '\(name)' can be changed once it has no messages")
                .with("queue", .text(name))
        }
    }
}
