// Faults on links, as they are asked for and as they are told: nodes have their names here.

public import Faults
public import Primitives

/// Something that is to be done about faults.
public struct FaultPlan: Sendable {
    /// What is to be done.
    public enum Action: Sendable, Equatable {
        /// Tell which faults act.
        case list
        /// Begin a fault on a link; `*` is every node, and no seed means any.
        case link(from: String, to: String, LinkEffect, hasSeed: Bool, ttl: Instant.Span)
        /// Separate groups of nodes. Nodes that are named nowhere are one more group.
        case groups([[String]], bridge: [String], ttl: Instant.Span)
        /// Cut one direction.
        case oneWay(from: [String], to: [String], ttl: Instant.Span)
        /// Have a node stand still.
        case pause(String, Instant.Span)
        /// End the fault with this id, or all of them.
        case heal(String?)
    }

    /// What is to be done.
    public let action: Action
    /// The wording of the answer.
    public let traits: RequestTraits
}

/// The faults that act on a node, and how far the other nodes were told.
public struct FaultStatus: Sendable {
    /// A fault.
    public struct Item: Sendable {
        /// What is wrong.
        public enum Kind: Sendable {
            /// Messages from one node to another suffer; `*` is every node.
            case link(from: String, to: String, LinkEffect)
            /// Nodes reach each other only within a group; those of the bridge are in all of them.
            case groups([[String]], bridge: [String])
            /// These don't reach those.
            case oneWay(from: [String], to: [String])
            /// A node stands still.
            case pause(String)
        }

        /// Its name.
        public var id: String
        /// What is wrong.
        public var kind: Kind
        /// When it heals by itself, by this node's clock.
        public var expires: WallTime
        /// How long that is from now.
        public var left: Instant.Span
        /// What it has done on this node.
        public var hits: FaultHits

        /// Makes it of these parts.
        public init(id: String, kind: Kind, expires: WallTime, left: Instant.Span, hits: FaultHits) {
            self.id = id
            self.kind = kind
            self.expires = expires
            self.left = left
            self.hits = hits
        }
    }

    /// The faults that act, in the order in which they came.
    public var items: [Item]
    /// What all faults have done on this node, those that are gone among them.
    public var total: FaultHits
    /// After a change: the nodes that have made it.
    public var appliedOn: [String] = []
    /// After a change: the nodes that did not answer. They have perhaps made it.
    public var unreachable: [String] = []
    /// After a change: the nodes that refused it, as those do that were started without `--enable-faults`.
    public var refused: [String] = []
    /// Whether a fault was added, not put in the place of another one.
    public var isNew = false
    /// The ids of the faults that were ended.
    public var healed: [String] = []

    /// Makes it of these faults.
    public init(items: [Item], total: FaultHits) {
        self.items = items
        self.total = total
    }
}
