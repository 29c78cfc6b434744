import Consensus
import NodeCore
import Primitives

/// Thesis, figure 5.3: a snapshot replaces what it covers and nothing beyond. A node that has applied more in
/// the meantime goes on with that. (That a crash in between leaves the old or the new state and no mixture is
/// I26 at the next start.) Bugs S1, S2, S7, S10.
final class InstallsOnlyAdvance: Invariant {
    static let name = "I27"
    static let promise =
        "To install a snapshot never takes a node back, and brings it at least to the snapshot's index."
    let facts: FactKinds = [.event, .turned]
    private var installing: (node: Int, index: LogIndex)?

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .event(let place, .checkpoint(.snapshotLoaded(_, let reference))):
            installing = (place, max(reference.position.index, installing?.index ?? .zero))
        case .turned(let place):
            guard let (node, index) = installing, node == place else { return }
            installing = nil
            let (old, new) = (chronicle.nodes[place].before, chronicle.nodes[place].now)
            try demand(
                new.applied >= max(index, old.applied) && new.commit >= max(index, old.commit)
                    && new.term >= old.term && new.checkpoint >= index,
                "\(chronicle.nodes[place].name) installs a snapshot of \(index): from \(old) to \(new)"
            )
        default: break
        }
    }
}
