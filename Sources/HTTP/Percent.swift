/// Percent-encoding (RFC 3986, section 2.1).
public enum Percent {
    /// The bytes that `encoded` stands for, or nil if a `%` is not followed by two hexadecimal digits. It
    /// decodes once: `%2541` is `%41`. With `plusIsSpace`, as in forms, `+` is a space.
    public static func decode(_ encoded: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        decodedIfNeeded(encoded, plusIsSpace: plusIsSpace).map { Array($0) }
    }

    /// Like ``decode(_:plusIsSpace:)``, without a copy if nothing is encoded.
    static func decodedIfNeeded(_ encoded: ArraySlice<UInt8>, plusIsSpace: Bool) -> ArraySlice<UInt8>? {
        var isPlain = true
        for byte in encoded where byte == UInt8(ascii: "%") || byte == UInt8(ascii: "+") && plusIsSpace {
            isPlain = false
        }
        if isPlain { return encoded }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(encoded.count)
        var place = encoded.startIndex
        while place < encoded.endIndex {
            let byte = encoded[place]
            place += 1
            switch byte {
            case UInt8(ascii: "%"):
                guard encoded.endIndex - place >= 2, let high = hexValue(encoded[place]),
                    let low = hexValue(encoded[place + 1])
                else { return nil }
                decoded.append(high << 4 | low)
                place += 2
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        return decoded[...]
    }

    /// Appends `bytes` so that they can stand in a path segment or a query: all but unreserved characters
    /// (RFC 3986, section 2.3) are encoded; `/` too, unless `keepingSlashes`.
    public static func encode(
        _ bytes: some Sequence<UInt8>, keepingSlashes: Bool = false, into output: inout [UInt8]
    ) {
        for byte in bytes {
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                output.append(byte)
            case UInt8(ascii: "/") where keepingSlashes: output.append(byte)
            default:
                output.append(UInt8(ascii: "%"))
                output.append(upperHexDigit(byte >> 4))
                output.append(upperHexDigit(byte & 15))
            }
        }
    }
}
