import ArgumentParser
import Client

/// What a node thinks of the others.
struct GossipVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gossip",
        abstract: "Look at who is there, in one node's opinion.",
        discussion: """
              parley gossip show --endpoints http://127.0.0.1:7072
              parley gossip detector

            The opinion is that of the first endpoint that answers. Ask others for theirs: a way that is \
            broken in one direction looks different from each side.
            """,
        subcommands: [Show.self, Detector.self],
        defaultSubcommand: Show.self)

    /// Shows the members.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the members, what is suspected of them and by whom, and what was counted.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/gossip"), connection) }
    }

    /// Shows what the node makes of each of the others.
    struct Detector: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the node makes of each: healthy, paused, a broken way, silent.")
        @OptionGroup(title: "Connection") var connection: ClientOptions
        func run() throws { try show(Call("GET", "/detector"), connection) }
    }
}
