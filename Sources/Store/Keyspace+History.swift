public import Primitives

/// One change of one key.
public struct Change: Sendable {
    /// The revision that made the change.
    public let revision: Revision
    /// The time of the command as the store counts it, which never goes back; nil for a version older than
    /// the history that is kept.
    public let time: WallTime?
    /// The version written; of a deletion a row with the key, no value and version 0.
    public let row: Row
    /// Whether the key was deleted; otherwise it was written.
    public var isDelete: Bool { unsafe row.record.isTombstone }
    /// A copy of the key.
    public var key: [UInt8] { row.key }
}

/// A part of a key's history.
public struct HistoryPage: Sendable {
    /// The changes in the order asked for.
    public let changes: [Change]
    /// Whether there are more after the last one, whose revision is the cursor to go on with.
    public let more: Bool
}

extension Keyspace {
    /// A key's changes, oldest first unless `descending`; `cursor` is the last revision of the page before.
    /// What came after the revision `last` is left out.
    ///
    /// It begins with the version in force at the compact revision, if there was one.
    public func history(
        of key: [UInt8], after cursor: Revision? = nil, upTo last: Revision = Revision(UInt64.max - 1),
        limit: Int = .max, descending: Bool = false
    ) -> HistoryPage {
        guard let head = unsafe key.withUnsafeBytes({ unsafe newest($0) }) else {
            return HistoryPage(changes: [], more: false)
        }
        let inForce = events.version(of: head, notAfter: compactRevision)
        var low = compactRevision.rawValue + 1
        if let inForce, !inForce.isTombstone { low = inForce.modRevision.rawValue }
        var high = last.rawValue + 1
        if let cursor, descending { high = min(high, cursor.rawValue) }
        if let cursor, !descending { low = max(low, cursor.rawValue &+ 1) }
        let (records, more) = events.versions(
            of: head, from: low, to: high, limit: limit, descending: descending)
        let changes = records.map { record in
            Change(revision: record.modRevision, time: time(of: record.modRevision), row: Row(record))
        }
        return HistoryPage(changes: changes, more: more)
    }

    /// Calls `body` for each change with a revision above `revision`, in the order of revision and key,
    /// until it says false.
    public func changes(since revision: Revision, _ body: (Change) -> Bool) -> Result<Void, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        for place in events.firstPlace(after: revision)..<events.count {
            let event = events[place]
            let row = unsafe Row(event.record)
            let change = Change(revision: event.revision, time: event.time, row: row)
            guard body(change) else { break }
        }
        return .success(())
    }
}
