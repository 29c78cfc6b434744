// The transport's thread. Each turn: wait; let libcurl work on ready sockets; take all commands; report what
// ended; start what now has room; tell the poller about sockets.

import Curl
import Platform
import Primitives
import Synchronization

struct TransportLoop: ~Copyable {
    private enum Work {
        case none
        case send(NodeID, batch: UInt64)
        case fetch(Fetch)
    }

    private static let bellToken = UInt64.max

    private let limits: PeerTransport.Limits
    private let commands: Mailbox<PeerCommand>
    private let stop: Stop
    private let report: @Sendable (PeerReport) -> Void
    private var poller: Poller
    private var multi: MultiHandle
    private var peers: [NodeID: Peer] = [:]
    /// What each of the multi handle's places is busy with.
    private var work: [Work] = []
    private var fetches = 0
    /// By descriptor: whether libcurl's socket is in the poller, as far as we were told.
    private var watched: [Bool] = []
    private var now = Instant.zero

    init(
        limits: PeerTransport.Limits, headers: [String], commands: Mailbox<PeerCommand>, stop: Stop,
        report: @escaping @Sendable (PeerReport) -> Void
    ) throws(SystemError) {
        let poller = try Poller(batch: 128)
        try poller.add(commands.bell.descriptor, token: Self.bellToken, for: .read)
        self.limits = limits
        self.commands = commands
        self.stop = stop
        self.report = report
        self.poller = poller
        var settings = MultiHandle.Settings()
        settings.postHeaders = ["Content-Type: application/x-parley-frames"] + headers
        settings.getHeaders = headers
        settings.connectTimeout = limits.connectTimeout
        multi = MultiHandle(settings)
    }

    consuming func run() {
        var ready: [Poller.Ready] = []
        var batch: [PeerCommand] = []
        var changes: [MultiHandle.SocketChange] = []
        while !stop.flag.load(ordering: .acquiring) {
            poller.wait(until: multi.deadline, into: &ready)
            now = Clock.now()
            for event in ready {
                if event.token == Self.bellToken {
                    commands.drain(into: &batch)
                } else {
                    multi.act(
                        on: Int32(truncatingIfNeeded: event.token), read: event.isReadable,
                        write: event.isWritable,
                        failed: event.hasFailed, at: now)
                }
            }
            for command in batch {
                guard obey(command) else {
                    stop.flag.store(true, ordering: .releasing)
                    break
                }
            }
            batch.removeAll(keepingCapacity: true)
            // New transfers are due at once: starting them here saves a turn.
            if multi.deadline <= now { multi.timeout(at: now) }
            while let finished = multi.takeFinished() { complete(finished) }
            multi.takeChanges(into: &changes)
            for change in changes { apply(change) }
        }
        finish()
    }

    private mutating func apply(_ change: MultiHandle.SocketChange) {
        var interest: Poller.Interest = []
        if change.read { interest.insert(.read) }
        if change.write { interest.insert(.write) }
        let socket = Int(change.socket)
        while watched.count <= socket { watched.append(false) }
        defer { watched[socket] = !interest.isEmpty }
        guard !interest.isEmpty else { return poller.remove(number: change.socket) }
        // A refusal means that libcurl closed the socket meanwhile; its own timeouts end the transfer.
        try? poller.set(
            number: change.socket, token: UInt64(change.socket), for: interest, isNew: !watched[socket])
    }

    /// False for the command to stop.
    private mutating func obey(_ command: PeerCommand) -> Bool {
        switch command {
        case .send(let peer, let batch, let url, let body):
            send(Peer.Batch(number: batch, url: url, body: body), to: peer)
        case .fetch(let id, let url, let offset, let limit):
            guard fetches < limits.fetches, limit > 0 else {
                report(.fetchFailed(id: id, reason: limit > 0 ? "too many fetches" : "nothing to fetch"))
                break
            }
            fetches += 1
            fetchNext(Fetch(id: id, url: url, offset: offset, left: limit))
        case .cancelFetch(let id):
            cancelFetch(id)
        case .forget(let peer):
            forget(peer)
        case .stop:
            return false
        }
        return true
    }

    private mutating func complete(_ finished: MultiHandle.Finished) {
        let ended = work[finished.place]
        work[finished.place] = .none
        switch ended {
        case .send(let peer, let batch): complete(finished, peer, batch)
        case .fetch(let fetch): complete(finished, fetch)
        case .none: preconditionFailure("a transfer ended that nobody began")
        }
    }

    private mutating func note(_ task: Work, at place: Int) {
        while work.count <= place { work.append(.none) }
        work[place] = task
    }

    /// Reports everything that will not be answered any more.
    private mutating func finish() {
        for peer in peers.keys.sorted() { forget(peer) }
        for place in work.indices {
            guard case .fetch(let fetch) = work[place] else { continue }
            work[place] = .none
            _ = multi.cancel(place)
            report(.fetchFailed(id: fetch.id, reason: "the transport was stopped"))
        }
        // Commands that came too late for a turn.
        var rest: [PeerCommand] = []
        commands.drain(into: &rest)
        for command in rest {
            switch command {
            case .send(let peer, let batch, _, _):
                report(.failed(peer: peer, batch: batch, reason: "the transport was stopped", reached: false))
            case .fetch(let id, _, _, _): report(.fetchFailed(id: id, reason: "the transport was stopped"))
            case .cancelFetch, .forget, .stop: break
            }
        }
    }
}

// MARK: Batches

extension TransportLoop {
    private mutating func send(_ batch: Peer.Batch, to peer: NodeID) {
        var state = peers.removeValue(forKey: peer) ?? Peer()
        defer { peers[peer] = state }
        guard state.restsUntil <= now else {
            return fail(batch, peer, "connecting to the peer failed a moment ago")
        }
        guard state.inFlight >= limits.inFlightPerPeer else { return begin(batch, peer, &state) }
        state.enqueue(batch)
        while state.queuedCount > limits.queuedPerPeer || state.queuedBytes > limits.queuedBytesPerPeer {
            guard let oldest = state.dequeue() else { break }
            fail(oldest, peer, "too many batches wait for the peer")
        }
    }

    private mutating func begin(_ batch: Peer.Batch, _ peer: NodeID, _ state: inout Peer) {
        let place = multi.post(
            batch.url, body: batch.body, timeout: limits.sendTimeout, responseLimit: limits.answer, at: now)
        note(.send(peer, batch: batch.number), at: place)
        state.inFlight += 1
    }

    private mutating func complete(_ finished: MultiHandle.Finished, _ peer: NodeID, _ batch: UInt64) {
        // Taken out and put back, so that the queue is changed in place.
        var state = peers.removeValue(forKey: peer) ?? Peer()
        defer { peers[peer] = state }
        state.inFlight -= 1
        switch finished.outcome {
        case .success(let status):
            state.becomeReachable()
            report(.answered(peer: peer, batch: batch, status: status, body: finished.body))
        case .failure(let error):
            report(.failed(peer: peer, batch: batch, reason: error.reason, reached: error.reached))
            if error.reached && error.kind != .cannotConnect { break }
            state.becomeUnreachable(at: now, limits)
            while let waiting = state.dequeue() { fail(waiting, peer, error.reason) }
        }
        while state.inFlight < limits.inFlightPerPeer, let next = state.dequeue() {
            begin(next, peer, &state)
        }
    }

    private func fail(_ batch: Peer.Batch, _ peer: NodeID, _ reason: String) {
        report(.failed(peer: peer, batch: batch.number, reason: reason, reached: false))
    }

    private mutating func forget(_ peer: NodeID) {
        guard var state = peers.removeValue(forKey: peer) else { return }
        for place in work.indices {
            guard case .send(peer, let batch) = work[place] else { continue }
            work[place] = .none
            let hasSent = multi.cancel(place)
            report(.failed(peer: peer, batch: batch, reason: "the peer was forgotten", reached: hasSent))
        }
        while let waiting = state.dequeue() { fail(waiting, peer, "the peer was forgotten") }
    }
}

// MARK: Fetches

extension TransportLoop {
    private mutating func fetchNext(_ fetch: Fetch) {
        let chunk = min(UInt64(limits.fetchChunk), fetch.left)
        let (last, overflow) = fetch.offset.addingReportingOverflow(chunk - 1)
        guard !overflow else { return end(fetch, "the offset is too large") }
        let place = multi.get(
            fetch.url, range: fetch.offset...last, timeout: limits.fetchTimeout, responseLimit: Int(chunk),
            at: now)
        note(.fetch(fetch), at: place)
    }

    private mutating func complete(_ finished: MultiHandle.Finished, _ fetch: Fetch) {
        let status: Int
        switch finished.outcome {
        case .success(let code): status = code
        case .failure(let error): return end(fetch, error.reason)
        }
        if status == 200 && fetch.offset == 0 && fetch.total == nil {
            // The server sent everything, and it was no more than a range.
            return endWell(fetch, finished.body)
        }
        guard status == 206 else { return end(fetch, "the peer answered \(status)") }
        guard let range = finished.contentRange.flatMap(Fetch.parse(contentRange:)),
            range.first == fetch.offset, range.last - range.first + 1 == UInt64(finished.body.count)
        else { return end(fetch, "the peer answered another range than was asked for") }
        guard fetch.total == nil || fetch.total == range.total else {
            return end(fetch, "the resource changed while it was fetched")
        }
        var next = fetch
        next.total = range.total
        next.offset = range.last + 1
        next.left = fetch.left - UInt64(finished.body.count)
        guard next.offset < range.total else { return endWell(fetch, finished.body) }
        report(.fetched(id: fetch.id, offset: fetch.offset, bytes: finished.body, isLast: false))
        guard next.left > 0 else { return end(next, "the resource is larger than the limit") }
        fetchNext(next)
    }

    private mutating func endWell(_ fetch: Fetch, _ bytes: [UInt8]) {
        fetches -= 1
        report(.fetched(id: fetch.id, offset: fetch.offset, bytes: bytes, isLast: true))
    }

    private mutating func end(_ fetch: Fetch, _ reason: String) {
        fetches -= 1
        report(.fetchFailed(id: fetch.id, reason: reason))
    }

    private mutating func cancelFetch(_ id: UInt64) {
        for place in work.indices {
            guard case .fetch(let fetch) = work[place], fetch.id == id else { continue }
            work[place] = .none
            _ = multi.cancel(place)
            fetches -= 1
        }
    }
}
