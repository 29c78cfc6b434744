import Consensus
import Primitives

/// Thesis, chapter 4: it must not be possible that two leaders are elected in the same term by majorities of
/// different configurations. So any quorum of what one node takes for the configuration shares a node
/// with any quorum of what another does. Looked at when a node starts or changes its configuration. Bugs
/// M1 to M5, M12.
final class QuorumsIntersect: Invariant {
    static let name = "I29"
    static let promise = "Any two quorums that nodes may act by at the same time have a node in common."
    let facts: FactKinds = [.started, .turned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .started(let place): try check(place, chronicle)
        case .turned(let place):
            let node = chronicle.nodes[place]
            if node.now.configurationIndex != node.before.configurationIndex { try check(place, chronicle) }
        default: break
        }
    }

    private func check(_ place: Int, _ chronicle: Chronicle) throws(Violation) {
        guard let source = chronicle.source, let own = source.configuration(of: place) else { return }
        for node in chronicle.nodes where node.isAlive && node.index != place {
            guard let other = source.configuration(of: node.index), other != own else { continue }
            try demand(
                Self.mustIntersect(own, other),
                "\(chronicle.nodes[place].name) acts by \(own), \(node.name) by \(other): their quorums may "
                    + "be disjoint")
        }
    }

    /// Whether no quorum of one configuration is disjoint from some quorum of the other. Tries every set of
    /// nodes: there are few. Of more than 16 nodes only sizes are compared, which is enough without a joint
    /// change.
    static func mustIntersect(_ a: Configuration, _ b: Configuration) -> Bool {
        let nodes = Configuration(voters: a.voters + a.outgoing, learners: b.voters + b.outgoing).members
        guard nodes.count <= 16 else { return mustIntersect(a.voters, b.voters) }
        for set in 0..<(1 << nodes.count) {
            let isInside = { (node: NodeID) in
                nodes.firstIndex(of: node).map { set >> $0 & 1 == 1 } ?? false
            }
            if a.quorum.isReached(by: isInside), b.quorum.isReached(by: { !isInside($0) }) { return false }
        }
        return true
    }

    private static func mustIntersect(_ a: [NodeID], _ b: [NodeID]) -> Bool {
        let common = a.filter { b.contains($0) }.count
        let fromA = max(0, Quorum.majority(of: a.count) - (a.count - common))
        let fromB = max(0, Quorum.majority(of: b.count) - (b.count - common))
        return fromA + fromB > common
    }
}
