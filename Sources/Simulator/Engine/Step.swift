public import NodeCore
public import Primitives

/// One step of a run, as observers see it.
public struct Step: ~Copyable {
    /// Counts the steps from 1.
    public let number: UInt64
    /// True time since the run began, which no node knows.
    public let time: Instant
    /// What happened.
    public let what: What

    /// What can happen.
    public enum What {
        /// A process has read its disk and runs.
        case started(node: Int)
        /// A process could not start from what its disk holds.
        case refusedToStart(node: Int, reason: String)
        /// A process is gone.
        case died(node: Int, Death)
        /// A process stands still.
        case paused(node: Int)
        /// It goes on.
        case resumed(node: Int)
        /// A turn of a node loop.
        case turn(Turn)
        /// A disk thread has carried out commands: they are done, and the reports leave now or a little
        /// later.
        case logTurn(LogTurn)
        /// As with the disk thread, a checkpoint thread.
        case checkpointTurn(CheckpointTurn)
        /// A client's operation begins; the number is its place in ``Simulation/operations``.
        case invoked(operation: Int)
        /// A client has got its answer, or has given up.
        case returned(operation: Int)
        /// A request or answer is lost on its way.
        case lost(Transit)
        /// A request is on its way twice.
        case duplicated(Transit)
        /// A request got no answer in time.
        case timedOut(Transit)
        /// A connection broke, and the sender knows.
        case broke(Transit)
        /// A planned fault begins or ends; the number is its place in the plan's faults.
        case fault(index: Int, begins: Bool)
        /// A phase begins.
        case phase(Phase)
    }
}

/// A turn of a node loop.
public struct Turn {
    /// Which node.
    public let node: Int
    /// Which of its lives.
    public let life: Int
    /// The node's own monotonic clock.
    public let now: Instant
    /// The node's own wall clock.
    public let wall: WallTime
    /// What was stepped, in this order.
    public let events: [NodeEvent]
    /// What the node asked for.
    public let effects: [NodeEffect]
}

/// What a disk thread has done.
public struct LogTurn {
    /// Which node.
    public let node: Int
    /// Which of its lives.
    public let life: Int
    /// What it was given.
    public let commands: [LogCommand]
    /// What it reports.
    public let reports: [LogReport]
}

/// What a checkpoint thread has done.
public struct CheckpointTurn {
    /// Which node.
    public let node: Int
    /// Which of its lives.
    public let life: Int
    /// What it was given.
    public let commands: [CheckpointCommand]
    /// What it reports.
    public let reports: [CheckpointReport]
}

/// Something on its way between two nodes.
public struct Transit: Sendable, Equatable {
    /// What kind of thing.
    public enum Kind: String, Sendable {
        /// A batch of messages.
        case request
        /// The answer to one.
        case answer
        /// A part of a snapshot, or the question for one.
        case part
    }

    /// Who sent it.
    public let from: Int
    /// Whom it is for.
    public let to: Int
    /// The number of the batch or of the fetch.
    public let number: UInt64
    /// What it is.
    public let kind: Kind
}

/// How a process ended.
public enum Death: Sendable, Equatable, CustomStringConvertible {
    /// It was killed; what the kernel has in its cache survives.
    case killed
    /// The power failed.
    case power
    /// It stopped itself.
    case failed(String)

    /// A few words.
    public var description: String {
        switch self {
        case .killed: "killed"
        case .power: "power failed"
        case .failed(let reason): "stopped: \(reason)"
        }
    }
}

/// A part of a run.
public enum Phase: String, Sendable {
    /// Anything may go wrong.
    case safety
    /// All faults are over for the nodes of the core, and progress is demanded while clients go on.
    case liveness
    /// The clients have stopped; all that is open must come to an end, and the nodes to the same state.
    case settling
}
