import Primitives

// Elections: thesis 3.4, with the pre-vote phase of 9.6 and the refusal of 4.2.3.

extension Raft {
    /// Whether the node may stand for election: learners and strangers never do.
    var isPromotable: Bool { configuration.isVoter(id) }

    /// Whether a leader was heard so recently that nobody else should be voted for.
    func hearsLeader(at now: Instant) -> Bool {
        if role == .leader { return true }
        guard leader != nil, let leaderContact, !isPlanted(.forgetsLiveLeader) else { return false }
        return now - leaderContact < options.electionTimeout.lowerBound
    }

    /// Thesis, figure 3.1: "If election timeout elapses without receiving AppendEntries RPC from current
    /// leader or granting vote to candidate: convert to candidate". "If election timeout elapses: start new
    /// election".
    mutating func electionTimeout(at now: Instant, into effects: inout [Effect]) {
        var reason = Transition.Reason.electionTimeout
        if role != .follower { reason = .electionUndecided }
        if isLeaderDisconnected, let leader { reason = .leaderDisconnected(leader) }
        startPreVote(because: reason, at: now, into: &effects)
    }

    /// Thesis 9.6: "a candidate only increments its term if it first learns from a majority of the cluster
    /// that they would be willing to grant the candidate their votes".
    private mutating func startPreVote(
        because reason: Transition.Reason, at now: Instant, into effects: inout [Effect]
    ) {
        enter(.preCandidate, term, nil, because: reason, at: now, into: &effects)
        electionDeadline = now + generator.next(in: options.campaignTimeout)
        candidacy = Candidacy(isPreVote: true)
        askForVotes(isPreVote: true, isTransfer: false, into: &effects)
        countVote(true, from: id, at: now, into: &effects)
    }

    /// Thesis, figure 3.1: "On conversion to candidate, start election: increment currentTerm, vote for self,
    /// reset election timer, send RequestVote RPCs to all other servers". The vote counts, and the requests
    /// leave, when it is durable.
    mutating func startElection(
        because reason: Transition.Reason, isTransfer: Bool, at now: Instant, into effects: inout [Effect]
    ) {
        guard term.next.rawValue < Message.limit else { return }
        enter(.candidate, term.next, nil, because: reason, at: now, into: &effects)
        vote = id
        electionDeadline = now + generator.next(in: options.campaignTimeout)
        candidacy = Candidacy(isPreVote: false)
        askForVotes(isPreVote: false, isTransfer: isTransfer, into: &effects)
    }

    private mutating func askForVotes(isPreVote: Bool, isTransfer: Bool, into effects: inout [Effect]) {
        let request = VoteRequest(last: log.last, isPreVote: isPreVote, isTransfer: isTransfer)
        for node in configuration.members where node != id && configuration.isVoter(node) {
            if isPreVote {
                send(.voteRequest(request), to: node, term: term.next, into: &effects)
            } else {
                sendWhenDurable(.voteRequest(request), to: node)
            }
        }
    }

    /// Takes in a vote, the node's own included, for or against this candidate.
    mutating func countVote(_ granted: Bool, from node: NodeID, at now: Instant, into effects: inout [Effect])
    {
        guard candidacy != nil, configuration.isVoter(node) else { return }
        candidacy?.count(granted, from: node)
        guard let candidacy else { return }
        let quorum = configuration.quorum
        if candidacy.isWon(quorum) {
            if candidacy.isPreVote {
                startElection(because: .preVoteWon, isTransfer: false, at: now, into: &effects)
            } else {
                // Thesis, figure 3.1: "If votes received from majority of servers: become leader".
                becomeLeader(at: now, into: &effects)
            }
        } else if candidacy.isLost(quorum) {
            let reason: Transition.Reason = candidacy.isPreVote ? .preVoteLost : .electionLost
            enter(.follower, term, nil, because: reason, at: now, into: &effects)
        }
    }

    /// A voter has said that it would vote for this node.
    mutating func receivePreVoteGrant(_ message: Message, at now: Instant, into effects: inout [Effect]) {
        guard candidacy?.isPreVote == true, message.term == term.next else { return }
        countVote(true, from: message.from, at: now, into: &effects)
    }

    /// Says whether this node would vote for the candidate, and changes nothing that a vote would depend on.
    mutating func receivePreVoteRequest(
        _ request: VoteRequest, _ message: Message, at now: Instant, into effects: inout [Effect]
    ) {
        let granted =
            message.term > term && !hearsLeader(at: now) && request.last.isAtLeastAsUpToDate(as: log.last)
        let body = Message.Body.voteResponse(VoteResponse(granted: granted, isPreVote: true))
        guard granted else { return send(body, to: message.from, into: &effects) }
        if isPlanted(.preVoteTakesVote) { vote = message.from }
        // Of two pre-candidates that meet, one lets the other go first, lest both become candidates and split
        // the vote.
        if role == .preCandidate && message.term == term.next
            && (request.last != log.last || message.from > id)
        {
            enter(.follower, term, nil, because: .preVoteLost, at: now, into: &effects)
            electionDeadline = now + generator.next(in: options.campaignTimeout)
        }
        // And a follower does not get in the way of one that it has just encouraged.
        if role == .follower {
            electionDeadline = max(electionDeadline, now + options.disconnectDelay.upperBound)
        }
        send(body, to: message.from, term: message.term, into: &effects)
    }

    /// Thesis, figure 3.1: "If votedFor is null or candidateId, and candidate's log is at least as up-to-date
    /// as receiver's log, grant vote".
    mutating func receiveVoteRequest(
        _ request: VoteRequest, from candidate: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        let isFree =
            vote == candidate || (vote == nil && leader == nil) || isPlanted(.votesTwice)
        let isDeposed = isPlanted(.leaderVotes) && role == .leader
        guard isDeposed || (isFree && request.last.isAtLeastAsUpToDate(as: log.last)) else {
            let refusal = VoteResponse(granted: false, isPreVote: false)
            return send(.voteResponse(refusal), to: candidate, into: &effects)
        }
        if role == .preCandidate {
            enter(.follower, term, nil, because: .preVoteLost, at: now, into: &effects)
        }
        if vote == nil {
            vote = candidate
            durability.noteHardState()
        }
        electionDeadline = now + generator.next(in: options.electionTimeout)
        // Thesis, figure 3.1: currentTerm and votedFor are "updated on stable storage before responding to
        // RPCs".
        let grant = Message.Body.voteResponse(VoteResponse(granted: true, isPreVote: false))
        if durability.term == term && (durability.vote == vote || isPlanted(.voteNotAwaited)) {
            send(grant, to: candidate, into: &effects)
        } else {
            sendWhenDurable(grant, to: candidate)
        }
    }

    private mutating func becomeLeader(at now: Instant, into effects: inout [Effect]) {
        enter(.leader, term, id, because: .electionWon, at: now, into: &effects)
        fetch = nil
        // Thesis, figure 3.1: "nextIndex[]: initialized to leader last log index + 1", "matchIndex[]:
        // initialized to 0".
        let next = log.lastIndex.next
        leadership = Leadership(
            since: now, termStart: next, peers: [], nextHeartbeat: now + options.heartbeatInterval)
        trackPeers(next: next)
        // Thesis 6.4: "Raft handles this by having each leader commit a blank no-op entry into the log at the
        // start of its term." Sent at flush, it is also the first heartbeat of figure 3.1.
        append(.noop, payload: [])
    }

    /// Keeps the peers as the configuration says.
    mutating func trackPeers(next: LogIndex) {
        guard let old = leadership?.peers else { return }
        var peers: [Progress] = []
        for node in configuration.members where node != id {
            let isLearner = !configuration.isVoter(node)
            var peer = old.first { $0.id == node } ?? Progress(id: node, isLearner: isLearner, next: next)
            peer.isLearner = isLearner
            peers.append(peer)
        }
        leadership?.peers = peers
        leadership?.mayCommit = true
    }

    /// The connections to `node` have closed. If it leads, it has probably stopped: there is no use in
    /// waiting for the rest of the election timeout, and none in refusing votes on its behalf. If it has not,
    /// pre-votes do no harm.
    mutating func peerDisconnected(_ node: NodeID, at now: Instant) {
        peerUnreachable(node)
        guard role == .follower, node == leader, isPromotable, !isLeaderDisconnected else { return }
        leaderContact = nil
        isLeaderDisconnected = true
        electionDeadline = min(electionDeadline, now + generator.next(in: options.disconnectDelay))
    }

    /// Something sent to `node` was lost.
    mutating func peerUnreachable(_ node: NodeID) {
        guard let place = leadership?.place(of: node) else { return }
        leadership?.peers[place].unreachable()
    }
}
