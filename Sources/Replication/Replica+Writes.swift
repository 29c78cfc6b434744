import Consensus
import Primitives
import Store

/// Writes of this node's clients that have no outcome yet.
struct PendingWrites: Sendable {
    struct Pending: Sendable {
        var token: UInt64
        var payload: [UInt8]
        var deadline: Instant
        var mayForward: Bool
        var trace: TraceContext?
        /// Until when it waits for a leader.
        var leaderDeadline: Instant
        /// The term in which it was proposed or forwarded; nil while it certainly is in no log.
        var sentTerm: Term?
        /// Whether the leader of that term has said that it did not propose it. It waits for the next one.
        var isRefused = false
        /// How often it was proposed or forwarded, less the times that are known to have come to nothing.
        var openSends = 0

        /// Whether it is certain that it will not be committed unless it is sent again.
        var isInNoLog: Bool { sentTerm == nil || isRefused }
        /// When it is given up.
        var expiry: Instant { isInNoLog ? min(deadline, leaderDeadline) : deadline }
    }

    /// Keyed by request; never iterated where order could reach an effect without sorting.
    private(set) var byRequest: [RequestID: Pending] = [:]
    private(set) var bytes = 0
    /// Not yet sent, in the order of arrival.
    var waiting: [RequestID] = []
    /// To be forwarded at the end of this turn, in the order of arrival.
    var toForward: [RequestID] = []
    /// Not before then are writes given to the leader, since it could not be reached just now.
    var retryAt = Instant.zero
    /// No later than the first expiry.
    private(set) var earliestDeadline = Instant.never

    var count: Int { byRequest.count }
    var isEmpty: Bool { byRequest.isEmpty }

    subscript(id: RequestID) -> Pending? { byRequest[id] }

    mutating func insert(_ pending: Pending, as id: RequestID) {
        byRequest[id] = pending
        bytes += pending.payload.count
        waiting.append(id)
        earliestDeadline = min(earliestDeadline, pending.expiry)
    }

    mutating func remove(_ id: RequestID) -> Pending? {
        guard let pending = byRequest.removeValue(forKey: id) else { return nil }
        bytes -= pending.payload.count
        return pending
    }

    /// It goes on its way in `term`.
    mutating func markSent(_ id: RequestID, in term: Term) {
        byRequest[id]?.sentTerm = term
        byRequest[id]?.openSends += 1
    }

    /// It certainly is in no log: it waits to be sent again, for a leader until `leaderDeadline`.
    mutating func markUnsent(_ id: RequestID, until leaderDeadline: Instant) {
        guard var pending = byRequest[id], pending.sentTerm != nil else { return }
        pending.sentTerm = nil
        pending.isRefused = false
        pending.leaderDeadline = leaderDeadline
        earliestDeadline = min(earliestDeadline, pending.expiry)
        byRequest[id] = pending
        waiting.append(id)
    }

    /// The leader of the term in which it was sent did not propose it. It waits until an entry of a later
    /// term was applied, for at most as long as it would wait for a leader.
    mutating func markRefused(_ id: RequestID, until leaderDeadline: Instant) {
        guard var pending = byRequest[id], pending.sentTerm != nil else { return }
        pending.isRefused = true
        pending.leaderDeadline = leaderDeadline
        earliestDeadline = min(earliestDeadline, pending.expiry)
        byRequest[id] = pending
    }

    /// One of the times it was sent has come to nothing. Which one is not known, for the news may be late: so
    /// it is certainly in no log only when that is so of every time.
    mutating func noteLost(_ id: RequestID, until leaderDeadline: Instant) {
        guard var pending = byRequest[id], pending.openSends > 0 else { return }
        pending.openSends -= 1
        byRequest[id] = pending
        if pending.openSends == 0 { markUnsent(id, until: leaderDeadline) }
    }

    /// One of the times it was sent has been refused.
    mutating func noteRefused(_ id: RequestID) { byRequest[id]?.openSends -= 1 }

    /// Those sent in a term before `term`, in a fixed order.
    func sent(before term: Term) -> [RequestID] {
        byRequest.filter { $0.value.sentTerm.map { $0 < term } ?? false }.keys
            .sorted { ($0.high, $0.low) < ($1.high, $1.low) }
    }

    /// Takes out what has expired, in a fixed order.
    mutating func removeExpired(at now: Instant) -> [(id: RequestID, write: Pending)] {
        guard now >= earliestDeadline else { return [] }
        var expired: [(id: RequestID, write: Pending)] = []
        earliestDeadline = .never
        for (id, pending) in byRequest {
            if pending.expiry <= now {
                expired.append((id, pending))
            } else {
                earliestDeadline = min(earliestDeadline, pending.expiry)
            }
        }
        for (id, _) in expired { _ = remove(id) }
        return expired.sorted { $0.write.token < $1.write.token }
    }
}

extension Replica {
    /// A client's write comes in.
    mutating func take(
        _ write: Write, at now: Instant, wall: WallTime, into effects: inout [ReplicaEffect]
    ) {
        func refuse(_ reason: WriteRefusal) {
            effects.append(.refused(token: write.token, write.requestID, reason))
        }
        if raft.role != .leader && !write.mayForward { return refuse(.notLeader) }
        if isShortOfSpace { return refuse(.storageFull) }
        if writes.count >= limits.pendingWrites || writes.bytes >= limits.pendingBytes {
            return refuse(.overloaded)
        }
        var operation = write.operation
        if isPlanted(.checksFencesWhenAsked), case .fenced(let fences, let inner) = operation {
            // What is stale by now gets a token that nothing has.
            let checked = fences.map { fence in
                let isHeld = keyspace.isHeld(fence.claim, token: fence.token)
                return isHeld ? fence : Fence(fence.claim, token: 0)
            }
            operation = .fenced(checked, inner)
        }
        let command = Command(
            requestID: write.requestID, time: wall, operation: operation, once: write.once)
        writes.insert(
            PendingWrites.Pending(
                token: write.token, payload: command.encode(), deadline: write.deadline,
                mayForward: write.mayForward, trace: write.trace, leaderDeadline: now + limits.leaderWait),
            as: write.requestID)
    }

    /// Whether there is a leader that takes writes. While leadership is handed over they wait for the next
    /// one.
    var canSubmit: Bool {
        raft.leader != nil && (raft.transferTarget == nil || isPlanted(.proposesDuringTransfer))
    }

    /// Gives every waiting write to the leader, if there is one.
    mutating func submitWaiting(at now: Instant, into effects: inout [ReplicaEffect]) {
        guard !writes.waiting.isEmpty, canSubmit, writes.retryAt <= now else { return }
        let waiting = writes.waiting
        writes.waiting.removeAll(keepingCapacity: true)
        for id in waiting {
            guard let pending = writes[id], pending.sentTerm == nil else { continue }
            if raft.role == .leader {
                writes.markSent(id, in: raft.term)
                proposals.append(
                    QueuedProposal(requestID: id, term: raft.term, origin: nil, payload: pending.payload))
            } else if pending.mayForward {
                writes.markSent(id, in: raft.term)
                writes.toForward.append(id)
            } else {
                refuse(id, .notLeader, into: &effects)
            }
        }
    }

    /// Hands this turn's proposals to the core.
    mutating func propose(at now: Instant, into effects: inout [ReplicaEffect]) {
        guard !proposals.isEmpty else { return }
        // A term can't begin and be won in one turn, because a candidate's own vote waits for the disk.
        assert(raft.role != .leader || proposals.allSatisfy { $0.term == raft.term })
        stepRaft(
            .propose(proposals.map { Proposal(kind: .command, payload: $0.payload) }), at: now, into: &effects
        )
        proposals.removeAll(keepingCapacity: true)
    }

    /// Sends this turn's writes to the leader, split so that no message grows too large.
    mutating func forward(into effects: inout [ReplicaEffect]) {
        guard !writes.toForward.isEmpty else { return }
        let ids = writes.toForward
        writes.toForward.removeAll(keepingCapacity: true)
        // What is to be forwarded was chosen in this turn, after its last event.
        guard let leader = raft.leader, leader != raft.id else { preconditionFailure("no leader: \(raft)") }
        var forward = Forward(term: raft.term, commands: [])
        var size = 0
        for id in ids {
            guard let pending = writes[id] else { continue }
            if size + pending.payload.count > limits.forwardBytes, !forward.commands.isEmpty {
                effects.append(.send(.forward(forward), to: leader))
                forward.commands.removeAll(keepingCapacity: true)
                forward.traces = []
                size = 0
            }
            if let trace = pending.trace {
                forward.traces.append(Forward.Traced(place: forward.commands.count, trace: trace))
            }
            forward.commands.append(pending.payload)
            size += pending.payload.count
        }
        if !forward.commands.isEmpty { effects.append(.send(.forward(forward), to: leader)) }
    }

    /// A follower passes its clients' writes on.
    mutating func take(
        _ forward: Forward, from peer: NodeID, wall: WallTime, into effects: inout [ReplicaEffect]
    ) {
        let isOwnTerm = raft.term == forward.term || isPlanted(.takesForwardOfOtherTerm)
        let refusal: ForwardRefusal.Reason? =
            raft.role != .leader || !isOwnTerm || raft.transferTarget != nil
            ? .notLeader : isShortOfSpace ? .storageFull : nil
        var refused: [RequestID] = []
        for var payload in forward.commands {
            guard let id = Command.requestID(of: payload) else { continue }
            if refusal != nil {
                refused.append(id)
                continue
            }
            // The leader's clock orders commit times (its own, not the follower's).
            Command.setTime(wall, in: &payload)
            proposals.append(
                QueuedProposal(requestID: id, term: forward.term, origin: peer, payload: payload))
        }
        for traced in forward.traces where forward.commands.indices.contains(traced.place) {
            guard let id = Command.requestID(of: forward.commands[traced.place]) else { continue }
            effects.append(.traced(id, traced.trace, from: peer, refusal))
        }
        if let refusal, !refused.isEmpty {
            let answer = ForwardRefusal(term: forward.term, reason: refusal, requests: refused)
            effects.append(.send(.forwardRefused(answer), to: peer))
        }
    }

    /// The leader did not take writes that were forwarded.
    mutating func take(
        _ refusal: ForwardRefusal, from peer: NodeID, at now: Instant, into effects: inout [ReplicaEffect]
    ) {
        for id in refusal.requests {
            guard writes[id]?.sentTerm == refusal.term else { continue }
            writes.noteRefused(id)
            switch refusal.reason {
            case .notLeader where raft.term > refusal.term:
                writes.markUnsent(id, until: now + limits.leaderWait)
            // It is handing over, or has stepped down: there is nobody else to turn to in this term.
            case .notLeader: writes.markRefused(id, until: now + limits.leaderWait)
            case .overloaded: refuse(id, .overloaded, into: &effects)
            case .storageFull: refuse(id, .storageFull, into: &effects)
            }
        }
    }

    /// The core did not take the last `count` of this turn's proposals.
    mutating func refuseProposals(
        _ count: Int, _ reason: ProposalRefusal, at now: Instant, into effects: inout [ReplicaEffect]
    ) {
        let isOverloaded = reason == .tooMuchUncommitted
        var answers: [(peer: NodeID, refusal: ForwardRefusal)] = []
        for proposal in proposals.suffix(count) {
            guard let origin = proposal.origin else {
                writes.noteRefused(proposal.requestID)
                if isOverloaded {
                    refuse(proposal.requestID, .overloaded, into: &effects)
                } else {
                    writes.markUnsent(proposal.requestID, until: now + limits.leaderWait)
                }
                continue
            }
            if let last = answers.last, last.peer == origin, last.refusal.term == proposal.term {
                answers[answers.count - 1].refusal.requests.append(proposal.requestID)
            } else {
                // The term is the one that the sender named: this node's may have moved on since.
                let refusal = ForwardRefusal(
                    term: proposal.term, reason: isOverloaded ? .overloaded : .notLeader,
                    requests: [proposal.requestID])
                answers.append((origin, refusal))
            }
        }
        for answer in answers { effects.append(.send(.forwardRefused(answer.refusal), to: answer.peer)) }
    }

    private mutating func refuse(
        _ id: RequestID, _ reason: WriteRefusal, into effects: inout [ReplicaEffect]
    ) {
        guard let pending = writes.remove(id) else { return }
        effects.append(.refused(token: pending.token, id, reason))
    }
}
