import JSON
import Primitives

/// Why a history file was refused.
public struct HistoryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The line, counted from 1.
    public let line: Int
    /// What is wrong there.
    public let reason: String

    /// As in `line 7: there is no member "key"`.
    public var description: String { "line \(line): \(reason)" }
}

extension History {
    /// Reads the file form strictly.
    public init(parsing text: [UInt8]) throws(HistoryError) {
        var lines = text.split(separator: 10, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        guard let first = lines.first else {
            throw HistoryError(line: 1, reason: "the file is empty; it must begin with a header")
        }
        var header = try LineReader(first, line: 1)
        guard try header.need(header.integer("parley_history"), "parley_history") == 1 else {
            throw HistoryError(line: 1, reason: "the form's version is not 1")
        }
        let isExclusive = try header.flag("exclusive")
        let start = try header.counter("start_revision") ?? Revision(1)
        try header.finish()
        var operations: [HistoryOperation] = []
        operations.reserveCapacity(lines.count)
        var ids: Set<Int> = []
        var returns: [Int: Int64] = [:]
        for (place, text) in lines.enumerated().dropFirst() {
            var line = try LineReader(text, line: place + 1)
            let operation = try line.operation()
            try line.finish()
            if !ids.insert(operation.id).inserted { throw line.error("the id \(operation.id) occurs twice") }
            if let last = operations.last, last.invoked > operation.invoked {
                throw line.error("the operation was invoked before the one of the line above")
            }
            if let last = returns[operation.client], last > operation.invoked {
                throw line.error("client \(operation.client) had not returned from its last operation")
            }
            // A client goes on after an unknown outcome; only an answer tells when it was free again.
            if let returned = operation.returned { returns[operation.client] = returned }
            operations.append(operation)
        }
        self.init(operations, isExclusive: isExclusive, startRevision: start)
    }
}

/// Takes the members of one line, each by its name and once.
struct LineReader {
    let line: Int
    private var members: [JSONValue.Member]

    init(_ text: ArraySlice<UInt8>, line: Int) throws(HistoryError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: text)
        } catch {
            throw HistoryError(line: line, reason: "\(error)")
        }
        try self.init(value, line: line)
    }

    init(_ value: JSONValue, line: Int) throws(HistoryError) {
        self.line = line
        guard let members = value.members else {
            throw HistoryError(line: line, reason: "a JSON object is expected")
        }
        self.members = members
    }

    func error(_ reason: String) -> HistoryError { HistoryError(line: line, reason: reason) }

    /// Demands that every member was taken.
    func finish() throws(HistoryError) {
        if let member = members.first { throw error("the member \"\(member.name)\" has no place here") }
    }

    // MARK: Members

    /// Takes a member out, nil if there is none.
    mutating func take(_ name: String) -> JSONValue? {
        guard let place = members.firstIndex(where: { $0.name == name }) else { return nil }
        return members.remove(at: place).value
    }

    /// A member that stays, nil if there is none.
    func peek(_ name: String) -> JSONValue? { members.first { $0.name == name }?.value }

    func need<Value>(_ value: Value?, _ name: String) throws(HistoryError) -> Value {
        guard let value else { throw error("there is no member \"\(name)\"") }
        return value
    }

    mutating func integer(_ name: String) throws(HistoryError) -> Int64? {
        guard let value = take(name) else { return nil }
        guard let number = value.integer else {
            throw error("\"\(name)\" must be a whole number from -2^63 to 2^63 - 1")
        }
        return number
    }

    mutating func unsigned(_ name: String) throws(HistoryError) -> UInt64? {
        guard let value = take(name) else { return nil }
        guard let number = value.unsigned else {
            throw error("\"\(name)\" must be a whole number that is not negative")
        }
        return number
    }

    mutating func counter(_ name: String) throws(HistoryError) -> Revision? {
        try unsigned(name).map { Revision($0) }
    }

    mutating func text(_ name: String) throws(HistoryError) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.string else { throw error("\"\(name)\" must be a string") }
        return text
    }

    mutating func flag(_ name: String) throws(HistoryError) -> Bool {
        guard let value = take(name) else { return false }
        guard let flag = value.bool else { throw error("\"\(name)\" must be true or false") }
        return flag
    }

    /// Bytes as text under their name or in base 64 under the name with `_b64`.
    mutating func bytes(_ name: String) throws(HistoryError) -> [UInt8]? {
        let plain = try text(name)
        guard let coded = try text(name + "_b64") else { return plain.map { Array($0.utf8) } }
        if plain != nil { throw error("both \"\(name)\" and \"\(name)_b64\" are there") }
        guard let bytes = Base64.decode(Array(coded.utf8)) else {
            throw error("\"\(name)_b64\" must be padded base 64")
        }
        return bytes
    }

    mutating func elements(_ name: String) throws(HistoryError) -> [JSONValue]? {
        guard let value = take(name) else { return nil }
        guard let elements = value.elements else { throw error("\"\(name)\" must be a list") }
        return elements
    }

    mutating func object(_ name: String) throws(HistoryError) -> LineReader {
        try LineReader(try need(take(name), name), line: line)
    }
}
