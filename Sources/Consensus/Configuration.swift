public import Primitives

/// The members of the cluster and their parts (thesis, chapter 4). A node uses the latest configuration in
/// its log, committed or not, and goes back to the one before when that entry is truncated.
public struct Configuration: Sendable, Equatable {
    /// The nodes whose majority decides, in ascending order.
    public let voters: [NodeID]
    /// During a joint change the voters of the configuration that is being left, in ascending order; else
    /// empty.
    public let outgoing: [NodeID]
    /// The nodes that only receive the log, in ascending order.
    public let learners: [NodeID]

    /// Makes a configuration; order and repetitions in the arguments do not matter. A node that votes is no
    /// learner.
    public init(voters: [NodeID], outgoing: [NodeID] = [], learners: [NodeID] = []) {
        let voters = Self.ordered(voters)
        let outgoing = Self.ordered(outgoing)
        self.voters = voters
        self.outgoing = outgoing
        self.learners = Self.ordered(learners).filter { !voters.contains($0) && !outgoing.contains($0) }
    }

    private static func ordered(_ nodes: [NodeID]) -> [NodeID] {
        var result: [NodeID] = []
        for node in nodes.sorted() where result.last != node { result.append(node) }
        return result
    }

    /// Nobody: the configuration of a node that has not been told of any.
    public static let empty = Configuration(voters: [])

    /// Whether two majorities decide, the old and the new.
    public var isJoint: Bool { !outgoing.isEmpty }

    /// Who decides.
    public var quorum: Quorum { Quorum(voters: voters, outgoing: outgoing) }

    /// Whether `node` has a vote in the old or the new configuration.
    public func isVoter(_ node: NodeID) -> Bool { voters.contains(node) || outgoing.contains(node) }

    /// Whether `node` receives the log.
    public func contains(_ node: NodeID) -> Bool { isVoter(node) || learners.contains(node) }

    /// Every member once, in ascending order.
    public var members: [NodeID] { Self.ordered(voters + outgoing + learners) }

    /// Whether `next` may stand in the log after this configuration: only learners change, or a joint
    /// configuration is entered or left (thesis 4.3).
    public func mayBeFollowed(by next: Configuration) -> Bool {
        guard !next.voters.isEmpty else { return false }
        if isJoint { return next.voters == voters && (next.outgoing.isEmpty || next.outgoing == outgoing) }
        return next.isJoint ? next.outgoing == voters : next.voters == voters
    }
}

extension Configuration {
    /// The most nodes in one list; longer ones are refused when decoded.
    public static let maximumMembers = 1024
    private static let version: UInt8 = 1

    /// The binary form: a version byte, then voters, outgoing and learners, each a count and ascending
    /// numbers, all LEB128 varints.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 4 + voters.count + outgoing.count + learners.count)
        encode(into: &writer)
        return writer.take()
    }

    /// Appends the binary form to `writer`.
    public func encode(into writer: inout ByteWriter) {
        writer.byte(Self.version)
        for nodes in [voters, outgoing, learners] {
            writer.varint(UInt64(nodes.count))
            for node in nodes { writer.counter(node) }
        }
    }

    /// Reads what ``encode()`` wrote and refuses anything else: another version, other order, overlaps, rest.
    public init(decoding bytes: [UInt8]) throws(ByteReaderError) {
        var reader = ByteReader(bytes)
        try self.init(from: &reader)
        try reader.expectEnd()
    }

    /// Reads one configuration from `reader`, which may go on after it.
    public init(from reader: inout ByteReader) throws(ByteReaderError) {
        guard try reader.byte() == Self.version else { throw .malformed }
        let voters = try Self.nodes(from: &reader)
        let outgoing = try Self.nodes(from: &reader)
        let learners = try Self.nodes(from: &reader)
        self.init(voters: voters, outgoing: outgoing, learners: learners)
        guard self.learners == learners else { throw .malformed }
    }

    private static func nodes(from reader: inout ByteReader) throws(ByteReaderError) -> [NodeID] {
        let count = try reader.count()
        guard count <= maximumMembers else { throw .malformed }
        var nodes: [NodeID] = []
        for _ in 0..<count {
            let node = try reader.counter(NodeID.self)
            guard node > (nodes.last ?? .zero) else { throw .malformed }
            nodes.append(node)
        }
        return nodes
    }
}

extension Configuration: CustomStringConvertible {
    /// As in `voters 1,2,3 outgoing 1,2 learners 4`.
    public var description: String {
        func list(_ name: String, _ nodes: [NodeID]) -> String? {
            nodes.isEmpty ? nil : "\(name) \(nodes.map(\.description).joined(separator: ","))"
        }
        let parts = [list("voters", voters), list("outgoing", outgoing), list("learners", learners)]
        let text = parts.compactMap(\.self).joined(separator: " ")
        return text.isEmpty ? "nobody" : text
    }
}

/// A configuration and the entry that holds it.
public struct PlacedConfiguration: Sendable, Equatable {
    /// The index of the entry, or of the snapshot the configuration came with.
    public var index: LogIndex
    /// The members from that entry on.
    public var configuration: Configuration

    /// Makes a placed configuration with these parts.
    public init(index: LogIndex, configuration: Configuration) {
        self.index = index
        self.configuration = configuration
    }
}
