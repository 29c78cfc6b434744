// The lexical rules of RFC 9110 and RFC 3986 that the parser needs, over bytes.

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 94...122, 33, 35...39, 42, 43, 45, 46, 124, 126: true
    default: false
    }
}

/// Whether a byte may stand in a field value: no control character but tab (RFC 9110, section 5.5).
func isValueByte(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7f || byte == 0x09 }

/// Whether a byte is white space within a line.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// Whether `range` of `bytes` is `word`, which is in lower case, in any case.
func equals(_ bytes: Span<UInt8>, _ range: Range<Int>, _ word: StaticString) -> Bool {
    guard range.count == word.utf8CodeUnitCount else { return false }
    for place in 0..<range.count
    where unsafe lowerCase(bytes[range.lowerBound + place]) != word.utf8Start[place] {
        return false
    }
    return true
}

/// `range` without the white space at its ends.
func trimmed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, isBlank(bytes[start]) { start += 1 }
    while end > start, isBlank(bytes[end - 1]) { end -= 1 }
    return start..<end
}

/// Calls `body` with each element of a comma-separated list, trimmed, empty ones included.
func forEachElement(_ bytes: Span<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    for place in range where bytes[place] == UInt8(ascii: ",") {
        body(trimmed(bytes, start..<place))
        start = place + 1
    }
    body(trimmed(bytes, start..<range.upperBound))
}

/// Whether `range` is `host [":" port]` (RFC 3986, section 3.2) without user information, or empty. A comma,
/// which the RFC allows in names, is refused: it would be a list of hosts.
func isAuthority(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var place = range.lowerBound
    let end = range.upperBound
    if place < end, bytes[place] == UInt8(ascii: "[") {
        place += 1
        let start = place
        while place < end, isAddressByte(bytes[place]) { place += 1 }
        guard place > start, place < end, bytes[place] == UInt8(ascii: "]") else { return false }
        place += 1
    } else {
        while place < end, isHostByte(bytes[place]) { place += 1 }
    }
    guard place < end else { return true }
    guard bytes[place] == UInt8(ascii: ":"), end - place <= 6, place > range.lowerBound else { return false }
    for digit in place + 1..<end where bytes[digit] &- 48 > 9 { return false }
    return true
}

private func isAddressByte(_ byte: UInt8) -> Bool {
    hexValue(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
}

private func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    case 33, 36...43, 45, 46, 59, 61, 95, 126: true  // ! $ % & ' ( ) * + - . ; = _ ~
    default: false
    }
}
