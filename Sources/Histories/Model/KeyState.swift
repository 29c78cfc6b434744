// The state of one key, and the parts of operations that concern one key.

/// A revision in the state of a key.
enum Tag: Hashable {
    /// Nobody tells revisions of this key.
    case untracked
    /// It is this one.
    case exact(UInt64)
    /// It was made by a write whose revision nobody told yet; it is `from` or above.
    case pending(by: Int32, from: UInt64)
}

/// The state of one key.
struct KeyState: Hashable {
    /// Nil if the key is absent; the rest says nothing then.
    var value: Value?
    var revision = Tag.untracked
    var created = Tag.untracked
    /// Stays 0 if nobody tells versions of this key.
    var version: UInt64 = 0

    static let absent = KeyState()
}

/// What was seen of a key that exists; nil was not told.
struct Seen: Equatable {
    var value: Value?
    var revision: UInt64?
    var created: UInt64?
    var version: UInt64?
}

/// What one operation asks of one key, and what it was told.
struct KeyPart {
    enum Action: Hashable {
        case observe
        case put(Value, KeyCondition?)
        case delete(KeyCondition?, mustExist: Bool)
        case increment(Int64)
    }

    enum Result: Equatable {
        /// The write may or may not have happened.
        case unknown
        /// The key was absent.
        case absent
        /// The key was there.
        case present(Seen)
        /// The write happened and left this; `existed` says whether the key was there before, nil if untold.
        case done(Seen, existed: Bool?)
        /// The write changed nothing.
        case refused(KeyRefusal)
    }

    /// The place of the key among those of the model.
    var key: Int
    var action: Action
    var result: Result
}

/// What must hold of a key.
enum KeyCondition: Hashable {
    case revision(UInt64)
    case absent
    case exists
    case value(Value)
}

/// Why a write of one key changed nothing.
enum KeyRefusal: Equatable {
    /// `isTold` says whether `current` is what was told; nil stands for an absent key.
    case condition(current: UInt64?, isTold: Bool)
    case notFound
    case notAnInteger
    case overflow
}

extension KeyState {
    /// A pending revision was this one.
    mutating func resolve(_ writer: Int32, _ told: UInt64) {
        if case .pending(writer, _) = revision { revision = .exact(told) }
        if case .pending(writer, _) = created { created = .exact(told) }
    }
}
