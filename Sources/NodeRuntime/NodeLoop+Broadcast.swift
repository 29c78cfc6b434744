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
        let words = Broadcasted(
            id: id, clock: clocks.hybrid, sender: plan.sender, channel: plan.channel, body: plan.body)
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
        for message in datagrams.links.takeHeard() {
            guard let words = Broadcasted(message.bytes) else { continue }
            do throws(ClockError) {
                try clocks.observe(Stamp(hybrid: words.clock), at: wall)
            } catch {
                clockWatch.refuse(error, of: name(of: message.id.origin), at: now)
            }
            put(
                Note(
                    sender: words.sender, recipient: configuration.name, channel: words.channel,
                    id: words.id, body: words.body))
        }
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

/// What is said to all nodes, in the form in which links carry it: the id, the hybrid time, then sized texts.
struct Broadcasted {
    var id: RequestID
    var clock: HybridTime
    var sender: String
    var channel: String
    var body: [UInt8]
}

extension Broadcasted {
    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: body.count + 64)
        writer.fixed(id.high)
        writer.fixed(id.low)
        clock.encode(into: &writer)
        writer.string(sender)
        writer.string(channel)
        writer.raw(body)
        return writer.take()
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        do throws(ByteReaderError) {
            id = RequestID(high: try reader.fixed(), low: try reader.fixed())
            clock = try HybridTime(from: &reader)
            sender = try reader.string()
            channel = try reader.string()
            body = Array(reader.rest)
        } catch {
            return nil
        }
    }
}
