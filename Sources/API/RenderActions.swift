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
}
