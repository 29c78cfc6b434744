import Primitives

/// Compares the checksums of a checkpoint whose bytes go by, in chunks of any size. It keeps nothing of them,
/// unlike ``CheckpointReader``, and does not look at what the blocks hold.
///
/// After an error it must not be used any more.
public struct CheckpointInspector: Sendable {
    /// How many bytes have gone by.
    public private(set) var count = 0

    /// The beginning of the file or of a block, as far as it has come.
    private var head: [UInt8] = []
    private var hasMagic = false
    private var isInBlock = false
    /// Bytes of the block's contents that are to come.
    private var left = 0
    private var blockOffset = 0
    private var stored: UInt32 = 0
    private var checksum: UInt32 = 0
    private var lastKind: UInt8 = 0

    /// Starts at the beginning of a file.
    public init() {}

    /// Takes the next bytes of the file. An error says where it is damaged.
    public mutating func receive(_ bytes: [UInt8]) throws(CheckpointError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let wanted = isInBlock ? left : (hasMagic ? CheckpointFormat.frameCount : 8) - head.count
            let part = rest.prefix(wanted)
            if isInBlock {
                checksum = CRC32C.checksum(part, continuing: checksum)
                left -= part.count
            } else {
                head += part
            }
            rest = rest.dropFirst(part.count)
            count += part.count
            if part.count == wanted && !isInBlock { try takeHead() }
            if isInBlock && left == 0 { try endBlock() }
        }
    }

    /// Ends the file.
    public func finish() throws(CheckpointError) {
        guard lastKind == CheckpointFormat.Kind.footer.rawValue, head.isEmpty, !isInBlock else {
            throw .truncated
        }
    }

    private mutating func takeHead() throws(CheckpointError) {
        defer { head.removeAll(keepingCapacity: true) }
        guard hasMagic else {
            guard head == CheckpointFormat.magic else { throw .notACheckpoint }
            hasMagic = true
            return
        }
        blockOffset = count - head.count
        guard lastKind != CheckpointFormat.Kind.footer.rawValue else {
            throw .corrupt(offset: blockOffset, reason: "bytes after the footer")
        }
        left = Int(Self.number(head[0..<4]))
        guard left <= CheckpointFormat.maximumBlockCount else {
            throw .corrupt(offset: blockOffset, reason: "length")
        }
        lastKind = head[4]
        stored = Self.number(head[8..<12])
        checksum = CRC32C.checksum(head[0..<8], continuing: checksum)
        isInBlock = true
    }

    private mutating func endBlock() throws(CheckpointError) {
        isInBlock = false
        guard checksum == stored || isPlanted(.checkpointUnchecked) else {
            throw .corrupt(offset: blockOffset, reason: "checksum")
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
