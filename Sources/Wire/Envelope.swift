// Everything that one node has to tell another at the end of a turn, as one body of one HTTP request or
// answer. The layout is in Wire.docc/PeerFormat.md.
public import Clocks
import Consensus
public import Primitives
public import Replication

/// A batch of messages from one node to another.
public struct Envelope: Sendable, Equatable {
    /// The cluster that both belong to.
    public var cluster: ClusterID
    /// The consensus group that the messages are about.
    public var group: GroupID
    /// Who sends.
    public var from: NodeID
    /// Who is meant; a node that is not refuses the batch.
    public var to: NodeID
    /// Differs each time the sender's process starts.
    public var incarnation: UInt64
    /// Counts the sender's batches to this peer within its incarnation, so that a repeated one is recognised.
    public var batch: UInt64
    /// The sender's hybrid logical clock as the batch left; nil if it tells none.
    public var clock: HybridTime?
    /// What it has to say, in this order.
    public var messages: [PeerMessage]

    /// Makes a batch of these parts.
    public init(
        cluster: ClusterID, group: GroupID = .first, from: NodeID, to: NodeID, incarnation: UInt64,
        batch: UInt64,
        messages: [PeerMessage]
    ) {
        self.cluster = cluster
        self.group = group
        self.from = from
        self.to = to
        self.incarnation = incarnation
        self.batch = batch
        self.messages = messages
    }
}

/// Why a body is not an envelope.
public enum WireError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It does not begin as one.
    case notAnEnvelope
    /// It is of a version that this build does not speak.
    case unknownVersion(UInt16)
    /// The checksum does not fit.
    case damaged
    /// The checksum fits, but what it protects makes no sense.
    case malformed
    /// JSON that does not describe an envelope.
    case json(String)

    /// One sentence for people.
    public var description: String {
        switch self {
        case .notAnEnvelope: "the body is not a batch of peer messages"
        case .unknownVersion(let version):
            "peer message version \(version) is unknown; this node speaks \(Envelope.version)"
        case .damaged: "the checksum of the batch does not fit"
        case .malformed: "the batch is malformed"
        case .json(let reason): reason
        }
    }
}

extension Envelope {
    /// The version of the binary form that this build writes and reads.
    public static let version: UInt16 = 2
    /// The media type of the binary form.
    public static let mediaType = "application/x-parley-frames"
    private static let magic: UInt32 = 0x594c_5250  // "PRLY"

    /// The binary form.
    public func encode() -> [UInt8] {
        var size = 64
        for message in messages { size += message.encodedSizeHint }
        var writer = ByteWriter(capacity: size)
        writer.fixed(Self.magic)
        writer.fixed(Self.version)
        writer.fixed(cluster.rawValue)
        writer.counter(group)
        writer.counter(from)
        writer.counter(to)
        writer.fixed(incarnation)
        writer.varint(batch)
        writer.byte(clock == nil ? 0 : 1)
        clock?.encode(into: &writer)
        writer.varint(UInt64(messages.count))
        for message in messages { message.encode(into: &writer) }
        writer.fixed(CRC32C.checksum(writer.bytes))
        return writer.take()
    }

    /// Reads the binary form.
    public init(decoding bytes: [UInt8]) throws(WireError) {
        guard bytes.count > 10 else { throw .notAnEnvelope }
        var reader = ByteReader(bytes[..<(bytes.count - 4)])
        var trailer = ByteReader(bytes[(bytes.count - 4)...])
        guard (try? reader.fixed(UInt32.self)) == Self.magic else { throw .notAnEnvelope }
        let version = (try? reader.fixed(UInt16.self)) ?? 0
        guard version == Self.version else { throw .unknownVersion(version) }
        let isWhole = (try? trailer.fixed(UInt32.self)) == CRC32C.checksum(bytes[..<(bytes.count - 4)])
        guard isWhole || isPlanted(.messagesUnchecked) else { throw .damaged }
        do throws(ByteReaderError) {
            cluster = ClusterID(try reader.fixed())
            group = try reader.counter()
            from = try reader.counter()
            to = try reader.counter()
            incarnation = try reader.fixed()
            batch = try reader.varint()
            switch try reader.byte() {
            case 0: clock = nil
            case 1: clock = try HybridTime(from: &reader)
            default: throw .malformed
            }
            let count = try reader.count()
            messages = []
            messages.reserveCapacity(min(count, 1024))
            for _ in 0..<count {
                messages.append(try PeerMessage(from: &reader, sender: from, recipient: to))
            }
            try reader.expectEnd()
        } catch {
            throw .malformed
        }
    }
}
