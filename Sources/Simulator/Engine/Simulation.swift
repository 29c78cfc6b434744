// A whole cluster in one process and one thread: the product's own node, log and checkpoints, driven in
// virtual time. Everything follows from the plan.

import Consensus
import NodeCore
public import Primitives
import Replication
import Store
import WAL

/// A run of a simulated cluster.
public final class Simulation {
    /// What is to happen.
    public let plan: Plan
    /// True time since the run began.
    public var now: Instant { Instant(nanoseconds: time) }
    /// What part of the run it is.
    public internal(set) var phase = Phase.safety
    /// The nodes, in the order of their numbers.
    public internal(set) var nodes: [SimulatedNode] = []
    /// What clients have asked, in the order of asking.
    public internal(set) var operations: [OperationRecord] = []
    /// What has happened so far.
    public internal(set) var statistics = Statistics()
    /// A checksum of all that has happened so far.
    public internal(set) var hash = TraceHash()
    /// The nodes of which progress is demanded, once the faults are over.
    public internal(set) var core: [Int] = []

    var time: Int64 = 0
    var queue = EventQueue()
    var network: Network
    var clients: [SimulatedClient] = []
    var observers: [any Observer]
    var violation: (Violation, step: UInt64, at: Instant)?
    var isOver = false
    private var stepNumber: UInt64 = 0

    // Of the turn that is taken.
    var events: [NodeEvent] = []
    var effects: [NodeEffect] = []

    /// Revisions that are no part of the history.
    var otherRevisions = OtherRevisions()

    // What the faults do.
    var runningFaults: [RunningFault?]
    var rushes: [Rush] = []

    // Of the end.
    var progress = Progress()

    /// Builds the cluster.
    ///
    /// - Parameter observers: asked after each step, in this order.
    public init(plan: Plan, observers: [any Observer] = []) {
        self.plan = plan
        self.observers = observers
        network = Network(count: plan.nodeCount, plan: plan.network, seed: plan.seeds.network)
        runningFaults = [RunningFault?](repeating: nil, count: plan.faults.count)
        var disks = SeededGenerator(seed: plan.seeds.disks)
        var seeds = SeededGenerator(seed: plan.seeds.nodes)
        let voters = (1...UInt64(plan.nodeCount)).map { NodeID($0) }
        for index in 0..<plan.nodeCount {
            let disk = SimulatedDisk(seed: disks.next(), folders: ["/data"])
            disk.latency = DiskLatency(sync: plan.machines[index].sync)
            var options = plan.knobs.raft
            options.id = voters[index]
            var settings = RestoreSettings(
                dataDirectory: "/data/n", nodeName: "n\(index + 1)", cluster: Self.cluster, voters: voters,
                options: options)
            settings.replicaLimits = plan.knobs.replica
            if plan.machines[index].isLazy {
                settings.replicaLimits.checkpointLogBytes = Replica.Limits().checkpointLogBytes
            }
            settings.logLimits = plan.knobs.log
            settings.storeLimits = plan.knobs.store
            nodes.append(
                SimulatedNode(
                    index: index, disk: disk, settings: settings, machine: plan.machines[index],
                    seed: seeds.next()))
        }
        for client in plan.clients {
            let seed = plan.seeds.clients ^ UInt64(client.number + 1) &* 0x9e37_79b9_7f4a_7c15
            clients.append(SimulatedClient(plan: client, coordination: plan.coordination, seed: seed))
        }
        core = plan.core
    }

    static let cluster = ClusterID(0x5157_0000_0000_0001)

    /// Runs to the end.
    public func run() -> RunOutcome {
        begin()
        while !isOver, violation == nil, let (at, due) = queue.take() {
            time = at
            statistics.events += 1
            hash.add(at)
            handle(due)
        }
        if violation == nil { finish() }
        if violation == nil { judgeHistory() }
        statistics.runs = 1
        statistics.virtualTime = time
        statistics.steps = stepNumber
        return RunOutcome(
            violation: violation?.0, step: violation?.step ?? stepNumber, at: violation?.at ?? now,
            hash: hash,
            statistics: statistics)
    }

    private func begin() {
        emit(.phase(.safety))
        for node in nodes { start(node) }
        for place in plan.faults.indices {
            queue.add(.fault(Int32(place)), at: plan.faults[place].at.nanoseconds)
        }
        for place in clients.indices {
            let delay = clients[place].random.span(.zero, clients[place].plan.think + .seconds(1))
            clients[place].asksAt = delay.nanoseconds
            queue.add(.client(Int32(place)), at: delay.nanoseconds)
        }
        queue.add(.heal, at: plan.safety.nanoseconds)
    }

    private func finish() {
        for observer in observers where violation == nil {
            do throws(Violation) {
                try observer.end(self)
            } catch {
                note(error)
            }
        }
    }

    /// Ends the run with a violation.
    func note(_ found: Violation) {
        if violation == nil { violation = (found, stepNumber, now) }
    }

    func fail(_ invariant: String, _ details: String) {
        note(Violation(invariant: invariant, details: details))
    }

    /// Shows a step to the observers.
    func emit(_ what: consuming Step.What) {
        guard violation == nil else { return }
        stepNumber += 1
        guard !observers.isEmpty else { return }
        let step = Step(number: stepNumber, time: now, what: what)
        for observer in observers {
            do throws(Violation) {
                try observer.observe(step, in: self)
            } catch {
                return note(error)
            }
        }
    }

    /// Whether steps that nobody needs but observers are worth making.
    var isObserved: Bool { !observers.isEmpty }
}

/// How a run ended.
public struct RunOutcome: Sendable {
    /// What was violated; nil if nothing was.
    public let violation: Violation?
    /// The last step.
    public let step: UInt64
    /// When that was.
    public let at: Instant
    /// The checksum of the run.
    public let hash: TraceHash
    /// What has happened.
    public let statistics: Statistics
}
