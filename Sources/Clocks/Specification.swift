// The trust in a clock as local states, steps and messages.

public import Primitives

/// Whether a node goes by its machine's clock.
public enum ClockTrust: String, SpecifiedState {
    /// It does.
    case believed
    /// It goes by what most of the nodes' clocks agree on.
    case corrected

    /// What it means.
    public var meaning: String {
        switch self {
        case .believed: "the node goes by its machine's clock"
        case .corrected: "the node goes by what most of the nodes' clocks agree on"
        }
    }

    /// A clock is believed until the others say otherwise.
    public static var initial: ClockTrust { .believed }
}

/// What changes the trust in a clock.
public enum ClockCause: String, SpecifiedCause {
    case disagreed
    case agreed
    case alone

    /// What has to be so.
    public var condition: String {
        switch self {
        case .disagreed:
            "the clock is more than \(ClockGuard.bound / 1_000) ms from what most clocks agree on"
        case .agreed: "it is within \(ClockGuard.nearness / 1_000) ms of that again"
        case .alone: "too few clocks are known, or no majority of them agrees"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<ClockTrust>] {
        switch self {
        case .disagreed: [.init(.believed, .corrected)]
        case .agreed, .alone: [.init(.corrected, .believed)]
        }
    }
}

/// The messages by which nodes learn of each other's clocks; the raw values stand in datagrams.
public enum ClockMessage: UInt8, SpecifiedMessage {
    case question = 1
    case answer = 2

    /// What it is called in answers.
    public var name: String { "\(self)" }

    /// What it says.
    public var meaning: String {
        switch self {
        case .question: "what time is it at yours? This is the question's number"
        case .answer: "the time here, the question's number, and how far off the others are from here"
        }
    }
}

extension AlgorithmSpecification {
    /// What time it is.
    public static let clock = AlgorithmSpecification(
        "clock", title: "Clocks: round trips, intervals, and what most of them agree on",
        purpose: .foundation,
        subject: "this node's clock",
        source: "Cristian, Probabilistic clock synchronization, 1989; Marzullo and Owicki, 1983",
        causes: ClockCause.self, messages: ClockMessage.self)
}
