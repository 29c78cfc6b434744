// Plans for messages from node to node, and their answers.

import HTTP
import JSON
public import Primitives
import Store

/// What is promised of a message (the ladder of Cachin, Guerraoui and Rodrigues, chapter 2).
public enum MessageDelivery: String, Sendable, CaseIterable {
    /// Sent once: it may be lost, and come late.
    case unreliable
    /// Sent again and again until its time is over or the recipient takes it: it may come more than once.
    case stubborn
    /// Sent until it is acknowledged: it comes once while both processes live.
    case reliable
    /// Kept by a majority of nodes in their log until it is taken or its time is over: it survives the crash
    /// of sender, recipient and any minority (section 2.4.5 there).
    case logged
}

/// What a request that sends a message may wait for.
private enum MessageWait: String, CaseIterable { case ack }

/// In what order messages come.
public enum MessageOrdering: String, Sendable, CaseIterable {
    /// In any.
    case none
    /// After all that this node sent to the same recipient before, with the same promise.
    case fifo
    /// After all that its sender had sent or taken out before. For logged messages.
    case causal
    /// In one order for all recipients, that of the log, which is a causal one. For logged messages.
    case total
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
        /// Its time was over; whether it came is not known. A logged one was not taken.
        case expired
        /// The recipient's process ended before it had answered, or its inbox did before the message was
        /// taken out; whether it was read is not known.
        case lost
        /// Too much waits for this recipient: it was not sent, or not taken into the inbox.
        case refused
        /// No node and no participant is called so.
        case unknown

        /// Whether nothing comes after it, but that an acknowledgement may come late.
        public var isFinal: Bool { self != .sent && self != .delivered }

        /// Whether it may come after another one.
        public func follows(_ state: State) -> Bool {
            switch (state, self) {
            case (.sent, .delivered), (.sent, .acked), (.sent, .expired), (.sent, .lost),
                (.sent, .refused), (.delivered, .refused), (.delivered, .lost), (.delivered, .expired):
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
        /// How it came so far, with the sender's time of learning it.
        public var path: [Step] = []

        /// A step on its way.
        public struct Step: Sendable, Equatable {
            /// What it was after the step.
            public var state: State
            /// By the wall clock of the node that it was sent from.
            public var time: WallTime
            /// Makes it of its parts.
            public init(state: State, time: WallTime) {
                self.state = state
                self.time = time
            }
        }

        /// It goes on.
        public mutating func step(to state: State, at time: WallTime) {
            self.state = state
            path.append(Step(state: state, time: time))
        }

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

    /// Whether nothing more is to be learned of it.
    public var isFinal: Bool { recipients.allSatisfy(\.state.isFinal) }

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
        return try plan(try message(fields, asked), asked)
    }

    /// `POST /messages`.
    func planMessage(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        var fields = MessageFields()
        try fields.read(asked.request.body)
        return try plan(try message(fields, asked), asked)
    }

    /// What is logged goes through the log, the rest over links.
    private func plan(_ message: MessagePlan, _ asked: Asked) throws(Problem) -> Plan {
        guard message.delivery == .logged else {
            try refuseRouting(asked, unless: "delivery=logged")
            return .message(message)
        }
        var names: [String]
        switch message.to {
        case .all: names = settings.memberNames.filter { $0 != settings.nodeName }
        case .named(let named): names = named
        }
        guard !names.isEmpty else { throw Problem(.badRequest, "there is no other node to send it to") }
        let recipients = try names.map { (name) throws(Problem) in
            let inbox = name.hasPrefix("node:") ? String(name.dropFirst(5)) : name
            guard Store.Limits.isName(inbox) else { throw Self.noParticipant(name) }
            return LoggedLetter.Recipient(inbox: inbox, isNode: settings.memberNames.contains(inbox))
        }
        let letter = LoggedLetter(
            to: recipients, sender: message.from, channel: message.channel, body: message.body,
            timeToLive: Int64(message.ttl.milliseconds))
        return .write(
            try write(.operation(.coordinate(.participant(.send(letter)))), .message(message, names), asked))
    }

    /// Refuses what only requests take that go through the log.
    func refuseRouting(_ asked: Asked, unless choice: String) throws(Problem) {
        for parameter in [Parameter.redirect, .forward, .explain] where asked.parameters[parameter] != nil {
            throw Problem(.badRequest, "\(parameter.rawValue) is for \(choice)")
                .with("parameter", .text(parameter.rawValue))
        }
        guard asked.request.field("idempotency-key") == nil else {
            throw Problem(.badRequest, "only \(choice) takes an Idempotency-Key")
                .with("header", .text("Idempotency-Key"))
        }
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
        let timeout = try timeout(parameters)
        if fields.channel == nil { fields.channel = try channel(parameters) }
        if fields.from == nil { fields.from = try parameters.text(.from) }
        if fields.delivery == nil { fields.delivery = try Self.delivery(parameters.text(.delivery)) }
        if fields.ordering == nil { fields.ordering = try Self.ordering(parameters.text(.ordering)) }
        if fields.ttl == nil { fields.ttl = try parameters.span(.ttl, most: .seconds(1 << 32)) }
        try check(body, channel: fields.channel, from: fields.from)
        let (delivery, ordering) = (fields.delivery ?? .reliable, fields.ordering ?? .none)
        guard ordering == .none || delivery == .logged || (ordering, delivery) == (.fifo, .reliable) else {
            let needed = ordering == .fifo ? "reliable or logged" : "logged"
            throw Problem(
                .badRequest,
                "ordering=\(ordering.rawValue) needs delivery=\(needed), not \(delivery.rawValue)"
            )
            .with("parameter", .text(Parameter.ordering.rawValue))
        }
        let ttl = fields.ttl ?? .seconds(delivery == .logged ? 86_400 : 3_600)
        let most: Instant.Span =
            delivery == .logged
            ? .milliseconds(Int(Store.Limits.messageMilliseconds)) : .seconds(86_400)
        guard ttl.milliseconds > 0, ttl <= most else {
            throw Problem(
                .badDuration,
                delivery == .logged
                    ? "ttl: a logged message is kept for 1ms to 720h"
                    : "ttl: a message is sent for 1ms to 24h"
            )
            .with("parameter", .text(Parameter.ttl.rawValue))
        }
        let waits = try parameters.choice(.wait, of: MessageWait.self, words: "ack")
        return MessagePlan(
            to: to, channel: fields.channel ?? "default", body: body, from: fields.from ?? settings.nodeName,
            delivery: delivery, ordering: ordering, ttl: ttl, wait: waits.map { _ in timeout },
            traits: asked.traits)
    }

    fileprivate static func delivery(_ text: String?) throws(Problem) -> MessageDelivery? {
        try choice(text, .delivery)
    }

    fileprivate static func ordering(_ text: String?) throws(Problem) -> MessageOrdering? {
        try choice(text, .ordering)
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ text: String?, _ parameter: Parameter
    ) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let text else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let name = parameter.rawValue
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

    static func noMessage(_ text: String) -> Problem {
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
