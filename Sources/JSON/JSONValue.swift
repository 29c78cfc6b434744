/// A JSON value as a tree, for places where speed does not matter.
public enum JSONValue: Sendable, Equatable {
    /// Members in their order; names are unique.
    case object([Member])
    /// Elements in their order.
    case array([JSONValue])
    /// Text.
    case string(String)
    /// A whole number, written without fraction or exponent.
    case integer(Int64)
    /// A whole number above `Int64.max`.
    case unsigned(UInt64)
    /// Any other number.
    case double(Double)
    /// A truth value.
    case bool(Bool)
    /// Nothing.
    case null

    /// A member of an object.
    public struct Member: Sendable, Equatable {
        /// Unique in its object.
        public var name: String
        /// What the name stands for.
        public var value: JSONValue
        /// A member.
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Reads a text that is one value and nothing else.
    public init(parsing text: [UInt8]) throws(JSONError) {
        var reader = try JSONReader(text)
        self = try reader.value()
        try reader.finish()
    }

    /// Reads a text that is one value and nothing else.
    public init(parsing text: ArraySlice<UInt8>) throws(JSONError) {
        var reader = try JSONReader(text)
        self = try reader.value()
        try reader.finish()
    }

    /// Reads a text that is one value and nothing else.
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

    /// The value of the member with this name; nil if there is none or this is not an object.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// The element at this place; nil if there is none or this is not an array.
    public subscript(place: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(place) else { return nil }
        return elements[place]
    }

    /// The members, or nil if this is not an object.
    public var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    /// The elements, or nil if this is not an array.
    public var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// The text, or nil if this is not a string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The truth value, or nil if this is none.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// Whether this is null.
    public var isNull: Bool { self == .null }

    /// The whole number if it is one from -2^63 to 2^63 - 1.
    public var integer: Int64? { if case .integer(let number) = self { number } else { nil } }

    /// The whole number if it is one from 0 to 2^64 - 1.
    public var unsigned: UInt64? {
        switch self {
        case .integer(let number): UInt64(exactly: number)
        case .unsigned(let number): number
        case .object, .array, .string, .double, .bool, .null: nil
        }
    }

    /// Any number, rounded to the nearest double.
    public var double: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .unsigned(let number): Double(number)
        case .double(let number): number
        case .object, .array, .string, .bool, .null: nil
        }
    }

    /// The text form, without a line end.
    public func serialized(pretty: Bool = false) -> [UInt8] {
        var writer = JSONWriter(pretty: pretty)
        writer.value(self)
        return writer.take()
    }
}
