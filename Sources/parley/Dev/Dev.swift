import ArgumentParser
import Logging
import Platform

/// Runs a whole cluster on this machine.
struct Dev: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a cluster on this machine, and show what happens in it.",
        discussion: """
            Starts the nodes n1, n2, … as processes of their own on the loopback interface, \
            waits until they have elected a leader, prints requests to try, and then shows \
            elections and failures as they happen. Kill a node to see one: its process id is \
            printed beside it.

            Ctrl-C stops all nodes; their data stay in the folder and are there again at the \
            next start.
            """)

    @Option(help: ArgumentHelp("How many nodes, from 1 to 9.", valueName: "number"))
    var nodes = 3

    @Option(help: ArgumentHelp("The first node's port; the others follow.", valueName: "port"))
    var port = 7071

    @Option(help: ArgumentHelp("The folder for the nodes' data and logs.", valueName: "folder"))
    var dataDir = ".parley-dev"

    @Flag(help: "Start a node again, after a second, when it has died.")
    var restart = false

    @Option(
        help: ArgumentHelp(
            "How long followers wait for a leader before they elect one. (default: 500ms)", valueName: "time")
    )
    var electionTimeout: TimeSpan?

    @Option(
        help: ArgumentHelp("How often a leader shows that it lives. (default: 100ms)", valueName: "time"))
    var heartbeatInterval: TimeSpan?

    @Flag(help: "Let faults be set on links, and nodes be paused: see parley fault.")
    var enableFaults = false

    @Option(
        help: ArgumentHelp("The least level of lines in the nodes' logs. (default: info)", valueName: "level")
    )
    var logLevel: Logger.Level?

    func run() throws {
        let plan = try plan()
        let lock = try plan.claimFolder()
        try plan.checkPorts()
        let signals = try system("cannot receive signals") { () throws(SystemError) in
            try SignalSource([.terminate, .interrupt, .hangUp])
        }
        let poller = try system("cannot wait for nodes") { () throws(SystemError) in try Poller(batch: 16) }
        var run = DevRun(plan: plan, restarts: restart, signals: signals, poller: poller)
        try run.run()
        _ = lock.number  // The folder is ours until here.
    }

    /// What the options ask for.
    func plan() throws(CommandFailure) -> DevPlan {
        var extra: [String] = []
        if let electionTimeout { extra += ["--election-timeout", electionTimeout.defaultValueDescription] }
        if let heartbeatInterval {
            extra += ["--heartbeat-interval", heartbeatInterval.defaultValueDescription]
        }
        if enableFaults { extra.append("--enable-faults") }
        if let logLevel { extra += ["--log-level", logLevel.rawValue] }
        return try DevPlan(nodes: nodes, port: port, folder: dataDir, extra: extra)
    }
}
