import Primitives

/// A checksum of all that has happened in a run, 128 bits wide: equal if and, for all that matters, only if
/// two runs were the same, event by event.
public struct TraceHash: Sendable, Equatable, CustomStringConvertible {
    private var low: UInt64 = 0x243f_6a88_85a3_08d3
    private var high: UInt64 = 0x1319_8a2e_0370_7344

    /// The hash of a run in which nothing has happened.
    public init() {}

    /// Takes a number in.
    public mutating func add(_ word: UInt64) {
        low = (low ^ word) &* 0x9e37_79b9_7f4a_7c15
        low ^= low >> 32
        high = (high &+ word) &* 0xd6e8_feb8_6659_fd93
        high ^= high >> 29 ^ low
    }

    /// Takes a signed number in.
    public mutating func add(_ number: Int64) { add(UInt64(bitPattern: number)) }
    /// Takes a number in.
    public mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

    /// Takes bytes in.
    public mutating func add(_ bytes: [UInt8]) {
        add(UInt64(bytes.count))
        unsafe bytes.withUnsafeBytes { bytes in
            var place = 0
            while place + 8 <= bytes.count {
                unsafe add(
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
                place += 8
            }
            var rest: UInt64 = 0
            while place < bytes.count {
                rest = unsafe rest << 8 | UInt64(bytes[place])
                place += 1
            }
            add(rest)
        }
    }

    /// Takes the hash of another run in.
    public mutating func add(_ other: TraceHash) {
        add(other.low)
        add(other.high)
    }

    /// Reads 32 hexadecimal digits; nil if they are something else.
    public init?(_ text: String) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        (self.high, self.low) = (high, low)
    }

    /// 32 hexadecimal digits.
    public var description: String { hexadecimal(high, digits: 16) + hexadecimal(low, digits: 16) }
}
