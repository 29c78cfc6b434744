import Primitives

/// A node that has found its disk damaged, or that has no process, takes no part: it neither votes nor
/// answers until it was repaired and started again. Bugs D3, D18.
final class TheDeadAreSilent: Invariant {
    static let name = "I8"
    static let promise = "A node whose disk is known to be damaged says nothing until it has started anew."
    let facts: FactKinds = [.turned, .sentVote, .sentLog, .sentRead]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .turned(let place), .sent(let place, _):
            let node = chronicle.nodes[place]
            try demand(
                node.isAlive && !node.isPaused,
                "\(node.name) acts although it \(node.isPaused ? "stands still" : "is down")")
        default: break
        }
    }
}
