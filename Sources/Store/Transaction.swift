/// Reads and writes that happen together or not at all, depending on what the store holds: Sinfonia's
/// minitransaction (SOSP 2007) in the form that etcd gave it.
///
/// All conditions, nested ones too, are evaluated on the state before the transaction. The writes that are
/// chosen carry one revision and never touch a key twice; a read sees what the steps before it have written.
public struct Transaction: Sendable, Equatable {
    /// What must hold, all of it; holds if empty.
    public var conditions: [Condition]
    /// What is done then.
    public var then: [Step]
    /// What is done else. Nil: a transaction is refused then, and a nested one does nothing.
    public var otherwise: [Step]?

    /// Makes a transaction.
    public init(conditions: [Condition] = [], then: [Step], otherwise: [Step]? = nil) {
        self.conditions = conditions
        self.then = then
        self.otherwise = otherwise
    }

    /// A comparison of what is there with what is given, in this order.
    public enum Comparison: UInt8, Sendable, Equatable, CaseIterable {
        case equal = 0
        case notEqual, less, atMost, greater, atLeast

        /// Whether it holds.
        public func holds(_ found: UInt64, _ given: UInt64) -> Bool {
            switch self {
            case .equal: found == given
            case .notEqual: found != given
            case .less: found < given
            case .atMost: found <= given
            case .greater: found > given
            case .atLeast: found >= given
            }
        }

        /// Whether it holds in the order of bytes, a prefix before what goes on.
        public func holds(_ found: [UInt8], _ given: [UInt8]) -> Bool {
            if found == given { return holds(0, 0) }
            return found.lexicographicallyPrecedes(given) ? holds(0, 1) : holds(1, 0)
        }
    }

    /// Something that holds or not. The numbers of a key that does not exist are 0; no comparison of its
    /// value holds.
    public enum Condition: Sendable, Equatable {
        /// The key's value compares like this.
        case value(key: [UInt8], Comparison, [UInt8])
        /// The revision of the key's last write does.
        case revision(key: [UInt8], Comparison, UInt64)
        /// The revision that made the key does.
        case createRevision(key: [UInt8], Comparison, UInt64)
        /// The number of writes since the key was made does.
        case version(key: [UInt8], Comparison, UInt64)
        /// The number of keys in a range does.
        case count(KeyRange, Comparison, UInt64)
        /// The key is under the lease with this id, or it is not. One that is under none, or that does not
        /// exist, is under that with the empty id.
        case lease(key: [UInt8], String, isWanted: Bool)
        /// There is a lease with this id, or there is none.
        case leaseExists(String, isWanted: Bool)
        /// The fence's token is current, or it is not.
        case held(Fence, isWanted: Bool)
    }

    /// Something that is done.
    public indirect enum Step: Sendable, Equatable {
        /// Writes a value.
        case put(key: [UInt8], value: [UInt8], returnPrevious: Bool)
        /// Deletes a key; an absent one is no error.
        case delete(key: [UInt8], returnPrevious: Bool)
        /// Deletes all keys of a range.
        case deleteRange(KeyRange)
        /// Adds to a value that is decimal text of an `Int64`; an absent key counts as 0.
        case increment(key: [UInt8], by: Int64)
        /// Reads a key.
        case get(key: [UInt8])
        /// Reads the first keys of a range, at most `limit`.
        case list(KeyRange, limit: Int)
        /// Goes on with the steps that the conditions of another transaction choose.
        case transaction(Transaction)
        /// Adds a message to a queue.
        case enqueue(queue: String, NewMessage)
        /// A message was dealt with.
        case acknowledge(queue: String, Receipt)
        /// Writes a value under a lease. The key has at most ``Limits/leasedKeyBytes`` bytes.
        case leasedPut(key: [UInt8], value: [UInt8], returnPrevious: Bool, lease: LeaseChoice)

        /// The keys that the step writes, nil if it writes none by itself.
        var written: KeyRange? {
            switch self {
            case .put(let key, _, _), .delete(let key, _), .increment(let key, _),
                .leasedPut(let key, _, _, _):
                .only(key)
            case .deleteRange(let range): range
            case .get, .list, .transaction, .enqueue, .acknowledge: nil
            }
        }
    }

    /// No transaction has more steps than this, all branches and nested ones counted; nor more conditions. A
    /// limit of the binary format.
    public static let stepCount = 128
    /// Transactions are not nested deeper than this, the outermost counted. A limit of the binary format.
    public static let depth = 8
    /// No step reads more keys of a range than this. A limit of the binary format.
    public static let listCount = 1000
    /// All that the steps of a transaction read has at most this many bytes, or it is refused.
    public static let readBytes = 8 << 20

    /// Whether no step of any branch writes.
    public var isReadOnly: Bool {
        (then + (otherwise ?? [])).allSatisfy { step in
            switch step {
            case .get, .list: true
            case .put, .delete, .deleteRange, .increment, .enqueue, .acknowledge, .leasedPut: false
            case .transaction(let nested): nested.isReadOnly
            }
        }
    }

    /// A key that two steps write which may both be carried out; nil if there is none. Such a transaction is
    /// refused, since all its writes carry one revision, and a revision changes a key once.
    public var overlap: [UInt8]? {
        for branch in [then, otherwise ?? []] {
            if let key = Self.overlap(in: branch) { return key }
        }
        return nil
    }

    private static func overlap(in branch: [Step]) -> [UInt8]? {
        var ranges: [KeyRange] = []
        for step in branch {
            if case .transaction(let nested) = step, let key = nested.overlap { return key }
            // The branches of a nested transaction exclude each other, so these may overlap among themselves.
            let added = step.writes
            for range in added {
                for other in ranges where range.overlaps(other) {
                    return range.start.lexicographicallyPrecedes(other.start) ? other.start : range.start
                }
            }
            ranges += added
        }
        return nil
    }
}

extension Transaction.Step {
    /// All that the step may write.
    fileprivate var writes: [KeyRange] {
        guard case .transaction(let nested) = self else { return written.map { [$0] } ?? [] }
        return (nested.then + (nested.otherwise ?? [])).flatMap(\.writes)
    }
}

extension KeyRange {
    /// Whether there may be a key in both.
    func overlaps(_ other: KeyRange) -> Bool {
        if isEmpty || other.isEmpty { return false }
        let begins = end.map { other.start.lexicographicallyPrecedes($0) } ?? true
        let ends = other.end.map { start.lexicographicallyPrecedes($0) } ?? true
        return begins && ends
    }
}

/// What a transaction did.
public struct TransactionOutcome: Sendable, Equatable {
    /// Whether all conditions held.
    public let succeeded: Bool
    /// What the chosen steps did, in their order; empty if there was nothing to choose.
    public let results: [Result]
    /// The conditions that did not hold.
    public let failed: [FailedCondition]

    /// What a step did.
    public indirect enum Result: Sendable, Equatable {
        /// A write, told like that of a command by itself.
        case wrote(Outcome)
        /// The key that was read, nil if it does not exist.
        case item(Item?)
        /// The keys that were read, and whether the range has more.
        case items([Item], more: Bool)
        /// A nested transaction.
        case transaction(TransactionOutcome)
    }

    /// Makes the outcome.
    public init(succeeded: Bool, results: [Result], failed: [FailedCondition] = []) {
        self.succeeded = succeeded
        self.results = results
        self.failed = failed
    }
}

/// A condition that did not hold.
public struct FailedCondition: Sendable, Equatable {
    /// Its place among the conditions of its transaction.
    public let index: Int
    /// What was found: a revision, version or count, or the token with which something is held instead; nil
    /// for a value or a lease, and for what nobody holds.
    public let found: UInt64?
    /// The revision of the key's last write, 0 if it does not exist; nil for what is not about a key.
    public let revision: UInt64?
    /// The id of the lease that the key is under; nil for another condition, or if it is under none.
    public let lease: String?

    /// Makes the description.
    public init(index: Int, found: UInt64?, revision: UInt64?, lease: String? = nil) {
        self.index = index
        self.found = found
        self.revision = revision
        self.lease = lease
    }
}

/// Why a transaction changed nothing.
public enum TransactionRefusal: Sendable, Equatable {
    /// Not all conditions hold, and there is no other branch.
    case conditionsFailed([FailedCondition])
    /// Two steps would write this key.
    case overlap(key: [UInt8])
    /// The step at this place, counted through the chosen branches from the outermost transaction on, can't
    /// be carried out.
    case step(at: [Int], StepRefusal)
    /// The steps read more than ``Transaction/readBytes``.
    case tooMuchRead
}

/// Why a step can't be carried out.
public enum StepRefusal: Sendable, Equatable {
    /// The value to increment is not the decimal text of an `Int64`.
    case notAnInteger
    /// The sum does not fit an `Int64`.
    case overflow
    /// What is asked of a queue can't be done.
    case queue(QueueRefusal)
    /// There is no room for more messages or leases in the store.
    case full
    /// There is no lease with this id.
    case leaseNotFound(String)
}
