// Every query parameter of every route, as one type: a route lists which it takes, and what is not listed is
// refused.

/// A query parameter that some route takes. The raw value is its name in the URL.
public enum Parameter: String, Sendable, CaseIterable {
    // Reads
    case consistency, maxLag = "max_lag", or, minRevision = "min_revision", rev, timeout
    case wait, after, meta, history, at
    // Lists
    case prefix, start, end, keys, count, delimiter, limit, cursor, sort, order, since
    // Writes
    case ifRevision = "if_rev", ifAbsent = "if_absent", prev, mustExist = "must_exist", op, by, all, mode
    case revision, keep, dryRun = "dry_run"
    case maxAge = "max_age", minRevisions = "min_revisions", maxRevisions = "max_revisions"
    case maxBytes = "max_bytes"
    case redirect, forward, fence
    // Leases
    case ttl, lease, keepLease = "keep_lease", name, onExpire = "on_expire", lockDelay = "lock_delay"
    case hold, onDisconnect = "on_disconnect"
    // Locks, elections and semaphores
    case owner, token, candidate, value, priority, permits
    // Nodes and messages
    case to, channel, from, max, ack, id, upto, abstraction, topic, delivery, ordering, scope
    case algorithm, subject
    // Clocks
    case uncertainty
    // Faults
    case `for`
    // Watches
    case key, snapshot, only, bookmarks
    // Health
    case verbose, exclude, full
    // Queues and barriers
    case delay, dedupe, visibility, consumer, receipt
    case parties, generations, generation, member
    // Participants
    case move
    // Tasks and workers
    case state, kind, kinds, worker, capacity, labels, final
    // Presentation
    case explain, pretty

    /// All parameters by their names: a raw value is found by comparing with each, which is slow.
    static let byName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

    /// Parameters of later versions that would change what a request means: they are refused by name.
    static let later: Set<String> = [
        "watch", "node", "fanout", "as_of",
    ]
}

extension Parameter {
    /// What every answer takes.
    static let presentation: [Parameter] = [.pretty]
    /// How fresh an answer must be.
    static let freshness: [Parameter] = [.consistency, .maxLag, .or, .minRevision, .timeout]
    /// How a write reaches the leader.
    static let routing: [Parameter] = [.timeout, .redirect, .forward, .explain]
    /// What a write takes that may be fenced.
    static let fenced: [Parameter] = [.fence] + routing
    /// What a message is sent with.
    static let sending: [Parameter] = [.channel, .from, .delivery, .ordering, .ttl, .wait] + routing
    /// What a stream of changes carries, and how long.
    static let watching: [Parameter] = [.from, .snapshot, .prev, .only, .keys, .max, .wait, .bookmarks]
    /// Which keys a request is about.
    static let range: [Parameter] = [.prefix, .start, .end]
}
