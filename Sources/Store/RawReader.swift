import Primitives

/// As `ByteReader`, over memory that is lent: it copies nothing and counts no references. Commands and
/// checkpoints go through it once for each record.
@unsafe struct RawReader {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { unsafe rest = unsafe bytes }

    var isAtEnd: Bool { unsafe rest.isEmpty }

    mutating func raw(_ count: Int) throws(ByteReaderError) -> UnsafeRawBufferPointer {
        guard count >= 0, unsafe rest.count >= count else { throw .truncated }
        let taken = unsafe UnsafeRawBufferPointer(rebasing: rest[..<count])
        unsafe rest = unsafe UnsafeRawBufferPointer(rebasing: rest[count...])
        return unsafe taken
    }

    mutating func byte() throws(ByteReaderError) -> UInt8 { try unsafe raw(1)[0] }

    mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(ByteReaderError) -> Number {
        unsafe Number(littleEndian: try raw(MemoryLayout<Number>.size).loadUnaligned(as: Number.self))
    }

    /// A varint; longer forms than needed and numbers beyond 64 bits are refused.
    mutating func varint() throws(ByteReaderError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var place = 0
        while unsafe place < rest.count {
            let byte = unsafe rest[place]
            place += 1
            if shift == 63 && byte > 1 { throw .malformed }
            value |= UInt64(byte & 127) << shift
            if byte < 128 {
                if byte == 0 && shift > 0 { throw .malformed }
                unsafe rest = unsafe UnsafeRawBufferPointer(rebasing: rest[place...])
                return value
            }
            shift += 7
            if shift > 63 { throw .malformed }
        }
        throw .truncated
    }

    mutating func count(upTo limit: Int) throws(ByteReaderError) -> Int {
        let value = try unsafe varint()
        guard value <= UInt64(limit) else { throw .malformed }
        return Int(value)
    }

    mutating func signed() throws(ByteReaderError) -> Int64 {
        let coded = try unsafe varint()
        return Int64(bitPattern: coded >> 1) ^ -Int64(bitPattern: coded & 1)
    }

    mutating func sized(upTo limit: Int) throws(ByteReaderError) -> UnsafeRawBufferPointer {
        try unsafe raw(try count(upTo: limit))
    }

    mutating func bool() throws(ByteReaderError) -> Bool {
        switch try unsafe byte() {
        case 0: return false
        case 1: return true
        default: throw .malformed
        }
    }

    func expectEnd() throws(ByteReaderError) {
        guard unsafe rest.isEmpty else { throw .malformed }
    }
}
