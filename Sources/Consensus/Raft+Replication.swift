import Primitives

// A leader's part in replication: what goes to each peer, what comes back, and when an entry is committed.

extension Raft {
    /// Sends each peer what its progress allows.
    mutating func replicateToAll(at now: Instant, into effects: inout [Effect]) {
        guard let count = leadership?.peers.count else { return }
        for place in 0..<count { replicate(to: place, at: now, into: &effects) }
    }

    /// Thesis, figure 3.1: "If last log index ≥ nextIndex for a follower: send AppendEntries RPC with log
    /// entries starting at nextIndex"; ahead of the answers as in 10.2.1.
    private mutating func replicate(to place: Int, at now: Instant, into effects: inout [Effect]) {
        while true {
            switch nextStep(for: place) {
            case .wait: return
            case .snapshot: return sendSnapshot(to: place, at: now, into: &effects)
            case .probe(let replicate):
                effects.append(.replicate(replicate))
                leadership?.peers[place].commitSent = min(commit, replicate.range.upperBound.previous)
                leadership?.peers[place].sentProbe(at: now)
                return
            case .stream(let replicate, let bytes, let sizeIsKnown):
                effects.append(.replicate(replicate))
                let end = replicate.range.upperBound
                leadership?.peers[place].commitSent = min(commit, end.previous)
                leadership?.peers[place].sent(upTo: end, bytes: bytes, sizeIsKnown: sizeIsKnown, at: now)
            }
        }
    }

    private enum ReplicationStep {
        case wait
        case snapshot
        case probe(Replicate)
        case stream(Replicate, bytes: Int, sizeIsKnown: Bool)
    }

    /// What the peer at `place` is to be sent now. Apart from what notes it, so that no copy of the peer is
    /// alive then.
    private func nextStep(for place: Int) -> ReplicationStep {
        guard let peer = leadership?.peers[place], mayReplicate(to: peer) else { return .wait }
        guard let previousTerm = log.term(at: peer.next.previous) else { return .snapshot }
        var end = min(log.lastIndex.next, peer.next + UInt64(options.maxEntriesPerAppend))
        let cut = sizes.end(from: peer.next, notBeyond: end, limit: options.maxBytesPerAppend)
        if let cut { end = cut }
        let replicate = Replicate(
            to: peer.id, term: term, previous: LogPosition(index: peer.next.previous, term: previousTerm),
            range: peer.next..<end, commit: commit, maxBytes: options.maxBytesPerAppend)
        if peer.state == .probe { return .probe(replicate) }
        let bytes = cut == nil ? options.maxBytesPerAppend : sizes.bytes(in: replicate.range)
        let hasRoom = peer.window.isEmpty || peer.window.bytes + bytes <= options.maxBytesInFlight
        return hasRoom ? .stream(replicate, bytes: bytes, sizeIsKnown: cut != nil) : .wait
    }

    private func mayReplicate(to peer: Progress) -> Bool {
        switch peer.state {
        case .probe: peer.awaitingSince == nil && peer.match < log.lastIndex
        case .replicate:
            peer.next <= log.lastIndex && peer.window.count < options.maxAppendsInFlight
                && !peer.window.hasUnknownSize
        case .snapshot: false
        }
    }

    /// Takes in a peer's answer to an append or to a snapshot reference.
    mutating func receiveAppendResponse(
        _ response: AppendResponse, from node: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard let place = leadership?.place(of: node) else { return }
        leadership?.peers[place].heard(at: now)
        switch response.outcome {
        case .matched(let index):
            guard index <= log.lastIndex else { return }
            // Thesis, figure 3.1: "If successful: update nextIndex and matchIndex for follower".
            let isInLog = log.term(at: index) != nil
            let isNews = leadership?.peers[place].matched(index, isInLog: isInLog, at: now) ?? false
            if isNews && index > commit { leadership?.mayCommit = true }
            if isNews { continueTransfer(with: node, into: &effects) }
        case .rejected(let hint, _):
            // "If AppendEntries fails because of log inconsistency: decrement nextIndex and retry": past all
            // that cannot match, for the follower's hint is the last position where it may (paper, section
            // 5.3).
            let retry = log.lastPosition(notAfter: hint).index.next
            leadership?.peers[place].rejected(previous: response.previous.index, retry: retry)
        }
    }

    /// Takes in a peer's answer to a heartbeat: it lives, so what it has not answered for long is lost.
    mutating func receiveHeartbeatResponse(
        round: UInt64, from node: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard let place = leadership?.place(of: node), let begun = leadership?.reads.number else { return }
        leadership?.peers[place].heard(at: now)
        leadership?.peers[place].retryIfLate(options.heartbeatInterval * 2, at: now)
        // A round that has not begun can't have been answered.
        leadership?.peers[place].acknowledged(round: min(round, begun))
        finishReads(into: &effects)
    }

    /// Thesis, figure 3.1: "If there exists an N such that N > commitIndex, a majority of matchIndex[i] ≥ N,
    /// and log[N].term == currentTerm: set commitIndex = N". The leader itself has what is durable here.
    mutating func advanceLeaderCommit(at now: Instant, into effects: inout [Effect]) {
        guard let leadership, leadership.mayCommit else { return }
        self.leadership?.mayCommit = false
        let held = configuration.quorum.greatest { node in
            if node == id { return isPlanted(.leaderCountsUnsynced) ? log.lastIndex : durability.index }
            guard let place = leadership.place(of: node) else { return LogIndex.zero }
            return isPlanted(.commitsWithoutQuorum) ? log.lastIndex : leadership.peers[place].match
        }
        guard let held, held > commit else { return }
        guard log.term(at: held) == term || isPlanted(.commitsOldTerm) else { return }
        commit = held
        // Thesis 4.2.2: "a leader that is removed from the configuration steps down once the Cnew entry is
        // committed".
        if configurationIndex <= commit && !configuration.isVoter(id) {
            enter(.follower, term, nil, because: .removed, at: now, into: &effects)
        }
    }

    /// Tells each peer that holds more committed entries than it knows of, unless an append has just done so.
    mutating func sendCommitNews(into effects: inout [Effect]) {
        guard let count = leadership?.peers.count else { return }
        for place in 0..<count {
            guard let peer = leadership?.peers[place], peer.commitSent < min(peer.match, commit) else {
                continue
            }
            sendHeartbeat(to: place, into: &effects)
        }
    }

    private mutating func sendHeartbeat(to place: Int, into effects: inout [Effect]) {
        guard let peer = leadership?.peers[place], let round = leadership?.reads.number else { return }
        let known = isPlanted(.heartbeatTellsAll) ? commit : min(peer.match, commit)
        leadership?.peers[place].commitSent = max(peer.commitSent, known)
        let heartbeat = Heartbeat(commit: known, round: round, leaderCommit: commit)
        send(.heartbeat(heartbeat), to: peer.id, into: &effects)
    }

    /// Sends every peer a sign of life, with the number of the latest read round.
    mutating func sendHeartbeats(into effects: inout [Effect]) {
        guard let count = leadership?.peers.count else { return }
        for place in 0..<count { sendHeartbeat(to: place, into: &effects) }
    }

    /// What a leader does when its deadline has come.
    mutating func leaderTimeout(at now: Instant, into effects: inout [Effect]) {
        expireTransfer(at: now, into: &effects)
        guard let due = leadership?.nextHeartbeat, now >= due else { return }
        // Thesis 6.2: "a leader in Raft steps down if an election timeout elapses without a successful round
        // of heartbeats to a majority of its cluster".
        guard hearsQuorum(at: now) || isPlanted(.leadsWithoutQuorum) else {
            return enter(.follower, term, nil, because: .quorumLost, at: now, into: &effects)
        }
        leadership?.nextHeartbeat = now + options.heartbeatInterval
        sendHeartbeats(into: &effects)
        resumeTransfer(into: &effects)
    }

    private func hearsQuorum(at now: Instant) -> Bool {
        guard let leadership else { return false }
        return configuration.quorum.isReached { node in
            if node == id { return true }
            guard let place = leadership.place(of: node) else { return false }
            let contact = leadership.peers[place].lastContact ?? leadership.since
            return now - contact < options.electionTimeout.upperBound
        }
    }
}
