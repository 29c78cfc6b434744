import Consensus
import Primitives

/// Thesis, figure 3.2, "Leader Completeness": "if a log entry is committed in a given term, then that entry
/// will be present in the logs of the leaders for all higher-numbered terms". Bugs E5, L1, M2.
final class LeaderCompleteness: Invariant {
    static let name = "I13"
    static let promise =
        "Whoever is elected has everything in its log that was committed in the terms before."
    let facts: FactKinds = [.elected, .grown]
    /// Up to where was committed, and in which term at the latest; late votes may elect somebody in a term
    /// that others have long left.
    private var commits: [(upTo: LogIndex, term: Term)] = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .grown(let place, _, let upTo):
            let term = chronicle.nodes[place].now.term
            if commits.last?.term == term { commits.removeLast() }
            commits.append((upTo, term))
        case .elected(let place):
            let node = chronicle.nodes[place]
            guard let last = commits.last(where: { $0.term < node.now.term })?.upTo else { return }
            try demand(
                node.memory.chain(at: last) == chronicle.ledger.chain(at: last),
                "\(node.name) is elected in term \(node.now.term) without entry \(last), which was committed "
                    + "before; its log ends at \(node.memory.last)")
        default: break
        }
    }
}
