import Consensus
import NodeCore
import Primitives

/// Thesis, chapter 5: a server may discard log entries "once the snapshot is written", durably. Bugs S12,
/// S13, D4, D16, A2.
final class CutsAreCovered: Invariant {
    static let name = "I28"
    static let promise = "Entries are cut off the log only below a checkpoint that is durable and applied."
    let facts: FactKinds = [.asks, .turned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .asks(let place, .log(.cut(let below, _))):
            let node = chronicle.nodes[place]
            let durable = node.disk.checkpoints.last?.index ?? .zero
            if let kept = Self.kept(by: node, chronicle) {
                try demand(
                    below <= kept.next,
                    "\(node.name) cuts its log below \(below), but should the newest checkpoint be damaged, "
                        + "the one before ends at \(kept)")
            }
            try demand(
                below <= durable.next,
                "\(node.name) cuts its log below \(below); its newest durable checkpoint is of \(durable)")
        case .turned(let place):
            let node = chronicle.nodes[place]
            guard node.now.first != node.before.first || node.now.snapshot != node.before.snapshot else {
                return
            }
            let durable = node.disk.checkpoints.last?.index ?? .zero
            try demand(
                node.now.first <= durable.next && node.now.snapshot <= durable
                    && node.now.snapshot <= node.now.applied,
                "\(node.name)'s log begins at \(node.now.first) after a snapshot of \(node.now.snapshot); "
                    + "applied is \(node.now.applied), and its newest durable checkpoint is of \(durable)")
        default: break
        }
    }

    /// Where the last but one of the checkpoints ends that a power failure would leave; the log's beginning
    /// if there is none.
    private static func kept(by node: NodeGhost, _ chronicle: Chronicle) -> LogIndex? {
        guard let machine = chronicle.source?.machine(of: node.index) else { return nil }
        let left = machine.disk.fork().paths(ending: ".checkpoint").dropLast()
        guard let name = left.last?.split(separator: "/").last else { return .zero }
        return UInt64(name.prefix(16), radix: 16).map { LogIndex($0) }
    }
}
