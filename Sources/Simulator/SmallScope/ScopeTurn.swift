import Consensus
import Primitives

extension SmallScope {
    /// A promise that was broken, in words.
    struct Breach: Equatable {
        let invariant: String
        let text: String
    }

    /// What one step makes of one node, and what comes out of it.
    struct Turn {
        let before: Member
        let action: Action
        /// The message that arrives, if one does.
        let message: Message?
        private(set) var member: Member
        /// What leaves the node, in order.
        private(set) var sends: [Message] = []
        /// What this step says, now or at the end of the turn.
        var said: ArraySlice<Message> {
            (member.isMidTurn ? member.held : sends).dropFirst(before.held.count)
        }
        /// Reads answered: up to where they must have been applied, or nil if they failed.
        private(set) var answers: [(token: UInt64, index: LogIndex?)] = []
        /// Whether anything was handed to the disk.
        private(set) var hasWritten = false
        /// Whether that was more than messages to send when all before it is durable.
        private(set) var hasWrittenState = false
        private(set) var breach: Breach?
        private var effects: [Effect] = []

        /// Takes the step.
        init(_ member: Member, _ action: Action, _ message: Message?, _ bounds: Bounds) {
            before = member
            self.member = member
            self.action = action
            self.message = message
            run(bounds)
            if breach == nil { breach = Invariants.breach(by: self) }
        }
    }
}

extension SmallScope.Turn {
    private mutating func run(_ bounds: SmallScope.Bounds) {
        var hadPending = !member.pending.isEmpty
        switch action.kind {
        case .deliver: deliver()
        case .timeout:
            member.now = max(member.now, member.raft.deadline)
            step(.timeout)
        case .propose: step(.propose([Proposal(payload: [])]))
        case .read: step(.read(token: UInt64(action.operand)))
        case .transfer: step(.transferLeadership(to: NodeID(UInt64(action.operand) + 1)))
        case .persisted:
            completePersist()
            hadPending = !member.pending.isEmpty
        case .crash:
            restart(bounds)
            hadPending = false
        case .checkpoint: takeCheckpoint()
        case .fetched: install()
        case .delay, .shorten, .isolate, .rejoin: return
        case .unreachable: step(.peerUnreachable(NodeID(UInt64(action.operand) + 1)))
        }
        if action.manner.contains(.open) {
            member.isMidTurn = true
            for effect in takeEffects() {
                if case .send(let message) = effect { member.held.append(message) } else { perform(effect) }
            }
            return
        }
        flush()
        guard !hadPending, !action.manner.contains(.slow) else { return }
        while !member.pending.isEmpty {
            completePersist()
            flush()
        }
    }

    private mutating func step(_ event: Event) {
        member.raft.step(event, at: member.now, into: &effects)
    }

    private mutating func takeEffects() -> [Effect] {
        defer { effects.removeAll(keepingCapacity: true) }
        return effects
    }

    /// Ends the turn and carries out what the core asks for.
    private mutating func flush() {
        member.raft.flush(at: member.now, into: &effects)
        let held = member.held
        member.held = []
        member.isMidTurn = false
        for message in held { send(message) }
        for effect in takeEffects() { perform(effect) }
    }

    private mutating func perform(_ effect: Effect) {
        switch effect {
        case .persist(let persist):
            hasWritten = true
            if persist.hardState != nil || persist.resetTo != nil || !persist.entries.isEmpty {
                hasWrittenState = true
            }
            if !member.written.write(persist) { note("log shape", "\(persist) leaves a gap") }
            member.pending.append(persist)
        case .send(let message): send(message)
        case .replicate(let replicate):
            let append = Append(
                previous: replicate.previous, entries: member.written.entries(in: replicate.range),
                commit: replicate.commit)
            send(
                Message(
                    from: member.raft.id, to: replicate.to, term: replicate.term, body: .append(append)))
        case .readReady(let token, let index): answers.append((token, index))
        case .readFailed(let token): answers.append((token, nil))
        case .committed, .fetchSnapshot, .proposed, .proposalRefused, .transferEnded, .transition: break
        }
    }

    private mutating func send(_ message: Message) {
        sends.append(message)
        if breach == nil { breach = SmallScope.Invariants.breach(saying: message, member) }
    }

    private mutating func note(_ invariant: String, _ text: String) {
        if breach == nil { breach = SmallScope.Breach(invariant: invariant, text: text) }
    }

    /// The oldest persist becomes durable; then what had to wait for it leaves, and the core is told.
    private mutating func completePersist() {
        guard !member.pending.isEmpty else { return }
        let persist = member.pending.removeFirst()
        if let state = persist.hardState {
            if breach == nil {
                breach = SmallScope.Invariants.breach(writing: state, over: member.disk.hardState)
            }
            member.disk.hardState = state
        }
        if !member.disk.tape.write(persist) { note("log shape", "\(persist) leaves a gap on disk") }
        for message in persist.thenSend { send(message) }
        step(.persisted(sequence: persist.sequence))
    }

    private mutating func deliver() {
        guard let message else { return }
        if action.manner.contains(.late), let contact = member.raft.lastLeaderContact {
            member.now = max(member.now, contact + SmallScope.Member.silence)
        }
        step(.received(message))
    }

    private mutating func restart(_ bounds: SmallScope.Bounds) {
        member.disk.recover()
        member.written = member.disk.tape
        member.pending = []
        member.held = []
        member.isMidTurn = false
        member.now = .zero
        member.starts += 1
        let options = SmallScope.Member.options(member.raft.id, bounds)
        // Without reads nobody would notice, and the starts need not be told apart.
        let seed = bounds.reads > 0 ? member.starts : 0
        member.raft = SmallScope.Member.start(member.disk, options, seed: seed)
    }

    /// The log up to the commit index is replaced by a checkpoint.
    private mutating func takeCheckpoint() {
        let index = member.raft.commit
        guard let term = member.written.term(at: index) else { return }
        let reference = SnapshotReference(
            position: LogPosition(index: index, term: term), configuration: member.raft.configuration)
        member.disk.snapshot = reference
        member.disk.tape.compact(upTo: index)
        member.written.compact(upTo: index)
        step(.compacted(reference, firstIndex: index.next))
    }

    /// The checkpoint that was fetched becomes durable, unless the node has more by now.
    private mutating func install() {
        guard let reference = member.raft.fetchedSnapshot else { return }
        if reference.position.index > member.raft.commit { member.disk.snapshot = reference }
        step(.snapshotInstalled(reference))
    }
}

extension SmallScope.Member {
    /// Whether the node refuses to vote because it hears its leader.
    var hearsLeader: Bool {
        guard raft.role == .follower, let contact = raft.lastLeaderContact else { return false }
        return now - contact < Self.silence
    }
}
