import Consensus
import NodeCore
import Primitives
import Replication

/// A node that is short of space says no to writes, for certain, and goes on reading. That it acknowledges
/// nothing and gives no vote that it can't write is I3, I17 and I17m; that it recovers is V6. Bugs D4, D12.
final class FullDisksRefuse: Invariant {
    static let name = "I46"
    static let promise =
        "A node that is short of space refuses the writes that reach it, for certain, and answers "
        + "reads."
    let facts: FactKinds = [.event, .client, .turned]
    private var node: Int?
    private var tokens: [UInt64] = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .event(let place, .write(let write)):
            guard chronicle.nodes[place].now.isShortOfSpace else { return }
            node = place
            tokens.append(write.token)
        case .client(let place, .refused(let token, _, let reason)):
            guard place == node, tokens.contains(token) else { return }
            try demand(
                reason.isDefinite,
                "\(chronicle.nodes[place].name) is short of space and refuses a write as \(reason)")
            tokens.removeAll { $0 == token }
        case .turned(let place):
            guard place == node else { return }
            defer {
                node = nil
                tokens.removeAll()
            }
            let ghost = chronicle.nodes[place]
            try demand(
                tokens.isEmpty || !ghost.now.isShortOfSpace,
                "\(ghost.name) is short of space and has not refused \(tokens.count) writes that have come")
        default: break
        }
    }
}
