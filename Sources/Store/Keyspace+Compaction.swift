import Primitives

// History is bounded without a background task: each command frees a few versions that are due. What is due
// depends on nothing but commands, so that replicas free the same versions at the same entry.

extension Keyspace {
    /// Frees some of the history that is due, after a command that added `added` changes.
    mutating func freeHistory(added: Int) {
        var steps = min(limits.stepsPerCommand + 2 * added, limits.maximumStepsPerCommand)
        while steps > 0, let oldest = events.oldest {
            if oldest.revision > compactRevision {
                guard isDue(oldest.revision, oldest.time) else { return }
                compactRevision = oldest.revision
            }
            free(events.removeFirst())
            steps -= 1
        }
    }

    private func isDue(_ changed: Revision, _ time: WallTime) -> Bool {
        let newer = revision - changed
        if newer >= limits.maximumRevisions || historyBytes > limits.historyBytes { return true }
        guard newer >= limits.minimumRevisions else { return false }
        return lastTime.milliseconds - time.milliseconds >= limits.historyAge
    }

    /// Frees what nobody can read any more once the change itself is below the compact revision: the
    /// version it superseded and, if it was a deletion, its own mark.
    private mutating func free(_ event: Event) {
        guard let record = unsafe event.record else { return }
        if record.header.version != 1 {
            let old = unsafe past.first(atOrAfter: Place(record.key))
            if let old, old.header.modRevision < record.header.modRevision,
                unsafe Place.compare(old.key, record.key) == 0
            {
                _ = unsafe past.removeExisting(at: ByVersion.place(of: old))
                historyBytes -= old.cost
            }
        }
        if record.isTombstone, unsafe past.remove(at: ByVersion.place(of: record)) != nil {
            historyBytes -= record.cost
        }
    }
}
