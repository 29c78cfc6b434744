import Primitives

// History is bounded without a background task: each command frees a few versions that are due. What is due
// depends on nothing but commands, so that replicas free the same versions at the same entry.

extension Keyspace {
    /// Frees some of the history that is due, after a command that added `added` changes.
    mutating func freeHistory(added: Int) {
        var steps = min(limits.stepsPerCommand + 2 * added, limits.maximumStepsPerCommand)
        while steps > 0, let oldest = events.first {
            if oldest.revision > compactRevision {
                guard isDue(oldest.revision, oldest.time) else { return }
                compactRevision = oldest.revision
            }
            free(oldest)
            events.removeFirst()
            steps -= 1
        }
    }

    private func isDue(_ changed: Revision, _ time: WallTime) -> Bool {
        let newer = revision - changed
        if newer >= historyBounds.maximumRevisions || historyBytes > Int(clamping: historyBounds.maximumBytes)
        {
            return true
        }
        guard newer >= historyBounds.minimumRevisions else { return false }
        return lastTime.milliseconds - time.milliseconds >= historyBounds.maximumAge
    }

    /// Frees what nobody can read any more once the change itself is below the compact revision: the
    /// version it superseded and, if it was a deletion, its own mark.
    private mutating func free(_ event: Event) {
        if let old = unsafe event.superseded {
            unsafe old._withUnsafeGuaranteedRef { if !$0.isTombstone { forget($0) } }
        }
        if event.isDelete {
            let mark = unsafe event.record.takeUnretainedValue()
            forget(mark)
            // If the key was written again, the change that did it holds the mark.
            let newest = unsafe deleted.find(Place(mark.key))?.takeUnretainedValue()
            if newest === mark { unsafe deleted.removeExisting(at: Place(mark.key)).release() }
        }
    }

    private mutating func forget(_ record: Record) {
        historyBytes -= record.cost
        historyCount -= 1
    }
}
