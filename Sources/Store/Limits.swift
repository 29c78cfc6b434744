/// Bounds of the store. They decide what `apply` does, so every replica of a group must have the same.
public struct Limits: Sendable, Equatable {
    /// History keeps at least this many of the newest revisions (unless ``historyBytes`` is exceeded).
    public var minimumRevisions: UInt64 = 10_000
    /// History keeps at most this many of the newest revisions.
    public var maximumRevisions: UInt64 = 100_000
    /// Between the two bounds, what is younger than this is kept; in milliseconds.
    public var historyAge: Int64 = 300_000
    /// Superseded versions cost at most this many bytes, whatever the other bounds say.
    public var historyBytes: Int = 256 << 20
    /// A command frees at least this many steps of history that is due, and twice what it added.
    public var stepsPerCommand: Int = 4
    /// A command frees at most this many steps, however much it added.
    public var maximumStepsPerCommand: Int = 1024

    /// The defaults.
    public init() {}

    /// No key is longer than this, in bytes; a limit of the binary formats.
    public static let keyBytes = 65_535
    /// No value is longer than this, in bytes; a limit of the binary formats.
    public static let valueBytes = 16 << 20
    /// No batch has more writes than this; a limit of the binary format.
    public static let batchCount = 65_536
    /// No more outcomes of requests with idempotency keys than this are remembered: the oldest go first.
    public static let outcomeCount = 1_000_000
    /// They have no more bytes than this together, else the oldest go first too: 256 MiB.
    public static let outcomeBytes = 256 << 20
    /// No lease's id is longer than this, in bytes; a limit of the records.
    public static let leaseIDBytes = 100
    /// No key under a lease is longer than this, in bytes: the row that tells it holds the lease's id too.
    public static let leasedKeyBytes = keyBytes - leaseIDBytes - 2
    /// No name of a lock, a queue and the like, and none of who uses them, is longer, in bytes.
    public static let nameBytes = 255
    /// What a leader tells is no longer than this, in bytes.
    public static let claimValueBytes = 4_096
    /// No semaphore has more permits than this.
    public static let claimPermits: UInt64 = 1_000_000
    /// No more than this hold one thing at a time: others wait.
    public static let claimHolders: UInt64 = 10_000
    /// No more than this wait for one thing: others are refused.
    public static let claimWaiters: UInt64 = 10_000
    /// Coordination holds no more rows than this: what would add to them is refused.
    public static let coordinationRows = 4_000_000
    /// Coordination holds no more bytes than this: what would add to them is refused.
    public static let coordinationBytes = 1 << 30

    /// Whether a text can be a name: 1 to ``nameBytes`` bytes, without control characters.
    public static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= nameBytes && name.utf8.allSatisfy { $0 > 31 && $0 != 127 }
    }

    /// Whether a text can be a lease's id: 1 to ``leaseIDBytes`` bytes, without control characters.
    public static func isLeaseID(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= leaseIDBytes && id.utf8.allSatisfy { $0 > 31 && $0 != 127 }
    }
}
