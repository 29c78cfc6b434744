import ArgumentParser
import Client
import Glibc
import Histories
import Platform
import Primitives

/// Judges what clients of a cluster are told.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Judge whether a cluster keeps its promises to its clients.",
        discussion: """
            Many clients put, get, delete, count and list a few keys of their own on a cluster \
            that runs, through all of its endpoints at once. What they ask and are told is \
            written to a file, and then judged by two checkers: is there one order of all \
            operations that explains every answer? Stale reads may be old but must have been \
            true, and what was answered with "applied":"no" must not have happened.

              parley check
              parley check --endpoints http://a:7071,http://b:7071 --duration 5m
              parley check --history parley-check-20261122T105233120Z.jsonl

            Break things while it runs: kill nodes, pause them, cut links, fill disks. Whoever \
            gets no answer notes that nobody knows, and goes on elsewhere. Ctrl-C ends the \
            clients and judges what there is.

            Exit codes: 0 linearizable, 1 violation (the evidence is printed), 2 wrong usage or \
            no history file, 5 no verdict: the cluster gave no answers, the search came to its \
            limit, or it was stopped.
            """)

    @OptionGroup(title: "Cluster") var target: Target
    @OptionGroup(title: "Clients") var load: Load
    @OptionGroup(title: "Verdict") var output: Output

    struct Target: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "The nodes; all are asked. Environment: PARLEY_ENDPOINTS. (default: http://127.0.0.1:7071)",
                valueName: "url,…"))
        var endpoints: String?
        @Option(
            help: ArgumentHelp(
                "What the keys begin with; nobody else's may. (default: parley-check/ and a random number)",
                valueName: "text"))
        var prefix: String?
        @Flag(help: "Leave the keys there at the end. They always stay after a violation.") var keep = false
        @Flag(
            help: "Nobody else writes to the cluster meanwhile: each revision must be one of this check's.")
        var exclusive = false
    }

    struct Load: ParsableArguments {
        @Option(
            help: ArgumentHelp("How many clients, each with one operation at a time.", valueName: "number"))
        var clients = 10
        @Option(help: ArgumentHelp("How long they go on.", valueName: "time"))
        var duration = TimeSpan(.seconds(20))
        @Option(
            help: ArgumentHelp("End them after so many operations, if that is sooner.", valueName: "number"))
        var operations = 200_000
        @Option(
            help: ArgumentHelp(
                "Operations a second of all clients; 0: as fast as it goes.", valueName: "number"))
        var rate = 1000
        @Option(
            help: ArgumentHelp(
                "How many keys at a time; the fewer, the more contention. (default: one for eight clients, "
                    + "but at least 8)", valueName: "number"))
        var keys: Int?
        @Option(help: ArgumentHelp("Of 100 operations, how many are reads.", valueName: "number"))
        var reads = 50
        @Option(help: ArgumentHelp("Of 100 reads, how many may be stale.", valueName: "number"))
        var stale = 20
        @Option(help: ArgumentHelp("How long an operation may take.", valueName: "time"))
        var timeout = TimeSpan(.seconds(2))
        @Option(help: ArgumentHelp("Where the random choices begin. (default: random)", valueName: "number"))
        var seed: Seed?
    }

    struct Output: ParsableArguments {
        @Option(help: ArgumentHelp("Judge this file instead of a cluster.", valueName: "path"))
        var history: String?
        @Option(
            help: ArgumentHelp(
                "Where to write the history. (default: parley-check-<time>.jsonl in this folder)",
                valueName: "path"))
        var out: String?
        @Option(
            help: ArgumentHelp(
                "How many steps the search may take for a key before it gives up.", valueName: "number"))
        var steps = 4 * defaultSearchBudget
        @Flag(help: "Print the verdict as one JSON object; how it goes is told on standard error.")
        var json = false
    }

    func validate() throws {
        try check((1...1000).contains(load.clients), "--clients must be from 1 to 1000")
        try check(load.duration.span >= .milliseconds(100), "--duration must be at least 100ms")
        try check((1...1_000_000).contains(load.operations), "--operations must be from 1 to 1000000")
        try check(
            load.rate == 0 || (1...1_000_000).contains(load.rate), "--rate must be 0, or from 1 to 1000000")
        try check((1...1000).contains(load.keys ?? 8), "--keys must be from 1 to 1000")
        try check((0...100).contains(load.reads), "--reads must be from 0 to 100")
        try check((0...100).contains(load.stale), "--stale must be from 0 to 100")
        try check(
            (.milliseconds(10)...(.seconds(60))).contains(load.timeout.span),
            "--timeout must be from 10ms to 60s")
        try check(output.steps >= 1000, "--steps must be at least 1000")
        let length = target.prefix?.utf8.count ?? 1
        try check((1...1000).contains(length), "--prefix must have from 1 to 1000 bytes")
        try check(
            output.history == nil || output.out == nil, "--history and --out exclude each other")
    }

    private func check(_ holds: Bool, _ message: String) throws {
        guard holds else { throw ValidationError(message) }
    }

    func run() throws {
        let signals = try Self.running { () throws(SystemError) in
            try SignalSource([.terminate, .interrupt])
        }
        if let path = output.history {
            let history = try CheckFile.read(path)
            return try conclude(history, file: path, signals)
        }
        let plan = try plan(.process)
        var client = ClusterClient(
            endpoints: plan.endpoints, timeout: .seconds(5), carrier: CurlTransport())
        let start = try startRevision(plan, &client)
        let file = try CheckFile(output.out ?? CheckFile.name(at: Clock.wallTime()))
        tell(
            "\(plan.clients) clients, \(plan.keys.count) keys under \(plan.keys.prefix), seed "
                + "\(hex(plan.seed)); the history goes to \(file.path)")
        let (history, isCut) = try record(plan, from: start, signals)
        let failure = file.write(history)
        if let failure { tell("cannot write \(file.path): \(failure.reason)") }
        if isCut { tell("the number of operations has come to its limit; see --operations") }
        do {
            try conclude(history, file: failure == nil ? file.path : nil, signals)
        } catch let code as ExitCode {
            tell("the keys under \(plan.keys.prefix) are left as they are")
            throw code
        }
        if !target.keep { clean(plan, &client) }
    }

    /// Runs the clients, then asks every endpoint for everything. Tells, too, whether the number of
    /// operations ended them.
    private func record(
        _ plan: CheckPlan, from start: Revision, _ signals: borrowing SignalSource
    ) throws -> (History, isCut: Bool) {
        try Self.running { () throws(SystemError) in
            var run = try CheckRun(plan)
            let ending = try run.runClients(signals: signals) { tell($0) }
            for name in run.readEverything() { tell("\(name) gave no answer at the end") }
            let tally = run.tally
            if !tally.refused.isEmpty { tell("refused: \(CheckTally.words(tally.refused))") }
            if !tally.unknown.isEmpty { tell("unknown: \(CheckTally.words(tally.unknown))") }
            return (run.history(from: start), ending == .operations)
        }
    }

    /// Judges, tells the verdict and throws the exit code.
    private func conclude(
        _ history: History, file: String?, _ signals: borrowing SignalSource
    ) throws {
        guard history.operations.contains(where: { if case .ok = $0.outcome { true } else { false } }) else {
            throw Self.noVerdict("no operation was answered")
        }
        tell("judging \(history.operations.count) operations")
        let result = try Self.running { () throws(SystemError) in
            try CheckJudge.judge(history, budget: output.steps, signals: signals)
        }
        guard let result else {
            let place = file.map { "; the history is in \($0)" } ?? ""
            throw Self.noVerdict("stopped while judging\(place)")
        }
        let report = CheckReport(
            history: history, judgement: result.judgement, time: result.time, file: file)
        if output.json { Terminal.write(report.json) } else { Terminal.write(report.text, to: STDOUT_FILENO) }
        switch report.judgement.verdict {
        case .linearizable: return
        case .violation: throw ExitCode(ExitStatus.failure.rawValue)
        case .undecided(let doubt): throw Self.noVerdict("\(doubt); see --steps")
        }
    }

    /// A line on how it goes.
    private func tell(_ line: String) {
        Terminal.write(line + "\n", to: output.json ? STDERR_FILENO : STDOUT_FILENO)
    }

    /// Runs what needs the system. What the system refuses is no verdict: exit code 1 means a violation.
    private static func running<Result: ~Copyable>(
        _ body: () throws(SystemError) -> Result
    ) throws(CommandFailure) -> Result {
        do throws(SystemError) {
            return try body()
        } catch {
            throw noVerdict("\(error)")
        }
    }

    private static func noVerdict(_ reason: String) -> CommandFailure {
        CommandFailure(.unavailable, "no verdict: \(reason)")
    }

    // MARK: The cluster

    /// What to do, as the options and the environment say.
    func plan(_ environment: Environment) throws(CommandFailure) -> CheckPlan {
        let text = try environment.value(target.endpoints, "PARLEY_ENDPOINTS") ?? "http://127.0.0.1:7071"
        let endpoints: [Endpoint]
        switch Endpoint.list(text) {
        case .failure(let error): throw .usage("--endpoints: \(error)")
        case .success(let list): endpoints = list
        }
        let prefix = target.prefix ?? "parley-check/\(hexadecimal(Entropy.seed() >> 32, digits: 8))/"
        return CheckPlan(
            endpoints: endpoints, clients: load.clients,
            keys: CheckKeys(prefix: prefix, count: load.keys ?? max(8, load.clients / 8)),
            mix: CheckMix(reads: load.reads, stale: load.stale),
            seed: load.seed?.number ?? Entropy.seed(), duration: load.duration.span,
            operations: load.operations, rate: load.rate == 0 ? nil : Double(load.rate),
            timeout: load.timeout.span, isExclusive: target.exclusive)
    }

    /// The store's revision before the check; the keys of the check must not exist.
    private func startRevision(
        _ plan: CheckPlan, _ client: inout ClusterClient<CurlTransport>
    ) throws(CommandFailure) -> Revision {
        let page: ListPage
        do throws(ClientError) {
            page = try client.list(prefix: Array(plan.keys.prefix.utf8), keysOnly: true, limit: 1)
        } catch {
            throw Self.noVerdict("\(error)")
        }
        guard page.items.isEmpty else {
            throw .usage("--prefix: there are keys that begin with \(plan.keys.prefix)")
        }
        guard let revision = page.revision else { throw Self.noVerdict("the cluster tells no revision") }
        return revision
    }

    /// Takes the check's keys away.
    private func clean(_ plan: CheckPlan, _ client: inout ClusterClient<CurlTransport>) {
        do throws(ClientError) {
            _ = try client.succeed(Call("DELETE", "/kv", query: [("prefix", plan.keys.prefix)]))
        } catch {
            tell("the keys under \(plan.keys.prefix) could not be taken away: \(error)")
        }
    }
}
