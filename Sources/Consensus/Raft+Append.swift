import Primitives

// The log of one node: what a leader adds to it, and what a follower takes over (thesis 3.5).

extension Raft {
    /// Adds an entry of this term at the end of the leader's log.
    mutating func append(_ kind: Entry.Kind, payload: [UInt8]) {
        append(Entry(index: log.lastIndex.next, term: term, kind: kind, payload: payload))
    }

    /// Adds an entry at the end of the log.
    private mutating func append(_ entry: Entry) {
        log.append(term: entry.term)
        sizes.append(entry.payload.count)
        // Thesis 4.1: "the cluster configuration […] takes effect on each server as soon as it is added to
        // that server's log".
        if entry.kind == .configuration, let configuration = try? Configuration(decoding: entry.payload) {
            configurations.append(PlacedConfiguration(index: entry.index, configuration: configuration))
        }
        durability.append(entry)
    }

    /// Removes the entries from `index` on.
    private mutating func truncate(from index: LogIndex) {
        precondition(index > commit, "entry \(index) is committed but conflicts with the leader's: \(self)")
        log.truncate(from: index)
        sizes.truncate(from: index)
        durability.truncate(from: index)
        // Thesis 4.1: "a server […] must be prepared to fall back to the previous configuration in its log".
        while let last = configurations.last, last.index >= index { configurations.removeLast() }
    }

    /// Thesis, figure 3.1: "If command received from client: append entry to local log".
    mutating func propose(_ proposals: [Proposal], into effects: inout [Effect]) {
        if let reason = refusal(of: proposals) {
            return effects.append(.proposalRefused(count: proposals.count, reason: reason))
        }
        effects.append(.proposed(first: log.lastIndex.next, count: proposals.count, term: term))
        var changesMembers = false
        for proposal in proposals {
            append(proposal.kind, payload: proposal.payload)
            if proposal.kind == .configuration { changesMembers = true }
        }
        if changesMembers { trackPeers(next: log.lastIndex.next) }
    }

    private func refusal(of proposals: [Proposal]) -> ProposalRefusal? {
        guard let leadership else { return .notLeader }
        // Thesis 3.10: "The prior leader stops accepting new client requests."
        guard leadership.transfer == nil || isPlanted(.proposesDuringTransfer) else { return .transferring }
        let waiting = Int(log.lastIndex - commit)
        if waiting > 0 {
            let bytes = proposals.reduce(sizes.bytes(after: commit)) { $0 + $1.payload.count }
            guard waiting + proposals.count <= options.maxUncommittedEntries,
                bytes <= options.maxUncommittedBytes
            else { return .tooMuchUncommitted }
        }
        var changes = 0
        for proposal in proposals where proposal.kind == .configuration {
            changes += 1
            // Thesis 4.1, with the correction of 2015 (raft-dev, "bug in single-server membership changes"):
            // no change before the one before, and an entry of this term, are committed.
            guard changes == 1, configurationIndex <= commit, commit >= leadership.termStart,
                let next = try? Configuration(decoding: proposal.payload),
                configuration.mayBeFollowed(by: next)
            else { return .configuration }
        }
        return nil
    }

    /// Takes over a leader's entries.
    mutating func receiveAppend(
        _ append: Append, from sender: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard follow(sender, at: now, into: &effects) else { return }
        // What is committed here is in the leader's log too, so there is nothing to compare (and perhaps
        // nothing to compare with, after a compaction).
        guard append.previous.index >= commit else {
            return acknowledge(upTo: commit, append.previous, to: sender, into: &effects)
        }
        // Thesis, figure 3.1: "Reply false if log doesn't contain an entry at prevLogIndex whose term matches
        // prevLogTerm".
        let skipsTerm = isPlanted(.skipsPreviousTerm) && append.previous.index <= log.lastIndex
        guard log.contains(append.previous) || skipsTerm else {
            if isPlanted(.commitsBeyondMatch) { commit = max(commit, min(append.commit, log.lastIndex)) }
            let hint = log.lastPosition(notAfter: append.previous)
            let response = AppendResponse(
                previous: append.previous, outcome: .rejected(hint: hint, last: log.lastIndex))
            return send(.appendResponse(response), to: sender, into: &effects)
        }
        for entry in append.entries
        where entry.index > log.lastIndex || log.term(at: entry.index) != entry.term
            || isPlanted(.truncatesOnDuplicate)
        {
            // "If an existing entry conflicts with a new one (same index but different terms), delete the
            // existing entry and all that follow it": but nothing else, for the message may be old and the
            // log already longer.
            if entry.index <= log.lastIndex { truncate(from: entry.index) }
            // "Append any new entries not already in the log".
            self.append(entry)
        }
        let lastNew = append.previous.index + UInt64(append.entries.count)
        acknowledge(upTo: lastNew, append.previous, to: sender, into: &effects)
        // "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)".
        commit = max(commit, isPlanted(.commitsBeyondLog) ? append.commit : min(append.commit, lastNew))
    }

    /// Tells the leader that the log is the same as its own up to `index`, as soon as that much is durable.
    mutating func acknowledge(
        upTo index: LogIndex, _ previous: LogPosition, to leader: NodeID, into effects: inout [Effect]
    ) {
        let body = Message.Body.appendResponse(
            AppendResponse(previous: previous, outcome: .matched(upTo: index)))
        if durability.index >= index || isPlanted(.acknowledgesTooEarly) {
            send(body, to: leader, into: &effects)
        } else {
            sendWhenDurable(body, to: leader)
        }
    }

    /// Takes in a leader's sign of life. Answered at once, not when the disk is done: reads must not wait for
    /// it.
    mutating func receiveHeartbeat(
        _ heartbeat: Heartbeat, from sender: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard follow(sender, at: now, into: &effects) else { return }
        // The leader sends no more than what it knows this node to hold.
        if heartbeat.commit <= log.lastIndex { commit = max(commit, heartbeat.commit) }
        send(.heartbeatResponse(round: heartbeat.round), to: sender, into: &effects)
    }
}
