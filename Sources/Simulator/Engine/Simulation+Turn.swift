// The node loop: a turn takes all that has come, steps it, and carries out what the node asks for.

import Consensus
import NodeCore
import Primitives
import Replication
import Store

extension Simulation {
    /// Puts something in line for a node loop, which takes it at once if it has nothing else to do.
    func deliver(_ mail: Mail, to node: SimulatedNode) {
        node.inbox.append(mail)
        turn(node)
    }

    func wake(_ node: SimulatedNode, _ life: Int32) {
        guard node.life == Int(life), node.wakeAt <= time else { return }
        node.wakeAt = .max
        turn(node)
    }

    func scheduleWake(_ node: SimulatedNode, at moment: Int64) {
        let moment = max(moment, time)
        guard moment < node.wakeAt else { return }
        node.wakeAt = moment
        queue.add(.wake(node: Int32(node.index), life: Int32(node.life)), at: moment)
    }

    /// A turn of the node loop, if there is something to do and the loop is free.
    func turn(_ node: SimulatedNode) {
        guard node.state == .running, violation == nil else { return }
        let free = max(node.busyUntil, node.loopStallsUntil)
        guard time >= free else { return scheduleWake(node, at: free) }
        let own = node.clock.now(time)
        guard !node.inbox.isEmpty || node.deadline <= own else { return scheduleDeadline(node) }
        let wall = node.clock.wall(time)
        noteTurn(node)
        let failure = takeMail(of: node, own, wall)
        if node.readDeadline() <= own { step(node, .timeout, own, wall) }
        node.core?.endTurn(at: own, wall: wall, into: &effects)
        node.deadline = node.readDeadline()
        node.busyUntil =
            time + node.machine.turn.nanoseconds + node.machine.event.nanoseconds * Int64(events.count)
        statistics.turns += 1
        hashTurn(node)
        noteRevisions(node)
        if isObserved {
            emit(
                .turn(
                    Turn(
                        node: node.index, life: node.life, now: own, wall: wall, events: events,
                        effects: effects)))
        }
        events.removeAll(keepingCapacity: true)
        carryOut(node, own)
        if let failure, node.isAlive { return die(node, .failed(failure)) }
        guard node.state == .running else { return }
        if !node.inbox.isEmpty { return scheduleWake(node, at: node.busyUntil) }
        scheduleDeadline(node)
    }

    private func step(_ node: SimulatedNode, _ event: NodeEvent, _ own: Instant, _ wall: WallTime) {
        node.core?.step(event, at: own, wall: wall)
        events.append(event)
    }

    private func scheduleDeadline(_ node: SimulatedNode) {
        guard let moment = node.clock.time(of: node.deadline) else { return }
        scheduleWake(node, at: max(moment, node.busyUntil))
    }

    /// Steps what has come. Answers why the process must stop, if it must.
    private func takeMail(of node: SimulatedNode, _ own: Instant, _ wall: WallTime) -> String? {
        var failure: String?
        var mail: [Mail] = []
        swap(&mail, &node.inbox)
        for place in mail.indices {
            switch mail[place] {
            case .event(let event):
                step(node, event, own, wall)
                if case .checkpoint(.part(let request, let offset, let bytes, let total)) = event {
                    answerPart(request, offset: offset, bytes, total: total)
                }
            case .call(let operation):
                if let event = take(call: Int(operation), node, own, wall) { step(node, event, own, wall) }
            case .serve(let request, let position, let offset, let count):
                handCheckpoint(node, .serve(request, position, offset: offset, count: count))
            case .gone(let operation):
                if let event = take(gone: Int(operation), node, own, wall) { step(node, event, own, wall) }
            case .fatal(let reason): failure = reason
            }
        }
        // The storage serves the next turns, unless more has come meanwhile.
        mail.removeAll(keepingCapacity: true)
        if node.inbox.isEmpty { swap(&mail, &node.inbox) }
        return failure
    }

    private func carryOut(_ node: SimulatedNode, _ own: Instant) {
        var asked: [NodeEffect] = []
        swap(&asked, &effects)
        for place in asked.indices {
            switch asked[place] {
            case .log(let command): node.log?.inbox.append(command)
            case .checkpoint(let command): node.checkpoints?.inbox.append(command)
            case .post(let envelope): post(envelope, from: node)
            case .answer(let request, let envelope, _): answer(request, envelope, from: node)
            case .fetch(let id, let reference, let source): fetch(id, reference, from: source, node)
            case .cancelFetch(let id): cancelFetch(id, of: node)
            case .client(let effect): carryOut(effect, node)
            }
        }
        asked.removeAll(keepingCapacity: true)
        swap(&asked, &effects)
        wakeLog(node)
        // The disk may have killed the process.
        if node.isAlive { wakeCheckpoint(node) }
    }

    private func carryOut(_ effect: ReplicaEffect, _ node: SimulatedNode) {
        switch effect {
        case .answered(let token, let id, let outcome): finish(token, id, outcome, node)
        case .settled(let id, let outcome): settle(id, outcome, node)
        case .replaced: lookAgain(node)
        case .refused(let token, _, let refusal):
            guard token != Self.unattended else { break }
            answer(call: token, refusal.isDefinite ? .refused("\(refusal)") : .unknown("\(refusal)"), node)
        case .readable(let token): read(call: token, node)
        case .readRefused(let token, let refusal): answer(call: token, .refused("\(refusal)"), node)
        case .transition(let transition):
            if transition.to == .leader { statistics.elections += 1 }
        case .changed, .stepped, .announced, .messageEnded, .deliver, .traced, .transferEnded: break
        case .persist, .send, .readLog, .checkpoint, .fetchSnapshot: break  // The node has seen to them.
        }
    }

    private func noteRevisions(_ node: SimulatedNode) {
        guard plan.coordination.share > 0, let core = node.core else { return }
        otherRevisions.note(core.replica.keyspace, at: time)
    }

    private func handCheckpoint(_ node: SimulatedNode, _ command: CheckpointCommand) {
        node.checkpoints?.inbox.append(command)
    }

    private func hashTurn(_ node: SimulatedNode) {
        guard let core = node.core else { return }
        hash.add(node.index << 48 | events.count << 24 | effects.count)
        hash.add(core.replica.raft.term.rawValue << 32 ^ core.replica.raft.commit.rawValue)
        hash.add(core.replica.keyspace.appliedIndex.rawValue << 32 ^ core.replica.raft.lastIndex.rawValue)
        hash.add(core.replica.keyspace.revision.rawValue << 32 ^ core.durable)
    }

    /// A node loop that takes turn after turn without anything having come never sleeps.
    private func noteTurn(_ node: SimulatedNode) {
        node.idleTurns = node.inbox.isEmpty ? node.idleTurns + 1 : 0
        if node.idleTurns > 20_000 {
            fail("V5", "n\(node.index + 1) never sleeps: \(node.core.map { "\($0.replica.raft)" } ?? "")")
        }
    }
}

extension SimulatedNode {
    /// The node's deadline, without a copy of the node.
    func readDeadline() -> Instant {
        func read(_ core: inout Node?) -> Instant { core?.deadline ?? .never }
        return read(&core)
    }
}
