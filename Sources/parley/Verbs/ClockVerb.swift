import ArgumentParser
import Client
import JSON

/// The clocks of a node.
struct ClockVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clock",
        abstract: "Look at a node's physical and logical clocks, move them, compare times.",
        discussion: """
              parley clock show
              parley clock observe '{"lamport":900}'
              parley clock compare '{"vector":{"n1":2}}' '{"vector":{"n2":1}}'

            The clocks are those of the first endpoint that answers.
            """,
        subcommands: [Show.self, Now.self, Skew.self, Tick.self, Observe.self, Compare.self],
        defaultSubcommand: Show.self)

    /// Shows all clocks.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all clocks of a node.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/clock"), connection) }
    }

    /// Shows the time with its error.
    struct Now: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a node's time, and between which times true time is.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/clock/now", query: [("uncertainty", nil)]), connection) }
    }

    /// Shows how far the clocks are from each other.
    struct Skew: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how far the clocks of the nodes are from each other.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/clock/skew"), connection) }
    }

    /// Counts an event.
    struct Tick: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Count an event, and show the clocks then.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("POST", "/clock/tick"), connection) }
    }

    /// Receives a stamp.
    struct Observe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set the clocks after those of a message, and show them.")
        @Argument(help: "The message's stamp: JSON with lamport, hlc, vector, or several of them.")
        var stamp: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            try show(posting("/clock/observe", Array(stamp.utf8)), connection)
        }
    }

    /// Compares two stamps.
    struct Compare: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell whether one time is before, after, concurrent to or equal to another.")
        @Argument(help: "A stamp.") var one: String
        @Argument(help: "Another stamp.") var other: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws { for stamp in [one, other] { _ = try stampJSON(stamp) } }

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            for (name, stamp) in [("a", one), ("b", other)] {
                json.name(name)
                json.value(try stampJSON(stamp))
            }
            json.endObject()
            try show(posting("/clock/compare", json.take()), connection)
        }
    }
}

private func stampJSON(_ text: String) throws -> JSONValue {
    do throws(JSONError) {
        return try JSONValue(parsing: text)
    } catch {
        throw ValidationError("'\(text)' is not JSON: \(error)")
    }
}

private func posting(_ path: String, _ json: [UInt8]) -> Call {
    Call("POST", path, fields: [("Content-Type", "application/json")], body: json)
}
