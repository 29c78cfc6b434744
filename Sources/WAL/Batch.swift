// What was appended since the last sync, in the very bytes that will be written.

import Consensus
import Primitives

/// Records of one segment that are not durable yet.
struct Batch {
    let sequence: UInt64
    /// The size of the segment's file.
    let capacity: Int
    /// The end of the log when the segment was begun.
    let base: LogPosition
    /// Whether the segment has no file yet; then `bytes` starts with its header.
    private(set) var isNew: Bool
    /// Where `bytes` belong in the file; all below is durable.
    private(set) var offset: Int
    /// The checksum of the last record.
    private(set) var chain: UInt32
    private(set) var bytes: [UInt8] = []
    private let seed: UInt32
    private let group: UInt64
    /// The place in `bytes` of the last record, as long as another may follow it directly.
    private var last: Int?

    private static let zeros = [UInt8](repeating: 0, count: 8)

    /// Goes on in a segment that is on disk up to `offset`, a multiple of 512.
    init(
        sequence: UInt64, capacity: Int, base: LogPosition, identity: FolderIdentity, offset: Int,
        chain: UInt32
    ) {
        precondition(offset % SegmentHeader.byteCount == 0)
        self.sequence = sequence
        self.capacity = capacity
        self.base = base
        self.offset = offset
        self.chain = chain
        seed = SegmentHeader.seed(sequence: sequence, salt: identity.salt)
        group = identity.group.rawValue
        isNew = false
    }

    /// Begins a new segment.
    init(_ header: SegmentHeader, capacity: Int, identity: FolderIdentity) {
        let encoded = header.encode()
        self.init(
            sequence: header.sequence, capacity: capacity, base: header.base, identity: identity, offset: 0,
            chain: encoded.checksum)
        bytes = encoded.bytes
        isNew = true
    }

    /// Where the next record will start in the file.
    var end: Int { offset + bytes.count }
    /// How much more fits.
    var room: Int { capacity - end }

    mutating func append(entry: Entry) {
        append(
            .entry, entryKind: entry.kind.rawValue, index: entry.index.rawValue, term: entry.term.rawValue,
            payload: entry.payload)
    }

    mutating func append(hardState: HardState) {
        var payload = ByteWriter(capacity: 8)
        payload.fixed(isPlanted(.voteNotWritten) ? 0 : hardState.vote?.rawValue ?? 0)
        append(
            .hardState, entryKind: 0, index: hardState.commit.rawValue, term: hardState.term.rawValue,
            payload: payload.bytes)
    }

    mutating func appendRestart() {
        append(.restart, entryKind: 0, index: 0, term: 0, payload: [])
    }

    private mutating func append(
        _ kind: RecordHeader.Kind, entryKind: UInt8, index: UInt64, term: UInt64, payload: [UInt8]
    ) {
        let padding = aligned(payload.count, to: 8) - payload.count
        var checksum = CRC32C.checksum(payload, continuing: seed)
        if padding > 0 { checksum = CRC32C.checksum(Self.zeros[..<padding], continuing: checksum) }
        let header = RecordHeader(
            bodyChecksum: checksum, previous: chain, length: UInt32(payload.count),
            durableBelow: UInt32(max(offset, SegmentHeader.byteCount)), kind: kind, entryKind: entryKind,
            group: group, index: index, term: term)
        let (a, b, c, d, e, f, checked) = header.words(seed: seed)
        last = bytes.count
        unsafe withUnsafeBytes(of: (a, b, c, d, e, f)) { unsafe bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: payload)
        if padding > 0 { bytes.append(contentsOf: Self.zeros[..<padding]) }
        chain = checked
    }

    /// Marks the last record as the last of its batch and fills the sector. Harmless to repeat.
    mutating func close() {
        guard let place = last else { return }
        last = nil
        bytes[place + 22] |= 1
        chain = CRC32C.checksum(bytes[place + 4..<place + RecordHeader.byteCount], continuing: seed)
        for byte in 0..<4 { bytes[place + byte] = UInt8(truncatingIfNeeded: chain >> UInt32(8 * byte)) }
        let padding = aligned(bytes.count, to: SegmentHeader.byteCount) - bytes.count
        bytes.append(contentsOf: repeatElement(0, count: padding))
    }

    /// The bytes are durable: the next batch follows them.
    mutating func becameDurable() {
        precondition(last == nil)
        isNew = false
        offset += bytes.count
        if bytes.capacity > 1 << 20 { bytes = [] } else { bytes.removeAll(keepingCapacity: true) }
    }
}
