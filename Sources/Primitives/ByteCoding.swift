// Little-endian numbers, LEB128 varints and length-prefixed bytes: the alphabet of every binary form we
// write.

/// Appends numbers and bytes to a buffer.
public struct ByteWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8]

    /// Starts with an empty buffer that has room for `capacity` bytes.
    public init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Goes on after what `bytes` holds.
    public init(continuing bytes: consuming [UInt8]) { self.bytes = bytes }

    /// Takes the buffer out and leaves an empty one.
    public mutating func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    /// Empties the buffer but keeps its storage.
    public mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    /// How many bytes were written.
    public var count: Int { bytes.count }

    /// One byte.
    public mutating func byte(_ value: UInt8) { bytes.append(value) }

    /// A number in its full width, least significant byte first.
    public mutating func fixed<Number: FixedWidthInteger>(_ value: Number) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    /// Seven bits a byte, least significant first, the top bit saying that more follow (LEB128).
    public mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 127 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A counter as a varint.
    public mutating func counter(_ value: some Counter) { varint(value.rawValue) }

    /// A signed number, zigzag-coded so that small magnitudes stay short.
    public mutating func signed(_ value: Int64) {
        varint(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    /// A truth value as one byte.
    public mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Bytes as they are, without a length.
    public mutating func raw(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }

    /// Bytes behind their number.
    public mutating func sized(_ value: some Collection<UInt8>) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Text in UTF-8 behind its length in bytes.
    public mutating func string(_ value: String) { sized(value.utf8) }

    /// Overwrites bytes that were written before, for lengths and checksums known only afterwards.
    public mutating func overwrite<Number: FixedWidthInteger>(at offset: Int, with value: Number) {
        unsafe withUnsafeBytes(of: value.littleEndian) { source in
            for place in 0..<source.count { unsafe bytes[offset + place] = source[place] }
        }
    }
}

/// Why bytes could not be read.
public enum ByteReaderError: Error, Equatable, Sendable {
    /// The bytes end before the value does.
    case truncated
    /// A value is not one that the writer would have written.
    case malformed
}

/// Reads what a ``ByteWriter`` wrote, and refuses anything else: it never traps on hostile bytes.
public struct ByteReader: Sendable {
    /// The bytes to read; the slice that is left shrinks from the front.
    public private(set) var rest: ArraySlice<UInt8>

    /// Reads from the beginning of `bytes`.
    public init(_ bytes: [UInt8]) { rest = bytes[...] }
    /// Reads from the beginning of `bytes`.
    public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Whether everything was read.
    public var isAtEnd: Bool { rest.isEmpty }

    /// One byte.
    public mutating func byte() throws(ByteReaderError) -> UInt8 {
        guard let first = rest.first else { throw .truncated }
        rest = rest[(rest.startIndex + 1)...]
        return first
    }

    /// A number in its full width.
    public mutating func fixed<Number: FixedWidthInteger>(
        _: Number.Type = Number.self
    ) throws(ByteReaderError) -> Number {
        let size = Number.bitWidth / 8
        guard rest.count >= size else { throw .truncated }
        var value: Number = 0
        for place in 0..<size {
            value |= Number(truncatingIfNeeded: rest[rest.startIndex + place]) << Number(8 * place)
        }
        rest = rest[(rest.startIndex + size)...]
        return value
    }

    /// A varint; longer forms than needed and numbers beyond 64 bits are refused.
    public mutating func varint() throws(ByteReaderError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var place = rest.startIndex
        while place < rest.endIndex {
            let byte = rest[place]
            place += 1
            if shift == 63 && byte > 1 { throw .malformed }
            value |= UInt64(byte & 127) << shift
            if byte < 128 {
                if byte == 0 && shift > 0 { throw .malformed }
                rest = rest[place...]
                return value
            }
            shift += 7
            if shift > 63 { throw .malformed }
        }
        throw .truncated
    }

    /// A varint that fits an `Int`.
    public mutating func count() throws(ByteReaderError) -> Int {
        guard let value = Int(exactly: try varint()) else { throw .malformed }
        return value
    }

    /// A counter.
    public mutating func counter<Value: Counter>(_: Value.Type = Value.self) throws(ByteReaderError) -> Value
    {
        Value(try varint())
    }

    /// A zigzag-coded signed number.
    public mutating func signed() throws(ByteReaderError) -> Int64 {
        let coded = try varint()
        return Int64(bitPattern: coded >> 1) ^ -Int64(bitPattern: coded & 1)
    }

    /// A truth value; any byte but 0 and 1 is refused.
    public mutating func bool() throws(ByteReaderError) -> Bool {
        switch try byte() {
        case 0: return false
        case 1: return true
        default: throw .malformed
        }
    }

    /// The next `count` bytes, without a copy.
    public mutating func raw(_ count: Int) throws(ByteReaderError) -> ArraySlice<UInt8> {
        guard count >= 0, rest.count >= count else { throw .truncated }
        let middle = rest.startIndex + count
        defer { rest = rest[middle...] }
        return rest[..<middle]
    }

    /// Bytes behind their number, without a copy.
    public mutating func sized() throws(ByteReaderError) -> ArraySlice<UInt8> {
        try raw(try count())
    }

    /// UTF-8 text behind its length; ill-formed text is refused.
    public mutating func string() throws(ByteReaderError) -> String {
        guard let text = String(validating: try sized(), as: UTF8.self) else { throw .malformed }
        return text
    }

    /// Demands that nothing is left.
    public func expectEnd() throws(ByteReaderError) {
        guard rest.isEmpty else { throw .malformed }
    }
}
