public import Primitives

/// One node's part in the Raft consensus algorithm (Ongaro, "Consensus: Bridging Theory and Practice", 2014).
///
/// A value without I/O, clock or randomness of its own: it is told of events and says what is to be done
/// about them. The owner works in turns: it steps all events that have come, flushes once, and carries out
/// the effects in order. How this differs from the thesis is told in `Consensus.docc/Consensus.md`.
public struct Raft: Sendable {
    let options: Options
    var generator: SeededGenerator

    /// What the node is doing.
    public internal(set) var role = Role.follower
    /// The current term. Never goes back.
    public internal(set) var term: Term
    /// Whom the node voted for in this term.
    public internal(set) var vote: NodeID?
    /// The last index known to be committed. Never goes back. Invariant: `snapshot.position.index <= commit
    /// <= lastIndex`.
    public internal(set) var commit: LogIndex
    /// The commit index the owner was told.
    var announcedCommit: LogIndex
    /// The leader of this term, if known.
    public internal(set) var leader: NodeID?

    /// Invariant: begins at or before the snapshot's position, and ends at or after the commit index.
    var log: LogTerms
    var sizes: LogSizes
    var durability: Durability
    /// The newest durable checkpoint.
    public internal(set) var snapshot: SnapshotReference
    /// The configurations in the log, in ascending order; the first is never reverted, because it is
    /// committed.
    var configurations: [PlacedConfiguration]

    /// When to start a pre-vote, or to try again. Of no meaning in a leader.
    var electionDeadline: Instant
    /// When the leader was last heard; nil if that is no reason any more to refuse a vote.
    var leaderContact: Instant?
    /// Whether the election deadline was set because the leader's connections have closed.
    var isLeaderDisconnected = false
    /// The checkpoint that is being fetched, and from whom.
    var fetch: (reference: SnapshotReference, from: NodeID)?
    /// Invariant: empty but in a follower that knows its leader.
    var forwardedReads: ForwardedReads
    /// Invariant: exists in candidates and pre-candidates only.
    var candidacy: Candidacy?
    /// Invariant: exists in a leader only.
    var leadership: Leadership?

    /// Starts a node, as a follower, from what it had made durable. `seed` must differ between nodes and
    /// between starts.
    ///
    /// Stops the process if `restored` contradicts itself, see ``Restored``.
    public init(options: Options, restored: Restored, seed: UInt64, now: Instant) {
        options.check()
        let base = restored.snapshot.position
        let log = restored.log
        precondition(
            log.contains(base), "the log \(log.base)...\(log.last) does not hold the snapshot's \(base)")
        precondition(
            restored.hardState.commit <= log.lastIndex,
            "the log ends at \(log.last), before the commit index \(restored.hardState.commit)")
        self.options = options
        self.log = log
        generator = SeededGenerator(seed: seed)
        snapshot = restored.snapshot
        durability = Durability(hardState: restored.hardState, lastIndex: log.lastIndex)
        // A snapshot may become durable before the term it was sent in. No vote was given in that term,
        // because votes wait for the term.
        term = max(restored.hardState.term, log.last.term)
        vote = term == restored.hardState.term ? restored.hardState.vote : nil
        commit = max(restored.hardState.commit, base.index)
        announcedCommit = base.index
        sizes = LogSizes(after: log.lastIndex)
        configurations =
            [PlacedConfiguration(index: base.index, configuration: restored.snapshot.configuration)]
            + restored.configurations.filter { $0.index > base.index && $0.index <= log.lastIndex }
        forwardedReads = ForwardedReads(numbersAfter: generator.next())
        electionDeadline = now
        if term != restored.hardState.term { durability.noteHardState() }
        if configuration.voters != [id] {
            electionDeadline = now + generator.next(in: options.electionTimeout)
        }
        if isPlanted(.restartsAsleep) && term > .zero { electionDeadline = .never }
    }

    /// Takes in one event and appends what is to be done about it to `effects`. ``flush(at:into:)`` must
    /// follow before the owner waits again.
    public mutating func step(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        switch event {
        case .timeout: timeout(at: now, into: &effects)
        case .received(let message): receive(message, at: now, into: &effects)
        case .propose(let proposals): propose(proposals, into: &effects)
        case .persisted(let sequence): persisted(sequence, at: now, into: &effects)
        case .read(let token): read(token, into: &effects)
        case .transferLeadership(let target): transferLeadership(to: target, at: now, into: &effects)
        case .peerDisconnected(let node): peerDisconnected(node, at: now)
        case .peerUnreachable(let node): peerUnreachable(node)
        case .compacted(let reference, let firstIndex): compacted(reference, firstIndex: firstIndex)
        case .snapshotInstalled(let reference): snapshotInstalled(reference, into: &effects)
        case .snapshotFailed(let reference): snapshotFailed(reference)
        }
        assertInvariants()
    }

    /// Ends the owner's turn: one persist for all that was appended in it, what there is to replicate, a read
    /// round, and news of the commit index.
    public mutating func flush(at now: Instant, into effects: inout [Effect]) {
        advanceLeaderCommit(at: now, into: &effects)
        let state = HardState(term: term, vote: vote, commit: commit)
        if let persist = durability.takePersist(state, lastIndex: log.lastIndex) {
            effects.append(.persist(persist))
        }
        replicateToAll(at: now, into: &effects)
        beginReads(at: now, into: &effects)
        sendCommitNews(into: &effects)
        if commit > announcedCommit {
            announcedCommit = commit
            effects.append(.committed(commit))
        }
        assertInvariants()
    }

    /// When `.timeout` is due; may move either way with each step.
    public var deadline: Instant {
        if let leadership {
            return min(leadership.nextHeartbeat, leadership.transfer?.deadline ?? .never)
        }
        return min(isPromotable ? electionDeadline : .never, forwardedReads.deadline)
    }

    private mutating func timeout(at now: Instant, into effects: inout [Effect]) {
        if role == .leader { return leaderTimeout(at: now, into: &effects) }
        while let tokens = forwardedReads.removeExpired(at: now) {
            for token in tokens { effects.append(.readFailed(token: token)) }
        }
        if isPromotable && now >= electionDeadline { electionTimeout(at: now, into: &effects) }
    }

    /// A node counts its own vote and its own entries like those of others: when they are durable (thesis
    /// 10.2.1: "the leader may even commit an entry before it has been written to its own disk").
    private mutating func persisted(_ sequence: UInt64, at now: Instant, into effects: inout [Effect]) {
        durability.persisted(sequence)
        leadership?.mayCommit = true
        if role == .candidate && durability.term == term && durability.vote == vote {
            countVote(true, from: id, at: now, into: &effects)
        }
    }
}

// MARK: Messages

extension Raft {
    private mutating func receive(_ message: Message, at now: Instant, into effects: inout [Effect]) {
        guard message.to == id, message.isWellFormed else { return }
        // A pre-vote speaks of a term that does not exist yet, so it takes no part in the comparison of
        // terms.
        switch message.body {
        case .voteRequest(let request) where request.isPreVote:
            return receivePreVoteRequest(request, message, at: now, into: &effects)
        case .voteResponse(let response) where response.isPreVote && response.granted:
            return receivePreVoteGrant(message, at: now, into: &effects)
        default: break
        }
        if message.term < term && !isPlanted(.heedsOldTerms) { return receiveStale(message, into: &effects) }
        if message.term > term && !adoptTerm(of: message, at: now, into: &effects) { return }
        dispatch(message, at: now, into: &effects)
    }

    /// Hands a message of this term to the one that deals with it.
    private mutating func dispatch(_ message: Message, at now: Instant, into effects: inout [Effect]) {
        switch message.body {
        case .append(let append): receiveAppend(append, from: message.from, at: now, into: &effects)
        case .appendResponse(let response):
            receiveAppendResponse(response, from: message.from, at: now, into: &effects)
        case .heartbeat(let heartbeat):
            receiveHeartbeat(heartbeat, from: message.from, at: now, into: &effects)
        case .heartbeatResponse(let round):
            receiveHeartbeatResponse(round: round, from: message.from, at: now, into: &effects)
        case .voteRequest(let request):
            receiveVoteRequest(request, from: message.from, at: now, into: &effects)
        case .voteResponse(let response):
            guard candidacy?.isPreVote == response.isPreVote else { return }
            countVote(response.granted, from: message.from, at: now, into: &effects)
        case .installSnapshot(let reference):
            receiveInstallSnapshot(reference, from: message.from, at: now, into: &effects)
        case .timeoutNow: receiveTimeoutNow(from: message.from, at: now, into: &effects)
        case .readIndexRequest(let token): receiveReadIndexRequest(token, from: message.from, into: &effects)
        case .readIndexResponse(let token, let index):
            receiveReadIndexResponse(token, index, from: message.from, into: &effects)
        }
    }

    /// Thesis, figure 3.1: "If RPC request or response contains term T > currentTerm: set currentTerm = T,
    /// convert to follower". Returns false if the message is to be ignored instead.
    private mutating func adoptTerm(
        of message: Message, at now: Instant, into effects: inout [Effect]
    ) -> Bool {
        switch message.body {
        case .voteRequest(let request):
            // Thesis 4.2.3: "if a server receives a RequestVote request within the minimum election timeout
            // of hearing from a current leader, it does not update its term or grant its vote."
            let isTransfer = request.isTransfer && !isPlanted(.refusesTransferredVote)
            if !isTransfer && hearsLeader(at: now) { return false }
            enter(
                .follower, message.term, nil, because: .laterTerm(from: message.from), at: now, into: &effects
            )
        case .append, .heartbeat, .installSnapshot:
            enter(
                .follower, message.term, message.from, because: .leaderFound(message.from), at: now,
                into: &effects)
        default:
            enter(
                .follower, message.term, nil, because: .laterTerm(from: message.from), at: now, into: &effects
            )
        }
        return true
    }

    /// Thesis, figure 3.1: "Reply false if term < currentTerm". The answer tells an old leader or candidate
    /// of the new term; anything else that is late is of no use.
    private mutating func receiveStale(_ message: Message, into effects: inout [Effect]) {
        switch message.body {
        case .append, .heartbeat, .installSnapshot:
            send(.heartbeatResponse(round: 0), to: message.from, into: &effects)
        case .voteRequest:
            send(
                .voteResponse(VoteResponse(granted: false, isPreVote: false)), to: message.from,
                into: &effects)
        case .readIndexRequest(let token):
            send(.readIndexResponse(token: token, index: nil), to: message.from, into: &effects)
        default: break
        }
    }

    /// Sends a message that promises nothing but its term: at once if the term is durable, else as soon as it
    /// is.
    mutating func send(
        _ body: Message.Body, to node: NodeID, term other: Term? = nil, into effects: inout [Effect]
    ) {
        let message = Message(from: id, to: node, term: other ?? term, body: body)
        let mayLeave = durability.term == term || isPlanted(.tellsTermTooEarly)
        if mayLeave { effects.append(.send(message)) } else { durability.append(message) }
    }

    /// Sends a message when all that was persisted and appended so far is durable.
    mutating func sendWhenDurable(_ body: Message.Body, to node: NodeID) {
        durability.append(Message(from: id, to: node, term: term, body: body))
    }
}

// MARK: Roles

extension Raft {
    /// The one place where role, term and leader change. Clears what belongs to the role that ends, and what
    /// was about to be said in a term that ends.
    mutating func enter(
        _ newRole: Role, _ newTerm: Term, _ newLeader: NodeID?, because reason: Transition.Reason,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        precondition(newTerm >= term, "term \(newTerm) after \(term)")
        let oldRole = role
        let isNews = newRole != role || newTerm != term || newLeader != leader
        if oldRole == .leader && newRole != .leader {
            abandonLeadership(newTerm: newTerm, into: &effects)
        }
        if isNews {
            for token in forwardedReads.removeAll() { effects.append(.readFailed(token: token)) }
            leaderContact = nil
            isLeaderDisconnected = false
        }
        if newTerm > term {
            term = newTerm
            vote = nil
            durability.discardMessages()
            durability.noteHardState()
        }
        role = newRole
        leader = newLeader
        candidacy = nil
        // A candidate that tries again and again is not worth a line each time.
        if isNews {
            assert(reason.cause.leads(from: oldRole, to: newRole), "\(oldRole) to \(newRole): \(reason)")
            let transition = Transition(
                at: now, from: oldRole, to: newRole, term: term, reason: reason, leader: newLeader)
            effects.append(.transition(transition))
        }
        if oldRole == .leader { electionDeadline = now + generator.next(in: options.electionTimeout) }
    }

    private mutating func abandonLeadership(newTerm: Term, into effects: inout [Effect]) {
        guard let leadership else { return }
        leadership.reads.abandon { request in
            if request.from == nil { effects.append(.readFailed(token: request.token)) }
        }
        if let transfer = leadership.transfer {
            let outcome = newTerm > term ? TransferOutcome.newTerm(newTerm) : .steppedDown
            effects.append(.transferEnded(target: transfer.target, outcome))
        }
        self.leadership = nil
    }

    /// A message has come from `node` that only the leader of this term sends. Returns false if another one
    /// is known to lead, which no honest node would bring about.
    mutating func follow(_ node: NodeID, at now: Instant, into effects: inout [Effect]) -> Bool {
        guard role != .leader, leader == nil || leader == node else { return false }
        // Thesis, figure 3.1: "If AppendEntries RPC received from new leader: convert to follower".
        if role != .follower || leader == nil {
            enter(.follower, term, node, because: .leaderFound(node), at: now, into: &effects)
        }
        leaderContact = now
        isLeaderDisconnected = false
        electionDeadline = now + generator.next(in: options.electionTimeout)
        return true
    }
}
