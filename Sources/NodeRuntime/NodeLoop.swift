// The node's own thread: sockets, replica and peers in one epoll loop. A turn drains what has arrived, steps
// all of it, and then writes, syncs and sends once per destination.
import API
import Consensus
import HTTP
import HTTPServer
import PeerTransport
import Platform
import Primitives
import Replication
import Store
import Telemetry
import Wire

/// The node's thread and everything that it owns.
struct NodeLoop: ~Copyable {
    /// Tokens of the poller that are not the HTTP server's.
    enum Token {
        static let mailbox: UInt64 = 1
        static let signals: UInt64 = 2
    }

    let configuration: NodeConfiguration
    let roster: Roster
    let api: API
    let report: @Sendable (NodeEvent) -> Void
    let startedAt: Instant
    let incarnation: UInt64

    var poller: Poller
    var server: HTTPServer
    let signals: SignalSource
    let mailbox: Mailbox<NodeInput>
    let disk: Mailbox<DiskCommand>
    let checkpoints: Mailbox<CheckpointCommand>
    let peers: PeerTransport

    var replica: Replica
    var links: [PeerLink]
    var durable: UInt64 = 0
    /// The last persist of this turn whose messages go to each peer, by link.
    var persistFor: [UInt64]

    var now: Instant
    var wall: WallTime
    var ready: [Poller.Ready] = []
    var inbound: [Inbound] = []
    var inputs: [NodeInput] = []
    var effects: [ReplicaEffect] = []

    var requests = RequestTable()
    var waiters = Waiters()
    /// Long lists on their way, each made from one state of the store.
    var streams: [ConnectionID: RangeLines] = [:]
    var requestIDs: RequestIDs
    var inboxes: Inboxes
    var transitions = TransitionLog()
    var metrics: NodeMetrics
    var leaderHint: AnswerContext.Leader?
    var leaderSince: WallTime?
    var fetching: SnapshotFetch?
    /// The number of the last fetch: none is used twice, so that late news of one is not taken for another's.
    var lastFetch: UInt64 = 0
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
        var deadline = min(replica.deadline, server.deadline)
        deadline = min(deadline, waiters.deadline)
        for link in links { deadline = min(deadline, link.deadline) }
        if let drain { deadline = min(deadline, min(drain.deadline, now + .milliseconds(20))) }
        return deadline
    }

    private mutating func turn() {
        poller.wait(until: deadline, into: &ready)
        now = Clock.now()
        wall = Clock.wallTime()
        for event in ready {
            if server.owns(event.token) {
                server.handle(event, at: now, on: poller, into: &inbound)
            } else if event.token == Token.mailbox {
                drainMailbox()
            } else if event.token == Token.signals {
                takeSignals()
            }
        }
        if server.deadline <= now { server.expire(at: now, on: poller, into: &inbound) }
        takeInbound()
        if replica.deadline <= now { step(.timeout) }
        endTurn()
        scheduleAnswers()
        settleWaiters()
        exchange()
        progressDrain()
        progressStreams()
        server.flush(at: now, on: poller, into: &inbound)
    }

    /// Steps the replica; its effects are carried out at the end of the turn.
    mutating func step(_ event: ReplicaEvent) {
        replica.step(event, at: now, wall: wall, into: &effects)
    }

    private mutating func takeInbound() {
        var place = 0
        // Answering a request may bring the next pipelined one into the inbox.
        while place < inbound.count {
            let event = inbound[place]
            place += 1
            switch event {
            case .request(let connection, let request): handle(request, on: connection)
            case .closed(let connection): forget(connection)
            }
        }
        inbound.removeAll(keepingCapacity: true)
    }

    private mutating func endTurn() {
        replica.endTurn(at: now, wall: wall, into: &effects)
        var place = 0
        while place < effects.count {
            carryOut(effects[place])
            place += 1
        }
        effects.removeAll(keepingCapacity: true)
    }

    private mutating func drainMailbox() {
        mailbox.drain(into: &inputs)
        for place in inputs.indices { take(inputs[place]) }
        inputs.removeAll(keepingCapacity: true)
    }

    private mutating func carryOut(_ effect: ReplicaEffect) {
        switch effect {
        case .persist(let persist):
            for message in persist.thenSend {
                if let place = linkPlace(message.to) { persistFor[place] = persist.sequence }
            }
            metrics.persisting(persist)
            disk.deliver(.persist(persist))
        case .send(let message, let peer):
            send(message, to: peer)
        case .readLog(let replicate):
            disk.deliver(.read(replicate))
        case .answered(let token, let id, let outcome):
            finishWrite(token, id, outcome)
        case .refused(let token, let id, let refusal):
            failWrite(token, id, refusal)
        case .readable(let token):
            finishRead(token)
        case .readRefused(let token, let refusal):
            failRead(token, refusal)
        case .checkpoint(let keyspace, let reference):
            checkpoints.deliver(.write(keyspace, reference))
        case .fetchSnapshot(let reference, let source):
            fetchSnapshot(reference, from: source)
        case .deliver(let note):
            inboxes.put(note, at: wall)
            waiters.isStirred = true
        case .transferEnded(let target, let outcome):
            endTransfer(to: target, outcome)
        case .transition(let transition):
            note(transition)
        }
    }

    private mutating func take(_ input: NodeInput) {
        switch input {
        case .persisted(let sequence, let messages, let took):
            metrics.synced(took)
            durable = max(durable, sequence)
            for message in messages { send(.consensus(message), to: message.to) }
            step(.persisted(sequence: sequence))
        case .logRead(let replicate, let entries):
            guard !entries.isEmpty else { return step(.peerUnreachable(replicate.to)) }
            send(.consensus(replicate.message(from: roster.own, carrying: entries)), to: replicate.to)
        case .logShown(let token, let entries):
            showLog(token, entries)
        case .logCut(let reference, let firstIndex):
            step(.checkpointWritten(reference, firstIndex: firstIndex))
        case .logSize(let bytes):
            metrics.logBytes = bytes
        case .storage(let isShort):
            report(.warning(isShort ? "the disk is full: writes are refused" : "the disk has room again"))
            step(.storage(isShortOfSpace: isShort))
        case .fatal(let reason):
            failure = reason
        case .checkpointWritten(let reference, let cutBelow, let bytes, let took):
            metrics.checkpointed(bytes: bytes, took: took)
            disk.deliver(.cut(below: cutBelow, reference))
        case .checkpointFailed(let reason):
            report(.warning("no checkpoint: \(reason)"))
            step(.checkpointFailed)
        case .checkpointPart(let connection, let offset, let bytes, let total):
            answerPart(connection, offset, bytes, total)
        case .snapshotLoaded(let keyspace, let reference):
            fetching = nil
            step(.snapshotLoaded(keyspace, reference))
        case .snapshotFailed(let reference, let reason):
            report(.warning("the leader's snapshot \(reference.position) could not be installed: \(reason)"))
            if let fetch = fetching, fetch.reference == reference {
                _ = peers.post(.cancelFetch(id: fetch.id))
                fetching = nil
            }
            step(.snapshotFailed(reference))
        case .peer(let report):
            take(report)
        }
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
            if replica.raft.role == .leader, roster.members.count > 1 {
                step(.transferLeadership(to: nil))
            }
        }
    }

    private mutating func progressDrain() {
        guard var drain, !drain.handedOver else { return }
        let mayLeave = replica.raft.role != .leader || roster.members.count == 1
        guard mayLeave || now + .seconds(8) >= drain.deadline else { return }
        drain.handedOver = true
        self.drain = drain
        server.stopAccepting(on: poller)
        waiters.endAll()
        settleWaiters()
        server.finishConnections(at: now)
    }

    private var hasStopped: Bool {
        guard let drain else { return false }
        if now >= drain.deadline { return true }
        return drain.handedOver && requests.isEmpty && waiters.isEmpty && streams.isEmpty
            && (server.openConnections == 0 || now + .seconds(9) >= drain.deadline)
    }
}
