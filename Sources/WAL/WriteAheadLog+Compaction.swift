// Letting go of what a checkpoint or a snapshot covers.

public import Consensus
public import Primitives

extension WriteAheadLog {
    /// Recycles the oldest segments that hold no entry at or above `index`. Syncs first.
    ///
    /// Call it when a checkpoint of everything below `index` is durable. Whole segments go, so the log
    /// usually still begins before `index`.
    public mutating func cut(below index: LogIndex) throws(WALError) {
        try sync()
        let kept = segments.indices.last { $0 > 0 && segments[$0].base.index < index && holdsBase(of: $0) }
        guard let kept else { return }
        view.forget(before: segments[kept].sequence, base: segments[kept].base)
        do {
            for _ in 0..<kept {
                // Durable one by one, so that a crash cannot leave a gap.
                try folder.recycle(segments.removeFirst())
                if !isPlanted(.recyclesUnsynced) { try folder.disk.syncDirectory(folder.directory) }
            }
        } catch {
            throw failed(error)
        }
        spareWasRecycled()
    }

    /// Whether the log still has the entry after which the segment was begun, so that it could begin there.
    private func holdsBase(of place: Int) -> Bool {
        let base = segments[place].base.index
        guard base > view.terms.base.index, let mark = view.mark(before: base) else { return true }
        return base <= view.terms.lastIndex && view.marks[mark].sequence < segments[place].sequence
    }

    /// Begins the log anew after a snapshot that was installed, in one step: a crash leaves the old log or
    /// the new.
    ///
    /// Whatever was appended before is gone, what was pending included. The hard state goes on, or becomes
    /// the one given. The snapshot must be durable already. Durable when it returns.
    public mutating func reset(to snapshot: LogPosition, hardState: HardState? = nil) throws(WALError) {
        try checkUsable()
        var state = hardState ?? self.hardState
        state.commit = min(state.commit, snapshot.index)
        let header = SegmentHeader(
            sequence: segments[segments.count - 1].sequence + 1, cluster: identity.cluster,
            node: identity.node,
            group: identity.group, base: snapshot, startsAnew: true, previous: 0, previousEnd: 0)
        var batch = Batch(header, capacity: limits.segmentBytes, identity: identity)
        if !isPlanted(.leavesHardStateBehind) { batch.append(hardState: state) }
        batch.close()
        do {
            let segment = try folder.put(batch)
            let old = segments
            segments = [segment]
            batch.becameDurable()
            tail = batch
            unwritten = []
            view = LogView(after: snapshot)
            view.hardState = state
            for segment in old { try folder.recycle(segment) }
            try folder.disk.syncDirectory(folder.directory)
        } catch {
            throw failed(error)
        }
        spareWasRecycled()
    }
}
