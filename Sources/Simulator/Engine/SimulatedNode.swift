import Consensus
public import NodeCore
public import Primitives
import Replication
import Store
import WAL

/// A machine of a simulated cluster and the process on it.
public final class SimulatedNode {
    /// What becomes of the process.
    public enum State: Sendable, Equatable {
        /// There is none.
        case down
        /// It reads its disk.
        case starting
        /// It runs.
        case running
        /// It stands still.
        case paused
        /// It can't start from what its disk holds.
        case refused(String)
    }

    /// Its place among the nodes, from 0.
    public let index: Int
    /// Its number, from 1.
    public let id: NodeID
    /// Its disk.
    public let disk: SimulatedDisk
    /// How the process reads its disk.
    public let settings: RestoreSettings
    /// What becomes of the process.
    public internal(set) var state = State.down
    /// Counts the starts, from 1.
    public internal(set) var life = 0
    /// The node itself; of a dead process as it was when it died, nil before the first start.
    public internal(set) var core: Node?
    /// Handed to the disk thread and not carried out yet, oldest first.
    public var pendingLog: [LogCommand] { (log?.taken ?? []) + (log?.inbox ?? []) }
    /// When the node loop must run at the latest, by the node's own clock; kept, since asking costs.
    var deadline = Instant.never

    /// How many things wait for the node loop.
    public var inboxCount: Int { inbox.count }
    /// Whether there is a process with its memory.
    public var isAlive: Bool { state == .running || state == .paused }

    let machine: MachinePlan
    var clock: NodeClock
    /// Draws of this machine: starts, what a crash leaves, how its disk thread is interrupted.
    var random: SeededGenerator
    /// The last commit and the like that were acknowledged as durable, to know if the disk has lost something
    /// that nobody can know of.
    var acknowledged = Acknowledged()
    /// Whether the disk has done something that nobody was told.
    var isInjured = false
    /// Whether that may be what a node that starts can't find by itself.
    var isSilentlyInjured = false
    /// Whether the process died because the power failed, so that the machine does not answer either.
    var isDark = false

    // MARK: The process

    var log: LogThread?
    var checkpoints: CheckpointThread?
    var folder: FolderHolder?
    var inbox: [Mail] = []
    /// Until when the node loop works.
    var busyUntil: Int64 = 0
    /// When a wake-up is due; none if in the far future.
    var wakeAt = Int64.max
    /// Until when the node loop stands still.
    var loopStallsUntil: Int64 = 0
    var diskStallsUntil: Int64 = 0
    /// What came due while the process stood still.
    var deferred: [Due] = []
    /// Operations that clients wait for.
    var open: [Int32] = []
    /// Counts what clients asked of this life.
    var requestCounter: UInt64 = 0
    /// Requests that wait in the replicated state, with the operations whose clients wait for their end.
    var parked: [RequestID: [UInt64]] = [:]
    /// How slow planned faults make the disk.
    var slownesses: [Int] = []
    /// Turns in a row for which nothing had come.
    var idleTurns = 0
    /// Starts in a row that failed.
    var startFailures = 0
    /// Whether nobody tries to start it any more.
    var isLost = false
    /// Whether it takes no part in the end of the run.
    var isRetired = false
    /// How the process ends when the disk says so, and after how long it starts again.
    var deathAtDisk = Death.killed
    var restartAfterDiskDeath: Instant.Span?
    /// Until when connecting to it as a client is impossible, counted by cuts.
    var clientCuts = 0

    init(index: Int, disk: SimulatedDisk, settings: RestoreSettings, machine: MachinePlan, seed: UInt64) {
        self.index = index
        id = NodeID(UInt64(index) + 1)
        self.disk = disk
        self.settings = settings
        self.machine = machine
        var random = SeededGenerator(seed: seed)
        clock = NodeClock(
            origin: Int64(random.below(1_000_000_000_000)), millionths: machine.drift,
            wallOffset: machine.wallOffset)
        self.random = random
    }
}

/// Something that waits for a node loop.
enum Mail {
    /// An event of the node.
    case event(NodeEvent)
    /// A client's request.
    case call(operation: Int32)
    /// A peer asks for a part of a snapshot.
    case serve(PeerRequestID, LogPosition, offset: UInt64, count: UInt64)
    /// A client that waited is gone.
    case gone(operation: Int32)
    /// The disk has failed for good.
    case fatal(String)
}

/// A disk thread.
final class LogThread {
    enum State { case idle, taken, done }

    var keeper: LogKeeper<SimulatedDisk>
    var state = State.idle
    var inbox: [LogCommand] = []
    /// What it carries out.
    var taken: [LogCommand] = []
    /// What it will report.
    var reports: [LogReport] = []
    /// Whether the writes of the group are done, and what comes after them too.
    var isFinishing = false
    /// When the group was taken, if it was not carried out at once.
    var began: Int64 = 0
    /// Persists that wait for room.
    var unacknowledged: [Persist] = []
    /// Why the thread has ended.
    var failure: String?
    /// When it looks by itself; in the far future if not.
    var wakeAt = Int64.max

    init(_ log: consuming WriteAheadLog<SimulatedDisk>) { keeper = LogKeeper(log: log) }
}

/// A checkpoint thread.
final class CheckpointThread {
    enum State { case idle, taken, done }

    var keeper: CheckpointKeeper<SimulatedDisk>
    var state = State.idle
    var inbox: [CheckpointCommand] = []
    var taken: [CheckpointCommand] = []
    var reports: [CheckpointReport] = []
    var wakeAt = Int64.max

    init(_ keeper: consuming CheckpointKeeper<SimulatedDisk>) { self.keeper = keeper }
}

/// Keeps a folder locked.
final class FolderHolder {
    let folder: DataFolder<SimulatedDisk>
    init(_ folder: consuming DataFolder<SimulatedDisk>) { self.folder = folder }
}

/// What a node has been told to be durable.
struct Acknowledged: Sendable {
    var term = Term.zero
    var vote: NodeID?
    var last = LogPosition.origin

    /// Takes in what became durable.
    mutating func add(_ persist: Persist) {
        if let state = persist.hardState { (term, vote) = (state.term, state.vote) }
        if let position = persist.resetTo { last = position }
        if let entry = persist.entries.last { last = LogPosition(index: entry.index, term: entry.term) }
    }

    /// Whether a node that starts with this has forgotten something.
    func isForgotten(by raft: Raft) -> Bool {
        if raft.term < term || (raft.term == term && vote != nil && raft.vote != vote) { return true }
        let now = raft.lastPosition
        return now.term < last.term || (now.term == last.term && now.index < last.index)
    }
}
