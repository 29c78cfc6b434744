import Consensus
import Primitives

/// Thesis, figure 3.1: matchIndex is the "index of highest log entry known to be replicated on server", which
/// "increases monotonically". Looked at whenever a follower has answered. Bugs L5, L7, L14, L15.
final class ProgressIsTrue: Invariant {
    static let name = "I15"
    static let promise =
        "What a leader takes for replicated on a follower is durable there, never shrinks in a term, and "
        + "ends before what it sends next."
    let facts: FactKinds = [.receivedLog, .turned]
    private var answered: Int?
    private var known: [Int: (term: Term, matches: [NodeID: LogIndex])] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .received(let place, let message):
            if case .appendResponse = message.body { answered = place }
        case .turned(let place):
            guard answered == place else { return }
            answered = nil
            let node = chronicle.nodes[place]
            guard node.now.role == .leader, let source = chronicle.source else { return }
            if known[place]?.term != node.now.term { known[place] = (node.now.term, [:]) }
            for peer in source.peers(of: place) { try check(peer, of: node, chronicle) }
        default: break
        }
    }

    private func check(_ peer: PeerView, of node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        let old = known[node.index]?.matches.updateValue(peer.match, forKey: peer.id) ?? .zero
        try demand(
            peer.match >= old,
            "\(node.name) takes less for replicated on \(peer.id): \(old), now \(peer.match)")
        try demand(peer.next > peer.match, "\(node.name) sends \(peer.id) what it has: \(peer)")
        // A follower in a later term may have removed what it once had; one whose disk lies may not have it.
        guard peer.match > old, let follower = chronicle.node(peer.id), !follower.isInjured,
            follower.now.term == node.now.term
        else { return }
        try demand(
            follower.disk.holds(peer.match, of: node.memory) || peer.match <= node.memory.base.index,
            "\(node.name) takes \(peer.match) for replicated on \(follower.name), where the log is durable "
                + "up to \(follower.disk.log.last)")
    }
}
