// SipHash-2-4 with a tag of 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a
// message authentication code for short messages that costs little more than a checksum.

/// A key of 128 bits that all nodes of a cluster share, and that nobody else knows.
public struct SharedKey: Sendable, Equatable {
    let low, high: UInt64

    /// Reads 32 hexadecimal digits, as `openssl rand -hex 16` writes them. Nil if it is anything else.
    public init?(hexadecimal text: some StringProtocol) {
        let digits = Array(text.utf8)
        guard digits.count == 32 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: 32, by: 2) {
            guard let high = Self.value(of: digits[place]), let low = Self.value(of: digits[place + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        self.init(bytes)
    }

    init(_ bytes: [UInt8]) {
        low = littleEndian(unsafe bytes.span.bytes, at: 0, UInt64.self)
        high = littleEndian(unsafe bytes.span.bytes, at: 8, UInt64.self)
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }

    /// The tag of a message.
    func tag(of message: RawSpan) -> (UInt64, UInt64) {
        var state = SipState(low, high)
        var place = 0
        while message.byteCount - place >= 8 {
            state.absorb(littleEndian(message, at: place, UInt64.self))
            place += 8
        }
        var last = UInt64(message.byteCount & 0xff) << 56
        var shift: UInt64 = 0
        while place < message.byteCount {
            last |= UInt64(littleEndian(message, at: place, UInt8.self)) << shift
            place += 1
            shift += 8
        }
        state.absorb(last)
        return state.finish()
    }
}

/// A number in its full width, least significant byte first. It must lie within the bytes, or the process
/// stops.
@inline(__always)
func littleEndian<Number: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: RawSpan, at place: Int, _: Number.Type
) -> Number {
    // Unsafe only in name: any bytes are a number.
    Number(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: place, as: Number.self))
}

private struct SipState {
    private var v0, v1, v2, v3: UInt64

    init(_ low: UInt64, _ high: UInt64) {
        v0 = low ^ 0x736f_6d65_7073_6575
        v1 = high ^ 0x646f_7261_6e64_6f6d ^ 0xee
        v2 = low ^ 0x6c79_6765_6e65_7261
        v3 = high ^ 0x7465_6462_7974_6573
    }

    mutating func absorb(_ word: UInt64) {
        v3 ^= word
        rounds(2)
        v0 ^= word
    }

    mutating func finish() -> (UInt64, UInt64) {
        v2 ^= 0xee
        rounds(4)
        let first = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        rounds(4)
        return (first, v0 ^ v1 ^ v2 ^ v3)
    }

    private mutating func rounds(_ count: Int) {
        for _ in 0..<count {
            v0 &+= v1
            v1 = v1 << 13 | v1 >> 51
            v1 ^= v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = v3 << 16 | v3 >> 48
            v3 ^= v2
            v0 &+= v3
            v3 = v3 << 21 | v3 >> 43
            v3 ^= v0
            v2 &+= v1
            v1 = v1 << 17 | v1 >> 47
            v1 ^= v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
