import Consensus
import NodeCore
import Primitives

/// After a failed sync nobody knows what is on the disk, and a second sync that succeeds proves nothing
/// (Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020). So the log takes nothing
/// more for durable, and the process ends. (A checkpoint whose sync fails is abandoned, which harms nobody.)
/// Bug D5.
final class FailedSyncsAreFinal: Invariant {
    static let name = "I45"
    static let promise =
        "After a sync of the log has failed the process reports nothing durable any more, and ends."
    let facts: FactKinds = [.started, .disk, .checkpoints, .tick]
    /// By node: failed syncs so far, the life in which one of the log's failed, and when.
    private var seen: [Int: Int] = [:]
    private var failed: [Int: (life: Int, at: Instant)] = [:]

    /// Within this time the process must have ended.
    static let patience = Instant.Span.seconds(60)

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .started(let place), .checkpoints(let place, _):
            seen[place] = Self.failures(place, chronicle)
        case .disk(let place, let turn):
            let node = chronicle.nodes[place]
            let isDurable = turn.reports.contains { if case .persisted = $0 { true } else { false } }
            if let failure = failed[place], failure.life == node.life {
                try demand(
                    !isDurable,
                    "a sync of \(node.name)'s log has failed, and it takes later writes for durable")
            }
            let count = Self.failures(place, chronicle)
            if count > seen[place] ?? 0 {
                seen[place] = count
                failed[place] = (node.life, chronicle.time)
            }
        case .tick:
            for (place, failure) in failed {
                let node = chronicle.nodes[place]
                guard node.isAlive, node.life == failure.life, !node.isPaused else {
                    if node.life != failure.life || !node.isAlive { failed[place] = nil }
                    continue
                }
                try demand(
                    chronicle.time - failure.at < Self.patience,
                    "\(node.name) goes on \(Self.patience.milliseconds) ms after a sync of its log failed")
            }
        default: break
        }
    }

    private static func failures(_ place: Int, _ chronicle: Chronicle) -> Int {
        guard let disk = chronicle.source?.machine(of: place)?.disk else { return 0 }
        let kinds: [DiskFault] = [.syncErrorKept, .syncErrorReverted, .syncNoSpace, .folderSyncError]
        return kinds.reduce(0) { $0 + disk.counters[$1] }
    }
}
