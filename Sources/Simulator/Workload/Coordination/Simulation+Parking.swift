// What a node does with requests that wait in the replicated state, as the node loop of production does it.

import NodeCore
import Primitives
import Replication
import Store

extension Simulation {
    /// Stands for a write that no client waits for.
    static var unattended: UInt64 { .max }

    /// The command of a request was applied, or what it waited for has happened.
    func finish(_ token: UInt64, _ id: RequestID, _ outcome: Outcome, _ node: SimulatedNode) {
        guard token != Self.unattended else { return }
        let number = Int(token)
        if operations[number].returned != nil {
            node.open.removeAll { $0 == Int32(number) }
            // The client is gone: it must not hold anything, unless it has a key to come back with.
            if operations[number].once == nil,
                let event = abandonment(of: id, node, node.clock.now(time), node.clock.wall(time))
            {
                deliver(.event(event), to: node)
            }
            return
        }
        switch outcome {
        case .coordinated(let told) where told.isWaiting: park(number, under: id, node)
        case .replayed(let first, let original) where first.isWaiting: park(number, under: original, node)
        default: answer(call: token, .written(outcome), node)
        }
    }

    /// A client waits for the end of a request that waits in the state: its own, or the one that it repeats.
    private func park(_ number: Int, under id: RequestID, _ node: SimulatedNode) {
        operations[number].waitsWith = id
        node.parked[id, default: []].append(UInt64(number))
    }

    /// A request that waited has come to its end.
    func settle(_ id: RequestID, _ outcome: Outcome, _ node: SimulatedNode) {
        guard !node.parked.isEmpty, let tokens = node.parked.removeValue(forKey: id) else { return }
        for token in tokens {
            let isRepeat = operations[Int(token)].requestID != id
            finish(token, id, isRepeat ? .replayed(outcome, original: id) : outcome, node)
        }
    }

    /// A snapshot took the place of the state: what was told meanwhile was not heard here.
    func lookAgain(_ node: SimulatedNode) {
        for (id, _) in node.parked.sorted(by: { $0.value[0] < $1.value[0] }) {
            switch node.core?.replica.keyspace.claimOutcome(of: id) {
            case .waiting: continue
            case .granted(let grant): settle(id, .coordinated(.claim(.granted(grant))), node)
            default:
                for token in node.parked.removeValue(forKey: id) ?? [] {
                    answer(call: token, .unknown("it waited while the state was replaced"), node)
                }
            }
        }
    }

    /// A client does not wait any more; its node sees the connection closed.
    func hangUp(_ number: Int) {
        let operation = operations[number]
        let node = nodes[operation.node]
        guard node.isAlive, node.life == operation.life, node.clientCuts == 0,
            node.parked[operation.waitsWith]?.contains(UInt64(number)) == true
        else { return }
        deliver(.gone(operation: Int32(number)), to: node)
    }

    /// The node loop learns that a client is gone which waited in the state. Answers what to step, if
    /// anything: with a key the place is kept, since the client may come back.
    func take(
        gone number: Int, _ node: SimulatedNode, _ own: Instant, _ wall: WallTime
    ) -> NodeEvent? {
        let id = operations[number].waitsWith
        guard let place = node.parked[id]?.firstIndex(of: UInt64(number)) else { return nil }
        node.parked[id]?.remove(at: place)
        if node.parked[id]?.isEmpty == true { node.parked[id] = nil }
        node.open.removeAll { $0 == Int32(number) }
        return operations[number].once == nil ? abandonment(of: id, node, own, wall) : nil
    }

    /// Gives up what a request waits for or holds; nil if that is nothing.
    private func abandonment(
        of id: RequestID, _ node: SimulatedNode, _ own: Instant, _ wall: WallTime
    ) -> NodeEvent? {
        guard node.core?.replica.keyspace.coordination.row(of: id) != nil else { return nil }
        return .write(
            Write(
                token: Self.unattended, requestID: node.nextRequestID(wall),
                operation: .coordinate(.abandon(id)), deadline: own + .seconds(60)))
    }
}

extension SimulatedNode {
    /// The id of the next request that this node takes.
    func nextRequestID(_ wall: WallTime) -> RequestID {
        requestCounter += 1
        return RequestID(
            high: UInt64(bitPattern: wall.milliseconds) << 16 | UInt64(index),
            low: UInt64(life) << 40 | requestCounter)
    }
}
