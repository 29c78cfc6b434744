public import Consensus
public import Primitives
public import Replication
public import Wire

/// What the owner of a ``Node`` calls a request of a peer that awaits its answer.
public struct PeerRequestID: Hashable, Sendable {
    /// The owner's number for it.
    public let rawValue: UInt64

    /// Makes the name with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What can happen to a ``Node``.
public enum NodeEvent: Sendable {
    /// The node's deadline has come.
    case timeout
    /// A client wants to write.
    case write(Write)
    /// A client wants to read what is at least as new as every write answered before now.
    case read(token: UInt64, deadline: Instant)
    /// Hand leadership to this voter, or to the most advanced one.
    case transferLeadership(to: NodeID?)
    /// A peer asks with a batch of messages. The owner has seen to it that the batch is meant for this node.
    case peerRequest(PeerRequestID, Envelope, wantsJSON: Bool)
    /// A peer's request can't be answered any more: its connection is gone.
    case peerRequestGone(PeerRequestID)
    /// A peer answered this node's batch, with messages of its own if it had any.
    case peerAnswered(NodeID, batch: UInt64, Envelope?)
    /// A peer did not answer this node's batch. Unless it `reached` the peer, it certainly never did.
    case peerFailed(NodeID, batch: UInt64, reached: Bool)
    /// A peer's connections to this node were closed: its process may be gone.
    case peerDisconnected(NodeID)
    /// The log has done something.
    case log(LogReport)
    /// The keeper of checkpoints has done something.
    case checkpoint(CheckpointReport)
    /// A part of a peer's snapshot has come.
    case fetched(id: UInt64, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// A peer's snapshot can't be had.
    case fetchFailed(id: UInt64)
}

/// What a ``Node`` asks of its owner, to be carried out in the order given.
public enum NodeEffect: Sendable {
    /// Hand this to the ``LogKeeper``.
    case log(LogCommand)
    /// Hand this to the ``CheckpointKeeper``.
    case checkpoint(CheckpointCommand)
    /// Send a request with this batch to the peer that it names; report its answer or failure.
    case post(Envelope)
    /// Answer a request of a peer; without messages the answer is empty.
    case answer(PeerRequestID, Envelope, wantsJSON: Bool)
    /// Fetch a snapshot from that node, in parts; under a number that is used once.
    case fetch(id: UInt64, SnapshotReference, from: NodeID)
    /// The fetch is of no use any more.
    case cancelFetch(id: UInt64)
    /// Something for the clients and the people who look at the node: any effect of the replica but those
    /// about disks and peers.
    case client(ReplicaEffect)
}
