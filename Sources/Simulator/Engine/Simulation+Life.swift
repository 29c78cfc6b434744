// How a process comes into being and ends.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import WAL

extension Simulation {
    func start(_ node: SimulatedNode) {
        node.state = .starting
        node.isDark = false
        node.life += 1
        let span = node.random.span(.zero, node.machine.start + node.machine.start)
        queue.add(.started(node: Int32(node.index), life: Int32(node.life)), at: time + span.nanoseconds)
    }

    /// Starts a process that is not there, after a while.
    func planStart(_ node: SimulatedNode, after span: Instant.Span) {
        queue.add(
            .start(node: Int32(node.index), life: Int32(node.life)), at: time + max(0, span.nanoseconds))
    }

    func finishStart(_ node: SimulatedNode) {
        let own = node.clock.now(time)
        do throws(RestoreError) {
            let restored = try restore(node.settings, disk: node.disk, seed: node.random.next(), now: own)
            let replica = restored.replica
            let incarnation = node.random.next()
            let peers = node.settings.voters.filter { $0 != node.id }
            if node.isInjured, node.acknowledged.isForgotten(by: replica.raft) {
                // A node that has forgotten what it promised must not take part, and this one can't know: it
                // is what one copy less than a majority is for. The operator, who knows, keeps it down.
                guard node.isSilentlyInjured else {
                    fail(
                        "I44",
                        "n\(node.index + 1) starts with a log up to \(replica.raft.lastPosition) in term "
                            + "\(replica.raft.term), has acknowledged \(node.acknowledged), and takes no "
                            + "notice of a damage that can be found")
                    return
                }
                statistics.silentLosses += 1
                _ = consume(restored)
                node.disk.crash(using: &node.random, power: false)
                return refuse(node, "its disk has lost what was durable, silently", forGood: true)
            }
            node.core = Node(
                cluster: Self.cluster, peers: peers, replica: replica, incarnation: incarnation)
            node.log = LogThread(restored.log)
            node.checkpoints = CheckpointThread(
                CheckpointKeeper(
                    store: restored.checkpoints, cluster: Self.cluster, storeLimits: node.settings.storeLimits
                ))
            node.folder = FolderHolder(restored.folder)
        } catch {
            if node.disk.isDead { return die(node, node.deathAtDisk) }
            node.disk.crash(using: &node.random, power: false)
            return refuse(node, error.description, forGood: false)
        }
        _ = node.disk.takeConsumed()
        node.acknowledged = Acknowledged(of: node.core)
        node.state = .running
        node.deadline = node.readDeadline()
        node.busyUntil = time
        node.startFailures = 0
        hash.add(node.index << 32 ^ node.life)
        emit(.started(node: node.index))
        turn(node)
        if node.isAlive { wakeLog(node) }
    }

    /// A process can't start. Whoever watches over it tries again a few times: the reason may pass.
    private func refuse(_ node: SimulatedNode, _ reason: String, forGood: Bool) {
        node.state = .refused(reason)
        node.startFailures += 1
        statistics.refusals += 1
        emit(.refusedToStart(node: node.index, reason: reason))
        if !forGood && (node.startFailures < 5 || (phase == .safety && !node.isInjured)) {
            return planStart(node, after: .milliseconds(500 * node.startFailures))
        }
        node.isLost = true
        if !node.isInjured {
            return fail("V6", "n\(node.index + 1) can't start although its disk is sound: \(reason)")
        }
        if phase != .safety { leaveCore(node) }
    }

    /// The process ends.
    func die(_ node: SimulatedNode, _ death: Death) {
        guard node.isAlive || node.state == .starting else { return }
        interruptLog(node)
        interruptCheckpoint(node)
        node.log = nil
        node.checkpoints = nil
        node.folder = nil
        node.disk.crash(using: &node.random, power: death == .power)
        node.isDark = death == .power
        let wasStarting = node.state == .starting
        node.state = .down
        node.inbox = []
        node.parked = [:]
        node.deferred = []
        (node.wakeAt, node.busyUntil, node.loopStallsUntil) = (.max, 0, 0)
        node.deathAtDisk = .killed
        hash.add(node.index << 32 ^ node.life << 8 ^ 1)
        emit(.died(node: node.index, death))
        closeCalls(of: node)
        if !wasStarting { closeConnections(of: node) }
        // What takes itself down is started again by whoever watches over it.
        if case .failed = death { planStart(node, after: .milliseconds(200 + node.random.below(2000))) }
        if let wait = node.restartAfterDiskDeath {
            node.restartAfterDiskDeath = nil
            planStart(node, after: wait)
        }
        // Nothing may be left of a process that dies after the faults are over.
        if phase != .safety, core.contains(node.index) { planStart(node, after: .milliseconds(100)) }
    }

    func pause(_ node: SimulatedNode) -> Bool {
        guard node.state == .running else { return false }
        node.state = .paused
        emit(.paused(node: node.index))
        return true
    }

    func resume(_ node: SimulatedNode) {
        guard node.state == .paused else { return }
        node.state = .running
        emit(.resumed(node: node.index))
        let deferred = node.deferred
        node.deferred = []
        for due in deferred { queue.add(due, at: time) }
        node.wakeAt = .max
        turn(node)
        guard node.isAlive else { return }
        node.log?.wakeAt = .max
        node.checkpoints?.wakeAt = .max
        wakeLog(node)
        if node.isAlive { wakeCheckpoint(node) }
    }

    private func consume(_ restored: consuming Restored<SimulatedDisk>) -> Bool { true }
}

extension Acknowledged {
    /// What a node that has just started knows to be on disk.
    init(of core: Node?) {
        guard let raft = core?.replica.raft else { return }
        (term, vote, last) = (raft.term, raft.vote, raft.lastPosition)
    }
}
