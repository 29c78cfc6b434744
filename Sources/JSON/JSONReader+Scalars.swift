import Primitives

// Strings, numbers and the three literals.

extension JSONReader {
    /// Reads a string.
    public mutating func string() throws(JSONError) -> String {
        guard try peek() == .string else { throw JSONError(.expectedString, at: place) }
        return text(of: try scanString())
    }

    /// Reads a string as the bytes of its UTF-8 form, without making text of it.
    public mutating func bytes() throws(JSONError) -> [UInt8] {
        guard try peek() == .string else { throw JSONError(.expectedString, at: place) }
        let token = try scanString()
        return token.hasEscapes ? unescaped(token.range) : Array(text[token.range])
    }

    /// Reads a string of padded base 64 as the bytes that it stands for.
    public mutating func base64() throws(JSONError) -> [UInt8] {
        guard try peek() == .string else { throw JSONError(.expectedString, at: place) }
        let start = place
        let token = try scanString()
        let decoded =
            token.hasEscapes ? Base64.decode(unescaped(token.range)) : Base64.decode(text[token.range])
        guard let decoded else { throw JSONError(.malformedBase64, at: start) }
        return decoded
    }

    /// Reads a whole number from -2^63 to 2^63 - 1, exactly. `1.0` and `1e2` are refused.
    public mutating func int64() throws(JSONError) -> Int64 {
        let token = try wholeNumber()
        guard let magnitude = magnitude(token.digits) else {
            throw JSONError(.numberOutOfRange, at: token.start)
        }
        if token.isNegative {
            guard magnitude <= Int64.min.magnitude else {
                throw JSONError(.numberOutOfRange, at: token.start)
            }
            return Int64(truncatingIfNeeded: 0 &- magnitude)
        }
        guard let number = Int64(exactly: magnitude) else {
            throw JSONError(.numberOutOfRange, at: token.start)
        }
        return number
    }

    /// Reads a whole number from 0 to 2^64 - 1, exactly. `1.0` and `1e2` are refused; `-0` is 0.
    public mutating func uint64() throws(JSONError) -> UInt64 {
        let token = try wholeNumber()
        guard let magnitude = magnitude(token.digits), !token.isNegative || magnitude == 0 else {
            throw JSONError(.numberOutOfRange, at: token.start)
        }
        return magnitude
    }

    /// Reads any number as the nearest double; beyond the range of doubles it is refused.
    public mutating func double() throws(JSONError) -> Double {
        guard try peek() == .number else { throw JSONError(.expectedNumber, at: place) }
        return try double(of: try scanNumber())
    }

    /// Reads a truth value.
    public mutating func bool() throws(JSONError) -> Bool {
        guard try peek() == .bool else { throw JSONError(.expectedBool, at: place) }
        let isTrue = text[place] == UInt8(ascii: "t")
        try literal(isTrue ? "true" : "false")
        return isTrue
    }

    /// Passes over `null` if that is what comes next; false: another value comes next.
    public mutating func null() throws(JSONError) -> Bool {
        guard try peek() == .null else { return false }
        try literal("null")
        return true
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard place + index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
            guard unsafe text[place + index] == word.utf8Start[index] else {
                throw JSONError(.expectedValue, at: place)
            }
        }
        place += word.utf8CodeUnitCount
    }
}

// MARK: - Strings

extension JSONReader {
    /// A string between its quotes, checked.
    struct StringToken {
        var range: Range<Int>
        var hasEscapes: Bool
    }

    /// Checks the string whose opening quote is at `place`, and passes over it.
    mutating func scanString() throws(JSONError) -> StringToken {
        let token = try JSONReader.scanString(text.span, at: place)
        place = token.range.upperBound + 1
        return token
    }

    private static func scanString(_ bytes: Span<UInt8>, at quote: Int) throws(JSONError) -> StringToken {
        let start = quote + 1
        var index = start
        var hasEscapes = false
        while true {
            index += plainPrefix(bytes, from: index)
            guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: index) }
            switch bytes[index] {
            case UInt8(ascii: "\""):
                return StringToken(range: start..<index, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                index += try escapeLength(bytes, at: index)
            case 0..<0x20: throw JSONError(.controlCharacter, at: index)
            default:
                guard let length = sequenceLength(bytes, at: index) else {
                    throw JSONError(.invalidUTF8, at: index)
                }
                index += length
            }
        }
    }

    private static func escapeLength(_ bytes: Span<UInt8>, at place: Int) throws(JSONError) -> Int {
        guard place + 1 < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        switch bytes[place + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"): break
        default: throw JSONError(.malformedEscape, at: place)
        }
        guard let unit = codeUnit(bytes, at: place) else { throw JSONError(.malformedEscape, at: place) }
        switch unit {
        case 0xd800...0xdbff:
            guard let low = codeUnit(bytes, at: place + 6), 0xdc00...0xdfff ~= low else {
                throw JSONError(.loneSurrogate, at: place)
            }
            return 12
        case 0xdc00...0xdfff: throw JSONError(.loneSurrogate, at: place)
        default: return 6
        }
    }

    /// The code unit of `\uXXXX` at `place`.
    private static func codeUnit(_ bytes: Span<UInt8>, at place: Int) -> UInt16? {
        guard bytes.count - place >= 6, bytes[place] == UInt8(ascii: "\\"),
            bytes[place + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for index in place + 2..<place + 6 {
            guard let digit = hexValue(bytes[index]) else { return nil }
            unit = unit << 4 | digit
        }
        return unit
    }

    func text(of token: StringToken) -> String {
        token.hasEscapes
            ? String(decoding: unescaped(token.range), as: UTF8.self)
            : String(decoding: text[token.range], as: UTF8.self)
    }

    /// The bytes that a checked string stands for.
    private func unescaped(_ range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = text[index]
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                index += 1
                continue
            }
            let escape = text[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): result.append(8)
            case UInt8(ascii: "f"): result.append(12)
            case UInt8(ascii: "n"): result.append(10)
            case UInt8(ascii: "r"): result.append(13)
            case UInt8(ascii: "t"): result.append(9)
            case UInt8(ascii: "u"): index = appendUnicode(at: index - 2, to: &result)
            default: result.append(escape)
            }
        }
        return result
    }

    /// Appends the character of the checked escape at `place`, and says where it ends.
    private func appendUnicode(at place: Int, to result: inout [UInt8]) -> Int {
        let bytes = text.span
        var value = UInt32(JSONReader.codeUnit(bytes, at: place) ?? 0xfffd)
        var end = place + 6
        if 0xd800...0xdbff ~= value, let low = JSONReader.codeUnit(bytes, at: end) {
            value = 0x10000 + (value & 0x3ff) << 10 + UInt32(low & 0x3ff)
            end += 6
        }
        result.append(
            contentsOf: UTF8.encode(Unicode.Scalar(value) ?? "\u{fffd}") ?? UTF8.encodedReplacementCharacter)
        return end
    }
}

// MARK: - Numbers

extension JSONReader {
    /// A number, checked against the grammar of RFC 8259, section 6.
    struct NumberToken {
        var start: Int
        var end: Int
        var isNegative: Bool
        /// Whether there is neither fraction nor exponent.
        var isWhole: Bool
        /// The digits before fraction and exponent.
        var digits: Range<Int>
    }

    /// Checks the number at `place`, and passes over it.
    mutating func scanNumber() throws(JSONError) -> NumberToken {
        let start = place
        var index = place
        let isNegative = text[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        let first = index
        try scanDigits(&index, start)
        if text[first] == UInt8(ascii: "0"), index > first + 1 {
            throw JSONError(.malformedNumber, at: start)
        }
        let digits = first..<index
        if index < text.count, text[index] == UInt8(ascii: ".") {
            index += 1
            try scanDigits(&index, start)
        }
        if index < text.count, text[index] | 32 == UInt8(ascii: "e") {
            index += 1
            if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") {
                index += 1
            }
            try scanDigits(&index, start)
        }
        place = index
        return NumberToken(
            start: start, end: index, isNegative: isNegative, isWhole: index == digits.upperBound,
            digits: digits)
    }

    private func scanDigits(_ index: inout Int, _ start: Int) throws(JSONError) {
        let first = index
        while index < text.count, text[index] &- 48 < 10 { index += 1 }
        guard index > first else { throw JSONError(.malformedNumber, at: start) }
    }

    private mutating func wholeNumber() throws(JSONError) -> NumberToken {
        guard try peek() == .number else { throw JSONError(.expectedNumber, at: place) }
        let token = try scanNumber()
        guard token.isWhole else { throw JSONError(.notAnInteger, at: token.start) }
        return token
    }

    private func magnitude(_ digits: Range<Int>) -> UInt64? {
        var number: UInt64 = 0
        for index in digits {
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(text[index] &- 48))
            if overflow || carry { return nil }
            number = sum
        }
        return number
    }

    private func double(of token: NumberToken) throws(JSONError) -> Double {
        let number = Double(String(decoding: text[token.start..<token.end], as: UTF8.self))
        guard let number, number.isFinite else { throw JSONError(.numberOutOfRange, at: token.start) }
        return number
    }

    /// Whole numbers stay exact, and are refused beyond 64 bits; all others become doubles.
    mutating func number() throws(JSONError) -> JSONValue {
        let token = try scanNumber()
        guard token.isWhole else { return .double(try double(of: token)) }
        guard let magnitude = magnitude(token.digits) else {
            throw JSONError(.numberOutOfRange, at: token.start)
        }
        if token.isNegative {
            guard magnitude <= Int64.min.magnitude else {
                throw JSONError(.numberOutOfRange, at: token.start)
            }
            return .integer(Int64(truncatingIfNeeded: 0 &- magnitude))
        }
        return Int64(exactly: magnitude).map(JSONValue.integer) ?? .unsigned(magnitude)
    }
}
