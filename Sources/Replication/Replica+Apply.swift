import Consensus
import Primitives
import Store

extension Replica {
    /// Applies what is committed, up to the limit of one turn, and answers the clients that wait for it.
    mutating func applyCommitted(at now: Instant, into effects: inout [ReplicaEffect]) {
        var budget = limits.appliesPerTurn
        var end = isPlanted(.appliesUncommitted) ? raft.lastIndex : raft.commit
        if isPlanted(.appliesDurable) { end = raft.durableIndex }
        while keyspace.appliedIndex < end, budget > 0 {
            budget -= 1
            let index = keyspace.appliedIndex.next
            guard var entry = cache[index] else {
                preconditionFailure("entry \(index) is committed (\(raft.commit)) but not in memory")
            }
            if isPlanted(.appliesByOwnClock) {
                Command.setTime(WallTime(milliseconds: now.nanoseconds / 1_000_000), in: &entry.payload)
            }
            if entry.term > appliedTerm { enter(entry.term, at: now) }
            switch entry.kind {
            case .command: apply(entry, at: now, into: &effects)
            case .noop: keyspace.skip(index: entry.index, term: entry.term)
            case .configuration:
                guard let decoded = try? Configuration(decoding: entry.payload) else {
                    preconditionFailure("entry \(entry.index) is committed but holds no configuration")
                }
                configuration = decoded
                keyspace.skip(index: entry.index, term: entry.term)
            }
        }
        releaseBarriers(into: &effects)
    }

    private mutating func apply(_ entry: Entry, at now: Instant, into effects: inout [ReplicaEffect]) {
        let outcome = keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
        if !writes.isEmpty, let id = Command.requestID(of: entry.payload), let pending = writes.remove(id) {
            effects.append(.answered(token: pending.token, id, outcome))
        }
        takeNews(at: now, into: &effects)
    }

    /// The first entry of a term is applied: whatever was sent in an earlier term and was not applied by now
    /// is in no log that can ever be committed, because terms never decrease along the log. It is sent again.
    private mutating func enter(_ term: Term, at now: Instant) {
        appliedTerm = term
        guard !writes.isEmpty else { return }
        let fence = isPlanted(.resendsWithoutFence) ? term.next : term
        for id in writes.sent(before: fence) { writes.markUnsent(id, until: now + limits.leaderWait) }
    }

    /// Remembers how far the leader said it had committed. Messages overtake each other, so the greatest
    /// number of all is what counts.
    mutating func noteCommit(of message: Message) {
        guard message.from == raft.leader, message.term == raft.term else { return }
        switch message.body {
        case .append(let append): heardCommit = max(heardCommit, append.commit)
        case .heartbeat(let heartbeat): heardCommit = max(heardCommit, heartbeat.leaderCommit)
        case .installSnapshot(let reference): heardCommit = max(heardCommit, reference.position.index)
        default: return
        }
        hasHeardLeader = true
    }

    /// Notes when this node was last as current as its leader. A leader that has committed nothing in its
    /// term may not know yet what the one before it committed, so its followers don't either.
    mutating func noteCurrency(at now: Instant) {
        let isCurrent =
            raft.role == .leader
            ? raft.isReady && keyspace.appliedIndex >= raft.commit
            : hasHeardLeader && keyspace.appliedIndex >= heardCommit && keyspace.appliedTerm == raft.term
        if isCurrent { currentAsOf = now }
        hasHeardLeader = false
    }

    /// Asks for a checkpoint when the log since the last one outgrows the data: so what is written for
    /// checkpoints stays in proportion to what is written for the log. And when the newest one is damaged:
    /// then even at the same position, for if nothing can be committed without the node that needs it there
    /// is no later one.
    mutating func considerCheckpoint(into effects: inout [ReplicaEffect]) {
        let isDue =
            logBytesSinceCheckpoint > limits.checkpointLogBytes
            && logBytesSinceCheckpoint > keyspace.logicalBytes
            && keyspace.appliedIndex > checkpoint.position.index
        guard !isCheckpointing, isDue || owesCheckpoint else { return }
        isCheckpointing = true
        owesCheckpoint = false
        logBytesSinceCheckpoint = 0
        var position = LogPosition(index: keyspace.appliedIndex, term: keyspace.appliedTerm)
        if isPlanted(.misnamesCheckpoint) { position = raft.lastPosition }
        let reference = SnapshotReference(position: position, configuration: configuration)
        effects.append(.checkpoint(keyspace, reference))
    }

    /// Puts a snapshot of the leader in place of the state.
    mutating func install(
        _ loaded: Keyspace, _ reference: SnapshotReference, at now: Instant,
        into effects: inout [ReplicaEffect]
    ) {
        let position = reference.position
        if position.index > checkpoint.position.index { checkpoint = reference }
        if position.index > keyspace.appliedIndex || isPlanted(.installsOlderSnapshot) {
            keyspace = loaded
            if !isPlanted(.installForgetsTimers) { measureTimers(at: now) }
            effects.append(.replaced)
            appliedTerm = max(appliedTerm, position.term)
            configuration = reference.configuration
            logBytesSinceCheckpoint = 0
            // A snapshot hides which commands it holds: writes that were on their way may be among them, but
            // not those of a later term than its last entry's.
            for id in writes.sent(before: position.term.next) {
                if writes[id]?.isRefused == true || isPlanted(.resendsAfterInstall) {
                    writes.markUnsent(id, until: now + limits.leaderWait)
                } else if let pending = writes.remove(id) {
                    effects.append(.refused(token: pending.token, id, .unknown))
                }
            }
        }
        // If the log begins anew after the snapshot, the cache does so too, with the persist that says so.
        // Else the log goes on beyond the snapshot, and the cache holds what is still to be applied.
        stepRaft(.snapshotInstalled(reference), at: now, into: &effects)
        releaseBarriers(into: &effects)
    }
}
