public import Primitives

// Locks, elections and semaphores are one thing: something that is held, with a queue of those who wait for
// it. They differ in who is let in. Nobody overtakes: whoever would be let in waits all the same while
// somebody waits before it, so that a writer is not starved by readers, nor a large request by small ones.
//
// Each grant carries a fencing token, greater than all before it (Gray and Cheriton 1989 know such a holder
// only by its time; Chubby, OSDI 2006, section 2.4, calls the token a sequencer). What is held is held under
// a lease and ends with it.

/// What sort of thing is held.
public enum ClaimKind: UInt8, Sendable, CaseIterable {
    /// A lock: one writer, or any number of readers.
    case lock = 1
    /// An election: one leader, who has a value to tell.
    case election = 2
    /// A semaphore: any number of holders who together have no more than its permits.
    case semaphore = 3
}

/// A thing that is held.
public struct ClaimName: Hashable, Sendable {
    /// What sort of thing.
    public var kind: ClaimKind
    /// What it is called: see ``Limits/isName(_:)``.
    public var name: String
    /// Makes it of its parts.
    public init(_ kind: ClaimKind, _ name: String) {
        self.kind = kind
        self.name = name
    }
}

/// In which way a lock is held.
public enum ClaimMode: UInt8, Sendable {
    /// Alone. Leaders and holders of a semaphore's permits have this mode too, where it means nothing.
    case write = 1
    /// Together with other readers.
    case read = 2
}

/// What somebody asks for who wants to hold a thing.
public struct ClaimRequest: Sendable, Equatable {
    /// The thing.
    public var claim: ClaimName
    /// Who asks, up to ``Limits/nameBytes`` bytes; may be empty.
    public var owner: String
    /// How a lock is to be held.
    public var mode: ClaimMode
    /// How many of a semaphore's permits; 1 for anything else.
    public var permits: UInt64
    /// Those with a higher one are elected before others, however long these have waited; 0 for anything but
    /// elections.
    public var priority: UInt64
    /// What a leader has to tell, up to ``Limits/claimValueBytes`` bytes.
    public var value: String
    /// The client's lease under which it is to be held; nil for one of its own.
    public var lease: String?
    /// How long that lasts without being renewed, in milliseconds; counts if there is no client's lease.
    public var timeToLive: Int64
    /// For how long to wait, in milliseconds; 0: not at all.
    public var wait: Int64

    /// Makes it of its parts.
    public init(
        _ claim: ClaimName, owner: String = "", mode: ClaimMode = .write, permits: UInt64 = 1,
        priority: UInt64 = 0, value: String = "", lease: String? = nil, timeToLive: Int64 = 30_000,
        wait: Int64 = 0
    ) {
        self.claim = claim
        self.owner = owner
        self.mode = mode
        self.permits = permits
        self.priority = priority
        self.value = value
        self.lease = lease
        self.timeToLive = timeToLive
        self.wait = wait
    }
}

/// What is done with things that are held.
public enum ClaimCommand: Sendable, Equatable {
    /// Wants to hold something.
    case acquire(ClaimRequest)
    /// Gives back what is held with this token.
    case release(ClaimName, token: UInt64)
    /// Starts the time of the lease again under which something is held.
    case renew(ClaimName, token: UInt64)
    /// Tells another value, by the leader with this token.
    case proclaim(ClaimName, token: UInt64, value: String)
    /// Makes a semaphore, or changes how many permits it has. It may have fewer than are held.
    case configure(String, permits: UInt64)
    /// Takes a thing from all who hold it. A semaphore ends with that, and whoever waits for it is told so;
    /// the next in the queue gets a lock or an office.
    case clear(ClaimName)
}

/// Something that somebody holds.
public struct ClaimGrant: Sendable, Equatable {
    /// The thing.
    public let claim: ClaimName
    /// The fencing token.
    public let token: UInt64
    /// Who holds it.
    public let owner: String
    /// How.
    public let mode: ClaimMode
    /// How many permits.
    public let permits: UInt64
    /// What the leader tells.
    public let value: String
    /// The lease under which it is held.
    public let lease: Lease
    /// The log's time when it was granted.
    public let since: WallTime
    /// The store's revision when it was granted.
    public let revision: Revision
    /// How many permits of the semaphore are free.
    public let available: UInt64
}

/// What became of a command.
public enum ClaimOutcome: Sendable, Equatable {
    /// It is held.
    case granted(ClaimGrant)
    /// The request stands in the queue, at this place from 1 on.
    case waiting(position: Int)
    /// The request waited, and what it came to in the end is this.
    case gaveUp(ClaimRefusal)
    /// Whether the token was that of a holder; if not, it was given back before, or taken away.
    case released(Bool)
    /// The time of its lease began anew.
    case renewed(ClaimGrant)
    /// The leader's value is another one.
    case proclaimed(ClaimGrant)
    /// A semaphore has so many permits, of which so many are held.
    case configured(permits: UInt64, held: UInt64, isNew: Bool)
    /// It was taken from so many holders; so many who waited were sent away.
    case cleared(holders: Int, waiters: Int)
}

/// Why a command changed nothing.
public enum ClaimRefusal: Sendable, Equatable {
    /// Others hold it, or are to get it first.
    case held(ClaimBlock)
    /// Nobody holds it with this token.
    case notHolder(ClaimName, token: UInt64)
    /// There is no such thing: nobody holds it or waits for it.
    case notFound(ClaimName)
    /// So many wait for it already: see ``Limits/claimWaiters``.
    case tooManyWaiters(ClaimName)
    /// More permits than the semaphore has.
    case tooManyPermits(ClaimName, wanted: UInt64, permits: UInt64)
    /// The lease with this id, under which it was to be held, has ended.
    case leaseEnded(ClaimName, lease: String)
}

/// What stands in the way of somebody who wants to hold something.
public struct ClaimBlock: Sendable, Equatable {
    /// The thing.
    public let claim: ClaimName
    /// Who has held it for the longest; nil if nobody does.
    public let holder: ClaimGrant?
    /// The place that the request had in the queue or would have had, from 1 on.
    public let position: Int
    /// How many permits of a semaphore are free.
    public let available: UInt64
}

// MARK: - Rows

/// A thing that is held or waited for, or a semaphore.
struct ClaimRow: RowValue, Equatable {
    /// A semaphore's permits; 0 for anything else.
    var permits: UInt64 = 0
    /// The permits of all holders together.
    var held: UInt64 = 0
    var holders: UInt64 = 0
    var waiters: UInt64 = 0
    /// Whether it is held by somebody who holds it alone.
    var isHeldAlone = false
    /// The timer until whose end nobody gets it, since a lease expired under which it was held; 0: none.
    var delay: UInt64 = 0
    /// In which mode it was held by whom the delay is for.
    var delayedMode = ClaimMode.write

    /// Whether there is nothing to be remembered.
    var isIdle: Bool { permits == 0 && holders == 0 && waiters == 0 && delay == 0 }
    /// How many permits are free.
    var available: UInt64 { permits > held ? permits - held : 0 }

    /// Whether somebody may be let in before whom nobody waits.
    func admits(_ kind: ClaimKind, _ mode: ClaimMode, permits wanted: UInt64) -> Bool {
        guard holders < Limits.claimHolders else { return false }
        return switch (kind, mode) {
        case (.semaphore, _): wanted <= available
        case (.lock, .read): !isHeldAlone && (delay == 0 || delayedMode == .read)
        case (.lock, .write) where isPlanted(.writerJoinsReaders): !isHeldAlone && delay == 0
        case (.lock, .write), (.election, _): holders == 0 && delay == 0
        }
    }
}

/// Somebody who holds something.
struct ClaimHold: RowValue, Equatable {
    var request: RequestID
    var owner: String
    var mode: ClaimMode
    var permits: UInt64
    var value: String
    var lease: String
    var since: WallTime
    var revision: Revision
}

/// Somebody who waits for something.
struct ClaimWaiter: RowValue, Equatable {
    var request: RequestID
    var owner: String
    var mode: ClaimMode
    var permits: UInt64
    var value: String
    /// The client's lease; nil for one of its own.
    var lease: String?
    var timeToLive: Int64
    /// Ends the wait.
    var timer: UInt64
    var since: WallTime
}

extension ClaimName {
    /// Names of all kinds are names of rows, told apart by the first letter.
    private var text: String { String(UnicodeScalar(kind.rawValue + 64)) + name }

    /// The row that every change of the thing is told of, also of who holds it or waits for it.
    public var row: RowKey { RowKey(.claim, text) }
    var holds: RowKey { RowKey(.claimHold, text) }
    var queue: RowKey { RowKey(.claimWaiter, text) }

    func hold(_ token: UInt64) -> RowKey { RowKey(.claimHold, text, token) }

    /// Sorts by priority, then by number.
    func waiter(priority: UInt64, _ number: UInt64) -> RowKey {
        var row = RowKey(.claimWaiter, text, UInt64.max - priority)
        row.append(number)
        return row
    }

    /// The rows of all things of a kind whose names begin with `prefix`.
    static func rows(_ kind: ClaimKind, prefix: String) -> RowKey {
        RowKey(bytes: [RowKind.claim.rawValue, kind.rawValue + 64] + prefix.utf8)
    }

    /// The thing that a row is about.
    init(of row: RowKey) {
        guard let kind = ClaimKind(rawValue: row.bytes[1] &- 64) else {
            preconditionFailure("no row: \(row)")
        }
        self.init(kind, String(decoding: row.bytes.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self))
    }
}

extension RowKey {
    /// The row that tells which hold a fencing token is of.
    init(token: UInt64) { self.init(.claimToken, token) }
}
