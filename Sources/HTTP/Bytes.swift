// Small tools over bytes that the parser and the writer share.

/// ASCII letters in lower case, all other bytes as they are.
func lowerCase(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 32 : byte }

/// The value of a hexadecimal digit.
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
}

/// A number below 16 as an upper-case hexadecimal digit.
func upperHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }

/// Appends the text of a literal.
func append(_ text: StaticString, to output: inout [UInt8]) {
    // Safe: a static string's storage is constant and has this length.
    unsafe output.append(
        contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

/// Appends CR LF.
func appendLineEnd(to output: inout [UInt8]) { append("\r\n", to: &output) }

/// Appends a number in decimal.
func appendDecimal(_ number: some FixedWidthInteger, to output: inout [UInt8]) {
    if number < 0 { output.append(UInt8(ascii: "-")) }
    var rest = UInt64(number.magnitude)
    var digits = InlineArray<20, UInt8>(repeating: 48)
    var start = 20
    repeat {
        start -= 1
        let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
        digits[start] = 48 + UInt8(remainder)
        rest = quotient
    } while rest > 0
    for place in start..<20 { output.append(digits[place]) }
}

/// Appends a number in lower-case hexadecimal.
func appendHexadecimal(_ number: Int, to output: inout [UInt8]) {
    var shift = max(0, (63 - number.leadingZeroBitCount) / 4 * 4)
    while shift >= 0 {
        let digit = UInt8(number >> shift & 15)
        output.append(digit < 10 ? 48 + digit : 87 + digit)
        shift -= 4
    }
}
