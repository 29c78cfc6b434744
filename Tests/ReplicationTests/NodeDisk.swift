import Consensus
import Primitives
import Replication
import Store

/// What a node finds again after a crash: its hard state, its log, and its newest checkpoint.
struct NodeDisk {
    var hardState = HardState()
    /// The position before the first of `entries`.
    var base = LogPosition.origin
    var entries: [Entry] = []
    /// The newest checkpoint, and the one before, for which the log is still kept.
    var checkpoint: (keyspace: Keyspace, reference: SnapshotReference)
    var olderCheckpoint = LogIndex.zero

    init(founding: Configuration, limits: Store.Limits) {
        checkpoint = (
            Keyspace(limits: limits), SnapshotReference(position: .origin, configuration: founding)
        )
    }

    var lastIndex: LogIndex { base.index + UInt64(entries.count) }

    private func term(at index: LogIndex) -> Term? {
        if index == base.index { return base.term }
        guard index > base.index, index <= lastIndex else { return nil }
        return entries[Int(index - base.index) - 1].term
    }

    mutating func write(_ persist: Persist) {
        if let position = persist.resetTo {
            base = position
            entries = []
        }
        if let first = persist.entries.first {
            precondition(
                first.index > base.index && first.index <= lastIndex.next, "gap before \(first.index)")
            entries.removeLast(Int(lastIndex.next - first.index))
            entries += persist.entries
        }
        if let hardState = persist.hardState { self.hardState = hardState }
    }

    /// The entries of a range from its beginning, none if they are no longer or not yet in the log.
    func entries(in range: Range<LogIndex>, maxBytes: Int) -> [Entry] {
        guard range.lowerBound > base.index, range.upperBound <= lastIndex.next, !range.isEmpty else {
            return []
        }
        var result: [Entry] = []
        var bytes = 0
        for entry in entries[Int(range.lowerBound - base.index) - 1..<Int(range.upperBound - base.index) - 1]
        {
            bytes += entry.payload.count
            if bytes > maxBytes && !result.isEmpty { break }
            result.append(entry)
        }
        return result
    }

    mutating func cut(upTo index: LogIndex) {
        guard index > base.index, let term = term(at: index) else { return }
        entries.removeFirst(Int(index - base.index))
        base = LogPosition(index: index, term: term)
    }

    mutating func keep(_ keyspace: Keyspace, _ reference: SnapshotReference) {
        guard reference.position.index > checkpoint.reference.position.index else { return }
        olderCheckpoint = checkpoint.reference.position.index
        checkpoint = (keyspace, reference)
    }

    /// The replica that starts from this: the checkpoint, the log replayed up to the known commit index, and the rest.
    mutating func restore(options: Raft.Options, limits: Replica.Limits, seed: UInt64, now: Instant)
        -> Replica
    {
        let position = checkpoint.reference.position
        if term(at: position.index) != position.term {
            // The snapshot became durable, and the crash came before the log began anew after it.
            precondition(position.index > base.index, "the checkpoint before \(base) is missing")
            base = position
            entries = []
        }
        var state = hardState
        state.commit = max(state.commit, position.index)
        var (keyspace, configuration) = (checkpoint.keyspace, checkpoint.reference.configuration)
        var log = LogTerms(after: base)
        var configurations: [PlacedConfiguration] = []
        var bytes = 0
        for entry in entries {
            log.append(term: entry.term)
            let decoded = entry.kind == .configuration ? try? Configuration(decoding: entry.payload) : nil
            if let decoded {
                configurations.append(PlacedConfiguration(index: entry.index, configuration: decoded))
            }
            guard entry.index > position.index else { continue }
            bytes += entry.payload.count
            guard entry.index <= state.commit else { continue }
            if let decoded { configuration = decoded }
            if entry.kind == .command {
                _ = keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
            } else {
                keyspace.skip(index: entry.index, term: entry.term)
            }
        }
        let raft = Raft(
            options: options,
            restored: Raft.Restored(
                hardState: state, snapshot: checkpoint.reference, log: log, configurations: configurations),
            seed: seed, now: now)
        return Replica(
            raft: raft, keyspace: keyspace, configuration: configuration,
            tail: entries.filter { $0.index > state.commit }, checkpoint: checkpoint.reference,
            limits: limits, logBytes: bytes, now: now)
    }
}
