public import Consensus
public import Primitives
public import Store

/// A client's wish to change the store.
public struct Write: Sendable {
    /// What the owner calls this request by.
    public var token: UInt64
    /// Under which the outcome can be found; unique.
    public var requestID: RequestID
    /// The change.
    public var operation: Store.Operation
    /// By what the request is recognised if it comes again.
    public var once: OnceKey?
    /// When the client no longer waits.
    public var deadline: Instant
    /// Whether another node may be asked to propose it.
    public var mayForward: Bool
    /// The trace that it belongs to, if any: the leader is told, the log is not.
    public var trace: TraceContext?

    /// Makes a request of these parts.
    public init(
        token: UInt64, requestID: RequestID, operation: Store.Operation, deadline: Instant,
        mayForward: Bool = true, trace: TraceContext? = nil, once: OnceKey? = nil
    ) {
        self.token = token
        self.requestID = requestID
        self.operation = operation
        self.deadline = deadline
        self.mayForward = mayForward
        self.trace = trace
        self.once = once
    }
}

/// What can happen to a ``Replica``.
public enum ReplicaEvent: Sendable {
    /// The replica's deadline has come.
    case timeout
    /// A message came from a peer. Consensus messages may be repeated; forwarded writes and their refusals
    /// must not be, because a write is proposed as often as it comes.
    case received(PeerMessage, from: NodeID)
    /// A client wants to write.
    case write(Write)
    /// A client wants to read what is at least as new as every write answered before now.
    case read(token: UInt64, deadline: Instant)
    /// Everything up to this ``Consensus/Persist`` is on disk.
    case persisted(sequence: UInt64)
    /// A batch with these forwarded writes certainly never reached the peer. To be told once for each batch.
    case undelivered([RequestID])
    /// Nothing can be sent to this peer at the moment.
    case peerUnreachable(NodeID)
    /// The peer's connections were closed: its process may be gone.
    case peerDisconnected(NodeID)
    /// Hand leadership to this voter, or to the most advanced one.
    case transferLeadership(to: NodeID?)
    /// A checkpoint is durable and the log was cut: it now begins at `firstIndex`.
    case checkpointWritten(SnapshotReference, firstIndex: LogIndex)
    /// A checkpoint could not be written; a later one will be tried.
    case checkpointFailed
    /// The checkpoint at this position went bad on disk. Unless there is a newer one, or one is being
    /// written, the present state is to be written as another one at once.
    case checkpointDamaged(LogPosition)
    /// A snapshot from the leader is durable, and this is what it holds.
    case snapshotLoaded(Keyspace, SnapshotReference)
    /// A snapshot from the leader could not be had.
    case snapshotFailed(SnapshotReference)
    /// Whether the disk has room for more than what is reserved.
    case storage(isShortOfSpace: Bool)
}

/// What a ``Replica`` asks of its owner, to be carried out in the order given.
public enum ReplicaEffect: Sendable {
    /// Make it durable, report ``ReplicaEvent/persisted(sequence:)``, then send what it carries.
    case persist(Persist)
    /// Send to a peer; it may be lost.
    case send(PeerMessage, to: NodeID)
    /// Read entries back from the log on disk and send them as an append.
    case readLog(Replicate)
    /// The write took effect, or was refused by the store, as the outcome says.
    case answered(token: UInt64, RequestID, Outcome)
    /// The write was not carried out, or it is not known whether it will be.
    case refused(token: UInt64, RequestID, WriteRefusal)
    /// A request that was answered with an outcome that waits has come to its end. Told on every node.
    case settled(RequestID, Outcome)
    /// The thing with this row changed: whoever waits for it may look again.
    case changed(RowKey)
    /// A command moved a lease, or somebody who wants to hold something, from one state to another.
    case stepped(CoordinationStep)
    /// A snapshot took the place of the state: whoever waits for something in it must look again.
    case replaced
    /// The read may be answered from the keyspace now.
    case readable(token: UInt64)
    /// The read can't be answered in time.
    case readRefused(token: UInt64, ReadRefusal)
    /// Write a checkpoint of this frozen keyspace.
    case checkpoint(Keyspace, SnapshotReference)
    /// Get this snapshot from that node.
    case fetchSnapshot(SnapshotReference, from: NodeID)
    /// A request says something to all nodes, each of which delivers it in the order of the log.
    case announced(RequestID, Announcement)
    /// A logged message is in no inbox any more.
    case messageEnded(UInt64, wasTaken: Bool)
    /// A note for this node's inbox.
    case deliver(Note)
    /// A write with a trace came from that node, and was refused if there is a reason. For the log lines.
    case traced(RequestID, TraceContext, from: NodeID, ForwardRefusal.Reason?)
    /// A transfer of leadership is over.
    case transferEnded(target: NodeID?, TransferOutcome)
    /// The role or the leader changed.
    case transition(Transition)
}

/// Why a write has no outcome.
public enum WriteRefusal: Sendable, Equatable {
    /// No leader is known; not applied.
    case noLeader
    /// This node does not lead, and the client wants no other; not applied.
    case notLeader
    /// Too much is waiting; not applied.
    case overloaded
    /// The disk is full; not applied.
    case storageFull
    /// It was proposed, and whether it will be committed is not known.
    case unknown

    /// Whether it is certain that the write will never take effect.
    public var isDefinite: Bool { self != .unknown }
}

/// Why a linearizable read has no answer.
public enum ReadRefusal: Sendable, Equatable {
    /// No leader is known.
    case noLeader
    /// The leader could not reach a quorum in time.
    case noQuorum
    /// Too many reads wait.
    case overloaded
}
