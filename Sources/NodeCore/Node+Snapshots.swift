import Consensus
import Primitives
import Replication

/// A snapshot that is being fetched.
struct SnapshotFetch: Sendable {
    var id: UInt64
    var reference: SnapshotReference
}

extension Node {
    mutating func fetch(
        _ reference: SnapshotReference, from source: NodeID, _ now: Instant, _ wall: WallTime
    ) {
        guard linkPlace(source) != nil else { return step(.snapshotFailed(reference), now, wall) }
        if let fetching {
            if fetching.reference == reference { return }
            pending.append(.cancelFetch(id: fetching.id))
        }
        lastFetch += 1
        fetching = SnapshotFetch(id: lastFetch, reference: reference)
        pending.append(.checkpoint(.beginReceiving(reference)))
        pending.append(.fetch(id: lastFetch, reference, from: source))
    }

    mutating func take(_ report: CheckpointReport, _ now: Instant, _ wall: WallTime) {
        switch report {
        case .written(let reference, let cutBelow, _, _):
            pending.append(.log(.cut(below: cutBelow, reference)))
        case .failed: step(.checkpointFailed, now, wall)
        case .snapshotLoaded(let keyspace, let reference):
            fetching = nil
            step(.snapshotLoaded(keyspace, reference), now, wall)
        case .snapshotFailed(let reference, _):
            if let fetch = fetching, fetch.reference == reference {
                pending.append(.cancelFetch(id: fetch.id))
                fetching = nil
            }
            step(.snapshotFailed(reference), now, wall)
        case .part: break  // For the peer that asked; the owner answers it.
        }
    }
}
