// Plans for messages to all nodes at once.

public import Clocks
public import HTTP
import JSON
public import Primitives
import Store

/// What holds of a message to all nodes (Cachin, Guerraoui and Rodrigues, chapters 3 and 6). The raw values
/// are those of requests.
public enum BroadcastAbstraction: String, Sendable, CaseIterable {
    /// Delivered everywhere if the sender stays up.
    case bestEffort = "best_effort"
    /// Delivered by all correct nodes or by none of them, even if the sender crashes.
    case reliable
    /// Delivered by all correct nodes if any node, also one that crashed since, has delivered it.
    case uniform
    /// Reliable, and never before what its sender had delivered earlier.
    case causal
    /// Delivered by all nodes in the same order, that of the log.
    case atomic
}

/// A message to all nodes whose order they need not agree on.
public struct BroadcastPlan: Sendable {
    /// What holds of it; not ``BroadcastAbstraction/atomic``.
    public let abstraction: BroadcastAbstraction
    /// Who says it: the node's name unless the client gave another.
    public let sender: String
    /// A name that keeps streams of messages apart.
    public let channel: String
    /// What is said.
    public let body: [UInt8]
    /// The wording of the answer.
    public let traits: RequestTraits
}

/// What became of it so far.
public struct BroadcastOutcome: Sendable {
    /// Why it was not sent to anybody.
    public enum Refusal: Sendable, Equatable {
        /// A message has so many bytes at most, with its header, sender and channel.
        case tooLong(most: Int)
        /// Too many messages are not known to be everywhere yet.
        case full
    }

    /// Its identifier.
    public var id: RequestID
    /// The clocks of the node that sent it.
    public var stamp: Stamp
    /// Why it was not sent.
    public var refusal: Refusal?

    /// Makes the outcome of a message that was sent.
    public init(id: RequestID, stamp: Stamp) {
        self.id = id
        self.stamp = stamp
    }
}

extension NativeAPI {
    /// The answer to a message to all nodes over links.
    public func render(
        broadcast plan: BroadcastPlan, outcome: BroadcastOutcome, context: AnswerContext
    ) -> HTTP.Response {
        switch outcome.refusal {
        case .tooLong(let most):
            let detail =
                "a message over links has up to \(most) bytes with its header, from and channel; "
                + "abstraction=atomic takes up to \(settings.limits.messageBytes)"
            return problem(.contentTooLarge, detail: detail, traits: plan.traits, context: context)
        case .full:
            return problem(
                .queueFull, detail: "too many messages are not known to have reached all nodes yet",
                traits: plan.traits, context: context)
        case nil: break
        }
        var response = json(status: 202, revision: context.revision, traits: plan.traits, context: context) {
            json in
            json.beginObject()
            json.field("id", outcome.id.description)
            json.field("abstraction", plan.abstraction.rawValue)
            json.field("lamport", outcome.stamp.lamport ?? 0)
            json.field("hlc", outcome.stamp.hybrid?.text ?? "")
            json.endObject()
        }
        response.setField("Parley-Request-Id", outcome.id.description)
        return response
    }

    /// `POST /broadcast`.
    func planBroadcast(_ asked: Asked) throws(Problem) -> Plan {
        let names = BroadcastAbstraction.allCases.map(\.rawValue).joined(separator: ", ")
        let abstraction = try asked.parameters.choice(
            .abstraction, of: BroadcastAbstraction.self, words: names)
        guard let abstraction else {
            throw Problem(.badRequest, "broadcast needs abstraction=, one of \(names)")
                .with("parameter", .text(Parameter.abstraction.rawValue))
        }
        let channel = try channel(asked.parameters) ?? "broadcast"
        let sender = try asked.parameters.text(.from) ?? settings.nodeName
        let body = asked.request.body
        try check(body, channel: channel, from: sender)
        guard abstraction == .atomic else {
            // What goes through the log alone could promise these.
            try refuseRouting(asked, unless: "abstraction=atomic")
            return .broadcast(
                BroadcastPlan(
                    abstraction: abstraction, sender: sender, channel: channel, body: body,
                    traits: asked.traits))
        }
        let announcement = Announcement(sender: sender, channel: channel, body: body)
        return .write(try write(.operation(.coordinate(.announce(announcement))), .announcement, asked))
    }
}
