// One node's replicated half: consensus and store composed. It takes client requests and peer messages as
// events, and says what to persist, to send and to answer; it does no I/O and reads no clock.
public import Consensus
public import Primitives
public import Store

/// One node's replica of the cluster's state.
///
/// The owner steps it with every event of a turn, then calls ``endTurn(at:wall:into:)`` once, so that a
/// turn's writes share one disk write and one message per peer, and its reads share one round.
public struct Replica: Sendable {
    /// Bounds on what a replica holds.
    public struct Limits: Sendable {
        /// Writes that wait for their outcome; more are refused as overloaded.
        public var pendingWrites = 32_768
        /// Bytes of writes that wait; more are refused as overloaded.
        public var pendingBytes = 64 << 20
        /// Reads that wait for a round; more are refused as overloaded.
        public var pendingReads = 65_536
        /// Bytes of applied entries kept in memory for followers that lag.
        public var entryCacheBytes = 8 << 20
        /// Bytes of commands in one forward.
        public var forwardBytes = 1 << 20
        /// Entries applied in one turn.
        public var appliesPerTurn = 8_192
        /// A checkpoint is due when the log since the last one outgrows both this and the data.
        public var checkpointLogBytes = 64 << 20
        /// How long a write or read waits for a leader to be found.
        public var leaderWait = Instant.Span.seconds(2)
        /// After how long an unanswered read round is asked again.
        public var readRetry = Instant.Span.milliseconds(300)
        /// How long to wait after a failure to reach the leader before it is tried again.
        public var backOff = Instant.Span.milliseconds(5)
        /// Read rounds under way at a time: what comes meanwhile shares the next one.
        public var readRounds = 4
        /// Timers that are fired by one command.
        public var timersPerFiring = 64
        /// Of so many timers it is recorded in one entry how much is left.
        public var timersPerNote = 128
        /// How long the next such entry waits if there was more to record: all of them together take no more
        /// than a few percent of the node's time.
        public var notePause = Instant.Span.milliseconds(25)
        /// After how long a timer is fired again whose firing was not applied.
        public var timerRetry = Instant.Span.seconds(1)

        /// The documented defaults.
        public init() {}
    }

    /// The consensus core; read it, and leave changing it to the replica.
    public internal(set) var raft: Raft
    /// The state as of the last applied entry.
    public internal(set) var keyspace: Keyspace
    /// Bounds on what is held.
    public let limits: Limits
    /// Whether the disk is nearly full: client writes are refused.
    public internal(set) var isShortOfSpace = false
    /// When this node last knew that it had applied all that its leader had committed, as of the leader's
    /// latest message. A leader that was deposed may not know of it for an election timeout, and messages
    /// take their time: so much may be added to the lag.
    public internal(set) var currentAsOf = Instant.zero
    /// The newest durable checkpoint.
    public internal(set) var checkpoint: SnapshotReference

    /// The members as of the last applied entry.
    public internal(set) var configuration: Configuration

    var cache = EntryCache()
    var writes = PendingWrites()
    var reads = PendingReads()
    var proposals: [QueuedProposal] = []
    var raftEffects: [Consensus.Effect] = []
    var appliedTerm: Term
    var isCheckpointing = false
    /// Whether a checkpoint is due however short the log is: the newest one is damaged.
    var owesCheckpoint = false
    var logBytesSinceCheckpoint = 0
    /// The most that a leader ever said to be committed.
    var heardCommit = LogIndex.zero
    /// Whether the leader gave a sign of life in this turn.
    var hasHeardLeader = false
    var nextSweep = Instant.never
    var timing = Timing()
    /// When a timer is to be seen to.
    var nextTimer = Instant.never

    /// A proposal of this turn, and who wants it.
    struct QueuedProposal: Sendable {
        var requestID: RequestID
        /// The term it is meant for.
        var term: Term
        /// The follower that forwarded it, or nil for a client of this node.
        var origin: NodeID?
        var payload: [UInt8]
    }

    /// Starts from what was found on disk.
    ///
    /// - Parameters:
    ///   - raft: the core, restored; its commit index must not be below what `keyspace` has applied.
    ///   - keyspace: the state with every entry up to its applied index.
    ///   - configuration: the members as of that index.
    ///   - tail: the entries of the log above the keyspace's applied index.
    ///   - checkpoint: the newest durable checkpoint.
    ///   - logBytes: bytes of the log after the checkpoint, so that restarts don't put off the next one.
    ///   - now: from when on this node measures the timers of the state.
    public init(
        raft: Raft, keyspace: Keyspace, configuration: Configuration, tail: [Entry],
        checkpoint: SnapshotReference, limits: Limits = Limits(), logBytes: Int = 0, now: Instant
    ) {
        precondition(
            raft.commit >= keyspace.appliedIndex,
            "commit index \(raft.commit) below the applied one, \(keyspace.appliedIndex)")
        precondition(
            tail.first.map { $0.index == keyspace.appliedIndex.next }
                ?? (raft.lastIndex == keyspace.appliedIndex),
            "the log's tail does not begin after \(keyspace.appliedIndex)")
        self.raft = raft
        self.keyspace = keyspace
        self.limits = limits
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.appliedTerm = keyspace.appliedTerm
        self.logBytesSinceCheckpoint = logBytes
        cache.append(tail)
        measureTimers(at: now)
    }

    /// When ``ReplicaEvent/timeout`` is due.
    public var deadline: Instant {
        if keyspace.appliedIndex < raft.commit { return .zero }
        var deadline = min(raft.deadline, nextSweep, nextTimer)
        if canSubmit && !writes.waiting.isEmpty { deadline = min(deadline, writes.retryAt) }
        if raft.leader != nil { deadline = min(deadline, reads.nextQuestion(limit: limits.readRounds)) }
        return deadline
    }

    /// Advances by one event.
    public mutating func step(
        _ event: ReplicaEvent, at now: Instant, wall: WallTime, into effects: inout [ReplicaEffect]
    ) {
        switch event {
        case .timeout:
            stepRaft(.timeout, at: now, into: &effects)
            sweep(at: now, into: &effects)
        case .received(let message, let peer):
            receive(message, from: peer, at: now, wall: wall, into: &effects)
        case .write(let write):
            take(write, at: now, wall: wall, into: &effects)
        case .read(let token, let deadline):
            take(read: token, until: deadline, at: now, into: &effects)
        case .persisted(let sequence):
            stepRaft(.persisted(sequence: sequence), at: now, into: &effects)
        case .undelivered(let requests):
            writes.retryAt = now + limits.backOff
            for request in requests { writes.noteLost(request, until: now + limits.leaderWait) }
        case .peerUnreachable(let peer):
            stepRaft(.peerUnreachable(peer), at: now, into: &effects)
            if peer == raft.leader { reads.askAgain(at: now + limits.backOff) }
        case .peerDisconnected(let peer):
            stepRaft(.peerDisconnected(peer), at: now, into: &effects)
        case .transferLeadership(let target):
            stepRaft(.transferLeadership(to: target), at: now, into: &effects)
        case .checkpointWritten(let reference, let firstIndex):
            isCheckpointing = false
            // A snapshot of the leader that was installed meanwhile may be newer.
            if reference.position.index > checkpoint.position.index { checkpoint = reference }
            stepRaft(.compacted(reference, firstIndex: firstIndex), at: now, into: &effects)
        case .checkpointFailed:
            isCheckpointing = false
            logBytesSinceCheckpoint = 0
        case .checkpointDamaged(let position):
            owesCheckpoint = !isCheckpointing && position.index >= checkpoint.position.index
        case .snapshotLoaded(let loaded, let reference):
            install(loaded, reference, at: now, into: &effects)
        case .snapshotFailed(let reference):
            stepRaft(.snapshotFailed(reference), at: now, into: &effects)
        case .storage(let isShort):
            isShortOfSpace = isShort
        }
    }

    /// Ends a turn: proposes, forwards and asks for what came in since the last one.
    public mutating func endTurn(at now: Instant, wall: WallTime, into effects: inout [ReplicaEffect]) {
        submitWaiting(at: now, into: &effects)
        driveTimers(at: now, wall: wall)
        propose(at: now, into: &effects)
        forward(into: &effects)
        startReadRound(at: now, into: &effects)
        raft.flush(at: now, into: &raftEffects)
        carryOut(at: now, into: &effects)
        applyCommitted(at: now, into: &effects)
        noteTimers(at: now)
        noteCurrency(at: now)
        cache.trim(to: limits.entryCacheBytes, applied: keyspace.appliedIndex)
        considerCheckpoint(into: &effects)
        nextSweep = min(writes.earliestDeadline, reads.earliestDeadline)
    }

    /// Steps the core and carries out what it asks.
    mutating func stepRaft(
        _ event: Consensus.Event, at now: Instant, into effects: inout [ReplicaEffect]
    ) {
        raft.step(event, at: now, into: &raftEffects)
        carryOut(at: now, into: &effects)
    }

    private mutating func receive(
        _ message: PeerMessage, from peer: NodeID, at now: Instant, wall: WallTime,
        into effects: inout [ReplicaEffect]
    ) {
        switch message {
        case .consensus(let message):
            guard message.from == peer, message.to == raft.id else { return }
            stepRaft(.received(message), at: now, into: &effects)
            noteCommit(of: message)
        case .forward(let forward):
            take(forward, from: peer, wall: wall, into: &effects)
        case .forwardRefused(let refusal):
            take(refusal, from: peer, at: now, into: &effects)
        case .transfer(let target):
            stepRaft(.transferLeadership(to: target), at: now, into: &effects)
        case .note(let note):
            effects.append(.deliver(note))
        }
    }

    /// Turns the core's effects into the replica's.
    private mutating func carryOut(at now: Instant, into effects: inout [ReplicaEffect]) {
        // Index by index: carrying one out can neither add to nor remove from the list.
        for place in raftEffects.indices {
            switch raftEffects[place] {
            case .persist(let persist):
                if persist.resetTo != nil { cache.removeAll() }
                cache.append(persist.entries)
                for entry in persist.entries { logBytesSinceCheckpoint += entry.payload.count + 40 }
                effects.append(.persist(persist))
            case .send(let message):
                effects.append(.send(.consensus(message), to: message.to))
            case .replicate(let replicate):
                self.replicate(replicate, into: &effects)
            case .proposed, .committed:
                break  // Applied at the end of the turn.
            case .transferEnded(let target, let outcome):
                effects.append(.transferEnded(target: target, outcome))
            case .proposalRefused(let count, let reason):
                refuseProposals(count, reason, at: now, into: &effects)
            case .readReady(let token, let index):
                finishRound(token, at: index, into: &effects)
            case .readFailed(let token):
                failRound(token, at: now)
            case .fetchSnapshot(let reference, let source):
                effects.append(.fetchSnapshot(reference, from: source))
            case .transition(let transition):
                if transition.leader != nil {
                    writes.retryAt = .zero
                    reads.retryAt = .zero
                }
                effects.append(.transition(transition))
            }
        }
        raftEffects.removeAll(keepingCapacity: true)
    }

    private func replicate(_ replicate: Replicate, into effects: inout [ReplicaEffect]) {
        guard let entries = cache.entries(in: replicate.range, maxBytes: replicate.maxBytes) else {
            effects.append(.readLog(replicate))
            return
        }
        effects.append(
            .send(.consensus(replicate.message(from: raft.id, carrying: entries)), to: replicate.to))
    }

    /// Fails requests whose time is over.
    private mutating func sweep(at now: Instant, into effects: inout [ReplicaEffect]) {
        guard now >= nextSweep else { return }
        for expired in writes.removeExpired(at: now) where !isPlanted(.leavesClientsWaiting) {
            let isDefinite = expired.write.isInNoLog || isPlanted(.callsUnknownDefinite)
            let refusal: WriteRefusal = isDefinite ? .noLeader : .unknown
            effects.append(.refused(token: expired.write.token, expired.id, refusal))
        }
        for token in reads.removeExpired(at: now) {
            effects.append(.readRefused(token: token, raft.leader == nil ? .noLeader : .noQuorum))
        }
    }
}

extension Replicate {
    /// The append that carries these entries.
    public func message(from leader: NodeID, carrying entries: [Entry]) -> Message {
        Message(
            from: leader, to: to, term: term,
            body: .append(Append(previous: previous, entries: entries, commit: commit)))
    }
}
