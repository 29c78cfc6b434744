public import Primitives

extension Raft {
    /// Identity, times and limits of a node.
    public struct Options: Sendable {
        /// The node itself.
        public var id: NodeID
        /// How often a leader gives a sign of life.
        public var heartbeatInterval: Instant.Span = .milliseconds(100)
        /// How long a follower waits for one before it starts a pre-vote, drawn anew each time. A leader that
        /// hears no quorum for the upper bound steps down; nobody votes against a leader heard within the
        /// lower bound.
        public var electionTimeout: Range<Instant.Span> =
            .milliseconds(500) ..< .milliseconds(1000)
        /// How long a candidate waits for votes before it tries again. Shorter than the election timeout,
        /// because a repeated pre-vote disturbs nobody and a split vote should cost little.
        public var campaignTimeout: Range<Instant.Span> =
            .milliseconds(150) ..< .milliseconds(500)
        /// How long a follower waits before it starts a pre-vote when the leader's connections have closed.
        public var disconnectDelay: Range<Instant.Span> =
            .milliseconds(1) ..< .milliseconds(50)
        /// How many payload bytes may be under way to one peer.
        public var maxBytesInFlight = 8 << 20
        /// How many appends may be under way to one peer.
        public var maxAppendsInFlight = 64
        /// How many payload bytes one append may hold, if it holds more than one entry.
        public var maxBytesPerAppend = 1 << 20
        /// How many entries one append may hold.
        public var maxEntriesPerAppend = 4096
        /// How many payload bytes may wait for a quorum; one proposal always may.
        public var maxUncommittedBytes = 64 << 20
        /// How many entries may wait for a quorum.
        public var maxUncommittedEntries = 1 << 16
        /// How many reads may wait for a quorum, those of followers included.
        public var maxOpenReads = 1 << 16

        /// The defaults for node `id`.
        public init(id: NodeID) { self.id = id }
    }

    /// What a node finds on its disk when it starts.
    public struct Restored: Sendable {
        /// The hard state last persisted.
        public var hardState: HardState
        /// The newest durable checkpoint. A node that has none gives the position `origin` with the
        /// configuration it was founded with, or the empty one.
        public var snapshot: SnapshotReference
        /// The terms of the log, which may begin before the snapshot's position but not after it, and must
        /// not end before it. If the log on disk does not hold the snapshot's very position (index and term),
        /// none of it counts: give `LogTerms(after: snapshot.position)`.
        public var log: LogTerms
        /// The configurations among the entries of `log`, in ascending order.
        public var configurations: [PlacedConfiguration]

        /// Makes the state with these parts.
        public init(
            hardState: HardState, snapshot: SnapshotReference, log: LogTerms,
            configurations: [PlacedConfiguration] = []
        ) {
            self.hardState = hardState
            self.snapshot = snapshot
            self.log = log
            self.configurations = configurations
        }
    }
}

extension Raft.Options {
    /// Stops the process if the options make no sense.
    func check() {
        precondition(id != .zero, "zero is no node")
        precondition(heartbeatInterval > .zero, "heartbeats need an interval")
        precondition(
            electionTimeout.lowerBound > heartbeatInterval, "election timeouts must be longer than heartbeats"
        )
        precondition(!electionTimeout.isEmpty && !campaignTimeout.isEmpty && !disconnectDelay.isEmpty)
        precondition(campaignTimeout.lowerBound > .zero && disconnectDelay.lowerBound >= .zero)
        precondition(maxAppendsInFlight > 0 && maxEntriesPerAppend > 0 && maxBytesPerAppend > 0)
        precondition(
            maxUncommittedEntries <= LogSizes.kept, "at most \(LogSizes.kept) entries may be uncommitted")
    }
}
