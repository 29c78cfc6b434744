import Consensus
import NodeCore
import Primitives
import Replication
import Store

/// What a node's memory says of itself at the end of a turn: plain numbers, cheap to copy.
struct NodeState: Sendable {
    var role = Role.follower
    var term = Term.zero
    var vote: NodeID?
    var leader: NodeID?
    var commit = LogIndex.zero
    /// The end of its log.
    var last = LogPosition.origin
    /// The first entry still in its log, or where it will be.
    var first = LogIndex.zero.next
    /// The checkpoint that consensus goes by.
    var snapshot = LogIndex.zero
    /// Where the configuration that it uses stands.
    var configurationIndex = LogIndex.zero
    /// Whether it leads and has committed an entry of its term.
    var isReady = false
    var transferTarget: NodeID?
    var isShortOfSpace = false
    /// The newest checkpoint that its replica knows to be durable.
    var checkpoint = LogIndex.zero
    /// The last entry it has applied.
    var applied = LogIndex.zero
    var state = Fingerprint()

    /// The state of a node before its first start.
    init() {}

    /// The state of a node now; nil if there is none. In place: a node is far too large to be copied for
    /// this.
    init?(of node: inout Node?) {
        guard node != nil else { return nil }
        role = node!.replica.raft.role
        term = node!.replica.raft.term
        vote = node!.replica.raft.vote
        leader = node!.replica.raft.leader
        commit = node!.replica.raft.commit
        last = node!.replica.raft.lastPosition
        first = node!.replica.raft.firstIndex
        snapshot = node!.replica.raft.snapshot.position.index
        configurationIndex = node!.replica.raft.configurationIndex
        isReady = node!.replica.raft.isReady
        transferTarget = node!.replica.raft.transferTarget
        isShortOfSpace = node!.replica.isShortOfSpace
        checkpoint = node!.replica.checkpoint.position.index
        applied = node!.replica.keyspace.appliedIndex
        state.term = node!.replica.keyspace.appliedTerm
        state.revision = node!.replica.keyspace.revision
        state.compactRevision = node!.replica.keyspace.compactRevision
        state.lastTime = node!.replica.keyspace.lastTime
        state.count = node!.replica.keyspace.count
        state.historyCount = node!.replica.keyspace.historyCount
        state.logicalBytes = node!.replica.keyspace.logicalBytes
        state.historyBytes = node!.replica.keyspace.historyBytes
    }
}

/// The numbers of a store that change with almost everything that is done to it. Equal on all replicas at the
/// same index, at no cost; what they don't tell apart, the store's digest does.
struct Fingerprint: Sendable, Equatable {
    var term = Term.zero
    var revision = Revision(1)
    var compactRevision = Revision.zero
    var lastTime = WallTime(milliseconds: 0)
    var count = 0
    var historyCount = 0
    var logicalBytes = 0
    var historyBytes = 0

    init() {}

    init(_ keyspace: borrowing Keyspace) {
        term = keyspace.appliedTerm
        revision = keyspace.revision
        compactRevision = keyspace.compactRevision
        lastTime = keyspace.lastTime
        count = keyspace.count
        historyCount = keyspace.historyCount
        logicalBytes = keyspace.logicalBytes
        historyBytes = keyspace.historyBytes
    }
}
