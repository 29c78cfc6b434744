public import Primitives

// Tasks that workers claim, with a fencing token: whoever holds the present claim of a task finishes it, and
// nobody else. A claim ends by itself, so that the task of a worker that died goes to another one.
//
// Tasks that are ready stand in lanes, one for each kind and set of labels. A claim looks at the first task
// of each lane that suits the worker, and never at tasks that don't.

/// The name of a task, unique in the store and never given twice.
public struct TaskID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number behind it.
    public let number: UInt64

    /// Makes it of its number.
    public init(_ number: UInt64) { self.number = number }

    /// Reads what ``description`` gives; nil for any other text.
    public init?(_ text: some StringProtocol) {
        guard text.hasPrefix("t-"), let number = UInt64(text.dropFirst(2)) else { return nil }
        self.init(number)
        guard text == description else { return nil }
    }

    /// `t-` and the number.
    public var description: String { "t-\(number)" }

    /// Orders by age: the older one is less.
    public static func < (a: TaskID, b: TaskID) -> Bool { a.number < b.number }
}

/// A task to be added.
public struct NewTask: Sendable, Equatable {
    /// When a task may be claimed at the earliest.
    public enum Start: Sendable, Equatable {
        /// After so many milliseconds; zero: at once.
        case after(Int64)
        /// At this time by the log's clock.
        case at(WallTime)
    }

    /// What kind of work it is: workers ask for kinds.
    public var kind: String
    /// What is to be done, as sent.
    public var payload: [UInt8]
    /// A worker needs all of these; sorted, each once.
    public var labels: [String] = []
    /// Greater ones come first.
    public var priority: UInt8 = 0
    /// When it may be claimed at the earliest.
    public var start = Start.after(0)
    /// These have to be completed before; sorted, each once.
    public var after: [TaskID] = []
    /// After so many attempts it is given up.
    public var maximumAttempts: UInt32 = 3
    /// For how long a claim lasts without a sign of life, in milliseconds.
    public var timeout: Int64 = 30_000
    /// A second task with the same id is not added, as long as the first is kept.
    public var dedupe: String?

    /// Makes a task.
    public init(kind: String, payload: [UInt8] = []) {
        self.kind = kind
        self.payload = payload
    }
}

/// The right to finish a task, until its time is over.
public struct TaskClaim: Sendable, Equatable {
    /// Greater than all tokens before, of any thing.
    public internal(set) var token: UInt64
    /// Whose it is.
    public internal(set) var worker: String
    /// When it ends by the log's clock, unless it is prolonged. The timer decides, not this.
    public internal(set) var deadline: WallTime
    /// Ends it.
    var timer: UInt64
    /// Whether it counts for a worker that is registered, and ends with it.
    var isRegistered: Bool
    /// The request that asked for it.
    var request: RequestID
}

/// Why a task failed for good.
public enum TaskFailure: Sendable, Equatable {
    /// Its last holder said so.
    case reported
    /// The time of its last attempt was over.
    case timedOut
    /// The worker of its last attempt is gone.
    case workerGone
    /// A task that had to be completed before was not.
    case dependency(TaskID)
}

/// A task as it stands in the state; its payload and what is reported of it have rows of their own.
public struct TaskRecord: Sendable, Equatable {
    /// How it stands with a task, with what belongs to that.
    public enum Standing: Sendable, Equatable {
        /// It is held back by a timer, unless that is zero, and by so many other tasks.
        case waiting(timer: UInt64, blockers: UInt32)
        /// It can be claimed.
        case ready
        /// A worker has it.
        case claimed(TaskClaim)
        /// It was done.
        case completed
        /// It was given up.
        case failed(TaskFailure)
        /// It was called off.
        case cancelled
    }

    /// Its name.
    public let id: TaskID
    /// What kind of work it is.
    public let kind: String
    /// What a worker needs.
    public let labels: [String]
    /// Greater ones come first.
    public let priority: UInt8
    /// After so many attempts it is given up.
    public let maximumAttempts: UInt32
    /// For how long a claim lasts without a sign of life, in milliseconds.
    public let timeout: Int64
    /// What had to be completed before.
    public let after: [TaskID]
    /// Under what it is recognised if it is added again.
    public let dedupe: String?
    /// The log's time when it was added.
    public let createdAt: WallTime
    /// Not before this is it claimed, by the log's clock: its place among others of its priority.
    public internal(set) var due: WallTime
    /// How it stands.
    public internal(set) var standing: Standing
    /// How many times it was claimed, without those that were given back.
    public internal(set) var attempts: UInt32 = 0
    /// The log's time when it was finished.
    public internal(set) var finishedAt: WallTime?
    /// The lane that it stands in when it is ready.
    var lane: UInt64
    /// The token of its last claim; zero if there was none.
    var lastToken: UInt64 = 0

    /// The state, without what belongs to it.
    public var state: TaskState {
        switch standing {
        case .waiting: .waiting
        case .ready: .ready
        case .claimed: .claimed
        case .completed: .completed
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }
}

/// A worker that has made itself known.
public struct Worker: Sendable, Equatable {
    /// Under what it is known.
    public let name: String
    /// The lease that it ends with.
    public internal(set) var lease: String
    /// So many tasks it has at most at a time.
    public internal(set) var capacity: Int
    /// What it can; sorted, each once.
    public internal(set) var labels: [String]
    /// The log's time when it became known.
    public let registeredAt: WallTime
}

/// What is done with tasks and workers.
public enum TaskCommand: Sendable, Equatable {
    /// Adds a task.
    case add(NewTask)
    /// Hands out at most so many tasks of these kinds, or of any kind if there are none.
    case claim(worker: String, kinds: [String], maximum: Int)
    /// The holder is alive: its time begins anew.
    case heartbeat(TaskID, token: UInt64)
    /// The same, and how far it has come.
    case progress(TaskID, token: UInt64, [UInt8])
    /// The task is done, with this result.
    case complete(TaskID, token: UInt64, result: [UInt8])
    /// The task could not be done, for this reason; it is not tried again if that is final.
    case fail(TaskID, token: UInt64, reason: [UInt8], isFinal: Bool)
    /// The holder does not want it: the attempt does not count.
    case release(TaskID, token: UInt64)
    /// The task is called off.
    case cancel(TaskID)
    /// Makes a worker known, or begins its time anew, with other settings; milliseconds.
    case register(worker: String, timeToLive: Int64, capacity: Int, labels: [String])
    /// A worker goes.
    case remove(worker: String)
}

/// What became of a task or a worker.
public enum TaskOutcome: Sendable, Equatable {
    /// The task is known under this id; it is not new if its dedupe id was known.
    case added(TaskID, TaskState, isNew: Bool)
    /// These tasks were handed out; none: nothing that suits is ready, or the worker has as many as it may.
    case claimed([ClaimedTask])
    /// The claim lasts until then, by the log's clock.
    case kept(TaskID, deadline: WallTime)
    /// The task is done.
    case completed(TaskID)
    /// It is tried again after so many milliseconds; nil: never.
    case failed(TaskID, retryAfter: Int64?)
    /// It was given back.
    case released(TaskID)
    /// It was called off.
    case cancelled(TaskID)
    /// The worker is known.
    case registered(Worker, isNew: Bool)
    /// The worker is gone, and so many claims of it.
    case removed(String, claims: Int)
}

/// A task as it is handed out.
public struct ClaimedTask: Sendable, Equatable {
    /// Its name.
    public let id: TaskID
    /// What kind of work it is.
    public let kind: String
    /// What is to be done.
    public let payload: [UInt8]
    /// How many times it was claimed, this time counted.
    public let attempt: UInt32
    /// After so many it is given up.
    public let maximumAttempts: UInt32
    /// What entitles its holder to it.
    public let token: UInt64
    /// When the claim ends by the log's clock, unless it is prolonged.
    public let deadline: WallTime
    /// For how long it lasts after each sign of life, in milliseconds.
    public let timeout: Int64
}

/// Why a command changed nothing about tasks.
public enum TaskRefusal: Sendable, Equatable {
    /// There is no such task, or it was finished long ago and forgotten.
    case notFound(TaskID)
    /// The claim with this token is not the present one.
    case notHolder(TaskID, token: UInt64)
    /// It was finished before.
    case finished(TaskID, TaskState)
    /// A task cannot come after one that does not exist.
    case unknownDependency(TaskID)
    /// No time so far away is waited for.
    case tooLate
    /// So many tasks wait to be finished, as many as may.
    case tooMany(Int)
    /// There are as many kinds and sets of labels as may be at a time.
    case tooManyLanes(Int)
    /// There is no worker with this name.
    case workerNotFound(String)
    /// There are as many workers as may be.
    case tooManyWorkers(Int)
}

/// How many tasks there are in each state.
public struct TaskCounts: Sendable, Equatable {
    /// By the place of the state in ``TaskState``.
    var counts = [UInt64](repeating: 0, count: TaskState.allCases.count)
    /// The bytes that finished tasks hold.
    public internal(set) var finishedBytes: UInt64 = 0
    /// Counts the parts of the time for which finished tasks are kept.
    var tick: UInt64 = 0
    /// The timer of the next tick; zero if none runs.
    var tickTimer: UInt64 = 0
    /// The timer after which more are forgotten; zero if none runs.
    var dropTimer: UInt64 = 0

    /// How many tasks are in a state.
    public internal(set) subscript(state: TaskState) -> Int {
        get { Int(counts[state.place]) }
        set { counts[state.place] = UInt64(newValue) }
    }

    /// How many are not finished.
    public var unfinished: Int { self[.waiting] + self[.ready] + self[.claimed] }
    /// How many are finished and still known.
    public var finished: Int { self[.completed] + self[.failed] + self[.cancelled] }
}

/// What happens to tasks when a timer has run out.
enum TaskTimer: Equatable, Sendable {
    /// The time of a claim is over.
    case claim(UInt64)
    /// A task need not wait any longer.
    case start(UInt64)
    /// More tasks depend on one than one command tells.
    case dependents(UInt64, succeeded: Bool)
    /// A part of the time for which finished tasks are kept has passed.
    case tick
    /// There were more finished tasks than one command forgets.
    case drop
}

extension Limits {
    /// No payload of a task is longer than this, in bytes.
    public static let taskPayloadBytes = 1 << 20
    /// No result is longer than this, in bytes: results are kept for those who ask later, and at this length
    /// a thousand of them have room.
    public static let taskResultBytes = 128 << 10
    /// What is said of a task's progress, or why it failed, is no longer than this, in bytes.
    public static let taskNoteBytes = 4_096
    /// No task asks for more labels, and no worker has more.
    public static let taskLabels = 16
    /// No task comes after more others.
    public static let taskDependencies = 64
    /// No claim names more kinds.
    public static let taskKinds = 64
    /// No claim hands out more tasks, and no more bytes than ``receiveBytes`` but for a single one.
    public static let taskClaims = 100
    /// No task is tried more often.
    public static let taskAttempts: UInt32 = 1_000
    /// So many tasks may be unfinished at a time.
    public static let taskCount = 1_000_000
    /// So many different kinds and sets of labels may unfinished tasks have: a claim of any kind looks at
    /// each.
    public static let taskLanes = 1_024
    /// So many workers may be known.
    public static let workers = 65_536
    /// No worker has more tasks at a time.
    public static let workerCapacity = 1_000
    /// So many finished tasks are kept, the newest.
    public static let finishedTasks = 100_000
    /// They hold no more bytes than about this, else the oldest are forgotten: 128 MiB.
    public static let finishedTaskBytes = 128 << 20
    /// For so long finished tasks are kept at least, in milliseconds, and at most an eighth longer.
    public static let finishedTaskMilliseconds: Int64 = 3_600_000
    static let finishedTaskTicks: UInt64 = 8

    /// After so many attempts that failed a task is tried again when this has passed, in milliseconds: a
    /// second, and twice as long each time, up to five minutes.
    public static func retryDelay(after attempts: UInt32) -> Int64 {
        min(300_000, 1_000 << Int64(min(attempts, 20) - min(attempts, 1)))
    }
}
