// Answers to leadership transfers and messages.

public import HTTP
import JSON
import Primitives

extension NativeAPI {
    /// The answer to a transfer of leadership.
    public func render(
        transfer plan: TransferPlan, outcome: TransferOutcome, context: AnswerContext
    ) -> HTTP.Response {
        switch outcome {
        case .transferred(let from, let to, let term):
            return json(revision: context.revision, traits: plan.traits, context: context) { json in
                json.beginObject()
                json.field("from", from)
                json.field("to", to)
                json.field("term", term)
                json.endObject()
            }
        case .unknownMember(let name):
            return problem(
                .memberNotFound, detail: "no member is called '\(readable(name.utf8))'", traits: plan.traits,
                context: context)
        case .refused(let reason):
            return problem(.transferRefused, detail: reason, traits: plan.traits, context: context)
        case .timedOut:
            return problem(
                .outcomeUnknown,
                detail: "leadership did not move within \(plan.wait.milliseconds) ms; it may yet",
                traits: plan.traits, context: context)
        }
    }

    /// The answer to a message: 202 if any recipient may get it, else the problem of the first that can't.
    public func render(
        message plan: MessagePlan, outcome: MessageOutcome, context: AnswerContext
    ) -> HTTP.Response {
        let reached = outcome.deliveries.contains { $0.delivery == .delivered || $0.delivery == .sent }
        if !reached, let first = outcome.deliveries.first {
            let name = readable(first.name.utf8)
            let found =
                first.delivery == .unknown
                ? Problem(.memberNotFound, "no member is called '\(name)'")
                : Problem(.queueFull, "the message can't be taken for '\(name)' now")
            return problem(found, traits: plan.traits, context: context)
        }
        var response = json(status: 202, revision: context.revision, traits: plan.traits, context: context) {
            json in
            json.beginObject()
            json.field("id", outcome.id)
            json.name("deliveries")
            json.beginObject()
            for (name, delivery) in outcome.deliveries { json.field(name, delivery.rawValue) }
            json.endObject()
            json.endObject()
        }
        if let requestID = context.requestID { response.setField("Parley-Request-Id", requestID.description) }
        return response
    }
}
