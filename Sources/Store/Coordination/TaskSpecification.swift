// Tasks as local states and steps.

public import Primitives

/// A task in its life.
public enum TaskState: String, SpecifiedState {
    /// There is none with this id.
    case absent
    /// It is held back.
    case waiting
    /// It can be claimed.
    case ready
    /// A worker has it.
    case claimed
    /// It was done.
    case completed
    /// It was given up.
    case failed
    /// It was called off.
    case cancelled

    /// What it means.
    public var meaning: String {
        switch self {
        case .absent: "there is no task with this id, or it was finished long ago and forgotten"
        case .waiting: "its time has not come, or a task that it comes after is not completed"
        case .ready: "it can be claimed"
        case .claimed: "a worker has it, with a fencing token greater than all before, until a timer ends"
        case .completed: "it was done; it is never handed out again"
        case .failed: "it was given up: a dead letter, kept with its payload and the reason"
        case .cancelled: "it was called off"
        }
    }

    /// Nothing is there until it is added.
    public static var initial: TaskState { .absent }

    /// Whether nothing more becomes of it.
    public var isFinal: Bool { [.completed, .failed, .cancelled].contains(self) }

    /// Its place among all.
    var place: Int {
        switch self {
        case .absent: 0
        case .waiting: 1
        case .ready: 2
        case .claimed: 3
        case .completed: 4
        case .failed: 5
        case .cancelled: 6
        }
    }
}

/// What changes a task.
public enum TaskCause: String, SpecifiedCause {
    case added
    case due
    case claimed
    case completed
    case retried
    case givenUp = "given_up"
    case released
    case withdrawn
    case timedOut = "timed_out"
    case workerGone = "worker_gone"
    case dependencyFailed = "dependency_failed"
    case cancelled
    case forgotten

    /// What has to be so.
    public var condition: String {
        switch self {
        case .added: "it was added: ready unless it has to wait for its time or for other tasks"
        case .due: "its time has come and all tasks that it comes after are completed"
        case .claimed: "a worker that has all its labels, and room, asked for its kind, and it was first"
        case .completed: "who holds the present claim said that it is done"
        case .retried: "who holds the present claim said that it failed, and attempts are left"
        case .givenUp: "who holds the present claim said that it failed for good or for the last time"
        case .released: "who holds the present claim gave it back: the attempt does not count"
        case .withdrawn: "the claim's request was given up before its answer was taken"
        case .timedOut: "the claim's time was over, measured by the leader; failed if no attempts are left"
        case .workerGone: "the lease of its worker has ended; failed if no attempts are left"
        case .dependencyFailed: "a task that it comes after failed or was cancelled"
        case .cancelled: "it was called off"
        case .forgotten: "it was finished long ago, or many others were after it"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<TaskState>] {
        switch self {
        case .added: [.init(.absent, .ready), .init(.absent, .waiting)]
        case .due: [.init(.waiting, .ready)]
        case .claimed: [.init(.ready, .claimed)]
        case .completed: [.init(.claimed, .completed)]
        case .retried: [.init(.claimed, .waiting)]
        case .givenUp: [.init(.claimed, .failed)]
        case .released, .withdrawn: [.init(.claimed, .ready)]
        case .timedOut, .workerGone: [.init(.claimed, .ready), .init(.claimed, .failed)]
        case .dependencyFailed: [.init(.absent, .failed), .init(.waiting, .failed)]
        case .cancelled: Self.steps(from: [.waiting, .ready, .claimed], to: .cancelled)
        case .forgotten: Self.steps(from: [.completed, .failed, .cancelled], to: .absent)
        }
    }
}

extension AlgorithmSpecification {
    /// Work that is claimed.
    public static let task = AlgorithmSpecification(
        "task", title: "Tasks: claimed by one worker at a time, finished once", purpose: .coordination,
        subject: "each task",
        source: "Gray and Cheriton, Leases, 1989; Burrows, The Chubby lock service, 2006 (sequencers: 2.4)",
        causes: TaskCause.self, messages: NoMessage.self)
}
