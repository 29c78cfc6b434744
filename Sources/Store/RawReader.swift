import Primitives

/// As `ByteReader`, over memory that is lent: it copies nothing and counts no references. Commands and
/// checkpoints go through it once for each record.
@unsafe struct RawReader {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = unsafe bytes }

    /// How many bytes are left.
    var count: Int { unsafe bytes.count &- place }
    var isAtEnd: Bool { unsafe count == 0 }

    @inline(__always) mutating func raw(_ count: Int) throws(ByteReaderError) -> UnsafeRawBufferPointer {
        guard count >= 0, unsafe count <= self.count else { throw .truncated }
        defer { unsafe place &+= count }
        return unsafe UnsafeRawBufferPointer(start: bytes.baseAddress.map { unsafe $0 + place }, count: count)
    }

    @inline(__always) mutating func byte() throws(ByteReaderError) -> UInt8 {
        guard unsafe place < bytes.count else { throw .truncated }
        defer { unsafe place &+= 1 }
        return unsafe bytes[place]
    }

    @inline(__always) mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(ByteReaderError) -> Number {
        let size = MemoryLayout<Number>.size
        guard unsafe size <= count else { throw .truncated }
        defer { unsafe place &+= size }
        return unsafe Number(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Number.self))
    }

    /// A varint; longer forms than needed and numbers beyond 64 bits are refused.
    @inline(__always) mutating func varint() throws(ByteReaderError) -> UInt64 {
        guard unsafe place < bytes.count, unsafe bytes[place] < 128 else { return try unsafe longVarint() }
        defer { unsafe place &+= 1 }
        return unsafe UInt64(bytes[place])
    }

    private mutating func longVarint() throws(ByteReaderError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while unsafe place < bytes.count {
            let byte = unsafe bytes[place]
            unsafe place += 1
            if shift == 63 && byte > 1 { throw .malformed }
            value |= UInt64(byte & 127) << shift
            if byte < 128 {
                if byte == 0 && shift > 0 { throw .malformed }
                return value
            }
            shift += 7
            if shift > 63 { throw .malformed }
        }
        throw .truncated
    }

    @inline(__always) mutating func count(upTo limit: Int) throws(ByteReaderError) -> Int {
        let value = try unsafe varint()
        guard value <= UInt64(limit) else { throw .malformed }
        return Int(value)
    }

    mutating func signed() throws(ByteReaderError) -> Int64 {
        let coded = try unsafe varint()
        return Int64(bitPattern: coded >> 1) ^ -Int64(bitPattern: coded & 1)
    }

    @inline(__always) mutating func sized(upTo limit: Int) throws(ByteReaderError) -> UnsafeRawBufferPointer {
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
        guard unsafe isAtEnd else { throw .malformed }
    }
}
