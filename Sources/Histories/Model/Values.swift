// Values as small numbers, so that states compare and hash fast.

/// A value of a key.
struct Value: Hashable {
    /// The number itself if `isNumber`, else a place in the table; 0 stands for all values that nobody saw.
    let code: Int64
    /// Whether it is the decimal text that an increment would write for `code`.
    let isNumber: Bool

    /// A value that nobody saw: any one of them is as good as another.
    static let unseen = Value(code: 0, isNumber: false)
    static func number(_ number: Int64) -> Value { Value(code: number, isNumber: true) }
}

/// Gives each value its code.
struct ValueTable {
    private var codes: [[UInt8]: Int64] = [:]
    /// What increments make of the values with codes.
    private var numbers: [Int64?] = [nil]
    /// The values with codes.
    private var texts: [[UInt8]] = [[]]

    /// The value of these bytes.
    mutating func value(_ bytes: [UInt8]) -> Value {
        let number = decimal(bytes)
        if let number, Array(String(number).utf8) == bytes { return .number(number) }
        if let code = codes[bytes] { return Value(code: code, isNumber: false) }
        let code = Int64(numbers.count)
        codes[bytes] = code
        numbers.append(number)
        texts.append(bytes)
        return Value(code: code, isNumber: false)
    }

    /// The bytes of a value that somebody saw.
    func bytes(of value: Value) -> [UInt8] {
        value.isNumber ? Array(String(value.code).utf8) : texts[Int(value.code)]
    }

    /// What an increment reads from a value, nil if it is no number. An absent key counts as 0.
    func number(_ value: Value?) -> Int64? {
        guard let value else { return 0 }
        return value.isNumber ? value.code : numbers[Int(value.code)]
    }
}

/// Decimal digits, with a minus sign if negative, and nothing else; nil unless it fits an `Int64`.
func decimal(_ text: [UInt8]) -> Int64? {
    let isNegative = text.first == UInt8(ascii: "-")
    let digits = text.dropFirst(isNegative ? 1 : 0)
    guard !digits.isEmpty else { return nil }
    var number: Int64 = 0
    for character in digits {
        guard case 48...57 = character else { return nil }
        let digit = Int64(character - 48)
        let (tenfold, overflow) = number.multipliedReportingOverflow(by: 10)
        let (next, overflowAgain) = tenfold.addingReportingOverflow(isNegative ? -digit : digit)
        if overflow || overflowAgain { return nil }
        number = next
    }
    return number
}
