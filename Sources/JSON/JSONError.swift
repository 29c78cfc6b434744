/// Why a JSON text was refused, and where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, in plain words.
    public enum Reason: String, Sendable {
        /// The text ends inside a value.
        case unexpectedEnd = "the text ends too early"
        /// There is more after the value.
        case trailingBytes = "there is more after the value"
        /// A byte that no value begins with.
        case expectedValue = "a value is expected"
        /// No member name where there must be one.
        case expectedName = "a member name in double quotes is expected"
        /// No colon after a name.
        case expectedColon = "a colon is expected"
        /// Neither a comma nor the end of an object.
        case expectedCommaOrBrace = "a comma or } is expected"
        /// Neither a comma nor the end of an array.
        case expectedCommaOrBracket = "a comma or ] is expected"
        /// A number against the grammar, as in `01`, `1.` or `+1`.
        case malformedNumber = "the number is malformed"
        /// A number beyond its type's range.
        case numberOutOfRange = "the number is out of range"
        /// A number with a fraction or an exponent where a whole one is expected.
        case notAnInteger = "a whole number without fraction or exponent is expected"
        /// A control character in a string, not escaped.
        case controlCharacter = "a control character in a string must be escaped"
        /// A backslash before something that cannot be escaped.
        case malformedEscape = "the escape sequence is malformed"
        /// Half a surrogate pair.
        case loneSurrogate = "the escape sequence is half of a surrogate pair"
        /// Bytes that are not UTF-8.
        case invalidUTF8 = "the text is not valid UTF-8"
        /// A byte order mark.
        case byteOrderMark = "the text begins with a byte order mark"
        /// A name that the object has already.
        case duplicateName = "the member name occurs twice"
        /// More than 64 objects and arrays within each other.
        case tooDeep = "objects and arrays are nested more than 64 deep"
        /// Another type where an object is expected.
        case expectedObject = "an object is expected"
        /// Another type where an array is expected.
        case expectedArray = "an array is expected"
        /// Another type where a string is expected.
        case expectedString = "a string is expected"
        /// Another type where a number is expected.
        case expectedNumber = "a number is expected"
        /// Another type where a truth value is expected.
        case expectedBool = "true or false is expected"
        /// Text that is not padded base 64.
        case malformedBase64 = "padded base 64 is expected"
    }

    /// What is wrong.
    public let reason: Reason
    /// Bytes from the beginning of the text.
    public let offset: Int

    /// An error at a place.
    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// As in `the number is malformed (at byte 17)`.
    public var description: String { "\(reason.rawValue) (at byte \(offset))" }
}
