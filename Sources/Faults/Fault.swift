// What can be wrong with the links between nodes, as values.

public import Primitives

/// One thing that is wrong, for a while.
public struct Fault: Sendable, Equatable {
    /// What is wrong.
    public enum Kind: Sendable, Equatable {
        /// Messages from one node to another suffer; nil stands for every node.
        case link(from: NodeID?, to: NodeID?, LinkEffect)
        /// The nodes do not all reach each other.
        case partition(Partition)
        /// A node stands still. No link is concerned: the node itself sees to it.
        case pause(NodeID)
    }

    /// Its name, the same on every node.
    public let id: String
    /// What is wrong.
    public let kind: Kind
    /// When it heals by itself.
    public let expires: Instant

    /// Makes a fault of these parts.
    public init(id: String, kind: Kind, expires: Instant) {
        self.id = id
        self.kind = kind
        self.expires = expires
    }
}

/// What a link does to the messages that it carries.
public struct LinkEffect: Sendable, Equatable {
    /// How likely a message is lost, from 0 to 1.
    public var drop = 0.0
    /// How much later it arrives.
    public var delay: FaultDelay?
    /// How likely it arrives twice, from 0 to 1.
    public var duplicate = 0.0
    /// How likely those that are sent after it overtake it, from 0 to 1.
    public var reorder = 0.0
    /// Whether all of them are lost.
    public var blocks = false
    /// What chance depends on: the same seed brings the same fate to the n-th message of each link.
    public var seed: UInt64 = 0

    /// A link that does nothing to them.
    public init() {}

    /// Whether it does anything to them.
    public var acts: Bool { blocks || drop > 0 || duplicate > 0 || reorder > 0 || delay != nil }

    /// Whether all likelihoods are from 0 to 1, and the delay is one that a ``FaultTable`` takes.
    public var isSound: Bool {
        [drop, duplicate, reorder].allSatisfy { (0...1).contains($0) } && delay?.isSound != false
    }
}

/// How much later messages arrive.
public struct FaultDelay: Sendable, Equatable {
    /// How delays are spread between the least and the greatest.
    public enum Distribution: String, Sendable, CaseIterable {
        /// All are equally likely.
        case uniform
        /// Those in the middle are likelier; the greatest is three standard deviations from the middle.
        case normal
        /// Most are near the least and a few are far from it (Pareto II of shape 2; the median is 5 % of the
        /// way, and one message in a hundred takes the greatest).
        case pareto
    }

    /// The longest delay that a message may have.
    public static let most = Instant.Span.seconds(10)

    /// The least delay.
    public let least: Instant.Span
    /// The greatest delay.
    public let greatest: Instant.Span
    /// How they are spread.
    public let distribution: Distribution

    /// Makes a delay of these parts.
    public init(least: Instant.Span, greatest: Instant.Span, distribution: Distribution = .uniform) {
        self.least = least
        self.greatest = greatest
        self.distribution = distribution
    }

    /// Whether 0 <= least <= greatest <= ``most``.
    public var isSound: Bool { .zero <= least && least <= greatest && greatest <= Self.most }

    /// Draws one.
    func draw(_ random: inout SeededGenerator) -> Instant.Span {
        let width = Double(greatest.nanoseconds - least.nanoseconds)
        let share: Double
        switch distribution {
        case .uniform: share = random.unit()
        case .normal:
            // The sum of twelve has a standard deviation of 1 (Irwin and Hall); it is never beyond six.
            let deviation = (0..<12).reduce(-6.0) { sum, _ in sum + random.unit() }
            share = 0.5 + deviation / 6
        case .pareto: share = (1 / (1 - random.unit()).squareRoot() - 1) / 9
        }
        return least + Instant.Span(nanoseconds: Int64(width * min(max(share, 0), 1)))
    }
}

extension SeededGenerator {
    /// A number from 0 up to but not including 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Whether something of this likelihood happens.
    mutating func happens(_ likelihood: Double) -> Bool { unit() < likelihood }
}

/// Which nodes do not reach which.
public enum Partition: Sendable, Equatable {
    /// Nodes reach each other only within a group; those of the bridge are in all of them.
    case groups([[NodeID]], bridge: [NodeID])
    /// These don't reach those, but are reached by them.
    case oneWay(from: [NodeID], to: [NodeID])

    /// How many nodes it may name.
    public static let most = 1_024

    /// Whether it names no more nodes than ``most``.
    public var isSound: Bool {
        switch self {
        case .groups(let groups, let bridge): groups.reduce(bridge.count) { $0 + $1.count } <= Self.most
        case .oneWay(let from, let to): from.count + to.count <= Self.most
        }
    }

    /// The links that it blocks.
    public var blocked: Set<Link> {
        var links: Set<Link> = []
        func cut(_ sources: [NodeID], _ targets: [NodeID]) {
            for source in sources { for target in targets { links.insert(Link(source, target)) } }
        }
        switch self {
        case .oneWay(let sources, let targets): cut(sources, targets)
        case .groups(let groups, _):
            for (place, group) in groups.enumerated() {
                for (other, targets) in groups.enumerated() where other != place { cut(group, targets) }
            }
        }
        return links
    }
}

/// One direction between two nodes.
public struct Link: Hashable, Sendable {
    /// Who sends.
    public let from: NodeID
    /// Who receives.
    public let to: NodeID

    /// Makes the link.
    public init(_ from: NodeID, _ to: NodeID) {
        self.from = from
        self.to = to
    }
}

/// How often faults did something.
public struct FaultHits: Sendable, Equatable {
    /// Messages that a fault could have done something to.
    public internal(set) var seen: UInt64 = 0
    /// Messages lost by chance.
    public internal(set) var dropped: UInt64 = 0
    /// Messages lost because the link was blocked.
    public internal(set) var blocked: UInt64 = 0
    /// Messages that arrived later.
    public internal(set) var delayed: UInt64 = 0
    /// Messages that arrived twice.
    public internal(set) var duplicated: UInt64 = 0
    /// Messages that others could overtake.
    public internal(set) var reordered: UInt64 = 0
    /// Delayed messages that were lost because too many of them waited.
    public internal(set) var overflowed: UInt64 = 0

    /// Nothing happened.
    public init() {}

    /// What happened, by names that stay the same.
    public var byKind: [(kind: String, count: UInt64)] {
        [
            ("dropped", dropped), ("blocked", blocked), ("delayed", delayed), ("duplicated", duplicated),
            ("reordered", reordered), ("overflowed", overflowed),
        ]
    }
}
