// Algorithms told as local states, guarded steps and messages: made of the enums over which the code that
// runs them switches, so that what is told can't fall behind what is done.

/// The local states of an algorithm: all cases of an enum.
public protocol SpecifiedState: CaseIterable, Hashable, Sendable {
    /// What it is called in answers.
    var name: String { get }
    /// What it means to be in it.
    var meaning: String { get }
    /// The state in which it begins.
    static var initial: Self { get }
}

/// What changes a local state: all cases of an enum.
public protocol SpecifiedCause: CaseIterable, Hashable, Sendable {
    /// What is changed.
    associatedtype State: SpecifiedState
    /// What it is called in answers.
    var name: String { get }
    /// What has to be so.
    var condition: String { get }
    /// From which states to which others it leads.
    var steps: [SpecifiedStep<State>] { get }
}

/// What the participants say to each other: all cases of an enum.
public protocol SpecifiedMessage: CaseIterable, Hashable, Sendable {
    /// What it is called in answers.
    var name: String { get }
    /// What it says.
    var meaning: String { get }
}

/// The way from one local state to another, or back to the same with something else changed.
public struct SpecifiedStep<State: SpecifiedState>: Hashable, Sendable {
    /// The state before.
    public let from: State
    /// The state after.
    public let to: State

    /// Makes the step.
    public init(_ from: State, _ to: State) {
        self.from = from
        self.to = to
    }
}

extension SpecifiedCause {
    /// Whether it is said to lead from one state to another.
    public func leads(from: State, to: State) -> Bool { steps.contains(SpecifiedStep(from, to)) }

    /// From each of these states to one.
    public static func steps(from states: some Sequence<State>, to end: State) -> [SpecifiedStep<State>] {
        states.map { SpecifiedStep($0, end) }
    }
}

extension SpecifiedState where Self: RawRepresentable, RawValue == String {
    /// What it is called in answers.
    public var name: String { rawValue }
}

extension SpecifiedCause where Self: RawRepresentable, RawValue == String {
    /// What it is called in answers.
    public var name: String { rawValue }
}

extension SpecifiedMessage where Self: RawRepresentable, RawValue == String {
    /// What it is called in answers.
    public var name: String { rawValue }
}

/// The messages of an algorithm whose participants share a state, and say nothing to each other.
public enum NoMessage: SpecifiedMessage {
    /// What it is called in answers.
    public var name: String { switch self {} }
    /// What it says.
    public var meaning: String { switch self {} }
}

/// An algorithm in words, as `GET /spec` shows it.
public struct AlgorithmSpecification: Sendable, Equatable {
    /// To what end.
    public enum Purpose: String, Sendable {
        /// Many agree on one value.
        case consensus
        /// One supervises the work of many.
        case coordination
        /// Many rely on each other to finish.
        case cooperation
        /// News reaches everybody.
        case dissemination
        /// Messages and time: what the others stand on.
        case foundation
    }

    /// A local state.
    public struct StateText: Sendable, Equatable {
        /// What it is called, and what it means.
        public let name, meaning: String
        /// Whether it begins in it.
        public let isInitial: Bool
    }

    /// A step with its guard.
    public struct StepText: Sendable, Equatable {
        /// From where to where, and the name of the cause.
        public let from, to, cause: String
        /// What has to be so.
        public let condition: String
    }

    /// A message.
    public struct MessageText: Sendable, Equatable {
        /// What it is called, and what it says.
        public let name, meaning: String
    }

    /// What it is called in requests.
    public let name: String
    /// What it is.
    public let title: String
    /// To what end.
    public let purpose: Purpose
    /// Whose state it is that changes.
    public let subject: String
    /// Where it is described.
    public let source: String
    /// All local states.
    public let states: [StateText]
    /// All steps.
    public let transitions: [StepText]
    /// All messages.
    public let messages: [MessageText]

    /// Writes down what an algorithm's own types say.
    public init<Cause: SpecifiedCause, Message: SpecifiedMessage>(
        _ name: String, title: String, purpose: Purpose, subject: String, source: String,
        causes: Cause.Type, messages kinds: Message.Type
    ) {
        self.name = name
        self.title = title
        self.purpose = purpose
        self.subject = subject
        self.source = source
        states = Cause.State.allCases.map { state in
            StateText(name: state.name, meaning: state.meaning, isInitial: state == .initial)
        }
        transitions = Cause.allCases.flatMap { cause in
            cause.steps.map { step in
                StepText(
                    from: step.from.name, to: step.to.name, cause: cause.name, condition: cause.condition)
            }
        }
        messages = kinds.allCases.map { MessageText(name: $0.name, meaning: $0.meaning) }
    }
}
