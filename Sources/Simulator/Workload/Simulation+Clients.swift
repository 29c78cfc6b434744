// Clients and what the nodes do with their requests, as the HTTP side of production does it.

import NodeCore
import Primitives
import Replication
import Store

/// Clients are in a hurry.
struct Rush: Equatable {
    var factor: Int
    var isImpatient: Bool
    /// The node that they all ask.
    var node: Int?
}

extension Simulation {
    /// A client has thought, and asks something.
    func think(_ place: Int) {
        guard phase != .settling, clients[place].waitsFor == nil, clients[place].asksAt == time else {
            return
        }
        let action = clients[place].nextAction(plan.keys)
        var node = clients[place].chooseNode(of: nodes.count)
        if let asked = rush?.node {
            node = clients[place].choose(leader: asked)
        } else if clients[place].plan.seeksLeader, let leader {
            node = clients[place].choose(leader: leader.index)
        }
        let client = clients[place].plan
        clients[place].waitsFor = Int32(operations.count)
        let way = clients[place].random.span(.microseconds(30), .milliseconds(3))
        var patience = max(client.timeout + client.patience, .milliseconds(1))
        if rush?.isImpatient == true { patience = min(patience, .milliseconds(100)) }
        let haste = clients[place].coordination.haste(with: action)
        invoke(
            action, once: clients[place].once, client: client.number, at: node, arrives: way,
            givesUp: haste?.givesUp ?? patience, timeout: haste?.timeout)
    }

    /// The greatest hurry that clients are in.
    var rush: Rush? { rushes.max { $0.factor < $1.factor } }

    /// Clients that think ask soon.
    func begin(rush: Rush) {
        rushes.append(rush)
        for place in clients.indices where clients[place].waitsFor == nil { plan(nextOf: place) }
    }

    func end(rush: Rush) {
        if let place = rushes.firstIndex(of: rush) { rushes.remove(at: place) }
    }

    private func plan(nextOf place: Int) {
        let think = clients[place].random.exponential(clients[place].plan.think)
        let factor = max(rush?.factor ?? 1, clients[place].coordination.isInHurry ? 8 : 1)
        clients[place].asksAt = time + think.nanoseconds / Int64(factor)
        queue.add(.client(Int32(place)), at: clients[place].asksAt)
    }

    func invoke(
        _ action: ClientAction, once: OnceKey? = nil, client: Int, at node: Int, arrives: Instant.Span,
        givesUp: Instant.Span, timeout: Instant.Span? = nil
    ) {
        let number = operations.count
        operations.append(
            OperationRecord(number: number, client: client, node: node, action: action, invoked: now))
        operations[number].once = once
        operations[number].timeout = timeout
        statistics.operations += 1
        hash.add(number << 16 ^ client << 8 ^ node)
        if isObserved { emit(.invoked(operation: number)) }
        queue.add(.call(operation: Int32(number)), at: time + arrives.nanoseconds)
        queue.add(.giveUp(operation: Int32(number)), at: time + givesUp.nanoseconds)
    }

    /// A request arrives at its node.
    func arriveCall(_ number: Int) {
        let operation = operations[number]
        let node = nodes[operation.node]
        guard node.clientCuts == 0 else { return }
        guard node.isAlive else {
            // Nobody listens: it certainly took no effect. A machine without power does not even say so.
            if !node.isDark { reply(number, .refused("connection refused")) }
            return
        }
        operations[number].life = node.life
        node.open.append(Int32(number))
        deliver(.call(operation: Int32(number)), to: node)
    }

    /// The node loop takes a request. Answers what to step, if anything.
    func take(call number: Int, _ node: SimulatedNode, _ own: Instant, _ wall: WallTime) -> NodeEvent? {
        let timeout = operations[number].timeout ?? timeout(of: operations[number].client)
        switch operations[number].action {
        case .write(let operation, let forwards):
            let id = node.nextRequestID(wall)
            operations[number].requestID = id
            return .write(
                Write(
                    token: UInt64(number), requestID: id, operation: operation, deadline: own + timeout,
                    mayForward: forwards, once: operations[number].once))
        case .evaluate: return .read(token: UInt64(number), deadline: own + timeout)
        case .get(_, let isStale), .range(_, _, let isStale):
            guard isStale else { return .read(token: UInt64(number), deadline: own + timeout) }
            read(call: UInt64(number), node)
            return nil
        }
    }

    private func timeout(of client: Int) -> Instant.Span {
        guard let client = plan.clients.first(where: { $0.number == client }) else { return .seconds(3) }
        return client.timeout
    }

    /// Reads what was asked for from the node's state.
    func read(call token: UInt64, _ node: SimulatedNode) {
        guard let keyspace = node.core?.replica.keyspace else { return }
        switch operations[Int(token)].action {
        case .write: break
        case .evaluate(let transaction):
            answer(call: token, .evaluated(keyspace.evaluate(transaction), at: keyspace.revision), node)
        case .get(let key, _):
            if case .success(let item) = keyspace.get(key) {
                answer(call: token, .item(item, at: keyspace.revision), node)
            }
        case .range(let range, let limit, _):
            if case .success(let page) = keyspace.range(range, limit: limit) {
                answer(call: token, .items(page.items, more: page.more, at: page.revision), node)
            }
        }
    }

    /// The node answers a request.
    func answer(call token: UInt64, _ outcome: ClientOutcome, _ node: SimulatedNode) {
        let number = Int(token)
        node.open.removeAll { $0 == Int32(number) }
        guard node.clientCuts == 0 else { return }
        reply(number, outcome)
    }

    private func reply(_ number: Int, _ outcome: ClientOutcome) {
        guard operations[number].answer == nil, operations[number].returned == nil else { return }
        operations[number].answer = outcome
        let client = operations[number].client
        let place = clients.firstIndex { $0.plan.number == client }
        let way =
            place.map { clients[$0].random.span(.microseconds(30), .milliseconds(3)) } ?? .milliseconds(1)
        queue.add(.reply(operation: Int32(number)), at: time + way.nanoseconds)
    }

    /// The process of a node is gone: clients see their connections closed, unless the power is gone too.
    func closeCalls(of node: SimulatedNode) {
        let open = node.open
        node.open = []
        guard !node.isDark, node.clientCuts == 0 else { return }
        for number in open { reply(Int(number), .unknown("connection closed")) }
    }

    // MARK: - At the client

    func arriveReply(_ number: Int) {
        guard operations[number].returned == nil, let outcome = operations[number].answer else { return }
        complete(number, outcome)
    }

    func giveUp(_ number: Int) {
        guard operations[number].returned == nil else { return }
        complete(number, .unknown("no answer in time"))
        hangUp(number)
    }

    private func complete(_ number: Int, _ outcome: ClientOutcome) {
        operations[number].returned = now
        operations[number].outcome = outcome
        switch outcome {
        case .written, .item, .items, .evaluated: statistics.answered += 1
        case .refused: statistics.refused += 1
        case .unknown: statistics.unknown += 1
        }
        hash(outcome)
        if isObserved { emit(.returned(operation: number)) }
        let client = operations[number].client
        guard let place = clients.firstIndex(where: { $0.plan.number == client }) else { return }
        clients[place].waitsFor = nil
        learn(place, operations[number].action, outcome)
        learnApart(place, operations[number], outcome)
        plan(nextOf: place)
    }

    private func learnApart(_ place: Int, _ record: OperationRecord, _ outcome: ClientOutcome) {
        guard case .write(let operation, _) = record.action else { return }
        if case .unknown = outcome, record.requestID != .none {
            clients[place].coordination.note(lost: record.requestID)
        }
        guard record.isApart else { return }
        let asked = CoordinationClient.Asked(operation: operation, once: record.once)
        clients[place].coordination.learn(asked, outcome)
    }

    private func learn(_ place: Int, _ action: ClientAction, _ outcome: ClientOutcome) {
        switch (action, outcome) {
        case (.get(let key, _), .item(let item, let revision)):
            clients[place].note(key, item?.modRevision, item?.value)
            clients[place].note(revision)
        case (.write(.put(let key, _, _, _), _), .written(.put(let put))):
            clients[place].note(key, put.revision)
            clients[place].note(put.revision)
        case (.write(.put(let key, _, _, _), _), .written(.refused(.preconditionFailed(let current)))):
            clients[place].note(key, current)
        case (.write(.transaction(let transaction), _), .written(.transaction(let outcome, let revision))):
            clients[place].note(revision)
            learn(place, transaction, outcome.failed)
        case (
            .write(.transaction(let transaction), _),
            .written(.refused(.transaction(.conditionsFailed(let failed))))
        ):
            learn(place, transaction, failed)
        // Who is in a hurry does not look for another node at once.
        case (_, .unknown) where rush?.isImpatient == true && clients[place].random.coin(): break
        case (_, .refused), (_, .unknown): clients[place].turnAway(of: nodes.count)
        default: break
        }
    }

    /// What failed conditions tell of their keys.
    private func learn(_ place: Int, _ transaction: Transaction, _ failed: [FailedCondition]) {
        for condition in failed {
            guard let key = transaction.conditions[condition.index].key, let revision = condition.revision
            else { continue }
            clients[place].note(key, revision == 0 ? nil : Revision(revision))
        }
    }

    private func hash(_ outcome: ClientOutcome) {
        switch outcome {
        case .written(.put(let put)): hash.add(put.revision.rawValue << 8 ^ put.version)
        case .written(.deleted(let count, let revision, _)): hash.add(UInt64(count) << 40 ^ revision.rawValue)
        case .written(.incremented(let value, let revision, _)):
            hash.add(UInt64(bitPattern: value) << 32 ^ revision.rawValue)
        case .written(.batch(let results, let revision)):
            hash.add(UInt64(results.count) << 48 ^ revision.rawValue)
        case .written(.compacted(let revision)), .written(.transaction(_, let revision)):
            hash.add(revision.rawValue)
        case .written(.replayed(let outcome, _)): hash(.written(outcome))
        case .written(.coordinated(let outcome)): for byte in "\(outcome)".utf8 { hash.add(UInt64(byte)) }
        case .written(.refused): hash.add(UInt64(2))
        case .evaluated(_, let revision): hash.add(revision.rawValue << 8 ^ 5)
        case .item(let item, let revision):
            hash.add(revision.rawValue)
            if let item { hash.add(item.value) }
        case .items(let items, _, let revision):
            hash.add(revision.rawValue)
            for item in items { hash.add(item.value) }
        case .refused: hash.add(UInt64(3))
        case .unknown: hash.add(UInt64(4))
        }
    }
}
