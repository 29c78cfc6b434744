import Consensus
import Primitives
import Replication

/// A snapshot that is being fetched.
struct SnapshotFetch: Sendable {
    var id: UInt64
    var reference: SnapshotReference
    /// When it is given up unless a part comes before.
    var deadline: Instant
    /// Whether a part of it has come.
    var hasBegun = false
}

/// How long a node waits for a part of a snapshot before it asks for the snapshot again: longer each time
/// that no part came, lest a slow link never brings a whole one.
struct FetchPatience: Sendable {
    static let least = Instant.Span.seconds(5)
    /// As long as the transport waits.
    static let most = Instant.Span.seconds(30)

    private(set) var span = least

    mutating func grow() { span = min(span * 2, Self.most) }
    mutating func reset() { span = Self.least }
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
        fetching = SnapshotFetch(id: lastFetch, reference: reference, deadline: now + fetchPatience.span)
        pending.append(.checkpoint(.beginReceiving(reference)))
        pending.append(.fetch(id: lastFetch, reference, from: source))
    }

    /// A part has come.
    mutating func takePart(_ id: UInt64, offset: UInt64, _ bytes: [UInt8], isLast: Bool, _ now: Instant) {
        guard let fetch = fetching, fetch.id == id else { return }
        // When all is here only the disk is waited for.
        fetching?.hasBegun = true
        fetching?.deadline = isLast ? .never : now + fetchPatience.span
        pending.append(
            .checkpoint(.receive(fetch.reference, offset: offset, bytes: bytes, isLast: isLast)))
    }

    /// Gives a fetch up of which nothing has come for long: the question or its answer is probably lost. The
    /// leader names its snapshot again.
    mutating func giveUpLateFetch(_ now: Instant, _ wall: WallTime) {
        guard let fetch = fetching, fetch.deadline <= now else { return }
        // Of a fetch that had begun something was lost; one that had not may need more time.
        if !fetch.hasBegun { fetchPatience.grow() }
        fetching = nil
        pending.append(.cancelFetch(id: fetch.id))
        step(.snapshotFailed(fetch.reference), now, wall)
    }

    mutating func take(_ report: CheckpointReport, _ now: Instant, _ wall: WallTime) {
        switch report {
        case .written(let reference, let cutBelow, _, _):
            pending.append(.log(.cut(below: cutBelow, reference)))
        case .failed: step(.checkpointFailed, now, wall)
        case .damaged(let position, _): step(.checkpointDamaged(position), now, wall)
        case .snapshotLoaded(let keyspace, let reference):
            // By now another one may be on its way, of which the core must still hear.
            if fetching?.reference == reference { fetching = nil }
            fetchPatience.reset()
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
