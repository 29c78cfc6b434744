// What a node knows of itself and of the cluster, as plain values that its owner fills in for a
// ``LocalPlan``.

public import Clocks
public import Links
public import Primitives

/// What a node knows at one moment.
public struct NodeStatus: Sendable {
    /// A node's part in Raft.
    public enum Role: String, Sendable { case leader, follower, candidate, learner }

    /// This node's number.
    public var id = NodeID.zero
    /// The cluster's identifier.
    public var clusterID = ClusterID.zero
    /// This node's part.
    public var role = Role.follower
    /// Its term.
    public var term = Term.zero
    /// The name of the node that it voted for in this term.
    public var votedFor: String?
    /// Who leads.
    public var leader: AnswerContext.Leader?
    /// Since when, as this node saw it.
    public var leaderSince: WallTime?
    /// How long the process has run.
    public var uptime = Instant.Span.zero
    /// The last entry that is known to be committed.
    public var commitIndex = LogIndex.zero
    /// The last entry that was applied.
    public var appliedIndex = LogIndex.zero
    /// The last entry in the log.
    public var lastIndex = LogIndex.zero
    /// The first entry still in the log.
    public var firstIndex = LogIndex(1)
    /// The last entry that is known to be on this node's disk.
    public var durableIndex = LogIndex.zero
    /// The last entry covered by a durable checkpoint.
    public var checkpointIndex = LogIndex.zero
    /// The store's revision.
    public var revision = Revision(1)
    /// The oldest revision that can be read.
    public var compactRevision = Revision.zero
    /// How many keys there are.
    public var keyCount = 0
    /// The bytes of keys and values.
    public var logicalBytes = 0
    /// The bytes of the log on disk.
    public var logBytes = 0
    /// Since when this node knew that it was current.
    public var lag = Instant.Span.zero
    /// Whether the disk has too little room for writes.
    public var isShortOfSpace = false
    /// Whether the node is stopping.
    public var isShuttingDown = false
    /// The heartbeat interval.
    public var heartbeatInterval = Instant.Span.zero
    /// The shortest election timeout.
    public var electionTimeoutLeast = Instant.Span.zero
    /// The longest election timeout.
    public var electionTimeoutMost = Instant.Span.zero
    /// How long until Raft's next deadline.
    public var deadlineIn: Instant.Span?
    /// The member that leadership is being moved to.
    public var transferTarget: String?
    /// The names of the voters.
    public var voters: [String] = []
    /// During a joint change the names of the voters that are being left.
    public var outgoingVoters: [String] = []
    /// The names of the learners.
    public var learners: [String] = []
    /// All members, this node among them, in the order of their numbers.
    public var members: [Member] = []
    /// The connections to the other nodes, in the order of their names.
    public var links: [Link] = []
    /// How many messages wait in the inbox asked for, or in this node's own.
    public var inboxDepth = 0
    /// The messages of the inbox that was asked for.
    public var inboxItems: [InboxItem] = []
    /// Which node keeps the inbox and the state of the participant that was asked for.
    public var whereabouts = Whereabouts.here
    /// What the participant shows that was asked for, nil for nothing.
    public var participantState: ParticipantState?
    /// How many messages an acknowledgement took out.
    public var acknowledgedCount = 0
    /// Changes of role, oldest first.
    public var transitions: [TransitionRecord] = []
    /// Entries of the log that were asked for, in their order.
    public var logEntries: [LogEntry] = []
    /// The checks of all probes, in the order in which they are to be told.
    public var checks: [Check] = []
    /// The metrics in the form asked for.
    public var metrics: [UInt8] = []
    /// What the clocks show, if that was asked for.
    public var clock: ClockStatus?
    /// What the node thinks of the others, if that was asked for.
    public var gossip: GossipStatus?
    /// The faults that act here; nil unless they were enabled.
    public var faults: FaultStatus?

    /// A node that knows nothing yet.
    public init() {}
}

extension NodeStatus {
    /// One member of the cluster, as this node sees it.
    public struct Member: Sendable {
        /// Its part in the configuration.
        public enum Role: String, Sendable { case voter, learner }
        /// Whether it is there.
        public enum Alive: String, Sendable { case alive, suspect, dead }

        /// Its name.
        public var name: String
        /// Its number.
        public var id: NodeID
        /// Its part in the configuration.
        public var role = Role.voter
        /// Its part in Raft, as far as known.
        public var state = NodeStatus.Role.follower
        /// Where clients reach it.
        public var url: String
        /// Where peers reach it.
        public var peerURL: String
        /// On the leader: the last entry known to be on its disk.
        public var matchIndex: LogIndex?
        /// On the leader: the next entry to be sent to it.
        public var nextIndex: LogIndex?
        /// How many entries it is behind.
        public var lagEntries: UInt64?
        /// How old its state may be.
        public var lag: Instant.Span?
        /// The time for a message and its answer.
        public var roundTrip: Instant.Span?
        /// The time since it was last heard.
        public var lastContact: Instant.Span?
        /// The version of its program.
        public var version: String?
        /// Whether it is there.
        public var alive = Alive.alive

        /// Makes a member with what is always known.
        public init(name: String, id: NodeID, url: String, peerURL: String) {
            self.name = name
            self.id = id
            self.url = url
            self.peerURL = peerURL
        }
    }

    /// The connection to another node.
    public struct Link: Sendable {
        /// The other node's name.
        public var name: String
        /// Whether messages get through, as in `up` or `down`.
        public var state: String
        /// The time for a message and its answer.
        public var roundTrip: Instant.Span?
        /// Messages handed to the transport.
        public var sent: UInt64 = 0
        /// Messages that came.
        public var received: UInt64 = 0
        /// Messages that are certain not to have arrived.
        public var failed: UInt64 = 0
        /// Messages that were not sent because the queue was full.
        public var dropped: UInt64 = 0
        /// Messages that wait to be sent.
        public var queued = 0
        /// What went over datagrams, rung by rung.
        public var ladder: Ladder?

        /// The ladder of links over datagrams.
        public struct Ladder: Sendable {
            /// Whether the other node's process has answered this one.
            public var isConnected: Bool
            /// The time for a message and its acknowledgement.
            public var roundTrip: Instant.Span?
            /// What happened.
            public var counters: LinkCounters

            /// Makes a view of these parts.
            public init(isConnected: Bool, roundTrip: Instant.Span?, counters: LinkCounters) {
                self.isConnected = isConnected
                self.roundTrip = roundTrip
                self.counters = counters
            }
        }

        /// Makes a link that has carried nothing.
        public init(name: String, state: String) {
            self.name = name
            self.state = state
        }
    }

    /// An entry of the log.
    public struct LogEntry: Sendable {
        /// Its place.
        public var index: LogIndex
        /// Its term.
        public var term: Term
        /// What it is for, as in `command` or `noop`.
        public var kind: String
        /// The size of its content, in bytes.
        public var size: Int
        /// Its content in words, if it could be decoded.
        public var summary: String?
        /// The client's request, if one asked for it.
        public var requestID: RequestID?

        /// Makes an entry.
        public init(
            index: LogIndex, term: Term, kind: String, size: Int, summary: String? = nil,
            requestID: RequestID? = nil
        ) {
            self.index = index
            self.term = term
            self.kind = kind
            self.size = size
            self.summary = summary
            self.requestID = requestID
        }
    }

    /// A message that arrived.
    public struct InboxItem: Sendable {
        /// The message's identifier.
        public var id: String
        /// Who sent it.
        public var from: String
        /// Its channel.
        public var channel: String
        /// What it says.
        public var body: [UInt8]
        /// When it arrived.
        public var time: WallTime
        /// The sender's trace, if it told one.
        public var trace: TraceContext?
        /// The times of its sending, as far as they are known.
        public var stamp: Stamp
        /// The place of a logged message in the order of all; nil for others.
        public var order: UInt64?

        /// Makes an item.
        public init(
            id: String, from: String, channel: String, body: [UInt8], time: WallTime,
            trace: TraceContext? = nil, stamp: Stamp = Stamp(), order: UInt64? = nil
        ) {
            self.stamp = stamp
            self.order = order
            self.id = id
            self.from = from
            self.channel = channel
            self.body = body
            self.time = time
            self.trace = trace
        }
    }

    /// One thing that has to be right.
    public struct Check: Sendable {
        /// Its name, as in `raft`.
        public var name: String
        /// The probes that it counts for.
        public var probes: [ProbeQuery.Kind]
        /// Whether it is right.
        public var isPassing: Bool
        /// Why not.
        public var reason: String

        /// Makes a check.
        public init(name: String, probes: [ProbeQuery.Kind], isPassing: Bool, reason: String = "") {
            self.name = name
            self.probes = probes
            self.isPassing = isPassing
            self.reason = reason
        }
    }
}

/// How a ``TransferPlan`` ended.
public enum TransferOutcome: Sendable, Equatable {
    /// `to` leads and has committed in the term.
    case transferred(from: String, to: String, term: Term)
    /// No member has that name.
    case unknownMember(String)
    /// The member can't lead now, and why.
    case refused(String)
    /// The time ran out; leadership may move yet.
    case timedOut
}

/// What a node's clocks show.
public struct ClockStatus: Sendable {
    /// The machine's clock.
    public var wall: WallTime
    /// The machine's monotonic clock.
    public var monotonic: Instant
    /// How far the machine's clock can be from true time, as the kernel knows it from whoever disciplines it
    /// (NTP, RFC 5905); nil if nobody does.
    public var errorBound: Instant.Span?
    /// The logical clocks, after whatever was asked for.
    public var stamp: Stamp
    /// Why they were not set.
    public var refusal: ClockError?
    /// What each node knows of the others' clocks, this node first; who has said nothing yet is not there.
    public var rows: [Row] = []
    /// What most of the nodes' clocks agree on.
    public var agreement: ClockAgreement?
    /// What the node adds to the machine's clock because it is wrong, in microseconds; 0 if it is not.
    public var correction: Int64 = 0

    /// What one node knows of the others' clocks.
    public struct Row: Sendable {
        /// The node.
        public var name: String
        /// How far each other clock is ahead of its own, and how far that can be wrong, in microseconds.
        public var offsets: [(name: String, estimate: Int64, error: Int64)]
        /// How long ago it said so.
        public var age: Instant.Span

        /// Makes a row.
        public init(name: String, offsets: [(name: String, estimate: Int64, error: Int64)], age: Instant.Span)
        {
            self.name = name
            self.offsets = offsets
            self.age = age
        }
    }

    /// Makes it of the node's own clocks.
    public init(wall: WallTime, monotonic: Instant, errorBound: Instant.Span?, stamp: Stamp) {
        self.wall = wall
        self.monotonic = monotonic
        self.errorBound = errorBound
        self.stamp = stamp
    }
}
