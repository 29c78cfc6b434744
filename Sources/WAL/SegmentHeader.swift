// The first sector of a segment. Layout and meaning: WAL.docc/LogFormat.md.

import Consensus
import Primitives

/// The header of one segment.
struct SegmentHeader: Equatable {
    /// A sector: the least that a disk writes, and so what batches are aligned to.
    static let byteCount = 512
    static let version: UInt32 = 1
    private static let magic = Array("PARLEYWL".utf8)
    private static let startsAnewFlag: UInt32 = 1

    var sequence: UInt64
    var cluster: ClusterID
    var node: NodeID
    var group: GroupID
    /// The end of the log when the segment was begun.
    var base: LogPosition
    /// The log begins after `base`; whatever older segments hold has no meaning any more.
    var startsAnew: Bool
    /// The checksum of the last record before.
    var previous: UInt32
    /// Where the records of the segment before end.
    var previousEnd: Int

    /// The header's bytes and their checksum, which the first record refers to.
    func encode() -> (bytes: [UInt8], checksum: UInt32) {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.raw(Self.magic)
        writer.fixed(UInt32(0))
        writer.fixed(Self.version)
        for number in [sequence, cluster.rawValue, node.rawValue, group.rawValue] { writer.fixed(number) }
        writer.fixed(base.index.rawValue)
        writer.fixed(base.term.rawValue)
        writer.fixed(startsAnew ? Self.startsAnewFlag : 0)
        writer.fixed(previous)
        writer.fixed(UInt64(previousEnd))
        writer.raw([UInt8](repeating: 0, count: Self.byteCount - writer.count))
        let checksum = CRC32C.checksum(writer.bytes[12...])
        writer.overwrite(at: 8, with: checksum)
        return (writer.take(), checksum)
    }

    /// Reads the first sector of `file`, that is named for `sequence` and must belong to `identity`.
    static func decode(
        _ bytes: [UInt8], sequence: UInt64, identity: FolderIdentity, file: String
    ) throws(WALError) -> (header: SegmentHeader, checksum: UInt32) {
        func corrupt(_ reason: String) -> WALError { .corrupt(file: file, offset: 0, reason: reason) }
        guard bytes.count >= byteCount, bytes[..<8] == magic[...] else { throw corrupt("no segment header") }
        let checksum: UInt32 = load(bytes, at: 8)
        guard CRC32C.checksum(bytes[12..<byteCount]) == checksum else {
            throw corrupt("the segment header's checksum is wrong")
        }
        let version: UInt32 = load(bytes, at: 12)
        guard version == Self.version else { throw .unsupportedVersion(file: file, version: version) }
        let flags: UInt32 = load(bytes, at: 64)
        guard let previousEnd = Int(exactly: load(bytes, at: 72, as: UInt64.self)) else {
            throw corrupt("impossible end of the segment before")
        }
        let header = SegmentHeader(
            sequence: load(bytes, at: 16), cluster: ClusterID(load(bytes, at: 24)),
            node: NodeID(load(bytes, at: 32)), group: GroupID(load(bytes, at: 40)),
            base: LogPosition(index: LogIndex(load(bytes, at: 48)), term: Term(load(bytes, at: 56))),
            startsAnew: flags & startsAnewFlag != 0, previous: load(bytes, at: 68), previousEnd: previousEnd)
        guard header.base.index.rawValue < 1 << 62 else { throw corrupt("impossible base \(header.base)") }
        guard header.sequence == sequence else { throw corrupt("it is segment \(header.sequence)") }
        guard header.cluster == identity.cluster else {
            throw .foreign(file: file, reason: "cluster \(header.cluster), not \(identity.cluster)")
        }
        guard header.node == identity.node else {
            throw .foreign(file: file, reason: "node \(header.node), not \(identity.node)")
        }
        guard header.group == identity.group else {
            throw .foreign(file: file, reason: "group \(header.group), not \(identity.group)")
        }
        return (header, checksum)
    }

    /// What the checksums of a segment's records start from: never the same for two segments of a folder.
    static func seed(sequence: UInt64, salt: UInt32) -> UInt32 {
        isPlanted(.resurrectsOldRecords) ? salt : UInt32(truncatingIfNeeded: sequence) ^ salt
    }
}
