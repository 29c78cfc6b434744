// Looking over bytes eight at a time: what strings cost, both ways, is mostly this.

/// How many bytes from `start` on are plain: printable ASCII but `"` and `\`, so that they stand for
/// themselves in a JSON string.
func plainPrefix(_ bytes: Span<UInt8>, from start: Int) -> Int {
    let raw = unsafe bytes.bytes
    var place = start
    while place + 8 <= bytes.count {
        // Safe: the eight bytes lie inside the span, and any bits are a number.
        let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self).littleEndian
        let quotes = word ^ 0x2222_2222_2222_2222
        let escapes = word ^ 0x5c5c_5c5c_5c5c_5c5c
        let control = word &- 0x2020_2020_2020_2020
        let special =
            (control & ~word | (quotes &- ones) & ~quotes | (escapes &- ones) & ~escapes | word) & ones << 7
        // The lowest bit is exact; bits above it may be borrowed from below.
        if special != 0 { return place + special.trailingZeroBitCount / 8 - start }
        place += 8
    }
    while place < bytes.count, isPlain(bytes[place]) { place += 1 }
    return place - start
}

private let ones: UInt64 = 0x0101_0101_0101_0101

private func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
}

/// The length of the well-formed UTF-8 sequence of a character beyond ASCII at `place` (Unicode, table 3-7),
/// or nil: no overlong forms, no surrogates, nothing above U+10FFFF.
func sequenceLength(_ bytes: Span<UInt8>, at place: Int) -> Int? {
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch bytes[place] {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    case 0xf1...0xf3: length = 4
    default: return nil
    }
    guard bytes.count - place >= length, second.contains(bytes[place + 1]) else { return nil }
    for index in place + 2..<max(place + 2, place + length) where bytes[index] & 0xc0 != 0x80 { return nil }
    return length
}

/// Whether `bytes` are well-formed UTF-8.
func isUTF8(_ bytes: Span<UInt8>) -> Bool {
    var place = 0
    while place < bytes.count {
        place += plainPrefix(bytes, from: place)
        guard place < bytes.count else { return true }
        if bytes[place] < 0x80 {
            place += 1
        } else if let length = sequenceLength(bytes, at: place) {
            place += length
        } else {
            return false
        }
    }
    return true
}

/// The value of a hexadecimal digit.
func hexValue(_ byte: UInt8) -> UInt16? {
    switch byte {
    case 48...57: UInt16(byte) - 48
    case 65...70: UInt16(byte) - 55
    case 97...102: UInt16(byte) - 87
    default: nil
    }
}
