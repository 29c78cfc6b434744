import Consensus
import Primitives

/// Thesis 3.4: "A candidate wins an election if it receives votes from a majority of the servers in the full
/// cluster for the same term", which figure 3.1 demands to be durable. Bugs E1, E6, E9, L4.
final class ElectedByVoters: Invariant {
    static let name = "I7"
    static let promise =
        "Only a voter is elected, by the durable votes of a quorum of its own latest configuration; "
        + "learners never stand for election."
    let facts: FactKinds = [.elected, .turned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .elected(let place):
            let node = chronicle.nodes[place]
            guard let members = chronicle.source?.configuration(of: place) else { return }
            try demand(members.isVoter(node.id), "\(node.name) is elected but is no voter of \(members)")
            let isReached = members.quorum.isReached { voter in
                chronicle.node(voter)?.disk.votes[node.now.term] == node.id
            }
            try demand(
                isReached, "\(node.name) is elected in term \(node.now.term) without a quorum of \(members)")
        case .turned(let place):
            let node = chronicle.nodes[place]
            guard node.now.role == .candidate || node.now.role == .preCandidate,
                node.before.role == .follower,
                let members = chronicle.source?.configuration(of: place)
            else { return }
            try demand(
                members.isVoter(node.id), "\(node.name) stands for election but is no voter of \(members)")
        default: break
        }
    }
}
