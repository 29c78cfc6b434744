import ArgumentParser
import Client
import JSON
import Primitives

/// Faults on purpose.
struct FaultVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fault",
        abstract: "Make links between nodes bad, separate nodes, have them stand still.",
        discussion: """
              parley fault link n1 '*' --drop 0.3 --delay 20ms..200ms --ttl 60s
              parley fault partition n1 / n2,n3 --ttl 30s
              parley fault pause n1 --for 5s
              parley fault list
              parley fault heal

            Nodes take faults only if they were started with --enable-faults. All of them are told, and
            each fault heals by itself when its time is over.
            """,
        subcommands: [LinkFault.self, Cut.self, Pause.self, Show.self, Heal.self],
        defaultSubcommand: Show.self)

    /// Makes a link bad.
    struct LinkFault: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "link", abstract: "Lose, delay, double or block what one node sends to another.")
        @Argument(help: "The node that sends; '*' is every node.") var from: String
        @Argument(help: "The node that receives; '*' is every node.") var to: String
        @Option(help: ArgumentHelp("How likely a message is lost.", valueName: "0…1")) var drop: Double?
        @Option(
            help: ArgumentHelp("How much later messages arrive: 50ms, or 20ms..200ms.", valueName: "time"))
        var delay: DelayRange?
        @Option(
            help: ArgumentHelp("How delays are spread: uniform, normal or pareto.", valueName: "distribution")
        )
        var dist: String?
        @Option(help: ArgumentHelp("How likely a message arrives twice.", valueName: "0…1"))
        var duplicate: Double?
        @Option(help: ArgumentHelp("How likely later messages overtake one.", valueName: "0…1"))
        var reorder: Double?
        @Flag(help: "Lose all messages.") var block = false
        @Option(help: ArgumentHelp("What chance depends on.", valueName: "number")) var seed: UInt64?
        @Option(help: ArgumentHelp("When the fault heals by itself, up to 10m.", valueName: "time"))
        var ttl: TimeSpan
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws {
            for (name, likelihood) in [("drop", drop), ("duplicate", duplicate), ("reorder", reorder)] {
                guard let likelihood, !(0...1).contains(likelihood) else { continue }
                throw ValidationError("--\(name) \(likelihood): it must be from 0 to 1")
            }
            guard dist == nil || delay != nil else {
                throw ValidationError("--dist means something only with --delay")
            }
        }

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            for (name, likelihood) in [("drop", drop), ("duplicate", duplicate), ("reorder", reorder)] {
                if let likelihood { json.field(name, likelihood) }
            }
            if let delay {
                json.name("delay_ms")
                json.beginObject()
                json.field("min", Double(delay.least.microseconds) / 1000)
                json.field("max", Double(delay.greatest.microseconds) / 1000)
                if let dist { json.field("dist", dist) }
                json.endObject()
            }
            if block { json.field("block", true) }
            if let seed { json.field("seed", seed) }
            json.endObject()
            let path =
                "/faults/links/\(percentEncoded(Array(from.utf8)))/\(percentEncoded(Array(to.utf8)))"
            try show(changing("PUT", path, [("ttl", milliseconds(ttl))], json.take()), connection)
        }
    }

    /// Separates nodes.
    struct Cut: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "partition",
            abstract: "Separate groups of nodes, or cut one direction.",
            discussion: """
                  parley fault partition n1 / n2,n3 --ttl 30s
                  parley fault partition n1 / n2 --one-way --ttl 30s

                Nodes that are named nowhere are one more group.
                """)
        @Argument(help: "Groups with / between them, nodes with commas.") var groups: [String]
        @Option(help: ArgumentHelp("Nodes that reach everybody.", valueName: "node,…")) var bridge: String?
        @Flag(help: "The first group does not reach the second one, but is reached by it.") var oneWay = false
        @Option(help: ArgumentHelp("When it heals by itself, up to 10m.", valueName: "time"))
        var ttl: TimeSpan
        @OptionGroup(title: "Connection") var connection: ClientOptions

        private var split: [[String]] {
            groups.joined(separator: ",").split(separator: "/", omittingEmptySubsequences: false).map(names)
        }

        private func names(_ text: some StringProtocol) -> [String] {
            text.split(whereSeparator: { $0 == "," || $0 == " " }).map { String($0) }
        }

        func validate() throws {
            guard split.allSatisfy({ !$0.isEmpty }) else {
                throw ValidationError("a group has no nodes: write n1 / n2,n3")
            }
            guard !oneWay || split.count == 2 && bridge == nil else {
                throw ValidationError("--one-way takes two groups, and no --bridge")
            }
        }

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            if oneWay {
                for (name, group) in zip(["from", "to"], split) { write(group, named: name, to: &json) }
            } else {
                json.name("groups")
                json.beginArray()
                for group in split { write(group, named: nil, to: &json) }
                json.endArray()
                if let bridge { write(names(bridge), named: "bridge", to: &json) }
            }
            json.endObject()
            let query = [("ttl", milliseconds(ttl))]
            try show(changing("POST", "/faults/partition", query, json.take()), connection)
        }

        private func write(_ names: [String], named name: String?, to json: inout JSONWriter) {
            if let name { json.name(name) }
            json.beginArray()
            for name in names { json.string(name) }
            json.endArray()
        }
    }

    /// Has a node stand still.
    struct Pause: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Have a node stand still.")
        @Argument(help: "The node.") var node: String
        @Option(help: ArgumentHelp("How long, up to 60s.", valueName: "time")) var `for`: TimeSpan
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let path = "/faults/nodes/\(percentEncoded(Array(node.utf8)))/pause"
            try show(Call("POST", path, query: [("for", milliseconds(`for`))]), connection)
        }
    }

    /// Lists the faults.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show the faults that act, and what they did.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/faults"), connection) }
    }

    /// Ends faults.
    struct Heal: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a fault, or all of them.")
        @Argument(help: "The fault's id. (default: all)") var id: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let path = id.map { "/faults/" + percentEncoded(Array($0.utf8)) } ?? "/faults"
            try show(Call("DELETE", path), connection)
        }
    }
}

/// A delay, or the least and the greatest one: `50ms`, `20ms..200ms`.
struct DelayRange: ExpressibleByArgument, Equatable {
    var least: Instant.Span
    var greatest: Instant.Span

    init?(argument: String) {
        guard let dots = argument.firstRange(of: "..") else {
            guard let both = TimeSpan(argument: argument) else { return nil }
            (least, greatest) = (both.span, both.span)
            return
        }
        guard let least = TimeSpan(argument: String(argument[..<dots.lowerBound])),
            let greatest = TimeSpan(argument: String(argument[dots.upperBound...])),
            least.span <= greatest.span
        else { return nil }
        (self.least, self.greatest) = (least.span, greatest.span)
    }
}

private func milliseconds(_ span: TimeSpan) -> String { "\(span.span.milliseconds)ms" }

private func changing(_ method: String, _ path: String, _ query: [(String, String)], _ json: [UInt8]) -> Call
{
    Call(
        method, path, query: query.map { (name: $0.0, value: $0.1) },
        fields: [("Content-Type", "application/json")], body: json)
}
