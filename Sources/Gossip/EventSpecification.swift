// The spreading of events as local states, steps and messages.

public import Primitives

/// How an event stands on a node (Demers et al., section 1.3: susceptible, infective, removed).
public enum EventState: String, SpecifiedState {
    /// Nothing of it has come, as far as the node remembers.
    case unknown
    /// Some of its parts have come.
    case gathering
    /// It is here, and pushed to some others in each round.
    case spreading
    /// It is here, and sent to those only that lack it.
    case kept
    /// It was here, or is not waited for any more, and will not be delivered again.
    case forgotten

    /// What it means.
    public var meaning: String {
        switch self {
        case .unknown: "nothing of it has come"
        case .gathering: "some of its parts have come"
        case .spreading: "it is here, was delivered, and is pushed to some others in each round"
        case .kept: "it is here, and sent to those only that lack it, as comparisons show"
        case .forgotten: "it was here, or is not waited for any more: it will not be delivered again"
        }
    }

    /// Nobody knows it.
    public static var initial: EventState { .unknown }
}

/// What changes how an event stands on a node.
public enum EventCause: String, SpecifiedCause {
    case published
    case part
    case whole
    case pushed
    case expired
    case evicted
    case abandoned
    case givenUp = "given_up"

    /// What has to be so.
    public var condition: String {
        switch self {
        case .published: "a client publishes it on this node"
        case .part: "a part of it comes, but others are missing"
        case .whole: "its last missing part comes"
        case .pushed: "it was pushed in so many rounds as an epidemic needs"
        case .expired: "its time to live is over"
        case .evicted: "others need its room"
        case .abandoned: "no further part came in time"
        case .givenUp: "more of its origin's events are missing than are waited for"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<EventState>] {
        switch self {
        case .published: [.init(.unknown, .spreading)]
        case .part: [.init(.unknown, .gathering)]
        case .whole: Self.steps(from: [.unknown, .gathering], to: .spreading)
        case .pushed: [.init(.spreading, .kept)]
        case .expired, .evicted: Self.steps(from: [.spreading, .kept], to: .forgotten)
        case .abandoned: [.init(.gathering, .unknown)]
        case .givenUp: [.init(.unknown, .forgotten)]
        }
    }
}

/// The messages by which events spread; the raw values stand in datagrams.
public enum EventMessageKind: UInt8, SpecifiedMessage {
    case part = 1
    case digest = 2
    case receipts = 3
    case noted = 4

    /// What it is called in answers.
    public var name: String { "\(self)" }

    /// What it says.
    public var meaning: String {
        switch self {
        case .part: "an event, or a part of a long one"
        case .digest: "which events this node has: send what it lacks"
        case .receipts: "this node has these events of yours, over so many hops"
        case .noted: "that is known now"
        }
    }
}

extension AlgorithmSpecification {
    /// How news spread.
    public static let event = AlgorithmSpecification(
        "event", title: "Events: epidemic push, and comparisons that repair", purpose: .dissemination,
        subject: "each event on this node (not told as transitions)",
        source: "Demers et al., Epidemic algorithms for replicated database maintenance, 1987",
        causes: EventCause.self, messages: EventMessageKind.self)
}
