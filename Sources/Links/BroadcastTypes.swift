// The words of broadcast: what is promised, what may be refused, and how much was done.

public import Primitives

/// What a broadcast promises (Cachin, Guerraoui and Rodrigues, chapter 3). Total order goes through the log
/// and is no matter of this target.
public enum BroadcastKind: UInt8, Sendable, CaseIterable {
    /// If the sender lives, all that live deliver it (Algorithm 3.1).
    case bestEffort = 1
    /// If any that lives delivers it, all that live do: each relays it once (Algorithm 3.3).
    case reliable = 2
    /// If any delivers it, and be it just before its end, all that live do: nobody delivers before a majority
    /// has it (Algorithm 3.5).
    case uniform = 3
    /// As ``reliable``, and nobody delivers a message before what its sender had delivered before sending it
    /// (Algorithm 3.13).
    case causal = 4
}

/// Identifies a message that was broadcast.
public struct BroadcastID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// What was promised; each promise has numbers of its own.
    public var kind: BroadcastKind
    /// Who broadcast it, in which process.
    public var origin: NodeID, process: UInt64
    /// One for that process's first message of the kind.
    public var number: UInt64

    /// Kind, origin, process in hexadecimal and number: `uniform-3-18f2a-7`.
    public var description: String { "\(kind)-\(origin)-\(String(process, radix: 16))-\(number)" }

    /// Orders by kind, origin, process and number.
    public static func < (a: BroadcastID, b: BroadcastID) -> Bool {
        (a.kind.rawValue, a.origin, a.process, a.number) < (b.kind.rawValue, b.origin, b.process, b.number)
    }
}

/// A message that is delivered.
public struct BroadcastMessage: Equatable, Sendable {
    /// Which one it is.
    public var id: BroadcastID
    /// What was broadcast.
    public var bytes: [UInt8]
}

/// Why a message is not broadcast.
public enum BroadcastRefusal: Error, Equatable, Sendable {
    /// With its header, and with the vector of a causal one, it is longer than ``Link/longestMessage``.
    case tooLong
    /// So many messages wait for a majority that no more are taken.
    case full
}

/// How broadcast goes about it.
public struct BroadcastOptions: Sendable, Equatable {
    /// Uniform messages that are remembered until all have them; delivered ones are forgotten first.
    public var mostPending = 1_024
    /// Causal messages that wait for others.
    public var mostHeld = 1_024
    /// A causal message waits so long for those before it; then they are given up.
    public var patience = Instant.Span.seconds(5)
    /// Numbers of an origin's that are remembered beyond the first missing one.
    public var mostNumbers = 1_024

    /// The defaults.
    public init() {}
}

/// What happened so far.
public struct BroadcastCounters: Sendable, Equatable {
    /// Messages that this node broadcast, messages that it sent on, and messages that it delivered, its own
    /// among them.
    public var broadcast: UInt64 = 0, relayed: UInt64 = 0, delivered: UInt64 = 0
    /// Messages that came once more, as they should where all relay.
    public var duplicates: UInt64 = 0
    /// Messages that nobody makes, or of a node that is no member.
    public var malformed: UInt64 = 0
    /// Messages of processes that ended long ago, and numbers that are waited for no more.
    public var late: UInt64 = 0
    /// Delivered uniform messages that were forgotten before all had them.
    public var forgotten: UInt64 = 0
    /// Uniform messages that were dropped because too many wait for a majority: this node won't deliver them.
    public var overflows: UInt64 = 0
    /// Causal messages that will not be delivered here any more, because others that had to come after them
    /// could not wait.
    public var skipped: UInt64 = 0

    /// Nothing has happened.
    public init() {}
}
