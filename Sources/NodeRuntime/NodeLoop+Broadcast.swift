// What is said to all nodes over links. What is said through the log comes with the entries.
import API
import Clocks
import HTTPServer
import Links
import Primitives
import Replication

extension NodeLoop {
    /// A message to all nodes that need not agree on its order.
    mutating func broadcast(_ plan: BroadcastPlan, on connection: ConnectionID) {
        let id = requestIDs.next(at: wall)
        clocks.tick(at: wall)
        let words = Spoken(
            Note(
                sender: plan.sender, recipient: "", channel: plan.channel, id: id, body: plan.body),
            clocks.stamp)
        var outcome = BroadcastOutcome(id: id, stamp: clocks.stamp)
        do throws(BroadcastRefusal) {
            _ = try datagrams.links.say(words.encoded(), plan.abstraction.kind, at: now)
        } catch {
            outcome.refusal =
                switch error {
                case .tooLong: .tooLong(most: Link.longestMessage)
                case .full: .full
                }
        }
        var context = context()
        context.requestID = id
        answer(connection, api.render(broadcast: plan, outcome: outcome, context: context))
    }

    /// Puts what was heard into the inbox.
    mutating func hearBroadcasts() {
        for message in datagrams.links.takeHeard() { hear(message.bytes, from: message.id.origin) }
    }
}

extension BroadcastAbstraction {
    /// As links call it; what needs the log is none of theirs.
    fileprivate var kind: BroadcastKind {
        switch self {
        case .bestEffort: .bestEffort
        case .reliable: .reliable
        case .uniform: .uniform
        case .causal: .causal
        case .atomic: preconditionFailure("what is said in one order goes through the log")
        }
    }
}
