import Consensus
import Primitives

// What may happen next in a world, in a fixed order.

extension SmallScope.Explorer {
    private typealias Action = SmallScope.Action

    /// The steps that nodes take by themselves.
    mutating func chooseNodeSteps(_ world: SmallScope.World, from state: Int) {
        let isHasty = world.network.queued > 0 && bounds.haste != nil
        let mayAct = !isHasty || mayFail(.haste, bounds.haste ?? 0, world.ghost)
        for node in 0..<bounds.nodes {
            let summary = summaries[Int(world.members[node])]
            if summary.isPending { attemptAll(Action(.persisted, node: node), world, from: state) }
            if summary.isFetching { attemptAll(Action(.fetched, node: node), world, from: state) }
            if world.ghost.isIsolated(node) {
                attempt(Action(.rejoin, node: node), in: world, from: state)
            } else if bounds.order != .any && mayFail(.partitions, bounds.partitions, world.ghost) {
                attempt(Action(.isolate, node: node), in: world, from: state)
            }
            if mayAct { chooseActs(world, node, summary, haste: isHasty ? 1 : 0, from: state) }
        }
    }

    private mutating func chooseActs(
        _ world: SmallScope.World, _ node: Int, _ summary: SmallScope.Summary, haste: Int, from state: Int
    ) {
        let ghost = world.ghost
        if mayTimeOut(summary, ghost) { attemptAll(Action(.timeout, node: node), world, from: state) }
        if summary.role == .leader { chooseLeaderActs(world, node, haste: haste, from: state) }
        let knowsLeader = summary.role == .leader || summary.knowsLeader
        if knowsLeader && ghost.spent(.reads) < bounds.reads {
            let token = UInt32(ghost.spent(.reads))
            attemptAll(Action(.read, node: node, operand: token), world, from: state)
        }
        let mayCheckpoint = !summary.isPending && !summary.isMidTurn && summary.commit > summary.snapshot
        if mayCheckpoint && ghost.spent(.checkpoints) < bounds.checkpoints {
            attemptAll(Action(.checkpoint, node: node), world, from: state)
        }
        if mayFail(.crashes, bounds.crashes, ghost, besides: haste) {
            attempt(Action(.crash, node: node), in: world, from: state)
        }
    }

    private func mayTimeOut(_ summary: SmallScope.Summary, _ ghost: SmallScope.Ghost) -> Bool {
        if summary.role == .leader { return ghost.spent(.heartbeats) < bounds.heartbeats }
        return summary.term < bounds.terms && ghost.spent(.timeouts) < bounds.timeouts
    }

    /// Whether one more thing may go wrong, besides what the step costs anyway.
    private func mayFail(
        _ budget: SmallScope.Ghost.Budget, _ bound: Int, _ ghost: SmallScope.Ghost, besides others: Int = 0
    ) -> Bool {
        ghost.spent(budget) < bound && ghost.faults + others < bounds.faults
    }

    private mutating func chooseLeaderActs(
        _ world: SmallScope.World, _ node: Int, haste: Int, from state: Int
    ) {
        let ghost = world.ghost
        if ghost.spent(.entries) < bounds.entries {
            attemptAll(Action(.propose, node: node), world, from: state)
        }
        for other in 0..<bounds.nodes where other != node {
            let operand = UInt32(other)
            if ghost.spent(.transfers) < bounds.transfers {
                attemptAll(Action(.transfer, node: node, operand: operand), world, from: state)
            }
            if mayFail(.unreachables, bounds.unreachables, ghost, besides: haste) {
                attempt(Action(.unreachable, node: node, operand: operand), in: world, from: state)
            }
        }
    }

    /// The arrival of each message in flight, now or late, for the last time or not; and its delay.
    mutating func chooseArrivals(_ world: SmallScope.World, from state: Int) {
        let ghost = world.ghost
        let mayDelay = bounds.order != .any && mayFail(.delays, bounds.delays, ghost)
        let mayShorten = mayFail(.shortened, bounds.shortened, ghost)
        for (place, flight) in world.network.flights.enumerated() {
            if world.network.follows(place) { continue }
            let summary = summaries[Int(world.members[flight.receiver])]
            let mayBeLate = summary.hearsLeader && headers[flight.message].isVoteRequest
            for manner in [Action.Manner(), .late] where manner == [] || mayBeLate {
                let action = Action(delivering: flight, manner: manner)
                guard attemptAll(action, world, from: state) else { continue }
                if mayFail(.duplicates, bounds.duplicates, ghost) {
                    attemptAll(action.inManner(manner.union(.kept)), world, from: state)
                }
            }
            let operand = UInt32(flight.message)
            if mayDelay && !flight.isLoose {
                attempt(Action(.delay, node: flight.receiver, operand: operand), in: world, from: state)
            }
            if mayShorten && headers[flight.message].hasEntries {
                attempt(Action(.shorten, node: flight.receiver, operand: operand), in: world, from: state)
            }
        }
    }

    /// Takes a step in all manners that the bounds allow. Returns whether it led anywhere.
    @discardableResult
    private mutating func attemptAll(
        _ action: SmallScope.Action, _ world: SmallScope.World, from state: Int
    ) -> Bool {
        guard attempt(action, in: world, from: state) else { return false }
        let ghost = world.ghost
        let member = world.members[action.node]
        let summary = summaries[Int(member)]
        // The step itself may have used up the last of the faults.
        guard change.ghost.faults < bounds.faults else { return true }
        if ghost.spent(.slowPersists) < bounds.slowPersists, !summary.isPending || action.kind == .persisted,
            outcome(member, action).hasWritten
        {
            attempt(action.inManner(action.manner.union(.slow)), in: world, from: state)
        }
        if ghost.spent(.sharedTurns) < bounds.sharedTurns {
            attempt(action.inManner(action.manner.union(.open)), in: world, from: state)
        }
        return true
    }
}
