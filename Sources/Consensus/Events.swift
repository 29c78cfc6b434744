public import Primitives

/// What a leader is asked to put in the log.
public struct Proposal: Sendable, Equatable {
    /// What the entry will be for.
    public var kind: Entry.Kind
    /// The entry's content.
    public var payload: [UInt8]

    /// Makes a proposal of `payload`.
    public init(kind: Entry.Kind = .command, payload: [UInt8]) {
        self.kind = kind
        self.payload = payload
    }
}

/// What a ``Raft`` is told.
public enum Event: Sendable, Equatable {
    /// The ``Raft/deadline`` may have passed. Harmless at any other time.
    case timeout
    /// A message has come from another node.
    case received(Message)
    /// Put these in the log, in this order, all or none; answered in the same step by `proposed` or
    /// `proposalRefused`.
    case propose([Proposal])
    /// The persist with this number and all before it are durable.
    case persisted(sequence: UInt64)
    /// Up to where must be applied to answer a read that has just begun? Answered by `readReady` or
    /// `readFailed`. Tokens are the owner's; the same one must not be open twice.
    case read(token: UInt64)
    /// Hand leadership to this voter, or to the one that is furthest along; answered by `transferEnded`.
    case transferLeadership(to: NodeID?)
    /// The connections to this node have closed, so it has probably stopped.
    case peerDisconnected(NodeID)
    /// Something sent to this node has not reached it.
    case peerUnreachable(NodeID)
    /// The newest durable checkpoint, and the first entry that is still in the log.
    case compacted(SnapshotReference, firstIndex: LogIndex)
    /// The checkpoint that was fetched is durable and the state machine has it, or had more already.
    case snapshotInstalled(SnapshotReference)
    /// The checkpoint could not be fetched or installed.
    case snapshotFailed(SnapshotReference)
}

/// What a ``Raft`` asks of its owner, to be carried out in the order given.
public enum Effect: Sendable, Equatable {
    /// Make this durable, then report `persisted` and send what follows it.
    case persist(Persist)
    /// Send this now.
    case send(Message)
    /// Send entries of the log now.
    case replicate(Replicate)
    /// The proposals of this step stand in the log at `first` and the indexes after it. They may still be
    /// lost: they are certain when the commit index has passed them while the entry there has `term`.
    case proposed(first: LogIndex, count: Int, term: Term)
    /// The proposals of this step are not in the log and will not be.
    case proposalRefused(count: Int, reason: ProposalRefusal)
    /// Everything up to here is committed and may be applied. Never goes back.
    case committed(LogIndex)
    /// The read may be answered once everything up to `index` is applied.
    case readReady(token: UInt64, index: LogIndex)
    /// The read can't be answered now; the leader is unknown, has changed or does not answer.
    case readFailed(token: UInt64)
    /// Fetch and install this checkpoint, then report `snapshotInstalled` or `snapshotFailed`. Replaces an
    /// earlier fetch that is still under way. Not to be installed if more was applied in the meantime.
    case fetchSnapshot(SnapshotReference, from: NodeID)
    /// The end of a `transferLeadership`; `target` is nil if none was named or found.
    case transferEnded(target: NodeID?, TransferOutcome)
    /// The node's role, term or leader has changed; for logs and `GET /transitions`.
    case transition(Transition)
}

/// Why proposals were refused.
public enum ProposalRefusal: Sendable, Equatable {
    /// Another node leads, or none.
    case notLeader
    /// Leadership is being handed over.
    case transferring
    /// More entries or bytes wait for a quorum than the limits allow.
    case tooMuchUncommitted
    /// The configuration is malformed, may not follow the present one, or the one before is not committed
    /// yet.
    case configuration
}

/// How a leadership transfer ended.
public enum TransferOutcome: Sendable, Equatable {
    /// A later term has begun, in which the target, most likely, leads.
    case newTerm(Term)
    /// This node leads already, and it was asked to hand over to itself.
    case alreadyLeader
    /// This node does not lead.
    case notLeader
    /// The target is not a voter, or there is no other voter.
    case noSuchVoter
    /// Another transfer is under way, or a newer one replaced this one.
    case superseded
    /// The target did not take over within an election timeout; this node goes on leading.
    case timedOut
    /// This node stopped leading for another reason.
    case steppedDown
}

/// What to write to disk in one go.
///
/// Order within: first `resetTo`, then `entries`, then `hardState`. Nothing in `thenSend` may leave before
/// this persist and all earlier ones are durable. A persist that has nothing but `thenSend` needs no write of
/// its own.
public struct Persist: Sendable, Equatable {
    /// Counts up by one from 1.
    public var sequence: UInt64
    /// The new hard state; nil if unchanged.
    public var hardState: HardState?
    /// If not nil, the whole log is discarded: it starts anew after this position, that of an installed
    /// snapshot.
    public var resetTo: LogPosition?
    /// Entries without gaps that replace whatever stands at or above the first one's index.
    public var entries: [Entry]
    /// Messages to send when this persist and all before it are durable.
    public var thenSend: [Message]

    /// Makes a persist with these parts.
    public init(
        sequence: UInt64, hardState: HardState? = nil, resetTo: LogPosition? = nil, entries: [Entry] = [],
        thenSend: [Message] = []
    ) {
        self.sequence = sequence
        self.hardState = hardState
        self.resetTo = resetTo
        self.entries = entries
        self.thenSend = thenSend
    }
}

/// Entries to be sent to a peer, as an `append` message with `previous`, `commit` and the entries of `range`.
///
/// The owner attaches the entries from its cache or the disk. It sends them from the first on, and stops
/// before the payloads exceed `maxBytes`, but not before the first. Where the core knows the sizes, the range
/// is cut accordingly already; where it does not (entries from before a restart), it waits for the answer
/// before it sends more. An owner that sends fewer or none is as harmless as a lossy network.
public struct Replicate: Sendable, Equatable {
    /// The peer.
    public var to: NodeID
    /// The term of the message.
    public var term: Term
    /// The position before the first entry.
    public var previous: LogPosition
    /// The indexes of the entries; may be empty.
    public var range: Range<LogIndex>
    /// How many entries there are in `range`.
    public var count: Int { Int(range.upperBound - range.lowerBound) }
    /// The commit index to send along.
    public var commit: LogIndex
    /// How many payload bytes the message may hold, if there is more than one entry.
    public var maxBytes: Int

    /// Makes a replicate with these parts.
    public init(
        to: NodeID, term: Term, previous: LogPosition, range: Range<LogIndex>, commit: LogIndex, maxBytes: Int
    ) {
        self.to = to
        self.term = term
        self.previous = previous
        self.range = range
        self.commit = commit
        self.maxBytes = maxBytes
    }
}

/// A change of role, term or leader, with its cause.
public struct Transition: Sendable, Equatable {
    /// When it happened.
    public var at: Instant
    /// The role before.
    public var from: Role
    /// The role after.
    public var to: Role
    /// The term after.
    public var term: Term
    /// The cause.
    public var reason: Reason
    /// The leader after, if known.
    public var leader: NodeID?

    /// Makes a transition with these parts.
    public init(at: Instant, from: Role, to: Role, term: Term, reason: Reason, leader: NodeID?) {
        self.at = at
        self.from = from
        self.to = to
        self.term = term
        self.reason = reason
        self.leader = leader
    }

    /// Why a node changed.
    public enum Reason: Sendable, Equatable, CustomStringConvertible {
        /// No leader was heard for an election timeout.
        case electionTimeout
        /// A candidate did not win in time.
        case electionUndecided
        /// The leader's connections closed.
        case leaderDisconnected(NodeID)
        /// A quorum would grant its votes.
        case preVoteWon
        /// A quorum would not grant its votes, or another candidate has precedence.
        case preVoteLost
        /// A quorum granted its votes.
        case electionWon
        /// A quorum refused its votes.
        case electionLost
        /// A message came with a later term.
        case laterTerm(from: NodeID)
        /// The leader of the term showed itself.
        case leaderFound(NodeID)
        /// A leader heard no quorum for an election timeout.
        case quorumLost
        /// The leader handed leadership over to this node.
        case transfer(from: NodeID)
        /// The node is no voter any more.
        case removed

        /// The cause, whoever brought it about.
        public var cause: Cause {
            switch self {
            case .electionTimeout: .electionTimeout
            case .electionUndecided: .electionUndecided
            case .leaderDisconnected: .leaderDisconnected
            case .preVoteWon: .preVoteWon
            case .preVoteLost: .preVoteLost
            case .electionWon: .electionWon
            case .electionLost: .electionLost
            case .laterTerm: .laterTerm
            case .leaderFound: .leaderFound
            case .quorumLost: .quorumLost
            case .transfer: .transfer
            case .removed: .removed
            }
        }

        /// The cause in a few words.
        public var description: String {
            switch self {
            case .electionTimeout: "heard no leader for an election timeout"
            case .electionUndecided: "election undecided in time"
            case .leaderDisconnected(let leader): "connections of leader \(leader) closed"
            case .preVoteWon: "pre-vote won"
            case .preVoteLost: "pre-vote lost"
            case .electionWon: "election won"
            case .electionLost: "election lost"
            case .laterTerm(let node): "later term from \(node)"
            case .leaderFound(let leader): "heard leader \(leader)"
            case .quorumLost: "heard no quorum for an election timeout"
            case .transfer(let leader): "leadership handed over by \(leader)"
            case .removed: "no longer a voter"
            }
        }
    }
}
