public import Primitives

extension HistoryOperation {
    /// What a client asked: the operations of the store, and a put that compares values as a register has it.
    public enum Action: Sendable, Equatable {
        /// Reads a key.
        case get([UInt8], Freshness = .linearizable)
        /// Reads all keys of a selection.
        case list(KeySelection, Freshness = .linearizable)
        /// Writes a value.
        case put([UInt8], value: [UInt8], if: Condition? = nil)
        /// Deletes a key. An absent key is no error unless `mustExist`; nothing changes then.
        case delete([UInt8], if: Condition? = nil, mustExist: Bool = false)
        /// Deletes all keys of a selection at one revision.
        case deleteRange(KeySelection)
        /// Adds to a value that is decimal text; an absent key counts as 0.
        case increment([UInt8], by: Int64)
        /// Writes many values at one revision. With `createOnly` keys that exist are left alone. If a key
        /// comes twice, its last value is written (its first with `createOnly`).
        case batch([Put], createOnly: Bool = false)
        /// Reads and writes that depend on conditions. If it is `dry`, it only says what it would do.
        case transaction(Transaction, dry: Bool = false)

        /// Whether it changes nothing.
        public var isRead: Bool {
            switch self {
            case .get, .list: true
            case .put, .delete, .deleteRange, .increment, .batch: false
            case .transaction(let transaction, let isDry): isDry || transaction.isReadOnly
            }
        }

        /// How fresh a read must be; writes see the latest state.
        var freshness: Freshness {
            switch self {
            case .get(_, let freshness), .list(_, let freshness): freshness
            case .put, .delete, .deleteRange, .increment, .batch, .transaction: .linearizable
            }
        }
    }

    /// One write of a batch.
    public struct Put: Sendable, Equatable {
        /// The key.
        public var key: [UInt8]
        /// The value.
        public var value: [UInt8]

        /// Makes the write.
        public init(key: [UInt8], value: [UInt8]) {
            self.key = key
            self.value = value
        }
    }

    /// How fresh a read must be.
    public enum Freshness: Sendable, Equatable {
        /// It sees every write that was completed before it began.
        case linearizable
        /// It may see a state of the past.
        case stale
        /// It sees the state of this revision.
        case at(Revision)
    }

    /// What must hold of a key for a write to happen.
    public enum Condition: Sendable, Equatable {
        /// It was last written at this revision.
        case revision(Revision)
        /// It does not exist.
        case absent
        /// It exists.
        case exists
        /// It has this value.
        case value([UInt8])
    }
}

/// Some of the keys, in the order of their bytes.
public enum KeySelection: Sendable, Equatable {
    /// Those that begin with these bytes.
    case prefix([UInt8])
    /// Those from `start` up to but not including `end`; to the last one if `end` is nil.
    case range(start: [UInt8], end: [UInt8]?)

    /// Whether a key is one of them.
    public func contains(_ key: [UInt8]) -> Bool {
        switch self {
        case .prefix(let prefix): return key.starts(with: prefix)
        case .range(let start, let end):
            if key.lexicographicallyPrecedes(start) { return false }
            guard let end else { return true }
            return key.lexicographicallyPrecedes(end)
        }
    }
}
