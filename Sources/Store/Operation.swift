public import Primitives

/// What must hold of a key for a command to change anything (RFC 9110, section 13).
public enum Guard: Sendable, Equatable {
    /// The key exists and was last written at this revision (`If-Match: "42"`).
    case revision(Revision)
    /// The key does not exist (`If-None-Match: *`).
    case absent
    /// The key exists (`If-Match: *`).
    case exists
}

/// One write of a batch.
public struct BatchPut: Sendable, Equatable {
    /// The key; never empty.
    public var key: [UInt8]
    /// The value.
    public var value: [UInt8]
    /// Makes the write.
    public init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// What a command does. All changes of one operation carry one revision, or none happens.
public enum Operation: Sendable, Equatable {
    /// Writes a value.
    case put(key: [UInt8], value: [UInt8], guard: Guard?, returnPrevious: Bool)
    /// Deletes a key. An absent key is no error unless `mustExist`; it changes nothing then.
    case delete(key: [UInt8], guard: Guard?, returnPrevious: Bool, mustExist: Bool)
    /// Deletes every key of a range at one revision.
    case deleteRange(KeyRange)
    /// Adds to a value that is decimal text of an `Int64`; an absent key counts as 0.
    case increment(key: [UInt8], by: Int64)
    /// Writes many values at one revision. With `createOnly` keys that exist are left alone.
    /// If a key comes twice, its last value is written once (its first with `createOnly`).
    case batch([BatchPut], createOnly: Bool)
    /// Gives up the history below a revision.
    case compact(Revision)
    /// Reads and writes that depend on conditions.
    case transaction(Transaction)
    /// Writes a value under a lease.
    case leasedPut(key: [UInt8], value: [UInt8], guard: Guard?, returnPrevious: Bool, lease: LeaseChoice)
    /// Whatever is not about keys and values.
    case coordinate(CoordinationCommand)
    /// Another operation, which is refused unless these tokens are current when it is applied: 1 to
    /// ``Limits/fenceCount``. Not nested.
    indirect case fenced([Fence], Operation)
}

/// The lease that a key is put under.
public enum LeaseChoice: Sendable, Equatable {
    /// The one with this id.
    case existing(String)
    /// The one that it is under already, if any.
    case kept
    /// One of its own, of so many milliseconds, which ends when the key is deleted or written again.
    case own(milliseconds: Int64)
}

/// What a put did.
public struct PutOutcome: Sendable, Equatable {
    /// The revision of the write.
    public let revision: Revision
    /// The revision that made the key.
    public let createRevision: Revision
    /// How many times the key was written since it was made.
    public let version: UInt64
    /// Whether the key did not exist before.
    public var created: Bool { version == 1 }
    /// What was there before, if asked for.
    public let previous: Item?
    /// The lease that the key is under.
    public let lease: String?

    /// Makes the outcome.
    public init(
        revision: Revision, createRevision: Revision, version: UInt64, previous: Item? = nil,
        lease: String? = nil
    ) {
        self.revision = revision
        self.createRevision = createRevision
        self.version = version
        self.previous = previous
        self.lease = lease
    }
}

/// What became of one write of a batch.
public enum BatchResult: Sendable, Equatable {
    /// Written at this revision.
    case put(Revision)
    /// Left alone, since the key existed and the batch was to create only.
    case exists
}

/// What applying a command did. Every replica gets the same.
public enum Outcome: Sendable, Equatable {
    /// A value was written.
    case put(PutOutcome)
    /// `count` keys were deleted; with zero the revision is the store's unchanged one.
    case deleted(count: Int, revision: Revision, previous: Item?)
    /// A number was raised to `value`.
    case incremented(value: Int64, revision: Revision, version: UInt64)
    /// The results in the order of the batch; the revision is unchanged if nothing was written.
    case batch([BatchResult], revision: Revision)
    /// History below this revision is gone.
    case compacted(Revision)
    /// A transaction chose a branch and carried it out; the revision is unchanged if nothing was written.
    case transaction(TransactionOutcome, revision: Revision)
    /// What had come of the same request before, which was this one.
    indirect case replayed(Outcome, original: RequestID)
    /// What a command that is not about keys and values did.
    case coordinated(CoordinationOutcome)
    /// Nothing was changed.
    case refused(Refusal)
}

/// Why a command changed nothing.
public enum Refusal: Error, Sendable, Equatable {
    /// The guard does not hold; `current` is the key's revision, nil if it does not exist.
    case preconditionFailed(current: Revision?)
    /// The key to delete does not exist.
    case keyNotFound
    /// The value to increment is not the decimal text of an `Int64`.
    case notAnInteger
    /// The sum does not fit an `Int64`.
    case overflow
    /// The revision to compact to is already compacted.
    case compacted(compact: Revision, current: Revision)
    /// The revision to compact to is not reached yet.
    case futureRevision(current: Revision)
    /// A transaction can't be carried out.
    case transaction(TransactionRefusal)
    /// What is not about keys and values can't be carried out.
    case coordination(CoordinationRefusal)
    /// The token of a fence is not current; `current` is that of the longest holder, nil if there is none.
    case fenceStale(Fence, current: UInt64?)
    /// The request was cancelled before it came.
    case cancelled
    /// The idempotency key belongs to another request.
    case keyReused
    /// The bytes are not those of a command, or its key or value breaks the format's limits.
    case malformedCommand
}

/// Why a read cannot be answered.
public enum ReadError: Error, Sendable, Equatable {
    /// The revision's history is gone: `compact` is the oldest that can be read.
    case compacted(compact: Revision, current: Revision)
    /// The revision is not reached yet.
    case future(current: Revision)
}
