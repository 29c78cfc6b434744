// The ladder of links as local states, steps and messages.

public import Primitives

/// What this node's end of a link knows of the peer.
public enum LinkState: String, SpecifiedState {
    /// No process of the peer's has answered this one: perfect and FIFO messages wait.
    case unknown
    /// The peer's process has answered this one.
    case connected

    /// What it means.
    public var meaning: String {
        switch self {
        case .unknown: "no process of the peer's has answered this one: perfect and FIFO messages wait"
        case .connected: "the peer's process has answered this one: messages are sent until acknowledged"
        }
    }

    /// Nobody has answered yet.
    public static var initial: LinkState { .unknown }
}

/// What changes a link.
public enum LinkCause: String, SpecifiedCause {
    case answered
    case restarted

    /// What has to be so.
    public var condition: String {
        switch self {
        case .answered: "a process of the peer's has answered this one for the first time"
        case .restarted:
            "a later process of the peer's has answered: what was open is lost, numbers begin anew"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<LinkState>] {
        switch self {
        case .answered: [.init(.unknown, .connected)]
        case .restarted: [.init(.connected, .connected)]
        }
    }
}

extension LinkRung: SpecifiedMessage {
    /// What it is called in answers.
    public var name: String {
        switch self {
        case .fairLoss: "fair_loss"
        case .stubborn: "stubborn"
        case .perfect: "perfect"
        case .fifo: "fifo"
        }
    }

    /// What a message of this rung is promised.
    public var meaning: String {
        switch self {
        case .fairLoss: "sent once: it may be lost, come twice, or late"
        case .stubborn: "sent again and again until it expires or is stopped: delivered at least once"
        case .perfect: "sent until it is acknowledged: delivered exactly once while both processes live"
        case .fifo: "as perfect, and after whatever was sent before it over perfect and fifo"
        }
    }
}

extension AlgorithmSpecification {
    /// What datagrams don't promise.
    public static let link = AlgorithmSpecification(
        "link", title: "Links: fair-loss, stubborn, perfect, FIFO", purpose: .foundation,
        subject: "this node's end of the link to each peer",
        source:
            "Cachin, Guerraoui and Rodrigues, Reliable and Secure Distributed Programming, 2011 (2.4, 3.9)",
        causes: LinkCause.self, messages: LinkRung.self)
}
