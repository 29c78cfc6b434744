import ArgumentParser
import Client
import Glibc
import Primitives

/// Messages to nodes.
struct SendVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send a message to the inbox of a node or a participant.",
        discussion: """
              parley send n2 hello
              parley send n2,n3 --ordering fifo --channel orders -
              parley sent 01JDABCDEFGHJKMNPQRSTVWXYZ

            unreliable: sent once. stubborn: again and again until --ttl is over or it is taken; it may come \
            more than once. reliable: until it is acknowledged; it comes once while both processes live. \
            logged: kept by a majority of nodes until it is taken; it survives crashes, and comes in one \
            order to all.
            """)

    enum Delivery: String, ExpressibleByArgument, CaseIterable { case unreliable, stubborn, reliable, logged }
    enum Ordering: String, ExpressibleByArgument, CaseIterable { case none, fifo, causal, total }

    @Argument(help: "A node, several with commas between them, or * for all others.") var to: String
    @Argument(help: "What is said; - reads it from standard input.") var body: String
    @Option(help: "What is promised.") var delivery = Delivery.reliable
    @Option(help: "In what order it comes.") var ordering = Ordering.none
    @Option(help: "A name that keeps streams of messages apart.") var channel: String?
    @Option(help: "Who says it: the node's name unless given.") var from: String?
    @Option(help: ArgumentHelp("For how long it is sent, 1h unless said.", valueName: "duration"))
    var ttl: String?
    @Flag(help: "Wait until it is known what became of it.") var wait = false
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var bytes = Array(body.utf8)
        if body == "-" {
            guard let read = try Terminal.readAll(STDIN_FILENO, limit: 64 << 10) else {
                throw ValidationError("standard input holds more than 65536 bytes")
            }
            bytes = read
        }
        let names = to.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for name in names {
            var call = Call("POST", "/messages/\(percentEncoded(Array(name.utf8)))")
            call.query = [("delivery", delivery.rawValue), ("ordering", ordering.rawValue)]
            for (name, value) in [("channel", channel), ("from", from), ("ttl", ttl)] {
                if let value { call.query.append((name, value)) }
            }
            if wait { call.query.append(("wait", "ack")) }
            call.body = bytes
            try show(call, connection)
        }
    }
}

/// What became of a message.
struct SentVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sent",
        abstract: "Show what became of a message. Ask the node that was given it.")
    @Argument(help: "The message's id.") var id: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws { try show(Call("GET", "/messages/\(percentEncoded(Array(id.utf8)))"), connection) }
}

/// What came for a node.
struct InboxVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inbox",
        abstract: "Show the messages in the inbox of a node or a participant.",
        discussion: """
              parley inbox n2 --wait 10s --take
              parley inbox n2 --ack 01JDABCDEFGHJKMNPQRSTVWXYZ

            Messages stay until they are taken (--take) or acknowledged (--ack, --upto).
            """)
    @Argument(help: "The node, or the participant.") var name: String
    @Option(help: "Only those of this channel.") var channel: String?
    @Option(help: ArgumentHelp("So many at most, 10 unless said.", valueName: "number")) var max: Int?
    @Option(help: ArgumentHelp("Wait so long for one to come.", valueName: "duration")) var wait: String?
    @Flag(help: "Take out what is shown.") var take = false
    @Option(help: ArgumentHelp("Take this one out.", valueName: "id")) var ack: String?
    @Option(help: ArgumentHelp("Take this one out, and all before it.", valueName: "id")) var upto: String?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func validate() throws {
        if let max, max < 1 { throw ValidationError("--max \(max): it must be at least 1") }
        guard ack == nil || upto == nil else { throw ValidationError("--ack and --upto exclude each other") }
        guard ack ?? upto == nil || (channel == nil && max == nil && wait == nil && !take) else {
            throw ValidationError("--ack and --upto take nothing else")
        }
    }

    func run() throws {
        let path = "/inbox/\(percentEncoded(Array(name.utf8)))"
        if ack != nil || upto != nil {
            let query: [(name: String, value: String?)] = ack.map { [("id", $0)] } ?? [("upto", upto)]
            return try show(Call("POST", path + "/ack", query: query), connection)
        }
        var call = Call("GET", path)
        for (name, value) in [("channel", channel), ("max", max.map { "\($0)" }), ("wait", wait)] {
            if let value { call.query.append((name, value)) }
        }
        if take { call.query.append(("ack", "auto")) }
        try show(call, connection, waiting: .seconds(600))
    }
}
