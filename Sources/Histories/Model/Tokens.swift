/// Prunes the search of one key: a value that somebody still has to see must not be overwritten when nobody
/// is left who could write it again.
///
/// It counts, for each value, the operations that must find the key so and those that can make it so. With
/// values that are written once this alone finds most orders impossible at the first wrong step.
struct Tokens {
    /// No value that is followed up.
    static let none = -1

    /// By required operation: the token that it must find, and the one that it leaves.
    private(set) var needs: [Int]
    private(set) var makes: [Int]
    /// By optional operation: the token that it leaves.
    private(set) var mayMake: [Int]
    private(set) var count = 1

    private var codes: [Value: Int] = [:]
    private static let absent = 0

    init(required: [KeyPart], optional: [KeyPart]) {
        needs = []
        makes = []
        mayMake = []
        // Sums of unknown increments can be any number, so numbers are not followed up then.
        let isOpen = optional.contains { if case .increment = $0.action { true } else { false } }
        for part in required { needs.append(code(Tokens.need(part), isOpen)) }
        for part in required { makes.append(token(of: Tokens.make(part))) }
        for part in optional { mayMake.append(token(of: Tokens.make(part))) }
    }

    /// The token of a key's value, `none` if nobody needs it.
    func token(of value: Value?) -> Int {
        token(of: value.map { .value($0) } ?? .absent)
    }

    /// What a key holds.
    private enum Content {
        case uncertain
        case absent
        case value(Value)
    }

    private mutating func code(_ content: Content, _ isOpen: Bool) -> Int {
        guard case .value(let value) = content else { return token(of: content) }
        if value == .unseen || (isOpen && value.isNumber) { return Tokens.none }
        if let code = codes[value] { return code }
        codes[value] = count
        count += 1
        return count - 1
    }

    private func token(of content: Content) -> Int {
        switch content {
        case .uncertain: Tokens.none
        case .absent: Tokens.absent
        case .value(let value): codes[value] ?? Tokens.none
        }
    }

    /// What a key must hold before an operation.
    private static func need(_ part: KeyPart) -> Content {
        switch (part.action, part.result) {
        case (_, .absent), (_, .done(_, existed: false)): .absent
        case (_, .present(let seen)): seen.value.map { .value($0) } ?? .uncertain
        case (.put(_, .value(let value)), .done), (.delete(.value(let value), _), .done): .value(value)
        default: .uncertain
        }
    }

    /// What a key holds after an operation that changes it.
    private static func make(_ part: KeyPart) -> Content {
        switch (part.action, part.result) {
        case (.put(let value, _), .done), (.put(let value, _), .unknown): .value(value)
        case (.delete, .done), (.delete, .unknown): .absent
        case (.increment, .done(let seen, _)): seen.value.map { .value($0) } ?? .uncertain
        default: .uncertain
        }
    }
}
