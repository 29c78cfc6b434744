// Membership as local states, steps and messages.

public import Primitives

extension MemberState: SpecifiedState {
    /// What it is called in answers.
    public var name: String { "\(self)" }

    /// What it means.
    public var meaning: String {
        switch self {
        case .alive: "nothing speaks against it"
        case .suspect: "a probe of it failed: it is taken for dead unless it objects in time"
        case .dead: "it did not object in time"
        case .left: "it said that it goes away"
        }
    }

    /// Members are taken to be there until a probe fails.
    public static var initial: MemberState { .alive }
}

extension TransitionCause {
    /// Why a node changes its mind, whoever brings it about.
    public enum Kind: String, SpecifiedCause {
        case probeFailed = "probe_failed"
        case rumour
        case refuted
        case ownWord = "own_word"
        case suspicionExpired = "suspicion_expired"
        case restarted
        case objected
        case told

        /// What has to be so.
        public var condition: String {
            switch self {
            case .probeFailed: "neither the member nor the helpers that were asked answered in time"
            case .rumour: "another one said so, of the same incarnation and a later state, or of a later one"
            case .refuted: "the member objected with a greater incarnation to what was said of its process"
            case .ownWord: "the member itself said that it goes away"
            case .suspicionExpired: "the time to object was over, shorter the more others agree"
            case .restarted: "a new process of the member was heard of"
            case .objected: "this node itself was said to be so, and objects with a greater incarnation"
            case .told: "this node was told to stop, and says good-bye"
            }
        }

        /// From which states to which it leads; from a state to the same if the member's process is another.
        public var steps: [SpecifiedStep<MemberState>] {
            switch self {
            case .probeFailed: [.init(.alive, .suspect)]
            case .rumour:
                [MemberState.suspect, .dead, .left].flatMap {
                    Self.steps(from: MemberState.allCases, to: $0)
                }
            case .refuted, .objected: Self.steps(from: [.suspect, .dead, .left], to: .alive)
            case .ownWord: Self.steps(from: MemberState.allCases, to: .left)
            case .suspicionExpired: [.init(.suspect, .dead)]
            case .restarted: Self.steps(from: MemberState.allCases, to: .alive)
            case .told: [.init(.alive, .left)]
            }
        }
    }

    /// The cause, whoever brought it about.
    public var kind: Kind {
        switch self {
        case .probeFailed: .probeFailed
        case .rumour: .rumour
        case .refuted: .refuted
        case .ownWord: .ownWord
        case .suspicionExpired: .suspicionExpired
        case .restarted: .restarted
        case .objected: .objected
        case .told: .told
        }
    }
}

/// The messages of membership; the raw values stand in datagrams.
public enum MembershipMessageKind: UInt8, SpecifiedMessage {
    case ping = 1
    case pingRequest = 2
    case ack = 3
    case nack = 4
    case tell = 5

    /// What it is called in answers.
    public var name: String { self == .pingRequest ? "ping_request" : "\(self)" }

    /// What it says; rumours go along with each.
    public var meaning: String {
        switch self {
        case .ping: "are you there?"
        case .pingRequest: "ask that one whether it is there, on my behalf"
        case .ack: "it is there: this node, or the one that it was asked to probe"
        case .nack: "this node is here, but has no answer from the one that it was asked to probe"
        case .tell: "rumours only; not answered"
        }
    }
}

extension AlgorithmSpecification {
    /// Who is there.
    public static let membership = AlgorithmSpecification(
        "membership", title: "SWIM with suspicion, and Lifeguard's local health", purpose: .dissemination,
        subject: "each member, as this node sees it",
        source: "Das, Gupta and Motivala, SWIM, 2002; Dadgar, Phillips and Currey, Lifeguard, 2017",
        causes: TransitionCause.Kind.self, messages: MembershipMessageKind.self)
}
