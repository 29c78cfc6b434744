// Checkpoints go bad on disk while the node runs on. Its state in memory is sound, but peers that need the
// checkpoint would fetch and refuse it for ever: so its checksums are compared as it is read for them.

import Consensus
import Primitives
import Store

/// What is known of the checkpoints that peers fetch: how far each transfer was sound, and which are damaged.
struct ServedCheckpoints: Sendable {
    /// So many transfers are followed at a time; of more the oldest are left to the peers' own checks.
    static let transferLimit = 16
    /// The least time between two reports of damage; it doubles each time, lest a disk that gives back
    /// nothing good is written to again and again.
    static let leastPause = Instant.Span.seconds(10)
    /// The most time between two reports of damage.
    static let mostPause = Instant.Span.seconds(300)

    private struct Transfer: Sendable {
        var position: LogPosition
        var total: UInt64
        var inspector = CheckpointInspector()
    }

    /// Oldest first.
    private var transfers: [Transfer] = []
    private var damages: [(position: LogPosition, reason: String)] = []
    private var nextReport = Instant.zero
    private var pause = leastPause

    /// Whether a checkpoint was found damaged, and not written anew since.
    func isDamaged(_ position: LogPosition) -> Bool { damages.contains { $0.position == position } }

    /// These bytes of a checkpoint were read for a peer: at this offset, of so many in all. False if they are
    /// damaged. Each transfer has to begin at the beginning, and go on where it was.
    mutating func take(
        _ bytes: [UInt8], of position: LogPosition, at offset: UInt64, total: UInt64
    ) -> Bool {
        let known = transfers.firstIndex {
            $0.position == position && $0.total == total && $0.inspector.count == offset
        }
        var transfer = Transfer(position: position, total: total)
        if let known {
            transfer = transfers.remove(at: known)
        } else if offset > 0 {
            return true
        }
        do throws(CheckpointError) {
            try transfer.inspector.receive(bytes)
            guard transfer.inspector.count >= total else {
                if transfers.count == Self.transferLimit { transfers.removeFirst() }
                transfers.append(transfer)
                return true
            }
            try transfer.inspector.finish()
            // The disk gives back what was written.
            pause = Self.leastPause
            return true
        } catch {
            noteDamage(of: position, "\(error)")
            return false
        }
    }

    /// A checkpoint can't be used.
    mutating func noteDamage(of position: LogPosition, _ reason: String) {
        transfers.removeAll { $0.position == position }
        if !isDamaged(position) { damages.append((position, reason)) }
    }

    /// Why a damaged checkpoint can't be used, if it is time to say so.
    mutating func report(_ position: LogPosition, at now: Instant) -> String? {
        guard let damage = damages.first(where: { $0.position == position }), now >= nextReport else {
            return nil
        }
        nextReport = now + pause
        pause = min(pause * 2, Self.mostPause)
        return damage.reason
    }

    /// This checkpoint is there anew, and the other damaged ones are gone.
    mutating func replaced() {
        damages.removeAll()
        transfers.removeAll()
    }

    /// This checkpoint is there anew.
    mutating func replaced(_ position: LogPosition) {
        damages.removeAll { $0.position == position }
        transfers.removeAll { $0.position == position }
    }
}
