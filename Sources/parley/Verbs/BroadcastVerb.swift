import ArgumentParser
import Client
import Glibc

/// Messages to all nodes at once.
struct BroadcastVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broadcast",
        abstract: "Say something to all nodes; it comes to their inboxes.",
        discussion: """
              parley broadcast --abstraction uniform "maintenance at noon"
              parley broadcast --abstraction atomic --channel orders -

            best_effort: everywhere if this node stays up. reliable: by all nodes that stay up, or by none. \
            uniform: by all if any node has heard it, also one that crashed since. causal: reliable, and \
            after what this node had heard before. atomic: in the same order everywhere, through the log.
            """)

    enum Abstraction: String, ExpressibleByArgument, CaseIterable {
        case bestEffort = "best_effort"
        case reliable, uniform, causal, atomic
    }

    @Option(help: "What is to hold of it.") var abstraction: Abstraction
    @Option(help: "A name that keeps streams of messages apart.") var channel: String?
    @Option(help: "Who says it: the node's name unless given.") var from: String?
    @Argument(help: "What is said; - reads it from standard input.") var body: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var call = Call("POST", "/broadcast", query: [("abstraction", abstraction.rawValue)])
        if let channel { call.query.append(("channel", channel)) }
        if let from { call.query.append(("from", from)) }
        call.body = Array(body.utf8)
        if body == "-" {
            guard let read = try Terminal.readAll(STDIN_FILENO, limit: 64 << 10) else {
                throw ValidationError("standard input holds more than 65536 bytes")
            }
            call.body = read
        }
        try show(call, connection)
    }
}
