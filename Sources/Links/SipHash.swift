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
        low = word(bytes[0..<8])
        high = word(bytes[8..<16])
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
    func tag(of message: ArraySlice<UInt8>) -> (UInt64, UInt64) {
        var state = SipState(low, high)
        var place = message.startIndex
        while message.endIndex - place >= 8 {
            state.absorb(word(message[place..<(place + 8)]))
            place += 8
        }
        let count = UInt64(message.count & 0xff) << 56
        state.absorb(count | word(message[place...]))
        return state.finish()
    }
}

/// Up to eight bytes, least significant first.
private func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for byte in bytes {
        word |= UInt64(byte) << shift
        shift += 8
    }
    return word
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
