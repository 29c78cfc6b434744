import Consensus
import Primitives

/// Thesis 3.10: during a transfer of leadership "the prior leader stops accepting new client requests", lest
/// the target never catches up. Bug E14.
final class TransfersHoldWrites: Invariant {
    static let name = "transfer"
    static let promise = "A leader that hands over adds nothing to its log until that is over."
    let facts: FactKinds = [.turned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .turned(let place) = fact else { return }
        let (old, new) = (chronicle.nodes[place].before, chronicle.nodes[place].now)
        guard let target = new.transferTarget, target == old.transferTarget, new.role == .leader,
            old.role == .leader, new.term == old.term
        else { return }
        try demand(
            new.last == old.last,
            "\(chronicle.nodes[place].name) hands over to \(target) and adds entries up to \(new.last)")
    }
}

/// Thesis 6.2: "a leader in Raft steps down if an election timeout elapses without a successful round of
/// heartbeats to a majority of its cluster". It looks with each heartbeat that is due, so it may be one
/// interval late by its own clock. Looked at in every eighth turn of a leader. Bugs E17, R3.
final class LeadersHearQuorums: Invariant {
    static let name = "quorum"
    static let promise = "A leader that has heard no quorum for an election timeout steps down."
    let facts: FactKinds = [.turned]
    private var turns = 0

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .turned(let place) = fact else { return }
        let node = chronicle.nodes[place]
        guard node.now.role == .leader, node.before.role == .leader, node.before.term == node.now.term else {
            return
        }
        turns += 1
        guard turns % 8 == 0, let source = chronicle.source, let since = source.leadingSince(of: place),
            let members = source.configuration(of: place)
        else { return }
        let options = source.queues(of: place).options
        let patience = options.electionTimeout.upperBound + options.heartbeatInterval
        let peers = source.peers(of: place)
        let isHeard = members.quorum.isReached { voter in
            if voter == node.id { return true }
            guard let peer = peers.first(where: { $0.id == voter }) else { return false }
            return node.clock - (peer.lastContact ?? since) <= patience
        }
        try demand(
            isHeard,
            "\(node.name) leads in term \(node.now.term) and has heard no quorum for "
                + "\(patience.milliseconds) ms")
    }
}
