// The node's own thread: sockets, replica and peers in one epoll loop. A turn drains what has arrived, steps
// all of it, and then writes, syncs and sends once per destination.
import API
import Clocks
import Consensus
import HTTP
import HTTPServer
import NodeCore
import PeerTransport
import Platform
import Primitives
import Replication
import Store
import Telemetry
import Watches
import Wire

/// The node's thread and everything that it owns.
struct NodeLoop: ~Copyable {
    /// Tokens of the poller that are not the HTTP server's.
    enum Token {
        static let mailbox: UInt64 = 1
        static let signals: UInt64 = 2
        static let datagrams: UInt64 = 3
    }

    let configuration: NodeConfiguration
    let roster: Roster
    let api: NativeAPI
    let report: @Sendable (NodeNews) -> Void
    let startedAt: Instant
    let incarnation: UInt64

    var poller: Poller
    var server: HTTPServer
    let signals: SignalSource
    let mailbox: Mailbox<NodeInput>
    let disk: Mailbox<LogCommand>
    let checkpoints: Mailbox<CheckpointCommand>
    let peers: PeerTransport

    var node: Node
    /// The connections on which each peer talks to this node, in the order of its links.
    var peerConnections: [Set<ConnectionID>]

    var now: Instant
    /// Civil time as the node takes it: corrected, should the machine's clock be wrong.
    var wall: WallTime
    var ready: [Poller.Ready] = []
    var inbound: [Inbound] = []
    var inputs: [NodeInput] = []
    var effects: [NodeEffect] = []

    var requests = RequestTable()
    var waiters = Waiters()
    /// Long lists on their way, each made from one state of the store.
    var streams: [ConnectionID: RangeLines] = [:]
    /// Streams of changes.
    var watches: WatchTable
    var watchEffects: [WatchEffect] = []
    /// Streams that tell how locks and elections stand.
    var claimWatches = ClaimWatches()
    var requestIDs: RequestIDs
    /// Requests that were applied and wait in the replicated state.
    var parked = ParkedRequests()
    /// Requests that came back with nothing and wait for something.
    var repeats = RepeatedRequests()
    /// What is held for as long as a client stays connected.
    var holds = Holds()
    /// When something that is held must be seen to.
    var nextHold = Instant.never
    /// The requests under way that have a trace.
    var traced: [ConnectionID: TracedRequest] = [:]
    /// Makes this node's spans.
    var spans: SeededGenerator
    /// When a traced request was last worth a warning.
    var lastTrouble = Instant.zero
    /// The writes under way that are to be explained.
    var writeTimes = WriteTimes()
    /// When the last turn began to end; kept while ``writeTimes`` has any.
    var turnEnd = Instant.zero
    let inboxes: Inboxes
    /// What was sent to inboxes.
    let outbox = Outbox()
    /// What is told by datagrams: who is there, and what time it is.
    let datagrams: Datagrams
    /// What this node, as a process, knows of the order of events.
    var clocks: ProcessClocks
    /// What time it is.
    let clockWatch = ClockWatch()
    /// The requests under way that carried a time.
    var clocked: Set<ConnectionID> = []
    /// What is wrong with the links, on purpose; nil unless that was enabled.
    let faults: FaultControl?
    /// The steps that the node's algorithms took.
    let trail: TransitionTrail
    var metrics: NodeMetrics
    var leaderHint: AnswerContext.Leader?
    var leaderSince: WallTime?
    /// Why a move of leadership failed, while those who wait for it are told.
    var failedTransfer: String?
    var drain: Drain?
    var failure: String?

    /// What is left to do before the process ends.
    struct Drain {
        var deadline: Instant
        var handedOver = false
    }

    /// Runs until the node has stopped, or failed.
    mutating func run() throws(StartError) {
        while true {
            turn()
            if let failure { throw .failure(failure) }
            if hasStopped { return }
        }
    }

    private var deadline: Instant {
        // What an answer or a flush has surfaced is for the next turn.
        if !inbound.isEmpty || hasReadyStream { return .zero }
        var deadline = min(node.deadline, server.deadline)
        deadline = min(deadline, waiters.deadline, nextHold, watches.deadline, repeats.deadline)
        deadline = min(deadline, claimWatches.deadline, datagrams.deadline)
        deadline = min(deadline, datagrams.events.followers.due, trail.followers.due)
        if let faults { deadline = min(deadline, faults.deadline) }
        if let drain { deadline = min(deadline, min(drain.deadline, now + .milliseconds(20))) }
        return deadline
    }

    private mutating func turn() {
        poller.wait(until: deadline, into: &ready)
        now = Clock.now()
        wall = clockWatch.civilTime(at: now, datagrams.probes)
        for event in ready {
            if server.owns(event.token) {
                server.handle(event, at: now, on: poller, into: &inbound)
            } else if event.token == Token.mailbox {
                drainMailbox()
            } else if event.token == Token.signals {
                takeSignals()
            } else if event.token == Token.datagrams {
                datagrams.receive(at: now, faults)
            }
        }
        if datagrams.deadline <= now { datagrams.wake(at: now) }
        // Questions about the time, and answers, don't wait for the turn.
        datagrams.flush(at: now, faults)
        tellMembership()
        if server.deadline <= now { server.expire(at: now, on: poller, into: &inbound) }
        takeInbound()
        hearBroadcasts()
        hearMessages()
        if nextHold <= now { renewHolds() }
        if repeats.deadline <= now { endRepeats() }
        if faults != nil { progressFaults() }
        if node.deadline <= now { step(.timeout) }
        endTurn()
        settleWaiters()
        progressDrain()
        progressStreams()
        progressWatches()
        progressClaimWatches()
        followClocksOfEvents()
        progress(datagrams.events)
        progress(trail)
        datagrams.flush(at: now, faults)
        server.flush(at: now, on: poller, into: &inbound)
        if faults != nil { standStill() }
    }

    /// Steps the node; its effects are carried out at the end of the turn.
    mutating func step(_ event: NodeEvent) { node.step(event, at: now, wall: wall) }

    private mutating func takeInbound() {
        var place = 0
        // Answering a request may bring the next pipelined one into the inbox.
        while place < inbound.count {
            let event = inbound[place]
            place += 1
            switch event {
            case .request(let connection, let request): handle(request, on: connection)
            case .closed(let connection): forget(connection)
            case .drained(let connection): tellUnsent(on: connection)
            }
        }
        inbound.removeAll(keepingCapacity: true)
    }

    private mutating func endTurn() {
        if !writeTimes.isEmpty { turnEnd = Clock.now() }
        node.endTurn(at: now, wall: wall, into: &effects)
        for place in effects.indices { carryOut(effects[place]) }
        effects.removeAll(keepingCapacity: true)
        if !writeTimes.isEmpty { writeTimes.noteCommit(node.replica.raft.commit, at: turnEnd) }
    }

    private mutating func drainMailbox() {
        mailbox.drain(into: &inputs)
        for place in inputs.indices { take(inputs[place]) }
        inputs.removeAll(keepingCapacity: true)
    }

    private mutating func carryOut(_ effect: NodeEffect) {
        switch effect {
        case .log(let command):
            if case .persist(let persist) = command {
                metrics.persisting(persist)
                if !writeTimes.isEmpty {
                    let leads = node.replica.raft.role == .leader
                    writeTimes.notePersist(persist, leads: leads, at: Clock.now())
                }
            }
            disk.deliver(command)
        case .checkpoint(let command): checkpoints.deliver(command)
        case .post(let envelope): post(envelope)
        case .answer(let request, let envelope, let wantsJSON):
            answer(request, envelope, wantsJSON: wantsJSON)
        case .fetch(let id, let reference, let source): fetch(id, reference, from: source)
        case .cancelFetch(let id): _ = peers.post(.cancelFetch(id: id))
        case .client(let effect): carryOut(effect)
        }
    }

    private mutating func carryOut(_ effect: ReplicaEffect) {
        switch effect {
        case .answered(let token, let id, let outcome): finishWrite(token, id, outcome)
        case .refused(let token, let id, let refusal): failWrite(token, id, refusal)
        case .settled(let id, let outcome): settle(id, outcome)
        case .changed(let row): lookAgain(at: row)
        case .stepped(let step): tell(TransitionTrail.Step(step))
        case .replaced: lookAgainAtAll()
        case .readable(let token): finishRead(token)
        case .readRefused(let token, let refusal): failRead(token, refusal)
        case .deliver(let note): put(note)
        case .messageEnded(let number, let wasTaken):
            outbox.end(logged: number, wasTaken: wasTaken, at: wall)
        case .announced(let id, let said):
            put(
                Note(
                    sender: said.sender, recipient: "", channel: said.channel, id: id,
                    body: said.body))
        case .traced(let id, let trace, let peer, let reason): tell(id, trace, from: peer, reason)
        case .transferEnded(let target, let outcome): endTransfer(to: target, outcome)
        case .transition(let transition): note(transition)
        case .persist, .send, .readLog, .checkpoint, .fetchSnapshot: break  // The node has seen to them.
        }
    }

    private mutating func take(_ input: NodeInput) {
        switch input {
        case .log(let report, let took): take(report, took)
        case .checkpoint(let report): take(report)
        case .fatal(let reason): failure = reason
        case .peer(let report): take(report)
        case .address(let peer, let address): datagrams.note(address, of: peer)
        }
    }

    private mutating func take(_ news: LogReport, _ took: Instant.Span) {
        switch news {
        case .persisted(let sequence, _):
            metrics.synced(took)
            if !writeTimes.isEmpty { writeTimes.noteDurable(sequence, at: now) }
        case .shown(let token, let entries): showLog(token, entries)
        case .size(let bytes): metrics.logBytes = bytes
        case .storage(let isShort):
            report(.warning(isShort ? "the disk is full: writes are refused" : "the disk has room again"))
        case .read, .cut: break
        }
        step(.log(news))
    }

    private mutating func take(_ news: CheckpointReport) {
        switch news {
        case .written(_, _, let bytes, let took): metrics.checkpointed(bytes: bytes, took: took)
        case .failed(let reason): report(.warning("no checkpoint: \(reason)"))
        case .damaged(let position, let reason):
            metrics.foundDamagedCheckpoint()
            report(.warning("checkpoint \(position) is damaged, a new one is written: \(reason)"))
        case .part(let request, let offset, let bytes, let total): answerPart(request, offset, bytes, total)
        case .snapshotFailed(let reference, let reason):
            report(.warning("the leader's snapshot \(reference.position) could not be installed: \(reason)"))
        case .snapshotLoaded: break
        }
        step(.checkpoint(news))
    }
}

// MARK: - Signals and stopping

extension NodeLoop {
    private mutating func takeSignals() {
        while signals.next() != nil {
            if let drain {
                // Impatience ends the process, but not the same wish told twice, by a terminal and by a
                // parent.
                if now + .seconds(8) >= drain.deadline { failure = "stopped at once by another signal" }
                continue
            }
            report(.stopping)
            // In-flight requests have ten seconds; a leader first hands over.
            drain = Drain(deadline: now + .seconds(10))
            datagrams.leave(at: now)
            datagrams.flush(at: now, faults)
            if node.replica.raft.role == .leader, roster.members.count > 1 {
                step(.transferLeadership(to: nil))
            }
        }
    }

    private mutating func progressDrain() {
        guard var drain, !drain.handedOver else { return }
        let mayLeave = node.replica.raft.role != .leader || roster.members.count == 1
        guard mayLeave || now + .seconds(8) >= drain.deadline else { return }
        drain.handedOver = true
        self.drain = drain
        server.stopAccepting(on: poller)
        waiters.endAll()
        settleWaiters()
        endHolds()
        endRepeats(all: true)
        endWatches()
        endClaimWatches()
        datagrams.events.followers.stir(at: now)
        trail.followers.stir(at: now)
        server.finishConnections(at: now)
    }

    private var hasStopped: Bool {
        guard let drain else { return false }
        if now >= drain.deadline { return true }
        return drain.handedOver && requests.isEmpty && waiters.isEmpty && streams.isEmpty
            && (server.openConnections == 0 || now + .seconds(9) >= drain.deadline)
    }
}
