// Answers about messages from participant to participant.

public import Clocks
public import HTTP
import JSON
public import Primitives
public import Store

extension NativeAPI {
    /// The answer to a message: 202 if any recipient may get it, else the problem of the first that can't.
    public func render(
        message plan: MessagePlan, record: MessageRecord, stamp: Stamp, context: AnswerContext
    ) -> HTTP.Response {
        let isOnItsWay = record.recipients.contains { $0.state != .refused && $0.state != .unknown }
        if !isOnItsWay, let first = record.recipients.first {
            let found = first.state == .unknown ? Self.noParticipant(first.name) : Self.fullInbox(first.name)
            return problem(found, traits: plan.traits, context: context)
        }
        var response = json(status: 202, revision: context.revision, traits: plan.traits, context: context) {
            json in
            json.beginObject()
            json.field("id", record.id.description)
            if let lamport = stamp.lamport { json.field("lamport", lamport) }
            if let hybrid = stamp.hybrid { json.field("hlc", hybrid.text) }
            Self.write(record.recipients, to: &json)
            json.endObject()
        }
        response.addField("Location", "/messages/\(record.id)")
        response.setField("Parley-Request-Id", record.id.description)
        return response
    }

    static func fullInbox(_ name: String) -> Problem {
        Problem(.queueFull, "the message can't be taken for '\(readable(name.utf8))' now")
    }

    /// What is known of a logged message once its command was applied; nil if it was refused.
    public func record(
        of plan: WritePlan, id: RequestID, outcome: Store.Outcome, at time: WallTime
    ) -> (record: MessageRecord, deliveries: [LoggedDelivery])? {
        guard case .message(let message, let names) = plan.form,
            case .coordinated(.participant(.sent(let deliveries))) = outcome
        else { return nil }
        let until = WallTime(milliseconds: time.milliseconds + Int64(message.ttl.milliseconds))
        var record = MessageRecord(
            id: id, delivery: .logged, ordering: message.ordering, channel: message.channel,
            from: message.from, sent: time, until: until)
        for (name, delivery) in zip(names, deliveries) {
            let state: MessageRecord.State =
                switch delivery {
                case .kept: .delivered
                case .unknown: .unknown
                case .refused: .refused
                }
            var recipient = MessageRecord.Recipient(name: name, node: nil, state: state)
            recipient.step(to: state, at: time)
            record.recipients.append(recipient)
        }
        return (record, deliveries)
    }

    /// The answer to a logged message.
    func render(
        sent outcome: Store.Outcome, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response? {
        guard case .message(let message, _) = plan.form, let id = context.requestID,
            let (record, _) = record(of: plan, id: id, outcome: outcome, at: WallTime(milliseconds: 0))
        else { return nil }
        return render(message: message, record: record, stamp: Stamp(), context: context)
    }

    /// The answer to a message whose sender wanted to know what became of it: 202 if that is still open for
    /// some recipient.
    public func render(
        awaited plan: MessagePlan, record: MessageRecord?, of id: RequestID, context: AnswerContext
    ) -> HTTP.Response {
        var response = render(record: record, of: id, traits: plan.traits, context: context)
        if record?.isFinal == false { response.status = 202 }
        response.addField("Location", "/messages/\(id)")
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
            json.name("paths")
            json.beginObject()
            for recipient in record.recipients {
                json.name(recipient.name)
                json.beginArray()
                for step in recipient.path {
                    json.beginObject()
                    json.field("state", step.state.rawValue)
                    json.field("at", step.time.rfc3339)
                    json.endObject()
                }
                json.endArray()
            }
            json.endObject()
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
