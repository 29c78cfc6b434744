import Consensus
import Primitives

/// Thesis 3.5: an entry is committed "once the leader that created the entry has replicated it on a
/// majority of the servers", on stable storage (figure 3.1: log[] is "updated on stable storage before
/// responding"). Bugs E6, L4, D1, D9.
final class CommittedIsDurable: Invariant {
    static let name = "I12"
    static let promise = "What is committed is durable on a quorum at that moment."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(let place, _, let upTo) = fact,
            let members = chronicle.source?.configuration(of: place)
        else { return }
        let isHeld = members.quorum.isReached { voter in
            guard let node = chronicle.node(voter) else { return false }
            return node.disk.holds(upTo, of: chronicle.ledger)
        }
        if isHeld { return }
        let held = chronicle.nodes.map { "\($0.name) \($0.disk.log.last)" }
        throw violation(
            "\(chronicle.nodes[place].name) commits up to \(upTo)@\(chronicle.ledger.last.term), which is "
                + "not durable on a quorum: \(held.joined(separator: ", "))")
    }
}

extension DiskGhost {
    /// Whether what is durable holds the same as `other` up to an index, in the log or in a checkpoint.
    func holds(_ index: LogIndex, of other: LogGhost) -> Bool {
        index <= log.base.index || index <= checkpointed || log.chain(at: index) == other.chain(at: index)
    }

    /// The last entry that the newest checkpoint stands for.
    var checkpointed: LogIndex { checkpoints.last?.index ?? .zero }
}
