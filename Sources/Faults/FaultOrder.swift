// What one node tells the others about faults. The layout is in Faults.docc.

public import Primitives

/// An order about faults, from the node that was asked to another one.
public struct FaultOrder: Sendable, Equatable {
    /// What is to be done.
    public enum Action: Sendable, Equatable {
        /// A fault begins, and ends after so long.
        case set(id: String, Fault.Kind, ttl: Instant.Span)
        /// The fault with this id ends, or all of them.
        case heal(id: String?)
    }

    /// The cluster that both nodes belong to.
    public var cluster: ClusterID
    /// Who was asked.
    public var from: NodeID
    /// Who is told.
    public var to: NodeID
    /// What is to be done.
    public var action: Action

    /// Makes an order of these parts.
    public init(cluster: ClusterID, from: NodeID, to: NodeID, action: Action) {
        self.cluster = cluster
        self.from = from
        self.to = to
        self.action = action
    }

    private static let magic: UInt32 = 0x544c_4650  // "PFLT"
    private static let version: UInt8 = 1

    /// The binary form.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.fixed(Self.magic)
        writer.byte(Self.version)
        writer.fixed(cluster.rawValue)
        writer.counter(from)
        writer.counter(to)
        switch action {
        case .heal(nil): writer.byte(0)
        case .heal(let id?):
            writer.byte(1)
            writer.string(id)
        case .set(let id, let kind, let ttl):
            writer.byte(2)
            writer.string(id)
            writer.varint(UInt64(max(0, ttl.nanoseconds)))
            kind.encode(into: &writer)
        }
        writer.fixed(CRC32C.checksum(writer.bytes))
        return writer.take()
    }

    /// Reads the binary form and refuses anything else.
    public init(decoding bytes: [UInt8]) throws(ByteReaderError) {
        guard bytes.count > 4 else { throw .truncated }
        var tail = ByteReader(bytes[(bytes.count - 4)...])
        guard try tail.fixed(UInt32.self) == CRC32C.checksum(Array(bytes.dropLast(4))) else {
            throw .malformed
        }
        var reader = ByteReader(bytes[..<(bytes.count - 4)])
        guard try reader.fixed(UInt32.self) == Self.magic, try reader.byte() == Self.version else {
            throw .malformed
        }
        cluster = ClusterID(try reader.fixed())
        from = try reader.counter()
        to = try reader.counter()
        switch try reader.byte() {
        case 0: action = .heal(id: nil)
        case 1: action = .heal(id: try reader.string())
        case 2:
            let id = try reader.string()
            guard let ttl = Int64(exactly: try reader.varint()) else { throw .malformed }
            action = .set(
                id: id, try Fault.Kind(from: &reader), ttl: Instant.Span(nanoseconds: ttl))
        default: throw .malformed
        }
        try reader.expectEnd()
    }
}

extension Fault.Kind {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .link(let from, let to, let effect):
            writer.byte(0)
            // No node has the number 0.
            writer.counter(from ?? .zero)
            writer.counter(to ?? .zero)
            effect.encode(into: &writer)
        case .partition(.groups(let groups, let bridge)):
            writer.byte(1)
            writer.varint(UInt64(groups.count))
            for group in groups { writer.nodes(group) }
            writer.nodes(bridge)
        case .partition(.oneWay(let from, let to)):
            writer.byte(2)
            writer.nodes(from)
            writer.nodes(to)
        case .pause(let node):
            writer.byte(3)
            writer.counter(node)
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 0:
            let from: NodeID = try reader.counter()
            let to: NodeID = try reader.counter()
            self = .link(
                from: from == .zero ? nil : from, to: to == .zero ? nil : to, try LinkEffect(from: &reader))
        case 1:
            let count = try reader.count()
            guard count <= Partition.most else { throw .malformed }
            var groups: [[NodeID]] = []
            for _ in 0..<count { groups.append(try reader.nodes()) }
            self = .partition(.groups(groups, bridge: try reader.nodes()))
        case 2: self = .partition(.oneWay(from: try reader.nodes(), to: try reader.nodes()))
        case 3: self = .pause(try reader.counter())
        default: throw .malformed
        }
    }
}

extension LinkEffect {
    fileprivate func encode(into writer: inout ByteWriter) {
        for likelihood in [drop, duplicate, reorder] { writer.fixed(likelihood.bitPattern) }
        writer.bool(blocks)
        writer.fixed(seed)
        writer.bool(delay != nil)
        guard let delay else { return }
        writer.signed(delay.least.nanoseconds)
        writer.signed(delay.greatest.nanoseconds)
        writer.byte(UInt8(FaultDelay.Distribution.allCases.firstIndex(of: delay.distribution) ?? 0))
    }

    fileprivate init(from reader: inout ByteReader) throws(ByteReaderError) {
        self.init()
        drop = Double(bitPattern: try reader.fixed())
        duplicate = Double(bitPattern: try reader.fixed())
        reorder = Double(bitPattern: try reader.fixed())
        blocks = try reader.bool()
        seed = try reader.fixed()
        if try reader.bool() {
            let least = Instant.Span(nanoseconds: try reader.signed())
            let greatest = Instant.Span(nanoseconds: try reader.signed())
            let place = Int(try reader.byte())
            guard place < FaultDelay.Distribution.allCases.count else { throw .malformed }
            delay = FaultDelay(
                least: least, greatest: greatest, distribution: FaultDelay.Distribution.allCases[place])
        }
        guard isSound else { throw .malformed }
    }
}

extension ByteWriter {
    fileprivate mutating func nodes(_ nodes: [NodeID]) {
        varint(UInt64(nodes.count))
        for node in nodes { counter(node) }
    }
}

extension ByteReader {
    fileprivate mutating func nodes() throws(ByteReaderError) -> [NodeID] {
        let count = try count()
        guard count <= Partition.most else { throw .malformed }
        var nodes: [NodeID] = []
        for _ in 0..<count { nodes.append(try counter()) }
        return nodes
    }
}
