/// Why a query was refused.
public enum QueryError: Error, Equatable, Sendable {
    /// A `%` without two hexadecimal digits after it, in the parameter with this position (from 0).
    case malformedEncoding(parameter: Int)
    /// A parameter without a name, as in `?=1` or `?a&&b`, at this position (from 0).
    case emptyName(parameter: Int)
    /// A name that is not UTF-8, at this position (from 0).
    case nameNotText(parameter: Int)
}

/// The parameters of a request in their order (`application/x-www-form-urlencoded`: `+` is a space). Names
/// are text, values are bytes, and repeated names stay visible, so that the caller can refuse them.
public struct Query: Sendable, Equatable {
    /// One parameter.
    public struct Parameter: Sendable, Equatable {
        /// The decoded name, never empty.
        public let name: String
        /// The decoded value; empty for `?name` as for `?name=`.
        public let value: [UInt8]
        /// Whether there was a `=`.
        public let hasValue: Bool

        /// The value as text, or nil if it is not UTF-8.
        public var text: String? { String(validating: value, as: UTF8.self) }

        /// The value as a whole number: decimal digits only, no sign, within 64 bits; nil for anything else.
        public var unsigned: UInt64? { decimal(value) }
    }

    /// All parameters in their order.
    public let parameters: [Parameter]

    /// Reads what follows the `?` of a target.
    public init(parsing raw: [UInt8]) throws(QueryError) {
        var parameters: [Parameter] = []
        var start = 0
        while start < raw.count {
            let end = raw[start...].firstIndex(of: UInt8(ascii: "&")) ?? raw.count
            let part = raw[start..<end]
            let sign = part.firstIndex(of: UInt8(ascii: "="))
            let position = parameters.count
            let rawName = part[..<(sign ?? end)]
            guard let name = Percent.decodedIfNeeded(rawName, plusIsSpace: true),
                let value = Percent.decode(part[(sign.map { $0 + 1 } ?? end)...], plusIsSpace: true)
            else { throw .malformedEncoding(parameter: position) }
            guard !rawName.isEmpty else { throw .emptyName(parameter: position) }
            guard let text = String(validating: name, as: UTF8.self) else {
                throw .nameNotText(parameter: position)
            }
            parameters.append(Parameter(name: text, value: value, hasValue: sign != nil))
            start = end + 1
            if start == raw.count { throw .emptyName(parameter: position + 1) }
        }
        self.parameters = parameters
    }

    /// No parameters.
    public init() { parameters = [] }

    /// The first parameter with this name.
    public subscript(name: String) -> Parameter? { parameters.first { $0.name == name } }

    /// The name of a parameter that occurs more than once, if there is one.
    public var repeatedName: String? {
        if parameters.count < 2 { return nil }
        var seen: Set<String> = []
        return parameters.first { !seen.insert($0.name).inserted }?.name
    }
}

/// The number that decimal digits stand for; nil for signs, spaces, no digits at all, or more than 64 bits.
func decimal(_ digits: some Sequence<UInt8>) -> UInt64? {
    var number: UInt64 = 0
    var isEmpty = true
    for digit in digits {
        guard digit &- 48 < 10 else { return nil }
        isEmpty = false
        let (product, overflow) = number.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(digit &- 48))
        if overflow || carry { return nil }
        number = sum
    }
    return isEmpty ? nil : number
}
