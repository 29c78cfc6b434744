import Consensus
import Primitives

/// Thesis, figure 3.1: term, vote and log are "updated on stable storage before responding to RPCs". What is
/// durable is what the disk thread has reported when the message leaves. Bugs D1, E3, L14.
final class DurableBeforeSaid: Invariant {
    static let name = "I17m"
    static let promise =
        "Nothing leaves a node before the term it speaks for and the entries it acknowledges are durable "
        + "there."
    let facts: FactKinds = [.sent]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .sent(let place, let message) = fact else { return }
        let node = chronicle.nodes[place]
        var durable = node.disk.term
        switch message.body {
        case .voteRequest(let request) where request.isPreVote: durable = durable.next
        // The grant names the term that the other would open.
        case .voteResponse(let response) where response.isPreVote && response.granted: durable = message.term
        default: break
        }
        try demand(
            message.term <= durable,
            "\(node.name) speaks for term \(message.term), durable is \(durable): \(message)")
        guard case .appendResponse(let response) = message.body,
            case .matched(let index) = response.outcome,
            // An answer that has waited for its turn may speak of a term that is past.
            message.term == node.now.term
        else { return }
        try demand(
            index <= max(node.disk.log.lastIndex, node.disk.checkpointed),
            "\(node.name) acknowledges \(index); its log is durable up to \(node.disk.log.last)")
        guard let leader = chronicle.leaders[message.term].map({ chronicle.nodes[$0] }),
            // After a restart the same node may hold less; it leads no more in that term, and heeds no
            // answer.
            leader.now.role == .leader, leader.now.term == message.term, leader.isAlive,
            leader.memory.base.index <= index
        else { return }
        try demand(
            node.disk.holds(index, of: leader.memory),
            "\(node.name) acknowledges \(index) to \(leader.name), whose log is another up to there")
    }
}
