import ArgumentParser
import Client
import Primitives

private let runDiscussion = """
    Waits for it, runs the command with it and gives it back; the command's exit code is passed on \
    (128 and the signal's number if a signal ended it). It is held under a lease that is renewed at any \
    node that answers: the death of a node, also of the leader, does not disturb it. When this program is \
    killed it is free at the latest after --ttl. When it is lost, since no node renewed it in time or \
    somebody took it away, the command gets SIGTERM, after --grace SIGKILL. A command may work on for \
    that long: let what it writes carry its token (PARLEY_FENCE is the value of a Parley-Fence header), and \
    whatever comes too late is refused.

    Signals are passed on to the command.

    Exits with 75 if it was not to be had within --wait, with 76 if it was lost, with 126 or 127 if the \
    command can't be run, else as the command does.
    """

/// Locks: one who writes, or many who read.
struct LockVerb: ClaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Run a command while a lock is held; look at locks.",
        discussion: """
              parley lock deploy -- ./deploy.sh
              parley lock cron --wait 0s --ttl 1m -- ./job      # not at all, if somebody else does it
              parley lock data --mode read -- ./backup
              parley lock show deploy ; parley lock watch deploy
              T=$(parley lock acquire deploy --json | jq .token); ...; parley lock release deploy --token $T

            A lock with the name of one of the subcommands: parley lock run show -- ...
            """,
        subcommands: [
            Run.self, Acquire.self, RenewClaim<Self>.self, ReleaseClaim<Self>.self, Check.self,
            ShowClaims<Self>.self, WatchClaim<Self>.self, Break.self,
        ], defaultSubcommand: Run.self)
    static let kind = ClaimKind.lock
    static let noun = "lock"

    /// Runs a command.
    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a command while the lock is held (also without the word run).",
            discussion: runDiscussion)
        @Argument(help: "The lock.") var name: String
        @Option(help: ArgumentHelp("Who wants it. (default: host:pid)", valueName: "text"))
        var owner: String?
        @Option(help: ArgumentHelp("Alone, or with other readers.", valueName: "write|read"))
        var mode: String?
        @OptionGroup var options: HeldRunOptions
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws { try options.check() }

        func run() throws {
            let query = given(("owner", owner ?? HeldRunOptions.owner), ("mode", mode))
            try HeldRun.run(.lock, name, query: query, options, connection)
        }
    }

    /// Takes a lock.
    struct Acquire: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a lock and print its token: it is held until it is released, or its ttl is over.")
        @Argument(help: "The lock.") var name: String
        @Option(help: ArgumentHelp("Who wants it. (default: host:pid)", valueName: "text"))
        var owner: String?
        @Option(help: ArgumentHelp("Alone, or with other readers.", valueName: "write|read"))
        var mode: String?
        @OptionGroup var terms: ClaimTerms
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query = given(("owner", owner ?? HeldRunOptions.owner), ("mode", mode)) + terms.query
            try take(Call("POST", Call.path("/locks", name, "/acquire"), query: query), terms, connection)
        }
    }

    /// Whether a token is worth something.
    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Exit with 4 unless a token is that of a present holder.")
        @OptionGroup var held: HeldClaim
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(held.call(LockVerb.kind, "/check", method: "GET"), connection) }
    }

    /// Takes a lock away.
    struct Break: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a lock away from whoever holds it.")
        @Argument(help: "The lock.") var name: String
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("DELETE", Call.path("/locks", name)), connection) }
    }
}

/// Elections: one candidate leads.
struct ElectVerb: ClaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "elect",
        abstract: "Run a command while leading; look at elections.",
        discussion: """
              parley elect scheduler --value http://10.0.0.7:80 -- ./scheduler
              parley elect show scheduler

            An election with the name of one of the subcommands: parley elect run show -- ...
            """,
        subcommands: [
            Run.self, Campaign.self, Proclaim.self, RenewClaim<Self>.self, ReleaseClaim<Self>.self,
            ShowClaims<Self>.self, WatchClaim<Self>.self,
        ],
        defaultSubcommand: Run.self)
    static let kind = ClaimKind.election
    static let noun = "election"
    static let release = "resign"

    /// Runs a command.
    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a command while leading (also without the word run).", discussion: runDiscussion)
        @Argument(help: "The election.") var name: String
        @OptionGroup var candidacy: Candidacy
        @OptionGroup var options: HeldRunOptions
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws { try options.check() }

        func run() throws {
            try HeldRun.run(.election, name, query: candidacy.query, options, connection)
        }
    }

    /// Campaigns.
    struct Campaign: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Become the leader and print the token.")
        @Argument(help: "The election.") var name: String
        @OptionGroup var candidacy: Candidacy
        @OptionGroup var terms: ClaimTerms
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query = candidacy.query + terms.query
            try take(
                Call("POST", Call.path("/elections", name, "/campaign"), query: query), terms, connection)
        }
    }

    /// Tells something else as the leader.
    struct Proclaim: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Tell another value as the leader.")
        @OptionGroup var held: HeldClaim
        @Argument(help: "The value.") var value: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var call = held.call(ElectVerb.kind, "/proclaim")
            call.query.append(("value", value))
            try show(call, connection)
        }
    }
}

/// Semaphores: as many as there are permits.
struct SemaphoreVerb: ClaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "semaphore",
        abstract: "Run a command with permits of a semaphore; look at semaphores.",
        discussion: """
              parley semaphore set gpu --permits 2
              parley semaphore gpu -- ./train
              parley semaphore show gpu

            A semaphore with the name of one of the subcommands: parley semaphore run show -- ...
            """,
        subcommands: [
            Run.self, Acquire.self, RenewClaim<Self>.self, ReleaseClaim<Self>.self, ShowClaims<Self>.self,
            Configure.self, Remove.self,
        ], defaultSubcommand: Run.self)
    static let kind = ClaimKind.semaphore
    static let noun = "semaphore"

    /// Runs a command.
    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a command with permits (also without the word run).", discussion: runDiscussion)
        @Argument(help: "The semaphore.") var name: String
        @Option(help: ArgumentHelp("Who wants them. (default: host:pid)", valueName: "text"))
        var owner: String?
        @Option(help: "How many permits.") var permits = 1
        @OptionGroup var options: HeldRunOptions
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws { try options.check() }

        func run() throws {
            let query = given(("owner", owner ?? HeldRunOptions.owner), ("permits", "\(permits)"))
            try HeldRun.run(.semaphore, name, query: query, options, connection)
        }
    }

    /// Takes permits.
    struct Acquire: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take permits and print the token.")
        @Argument(help: "The semaphore.") var name: String
        @Option(help: ArgumentHelp("Who wants them. (default: host:pid)", valueName: "text"))
        var owner: String?
        @Option(help: "How many permits.") var permits = 1
        @OptionGroup var terms: ClaimTerms
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query =
                given(("owner", owner ?? HeldRunOptions.owner), ("permits", "\(permits)")) + terms.query
            try take(
                Call("POST", Call.path("/semaphores", name, "/acquire"), query: query), terms, connection)
        }
    }

    /// Makes a semaphore, or changes how many permits it has.
    struct Configure: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Make a semaphore, or change how many permits it has.")
        @Argument(help: "The semaphore.") var name: String
        @Option(help: "How many permits.") var permits: Int
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws {
            try show(
                Call("PUT", Call.path("/semaphores", name), query: [("permits", "\(permits)")]), connection)
        }
    }

    /// Deletes a semaphore.
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Delete a semaphore; whoever holds permits loses them.")
        @Argument(help: "The semaphore.") var name: String
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("DELETE", Call.path("/semaphores", name)), connection) }
    }
}

// MARK: What they have in common

/// A kind of claim on the command line.
protocol ClaimVerb: ParsableCommand {
    static var kind: ClaimKind { get }
    /// One of them, in words.
    static var noun: String { get }
    /// The subcommand, and the endpoint, that gives one up.
    static var release: String { get }
}

extension ClaimVerb {
    static var release: String { "release" }
}

/// Starts the time of what is held again.
struct RenewClaim<Verb: ClaimVerb>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "renew", abstract: "Start the time for which the \(Verb.noun) is held again.")
    }
    @OptionGroup var held: HeldClaim
    @OptionGroup(title: "Connection") var connection: ClientOptions
    func run() throws { try show(held.call(Verb.kind, "/renew"), connection) }
}

/// Gives up what is held.
struct ReleaseClaim<Verb: ClaimVerb>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Verb.release, abstract: "Give up the \(Verb.noun) before the time is over.")
    }
    @OptionGroup var held: HeldClaim
    @OptionGroup(title: "Connection") var connection: ClientOptions
    func run() throws { try show(held.call(Verb.kind, "/" + Verb.release), connection) }
}

/// Shows one, or all.
struct ShowClaims<Verb: ClaimVerb>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "show", abstract: "Show one \(Verb.noun), or all of them.")
    }
    @Argument(help: "Which \(Verb.noun).") var name: String?
    @OptionGroup(title: "Connection") var connection: ClientOptions
    func run() throws {
        try show(Call("GET", name.map { Call.path(Verb.kind.path, $0) } ?? Verb.kind.path), connection)
    }
}

/// Follows one.
struct WatchClaim<Verb: ClaimVerb>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "watch",
            abstract: "Show the \(Verb.noun), now and after each change, one line each.",
            discussion: watchDiscussion)
    }
    @Argument(help: "Which \(Verb.noun).") var name: String
    @Option(help: ArgumentHelp("End after so many states.", valueName: "number")) var max: Int?
    @OptionGroup(title: "Connection") var connection: ClientOptions
    func validate() throws { try checkStates(max) }
    func run() throws { try followStates(Verb.kind, name, max, connection) }
}

/// Who wants to lead.
struct Candidacy: ParsableArguments {
    @Option(help: ArgumentHelp("Who wants to lead. (default: host:pid)", valueName: "text"))
    var candidate: String?
    @Option(help: ArgumentHelp("What everybody is told of the leader.", valueName: "text"))
    var value: String?
    @Option(help: "Those with a greater one go first.") var priority: Int?

    var query: [(name: String, value: String?)] {
        given(
            ("candidate", candidate ?? HeldRunOptions.owner), ("value", value),
            ("priority", priority.map { "\($0)" }))
    }
}

/// On which terms something is taken.
struct ClaimTerms: ParsableArguments {
    @Option(help: ArgumentHelp("For how long, unless it is renewed.", valueName: "time")) var ttl: TimeSpan?
    @Option(help: ArgumentHelp("Until this lease ends.", valueName: "id")) var lease: String?
    @Option(help: ArgumentHelp("How long to wait for it.", valueName: "time")) var wait: TimeSpan?

    var query: [(name: String, value: String?)] {
        pairs(("ttl", ttl), ("wait", wait)) + given(("lease", lease))
    }

    func validate() throws {
        guard ttl == nil || lease == nil else {
            throw ValidationError("--ttl and --lease exclude each other")
        }
    }
}

/// Something that is held.
struct HeldClaim: ParsableArguments {
    @Argument(help: "Its name.") var name: String
    @Option(help: "The token that it was given with.") var token: UInt64

    func call(_ kind: ClaimKind, _ action: String, method: String = "POST") -> Call {
        Call(method, Call.path(kind.path, name, action), query: [("token", "\(token)")])
    }
}

/// The texts that were given, as a query.
private func given(_ texts: (String, String?)...) -> [(name: String, value: String?)] {
    texts.compactMap { name, text in text.map { (name, $0) } }
}

/// Takes something and prints its token, or the node's answer. Fails with 75 if it was not to be had in time.
private func take(_ call: Call, _ terms: ClaimTerms, _ connection: ClientOptions) throws(CommandFailure) {
    var client = try connection.client(waiting: terms.wait?.span ?? .zero)
    let answer = try calling { () throws(ClientError) in try client.perform(call) }
    if answer.status == 409 { throw CommandFailure(.notHad, "\(Problem(answer))") }
    guard answer.status == 200 else { throw CommandFailure(.refused(Problem(answer))) }
    if connection.json { return printAnswer(answer.body) }
    let json = try calling { () throws(ClientError) in try answer.json() }
    Terminal.line("\(json.number("token") ?? 0)")
}
