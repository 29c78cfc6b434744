// Receivers that wait for a message: each change of the queue lets the oldest of them try again, and whoever
// gets something lets the next one try.
import API
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store

extension NodeLoop {
    /// Whether a request that came back with nothing waits for something to change: for a message, or for the
    /// queue itself, which begins with its first message.
    mutating func waitsForMore(_ plan: WritePlan, _ outcome: Outcome, on connection: ConnectionID) -> Bool {
        guard let wish = plan.repeats else { return false }
        guard outcome.isEmptyReceive || outcome.isMissingQueue else {
            repeats.finish(connection)
            tryAgain(at: wish.row)
            return false
        }
        let start = metrics.start(on: connection) ?? now
        let end = repeats.waitEnd(of: connection, wish, since: start)
        guard now < end, drain == nil, !repeats.isFull else { return false }
        repeats.insert(connection, plan, at: wish.row, until: end)
        traced[connection]?.isHeld = true
        server.watch(connection)
        return true
    }

    /// A request was refused. If it was one that was tried again, the next one tries in its place, a moment
    /// later: where one was refused because there is no leader or too much to do, so would they all be.
    mutating func endTry(_ plan: WritePlan, on connection: ConnectionID) {
        guard repeats.finish(connection), let wish = plan.repeats else { return }
        repeats.postpone(wish.row, to: now + .milliseconds(100))
    }

    /// Lets the one that has waited longest for a row try again.
    mutating func tryAgain(at row: RowKey) {
        guard !repeats.isEmpty else { return }
        let keyspace = node.replica.keyspace
        let oldest = repeats.takeOldest(at: row) { $0.mayFind(in: keyspace) }
        guard let (connection, plan) = oldest else { return }
        submit(
            plan.operation(at: node.replica.keyspace.revision),
            token: requests.insert(.write(connection, plan)), id: requestIDs.next(at: wall),
            deadline: now + plan.timeout, once: plan.once, on: connection)
    }

    /// Answers those who have waited for as long as they wanted, everybody with `all`, and tries those whose
    /// turn was put off.
    mutating func endRepeats(all: Bool = false) {
        for (connection, plan) in repeats.takeExpired(at: now, all: all) {
            server.watch(connection, false)
            guard let outcome = plan.repeats?.nothing else { continue }
            answer(connection, api.render(write: plan, outcome: outcome, context: context()))
        }
        for row in repeats.takePostponed(at: now) { tryAgain(at: row) }
    }
}
