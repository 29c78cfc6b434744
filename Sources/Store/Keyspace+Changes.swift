public import Primitives

// Changes by their places, for those who read on where they stopped. A place means something until the next
// command: compaction moves all of them.

extension Keyspace {
    /// The places of all changes with revisions from `revision` on, in the order of revision and key; empty
    /// if that is still to come, a failure if some of them were compacted away.
    public func changePlaces(from revision: Revision) -> Result<Range<Int>, ReadError> {
        guard revision > compactRevision else {
            return .failure(.compacted(compact: compactRevision, current: self.revision))
        }
        return .success(events.firstPlace(after: revision.previous)..<events.count)
    }

    /// The change at a place that ``changePlaces(from:)`` gave.
    public func change(at place: Int) -> Change {
        let event = events[place]
        let row = unsafe Row(event.record)
        return Change(revision: event.revision, time: event.time, row: row)
    }

    /// The revision of the change at a place.
    public func changeRevision(at place: Int) -> Revision { events[place].revision }

    /// What the key was before the change at a place; nil if it did not exist.
    public func previousRow(at place: Int) -> Row? {
        guard let superseded = unsafe events[place].superseded else { return nil }
        let record = unsafe superseded.takeUnretainedValue()
        return record.isTombstone ? nil : Row(record)
    }

    /// The place after the last change of the revision that the change at `place` belongs to.
    public func endOfRevision(at place: Int) -> Int {
        // Usually each revision has one change.
        if place + 1 == events.count || events[place + 1].revision != events[place].revision {
            return place + 1
        }
        return events.firstPlace(after: events[place].revision)
    }
}
