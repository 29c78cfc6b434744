// Planned faults begin and end.

import Consensus
import NodeCore
import Primitives
import Replication
import WAL

/// A fault that is under way, and what it was found to befall.
struct RunningFault {
    var nodes: [Int]
    var cuts: [Int] = []
    /// Whether a flapping partition cuts at the moment.
    var isCutting = false
}

extension Simulation {
    /// The node that leads in the latest term.
    var leader: SimulatedNode? {
        var found: SimulatedNode?
        var best = Term.zero
        for node in nodes where node.isAlive {
            guard let raft = node.core?.replica.raft, raft.role == .leader, raft.term > best else { continue }
            (found, best) = (node, raft.term)
        }
        return found
    }

    private func resolve(_ target: Target) -> [Int] {
        switch target {
        case .node(let index): [index % nodes.count]
        case .leader(let otherwise): [leader?.index ?? otherwise % nodes.count]
        case .follower(let offset): [((leader?.index ?? 0) + offset) % nodes.count]
        case .all: Array(nodes.indices)
        case .several(let from, let count): (0..<count).map { (from + $0) % nodes.count }.sorted()
        }
    }

    private func target(of action: FaultAction) -> Target? {
        switch action {
        case .kill(let target), .powerCut(let target), .dieAtOperation(let target, _, _), .pause(let target),
            .stallDisk(let target), .stallLoop(let target), .slowDisk(let target, _),
            .diskFull(let target, _),
            .diskError(let target, _, _), .damage(let target, _), .stepWall(let target, _),
            .drift(let target, _), .cutClients(let target), .transfer(_, let target),
            .loseDisk(let target), .partition(.isolate(let target, _, _)), .partition(.duo(let target, _)),
            .flapping(.isolate(let target, _, _), _), .flapping(.duo(let target, _), _):
            target
        case .rush(_, _, let target): target
        case .partition, .flapping, .clog, .reset, .loss, .delay, .repeats: nil
        }
    }

    func beginFault(_ place: Int) {
        guard phase == .safety else { return }
        let fault = plan.faults[place]
        var running = RunningFault(nodes: target(of: fault.action).map(resolve) ?? [])
        hash.add(place << 16 ^ (running.nodes.first ?? 0))
        statistics.count(fault.action.kind)
        emit(.fault(index: place, begins: true))
        switch fault.action {
        case .partition(let partition):
            running.cuts = links(of: partition, running.nodes)
            cut(running.cuts, by: 1)
        case .flapping(let partition, let period):
            running.cuts = links(of: partition, running.nodes)
            cut(running.cuts, by: 1)
            running.isCutting = true
            queue.add(.flap(Int32(place)), at: time + period.nanoseconds)
        case .clog(let from, let to):
            running.cuts = [network.place(from, to)]
            network.links[network.place(from, to)].clogs += 1
        case .reset(let a, let b): reset(a, b)
        case .loss(let rate): network.extraLoss += rate
        case .delay(let span): network.extraDelay = network.extraDelay + span
        case .repeats(let span): network.extraCopies.append(span)
        case .rush(let factor, let impatient, _):
            begin(rush: Rush(factor: factor, isImpatient: impatient, node: running.nodes.first))
        case .transfer(let target, _):
            for index in running.nodes { transfer(to: target, asking: nodes[index]) }
        default:
            for index in running.nodes { begin(fault, on: nodes[index]) }
        }
        runningFaults[place] = running
        if fault.lasts > .zero { queue.add(.faultEnds(Int32(place)), at: time + fault.lasts.nanoseconds) }
    }

    private func begin(_ fault: PlannedFault, on node: SimulatedNode) {
        let until = time + fault.lasts.nanoseconds
        switch fault.action {
        case .kill: crash(node, .killed, for: fault.lasts)
        case .powerCut: crash(node, .power, for: fault.lasts)
        case .dieAtOperation(_, let operations, let power):
            guard node.isAlive || node.state == .starting else { return }
            node.disk.die(after: operations)
            node.deathAtDisk = power ? .power : .killed
            node.restartAfterDiskDeath = fault.lasts
        case .pause:
            if pause(node) {
                queue.add(.resume(node: Int32(node.index), life: Int32(node.life)), at: until)
            }
        case .stallDisk: node.diskStallsUntil = max(node.diskStallsUntil, until)
        case .stallLoop: node.loopStallsUntil = max(node.loopStallsUntil, until)
        case .slowDisk(_, let factor):
            node.slownesses.append(factor)
            node.disk.latency.factor = node.slownesses.max() ?? 1
        case .diskFull(_, let left): node.disk.capacity = node.disk.usedBytes + left
        case .diskError(_, let error, let skipping): node.disk.inject(error, skipping: skipping)
        case .damage(_, let damage): self.damage(node, damage)
        case .stepWall(_, let amount): node.clock.stepWall(by: amount)
        case .drift(_, let amount): setRate(of: node, amount)
        case .cutClients: node.clientCuts += 1
        case .loseDisk: loseDisk(node)
        default: break
        }
    }

    func endFault(_ place: Int) {
        guard phase == .safety, let running = runningFaults[place] else { return }
        runningFaults[place] = nil
        let fault = plan.faults[place]
        emit(.fault(index: place, begins: false))
        switch fault.action {
        case .partition: cut(running.cuts, by: -1)
        case .flapping: if running.isCutting { cut(running.cuts, by: -1) }
        case .clog:
            for link in running.cuts {
                network.links[link].clogs -= 1
                if network.links[link].clogs == 0 { unclog(link) }
            }
        case .loss(let rate): network.extraLoss -= rate
        case .delay(let span): network.extraDelay = network.extraDelay - span
        case .repeats(let span):
            if let place = network.extraCopies.firstIndex(of: span) { network.extraCopies.remove(at: place) }
        case .rush(let factor, let impatient, _):
            end(rush: Rush(factor: factor, isImpatient: impatient, node: running.nodes.first))
        default:
            for index in running.nodes { end(fault, on: nodes[index]) }
        }
    }

    private func end(_ fault: PlannedFault, on node: SimulatedNode) {
        switch fault.action {
        case .slowDisk(_, let factor):
            if let place = node.slownesses.firstIndex(of: factor) { node.slownesses.remove(at: place) }
            node.disk.latency.factor = node.slownesses.max() ?? 1
        case .diskFull: node.disk.capacity = .max
        case .diskError: node.disk.cancelInjections()
        case .drift: setRate(of: node, node.machine.drift)
        case .cutClients: node.clientCuts -= 1
        default: break
        }
    }

    func flap(_ place: Int) {
        guard phase == .safety, var running = runningFaults[place],
            case .flapping(_, let period) = plan.faults[place].action
        else { return }
        running.isCutting.toggle()
        cut(running.cuts, by: running.isCutting ? 1 : -1)
        runningFaults[place] = running
        queue.add(.flap(Int32(place)), at: time + period.nanoseconds)
    }

    // MARK: - Single ones

    private func crash(_ node: SimulatedNode, _ death: Death, for span: Instant.Span) {
        guard node.isAlive || node.state == .starting else { return }
        die(node, death)
        planStart(node, after: span)
    }

    private func transfer(to target: Int?, asking node: SimulatedNode) {
        guard node.state == .running else { return }
        deliver(.event(.transferLeadership(to: target.map { nodes[$0 % nodes.count].id })), to: node)
    }

    /// The clock runs at another rate: what was planned by it comes sooner or later.
    func setRate(of node: SimulatedNode, _ millionths: Int) {
        node.clock.setRate(millionths, at: time)
        guard node.state == .running else { return }
        turn(node)
        if node.isAlive { wakeLog(node) }
        if node.isAlive { wakeCheckpoint(node) }
    }

    private func damage(_ node: SimulatedNode, _ damage: FaultAction.Damage) {
        guard plan.fragile.contains(node.index) else { return }
        node.isInjured = true
        if damage.isSilent { node.isSilentlyInjured = true }
        switch damage {
        case .rotNewestSegment: rotNewestSegment(of: node)
        case .rotNewestCheckpoint: flipBit(in: node.disk.paths(ending: ".checkpoint").last, of: node)
        case .rotOldSegment: rotOldSegment(of: node)
        case .rotCheckpoint: node.disk.rot(.checkpoints, using: &node.random)
        case .unreadableCheckpoint: node.disk.spoil(.checkpoints, using: &node.random)
        case .misdirectedWrite: node.disk.inject(.misdirectedWrite, in: .segments)
        case .lostWrite: node.disk.inject(.lostWrite, in: .segments)
        case .flippedRead: node.disk.inject(.flippedRead, in: .segments)
        }
    }

    /// A bit flips in a segment that others follow: in the newest one, what is bad at the end can't be told
    /// from what was never finished.
    private func rotOldSegment(of node: SimulatedNode) {
        let paths = node.disk.paths(ending: ".log").dropLast()
        guard !paths.isEmpty else { return }
        flipBit(in: node.random.pick(Array(paths)), of: node)
    }

    /// A bit flips in a segment before what was last written and synced there, which tells that all before it
    /// had been durable.
    private func rotNewestSegment(of node: SimulatedNode) {
        // Behind the header, which is checked by itself, and not in the zeros that fill sectors up.
        let header = 512
        guard let last = node.disk.lastSyncedWrite, last.path.hasSuffix(".log"), last.offset > header,
            let bytes = node.disk.contents(last.path), last.offset <= bytes.count
        else { return }
        let drawn = node.random.number(in: header...last.offset - 1)
        guard let place = (drawn..<last.offset).first(where: { bytes[$0] != 0 }) else { return }
        node.disk.flip(bit: node.random.below(8), ofByte: place, in: last.path)
    }

    private func flipBit(in path: String?, of node: SimulatedNode) {
        guard let path, let count = node.disk.contents(path)?.count, count > 0 else { return }
        node.disk.flip(bit: node.random.below(8), ofByte: node.random.below(count), in: path)
    }

    /// A disk is gone. A voter that began anew with an empty one would have forgotten its votes and what it
    /// acknowledged, and nothing in the product could tell; so its operator does not start it again.
    private func loseDisk(_ node: SimulatedNode) {
        guard plan.fragile.contains(node.index), !node.isLost else { return }
        node.isInjured = true
        node.isSilentlyInjured = true
        die(node, .power)
        node.disk.wipe()
        node.isLost = true
    }

    // MARK: - Links

    private func cut(_ links: [Int], by change: Int) {
        for link in links { network.links[link].cuts += change }
    }

    /// The links that a partition cuts.
    private func links(of partition: Partition, _ resolved: [Int]) -> [Int] {
        var cuts: [Int] = []
        for from in nodes.indices {
            for to in nodes.indices where to != from && isCut(by: partition, resolved.first ?? 0, from, to) {
                cuts.append(network.place(from, to))
            }
        }
        return cuts
    }

    private func isCut(by partition: Partition, _ node: Int, _ from: Int, _ to: Int) -> Bool {
        func side(_ mask: UInt64, _ index: Int) -> Bool { mask >> UInt64(index) & 1 == 1 }
        switch partition {
        case .isolate(_, let sends, let hears):
            // `sends` means that sending is cut where hearing is not, and both where it is neither.
            let isBoth = sends && hears
            return (from == node && (isBoth || sends)) || (to == node && (isBoth || !sends))
        case .halves(let mask, let oneWay):
            let (a, b) = (side(mask, from), side(mask, to))
            return oneWay ? a && !b : a != b
        case .bridge(let bridge, let mask):
            return from != bridge && to != bridge && side(mask, from) != side(mask, to)
        case .duo(_, let offset):
            func isIn(_ index: Int) -> Bool { index == node || index == (node + offset) % nodes.count }
            return isIn(from) != isIn(to)
        case .pair(let a, let b, let oneWay):
            return (from == a && to == b) || (!oneWay && from == b && to == a)
        case .ring:
            let distance = (from - to + nodes.count) % nodes.count
            let reach = max(1, (nodes.count / 2 + 1) / 2)
            return min(distance, nodes.count - distance) > reach
        }
    }
}
