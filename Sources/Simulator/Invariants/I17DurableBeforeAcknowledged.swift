import Consensus
import NodeCore
import Primitives
import Replication
import Store
import WAL

/// A write that was answered survives the loss of power on all nodes at once: a majority of the disks, as the
/// power failure would leave them at this moment, hold it when they are read by the product itself. Sampled:
/// about one answer in forty, for each of the nodes a fork of its disk. Bugs D1, D3 to D9, S3, A1.
final class DurableBeforeAcknowledged: Invariant {
    static let name = "I17"
    static let promise =
        "An answered write survives a power failure of all nodes at the moment of the answer, on a quorum."
    let facts: FactKinds = [.client]
    private var random: SeededGenerator
    private var untilNext: UInt64

    /// How many answers lie between two that are tried, on average.
    static let spacing: UInt64 = 40

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed ^ 0x17)
        untilNext = random.next(below: Self.spacing)
    }

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .client(let place, .answered(_, let request, _)) = fact else { return }
        guard untilNext == 0 else {
            untilNext -= 1
            return
        }
        untilNext = random.next(below: 2 * Self.spacing)
        guard let index = chronicle.requests[request], let source = chronicle.source,
            let members = source.configuration(of: place)
        else { return }
        var report: [String] = []
        let isHeld = members.quorum.isReached { voter in
            guard let node = chronicle.node(voter) else { return false }
            let answer = holds(node, index, chronicle, source)
            report.append("\(node.name) \(answer.text)")
            return answer.isHeld
        }
        try demand(
            isHeld,
            "entry \(index), answered by \(chronicle.nodes[place].name), would be lost with the power: "
                + report.joined(separator: ", "))
    }

    /// Whether a node would have an entry after a power failure.
    private func holds(
        _ node: NodeGhost, _ index: LogIndex, _ chronicle: Chronicle, _ source: any NodeSource
    ) -> (isHeld: Bool, text: String) {
        // Of a disk that lies, what it said counts: a minority may.
        if node.isInjured { return (node.disk.holds(index, of: chronicle.ledger), "has a bad disk") }
        guard let machine = source.machine(of: node.index) else { return (false, "has no disk") }
        do throws(RestoreError) {
            let fork = machine.disk.fork(using: &random)
            let restored = try restore(machine.settings, disk: fork, seed: 1, now: .zero)
            let log = restored.replica.raft
            let isIn =
                log.firstIndex > index || log.term(at: index) == chronicle.ledger.term(at: index)
            return (isIn, "\(log.firstIndex)...\(log.lastPosition)")
        } catch {
            return (false, "refuses: \(error)")
        }
    }
}
