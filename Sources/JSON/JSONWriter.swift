public import Primitives

/// Writes a JSON text (RFC 8259) into a buffer; commas and, if wished, indentation come by themselves.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.field("revision", 44)
///     writer.bytesField("value", item.value)
///     writer.endObject()
///
/// That every object and array is ended, and that names stand in objects only and once, is the caller's
/// business. Instants and durations are the caller's too.
public struct JSONWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8]
    private let isPretty: Bool
    private var depth = 0
    /// One bit for each open object or array, the outermost lowest: whether it has had a member or an
    /// element.
    private var filled: UInt64 = 0
    private var isAfterName = false

    /// Starts with an empty buffer that has room for `capacity` bytes; `pretty` indents by two spaces.
    public init(pretty: Bool = false, capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
        isPretty = pretty
    }

    /// Goes on after what `bytes` holds.
    public init(continuing bytes: consuming [UInt8], pretty: Bool = false) {
        self.bytes = bytes
        isPretty = pretty
    }

    /// Takes the buffer out and leaves an empty one.
    public mutating func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    // MARK: Structure

    /// Enters an object.
    public mutating func beginObject() { open(UInt8(ascii: "{")) }
    /// Leaves an object.
    public mutating func endObject() { close(UInt8(ascii: "}")) }
    /// Enters an array.
    public mutating func beginArray() { open(UInt8(ascii: "[")) }
    /// Leaves an array.
    public mutating func endArray() { close(UInt8(ascii: "]")) }

    /// The name of the member whose value comes next.
    public mutating func name(_ name: String) {
        separate()
        append(escaping: name.utf8.span)
        bytes.append(UInt8(ascii: ":"))
        if isPretty { bytes.append(UInt8(ascii: " ")) }
        isAfterName = true
    }

    /// Ends a line, between the documents of a stream or after the only one.
    public mutating func lineEnd() { bytes.append(UInt8(ascii: "\n")) }

    // MARK: Values

    /// A string.
    public mutating func string(_ text: String) {
        separate()
        append(escaping: text.utf8.span)
    }

    /// A string from bytes that are known to be UTF-8. Stops the process if they are not.
    public mutating func string(utf8 text: ArraySlice<UInt8>) {
        precondition(isUTF8(text.span), "bytes that are not UTF-8 as a JSON string")
        separate()
        append(escaping: text.span)
    }

    /// A string of padded base 64.
    public mutating func base64(_ data: ArraySlice<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        Base64.encode(data, into: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// A whole number.
    public mutating func number(_ number: Int) {
        separate()
        appendDecimal(UInt64(number.magnitude), isNegative: number < 0)
    }

    /// A whole number.
    public mutating func number(_ number: Int64) {
        separate()
        appendDecimal(number.magnitude, isNegative: number < 0)
    }

    /// A whole number.
    public mutating func number(_ number: UInt64) {
        separate()
        appendDecimal(number, isNegative: false)
    }

    /// A whole number of any other type.
    public mutating func number(_ number: some FixedWidthInteger) {
        separate()
        appendDecimal(UInt64(number.magnitude), isNegative: number < 0)
    }

    /// A counter.
    public mutating func number(_ counter: some Counter) { number(counter.rawValue) }

    /// A number in its shortest exact form; `null` if it is not finite, which JSON cannot say.
    public mutating func number(_ number: Double) {
        separate()
        bytes.append(contentsOf: number.isFinite ? "\(number)".utf8 : "null".utf8)
    }

    /// A truth value.
    public mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: value ? "true".utf8 : "false".utf8)
    }

    /// Nothing.
    public mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// A value that is JSON text already.
    public mutating func raw(_ json: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    /// A whole tree.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .object(let members):
            beginObject()
            for member in members {
                name(member.name)
                self.value(member.value)
            }
            endObject()
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .string(let text): string(text)
        case .integer(let number): self.number(number)
        case .unsigned(let number): self.number(number)
        case .double(let number): self.number(number)
        case .bool(let value): bool(value)
        case .null: null()
        }
    }

    // MARK: Members

    /// A member with a string.
    public mutating func field(_ name: String, _ text: String) {
        self.name(name)
        string(text)
    }

    /// A member with a whole number.
    public mutating func field(_ name: String, _ number: Int) {
        self.name(name)
        self.number(number)
    }

    /// A member with a whole number.
    public mutating func field(_ name: String, _ number: Int64) {
        self.name(name)
        self.number(number)
    }

    /// A member with a whole number.
    public mutating func field(_ name: String, _ number: UInt64) {
        self.name(name)
        self.number(number)
    }

    /// A member with a whole number of any other type.
    public mutating func field(_ name: String, _ number: some FixedWidthInteger) {
        self.name(name)
        self.number(number)
    }

    /// A member with a counter.
    public mutating func field(_ name: String, _ counter: some Counter) { field(name, counter.rawValue) }

    /// A member with a number.
    public mutating func field(_ name: String, _ number: Double) {
        self.name(name)
        self.number(number)
    }

    /// A member with a truth value.
    public mutating func field(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    /// A member with bytes: `"name":"…"` if they are UTF-8, otherwise `"name_b64":"…"`, so that a client that
    /// does not know the second form fails loudly.
    public mutating func bytesField(_ name: String, _ data: ArraySlice<UInt8>) {
        if isUTF8(data.span) {
            self.name(name)
            isAfterName = false
            append(escaping: data.span)
        } else {
            self.name(name + "_b64")
            base64(data)
        }
    }

    /// A member with bytes, as text or base 64.
    public mutating func bytesField(_ name: String, _ data: [UInt8]) { bytesField(name, data[...]) }
}

// MARK: - Bytes

extension JSONWriter {
    private mutating func open(_ bracket: UInt8) {
        precondition(depth < 64, "nested more than 64 deep")
        separate()
        bytes.append(bracket)
        filled &= ~(1 << UInt64(depth))
        depth += 1
    }

    private mutating func close(_ bracket: UInt8) {
        precondition(depth > 0 && !isAfterName, "nothing to end here")
        depth -= 1
        if isPretty, filled >> UInt64(depth) & 1 == 1 { indent() }
        bytes.append(bracket)
    }

    /// What stands before a name or a value.
    private mutating func separate() {
        if isAfterName {
            isAfterName = false
            return
        }
        guard depth > 0 else { return }
        let bit: UInt64 = 1 << UInt64(depth - 1)
        if filled & bit != 0 { bytes.append(UInt8(ascii: ",")) }
        filled |= bit
        if isPretty { indent() }
    }

    private mutating func indent() {
        bytes.append(UInt8(ascii: "\n"))
        for _ in 0..<2 * depth { bytes.append(UInt8(ascii: " ")) }
    }

    private mutating func append(escaping text: Span<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        var place = 0
        while place < text.count {
            let count = plainPrefix(text, from: place)
            // Safe: the pointer is used only while it is lent.
            unsafe text.extracting(place..<place + count).withUnsafeBufferPointer {
                unsafe bytes.append(contentsOf: $0)
            }
            place += count
            guard place < text.count else { break }
            if text[place] < 0x80 {
                append(escape: text[place])
            } else {
                bytes.append(text[place])
            }
            place += 1
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func append(escape byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 8: bytes.append(UInt8(ascii: "b"))
        case 9: bytes.append(UInt8(ascii: "t"))
        case 10: bytes.append(UInt8(ascii: "n"))
        case 12: bytes.append(UInt8(ascii: "f"))
        case 13: bytes.append(UInt8(ascii: "r"))
        default:
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(48 + (byte >> 4))
            bytes.append(byte & 15 < 10 ? 48 + (byte & 15) : 87 + (byte & 15))
        }
    }

    private mutating func appendDecimal(_ magnitude: UInt64, isNegative: Bool) {
        if isNegative { bytes.append(UInt8(ascii: "-")) }
        var rest = magnitude
        var digits = InlineArray<20, UInt8>(repeating: 48)
        var start = 20
        repeat {
            start -= 1
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            digits[start] = 48 + UInt8(remainder)
            rest = quotient
        } while rest > 0
        for place in start..<20 { bytes.append(digits[place]) }
    }
}
