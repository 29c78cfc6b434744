/// Reads a JSON text (RFC 8259) member by member, without a tree in between.
///
///     var reader = try JSONReader(body)
///     try reader.beginObject()
///     while let name = try reader.nextName() {
///         switch name {
///         case "to": to = try reader.string()
///         case "max": max = try reader.uint64()
///         default: throw .unknownMember(name)
///         }
///     }
///     try reader.finish()
///
/// It is strict: see the module's documentation for what is refused. Every value must be read or skipped
/// before the next name or element is asked for. No input stops the process; a wrong order of calls may.
public struct JSONReader: Sendable {
    /// What kind of value comes next.
    public enum Kind: Sendable {
        /// The kinds of RFC 8259, section 3.
        case object, array, string, number, bool, null
    }

    /// How many objects and arrays may be nested.
    public static let depthLimit = 64

    let text: [UInt8]
    var place = 0
    var names = MemberNames()
    var depth = 0
    /// One bit for each open object or array, the outermost lowest: whether it is an object.
    private var objects: UInt64 = 0
    /// Likewise: whether it has had a member or an element.
    private var filled: UInt64 = 0

    /// Reads `text` from its beginning. Throws if it begins with a byte order mark.
    public init(_ text: [UInt8]) throws(JSONError) {
        self.text = text
        if text.count >= 3, text[0] == 0xef, text[1] == 0xbb, text[2] == 0xbf {
            throw JSONError(.byteOrderMark, at: 0)
        }
    }

    /// Reads `text` from its beginning; offsets in errors count from there.
    public init(_ text: ArraySlice<UInt8>) throws(JSONError) { try self.init(Array(text)) }

    /// Where the reader is, in bytes from the beginning of the text: after a name or value that was read; the
    /// place to tell for an error of the caller's.
    public var offset: Int { place }

    /// What kind of value comes next. Consumes white space only.
    public mutating func peek() throws(JSONError) -> Kind {
        switch try nextByte() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        default: throw JSONError(.expectedValue, at: place)
        }
    }

    // MARK: Objects and arrays

    /// Enters an object.
    public mutating func beginObject() throws(JSONError) {
        guard try peek() == .object else { throw JSONError(.expectedObject, at: place) }
        try open(isObject: true)
        names.open()
    }

    /// The next member's name, whose value comes next; nil: the object is over and left.
    public mutating func nextName() throws(JSONError) -> String? {
        assert(depth > 0 && objects >> UInt64(depth - 1) & 1 == 1, "not in an object")
        var byte = try nextByte()
        if byte == UInt8(ascii: "}") {
            names.close()
            close()
            return nil
        }
        if isFilled {
            guard byte == UInt8(ascii: ",") else { throw JSONError(.expectedCommaOrBrace, at: place) }
            place += 1
            byte = try nextByte()
        }
        guard byte == UInt8(ascii: "\"") else { throw JSONError(.expectedName, at: place) }
        let start = place
        let name = try text(of: scanString())
        guard names.insert(name) else { throw JSONError(.duplicateName, at: start) }
        guard try nextByte() == UInt8(ascii: ":") else { throw JSONError(.expectedColon, at: place) }
        place += 1
        fill()
        return name
    }

    /// Enters an array.
    public mutating func beginArray() throws(JSONError) {
        guard try peek() == .array else { throw JSONError(.expectedArray, at: place) }
        try open(isObject: false)
    }

    /// Whether the array has another element, which comes next; false: the array is over and left.
    public mutating func nextElement() throws(JSONError) -> Bool {
        assert(depth > 0 && objects >> UInt64(depth - 1) & 1 == 0, "not in an array")
        let byte = try nextByte()
        if byte == UInt8(ascii: "]") {
            close()
            return false
        }
        if isFilled {
            guard byte == UInt8(ascii: ",") else { throw JSONError(.expectedCommaOrBracket, at: place) }
            place += 1
            if try nextByte() == UInt8(ascii: "]") { throw JSONError(.expectedValue, at: place) }
        }
        fill()
        return true
    }

    /// Demands that nothing but white space follows.
    public mutating func finish() throws(JSONError) {
        skipBlanks()
        if place < text.count { throw JSONError(.trailingBytes, at: place) }
    }

    // MARK: Any value

    /// Passes over a value, whatever it is, and checks it like any other, but for the range of numbers.
    public mutating func skip() throws(JSONError) {
        let outside = depth
        repeat {
            if depth > outside {
                let isObject = objects >> UInt64(depth - 1) & 1 == 1
                let hasMore = isObject ? try nextName() != nil : try nextElement()
                guard hasMore else { continue }
            }
            switch try peek() {
            case .object: try beginObject()
            case .array: try beginArray()
            case .string: _ = try scanString()
            case .number: _ = try scanNumber()
            case .bool: _ = try bool()
            case .null: _ = try null()
            }
        } while depth > outside
    }

    /// Reads a value as a tree.
    public mutating func value() throws(JSONError) -> JSONValue {
        switch try peek() {
        case .object:
            var members: [JSONValue.Member] = []
            try beginObject()
            while let name = try nextName() { members.append(JSONValue.Member(name, try value())) }
            return .object(members)
        case .array:
            var elements: [JSONValue] = []
            try beginArray()
            while try nextElement() { elements.append(try value()) }
            return .array(elements)
        case .string: return .string(try string())
        case .number: return try number()
        case .bool: return .bool(try bool())
        case .null:
            _ = try null()
            return .null
        }
    }

    // MARK: Places

    mutating func skipBlanks() {
        while place < text.count {
            switch text[place] {
            case 0x20, 0x0a, 0x0d, 0x09: place += 1
            default: return
            }
        }
    }

    /// The first byte after white space, not consumed.
    private mutating func nextByte() throws(JSONError) -> UInt8 {
        skipBlanks()
        guard place < text.count else { throw JSONError(.unexpectedEnd, at: place) }
        return text[place]
    }

    private mutating func open(isObject: Bool) throws(JSONError) {
        guard depth < JSONReader.depthLimit else { throw JSONError(.tooDeep, at: place) }
        let bit: UInt64 = 1 << UInt64(depth)
        objects = isObject ? objects | bit : objects & ~bit
        filled &= ~bit
        depth += 1
        place += 1
    }

    private mutating func close() {
        depth -= 1
        place += 1
    }

    private var isFilled: Bool { filled >> UInt64(depth - 1) & 1 == 1 }

    private mutating func fill() { filled |= 1 << UInt64(depth - 1) }
}
