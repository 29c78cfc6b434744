// Who watches what, how far each one is, and what each one is to be sent next.

public import Primitives
import Store

/// What the owner of the watches has to do, in this order.
public enum WatchEffect: Sendable, Equatable {
    /// Append these bytes to the stream. Equal streams get the very same array.
    case send(UInt64, [UInt8])
    /// End the stream; it did what was asked of it, or the node is stopping.
    case end(UInt64)
    /// End the stream with an error: the changes that come next on it were compacted away.
    case compacted(UInt64, WatchFormat, compact: Revision, current: Revision)
}

/// All watches of one node: a value without sockets or clocks.
///
/// One reader goes over the changes of the store for all streams that are up to date, the synced ones. A
/// stream that starts in the past, or whose client takes too little, has a reader of its own that goes over
/// the same changes at its own pace, a bounded piece at a time, until it is up to date. Nothing is queued
/// here: what a stream has not been given yet is in the store's history, or was compacted away, and then the
/// stream ends and says so.
///
/// Streams with equal filters form an audience. Changes are found and written once for an audience, and once
/// for all audiences that select the same changes in the same form.
///
/// The owner calls ``step(_:at:wall:into:)`` after each turn in which commands may have been applied, and at
/// ``deadline``. Before it tells, for each of ``asking()``, how many bytes are still unsent there. A stream
/// whose client takes nothing costs nothing until the owner tells that all of it is sent.
public struct WatchTable: Sendable {
    /// Bounds, in streams, bytes, changes and time.
    public struct Limits: Sendable {
        /// Streams of one node.
        public var watchers = 20_000
        /// Unsent bytes of one stream beyond which it gets nothing more. What a stream is not given costs
        /// nothing, so this is no more than what one write to a socket makes good use of.
        public var unsent = 32 << 10
        /// Unsent bytes of all streams: the more there are, the less each of them may leave unsent.
        public var unsentInAll = 256 << 20
        /// A stream may always leave so much unsent.
        public var leastUnsent = 16 << 10
        /// Keys and values in one line; a longer one has a single change.
        public var line = 256 << 10
        /// Bytes that a stream's own reader gives it in one step.
        public var slice = 64 << 10
        /// Changes that a stream's own reader looks at in one step.
        public var sliceChanges = 1024
        /// Bytes that own readers give in one step, all together.
        public var ownBytes = 512 << 10
        /// Changes that own readers look at in one step, all together.
        public var ownChanges = 8192
        /// Changes that the common reader looks at in one step. A revision with more is left to own readers.
        public var commonChanges = 4096
        /// Pieces that the common reader gives away in one step, after which it leaves the other streams that
        /// a revision concerns to their own readers.
        public var commonPieces = 4096
        /// Bytes that are kept so that own readers need not write them again.
        public var kept = 4 << 20
        /// After what silence a stream is told that it is alive.
        public var heartbeat = Instant.Span.seconds(10)

        /// The defaults.
        public init() {}
    }

    /// What was done so far.
    public struct Counters: Sendable, Equatable {
        /// Pieces with changes that were given to streams.
        public var pieces: UInt64 = 0
        /// Pieces with changes that were written.
        public var written: UInt64 = 0
        /// How often a stream fell behind because its client took too little.
        public var fellBehind: UInt64 = 0
        /// Streams that ended because what they needed was compacted.
        public var compacted: UInt64 = 0
        /// Streams that have begun.
        public var begun: UInt64 = 0
    }

    /// The bounds.
    public let limits: Limits
    /// What was done so far.
    public internal(set) var counters = Counters()
    /// Streams that are open.
    public internal(set) var count = 0
    /// Streams that read by themselves.
    public internal(set) var behind = 0

    var watchers: [Watcher] = []
    var free: [UInt32] = []
    var byToken: [UInt64: UInt32] = [:]
    var audiences: [Audience] = []
    var freeAudiences: [UInt32] = []
    var lastSerial: UInt64 = 0
    var byFilter: [WatchFilter: UInt32] = [:]
    var index = RangeIndex()
    /// Everything up to this revision was passed to the synced streams.
    var frontier = Revision.zero
    /// The common reader stopped before the end.
    var isLate = false
    /// Streams that begin with a revision above the next one, by that revision.
    var ahead: [Revision: [UInt32]] = [:]
    /// Streams whose own readers may go on, in turn.
    var queue = FIFO<UInt32>()
    /// Streams with so much unsent that the owner must be asked.
    var unsure: [UInt32] = []
    var snapshots: [UInt32: SnapshotReader] = [:]
    var kept = KeptPieces()
    var wheel: DeadlineWheel
    var due: [(slot: UInt32, tick: Int64)] = []

    /// Nobody watches yet.
    public init(limits: Limits = Limits(), at now: Instant) {
        self.limits = limits
        wheel = DeadlineWheel(at: now)
    }

    /// Whether nobody watches.
    public var isEmpty: Bool { count == 0 }
    /// Whether no further stream is taken.
    public var isFull: Bool { count >= limits.watchers }

    /// When ``step(_:at:wall:into:)`` must be called at the latest; ``Instant/zero`` if there is work now.
    public var deadline: Instant {
        guard count > 0 else { return .never }
        if isLate || !queue.isEmpty || !unsure.isEmpty { return .zero }
        return wheel.deadline
    }

    /// How much one stream may leave unsent.
    var bound: Int { max(limits.leastUnsent, min(limits.unsent, limits.unsentInAll / max(1, count))) }
}

/// One stream.
struct Watcher: Sendable {
    enum State: UInt8, Sendable {
        /// No stream at all.
        case free
        /// Up to date: the common reader serves it.
        case synced
        /// It begins with a revision that the common reader has not come to.
        case ahead
        /// It reads by itself.
        case own
        /// It is given the items that it begins with.
        case snapshot
    }

    var state = State.free
    /// A part of the revision `next` was given, with the word that there is more.
    var isInside = false
    /// It stands in the queue.
    var isQueued = false
    /// It stands in the list of those that the owner is asked about.
    var isAsked = false
    /// The owner was told to report when nothing is unsent: until then there is nothing to ask.
    var isAwaited = false
    var audience: UInt32 = 0
    var token: UInt64 = 0
    /// The first revision that was not given; of no meaning while the stream is synced.
    var next = Revision.zero
    /// How many changes of that revision were done.
    var done = 0
    /// Bytes that may be unsent; the owner may know of fewer.
    var unsent = 0
    /// The bytes of the piece that the stream did not take when it had its turn; zero if it took all.
    var refused = 0
    /// Revisions that may still be given.
    var left = Int.max
    /// When something was given last.
    var lastSent = Instant.zero
    /// When a bookmark was given last.
    var lastBookmark = Instant.zero
    var bookmarks: Instant.Span?
    var end = Instant.never
    /// The tick of its valid entry in the wheel.
    var scheduled = DeadlineWheel.none
}

/// The streams with one filter.
struct Audience: Sendable {
    /// No other audience of this node ever has it.
    let serial: UInt64
    let filter: WatchFilter
    /// Those that are synced.
    var synced: [UInt32] = []
    /// How many there are, synced or not.
    var count = 0
}

/// Pieces that were written lately, for those who come to the same revision a little later. Forgets the older
/// half when it is full.
struct KeptPieces: Sendable {
    struct Name: Hashable, Sendable {
        /// The serial number of the audience.
        var audience: UInt64
        var revision: Revision
    }

    private var young: [Name: [UInt8]] = [:]
    private var old: [Name: [UInt8]] = [:]
    private var bytes = 0

    subscript(name: Name) -> [UInt8]? { young[name] ?? old[name] }

    mutating func insert(_ piece: [UInt8], _ name: Name, limit: Int) {
        young[name] = piece
        bytes += piece.count + 100
        if bytes > limit / 2 {
            old = young
            young = [:]
            bytes = 0
        }
    }
}
