// Logged messages: they stand in the replicated state, and the home of their recipient hands them out.
import API
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store

extension NodeLoop {
    /// The first logged messages of an inbox that are wanted, but for those that are being taken out.
    func logged(in name: String, _ query: InboxQuery, most: Int) -> [LoggedMessage] {
        let taking = inboxes.taking(from: name)
        guard node.replica.keyspace.loggedCount(in: name) > taking.count else { return [] }
        return node.replica.keyspace.loggedMessages(in: name, limit: most) { message in
            !taking.contains(message.number) && (query.channel ?? message.channel) == message.channel
        }
    }

    /// Has logged messages taken out of an inbox. They are not shown meanwhile, and come back if it fails.
    mutating func take(
        _ numbers: [UInt64], from name: String, for client: (connection: ConnectionID, plan: LocalPlan)?
    ) {
        inboxes.beginTaking(numbers, from: name)
        let token = requests.insert(.taking(.init(inbox: name, numbers: numbers, client: client)))
        submit(
            .coordinate(.participant(.take(inbox: name, numbers))), token: token,
            id: requestIDs.next(at: wall), deadline: now + (client?.plan.freshness.timeout ?? .seconds(5)),
            on: client?.connection)
    }

    /// Has the logged message with this id taken out, or all up to it, and answers then. Answers false if
    /// there is none.
    mutating func take(
        logged id: String, of participant: String, andAllBefore: Bool, for plan: LocalPlan,
        on connection: ConnectionID
    ) -> Bool {
        let name = inboxName(participant)
        var numbers: [UInt64] = []
        var isFound = false
        _ = node.replica.keyspace.loggedMessages(in: name, limit: 1) { message in
            isFound = message.id.description == id
            if isFound || andAllBefore { numbers.append(message.number) }
            return isFound
        }
        guard isFound else { return false }
        take(numbers, from: name, for: (connection, plan))
        return true
    }

    /// Messages were taken out, or could not be (`code`).
    mutating func finishTaking(_ taking: PendingRequest.Taking, count: Int, _ code: ProblemCode?) {
        inboxes.endTaking(taking.numbers, from: taking.inbox)
        if code != nil { waiters.isStirred = true }
        guard let (connection, plan) = taking.client else { return }
        if let code { return refuse(connection, code, plan.traits) }
        var status = status()
        status.whereabouts = .here
        status.acknowledgedCount = count
        status.inboxDepth = depth(of: taking.inbox)
        answer(connection, api.render(local: plan, status: status, context: context()))
    }

    /// The state was replaced: what became of logged messages meanwhile is told by whether they are there.
    mutating func lookAgainAtLogged() {
        for (number, inbox, until) in outbox.expectedLogged
        where !node.replica.keyspace.hasLoggedMessage(number, in: inbox) {
            outbox.end(logged: number, wasTaken: wall < until, at: wall)
        }
    }
}
