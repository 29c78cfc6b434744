// Plans for queues and their messages.

import HTTP
import JSON
public import Primitives
public import Store

/// How the answer to a request about a queue is told.
struct QueueForm: Sendable {
    /// The queue.
    var name: String
    /// Whether messages come in JSON, even a single one.
    var wantsItems = false
    /// For how long a receiver waits for a message.
    var wait: Instant.Span?
}

/// A wish to try a write again, whenever something has changed, until it gives something.
public struct RepeatPlan: Sendable, Equatable {
    /// It makes sense to try again when this row was said to have changed.
    public let row: RowKey
    /// For how long, in all.
    public let wait: Instant.Span
    /// What comes of it when the time is over.
    public let nothing: Outcome
}

extension WritePlan {
    /// Whether the write is to be tried again while it gives nothing, and when; nil: it is tried once.
    public var repeats: RepeatPlan? {
        switch form {
        case .queue(let form):
            guard let wait = form.wait, wait > .zero else { return nil }
            return RepeatPlan(
                row: RowKey(.queue, form.name), wait: wait, nothing: .coordinated(.queue(.received([]))))
        case .task(let form):
            guard let claim = form.claim, let wait = claim.wait, wait > .zero else { return nil }
            // Who asks for several kinds is told of all.
            let row =
                claim.kinds.count == 1 ? RowKey(.taskLane, claim.kinds[0]) : RowKey(.taskLane)
            return RepeatPlan(row: row, wait: wait, nothing: .coordinated(.task(.claimed([]))))
        default: return nil
        }
    }

    /// Whether it makes sense to try again, as far as this node knows: tasks that are ready may be of other
    /// kinds, or need other labels.
    public func mayFind(in keyspace: borrowing Keyspace) -> Bool {
        guard case .task(let form) = form, let claim = form.claim else { return true }
        return keyspace.hasTask(for: claim.worker, kinds: claim.kinds)
    }
}

/// A question about queues.
public struct QueueQuery: Sendable {
    enum Target: Sendable {
        case all
        case one(String)
        case peek(String)
    }

    static let fingerprint = fnv1a("queues".utf8)

    let target: Target
    let limit: Int
    /// Only those after this name.
    let after: String?
    let link: PageLink
}

extension NativeAPI {
    /// `PUT /queues/{queue}`: what the body does not name gets its default.
    func planConfigureQueue(_ asked: Asked) throws(Problem) -> Plan {
        let name = try thing("queue", asked)
        try expectJSON(asked.request)
        var settings = QueueSettings()
        if !asked.request.body.isEmpty { try settings.read(asked.request.body) }
        guard settings.deadLetter != name else {
            throw Self.invalid("dead_letter", "can't be the queue itself")
        }
        return .write(try queue(.configure(name, settings), asked))
    }

    /// `POST /queues/{queue}`: the body is the message.
    func planEnqueue(_ asked: Asked) throws(Problem) -> Plan {
        let name = try thing("queue", asked)
        let parameters = asked.parameters
        guard asked.request.body.count <= Store.Limits.messageBytes else {
            throw Problem(
                .contentTooLarge,
                "a message has up to \(Store.Limits.messageBytes) bytes, this one has "
                    + "\(asked.request.body.count)")
        }
        var message = NewMessage(body: asked.request.body)
        message.priority = UInt8(try parameters.number(.priority, in: 0...255) ?? 0)
        message.delay = try milliseconds(.delay, parameters, from: 0) ?? 0
        message.timeToLive = try milliseconds(.ttl, parameters, from: 1) ?? 0
        if let dedupe = try parameters.text(.dedupe) {
            guard Store.Limits.isDedupeID(dedupe) else {
                throw parameters.bad(
                    .dedupe, Array(dedupe.utf8), "has 1 to \(Store.Limits.dedupeBytes) bytes")
            }
            message.dedupe = dedupe
        }
        return .write(try queue(.enqueue(name, message), asked))
    }

    /// `POST /queues/{queue}/receive`.
    func planReceive(_ asked: Asked) throws(Problem) -> Plan {
        let name = try thing("queue", asked)
        let parameters = asked.parameters
        let maximum = try parameters.number(.max, in: 1...UInt64(Store.Limits.receiveCount)) ?? 1
        let consumer = try parameters.text(.consumer) ?? ""
        guard consumer.isEmpty || Store.Limits.isName(consumer) else {
            throw parameters.bad(
                .consumer, Array(consumer.utf8),
                "has up to \(Store.Limits.nameBytes) bytes and no control characters")
        }
        var form = QueueForm(name: name)
        let accept = asked.request.fieldText("accept")?.lowercased() ?? ""
        form.wantsItems = maximum > 1 || accept.contains("json")
        form.wait =
            try wait(parameters) ?? parameters.preferredWait.map { min($0, settings.limits.maximumWait) }
        let command = QueueCommand.receive(
            name, maximum: Int(maximum), visibility: try milliseconds(.visibility, parameters, from: 1),
            consumer: consumer)
        return .write(try write(.operation(.coordinate(.queue(command))), .queue(form), asked))
    }

    /// `POST /queues/{queue}/ack`, `/nack` and `/extend`.
    func planReceipt(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        let name = try thing("queue", asked)
        let parameters = asked.parameters
        guard let text = try parameters.text(.receipt) else {
            throw Problem(.badRequest, "receipt is missing: what Parley-Receipt said with the message")
                .with("parameter", .text("receipt"))
        }
        guard let receipt = Receipt(text) else {
            throw parameters.bad(.receipt, Array(text.utf8), "is what Parley-Receipt said with the message")
        }
        switch route {
        case .acknowledgeMessage: return .write(try queue(.acknowledge(name, receipt), asked))
        case .returnMessage:
            let delay = try milliseconds(.delay, parameters, from: 0) ?? 0
            return .write(try queue(.giveBack(name, receipt, delay: delay), asked))
        default:
            guard let visibility = try milliseconds(.visibility, parameters, from: 1) else {
                throw Problem(.badRequest, "extend needs visibility, for how long from now on")
                    .with("parameter", .text("visibility"))
            }
            return .write(try queue(.extend(name, receipt, visibility: visibility), asked))
        }
    }

    /// `DELETE /queues/{queue}/messages`.
    func planPurgeQueue(_ asked: Asked) throws(Problem) -> Plan {
        .write(try queue(.purge(try thing("queue", asked)), asked))
    }

    /// `DELETE /queues/{queue}`.
    func planDeleteQueue(_ asked: Asked) throws(Problem) -> Plan {
        .write(try queue(.delete(try thing("queue", asked)), asked))
    }

    /// `GET /queues`, `GET /queues/{queue}` and `GET /queues/{queue}/peek`.
    func planQueues(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let target: QueueQuery.Target
        var limit = try limit(parameters) ?? settings.limits.pageCount
        switch route {
        case .listQueues: target = .all
        case .getQueue: target = .one(try thing("queue", asked))
        default:
            target = .peek(try thing("queue", asked))
            limit = Int(try parameters.number(.limit, in: 1...UInt64(Store.Limits.receiveCount)) ?? 10)
        }
        let query = QueueQuery(
            target: target, limit: limit, after: try place(parameters, in: QueueQuery.fingerprint),
            link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .queues(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    private func queue(_ command: QueueCommand, _ asked: Asked) throws(Problem) -> WritePlan {
        let form = QueueForm(name: command.name)
        return try write(.operation(.coordinate(.queue(command))), .queue(form), asked)
    }

    // MARK: - What queues and barriers share

    /// The capture as the name of a thing.
    func thing(_ kind: String, _ asked: Asked) throws(Problem) -> String {
        let name = try asked.name("name of a \(kind)")
        guard Store.Limits.isName(name) else {
            throw Problem(.badRequest, "the name of a \(kind) has 1 to \(Store.Limits.nameBytes) bytes")
        }
        return name
    }

    /// A length of time in milliseconds; one that is too short or too long is refused, not cut.
    func milliseconds(
        _ name: Parameter, _ parameters: Parameters, from least: Int64
    ) throws(Problem) -> Int64? {
        guard let value = parameters[name] else { return nil }
        guard let span = parseSpan(value), least...Store.Limits.queueMilliseconds ~= span.milliseconds else {
            throw Problem(
                .badDuration,
                "\(name.rawValue) is from \(least)ms to \(Store.Limits.queueMilliseconds / 3_600_000)h, not "
                    + "'\(readable(value))'"
            ).with("parameter", .text(name.rawValue))
        }
        return span.milliseconds
    }

    /// For how long a request waits; more than is allowed is refused.
    func wait(_ parameters: Parameters) throws(Problem) -> Instant.Span? {
        guard let value = parameters[.wait] else { return nil }
        let most = settings.limits.maximumWait
        guard let span = parseSpan(value), span <= most else {
            throw Problem(
                .badDuration,
                "wait is from 0s to \(most.milliseconds / 1000)s, not '\(readable(value))'"
            ).with("parameter", .text("wait"))
        }
        return span
    }

    /// The name after which a page of a list begins.
    func place(_ parameters: Parameters, in list: UInt64) throws(Problem) -> String? {
        guard let cursor = parameters[.cursor] else { return nil }
        guard case .key(let last)? = CursorPosition(cursor, of: list)?.place else {
            throw parameters.bad(.cursor, cursor, "is what the next member of the same list said")
        }
        return String(decoding: last, as: UTF8.self)
    }

    static func invalid(_ field: String, _ message: String) -> Problem {
        Problem(.invalid, "\(field) \(message)")
            .with("errors", .errors([.init(field: field, message: message)]))
    }
}

extension QueueSettings {
    private static let names = [
        "visibility_ms", "max_attempts", "dead_letter", "max_length", "retention_ms", "order",
    ]

    fileprivate mutating func read(_ json: [UInt8]) throws(Problem) {
        do {
            var reader = try JSONReader(json)
            try reader.beginObject()
            while let name = try reader.nextName() { try read(name, &reader) }
            try reader.finish()
        } catch { throw Problem(reading: error) }
    }

    private mutating func read(_ name: String, _ reader: inout JSONReader) throws {
        let most = Store.Limits.queueMilliseconds
        func number(from least: Int64, to most: Int64) throws -> Int64 {
            let number = try reader.int64()
            guard least...most ~= number else {
                throw NativeAPI.invalid(name, "is from \(least) to \(most)")
            }
            return number
        }
        switch name {
        case "visibility_ms": visibility = try number(from: 1, to: most)
        case "retention_ms": retention = try number(from: 0, to: most)
        case "max_attempts": maximumAttempts = UInt32(try number(from: 0, to: 1_000_000))
        case "max_length": maximumLength = Int(try number(from: 1, to: Int64(Store.Limits.queueLength)))
        case "dead_letter":
            guard try !reader.null() else { return deadLetter = nil }
            let queue = try reader.string()
            guard Store.Limits.isName(queue) else {
                throw NativeAPI.invalid(
                    name, "is a queue's name of 1 to \(Store.Limits.nameBytes) bytes, or null")
            }
            deadLetter = queue
        case "order":
            switch try reader.string() {
            case "fifo": order = .fifo
            case "priority": order = .priority
            default: throw NativeAPI.invalid(name, "is fifo or priority")
            }
        default:
            let problem = Problem(
                .unknownParameter,
                "a queue has no \(readable(name.utf8)); it has \(Self.names.joined(separator: ", "))"
            ).with("parameter", .text(readable(name.utf8)))
            guard let suggestion = nearest(to: name, among: Self.names) else { throw problem }
            throw problem.with("nearest", .text(suggestion))
        }
    }
}
