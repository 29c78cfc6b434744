// Many seeds, shared among processes: the parent hands out batches, counts, and tells of failures.

import Platform
import Primitives
import Simulator

struct SimulateMany: ~Copyable {
    /// Seeds that one process runs before it gives way to a new one.
    private static let batch = 64
    /// Failures that are told in full; others are only named.
    private static let told = 3

    private let trial: SimulateTrial
    private let first: UInt64
    private let count: Int
    private let stopsAtFirst: Bool
    private let tries: Int
    private let showsMarks: Bool
    private let twice: Bool
    private let started = Clock.now()
    private let deadline: Instant

    private var poller: Poller
    private var workers: [Worker?]
    private var next = 0
    private var total = Statistics()
    private var failures: [Failure] = []
    private var marks = MarkCounts()
    /// The hash of each run by its number, mixed so that the order in which they end means nothing.
    private var hashes: UInt64 = 0
    private var toRepeat: [(seed: UInt64, hash: TraceHash)] = []
    private var isStopping = false
    private var shownAt: Instant

    struct Failure {
        var seed: UInt64
        var invariant: String
        var details: String
        var at: Instant?
    }

    struct Worker {
        var child: SimulateChild
        /// The number of the first seed that it has not begun, and the end of its share.
        var numbers: Range<Int>
        var current: UInt64?
        var lastWords = ""
    }

    init(
        trial: SimulateTrial, first: UInt64, count: Int, jobs: Int, minutes: Int?, stopsAtFirst: Bool,
        tries: Int, showsMarks: Bool, twice: Bool
    ) throws(CommandFailure) {
        self.trial = trial
        self.first = first
        self.count = count
        self.stopsAtFirst = stopsAtFirst
        self.tries = tries
        self.showsMarks = showsMarks
        self.twice = twice
        deadline = minutes.map { Clock.now() + .seconds(60 * $0) } ?? .never
        shownAt = Clock.now()
        poller = try system("cannot wait for processes") { () throws(SystemError) in try Poller(batch: 64) }
        workers = [Worker?](repeating: nil, count: jobs)
    }

    /// Runs all. False if any fails.
    mutating func run() throws(CommandFailure) -> Bool {
        let many = count == .max ? "seeds" : "\(count) seeds"
        Terminal.line(
            "\(many) from \(hex(first)) on, profile \(trial.profile.rawValue), \(workers.count) processes")
        var ready: [Poller.Ready] = []
        while true {
            if Clock.now() >= deadline { isStopping = true }
            for place in workers.indices where workers[place] == nil { try start(place) }
            guard workers.contains(where: { $0 != nil }) else { break }
            poller.wait(until: Clock.now() + .milliseconds(500), into: &ready)
            for event in ready { read(Int(event.token)) }
            showProgress()
            if isStopping { stopWorkers() }
        }
        if Terminal.isInteractive { Terminal.write("\r\u{1b}[K", to: 1) }
        try compare()
        summarize()
        for failure in failures.prefix(Self.told) where !stopsAtFirst || tries > 0 { try tell(failure) }
        return failures.isEmpty && hasSeenEnough()
    }

    // MARK: - Processes

    private mutating func start(_ place: Int) throws(CommandFailure) {
        guard !isStopping, next < count else { return }
        let end = count - next > Self.batch ? next + Self.batch : count
        let numbers = next..<end
        next = end
        workers[place] = try worker(numbers, place)
    }

    private mutating func worker(_ numbers: Range<Int>, _ place: Int) throws(CommandFailure) -> Worker {
        var arguments = [
            "--worker", "--from", hex(first &+ UInt64(numbers.lowerBound)), "--seeds", "\(numbers.count)",
        ]
        if showsMarks { arguments.append("--marks") }
        let child = try system("cannot start a process") { () throws(SystemError) in
            try SimulateChild(arguments + trial.arguments)
        }
        try system("cannot wait for a process") { () throws(SystemError) in
            try poller.add(child.process.output, token: UInt64(place), for: .read)
        }
        return Worker(child: child, numbers: numbers)
    }

    private mutating func read(_ place: Int) {
        guard var worker = workers[place] else { return }
        for line in worker.child.readLines() { take(line, &worker) }
        workers[place] = worker
        guard worker.child.hasEnded else { return }
        poller.remove(worker.child.process.output)
        let ending = worker.child.waitForEnd()
        workers[place] = nil
        guard !isStopping || worker.current == nil else { return }
        if let seed = worker.current {
            // It died in the middle of a run.
            let words = worker.lastWords.isEmpty ? ending.description : worker.lastWords
            fail(Failure(seed: seed, invariant: "trap", details: words, at: nil))
        }
        guard !isStopping, !worker.numbers.isEmpty else { return }
        // The rest of its share.
        workers[place] = try? self.worker(worker.numbers, place)
    }

    private mutating func take(_ text: String, _ worker: inout Worker) {
        switch SimulateWorker.Line(text) {
        case .begins(let seed):
            worker.current = seed
            worker.numbers = worker.numbers.dropFirst()
        case .passed(let seed, let hash, let statistics):
            worker.current = nil
            note(seed, hash, statistics)
        case .failed(let seed, let at, let hash, let statistics, let invariant, let details):
            worker.current = nil
            note(seed, hash, statistics)
            fail(Failure(seed: seed, invariant: invariant, details: details, at: at))
        case .marks(let counts): marks.merge(counts)
        case nil: worker.lastWords = Terminal.printable(Array(text.utf8))
        }
    }

    private mutating func note(_ seed: UInt64, _ hash: TraceHash, _ statistics: Statistics) {
        total.add(statistics)
        hashes &+= fnv1a("\(seed) \(hash)".utf8)
        if twice, (seed &- first) % 100 == 0 { toRepeat.append((seed, hash)) }
    }

    private mutating func fail(_ failure: Failure) {
        failures.append(failure)
        let number = failure.seed &- first
        Terminal.line(
            "failed: seed \(hex(failure.seed)) (number \(number) of the range) invariant "
                + "\(failure.invariant): \(failure.details)")
        Terminal.line("  run it again: \(trial.command(failure.seed))")
        if stopsAtFirst { isStopping = true }
    }

    private func stopWorkers() {
        for worker in workers { worker?.child.process.signal(15) }
    }

    // MARK: - Telling

    private mutating func showProgress() {
        let now = Clock.now()
        let isInteractive = Terminal.isInteractive
        guard now - shownAt > (isInteractive ? .milliseconds(500) : .seconds(60)) else { return }
        shownAt = now
        let line = "\(total.runs) seeds, \(rate) a minute, \(failures.count) failed"
        Terminal.write(isInteractive ? "\r\u{1b}[K" + line : line + "\n", to: 1)
    }

    /// Seeds a minute.
    private var rate: Int {
        let span = max(1, (Clock.now() - started).milliseconds)
        return total.runs * 60_000 / Int(span)
    }

    /// Runs some seeds once more, each in a process of its own: the hash of a run must not depend on the
    /// process.
    private mutating func compare() throws(CommandFailure) {
        for (seed, hash) in toRepeat {
            var found: TraceHash?
            let arguments = ["--worker", "--from", hex(seed), "--seeds", "1"] + trial.arguments
            let child = try system("cannot start a process") { () throws(SystemError) in
                try SimulateChild(arguments)
            }
            _ = child.finish { line in
                switch SimulateWorker.Line(line) {
                case .passed(_, let hash, _), .failed(_, _, let hash, _, _, _): found = hash
                default: break
                }
            }
            guard found != hash else { continue }
            let again = found.map { "\($0)" } ?? "nothing"
            fail(
                Failure(
                    seed: seed, invariant: "determinism", details: "hash \(hash), then \(again)", at: nil))
        }
    }

    private func summarize() {
        let hours = total.virtualTime / 1_000_000_000
        Terminal.line(
            "\(total.runs) seeds, \(failures.count) failed, \(rate) a minute; \(hours / 3600) h "
                + "\(hours / 60 % 60) min \(hours % 60) s of virtual time")
        Terminal.line(
            "\(total.operations) operations: \(total.answered) answered, \(total.refused) refused, "
                + "\(total.unknown) unknown; \(total.events) events, \(total.turns) turns, "
                + "\(total.posts) requests between nodes")
        Terminal.line(
            "\(total.elections) elections, \(total.checkpoints) checkpoints, \(total.installs) snapshots "
                + "installed, \(total.refusals) starts refused, \(total.silentLosses) silent losses")
        Terminal.line("faults: " + total.faults.map { "\($0.kind) \($0.count)" }.joined(separator: ", "))
        if !toRepeat.isEmpty { Terminal.line("\(toRepeat.count) seeds were run twice and compared") }
        Terminal.line("hash of all: \(hexadecimal(hashes, digits: 16))")
        if showsMarks { for line in marks.report(for: trial.profile) { Terminal.line(line) } }
    }

    /// Whether each rare state was seen, if they were counted over runs enough.
    private func hasSeenEnough() -> Bool {
        guard showsMarks else { return true }
        let rare = marks.shortfall(in: trial.profile)
        for mark in rare {
            Terminal.line("failed: rare state \(mark) seen \(marks[mark]) times in \(marks.total) runs")
        }
        return rare.isEmpty
    }

    private func tell(_ failure: Failure) throws(CommandFailure) {
        Terminal.line()
        Terminal.line("seed \(hex(failure.seed)): \(failure.invariant): \(failure.details)")
        try SimulateReport(trial: trial, seed: failure.seed, tries: tries).tell(
            invariant: failure.invariant, at: failure.at)
    }
}
