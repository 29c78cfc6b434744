import Platform
import Primitives
import Simulator

/// One seed in this process, and what is to be told of a failure.
struct SimulateOne {
    var trial: SimulateTrial
    var seed: UInt64
    var tries: Int

    /// Runs it. False if it fails.
    func run(trace: Bool) throws(CommandFailure) -> Bool {
        let plan = trial.plan(seed)
        for line in plan.description { Terminal.line(line) }
        if trace {
            Terminal.line()
            for line in TraceLines.legend { Terminal.line(line) }
            Terminal.line()
        }
        var observers: [any Observer] = [Chronicler(seed: seed)]
        if trace { observers.insert(TraceLines { Terminal.line($0) }, at: 0) }
        let simulation = Simulation(plan: plan, observers: observers)
        let outcome = simulation.run()
        let statistics = outcome.statistics
        Terminal.line()
        Terminal.line(
            "\(outcome.step) steps in \(secondsText(outcome.at)) virtual seconds, "
                + "\(statistics.operations) operations (\(statistics.answered) answered, "
                + "\(statistics.refused) refused, \(statistics.unknown) unknown), "
                + "\(statistics.elections) elections, \(statistics.checkpoints) checkpoints, "
                + "\(statistics.installs) snapshots installed")
        Terminal.line("trace hash \(outcome.hash)")
        guard let violation = outcome.violation else {
            Terminal.line("passed")
            return true
        }
        Terminal.line("failed at \(secondsText(outcome.at)) s: \(violation)")
        if !trace {
            try SimulateReport(trial: trial, seed: seed, tries: tries).tell(
                invariant: violation.invariant, at: outcome.at)
        }
        return false
    }
}

/// As in `12.345`.
func secondsText(_ instant: Instant) -> String {
    let milliseconds = instant.nanoseconds / 1_000_000
    return "\(milliseconds / 1000).\(String(1000 + milliseconds % 1000).dropFirst())"
}

/// Tells all about a seed that fails: its last steps, and a smaller run that fails in the same way. The runs
/// are other processes, because a run may stop the process it is in.
struct SimulateReport {
    /// How many of the last steps are told.
    private static let lines = 60

    var trial: SimulateTrial
    var seed: UInt64
    var tries: Int

    func tell(invariant: String, at: Instant?) throws(CommandFailure) {
        var smaller = trial
        if tries > 0 {
            let plan = trial.plan(seed)
            var minimizer = Minimizer(plan: plan, invariant: invariant, limit: tries) { reduction in
                var reduced = trial
                reduced.reduction = reduction
                return Self.attempt(reduced, seed)
            }
            minimizer.run(failedAt: at ?? Instant(nanoseconds: .max))
            smaller.reduction = minimizer.best
            Terminal.line()
            Terminal.line("the smallest run found in \(minimizer.tries) tries that fails in the same way:")
            Terminal.line("  " + smaller.command(seed))
            for line in smaller.plan(seed).description { Terminal.line("  " + line) }
        }
        Terminal.line()
        Terminal.line("its last steps:")
        for line in TraceLines.legend { Terminal.line("  " + line) }
        for line in Self.lastLines(smaller, seed) { Terminal.line("  " + line) }
    }

    /// Runs a seed in another process; what was violated and when, or nil.
    static func attempt(_ trial: SimulateTrial, _ seed: UInt64) -> (invariant: String, at: Instant)? {
        let arguments = ["--worker", "--from", hex(seed), "--seeds", "1"] + trial.arguments
        guard let child = try? SimulateChild(arguments) else { return nil }
        var found: (invariant: String, at: Instant)?
        let ending = child.finish { line in
            if case .failed(_, let at, _, _, let invariant, _)? = SimulateWorker.Line(line) {
                found = (invariant, at)
            }
        }
        if found == nil, ending != .exited(0) { return ("trap", Instant(nanoseconds: .max)) }
        return found
    }

    private static func lastLines(_ trial: SimulateTrial, _ seed: UInt64) -> [String] {
        guard let child = try? SimulateChild(["--seed", hex(seed), "--trace"] + trial.arguments) else {
            return []
        }
        var kept: [String] = []
        _ = child.finish { line in
            kept.append(line)
            if kept.count > 4 * lines { kept.removeFirst(kept.count - lines) }
        }
        return kept.suffix(lines)
    }
}
