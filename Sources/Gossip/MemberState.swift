// What one node can believe of another, and which of two beliefs is the newer one.

public import Primitives

/// What is believed of a member. At one incarnation a later case overrides an earlier one.
public enum MemberState: UInt8, Comparable, Sendable, CaseIterable {
    /// Nothing speaks against it.
    case alive
    /// A probe of it failed; it is taken for dead unless it objects in time.
    case suspect
    /// It did not object in time.
    case dead
    /// It said that it goes away.
    case left

    /// Orders by what overrides what.
    public static func < (a: MemberState, b: MemberState) -> Bool { a.rawValue < b.rawValue }
}

/// Which life of a member a statement is about: first its process, then how often that one has objected to
/// being suspected (SWIM, section 4.2). Only the member itself makes a new one.
public struct Incarnation: Hashable, Comparable, Sendable {
    /// Greater for every process that the node has run; zero if nothing is known of it.
    public var process: UInt64
    /// How often that process has refuted what was said of it.
    public var refutation: UInt32

    /// Makes an incarnation.
    public init(process: UInt64, refutation: UInt32 = 0) {
        self.process = process
        self.refutation = refutation
    }

    /// Orders by process, then by refutation.
    public static func < (a: Incarnation, b: Incarnation) -> Bool {
        (a.process, a.refutation) < (b.process, b.refutation)
    }
}

/// A statement about a member: what is gossiped.
struct Claim: Equatable, Sendable {
    var member: NodeID
    var state: MemberState
    var incarnation: Incarnation
    /// Who first said so: the member itself, or whose probe failed, or whose patience ended.
    var source: NodeID

    /// Whether this is news to who believes that the member is in this state at this incarnation. The order
    /// is total, so nodes that have heard the same claims believe the same, in whatever order they came.
    func overrides(_ state: MemberState, _ incarnation: Incarnation) -> Bool {
        if isPlanted(.claimsForgetIncarnations) { return self.state > state }
        return (self.incarnation, self.state) > (incarnation, state)
    }
}

/// Why a node changed its mind about a member.
public enum TransitionCause: Equatable, Sendable {
    /// Neither the member nor any of the helpers that were asked answered in time; `nacks` helpers said so.
    case probeFailed(sequence: UInt32, helpers: [NodeID], nacks: Int)
    /// Another node said so, and had it from `source`.
    case rumour(from: NodeID, source: NodeID)
    /// The member itself objected to what was said of its present process.
    case refuted(from: NodeID)
    /// The member itself said so, in a message of its own.
    case ownWord
    /// The time to object was over; these had found the member unreachable.
    case suspicionExpired(by: [NodeID])
    /// A new process of the member was heard of, from this node.
    case restarted(from: NodeID)
    /// This node was said to be suspect or dead, by `source`, and objects.
    case objected(to: MemberState, source: NodeID)
    /// The node was told to go.
    case told
}

/// A change of what a node believes of a member, or of itself.
public struct MemberTransition: Equatable, Sendable {
    /// Of whom.
    public var member: NodeID
    /// What was believed before.
    public var from: MemberState
    /// What is believed now.
    public var to: MemberState
    /// At which incarnation.
    public var incarnation: Incarnation
    /// Why.
    public var cause: TransitionCause
    /// When, on the node's own clock.
    public var at: Instant
}
