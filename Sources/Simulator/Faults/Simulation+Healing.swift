// The second part of a run: the faults are over for a majority, and progress is demanded.

import Consensus
import NodeCore
import Primitives
import Replication
import Store

/// How far the cluster has come since the faults were over.
struct Progress {
    /// When the faults were over, and when the last node of the core has started since.
    var healed: Int64 = 0
    /// When a leader was found.
    var led: Int64?
    /// When the clients have stopped.
    var settling: Int64?
    /// The operation with which the end is tried.
    var probe: Int?
    /// How many of the operations with which the end is tried have been carried out.
    var probed = 0
    /// What is tried when all is well again.
    var trial: Trial?
    /// What was tried.
    var tried: [Trial.Kind] = []
}

/// Something that a cluster in which all is well must stand.
struct Trial {
    enum Kind { case cut, calm, transfer }

    var kind: Kind
    /// The node that must lead, and the term if it has led before.
    var leader: Int
    var term: Term?
    /// When it began.
    var at: Int64
    /// The links that are cut.
    var links: [Int] = []
}

extension Simulation {
    private static var lookInterval: Int64 { 20_000_000 }

    /// The faults are over.
    func heal() {
        phase = .liveness
        progress.healed = time
        emit(.phase(.liveness))
        chooseCore()
        network.plan = NetworkPlan()
        network.extraLoss = 0
        network.extraDelay = .zero
        network.extraCopies = []
        rushes = []
        for from in core {
            for to in core where to != from { network.links[network.place(from, to)].cuts = 0 }
        }
        for link in network.links.indices {
            // What is sent from now on does not wait behind what was slow.
            network.links[link].lastArrival = min(network.links[link].lastArrival, time)
            guard network.links[link].clogs > 0 else { continue }
            network.links[link].clogs = 0
            unclog(link)
        }
        for node in nodes where !core.contains(node.index) { retire(node) }
        for index in core { heal(nodes[index]) }
        queue.add(.look, at: time + Self.lookInterval)
    }

    private func heal(_ node: SimulatedNode) {
        node.disk.capacity = .max
        node.disk.cancelInjections()
        node.slownesses = []
        node.disk.latency.factor = 1
        hurry(node)
        node.disk.die(after: 1 << 40)
        node.restartAfterDiskDeath = nil
        node.clientCuts = 0
        (node.loopStallsUntil, node.diskStallsUntil) = (0, 0)
        if node.state == .paused { resume(node) }
        if node.state == .running {
            setRate(of: node, node.machine.drift)
        } else if node.state != .starting {
            planStart(node, after: .milliseconds(1))
        }
    }

    /// A node that is not healed is cut off from all others for good, or its power is.
    private func retire(_ node: SimulatedNode) {
        node.isRetired = true
        for other in nodes.indices where other != node.index {
            network.links[network.place(other, node.index)].cuts += 1
            network.links[network.place(node.index, other)].cuts += 1
        }
        if node.random.coin() { die(node, .power) }
    }

    /// What a slow disk has under way comes to an end at once.
    private func hurry(_ node: SimulatedNode) {
        let (index, life) = (Int32(node.index), Int32(node.life))
        switch node.log?.state {
        case .taken: queue.add(.log(node: index, life: life), at: time)
        case .done: queue.add(.logDone(node: index, life: life), at: time)
        case .idle, nil: break
        }
        switch node.checkpoints?.state {
        case .taken: queue.add(.checkpoint(node: index, life: life), at: time)
        case .done: queue.add(.checkpointDone(node: index, life: life), at: time)
        case .idle, nil: break
        }
    }

    /// Those that were planned to be healed, as far as they can be; still a majority.
    private func chooseCore() {
        core = plan.core.filter { !nodes[$0].isLost }
        for node in nodes where core.count < nodes.count / 2 + 1 && !node.isLost {
            if !core.contains(node.index) { core.append(node.index) }
        }
        core.sort()
        if core.count < nodes.count / 2 + 1 { fail("engine", "more nodes are lost than a minority") }
    }

    /// A node of the core turns out to be lost.
    func leaveCore(_ node: SimulatedNode) {
        guard core.contains(node.index) else { return }
        core.removeAll { $0 == node.index }
        progress.healed = time
        guard core.count < nodes.count / 2 + 1 else { return }
        guard let other = nodes.first(where: { !core.contains($0.index) && !$0.isLost }) else {
            return fail("engine", "more nodes are lost than a minority")
        }
        core.append(other.index)
        core.sort()
        other.isRetired = false
        for index in core where index != other.index {
            network.links[network.place(index, other.index)].cuts = 0
            network.links[network.place(other.index, index)].cuts = 0
        }
        heal(other)
    }

    /// Looks how far the cluster has come.
    func look() {
        if isCoreUp { findLeader() } else { progress.healed = time }
        if let settling = progress.settling { lookSettled(since: settling) }
        if time - Int64(plan.safety.nanoseconds) > 300_000_000_000 {
            fail("V1", "nothing has come to an end five minutes after the faults: \(states)")
        }
        if !isOver { queue.add(.look, at: time + Self.lookInterval) }
    }

    private var isCoreUp: Bool { core.allSatisfy { nodes[$0].state == .running } }

    /// One line of all nodes' states, for people.
    var states: String {
        nodes.map { node in "n\(node.index + 1) \(node.state) \(node.core.map { "\($0.replica.raft)" } ?? "")"
        }
        .joined(separator: "; ")
    }

    private func findLeader() {
        if progress.led == nil {
            if let leader, core.contains(leader.index), leader.core?.replica.raft.isReady == true {
                progress.led = time
                return
            }
            let isLed = leader.map { core.contains($0.index) } ?? false
            let patience = 10 * plan.knobs.raft.electionTimeout.upperBound.nanoseconds
            // A leader may have to wait until a bare majority has fetched its snapshot.
            if time - progress.healed > (isLed ? patience + 35_000_000_000 : patience) {
                fail("V1", "no \(isLed ? "ready " : "")leader within ten election timeouts: \(states)")
            }
        } else if progress.settling == nil, let led = progress.led, time - led > 2_000_000_000 {
            // The clients have gone on for a while. Now they stop.
            phase = .settling
            emit(.phase(.settling))
            progress.settling = time
        }
    }

    /// The clients have stopped: what is open comes to an end, then some last operations are tried.
    private func lookSettled(since settling: Int64) {
        // A part of a snapshot that was lost before the faults were over is waited for as long as 30 s; and
        // what a node does for clients that are gone may keep the only place of a small limit for a minute
        // (std seed 0x5fa1e49f2e81 of other sources).
        let limit = settling + 65_000_000_000
        guard clients.allSatisfy({ $0.waitsFor == nil }) else {
            if time > limit { fail("V2", "operations are not answered: \(openOperations)") }
            return
        }
        guard probe(until: limit) else { return }
        if let trial = progress.trial { return look(at: trial) }
        if let reason = whyNotSettled() {
            if time > limit { fail("V3", "\(reason): \(states)") }
            return
        }
        if !beginTrial() { isOver = true }
    }

    private var openOperations: String {
        clients.compactMap(\.waitsFor).map { "\(operations[Int($0)])" }.joined(separator: "; ")
    }

    /// Carries out a write and a read through every node of the core, one after the other. True when all have
    /// been carried out.
    private func probe(until limit: Int64) -> Bool {
        if let number = progress.probe {
            switch operations[number].outcome {
            case nil: return false
            case .written, .item, .items, .evaluated: progress.probed += 1
            case .refused(let reason), .unknown(let reason):
                guard time > limit else { break }
                fail(
                    "V2",
                    "after the faults n\(operations[number].node + 1) could not carry out "
                        + "\(operations[number].action): \(reason); \(states)")
            }
            progress.probe = nil
        }
        guard progress.probed < 2 * core.count else { return true }
        let index = core[progress.probed / 2]
        let key = SimulatedClient.plainKey(index % max(1, plan.keys.plain))
        let value = Array("probe.\(operations.count)".utf8)
        progress.probe = operations.count
        invoke(
            progress.probed % 2 == 0
                ? .write(.put(key: key, value: value, guard: nil, returnPrevious: false), forwards: true)
                : .range(.all, limit: 1000, isStale: false),
            client: -1 - progress.probed, at: index, arrives: .milliseconds(1), givesUp: .seconds(4))
        return false
    }

    /// Why the end is not reached; nil if it is.
    private func whyNotSettled() -> String? {
        guard let leader, let raft = leader.core?.replica.raft else { return "there is no leader" }
        let first = nodes[core[0]].core?.replica.keyspace
        for index in core {
            guard nodes[index].state == .running, let node = nodes[index].core else {
                return "n\(index + 1) is \(nodes[index].state)"
            }
            if node.replica.keyspace.appliedIndex != raft.lastIndex {
                return "n\(index + 1) has applied \(node.replica.keyspace.appliedIndex) of \(raft.lastIndex)"
            }
            if let reason = whyNotIdle(node, index) { return reason }
        }
        for index in core where nodes[index].core?.replica.keyspace.digest != first?.digest {
            fail("I19", "n\(index + 1) and n\(core[0] + 1) differ after the same entries: \(states)")
        }
        return nil
    }

    private func whyNotIdle(_ node: Node, _ index: Int) -> String? {
        let name = "n\(index + 1)"
        for link in node.links where core.contains(Int(link.id.rawValue) - 1) && link.outbox.count > 64 {
            return "\(name) keeps \(link.outbox.count) messages for n\(link.id)"
        }
        if nodes[index].inbox.count > 64 { return "\(name) does not get to its mail" }
        if !nodes[index].open.isEmpty { return "\(name) keeps \(nodes[index].open.count) clients waiting" }
        return nil
    }
}
