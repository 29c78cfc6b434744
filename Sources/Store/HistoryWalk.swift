import Primitives

// History in the order of keys and revisions, for checkpoints and digests. It is kept in the order of
// revisions alone, so a walk needs to know the keys that have some: those that were deleted are in a map of
// their own, those that exist are gathered by whoever walks over all keys anyway.

extension Keyspace {
    /// A current record of this revision or a later one may have superseded versions in history.
    var firstRevisionWithHistory: Revision { events.first?.revision ?? Revision(.max) }
}

/// A walk over superseded versions and marks of deletions, in the order of their keys, the versions of one
/// key from old to new. It can be interrupted after any of them.
struct HistoryWalk: Sendable {
    /// The current records that have history, in the order of their keys.
    nonisolated(unsafe) private var changed: [Record]
    /// How many of these are done.
    private var done = 0
    /// The key and the revision of the last record that was passed to anyone.
    private var lastKey: [UInt8] = []
    private var lastRevision: UInt64 = 0
    private var isAtEnd = false

    /// As many versions of a key are looked at in one go.
    private static let runCount = 1024

    /// Starts at the beginning. `changed` are all current records with history, in the order of their keys.
    init(_ changed: [Record] = []) { unsafe self.changed = changed }

    /// Notes a current record with history. They must come in the order of their keys, all before the walk.
    mutating func add(_ record: Record) { unsafe changed.append(record) }

    /// Calls `body` with the records after the last one until it says false. Each call must be given the same
    /// keyspace.
    mutating func next(_ keyspace: Keyspace, _ body: (Record) -> Bool) {
        if isAtEnd { return }
        withExtendedLifetime(keyspace) {
            var absent = unsafe SortedMap<ByKey>.Cursor(keyspace.deleted)
            unsafe lastKey.withUnsafeBytes { unsafe absent.seek(atOrAfter: Place($0)) }
            while true {
                let present = unsafe done < changed.count ? changed[done] : nil
                let mark = unsafe absent.element?.takeUnretainedValue()
                guard let head = HistoryWalk.first(present, mark) else {
                    isAtEnd = true
                    return
                }
                guard pass(head, of: keyspace, to: body) else { return }
                if head === mark { unsafe absent.next() } else { done += 1 }
            }
        }
    }

    private static func first(_ a: Record?, _ b: Record?) -> Record? {
        guard let a, let b else { return a ?? b }
        return unsafe Place.compare(a.key, b.key) < 0 ? a : b
    }

    /// Passes the superseded versions of a key, and its newest one if that is the mark of a deletion, on to
    /// `body`; false if it wants no more.
    private mutating func pass(_ head: Record, of keyspace: Keyspace, to body: (Record) -> Bool) -> Bool {
        let high = head.isTombstone ? UInt64.max : head.modRevision.rawValue
        let isGoingOn = unsafe lastKey.withUnsafeBytes { unsafe Place.compare($0, head.key) == 0 }
        var low = isGoingOn ? lastRevision + 1 : 0
        while true {
            let (records, more) = keyspace.events.versions(
                of: head, from: low, to: high, limit: HistoryWalk.runCount)
            for record in records where !body(record) {
                lastKey = unsafe [UInt8](record.key)
                lastRevision = record.modRevision.rawValue
                return false
            }
            guard more, let last = records.last else { return true }
            low = last.modRevision.rawValue + 1
        }
    }
}
