// Datagrams between nodes by byte: who sends what to whom, sealed against damage, or, with a key, against
// whoever does not know it. The layout is in this target's documentation.

public import Primitives

/// Whom the content of a datagram is for.
public enum DatagramService: UInt8, Sendable, CaseIterable {
    /// Membership: who is alive.
    case membership = 1
    /// Questions about the time, and answers.
    case clocks = 2
    /// Messages over the ladder of links.
    case links = 3
    /// Events on their way to everybody.
    case events = 4
}

/// What one node sends another in one piece. It may be lost, come twice, late, or after a later one: this is
/// the fair-loss link (Cachin, Guerraoui and Rodrigues, section 2.4.2).
public struct Datagram: Sendable, Equatable {
    /// Bytes of content at most. With all headers a datagram stays below 1,280 bytes as long as node numbers
    /// are below 16,384 (1,279 bytes with a key); any path of IPv6 must carry so much in one piece (RFC 8200,
    /// section 5), and nearly all of IPv4 do.
    public static let longest = 1_200

    /// Who sent it.
    public var sender: NodeID
    /// Whom the content is for.
    public var service: DatagramService
    /// The content.
    public var content: [UInt8]

    /// Makes a datagram.
    public init(sender: NodeID, service: DatagramService, content: [UInt8]) {
        self.sender = sender
        self.service = service
        self.content = content
    }
}

/// Why a datagram was dropped. The sender is not told: it may not be one of us.
public enum DatagramRefusal: String, Error, Sendable, CaseIterable {
    /// It is too short or too long, or its parts don't fit together.
    case malformed
    /// It is of a version that this node does not know.
    case version
    /// It is of another cluster.
    case cluster
    /// It is for another node, or from this one, or from none that is known.
    case misdirected
    /// It is sealed otherwise than this cluster's are: with a key where none is set, or without one.
    case unsealed
    /// The seal is broken: it was damaged on its way, or made by who does not know the key.
    case seal
    /// It is for a service that this node does not have.
    case service
}

/// Makes and checks the datagrams of one node.
public struct DatagramSeal: Sendable {
    private static let version: UInt8 = 1
    /// The bytes before the seal are no more than this and the content.
    private static let longestHead = 32

    private let cluster: UInt64
    private let own: NodeID
    private let known: Set<NodeID>
    private let key: SharedKey?

    /// Seals for the cluster with this number, with its key if it has one. Datagrams are taken from `peers`
    /// only.
    public init(cluster: UInt64, own: NodeID, peers: [NodeID], key: SharedKey?) {
        self.cluster = cluster
        self.own = own
        known = Set(peers)
        self.key = key
    }

    /// The longest datagram in bytes.
    public static let longestDatagram = longestHead + Datagram.longest + 16

    /// The bytes of a datagram of this node's. The content must not be longer than ``Datagram/longest``.
    public func seal(_ content: [UInt8], for service: DatagramService, to receiver: NodeID) -> [UInt8] {
        precondition(content.count <= Datagram.longest, "\(content.count) bytes do not fit one datagram")
        var writer = ByteWriter(capacity: Self.longestHead + content.count + 16)
        writer.byte(Self.version)
        writer.byte(key == nil ? 0 : 1)
        writer.fixed(cluster)
        writer.counter(own)
        writer.counter(receiver)
        writer.byte(service.rawValue)
        writer.raw(content)
        if let key {
            let tag = key.tag(of: unsafe writer.bytes.span.bytes)
            writer.fixed(tag.0)
            writer.fixed(tag.1)
        } else {
            writer.fixed(CRC32C.checksum(writer.bytes))
        }
        return writer.take()
    }

    /// What a datagram holds.
    public func open(_ bytes: ArraySlice<UInt8>) throws(DatagramRefusal) -> Datagram {
        guard bytes.count <= Self.longestDatagram, let version = bytes.first else { throw .malformed }
        guard version == Self.version else { throw .version }
        let sealLength = key == nil ? 4 : 16
        guard bytes.count > 1 + sealLength else { throw .malformed }
        guard bytes[bytes.startIndex + 1] == (key == nil ? 0 : 1) else { throw .unsealed }
        guard isWhole(unsafe bytes.span.bytes, sealLength: sealLength) else { throw .seal }
        var reader = ByteReader(bytes.dropFirst(2).dropLast(sealLength))
        guard let cluster = try? reader.fixed(UInt64.self), let sender = try? reader.counter(NodeID.self),
            let receiver = try? reader.counter(NodeID.self), let service = try? reader.byte()
        else { throw .malformed }
        return try accept(cluster, sender, receiver, service, reader.rest)
    }

    private func isWhole(_ bytes: RawSpan, sealLength: Int) -> Bool {
        let body = bytes.extracting(droppingLast: sealLength)
        let seal = body.byteCount
        guard let key else {
            let checksum = unsafe body.withUnsafeBytes { unsafe CRC32C.checksum($0) }
            return littleEndian(bytes, at: seal, UInt32.self) == checksum
        }
        let tag = key.tag(of: body)
        let (low, high) = (
            littleEndian(bytes, at: seal, UInt64.self), littleEndian(bytes, at: seal + 8, UInt64.self)
        )
        // In one piece, so that the time it takes tells nothing of how much was right.
        return (tag.0 ^ low) | (tag.1 ^ high) == 0
    }

    private func accept(
        _ cluster: UInt64, _ sender: NodeID, _ receiver: NodeID, _ service: UInt8,
        _ content: ArraySlice<UInt8>
    ) throws(DatagramRefusal) -> Datagram {
        guard cluster == self.cluster else { throw .cluster }
        guard receiver == own, known.contains(sender) else { throw .misdirected }
        guard let service = DatagramService(rawValue: service) else { throw .service }
        guard content.count <= Datagram.longest else { throw .malformed }
        return Datagram(sender: sender, service: service, content: Array(content))
    }
}
