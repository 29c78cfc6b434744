// Plans for messages from node to node, and their answers.

public import Clocks
public import HTTP
import JSON
public import Primitives

/// What is promised of a message (the ladder of Cachin, Guerraoui and Rodrigues, chapter 2).
public enum MessageDelivery: String, Sendable, CaseIterable {
    /// Sent once: it may be lost, and come late.
    case unreliable
    /// Sent again and again until its time is over or the recipient takes it: it may come more than once.
    case stubborn
    /// Sent until it is acknowledged: it comes once while both processes live.
    case reliable
}

/// In what order messages come.
public enum MessageOrdering: String, Sendable, CaseIterable {
    /// In any.
    case none
    /// After all that this node sent to the same recipient before, with the same promise.
    case fifo
}

/// What a node knows of a message that it sent.
public struct MessageRecord: Sendable, Equatable {
    /// How far it came.
    public enum State: String, Sendable, CaseIterable {
        /// It is on its way.
        case sent
        /// It came to the recipient's inbox.
        case delivered
        /// It was taken out there.
        case acked
        /// Its time was over; whether it came is not known.
        case expired
        /// The recipient's process ended before it had answered, or its inbox did before the message was
        /// taken out; whether it was read is not known.
        case lost
        /// Too much waits for this recipient: it was not sent, or not taken into the inbox.
        case refused
        /// No node and no participant is called so.
        case unknown

        /// Whether it may come after another one.
        public func follows(_ state: State) -> Bool {
            switch (state, self) {
            case (.sent, .delivered), (.sent, .acked), (.sent, .expired), (.sent, .lost),
                (.sent, .refused), (.delivered, .refused), (.delivered, .lost):
                true
            case (.delivered, .acked), (.expired, .acked), (.lost, .acked): true
            default: false
            }
        }
    }

    /// A recipient.
    public struct Recipient: Sendable, Equatable {
        /// What it is called, as the client did.
        public var name: String
        /// The node, or the participant's home; nil if there is none of that name.
        public var node: NodeID?
        /// How far the message came.
        public var state: State

        /// The inbox's name: that of a node may be said as `node:n1`.
        public var inbox: String { name.hasPrefix("node:") ? String(name.dropFirst(5)) : name }

        /// Makes a recipient.
        public init(name: String, node: NodeID?, state: State) {
            self.name = name
            self.node = node
            self.state = state
        }
    }

    /// Which one it is.
    public var id: RequestID
    /// What was promised.
    public var delivery: MessageDelivery
    /// In what order it comes.
    public var ordering: MessageOrdering
    /// A name that keeps streams of messages apart.
    public var channel: String
    /// Who said it.
    public var from: String
    /// When it was sent, and until when that is tried.
    public var sent: WallTime, until: WallTime
    /// To whom.
    public var recipients: [Recipient] = []

    /// Makes a record without recipients.
    public init(
        id: RequestID, delivery: MessageDelivery, ordering: MessageOrdering, channel: String, from: String,
        sent: WallTime, until: WallTime
    ) {
        self.id = id
        self.delivery = delivery
        self.ordering = ordering
        self.channel = channel
        self.from = from
        self.sent = sent
        self.until = until
    }
}

extension NativeAPI {
    /// `POST /messages/{name}`.
    func planMessageTo(_ asked: Asked) throws(Problem) -> Plan {
        let name = try asked.name("recipient's name")
        var fields = MessageFields()
        fields.to = name == "*" ? .all : .named([name])
        fields.body = asked.request.body
        return .message(try message(fields, asked))
    }

    /// `POST /messages`.
    func planMessage(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        var fields = MessageFields()
        try fields.read(asked.request.body)
        return .message(try message(fields, asked))
    }

    private static func missing(_ field: String, _ what: String) -> Problem {
        Problem(.invalid, "\(field) is missing: \(what)")
            .with("errors", .errors([.init(field: field, message: "is missing")]))
    }

    /// What stands in the query counts for what the body does not say.
    private func message(_ said: MessageFields, _ asked: Asked) throws(Problem) -> MessagePlan {
        var fields = said
        guard let to = fields.to else { throw Self.missing("to", "a name, a list of names, or \"*\"") }
        guard let body = fields.body else { throw Self.missing("body", "text, or body_b64 with base 64") }
        let parameters = asked.parameters
        _ = try timeout(parameters)
        if fields.channel == nil { fields.channel = try channel(parameters) }
        if fields.from == nil { fields.from = try parameters.text(.from) }
        if fields.delivery == nil { fields.delivery = try Self.delivery(parameters.text(.delivery)) }
        if fields.ordering == nil { fields.ordering = try Self.ordering(parameters.text(.ordering)) }
        if fields.ttl == nil { fields.ttl = try parameters.span(.ttl, most: .seconds(1 << 32)) }
        try check(body, channel: fields.channel, from: fields.from)
        let (delivery, ordering) = (fields.delivery ?? .reliable, fields.ordering ?? .none)
        guard ordering == .none || delivery == .reliable else {
            throw Problem(.badRequest, "ordering=fifo needs delivery=reliable")
                .with("parameter", .text(Parameter.ordering.rawValue))
        }
        let ttl = fields.ttl ?? .seconds(3_600)
        guard ttl.milliseconds > 0, ttl <= .seconds(86_400) else {
            throw Problem(.badDuration, "ttl: a message is sent for 1ms to 24h")
                .with("parameter", .text(Parameter.ttl.rawValue))
        }
        return MessagePlan(
            to: to, channel: fields.channel ?? "default", body: body, from: fields.from ?? settings.nodeName,
            delivery: delivery, ordering: ordering, ttl: ttl, traits: asked.traits)
    }

    fileprivate static func delivery(_ text: String?) throws(Problem) -> MessageDelivery? {
        try choice(text, .delivery, later: ["logged"])
    }

    fileprivate static func ordering(_ text: String?) throws(Problem) -> MessageOrdering? {
        try choice(text, .ordering, later: ["causal", "total"])
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ text: String?, _ parameter: Parameter, later: [String]
    ) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let text else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let name = parameter.rawValue
        guard !later.contains(text) else {
            throw Problem(.notImplemented, "\(name)=\(text) is not supported yet")
                .with("parameter", .text(name))
        }
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        throw Problem(.badRequest, "\(name) is one of \(names), not '\(readable(text.utf8))'")
            .with("parameter", .text(name))
    }

    /// `GET /messages/{name}`.
    func messageName(_ asked: Asked) throws(Problem) -> RequestID {
        let text = try asked.name("id of a message")
        guard let id = RequestID(text) else { throw Self.noMessage(text) }
        return id
    }

    private static func noMessage(_ text: String) -> Problem {
        Problem(
            .messageNotFound,
            "this node has sent no message '\(readable(text.utf8))', or has forgotten it: ask the node that "
                + "was given it")
    }

    /// Refuses messages that are too long, or come under names that are.
    func check(_ body: [UInt8], channel: String?, from: String?) throws(Problem) {
        guard body.count <= settings.limits.messageBytes else {
            throw Problem(
                .contentTooLarge,
                "a message has up to \(settings.limits.messageBytes) bytes, this one has \(body.count)")
        }
        for (field, text) in [("channel", channel), ("from", from)] where text?.utf8.count ?? 0 > 256 {
            throw Problem(.badRequest, "\(field) has up to 256 bytes")
        }
    }

    func channel(_ parameters: Parameters) throws(Problem) -> String? {
        guard let channel = try parameters.text(.channel) else { return nil }
        guard !channel.isEmpty, channel.utf8.count <= 256 else {
            throw Problem(.badRequest, "channel has 1 to 256 bytes")
        }
        return channel
    }

    // MARK: Answers

    /// The answer to a message: 202 if any recipient may get it, else the problem of the first that can't.
    public func render(
        message plan: MessagePlan, record: MessageRecord, stamp: Stamp, context: AnswerContext
    ) -> HTTP.Response {
        let isOnItsWay = record.recipients.contains { $0.state != .refused && $0.state != .unknown }
        if !isOnItsWay, let first = record.recipients.first {
            let found =
                first.state == .unknown
                ? Self.noParticipant(first.name)
                : Problem(
                    .queueFull, "the message can't be taken for '\(readable(first.name.utf8))' now")
            return problem(found, traits: plan.traits, context: context)
        }
        var response = json(status: 202, revision: context.revision, traits: plan.traits, context: context) {
            json in
            json.beginObject()
            json.field("id", record.id.description)
            json.field("lamport", stamp.lamport ?? 0)
            json.field("hlc", stamp.hybrid?.text ?? "")
            Self.write(record.recipients, to: &json)
            json.endObject()
        }
        response.addField("Location", "/messages/\(record.id)")
        response.setField("Parley-Request-Id", record.id.description)
        return response
    }

    /// The answer to what became of a message.
    public func render(
        record: MessageRecord?, of id: RequestID, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let record else {
            return problem(Self.noMessage(id.description), traits: traits, context: context)
        }
        return json(revision: context.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.field("id", record.id.description)
            json.field("from", record.from)
            json.field("channel", record.channel)
            json.field("delivery", record.delivery.rawValue)
            json.field("ordering", record.ordering.rawValue)
            json.field("sent", record.sent.rfc3339)
            json.field("until", record.until.rfc3339)
            Self.write(record.recipients, to: &json)
            json.endObject()
        }
    }

    private static func write(_ recipients: [MessageRecord.Recipient], to json: inout JSONWriter) {
        json.name("deliveries")
        json.beginObject()
        for recipient in recipients { json.field(recipient.name, recipient.state.rawValue) }
        json.endObject()
    }

    /// The answer to a message that is too long for what is promised of it.
    public func tooLong(_ plan: MessagePlan, most: Int, context: AnswerContext) -> HTTP.Response {
        problem(
            .contentTooLarge,
            detail:
                "with delivery=\(plan.delivery.rawValue) a message with its names has up to \(most) bytes",
            traits: plan.traits, context: context)
    }
}

/// The members of a message's JSON form.
private struct MessageFields {
    var to: MessagePlan.Recipients?
    var channel: String?
    var from: String?
    var body: [UInt8]?
    var delivery: MessageDelivery?
    var ordering: MessageOrdering?
    var ttl: Instant.Span?

    private static let names = [
        "to", "channel", "from", "body", "body_b64", "delivery", "ordering", "ttl_ms",
    ]
    private static let later: Set<String> = ["key", "wait"]

    mutating func read(_ json: [UInt8]) throws(Problem) {
        do {
            var reader = try JSONReader(json)
            try reader.beginObject()
            while let name = try reader.nextName() {
                switch name {
                case "to": to = try Self.recipients(&reader)
                case "channel": channel = try reader.string()
                case "from": from = try reader.string()
                case "delivery": delivery = try NativeAPI.delivery(reader.string())
                case "ordering": ordering = try NativeAPI.ordering(reader.string())
                case "ttl_ms": ttl = .milliseconds(Int(clamping: try reader.uint64()))
                case "body": try take(reader.bytes())
                case "body_b64": try take(reader.base64())
                default: throw Self.unknown(name)
                }
            }
            try reader.finish()
        } catch { throw Problem(reading: error) }
    }

    private mutating func take(_ bytes: [UInt8]) throws(Problem) {
        guard body == nil else { throw Problem(.badJSON, "body and body_b64 exclude each other") }
        body = bytes
    }

    private static func recipients(_ reader: inout JSONReader) throws -> MessagePlan.Recipients {
        guard try reader.peek() == .array else {
            let name = try reader.string()
            return name == "*" ? .all : .named([name])
        }
        var names: [String] = []
        try reader.beginArray()
        while try reader.nextElement() {
            let name = try reader.string()
            if !names.contains(name) { names.append(name) }
            guard names.count <= 128 else {
                throw Problem(.badRequest, "a message goes to up to 128 recipients")
            }
        }
        guard !names.isEmpty else {
            throw Problem(.badRequest, "the list of recipients is empty")
        }
        return names.contains("*") ? .all : .named(names)
    }

    private static func unknown(_ name: String) -> Problem {
        let shown = readable(name.utf8)
        if later.contains(name) {
            return Problem(.notImplemented, "the member \(shown) is not supported yet")
                .with("parameter", .text(shown))
        }
        let problem = Problem(
            .unknownParameter, "a message has no member \(shown); it has \(names.joined(separator: ", "))"
        ).with("parameter", .text(shown))
        guard let suggestion = nearest(to: name, among: names) else { return problem }
        return problem.with("nearest", .text(suggestion))
    }
}
