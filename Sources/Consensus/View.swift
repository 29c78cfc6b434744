public import Primitives

// What may be looked at from outside: `GET /raft`, `GET /members`, and tests.

/// What a leader knows of a peer.
public struct PeerView: Sendable, Equatable {
    /// How entries are sent to a peer.
    public enum State: String, Sendable, CustomStringConvertible {
        /// One append at a time, until one is answered.
        case probe
        /// Appends are sent ahead of the answers.
        case replicate
        /// The peer needs a checkpoint first.
        case snapshot

        /// The state's name.
        public var description: String { rawValue }
    }

    /// The peer.
    public var id: NodeID
    /// Whether the peer has no vote.
    public var isLearner: Bool
    /// The last index known to be durable on the peer and equal to the leader's log.
    public var match: LogIndex
    /// The next index to send; greater than `match`.
    public var next: LogIndex
    /// How entries are sent.
    public var state: State
    /// Appends sent and not answered.
    public var appendsInFlight: Int
    /// When the peer was last heard in this term; nil if never.
    public var lastContact: Instant?
}

extension Raft {
    /// The node itself.
    public var id: NodeID { options.id }
    /// The index of the last entry.
    public var lastIndex: LogIndex { log.lastIndex }
    /// The position of the last entry, or of the snapshot if there is none.
    public var lastPosition: LogPosition { log.last }
    /// The index of the first entry still in the log, or where it will be.
    public var firstIndex: LogIndex { log.firstIndex }
    /// Up to where this node's own log is durable.
    public var durableIndex: LogIndex { durability.index }
    /// The term, vote and commit index, durable or not.
    public var hardState: HardState { HardState(term: term, vote: vote, commit: commit) }
    /// The term of the entry at `index`; nil if the log no longer or not yet knows it.
    public func term(at index: LogIndex) -> Term? { log.term(at: index) }

    /// The configuration in use: the latest in the log, committed or not.
    public var configuration: Configuration { configurations[configurations.count - 1].configuration }
    /// The index of the entry, or snapshot, that holds the configuration in use.
    public var configurationIndex: LogIndex { configurations[configurations.count - 1].index }

    /// What a leader knows of its peers, in ascending order; empty elsewhere.
    public var peers: [PeerView] {
        (leadership?.peers ?? []).map { peer in
            PeerView(
                id: peer.id, isLearner: peer.isLearner, match: peer.match, next: peer.next, state: peer.state,
                appendsInFlight: peer.state == .replicate
                    ? peer.window.count : peer.awaitingSince == nil ? 0 : 1,
                lastContact: peer.lastContact)
        }
    }
    /// When this node became leader; nil if it does not lead.
    public var leadingSince: Instant? { leadership?.since }
    /// Whether this node leads and has committed an entry of its term, so that reads can be answered.
    public var isReady: Bool { leadership.map { commit >= $0.termStart } ?? false }
    /// Whom leadership is being handed to.
    public var transferTarget: NodeID? { leadership?.transfer?.target }
    /// When a follower last heard its leader; nil if it has none or the connections have closed.
    public var lastLeaderContact: Instant? { leaderContact }
    /// The checkpoint that is being fetched.
    public var fetchedSnapshot: SnapshotReference? { fetch?.reference }
    /// Reads that wait for an answer.
    public var openReads: Int { leadership?.reads.count ?? forwardedReads.count }
    /// Payload bytes in the log that are not committed; those from before a restart are not counted.
    public var uncommittedBytes: Int { sizes.bytes(after: commit) }
}

extension Raft: CustomStringConvertible {
    /// The state in a line, as in `node 1: leader, term 3, vote 1, log 5@2...9@3, commit 8`.
    public var description: String {
        "node \(id): \(role), term \(term), vote \(vote?.description ?? "none"),"
            + " leader \(leader?.description ?? "none"),"
            + " log \(log.base)...\(log.last), commit \(commit), durable \(durableIndex), \(configuration)"
    }
}
