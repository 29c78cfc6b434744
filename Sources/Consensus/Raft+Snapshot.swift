import Primitives

// Log compaction (thesis, chapter 5). The content of a checkpoint never passes through here: a leader names
// it, and the follower's owner fetches it.

extension Raft {
    /// The owner has a new checkpoint, or has dropped entries from the front of the log. What comes late is
    /// ignored.
    mutating func compacted(_ reference: SnapshotReference, firstIndex: LogIndex) {
        let index = reference.position.index
        let isNewer = index > snapshot.position.index || isPlanted(.lateCheckpointReplacesNewer)
        if isNewer && index <= commit { snapshot = reference }
        let first = max(firstIndex, LogIndex.zero.next)
        log.compact(upTo: min(first.previous, snapshot.position.index))
        // What is committed is never reverted, so of the committed configurations only the last matters.
        while configurations.count > 1, configurations[1].index <= commit { configurations.removeFirst() }
    }

    /// Paper, section 7: "the leader must occasionally send snapshots to followers that lag behind. This
    /// happens when the leader has already discarded the next log entry that it needs to send to a follower."
    mutating func sendSnapshot(to place: Int, at now: Instant, into effects: inout [Effect]) {
        guard let node = leadership?.peers[place].id else { return }
        leadership?.peers[place].sentSnapshot(at: snapshot.position.index, now: now)
        send(.installSnapshot(snapshot), to: node, into: &effects)
    }

    /// The leader no longer has what this node needs.
    mutating func receiveInstallSnapshot(
        _ reference: SnapshotReference, from sender: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard follow(sender, at: now, into: &effects) else { return }
        let position = reference.position
        if position.index <= commit { return acknowledge(upTo: commit, position, to: sender, into: &effects) }
        // Thesis, figure 5.3: "If existing log entry has same index and term as snapshot's last included
        // entry, retain log entries following it": then there is nothing to fetch either.
        let isKept = isPlanted(.keepsContradictedLog) && position.index <= log.lastIndex
        if log.contains(position) || isKept {
            acknowledge(upTo: position.index, position, to: sender, into: &effects)
            commit = position.index
            return
        }
        // A repetition, or a newer checkpoint of the same leader: the fetch under way goes on.
        if let fetch, fetch.from == sender { return }
        fetch = (reference, sender)
        effects.append(.fetchSnapshot(reference, from: sender))
    }

    /// The fetched checkpoint is durable.
    mutating func snapshotInstalled(_ reference: SnapshotReference, into effects: inout [Effect]) {
        if fetch?.reference == reference { fetch = nil }
        let position = reference.position
        if position.index > snapshot.position.index { snapshot = reference }
        if position.index > commit || isPlanted(.installLowersCommit) {
            // Figure 5.3: "Discard the entire log", unless it holds the snapshot's last entry.
            if !log.contains(position) {
                log = LogTerms(after: position)
                sizes = LogSizes(after: position.index)
                durability.reset(to: position)
                configurations = [
                    PlacedConfiguration(index: position.index, configuration: reference.configuration)
                ]
            }
            commit = position.index
            announcedCommit = max(announcedCommit, commit)
        }
        if role == .follower, let leader { acknowledge(upTo: commit, position, to: leader, into: &effects) }
    }

    /// The checkpoint could not be had. The leader will name one again, since no answer comes.
    mutating func snapshotFailed(_ reference: SnapshotReference) {
        if fetch?.reference == reference { fetch = nil }
    }
}
