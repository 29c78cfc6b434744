public import Primitives

/// Where an entry stands: its index and the term of the leader that made it. Two logs that hold the same
/// position are identical up to it (Raft thesis 3.5, the Log Matching Property).
public struct LogPosition: Sendable, Hashable {
    /// The place in the log.
    public var index: LogIndex
    /// The term in which the entry was made.
    public var term: Term

    /// Makes the position at `index` with `term`.
    public init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }

    /// The position before the first entry.
    public static let origin = LogPosition(index: .zero, term: .zero)

    /// Whether a log that ends here may lead one that ends at `other`.
    ///
    /// Thesis 3.6.1: "If the logs have last entries with different terms, then the log with the later term is
    /// more up-to-date. If the logs end with the same term, then whichever log is longer is more up-to-date."
    public func isAtLeastAsUpToDate(as other: LogPosition) -> Bool {
        if isPlanted(.comparesLogsAsVectors) { return term >= other.term && index >= other.index }
        if isPlanted(.comparesLogLengths) { return index >= other.index }
        return term != other.term ? term > other.term : index >= other.index
    }
}

extension LogPosition: CustomStringConvertible {
    /// The position as `index@term`.
    public var description: String { "\(index)@\(term)" }
}

/// What a node must not forget (thesis, figure 3.1, "persistent state"); the commit index comes along so that
/// recovery knows what may not be missing.
public struct HardState: Sendable, Equatable {
    /// The latest term the node has seen.
    public var term: Term
    /// The candidate that got the node's vote in `term`.
    public var vote: NodeID?
    /// An index known to be committed; may lag behind the truth, and never lies beyond the log.
    public var commit: LogIndex

    /// Makes the state with these parts.
    public init(term: Term = .zero, vote: NodeID? = nil, commit: LogIndex = .zero) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }
}

/// One entry of the replicated log. Passes through the core, which remembers only its term and size.
public struct Entry: Sendable, Equatable {
    /// What an entry is for.
    public enum Kind: UInt8, Sendable {
        /// Opens a leader's term; nothing to apply.
        case noop = 0
        /// A command of the state machine.
        case command = 1
        /// An encoded ``Configuration``.
        case configuration = 2
    }

    /// The place in the log.
    public var index: LogIndex
    /// The term of the leader that made the entry.
    public var term: Term
    /// What the entry is for.
    public var kind: Kind
    /// The content, opaque to the core unless it is a configuration.
    public var payload: [UInt8]

    /// Makes an entry with these parts.
    public init(index: LogIndex, term: Term, kind: Kind, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.kind = kind
        self.payload = payload
    }
}

/// A checkpoint of the state machine: it stands for the log up to and including its position.
public struct SnapshotReference: Sendable, Equatable {
    /// The last entry that the checkpoint covers.
    public var position: LogPosition
    /// The members as of that entry.
    public var configuration: Configuration

    /// Makes a reference with these parts.
    public init(position: LogPosition, configuration: Configuration) {
        self.position = position
        self.configuration = configuration
    }
}

/// Something one node tells another. Messages may be lost, repeated, delayed and reordered.
public struct Message: Sendable, Equatable {
    /// The sender.
    public var from: NodeID
    /// The receiver.
    public var to: NodeID
    /// The sender's term; in a pre-vote request, and in the grant of one, the term the candidate would open.
    public var term: Term
    /// What is said.
    public var body: Body

    /// Makes a message with these parts.
    public init(from: NodeID, to: NodeID, term: Term, body: Body) {
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }

    /// The kinds of messages.
    public enum Body: Sendable, Equatable {
        /// A leader's entries (AppendEntries of thesis 3.5).
        case append(Append)
        /// The answer to `append`, sent when what it says is durable; also to `installSnapshot`.
        case appendResponse(AppendResponse)
        /// A leader's sign of life, and the question of a read round (thesis 6.4).
        case heartbeat(Heartbeat)
        /// The immediate answer to a heartbeat, with its round.
        case heartbeatResponse(round: UInt64)
        /// A candidate's request (RequestVote of thesis 3.4; pre-vote of 9.6).
        case voteRequest(VoteRequest)
        /// The answer to `voteRequest`.
        case voteResponse(VoteResponse)
        /// The leader no longer has the entries the follower needs: it should fetch this checkpoint (thesis
        /// 5.1).
        case installSnapshot(SnapshotReference)
        /// Start an election at once (thesis 3.10).
        case timeoutNow
        /// A follower asks up to where it must have applied to answer a read (thesis 6.4).
        case readIndexRequest(token: UInt64)
        /// The answer to `readIndexRequest`; no index if the asked node does not lead.
        case readIndexResponse(token: UInt64, index: LogIndex?)
    }
}

/// A leader's entries and its commit index.
public struct Append: Sendable, Equatable {
    /// The position before the first of the entries.
    public var previous: LogPosition
    /// Entries without gaps, from `previous.index + 1`; none in a probe.
    public var entries: [Entry]
    /// The leader's commit index.
    public var commit: LogIndex

    /// Makes an append with these parts.
    public init(previous: LogPosition, entries: [Entry], commit: LogIndex) {
        self.previous = previous
        self.entries = entries
        self.commit = commit
    }
}

/// The answer to an ``Append``, or to a snapshot reference.
public struct AppendResponse: Sendable, Equatable {
    /// What became of the entries.
    public enum Outcome: Sendable, Equatable {
        /// The follower holds the leader's log up to here, durably.
        case matched(upTo: LogIndex)
        /// The follower does not hold `previous`. `hint` is the last position it has whose index and term are
        /// no greater than those of `previous`, `last` the end of its log.
        case rejected(hint: LogPosition, last: LogIndex)
    }

    /// The `previous` of the append that is answered, so that a late answer is known as one.
    public var previous: LogPosition
    /// What became of the entries.
    public var outcome: Outcome

    /// Makes an answer with these parts.
    public init(previous: LogPosition, outcome: Outcome) {
        self.previous = previous
        self.outcome = outcome
    }
}

/// A leader's sign of life.
public struct Heartbeat: Sendable, Equatable {
    /// The leader's commit index, but no more than what this follower is known to hold.
    public var commit: LogIndex
    /// The leader's latest read round in this term; zero before the first.
    public var round: UInt64
    /// The leader's commit index, whatever this follower holds: so that a follower knows how far behind it
    /// is.
    public var leaderCommit: LogIndex

    /// Makes a heartbeat with these parts; without a leader's commit index the follower lacks nothing.
    public init(commit: LogIndex, round: UInt64, leaderCommit: LogIndex? = nil) {
        self.commit = commit
        self.round = round
        self.leaderCommit = leaderCommit ?? commit
    }
}

/// A candidate's request for a vote in the message's term.
public struct VoteRequest: Sendable, Equatable {
    /// The end of the candidate's log.
    public var last: LogPosition
    /// Whether the candidate only asks if it would get the vote.
    public var isPreVote: Bool
    /// Whether the leader told the candidate to start, so that a living leader is no reason to refuse.
    public var isTransfer: Bool

    /// Makes a request with these parts.
    public init(last: LogPosition, isPreVote: Bool, isTransfer: Bool) {
        self.last = last
        self.isPreVote = isPreVote
        self.isTransfer = isTransfer
    }
}

/// The answer to a ``VoteRequest``.
public struct VoteResponse: Sendable, Equatable {
    /// Whether the candidate gets the vote.
    public var granted: Bool
    /// Whether the request was a pre-vote.
    public var isPreVote: Bool

    /// Makes an answer with these parts.
    public init(granted: Bool, isPreVote: Bool) {
        self.granted = granted
        self.isPreVote = isPreVote
    }
}
