import ArgumentParser
import Client
import Glibc
import Platform
import Primitives
import Telemetry

/// Measures a cluster, or the links of one.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how fast a cluster answers, or what a link carries.",
        discussion: "Without a subcommand a cluster is measured: parley bench cluster --help.",
        subcommands: [BenchCommand.self, LinksBench.self], defaultSubcommand: BenchCommand.self)
}

/// Measures a cluster.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Measure how fast a cluster answers.",
        discussion: """
            Stores keys under a prefix of its own (they are left there), then measures one \
            operation after the other over connections that stay open, spread over the \
            endpoints:

              put     puts of random keys
              get     linearizable reads
              stale   reads that need not be fresh
              mixed   linearizable reads with some puts among them
              range   linearizable reads of many keys in their order

            Without --rate each connection sends its next request when it has the answer to \
            the last: this shows the most that the cluster can do. With --rate requests are \
            due at fixed times and a latency counts from then, so that a server which stands \
            still is charged for all that it delayed.

              parley bench put get --connections 64 --duration 10s
              parley bench put --rate 5000 --pids $(pgrep -d, parley)
              parley bench --etcd --endpoints http://127.0.0.1:2379
            """)

    @Argument(help: ArgumentHelp("What to measure. (default: all)", valueName: "operation"))
    var operations: [BenchOperation] = []

    @OptionGroup(title: "Target") var target: Target
    @OptionGroup(title: "Load") var load: Load

    @Flag(help: "Print one JSON object a line for each measurement.") var json = false

    struct Target: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "The servers. Environment: PARLEY_ENDPOINTS. (default: http://127.0.0.1:7071)",
                valueName: "url,…"))
        var endpoints: String?
        @Flag(help: "The servers speak etcd's v3 JSON (/v3/kv/put and /v3/kv/range).") var etcd = false
        @Option(
            help: ArgumentHelp(
                "Processes on this machine whose processor time is the servers'.", valueName: "pid,…"))
        var pids: String?
    }

    struct Load: ParsableArguments {
        @Option(help: ArgumentHelp("How many connections.", valueName: "number")) var connections = 64
        @Option(
            help: ArgumentHelp(
                "Requests a second, at fixed times; else as fast as it goes.", valueName: "number"))
        var rate: Double?
        @Option(help: ArgumentHelp("How long to measure each operation.", valueName: "time"))
        var duration = TimeSpan(.seconds(5))
        @Option(help: ArgumentHelp("How long to run before that.", valueName: "time"))
        var warmUp = TimeSpan(.milliseconds(500))
        @Option(help: ArgumentHelp("How many keys.", valueName: "number")) var keys = 10_000
        @Option(help: ArgumentHelp("How many bytes a value has.", valueName: "number")) var valueSize = 256
        @Option(help: ArgumentHelp("How many keys a range has.", valueName: "number")) var range = 100
        @Option(help: ArgumentHelp("How many of 100 mixed requests are puts.", valueName: "number"))
        var writePercent = 10
        @Option(help: ArgumentHelp("What the keys begin with.", valueName: "text")) var prefix = "bench/"
        @Option(help: ArgumentHelp("Give a request up after this.", valueName: "time"))
        var timeout = TimeSpan(.seconds(10))
        @Option(help: ArgumentHelp("Where the random choices begin.", valueName: "number")) var seed: UInt64 =
            1
        @Flag(help: "Do not store the keys first: they are there.") var noLoad = false
    }

    func validate() throws {
        try check((1...10_000).contains(load.connections), "--connections must be from 1 to 10000")
        try check(
            load.rate.map { $0 >= 0.1 && $0 <= 10_000_000 } ?? true, "--rate must be from 0.1 to 10000000")
        try check(load.duration.span >= .milliseconds(10), "--duration must be at least 10ms")
        try check((1...10_000_000).contains(load.keys), "--keys must be from 1 to 10000000")
        try check((0...1_572_864).contains(load.valueSize), "--value-size must be from 0 to 1572864")
        try check((1...10_000).contains(load.range), "--range must be from 1 to 10000")
        try check((0...100).contains(load.writePercent), "--write-percent must be from 0 to 100")
        try check(load.timeout.span > .zero, "--timeout must be more than nothing")
        _ = try processes()
    }

    func run() throws {
        let poller = try system("cannot wait for answers") { () throws(SystemError) in try Poller(batch: 1024)
        }
        var run = BenchRun(
            targets: try targets(.process), connections: load.connections, workload: workload,
            requestTimeout: load.timeout.span, pids: try processes(), poller: poller)
        try run.connect()
        if !load.noLoad { try run.load() }
        var results: [BenchResult] = []
        for operation in operations.isEmpty ? BenchOperation.allCases : operations {
            let result = run.measure(
                operation, rate: load.rate, warmUp: load.warmUp.span, duration: load.duration.span)
            if json { Terminal.write(result.json + [10]) }
            results.append(result)
        }
        if !json { show(results) }
        let broken = results.first { $0.latency.count == 0 }
        if let broken {
            throw CommandFailure(
                .unavailable, "no \(broken.operation.rawValue) succeeded: \(broken.firstError ?? "no answer")"
            )
        }
    }

    private func show(_ results: [BenchResult]) {
        Terminal.write(Terminal.table([BenchResult.header] + results.map(\.row)), to: STDOUT_FILENO)
        for result in results {
            if let error = result.firstError {
                Terminal.line("\(result.operation.rawValue): the first failure was: \(error)")
            }
            if result.unsent > 0 {
                Terminal.line(
                    "\(result.operation.rawValue): \(result.unsent) requests were due and could not be sent")
            }
            if result.clientLoad > 0.9 {
                Terminal.line(
                    "\(result.operation.rawValue): the generator itself was busy; the server may do better")
            }
        }
    }

    private var workload: Workload {
        Workload(
            dialect: target.etcd ? .etcd : .native, keys: load.keys, valueSize: load.valueSize,
            rangeSize: load.range, writePercent: load.writePercent, prefix: load.prefix, seed: load.seed)
    }

    /// The servers to measure.
    func targets(_ environment: Environment) throws(CommandFailure) -> [BenchTarget] {
        let text = try environment.value(target.endpoints, "PARLEY_ENDPOINTS") ?? "http://127.0.0.1:7071"
        switch Endpoint.list(text) {
        case .failure(let error): throw .usage("--endpoints: \(error)")
        case .success(let endpoints):
            var targets: [BenchTarget] = []
            for endpoint in endpoints { targets.append(try BenchTarget(endpoint)) }
            return targets
        }
    }

    private func processes() throws -> [Int32] {
        guard let pids = target.pids else { return [] }
        return try pids.split(separator: ",").map { text in
            guard let pid = Int32(text), ProcessTimes.used(by: pid) != nil else {
                throw ValidationError("--pids: there is no process \(text)")
            }
            return pid
        }
    }

    private func check(_ holds: Bool, _ message: String) throws {
        guard holds else { throw ValidationError(message) }
    }
}
