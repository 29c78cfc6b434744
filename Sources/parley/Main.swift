import ArgumentParser
import Glibc
import NodeRuntime
import Platform

/// The program and its subcommands.
struct Parley: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parley",
        abstract: "A replicated store and coordination service, driven over HTTP.",
        discussion: """
            Start a cluster on this machine to try it out:
              parley dev

            Run one node of a real cluster:
              parley serve --name n1 --listen 10.0.0.1:7071 --data-dir /data \\
                --cluster n1=http://10.0.0.1:7071,n2=http://10.0.0.2:7071

            Talk to it, here or with curl:
              parley put config/db host=db1
              curl http://127.0.0.1:7071/kv/config/db

            Exit codes:
              0  done
              1  failure
              2  wrong usage
              3  not found
              4  the condition of a write does not hold
              5  the cluster is unavailable, or the outcome of a write or a check is unknown
            The exit code of a command run by lock, elect or semaphore is passed on.
            """,
        version: parleyVersion,
        groupedSubcommands: [
            CommandGroup(name: "Nodes", subcommands: [Serve.self, Dev.self]),
            CommandGroup(
                name: "Keys and values",
                subcommands: [
                    Put.self, Get.self, Delete.self, List.self, Diff.self, TransactionCommand.self,
                    Watch.self,
                ]),
            CommandGroup(
                name: "Coordination",
                subcommands: [
                    LockVerb.self, ElectVerb.self, SemaphoreVerb.self, LeaseCommands.self, QueueVerb.self,
                    BarrierVerb.self,
                ]),
            CommandGroup(
                name: "Order of events", subcommands: [ClockVerb.self]),
            CommandGroup(
                name: "Cluster",
                subcommands: [
                    StatusCommand.self, Members.self, LeaderCommand.self, Transfer.self, GossipVerb.self,
                    SpecVerb.self, TransitionsVerb.self,
                ]),
            CommandGroup(
                name: "Messages and news",
                subcommands: [
                    SendVerb.self, SentVerb.self, InboxVerb.self, ParticipantCommands.self,
                    BroadcastVerb.self, EventsVerb.self,
                ]),
            CommandGroup(
                name: "Measuring and trying",
                subcommands: [
                    FaultVerb.self, Bench.self, CheckCommand.self, SimulateCommand.self,
                    ExploreCommand.self,
                ]),
        ])
}

@main
enum Main {
    static func main() {
        SignalSource.ignoreBrokenPipes()
        let code = run(
            Array(CommandLine.arguments.dropFirst()), output: { Terminal.write($0, to: STDOUT_FILENO) },
            errors: { Terminal.write($0, to: STDERR_FILENO) })
        exit(code)
    }

    /// Parses and runs one command line, and answers the exit code.
    static func run(
        _ arguments: [String], output: (String) -> Void, errors: (String) -> Void
    ) -> Int32 {
        do {
            var command = try Parley.parseAsRoot(arguments)
            try command.run()
            return 0
        } catch let failure as CommandFailure {
            errors("parley: \(failure.message)\n")
            return failure.code.rawValue
        } catch {
            let known =
                Parley.configuration.subcommands
                + Parley.configuration.groupedSubcommands.flatMap(\.subcommands)
            let name = arguments.first { argument in known.contains { $0._commandName == argument } }
            return explain(error, in: name, output: output, errors: errors)
        }
    }

    /// Help and version go to the output; anything else is one line that says what is wrong with the command
    /// line, and exit code 2.
    private static func explain(
        _ error: any Error, in command: String?, output: (String) -> Void, errors: (String) -> Void
    ) -> Int32 {
        guard Parley.exitCode(for: error) != .success else {
            output(Parley.fullMessage(for: error) + "\n")
            return 0
        }
        if let code = error as? ExitCode { return code.rawValue }
        var lines = Parley.message(for: error).split(separator: "\n").map { $0.drop { $0 == " " } }
        if lines.isEmpty { lines = ["wrong usage"] }
        let help = (["parley"] + (command.map { [$0] } ?? []) + ["--help"]).joined(separator: " ")
        errors("parley: \(lines.joined(separator: " ")) (see \(help))\n")
        return ExitStatus.usage.rawValue
    }
}
