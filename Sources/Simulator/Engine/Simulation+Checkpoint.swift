// The checkpoint thread, as the disk thread: in small pieces, at once or at the end of the time they take.

import NodeCore
import Primitives

extension Simulation {
    /// Lets the checkpoint thread begin, if it has something to do.
    func wakeCheckpoint(_ node: SimulatedNode) {
        guard let thread = node.checkpoints, thread.state == .idle, node.state == .running else { return }
        if time >= thread.wakeAt { thread.wakeAt = .max }
        if thread.inbox.isEmpty {
            guard let moment = node.clock.time(of: thread.keeper.wake) else { return }
            guard moment <= time else { return scheduleCheckpointWake(node, thread, at: moment) }
        }
        swap(&thread.taken, &thread.inbox)
        thread.state = .taken
        guard node.random.coin() else { return carryOutCheckpoint(node) }
        let latency = node.disk.latency
        let wait = node.random.span(.zero, latency.sync * latency.factor)
        queue.add(.checkpoint(node: Int32(node.index), life: Int32(node.life)), at: time + wait.nanoseconds)
    }

    private func scheduleCheckpointWake(_ node: SimulatedNode, _ thread: CheckpointThread, at moment: Int64) {
        guard moment < thread.wakeAt else { return }
        thread.wakeAt = max(moment, time)
        queue.add(.checkpointWake(node: Int32(node.index), life: Int32(node.life)), at: thread.wakeAt)
    }

    private func work(_ node: SimulatedNode, _ thread: CheckpointThread) {
        let own = node.clock.now(time)
        if thread.keeper.take(thread.taken, at: own, into: &thread.reports) {
            thread.keeper.write(at: own, into: &thread.reports)
        }
    }

    func carryOutCheckpoint(_ node: SimulatedNode) {
        guard let thread = node.checkpoints, thread.state == .taken else { return }
        work(node, thread)
        if node.disk.isDead { return die(node, node.deathAtDisk) }
        let span = node.disk.takeConsumed().nanoseconds
        hash.add(thread.reports.count << 32 ^ Int(truncatingIfNeeded: span))
        for report in thread.reports {
            switch report {
            case .written: statistics.checkpoints += 1
            case .snapshotLoaded: statistics.installs += 1
            case .failed, .part, .damaged, .snapshotFailed: break
            }
        }
        if isObserved, !thread.reports.isEmpty || !thread.taken.isEmpty {
            emit(
                .checkpointTurn(
                    CheckpointTurn(
                        node: node.index, life: node.life, commands: thread.taken, reports: thread.reports)))
        }
        thread.taken.removeAll(keepingCapacity: true)
        thread.state = .done
        queue.add(.checkpointDone(node: Int32(node.index), life: Int32(node.life)), at: time + span)
    }

    func finishCheckpoint(_ node: SimulatedNode) {
        guard let thread = node.checkpoints, thread.state == .done else { return }
        for report in thread.reports { node.inbox.append(.event(.checkpoint(report))) }
        let hasNews = !thread.reports.isEmpty
        thread.reports.removeAll(keepingCapacity: true)
        thread.state = .idle
        if hasNews { turn(node) }
        wakeCheckpoint(node)
    }

    /// The process dies: what the checkpoint thread was about to do is done in part.
    func interruptCheckpoint(_ node: SimulatedNode) {
        guard let thread = node.checkpoints, thread.state == .taken, !node.disk.isDead else { return }
        node.disk.die(after: node.random.magnitude(1...16) - 1)
        work(node, thread)
    }
}
