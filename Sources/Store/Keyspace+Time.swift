public import Primitives

// The past by the clock. Every change carries the time of its command, and these never go back from one
// revision to the next, so the events are sorted by time as well.

extension EventLog {
    /// The place of the first event that is later than a time.
    func firstPlace(after time: WallTime) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Keyspace {
    /// Every instant from this one on can be read; nil if all can, since nothing was compacted yet.
    ///
    /// It is the time of the oldest change that is kept and not below the compact revision. What was in force
    /// before it has no time any more, so an earlier instant is refused even if the compact revision would
    /// be the answer.
    public var oldestTime: WallTime? {
        guard compactRevision > .zero else { return nil }
        let place = events.firstPlace(after: compactRevision.previous)
        return place < events.count ? events[place].time : lastTime
    }

    /// The last revision whose commit time is not after an instant; nil if that was compacted away.
    ///
    /// Of several revisions at exactly that time it is the last one. Before the first change of a store that
    /// was never compacted it is revision 1, the empty store. Takes as many steps as a binary search.
    public func revision(notAfter instant: WallTime) -> Revision? {
        if let oldest = oldestTime, instant < oldest { return nil }
        let place = events.firstPlace(after: instant)
        if place == events.count { return revision }
        return place == 0 ? Revision(1) : max(events[place - 1].revision, compactRevision)
    }

    /// When a revision was committed; nil of the empty store's, and if its changes are gone.
    public func time(of revision: Revision) -> WallTime? {
        guard revision > .zero else { return nil }
        let place = events.firstPlace(after: revision.previous)
        guard place < events.count, events[place].revision == revision else { return nil }
        return events[place].time
    }
}
