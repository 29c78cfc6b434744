import ArgumentParser
import Glibc
import Platform
import Primitives
import Simulator

/// Runs simulated clusters.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run whole clusters in virtual time, with every fault we can name.",
        discussion: """
            One seed is one run, the same one on every machine. The very code that serves is \
            run over a simulated network, simulated disks and clocks, while nodes crash, disks \
            lie and links break; promises are checked after each step, and what clients have \
            seen is judged at the end.

              parley simulate --seeds 1000              a thousand seeds from a random one on
              parley simulate --seed 0x2a --trace       one run, with a line for each step
              parley simulate --profile lite --minutes 5

            Profiles: lite (3 nodes, 15 s, crashes), std (5 nodes, 60 s, all faults), wide \
            (50 voters), long (5 nodes, 24 h, few faults).

            Exit code 1 if any run fails; each is told with the command that runs it again, \
            its last steps, and a smaller run that fails in the same way.
            """)

    @OptionGroup(title: "Runs") var runs: Runs
    @OptionGroup(title: "Clusters") var clusters: Clusters
    @OptionGroup(title: "Failures") var failures: Failures

    struct Runs: ParsableArguments {
        @Option(help: ArgumentHelp("Run this seed alone.", valueName: "number"))
        var seed: Seed?

        @Option(
            help: ArgumentHelp("How many seeds to run. (default: 100, or no limit)", valueName: "number"))
        var seeds: Int?

        @Option(help: ArgumentHelp("The first seed. (default: random)", valueName: "number"))
        var from: Seed?

        @Option(help: ArgumentHelp("How many processes share the work.", valueName: "number"))
        var jobs = 2

        @Option(help: ArgumentHelp("Stop after so long.", valueName: "minutes"))
        var minutes: Int?

        @Flag(help: "Run 1 % of the seeds once more, in another process, and compare.")
        var twice = false
    }

    struct Clusters: ParsableArguments {
        @Option(help: ArgumentHelp("lite, std, wide or long.", valueName: "name"))
        var profile = ProfileName(.std)

        @Option(
            help: ArgumentHelp("How many nodes, from 1 to 64. (default: the profile's)", valueName: "number"))
        var nodes: Int?

        @Option(help: ArgumentHelp("What to leave out, as a failure tells it.", valueName: "what"))
        var reduce: String?

        @Option(help: ArgumentHelp("Bring a known bug back, in a build for that.", valueName: "name"))
        var plant: String?
    }

    struct Failures: ParsableArguments {
        @Flag(help: "Print a line for each step; with --seed.")
        var trace = false

        @Flag(help: "End with the first run that fails.")
        var stopAtFirst = false

        @Option(
            help: ArgumentHelp("How many runs to spend on making a failure smaller.", valueName: "number"))
        var tries = 150

        @Flag(help: "Print how often which rare state was reached.")
        var marks = false

        @Flag(help: .hidden)
        var worker = false
    }

    func run() throws {
        let reduction = try reduction()
        try plant()
        let trial = SimulateTrial(
            profile: clusters.profile.profile, nodes: clusters.nodes, reduction: reduction,
            plant: clusters.plant)
        if failures.worker {
            return SimulateWorker(trial: trial, countsMarks: failures.marks).run(
                from: runs.from?.number ?? 0, count: runs.seeds ?? 1)
        }
        if let seed = runs.seed?.number {
            guard try SimulateOne(trial: trial, seed: seed, tries: failures.tries).run(trace: failures.trace)
            else { throw ExitCode(ExitStatus.failure.rawValue) }
            return
        }
        let first = runs.from?.number ?? Entropy.seed()
        var many = try SimulateMany(
            trial: trial, first: first, count: runs.seeds ?? (runs.minutes == nil ? 100 : Int.max),
            jobs: min(64, max(1, runs.jobs)), minutes: runs.minutes, stopsAtFirst: failures.stopAtFirst,
            tries: failures.tries, showsMarks: failures.marks, twice: runs.twice)
        guard try many.run() else { throw ExitCode(ExitStatus.failure.rawValue) }
    }

    private func reduction() throws(CommandFailure) -> Reduction {
        guard let text = clusters.reduce else { return Reduction() }
        guard let reduction = Reduction(text) else { throw .usage("--reduce: \(text) is not understood") }
        return reduction
    }

    private func plant() throws(CommandFailure) {
        guard let name = clusters.plant else { return }
        #if PARLEY_PLANTED
            guard let bug = PlantedBug.allCases.first(where: { "\($0)" == name }) else {
                throw .usage("--plant: there is no bug \(name)")
            }
            PlantedBug.planted = bug
        #else
            throw .usage("--plant: this build has no planted bugs, so not \(name)")
        #endif
    }
}

/// A seed on the command line: decimal, or hexadecimal after `0x`.
struct Seed: ExpressibleByArgument {
    var number: UInt64

    init?(argument: String) {
        let number =
            argument.hasPrefix("0x") ? UInt64(argument.dropFirst(2), radix: 16) : UInt64(argument)
        guard let number else { return nil }
        self.number = number
    }
}

/// A profile on the command line.
struct ProfileName: ExpressibleByArgument {
    var profile: Profile

    init(_ profile: Profile) { self.profile = profile }

    init?(argument: String) {
        guard let profile = Profile(rawValue: argument) else { return nil }
        self.profile = profile
    }

    var defaultValueDescription: String { profile.rawValue }
    static var allValueStrings: [String] { Profile.allCases.map(\.rawValue) }
}

/// What is run for each seed.
struct SimulateTrial {
    var profile: Profile
    var nodes: Int?
    var reduction: Reduction
    var plant: String?

    func plan(_ seed: UInt64) -> Plan {
        Plan(seed: seed, profile: profile, nodes: nodes, reduction: reduction)
    }

    /// The arguments that mean this trial.
    var arguments: [String] {
        var words = ["--profile", profile.rawValue]
        if let nodes { words += ["--nodes", "\(nodes)"] }
        if !reduction.isEmpty { words += ["--reduce", reduction.description] }
        if let plant { words += ["--plant", plant] }
        return words
    }

    /// The command that runs a seed again.
    func command(_ seed: UInt64) -> String {
        let words = arguments.map { $0.contains(";") || $0.contains("=") ? "'\($0)'" : $0 }
        return "parley simulate --seed \(hex(seed)) " + words.joined(separator: " ")
    }
}

/// As in `0x2a`.
func hex(_ seed: UInt64) -> String { "0x" + String(seed, radix: 16) }
