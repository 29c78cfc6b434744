// Answers that are held back until something happens: a key changes, a revision is reached, a message comes,
// the role changes, another node leads. Each ends at its deadline at the latest.
import API
import HTTPServer
import Primitives
import Store

/// An answer that is held back.
struct Waiter {
    /// What it waits for.
    enum Cause {
        /// A long poll: a key or a range must change.
        case change(ReadPlan)
        /// A read that wants at least this revision.
        case revision(Revision, ReadPlan)
        /// A question about the node that wants at least this revision.
        case localRevision(Revision, LocalPlan)
        /// Another role transition than those that were known.
        case transition(LocalPlan, known: UInt64)
        /// A message in an inbox.
        case message(LocalPlan)
        /// What became of a message that this node sent.
        case delivery(MessagePlan, RequestID)
        /// Another leader that has committed.
        case transfer(TransferPlan, from: String, term: Term)
    }

    var connection: ConnectionID
    var cause: Cause
    var deadline: Instant
}

/// All held answers, found by what they wait for.
struct Waiters {
    /// How many answers may be held; more are refused.
    static let limit = 20_000

    private var byID: [UInt64: Waiter] = [:]
    private var byConnection: [ConnectionID: UInt64] = [:]
    private var byKey: [[UInt8]: [UInt64]] = [:]
    private var ranges: Set<UInt64> = []
    private var others: Set<UInt64> = []
    private var lastID: UInt64 = 0
    /// Up to which revision the key waiters were looked at.
    private var settledRevision = Revision.zero
    /// The applied term at that time. A new leader's first entry changes it, and not the revision.
    private var settledTerm = Term.zero
    private(set) var deadline = Instant.never
    private var endsAll = false

    /// Something happened that those who wait for no key may wait for: a message, a transition, a commit.
    var isStirred = false
    var isEmpty: Bool { byID.isEmpty }
    var isFull: Bool { byID.count >= Self.limit }
    var count: Int { byID.count }

    mutating func insert(_ waiter: Waiter) {
        lastID += 1
        byID[lastID] = waiter
        byConnection[waiter.connection] = lastID
        deadline = min(deadline, waiter.deadline)
        guard case .change(let plan) = waiter.cause else {
            others.insert(lastID)
            return
        }
        switch plan.target {
        case .key(let query): byKey[query.key, default: []].append(lastID)
        case .range: ranges.insert(lastID)
        case .history, .transaction, .leases, .request, .queues, .barriers, .tasks, .participants, .watch,
            .difference,
            .compaction, .claims, .claimWatch:
            others.insert(lastID)
        }
    }

    mutating func remove(_ connection: ConnectionID) {
        if let id = byConnection[connection] { _ = take(id) }
    }

    private mutating func take(_ id: UInt64) -> Waiter? {
        guard let waiter = byID.removeValue(forKey: id) else { return nil }
        byConnection[waiter.connection] = nil
        if case .change(let plan) = waiter.cause, case .key(let query) = plan.target {
            byKey[query.key]?.removeAll { $0 == id }
            if byKey[query.key]?.isEmpty == true { byKey[query.key] = nil }
        } else {
            ranges.remove(id)
            others.remove(id)
        }
        return waiter
    }

    /// Every waiter is to be answered as if its time were over: the node stops.
    mutating func endAll() { endsAll = true }

    /// The waiters to be looked at in this turn, each with whether its time is over. They are taken out; who
    /// still has to wait is put in again.
    ///
    /// To be called in every turn, also when nobody waits: else the first who does pays for all changes
    /// since.
    mutating func due(in keyspace: Keyspace, at now: Instant) -> [(Waiter, isOver: Bool)] {
        defer {
            settledRevision = keyspace.revision
            settledTerm = keyspace.appliedTerm
            isStirred = false
        }
        guard !byID.isEmpty else { return [] }
        var candidates: [UInt64] = []
        if keyspace.revision != settledRevision {
            let complete = keyspace.changes(since: settledRevision) { change in
                if let ids = byKey[change.key] { candidates += ids }
                return true
            }
            if case .failure = complete { candidates += byKey.values.flatMap(\.self) }
            candidates += ranges
            isStirred = true
        }
        if isStirred || keyspace.appliedTerm != settledTerm { candidates += others }
        if now >= deadline || endsAll {
            candidates =
                endsAll ? Array(byID.keys) : candidates + byID.filter { $0.value.deadline <= now }.keys
        }
        var due: [(Waiter, isOver: Bool)] = []
        for id in Set(candidates).sorted() {
            guard let waiter = take(id) else { continue }
            due.append((waiter, waiter.deadline <= now || endsAll))
        }
        if now >= deadline || byID.isEmpty { deadline = byID.values.map(\.deadline).min() ?? .never }
        return due
    }
}
