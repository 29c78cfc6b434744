// Broadcast as local states, steps and messages.

public import Primitives

/// How a message to all stands on a node.
public enum BroadcastState: String, SpecifiedState {
    /// It has not come.
    case unknown
    /// It is here, but must not be delivered yet.
    case waiting
    /// It was delivered.
    case delivered
    /// It will not be delivered any more.
    case skipped

    /// What it means.
    public var meaning: String {
        switch self {
        case .unknown: "it has not come"
        case .waiting: "it is here and was relayed, but must not be delivered yet"
        case .delivered: "it was delivered, once"
        case .skipped: "it came too late, or found no room, and will not be delivered"
        }
    }

    /// Nobody has said it.
    public static var initial: BroadcastState { .unknown }
}

/// What changes how a message to all stands on a node.
public enum BroadcastCause: String, SpecifiedCause {
    case said
    case heard
    case held
    case majority
    case predecessors
    case patience
    case late
    case overflow

    /// What has to be so.
    public var condition: String {
        switch self {
        case .said: "a client says it on this node: best effort, reliable, causal, or uniform when alone"
        case .heard:
            "it comes first over a perfect link, with nothing to wait for; all but best effort relay it"
        case .held: "uniform: no majority is known to have it; causal: what its sender had delivered is not"
        case .majority: "uniform: a majority has it (Algorithm 3.5)"
        case .predecessors: "causal: all that its sender had delivered is delivered here (Algorithm 3.13)"
        case .patience: "causal: it waited too long, and what it waited for is given up"
        case .late: "it was given up: others could not wait for it, or too many before it are missing"
        case .overflow: "uniform: too many wait for a majority"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<BroadcastState>] {
        switch self {
        case .said, .heard: [.init(.unknown, .delivered)]
        case .held: [.init(.unknown, .waiting)]
        case .majority, .predecessors, .patience: [.init(.waiting, .delivered)]
        case .late: [.init(.unknown, .skipped), .init(.waiting, .skipped)]
        case .overflow: [.init(.unknown, .skipped)]
        }
    }
}

extension BroadcastKind: SpecifiedMessage {
    /// What it is called in requests and answers.
    public var name: String { self == .bestEffort ? "best_effort" : "\(self)" }

    /// What is promised.
    public var meaning: String {
        switch self {
        case .bestEffort: "if the sender lives, all that live deliver it"
        case .reliable: "if any that lives delivers it, all that live do"
        case .uniform: "if any delivers it, and be it just before its end, all that live do"
        case .causal: "as reliable, and never before what its sender had delivered before sending it"
        }
    }
}

extension AlgorithmSpecification {
    /// Messages to all.
    public static let broadcast = AlgorithmSpecification(
        "broadcast", title: "Broadcast over perfect links: best-effort, reliable, uniform, causal",
        purpose: .dissemination, subject: "each message to all on this node (not told as transitions)",
        source: "Cachin, Guerraoui and Rodrigues, Reliable and Secure Distributed Programming, 2011 (3)",
        causes: BroadcastCause.self, messages: BroadcastKind.self)
}
