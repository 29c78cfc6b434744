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
    ///
    /// It begins with the version in force at the compact revision, if there was one.
    public func history(
        of key: [UInt8], after cursor: Revision? = nil, limit: Int = .max, descending: Bool = false
    ) -> HistoryPage {
        unsafe key.withUnsafeBytes { key in
            let now = unsafe current.find(Place(key))?.takeUnretainedValue()
            var low = unsafe inForce(of: key, now)?.header.modRevision ?? compactRevision.rawValue + 1
            var high = UInt64.max
            if let cursor, descending { high = cursor.rawValue }
            if let cursor, !descending { low = max(low, cursor.rawValue &+ 1) }
            var changes: [Change] = []
            var more = false
            func take(_ record: Record) -> Bool {
                guard changes.count < limit else {
                    more = true
                    return false
                }
                changes.append(
                    Change(
                        revision: record.modRevision, time: time(of: record.modRevision), row: Row(record)))
                return true
            }
            let newest = now.flatMap { low..<max(low, high) ~= $0.header.modRevision ? $0 : nil }
            if descending, let newest, !take(newest) { return HistoryPage(changes: changes, more: more) }
            if low < high {
                unsafe past.scan(
                    from: Place(key, rank: low), to: Place(key, rank: high), descending: descending, take)
            }
            if !descending, !more, let newest { _ = take(newest) }
            return HistoryPage(changes: changes, more: more)
        }
    }

    /// Calls `body` for each change with a revision above `revision`, in the order of revision and key,
    /// until it says false.
    public func changes(since revision: Revision, _ body: (Change) -> Bool) -> Result<Void, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        for place in events.firstPlace(after: revision)..<events.count {
            let event = events[place]
            guard let record = unsafe event.record else { continue }
            let change = Change(revision: event.revision, time: event.time, row: Row(record))
            guard body(change) else { break }
        }
        return .success(())
    }

    /// The version that was in force at the compact revision.
    private func inForce(of key: UnsafeRawBufferPointer, _ now: Record?) -> Record? {
        if let now, now.modRevision <= compactRevision { return now }
        return unsafe pastVersion(of: key, at: compactRevision)
    }

    private func time(of revision: Revision) -> WallTime? {
        guard revision > .zero else { return nil }
        let place = events.firstPlace(after: revision.previous)
        guard place < events.count, events[place].revision == revision else { return nil }
        return events[place].time
    }
}
