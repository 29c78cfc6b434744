public import Primitives

// The vocabulary of checkpoints; the layout is in Store.docc/CheckpointFormat.md.

/// What a checkpoint says about itself before any data.
public struct CheckpointHeader: Sendable, Equatable {
    /// The cluster whose state it is.
    public var cluster: ClusterID
    /// The group whose state it is.
    public var group: GroupID
    /// The last log entry in it.
    public var index: LogIndex
    /// That entry's term.
    public var term: Term
    /// The configuration at that entry, opaque to the store.
    public var configuration: [UInt8]
    /// The store's revision.
    public var revision: Revision
    /// The store's compact revision.
    public var compactRevision: Revision
    /// The store's time.
    public var lastTime: WallTime
}

/// Why a checkpoint can't be used.
public enum CheckpointError: Error, Equatable, Sendable {
    /// It does not begin as a checkpoint does.
    case notACheckpoint
    /// A later version of the format.
    case unknownVersion(UInt32)
    /// It ends before its footer does.
    case truncated
    /// A checksum, a count, a number or an order is wrong in the block at this offset in bytes.
    case corrupt(offset: Int, reason: String)
}

enum CheckpointFormat {
    static let magic = Array("PARLEYCK".utf8)
    static let version: UInt32 = 2
    /// The oldest version that is still read: it knew neither leases nor rows of coordination.
    static let oldestVersion: UInt32 = 1
    static let frameCount = 12
    /// A block ends after the record with which it reaches this.
    static let blockCount = 256 << 10
    /// So many records of requests make a block.
    static let requestsPerBlock = 8_192
    static let maximumBlockCount = 32 << 20

    enum Kind: UInt8 {
        case header = 1
        case items = 2
        case history = 3
        case times = 4
        case footer = 5
        case rows = 6
        case requests = 7
    }
}

/// The checksums that run through a checkpoint, for its writer and its reader.
struct CheckpointChain: Sendable {
    /// The checksum of the last block.
    private(set) var checksum: UInt32 = 0
    /// The checksum of the file so far.
    private(set) var file = WordHash()

    /// The checksum of the next block, of which `frame` is the first eight bytes.
    mutating func add(frame: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) -> UInt32 {
        checksum = unsafe CRC32C.checksum(frame, continuing: checksum)
        checksum = unsafe CRC32C.checksum(payload, continuing: checksum)
        unsafe file.add(frame.loadUnaligned(as: UInt64.self).littleEndian)
        file.add(UInt64(checksum))
        return checksum
    }
}
