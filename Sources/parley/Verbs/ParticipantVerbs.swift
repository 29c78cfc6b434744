import ArgumentParser
import Client

/// What can be done with participants.
struct ParticipantCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "participant",
        abstract: "Client processes with a name, to which others can send messages.",
        discussion: """
              parley participant register a --ttl 1h
              parley send a hello --from b
              parley inbox a --wait 10s --take
              parley participant state a '{"balance":100}'
              parley participant state a

            A participant has its home at the node where it is registered: there its inbox and its state \
            are kept, in memory. It ends with its lease unless it is registered again in time.
            """,
        subcommands: [
            ParticipantRegister.self, ParticipantList.self, ParticipantShow.self, ParticipantStateVerb.self,
            ParticipantRemove.self,
        ])
}

private func path(of name: String) -> String { "/participants/\(percentEncoded(Array(name.utf8)))" }

/// Makes a participant known.
struct ParticipantRegister: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Make a participant known, or begin its time anew.")

    @Argument(help: "Its name.") var name: String
    @Option(
        help: ArgumentHelp("How long it lasts unless registered again, 30s if not said.", valueName: "time"))
    var ttl: String?
    @Flag(help: "If it is known: make the node that is asked its home.") var move = false
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var call = Call("PUT", path(of: name))
        if let ttl { call.query.append(("ttl", ttl)) }
        if move { call.query.append(("move", nil)) }
        try show(call, connection)
    }
}

/// Lists participants.
struct ParticipantList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the participants that are known.")

    @Option(help: ArgumentHelp("So many at most.", valueName: "number")) var limit: Int?
    @Option(help: ArgumentHelp("Go on from where a list ended.", valueName: "cursor")) var cursor: String?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var call = Call("GET", "/participants")
        for (name, value) in [("limit", limit.map { "\($0)" }), ("cursor", cursor)] {
            if let value { call.query.append((name, value)) }
        }
        try show(call, connection)
    }
}

/// Shows a participant.
struct ParticipantShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show where a participant's home is, and its lease.")

    @Argument(help: "Its name.") var name: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws { try show(Call("GET", path(of: name)), connection) }
}

/// Shows or changes what a participant shows of itself.
struct ParticipantStateVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state", abstract: "Show a participant's state, or let it show another.")

    @Argument(help: "Its name.") var name: String
    @Argument(help: "The state, as JSON of up to 64 KiB; without it the present one is shown.") var state:
        String?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        guard let state else { return try show(Call("GET", path(of: name) + "/state"), connection) }
        try show(
            Call(
                "PUT", path(of: name) + "/state", fields: [("Content-Type", "application/json")],
                body: Array(state.utf8)), connection)
    }
}

/// Removes a participant.
struct ParticipantRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a participant, with its inbox and its state.")

    @Argument(help: "Its name.") var name: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws { try show(Call("DELETE", path(of: name)), connection) }
}
