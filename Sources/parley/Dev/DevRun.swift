// The loop of `parley dev`: it waits for signals, for what nodes write and for its own deadlines, and shows
// what is worth seeing.

import Client
import Glibc
import Platform
import Primitives

/// A cluster on this machine while it runs.
struct DevRun: ~Copyable {
    private enum Phase: Equatable {
        /// Until somebody leads.
        case starting
        case running
        /// Until all nodes have ended.
        case stopping
    }

    private static let signalToken: UInt64 = 0
    /// How long nodes may take to stop before they are ended the hard way.
    private static let patience = Instant.Span.seconds(15)

    private let plan: DevPlan
    private let restarts: Bool
    private let signals: SignalSource
    private var poller: Poller
    private var nodes: [DevNode] = []
    private var client: ClusterClient<CurlTransport>
    private var phase = Phase.starting
    /// When the present phase has lasted too long.
    private var limit: Instant
    private var nextLook = Instant.zero
    private var shownLeader = ""
    private var failure: CommandFailure?

    /// Starts nothing yet. The signals are those that stop the cluster.
    init(plan: DevPlan, restarts: Bool, signals: consuming SignalSource, poller: consuming Poller) {
        self.plan = plan
        self.restarts = restarts
        self.signals = signals
        self.poller = poller
        limit = Clock.now() + .seconds(30)
        client = ClusterClient(
            endpoints: plan.nodes.compactMap { Endpoint($0.url) }, timeout: .milliseconds(600),
            carrier: CurlTransport())
    }

    /// Starts all nodes.
    private mutating func startAll() throws(SystemError) {
        try poller.add(signals.descriptor, token: DevRun.signalToken, for: .read)
        for node in plan.nodes { nodes.append(try DevNode(node, logTo: "\(plan.folder)/\(node.name).log")) }
        for place in nodes.indices { try start(place) }
    }

    /// Starts all nodes and runs until it was told to stop or the cluster can not go on.
    mutating func run() throws(CommandFailure) {
        Terminal.line("starting \(plan.nodes.count) nodes, data in \(plan.folder)")
        do throws(SystemError) {
            try startAll()
        } catch {
            // The nodes that did start learn of it when this process ends.
            throw CommandFailure(.failure, "cannot start the nodes: \(error)")
        }
        var ready: [Poller.Ready] = []
        while phase != .stopping || nodes.contains(where: \.isAlive) {
            poller.wait(until: deadline, into: &ready)
            for event in ready {
                if event.token == DevRun.signalToken { heedSignals() } else { read(Int(event.token) - 1) }
            }
            for place in nodes.indices { bury(place) }
            let now = Clock.now()
            if phase == .starting { look(at: now) }
            if phase == .running { restart(at: now) }
            if phase == .stopping && now >= limit { for node in nodes { node.child?.signal(SIGKILL) } }
        }
        if let failure { throw failure }
        Terminal.line("stopped; the data stay in \(plan.folder)")
    }

    private var deadline: Instant {
        let now = Clock.now()
        if nodes.contains(where: \.isDying) { return now + .milliseconds(10) }
        switch phase {
        case .starting: return nextLook
        case .running: return nodes.compactMap(\.restartAt).min() ?? .never
        case .stopping: return limit
        }
    }

    // MARK: Nodes

    private mutating func start(_ place: Int) throws(SystemError) {
        let child = try ChildProcess(arguments: plan.arguments(of: nodes[place].plan))
        nodes[place].started(child)
        try poller.add(child.output, token: UInt64(place + 1), for: .read)
    }

    private mutating func read(_ place: Int) {
        let (lines, ended) = nodes[place].readLines()
        for line in lines { show(line, from: nodes[place].plan.name) }
        if ended, let child = nodes[place].child { poller.remove(child.output) }
    }

    private mutating func bury(_ place: Int) {
        guard let child = nodes[place].child, let ending = child.reap() else { return }
        read(place)
        poller.remove(child.output)
        nodes[place].ended()
        let node = nodes[place].plan
        switch phase {
        case .stopping: break
        case .starting:
            let reason = nodes[place].lastWords.map { ": \($0)" } ?? "; see \(plan.folder)/\(node.name).log"
            stop(because: CommandFailure(.failure, "\(node.name) \(ending.description)\(reason)"))
        case .running:
            say("\(node.name) (process \(child.pid)) \(ending.description)")
            if restarts {
                nodes[place].restartAt = Clock.now() + .seconds(1)
            } else if nodes.contains(where: \.isAlive) {
                say(
                    "start it again with: parley "
                        + plan.arguments(of: node).dropLast(3 + plan.extra.count).joined(separator: " ")
                )
            } else {
                stop(
                    because: CommandFailure(
                        .failure, "all nodes are gone; their logs are \(plan.folder)/n*.log"))
            }
        }
    }

    private mutating func restart(at now: Instant) {
        for place in nodes.indices {
            guard let time = nodes[place].restartAt, now >= time else { continue }
            nodes[place].restartAt = nil
            do throws(SystemError) {
                try start(place)
                say("\(nodes[place].plan.name) was started again (process \(nodes[place].child?.pid ?? 0))")
            } catch {
                say("\(nodes[place].plan.name) can not be started again: \(error)")
            }
        }
    }

    // MARK: Stopping

    private mutating func heedSignals() {
        while signals.next() != nil {
            if phase == .stopping {
                for node in nodes { node.child?.signal(SIGKILL) }
            } else {
                Terminal.line("stopping; once more ends the nodes the hard way")
                stop(because: nil)
            }
        }
    }

    private mutating func stop(because failure: CommandFailure?) {
        self.failure = failure
        phase = .stopping
        limit = Clock.now() + DevRun.patience
        for node in nodes { node.child?.signal(SIGTERM) }
    }

    // MARK: Showing

    /// Looks whether the cluster has a leader yet.
    private mutating func look(at now: Instant) {
        guard now >= nextLook else { return }
        nextLook = now + .milliseconds(100)
        if let leader = try? client.leader() {
            phase = .running
            shownLeader = "\(leader.name) \(leader.term)"
            Terminal.line(DevText.welcome(plan, leader: leader.name, pids: nodes.map { $0.child?.pid ?? 0 }))
        } else if now >= limit {
            limit = .never
            say("no leader after 30 s; see \(plan.folder)/n*.log")
        }
    }

    private mutating func show(_ line: LogLine, from name: String) {
        guard phase != .starting || line.isTrouble && line.level != nil else { return }
        switch line.event {
        case "leader":
            // That a node knows no leader is told by its transitions already, with the reason.
            guard let winner = line.leader else { return }
            let leader = "\(winner) \(line.term ?? 0)"
            guard leader != shownLeader else { return }
            shownLeader = leader
            Terminal.line("\(line.clock)  \(winner) leads in term \(line.term ?? 0)")
        case "transition", "listening", "stopping", "warning":
            Terminal.line("\(line.clock)  \(name): \(line.message)")
        default:
            if line.isTrouble { Terminal.line("\(line.clock)  \(name): \(line.message)") }
        }
    }

    /// A line of our own among those of the nodes.
    private func say(_ text: String) {
        let time = Clock.wallTime().rfc3339.dropFirst(11).dropLast(1)
        Terminal.line("\(time)  \(text)")
    }
}
