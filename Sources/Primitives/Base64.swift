/// Base 64 with padding (RFC 4648, section 4), and its URL-safe alphabet without padding (section 5).
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends the padded encoding of `bytes` to `output`.
    public static func encode(_ bytes: some RandomAccessCollection<UInt8>, into output: inout [UInt8]) {
        var place = bytes.startIndex
        var left = bytes.count
        while left > 0 {
            let a = bytes[place]
            bytes.formIndex(after: &place)
            var b: UInt8 = 0
            var c: UInt8 = 0
            if left > 1 {
                b = bytes[place]
                bytes.formIndex(after: &place)
            }
            if left > 2 {
                c = bytes[place]
                bytes.formIndex(after: &place)
            }
            output.append(alphabet[Int(a >> 2)])
            output.append(alphabet[Int(a << 4 & 48 | b >> 4)])
            output.append(left > 1 ? alphabet[Int(b << 2 & 60 | c >> 6)] : UInt8(ascii: "="))
            output.append(left > 2 ? alphabet[Int(c & 63)] : UInt8(ascii: "="))
            left -= 3
        }
    }

    /// The bytes that `text` stands for, or nil unless it is canonical padded base 64.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        var inGroup = 0
        var padding = 0
        for character in text {
            let value: UInt32
            if character == UInt8(ascii: "=") {
                padding += 1
                guard padding <= 2, inGroup >= 2 else { return nil }
                value = 0
            } else {
                guard padding == 0, let digit = digit(character) else { return nil }
                value = digit
            }
            group = group << 6 | value
            inGroup += 1
            if inGroup == 4 {
                output.append(UInt8(group >> 16 & 255))
                output.append(UInt8(group >> 8 & 255))
                output.append(UInt8(group & 255))
                let spare: UInt32 = padding == 2 ? 0xffff : padding == 1 ? 0xff : 0
                guard group & spare == 0 else { return nil }
                group = 0
                inGroup = 0
            }
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
