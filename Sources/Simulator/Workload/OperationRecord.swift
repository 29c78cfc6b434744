public import Primitives
public import Store

/// What a client asks of a node.
public enum ClientAction: Sendable, Equatable {
    /// A change; `forwards` is whether another node may be asked to propose it.
    case write(Store.Operation, forwards: Bool)
    /// A key's value, linearizable or not.
    case get([UInt8], isStale: Bool)
    /// The first values of a range, linearizable or not.
    case range(KeyRange, limit: Int, isStale: Bool)
    /// What a transaction would do now: a dry run, or one that only reads. Linearizable.
    case evaluate(Transaction)

    /// Whether it may change anything.
    public var isWrite: Bool { if case .write = self { true } else { false } }
    /// Whether it gives up history.
    var isCompaction: Bool { if case .write(.compact, _) = self { true } else { false } }
}

/// What a client was told.
public enum ClientOutcome: Sendable, Equatable {
    /// The store's answer to a write.
    case written(Outcome)
    /// A key's value, and the revision of the state it was read from.
    case item(Item?, at: Revision)
    /// The values of a range, whether there are more, and the revision of the state they were read from.
    case items([Item], more: Bool, at: Revision)
    /// What a transaction would do, and the revision of the state.
    case evaluated(Outcome, at: Revision)
    /// It was not carried out, and never will be.
    case refused(String)
    /// Nobody knows whether it was or will be carried out.
    case unknown(String)

    /// Whether it certainly took no effect.
    public var isRefused: Bool { if case .refused = self { true } else { false } }
}

/// An operation of a client, and what became of it.
public struct OperationRecord: Sendable {
    /// Its number, from 0.
    public let number: Int
    /// The number of the client.
    public let client: Int
    /// The node it was sent to.
    public let node: Int
    /// What was asked.
    public let action: ClientAction
    /// When the client asked.
    public let invoked: Instant
    /// When it was told; nil if it still waits.
    public internal(set) var returned: Instant?
    /// What it was told; nil if it still waits.
    public internal(set) var outcome: ClientOutcome?

    /// How long the node has to answer, if that is not as its client's plan says.
    var timeout: Instant.Span?
    /// The life of the node that has taken it; 0 if it has not arrived.
    var life = 0
    /// What the node has answered; on its way to the client.
    var answer: ClientOutcome?
    /// By what the write is recognised if it comes again.
    var once: OnceKey?
    /// The request id under which it was proposed.
    var requestID = RequestID.none
    /// The request in the state with which its client waits: its own, or the one that it repeats.
    var waitsWith = RequestID.none
}
