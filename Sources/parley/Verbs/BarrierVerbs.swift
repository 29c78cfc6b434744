import ArgumentParser
import Client
import JSON
import Primitives

/// Barriers, at which parties wait for each other.
struct BarrierVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "barrier",
        abstract: "Wait until all parties have arrived.",
        discussion: """
              parley barrier arrive start --member w1 --parties 3 --wait 60s && ./start-work

            arrive and leave exit with 1 if the wait was over before all had come; the arrival \
            stays, and arriving again as the same member waits on.
            """,
        subcommands: [
            Arrive.self, Leave.self, Show.self, Configure.self, Reset.self, Remove.self,
        ])

    /// Arrives at a barrier.
    struct Arrive: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Arrive, and wait until all have arrived.")
        @Argument(help: "The barrier.") var barrier: String
        @Option(help: "The party's name.") var member: String
        @Option(help: "How many have to arrive: makes the barrier.") var parties: Int?
        @Option(help: ArgumentHelp("How long to wait.", valueName: "time")) var wait: TimeSpan?
        @Option(help: ArgumentHelp("The lease whose end breaks the barrier.", valueName: "id"))
        var lease: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var query = [("member", member)] + pairs(("wait", wait))
            if let parties { query.append(("parties", "\(parties)")) }
            if let lease { query.append(("lease", lease)) }
            try meet(
                Call("POST", Call.path("/barriers", barrier, "/arrive"), query: query), wait, connection)
        }
    }

    /// Leaves a barrier.
    struct Leave: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Leave, and wait until all have left.")
        @Argument(help: "The barrier.") var barrier: String
        @Option(help: "The party's name.") var member: String
        @Option(help: ArgumentHelp("How long to wait.", valueName: "time")) var wait: TimeSpan?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query = [("member", member)] + pairs(("wait", wait))
            try meet(
                Call("POST", Call.path("/barriers", barrier, "/leave"), query: query), wait, connection)
        }
    }

    /// Shows a barrier, or all.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a barrier, or all of them.")
        @Argument(help: "The barrier.") var barrier: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            try show(Call("GET", barrier.map { Call.path("/barriers", $0) } ?? "/barriers"), connection)
        }
    }

    /// Makes or configures a barrier.
    struct Configure: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Make or configure a barrier.")
        @Argument(help: "The barrier.") var barrier: String
        @Option(help: "How many have to arrive.") var parties: Int
        @Option(help: ArgumentHelp("Deleted when unused for so long.", valueName: "time")) var ttl: TimeSpan?
        @Flag(help: "Stays open once all have arrived.") var once = false
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var query = [("parties", "\(parties)")] + pairs(("ttl", ttl))
            if once { query.append(("generations", "once")) }
            try show(Call("PUT", Call.path("/barriers", barrier), query: query), connection)
        }
    }

    /// Begins a new generation.
    struct Reset: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Begin anew; whoever waits is told that the barrier broke.")
        @Argument(help: "The barrier.") var barrier: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws { try show(Call("POST", Call.path("/barriers", barrier, "/reset")), connection) }
    }

    /// Deletes a barrier.
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Delete a barrier.")
        @Argument(help: "The barrier.") var barrier: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws { try show(Call("DELETE", Call.path("/barriers", barrier)), connection) }
    }
}

/// Makes a call that waits for others and prints the answer; fails if they did not come in time.
private func meet(_ call: Call, _ wait: TimeSpan?, _ connection: ClientOptions) throws(CommandFailure) {
    var client = try connection.client(waiting: wait?.span ?? .zero)
    let answer = try calling { () throws(ClientError) in try client.succeed(call) }
    printAnswer(answer.body)
    if answer.status == 202 { throw CommandFailure(.failure, "not all have come") }
}
