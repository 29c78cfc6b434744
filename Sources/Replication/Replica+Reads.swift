import Consensus
import Primitives
import Store

/// Linearizable reads of this node's clients that may not be answered yet.
struct PendingReads: Sendable {
    struct Pending: Sendable {
        var token: UInt64
        var deadline: Instant
        /// Until when it waits for a leader to ask.
        var leaderDeadline: Instant
    }
    struct Round: Sendable {
        /// The questions that were asked for it. All came after its reads, so an answer to any of them will
        /// do.
        var tokens: [UInt64]
        var reads: [Pending]
        /// When to ask once more, since the question or its answer may be lost.
        var askAgainAt: Instant
    }
    struct Barrier: Sendable {
        var index: LogIndex
        var reads: [Pending]
    }

    /// Waiting for a round of their own.
    var waiting: [Pending] = []
    /// Waiting for the leader to say how far the log had got.
    private(set) var rounds: [Round] = []
    /// Waiting for that much to be applied here.
    var barriers: [Barrier] = []
    /// Not before then does a new round begin, since the last one failed.
    var retryAt = Instant.zero
    /// No later than the first deadline.
    private(set) var earliestDeadline = Instant.never
    var count = 0
    private var lastToken: UInt64 = 0

    /// When a question is due to a leader that is known, if `limit` rounds may be under way.
    func nextQuestion(limit: Int) -> Instant {
        var next = Instant.never
        for round in rounds { next = min(next, round.askAgainAt) }
        return waiting.isEmpty || rounds.count >= limit ? next : min(next, retryAt)
    }

    mutating func insert(_ read: Pending) {
        count += 1
        earliestDeadline = min(earliestDeadline, min(read.deadline, read.leaderDeadline))
        if isPlanted(.joinsOldQuestion), !rounds.isEmpty { return rounds[0].reads.append(read) }
        waiting.append(read)
    }

    /// Begins a round for all that wait, and returns its token.
    mutating func startRound(askAgainAt: Instant) -> UInt64 {
        lastToken += 1
        rounds.append(Round(tokens: [lastToken], reads: waiting, askAgainAt: askAgainAt))
        waiting = []
        return lastToken
    }

    /// A further token for a round that has waited until `now`, if there is one.
    mutating func renewRound(at now: Instant, askAgainAt: Instant) -> UInt64? {
        guard let place = rounds.firstIndex(where: { $0.askAgainAt <= now }) else { return nil }
        lastToken += 1
        rounds[place].tokens.append(lastToken)
        rounds[place].askAgainAt = askAgainAt
        return lastToken
    }

    /// The rounds under way may be lost: they are renewed no later than at `instant`.
    mutating func askAgain(at instant: Instant) {
        for place in rounds.indices { rounds[place].askAgainAt = min(rounds[place].askAgainAt, instant) }
    }

    /// The round with this token was answered.
    mutating func endRound(_ token: UInt64) -> [Pending]? {
        guard let place = rounds.firstIndex(where: { $0.tokens.contains(token) }) else { return nil }
        return rounds.remove(at: place).reads
    }

    /// The question with this token will not be answered. If no other is under way, its reads wait for a
    /// round that begins at `instant` or later, and for a leader until `leaderDeadline`.
    mutating func failRound(_ token: UInt64, retryAt instant: Instant, until leaderDeadline: Instant) {
        guard let place = rounds.firstIndex(where: { $0.tokens.contains(token) }) else { return }
        rounds[place].tokens.removeAll { $0 == token }
        guard rounds[place].tokens.isEmpty else { return }
        for var read in rounds.remove(at: place).reads {
            read.leaderDeadline = leaderDeadline
            waiting.append(read)
        }
        earliestDeadline = min(earliestDeadline, leaderDeadline)
        retryAt = instant
    }

    /// Takes out what has expired.
    mutating func removeExpired(at now: Instant) -> [UInt64] {
        guard now >= earliestDeadline else { return [] }
        var expired: [UInt64] = []
        var earliest = Instant.never
        func keep(_ reads: [Pending], isWaiting: Bool = false) -> [Pending] {
            reads.filter { read in
                let expiry = isWaiting ? min(read.deadline, read.leaderDeadline) : read.deadline
                if expiry <= now {
                    expired.append(read.token)
                    return false
                }
                earliest = min(earliest, expiry)
                return true
            }
        }
        waiting = keep(waiting, isWaiting: true)
        for place in rounds.indices { rounds[place].reads = keep(rounds[place].reads) }
        rounds.removeAll { $0.reads.isEmpty }
        for place in barriers.indices { barriers[place].reads = keep(barriers[place].reads) }
        barriers.removeAll { $0.reads.isEmpty }
        earliestDeadline = earliest
        count -= expired.count
        return expired
    }
}

extension Replica {
    /// A client's linearizable read comes in.
    mutating func take(
        read token: UInt64, until deadline: Instant, at now: Instant, into effects: inout [ReplicaEffect]
    ) {
        guard reads.count < limits.pendingReads else {
            effects.append(.readRefused(token: token, .overloaded))
            return
        }
        let leaderDeadline = raft.leader == nil ? now + limits.leaderWait : .never
        reads.insert(PendingReads.Pending(token: token, deadline: deadline, leaderDeadline: leaderDeadline))
    }

    /// Asks how far the log has got, once for all reads of this turn (Raft thesis, section 6.4), and once
    /// more for those whose question has not been answered for long.
    mutating func startReadRound(at now: Instant, into effects: inout [ReplicaEffect]) {
        guard raft.leader != nil else { return }
        // A leader's own round ends with its leadership, if not before.
        let askAgainAt =
            raft.role == .leader ? Instant.never : now + max(limits.readRetry, .milliseconds(1))
        while let token = reads.renewRound(at: now, askAgainAt: askAgainAt) {
            stepRaft(.read(token: token), at: now, into: &effects)
        }
        guard !reads.waiting.isEmpty, reads.retryAt <= now, reads.rounds.count < limits.readRounds else {
            return
        }
        let token = reads.startRound(askAgainAt: askAgainAt)
        stepRaft(.read(token: token), at: now, into: &effects)
    }

    /// The leader has confirmed that it led when the round began.
    mutating func finishRound(_ token: UInt64, at index: LogIndex, into effects: inout [ReplicaEffect]) {
        heardCommit = max(heardCommit, index)
        guard let ready = reads.endRound(token) else { return }
        if keyspace.appliedIndex >= index || isPlanted(.readsBeforeApplied) {
            release(ready, into: &effects)
        } else {
            reads.barriers.append(PendingReads.Barrier(index: index, reads: ready))
        }
    }

    /// The question will not be answered.
    mutating func failRound(_ token: UInt64, at now: Instant) {
        let leaderDeadline = raft.leader == nil ? now + limits.leaderWait : .never
        reads.failRound(token, retryAt: now + limits.backOff, until: leaderDeadline)
    }

    /// Releases reads for which enough has been applied.
    mutating func releaseBarriers(into effects: inout [ReplicaEffect]) {
        guard !reads.barriers.isEmpty else { return }
        for barrier in reads.barriers where barrier.index <= keyspace.appliedIndex {
            release(barrier.reads, into: &effects)
        }
        reads.barriers.removeAll { $0.index <= keyspace.appliedIndex }
    }

    private mutating func release(_ ready: [PendingReads.Pending], into effects: inout [ReplicaEffect]) {
        reads.count -= ready.count
        for read in ready { effects.append(.readable(token: read.token)) }
    }
}
