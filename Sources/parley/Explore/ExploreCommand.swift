import ArgumentParser
import Glibc
import Platform
import Primitives
import Simulator

/// Searches small clusters exhaustively.
struct ExploreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract: "Try every order in which a handful of things can happen to a small cluster.",
        discussion: """
            The consensus core is a value, so all that can follow from a state can be tried: \
            messages that arrive in any order, twice or never, timeouts, proposals, reads, slow \
            disks, crashes. States that behave the same count once; promises are checked in each; \
            what breaks one is printed with a shortest way to it.

              parley explore                              all scopes, two at a time
              parley explore --list                       what they are, and what is checked
              parley explore --scope disks --scope reads
              parley explore --terms 3 --entries 3 --crashes 1 --duplicates 2 --states 20000000

            A scope says where the search begins and how much of what may happen. Bounds that \
            are given replace those of the scopes; without a scope, those of the first one, "all". \
            A search that is complete has seen every state within its bounds.

            Exit code 1 if a promise is broken.
            """)

    @OptionGroup(title: "Search") var search: SearchOptions
    @OptionGroup(title: "Bounds") var changes: ExploreBounds

    struct SearchOptions: ParsableArguments {
        @Option(help: ArgumentHelp("Which scope; may be repeated.", valueName: "name")) var scope: [String] =
            []
        @Option(help: ArgumentHelp("End each search after so many states.", valueName: "number"))
        var states = 2_000_000
        @Option(help: ArgumentHelp("End each search that takes more memory than this.", valueName: "size"))
        var memory = ByteSize(3 << 30)
        @Option(help: ArgumentHelp("End after so long.", valueName: "minutes")) var minutes: Int?
        @Option(help: ArgumentHelp("How many searches at a time, each in its process.", valueName: "number"))
        var jobs = 2
        @Flag(help: "Print the scopes and the invariants.") var list = false
        @Flag(help: .hidden) var worker = false
    }

    func validate() throws {
        guard search.states > 0, search.states < 1 << 32 else {
            throw ValidationError("--states must be from 1 to 4294967295")
        }
        guard (1...64).contains(search.jobs) else { throw ValidationError("--jobs must be from 1 to 64") }
        guard search.minutes ?? 1 > 0 else { throw ValidationError("--minutes must be at least 1") }
        for scope in try scopes() {
            if let problem = scope.bounds.problem { throw ValidationError("\(scope.name): \(problem)") }
        }
    }

    func run() throws {
        if search.list { return list() }
        let scopes = try scopes()
        if search.worker {
            return ExploreWorker().run(scopes[0].bounds, states: search.states, bytes: search.memory.bytes)
        }
        var run = try ExploreRun(
            scopes: scopes, arguments: changes.arguments + arguments, jobs: search.jobs,
            minutes: search.minutes)
        guard try run.run() else { throw ExitCode(ExitStatus.failure.rawValue) }
    }

    /// The limits, as a worker is told them.
    private var arguments: [String] {
        ["--states", "\(search.states)", "--memory", "\(search.memory.bytes)"]
    }

    /// What to search, with the bounds that were given.
    func scopes() throws -> [SmallScope.Scope] {
        var names = search.scope
        if names.isEmpty && !changes.isEmpty { names = [SmallScope.scopes[0].name] }
        var scopes: [SmallScope.Scope] = []
        for name in names {
            guard let scope = SmallScope.scopes.first(where: { $0.name == name }) else {
                let known = SmallScope.scopes.map(\.name).joined(separator: ", ")
                throw ValidationError("--scope: there is no \"\(name)\", only \(known)")
            }
            scopes.append(scope)
        }
        if names.isEmpty { scopes = SmallScope.scopes }
        for place in scopes.indices { changes.apply(to: &scopes[place].bounds) }
        return scopes
    }

    private func list() {
        Terminal.line("Scopes:")
        Terminal.write(
            Terminal.table(SmallScope.scopes.map { ["  " + $0.name, $0.words] }), to: STDOUT_FILENO)
        Terminal.line()
        Terminal.line("Invariants:")
        for invariant in SmallScope.invariants {
            Terminal.line("  \(invariant.name)")
            Terminal.line("      \(invariant.words)")
        }
    }
}
