/// Base 64 with padding (RFC 4648, section 4), and its URL-safe alphabet without padding (section 5).
public enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends the padded encoding of `bytes` to `output`.
    public static func encode(_ bytes: [UInt8], into output: inout [UInt8]) {
        encode(bytes.span, into: &output)
    }

    /// Appends the padded encoding of `bytes` to `output`.
    public static func encode(_ bytes: ArraySlice<UInt8>, into output: inout [UInt8]) {
        encode(bytes.span, into: &output)
    }

    /// Appends the padded encoding of `bytes` to `output`.
    public static func encode(_ bytes: Span<UInt8>, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + (bytes.count + 2) / 3 * 4)
        var place = 0
        while place < bytes.count {
            let left = bytes.count - place
            let a = bytes[place]
            let b = left > 1 ? bytes[place + 1] : 0
            let c = left > 2 ? bytes[place + 2] : 0
            output.append(alphabet[Int(a >> 2)])
            output.append(alphabet[Int(a << 4 & 48 | b >> 4)])
            output.append(left > 1 ? alphabet[Int(b << 2 & 60 | c >> 6)] : UInt8(ascii: "="))
            output.append(left > 2 ? alphabet[Int(c & 63)] : UInt8(ascii: "="))
            place += 3
        }
    }

    /// The bytes that `text` stands for, or nil unless it is canonical padded base 64.
    public static func decode(_ text: [UInt8]) -> [UInt8]? { decode(text.span) }

    /// The bytes that `text` stands for, or nil unless it is canonical padded base 64.
    public static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? { decode(text.span) }

    /// The bytes that `text` stands for, or nil unless it is canonical padded base 64.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? { decode(Array(text)) }

    /// The bytes that `text` stands for, or nil unless it is canonical padded base 64.
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        var padding = 0
        for place in 0..<text.count {
            let character = text[place]
            if character == UInt8(ascii: "=") {
                padding += 1
                guard padding <= 2, place % 4 >= 2 else { return nil }
                group <<= 6
            } else {
                guard padding == 0, let digit = digit(character) else { return nil }
                group = group << 6 | digit
            }
            guard place % 4 == 3 else { continue }
            output.append(UInt8(group >> 16 & 255))
            output.append(UInt8(group >> 8 & 255))
            output.append(UInt8(group & 255))
            // Bits that the padding leaves over must be zero, so that there is one form only.
            let spare: UInt32 = padding == 2 ? 0xffff : padding == 1 ? 0xff : 0
            guard group & spare == 0 else { return nil }
            group = 0
        }
        output.removeLast(padding)
        return output
    }

    private static func digit(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
