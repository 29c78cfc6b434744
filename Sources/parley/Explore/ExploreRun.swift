// Some scopes, each searched by a process of its own.

import Glibc
import Platform
import Primitives
import Simulator

struct ExploreRun: ~Copyable {
    private let scopes: [SmallScope.Scope]
    private let arguments: [String]
    private let started = Clock.now()
    private let deadline: Instant
    private var poller: Poller
    private var workers: [Worker?]
    private var next = 0
    private var rows: [Int: [String]] = [:]
    private var states = 0
    private var failures = 0
    private var shownAt = Clock.now()

    /// A process, and what it has said of its scope.
    private struct Worker {
        let scope: Int
        let process: ChildProcess
        let started = Clock.now()
        var splitter = LineSplitter()
        var progress: SmallScope.Progress?
        var core: (state: Int, step: UInt32)?
        var violation: (depth: Int, invariant: String, text: String)?
        var trace: [String] = []
        var ending: SmallScope.Ending?
        var lastWords: [String] = []
        var hasEnded = false
    }

    init(
        scopes: [SmallScope.Scope], arguments: [String], jobs: Int, minutes: Int?
    ) throws(CommandFailure) {
        self.scopes = scopes
        self.arguments = arguments
        deadline = minutes.map { Clock.now() + .seconds(60 * $0) } ?? .never
        poller = try system("cannot wait for processes") { () throws(SystemError) in try Poller(batch: 64) }
        workers = [Worker?](repeating: nil, count: min(jobs, scopes.count))
    }

    /// Searches all. False if a promise is broken.
    mutating func run() throws(CommandFailure) -> Bool {
        var ready: [Poller.Ready] = []
        while true {
            let isOver = Clock.now() >= deadline
            for place in workers.indices where workers[place] == nil && !isOver { try start(place) }
            guard workers.contains(where: { $0 != nil }) else { break }
            if isOver { for worker in workers { worker?.process.signal(SIGTERM) } }
            poller.wait(until: min(deadline, Clock.now() + .milliseconds(500)), into: &ready)
            for event in ready { read(Int(event.token)) }
            showProgress()
        }
        if Terminal.isInteractive { Terminal.write("\r\u{1b}[K", to: STDOUT_FILENO) }
        summarize()
        return failures == 0
    }

    private mutating func start(_ place: Int) throws(CommandFailure) {
        guard next < scopes.count else { return }
        let words = ["explore", "--worker", "--scope", scopes[next].name] + arguments
        let process = try system("cannot start a process") { () throws(SystemError) in
            try ChildProcess(arguments: words)
        }
        try system("cannot wait for a process") { () throws(SystemError) in
            try poller.add(process.output, token: UInt64(place), for: .read)
        }
        workers[place] = Worker(scope: next, process: process)
        next += 1
    }

    /// Reads what a process has written, and settles its scope if that was all.
    private mutating func read(_ place: Int) {
        guard var worker = workers[place] else { return }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while !worker.hasEnded {
            let count = Glibc.read(worker.process.output.number, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { break }
            worker.hasEnded = count <= 0
            for line in count > 0 ? worker.splitter.add(chunk[..<count]) : [worker.splitter.finish()] {
                take(String(decoding: line, as: UTF8.self), &worker)
            }
        }
        workers[place] = worker
        guard worker.hasEnded else { return }
        poller.remove(worker.process.output)
        while worker.process.reap() == nil { usleep(1000) }
        workers[place] = nil
        settle(worker)
    }

    private func take(_ text: String, _ worker: inout Worker) {
        switch ExploreWorker.Line(text) {
        case .core(let state, let step): worker.core = (state, step)
        case .progress(let progress): worker.progress = progress
        case .violation(let depth, let invariant, let text): worker.violation = (depth, invariant, text)
        case .step(let text): worker.trace.append(text)
        case .end(let ending): worker.ending = ending
        case nil: if !text.isEmpty { worker.lastWords.append(Terminal.printable(Array(text.utf8))) }
        }
    }

    // MARK: - Telling

    private mutating func settle(_ worker: Worker) {
        let scope = scopes[worker.scope]
        let took = Clock.now() - worker.started
        var ending = worker.ending
        if ending == nil && Clock.now() >= deadline { ending = .interrupted }
        states += worker.progress?.states ?? 0
        rows[worker.scope] = row(scope, worker.progress, ending, took)
        if let violation = worker.violation {
            failures += 1
            tell(scope, "\(violation.invariant): \(violation.text)", worker.trace)
        } else if ending == nil {
            failures += 1
            let words = worker.lastWords.first ?? worker.process.reap()?.description ?? "no last words"
            var trace: [String] = []
            if let core = worker.core {
                trace = SmallScope.trace(scope.bounds, to: core.state, step: core.step)
            }
            tell(scope, "the process stopped: \(words)", trace)
        }
    }

    private func tell(_ scope: SmallScope.Scope, _ text: String, _ trace: [String]) {
        if Terminal.isInteractive { Terminal.write("\r\u{1b}[K", to: STDOUT_FILENO) }
        Terminal.line("\(scope.name): \(text)")
        for line in trace { Terminal.line("  " + line) }
        Terminal.line("  again: parley explore --scope \(scope.name) " + arguments.joined(separator: " "))
        Terminal.line()
    }

    private func row(
        _ scope: SmallScope.Scope, _ progress: SmallScope.Progress?, _ ending: SmallScope.Ending?,
        _ took: Instant.Span
    ) -> [String] {
        let words =
            switch ending {
            case .complete: "complete"
            case .violation: "a promise is broken"
            case .states: "as many states as asked for"
            case .memory: "no more memory"
            case .interrupted: "out of time"
            case nil: "the process stopped"
            }
        guard let progress else { return [scope.name, "", "", "", "", "", words] }
        let rate = progress.states * 1000 / max(1, Int(took.milliseconds))
        return [
            scope.name, "\(progress.states)", "\(progress.depth)", "\(progress.transitions)",
            "\(progress.nodeStates)", "\(rate)", words,
        ]
    }

    private mutating func showProgress() {
        let now = Clock.now()
        let isInteractive = Terminal.isInteractive
        guard now - shownAt > (isInteractive ? .milliseconds(500) : .seconds(60)) else { return }
        shownAt = now
        var parts: [String] = []
        for worker in workers {
            guard let worker, let progress = worker.progress else { continue }
            parts.append("\(scopes[worker.scope].name): \(progress.states) to depth \(progress.depth)")
        }
        let line = parts.joined(separator: "; ")
        Terminal.write(isInteractive ? "\r\u{1b}[K" + line : line + "\n", to: STDOUT_FILENO)
    }

    private func summarize() {
        let header = ["scope", "states", "depth", "steps", "node states", "states/s", "end"]
        let body = scopes.indices.compactMap { rows[$0] }
        Terminal.write(Terminal.table([header] + body), to: STDOUT_FILENO)
        let seconds = (Clock.now() - started).milliseconds / 1000
        let left = scopes.count - body.count
        var text = "\(states) states in \(seconds) s, "
        text += failures == 0 ? "no promise broken" : "\(failures) scopes with a broken promise"
        if left > 0 { text += "; \(left) scopes were not begun" }
        Terminal.line(text)
    }
}
