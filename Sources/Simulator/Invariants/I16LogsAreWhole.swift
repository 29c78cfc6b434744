import Consensus
import Primitives

/// Thesis, section 3.5 and chapter 5: the log is a sequence without gaps, in which terms never decrease, and
/// what was cut off its front is in a snapshot. Also: a node's log in memory is what it has asked to persist,
/// no more and no less. Bugs S1, S12, S13, L18.
final class LogsAreWhole: Invariant {
    static let name = "I16"
    static let promise =
        "A log has no gaps, its terms never decrease, it reaches back to a snapshot, and nothing is in "
        + "memory that was not sent to the disk."
    let facts: FactKinds = [.logged, .turned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .logged(let place, let change):
            let node = chronicle.nodes[place]
            try demand(
                change.isContiguous,
                "\(node.name) persists \(change.count) entries from \(change.first) on, after a log that "
                    + "ends at \(node.memory.last)")
            try demand(
                change.isAscending, "the terms of \(node.name)'s entries decrease after \(change.first)")
        case .turned(let place):
            let node = chronicle.nodes[place]
            let state = node.now
            try demand(
                state.last == node.memory.last,
                "\(node.name) holds a log up to \(state.last) but has persisted one up to \(node.memory.last)"
            )
            try demand(
                state.first <= state.snapshot.next && state.snapshot <= state.commit
                    && state.commit <= state.last.index,
                "\(node.name): the log begins at \(state.first) and ends at \(state.last), snapshot "
                    + "\(state.snapshot), commit \(state.commit)")
        default: break
        }
    }
}
