// The 48 bytes in front of every payload. Layout and meaning: WAL.docc/LogFormat.md.

import Primitives

/// The header of one record.
struct RecordHeader: Equatable {
    enum Kind: UInt8 {
        case entry = 1
        case hardState = 2
        case restart = 3
    }

    static let byteCount = 48
    private static let endsBatchFlag: UInt8 = 1

    /// Checksum of the other fields, and with them of the body: what the next record refers to.
    var checksum: UInt32 = 0
    var bodyChecksum: UInt32
    /// The checksum of the record before.
    var previous: UInt32
    /// The payload's length.
    var length: UInt32
    /// All below this offset in the segment was durable when the record was written.
    var durableBelow: UInt32
    var kind: Kind
    var entryKind: UInt8
    var endsBatch: Bool
    var group: UInt64
    var index: UInt64
    var term: UInt64

    /// Bytes of the record, with header and padding.
    var recordBytes: Int { Self.recordBytes(payload: Int(length)) }

    /// Bytes of a record whose payload has `payload` bytes.
    static func recordBytes(payload: Int) -> Int { byteCount + aligned(payload, to: 8) }

    /// The six words of the header, with the checksum computed from `seed`.
    func words(seed: UInt32) -> (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, checksum: UInt32) {
        let flags = endsBatch ? Self.endsBatchFlag : 0
        let third =
            UInt64(durableBelow) | UInt64(kind.rawValue) << 32 | UInt64(entryKind) << 40 | UInt64(flags) << 48
        var words = (
            (UInt64(bodyChecksum) << 32).littleEndian, (UInt64(previous) | UInt64(length) << 32).littleEndian,
            third.littleEndian, group.littleEndian, index.littleEndian, term.littleEndian
        )
        let checksum = unsafe withUnsafeBytes(of: &words) {
            unsafe CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...]), continuing: seed)
        }
        let first = (UInt64(checksum) | UInt64(bodyChecksum) << 32).littleEndian
        return (first, words.1, words.2, words.3, words.4, words.5, checksum)
    }

    /// Reads a header, of which nothing is believed before its checksum was found right; nil if it isn't one.
    ///
    /// Most places that are tried hold none, so what is cheapest to tell comes first.
    init?(_ bytes: [UInt8], at place: Int, seed: UInt32) {
        precondition(place >= 0 && place + Self.byteCount <= bytes.count)
        guard let kind = Kind(rawValue: bytes[place + 20]), bytes[place + 23] == 0,
            bytes[place + 22] & ~Self.endsBatchFlag == 0
        else { return nil }
        let stored: UInt32 = load(bytes, at: place)
        guard CRC32C.checksum(bytes[place + 4..<place + Self.byteCount], continuing: seed) == stored else {
            return nil
        }
        checksum = stored
        bodyChecksum = load(bytes, at: place + 4)
        previous = load(bytes, at: place + 8)
        length = load(bytes, at: place + 12)
        durableBelow = load(bytes, at: place + 16)
        self.kind = kind
        entryKind = bytes[place + 21]
        endsBatch = bytes[place + 22] != 0
        group = load(bytes, at: place + 24)
        index = load(bytes, at: place + 32)
        term = load(bytes, at: place + 40)
    }

    init(
        bodyChecksum: UInt32, previous: UInt32, length: UInt32, durableBelow: UInt32, kind: Kind,
        entryKind: UInt8,
        endsBatch: Bool = false, group: UInt64, index: UInt64, term: UInt64
    ) {
        self.bodyChecksum = bodyChecksum
        self.previous = previous
        self.length = length
        self.durableBelow = durableBelow
        self.kind = kind
        self.entryKind = entryKind
        self.endsBatch = endsBatch
        self.group = group
        self.index = index
        self.term = term
    }
}

/// `count` rounded up to a multiple of `unit`, a power of two.
func aligned(_ count: Int, to unit: Int) -> Int { (count + unit - 1) & ~(unit - 1) }

/// The little-endian number at `place`.
func load<Number: FixedWidthInteger>(_ bytes: [UInt8], at place: Int, as: Number.Type = Number.self) -> Number
{
    precondition(place >= 0 && place + Number.bitWidth / 8 <= bytes.count)
    return unsafe bytes.withUnsafeBytes {
        Number(littleEndian: unsafe $0.loadUnaligned(fromByteOffset: place, as: Number.self))
    }
}
