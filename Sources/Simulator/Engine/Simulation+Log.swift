// The disk thread: it takes all commands that have come, and reports when the disk has done them.
//
// A group is carried out as a whole, but when: at once, so that it is on disk long before the reports arrive,
// or at the end of the time that it takes. If the process dies in between, some of it is carried out first.

import Consensus
import NodeCore
import Primitives
import WAL

extension Simulation {
    /// Lets the disk thread begin, if it has something to do.
    func wakeLog(_ node: SimulatedNode) {
        guard let log = node.log, log.state == .idle, node.state == .running else { return }
        if time >= log.wakeAt { log.wakeAt = .max }
        guard time >= node.diskStallsUntil else {
            return scheduleLogWake(node, log, at: node.diskStallsUntil)
        }
        if log.inbox.isEmpty {
            let wake = log.keeper.wake
            guard let moment = node.clock.time(of: wake) else { return }
            guard moment <= time else { return scheduleLogWake(node, log, at: moment) }
        }
        swap(&log.taken, &log.inbox)
        log.state = .taken
        log.began = time
        guard node.random.coin() else { return carryOutLog(node) }
        let latency = node.disk.latency
        let wait = node.random.span(.zero, latency.sync * latency.factor)
        queue.add(.log(node: Int32(node.index), life: Int32(node.life)), at: time + wait.nanoseconds)
    }

    private func scheduleLogWake(_ node: SimulatedNode, _ log: LogThread, at moment: Int64) {
        guard moment < log.wakeAt else { return }
        log.wakeAt = max(moment, time)
        queue.add(.logWake(node: Int32(node.index), life: Int32(node.life)), at: log.wakeAt)
    }

    func carryOutLog(_ node: SimulatedNode) {
        guard let log = node.log, log.state == .taken else { return }
        guard time >= node.diskStallsUntil else {
            return queue.add(
                .log(node: Int32(node.index), life: Int32(node.life)), at: node.diskStallsUntil)
        }
        write(node, log)
        log.isFinishing = false
        done(node, log, waited: max(0, time - log.began))
    }

    private func write(_ node: SimulatedNode, _ log: LogThread) {
        do throws(WALError) {
            _ = try log.keeper.write(log.taken, at: node.clock.now(time), into: &log.reports)
        } catch {
            log.failure = "\(error)"
        }
    }

    /// The keeper has returned: its reports are due when the disk has taken its time.
    private func done(_ node: SimulatedNode, _ log: LogThread, waited: Int64) {
        if node.disk.isDead { return die(node, node.deathAtDisk) }
        let span = node.disk.takeConsumed().nanoseconds
        hash.add(log.reports.count << 32 ^ Int(truncatingIfNeeded: span))
        noteDurable(node, log)
        if isObserved, !log.reports.isEmpty || !log.taken.isEmpty {
            emit(
                .logTurn(
                    LogTurn(
                        node: node.index, life: node.life, commands: log.taken, reports: log.reports)))
        }
        log.taken.removeAll(keepingCapacity: true)
        log.state = .done
        queue.add(
            .logDone(node: Int32(node.index), life: Int32(node.life)), at: time + max(0, span - waited))
    }

    /// Remembers what the process is told to be on disk.
    private func noteDurable(_ node: SimulatedNode, _ log: LogThread) {
        for report in log.reports {
            guard case .persisted(let sequence, _) = report else { continue }
            log.unacknowledged += log.taken.compactMap {
                if case .persist(let persist) = $0 { persist } else { nil }
            }
            for persist in log.unacknowledged where persist.sequence <= sequence {
                node.acknowledged.add(persist)
            }
            log.unacknowledged.removeAll()
            return
        }
        // A full disk: what was taken is written later.
        for case .persist(let persist) in log.taken { log.unacknowledged.append(persist) }
    }

    func finishLog(_ node: SimulatedNode) {
        guard let log = node.log, log.state == .done else { return }
        guard time >= node.diskStallsUntil else {
            return queue.add(
                .logDone(node: Int32(node.index), life: Int32(node.life)), at: node.diskStallsUntil)
        }
        if let failure = log.failure {
            // The thread has ended; the node loop hears of it.
            return deliver(.fatal(failure), to: node)
        }
        for report in log.reports { node.inbox.append(.event(.log(report))) }
        let hasNews = !log.reports.isEmpty
        log.reports.removeAll(keepingCapacity: true)
        if log.isFinishing {
            log.state = .idle
        } else {
            log.isFinishing = true
            finish(node, log)
        }
        guard node.isAlive else { return }
        if hasNews { turn(node) }
        if log.state == .idle { wakeLog(node) }
    }

    /// What comes after the writes of a group.
    private func finish(_ node: SimulatedNode, _ log: LogThread) {
        do throws(WALError) {
            _ = try log.keeper.finish(at: node.clock.now(time), into: &log.reports)
        } catch {
            log.failure = "\(error)"
        }
        if node.disk.isDead { return die(node, node.deathAtDisk) }
        let span = node.disk.takeConsumed().nanoseconds
        if span == 0 && log.reports.isEmpty && log.failure == nil {
            log.state = .idle
            return
        }
        if isObserved, !log.reports.isEmpty {
            emit(
                .logTurn(LogTurn(node: node.index, life: node.life, commands: [], reports: log.reports)))
        }
        queue.add(.logDone(node: Int32(node.index), life: Int32(node.life)), at: time + span)
    }

    /// The process dies: what the disk thread was about to do is done in part.
    func interruptLog(_ node: SimulatedNode) {
        guard let log = node.log, log.state == .taken, !node.disk.isDead, log.failure == nil else { return }
        node.disk.die(after: node.random.magnitude(1...16) - 1)
        write(node, log)
    }
}
