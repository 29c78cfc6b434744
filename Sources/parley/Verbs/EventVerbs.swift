import ArgumentParser
import Client
import Glibc
import JSON
import Primitives

/// News that spread without a leader and without a quorum.
struct EventsVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Publish news to all nodes, look at them, follow them.",
        discussion: """
              parley events publish deploy v42
              parley events list --topic deploy
              parley events follow --topic deploy
              parley events show 1-18f2a-7

            Events spread from node to node without a leader and without a quorum, are kept in memory for \
            their time to live, and reach those who were away.
            """,
        subcommands: [Publish.self, List.self, Follow.self, Show.self],
        defaultSubcommand: List.self)

    /// Publishes one.
    struct Publish: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Publish an event; prints its id.")
        @Argument(help: "What it is about.") var topic: String
        @Argument(help: "What is published, up to 4 KiB; - reads it from standard input.") var body = "-"
        @Option(help: ArgumentHelp("How long it is kept, 1h unless said.", valueName: "duration"))
        var ttl: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var call = Call("POST", "/events/\(percentEncoded(Array(topic.utf8)))")
            if let ttl { call.query.append(("ttl", ttl)) }
            call.body = Array(body.utf8)
            if body == "-" {
                guard let read = try Terminal.readAll(STDIN_FILENO, limit: 4_096) else {
                    throw ValidationError("standard input holds more than 4096 bytes")
                }
                call.body = read
            }
            try show(call, connection)
        }
    }

    /// Lists what a node has.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what a node has.")
        @Option(help: "Only events of this topic.") var topic: String?
        @Option(help: ArgumentHelp("Only what came after this event.", valueName: "id")) var after: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws { try show(eventsCall(topic, after: after), connection) }
    }

    /// Tells of each that comes.
    struct Follow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show each event as it comes, one line of JSON each.",
            discussion: """
                Without --after, those that the node keeps come first. When it fails the next endpoint goes \
                on; since each node has an order of its own, some may then come twice.
                """)
        @Option(help: "Only events of this topic.") var topic: String?
        @Option(help: ArgumentHelp("Only what came after this event.", valueName: "id")) var after: String?
        @Option(help: ArgumentHelp("End after so many.", valueName: "number")) var max: Int?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func validate() throws {
            if let max, max < 1 { throw ValidationError("--max \(max): it must be at least 1") }
        }

        func run() throws {
            var client = try connection.client(waiting: .seconds(20))
            var last = after
            var left = max ?? .max
            while left > 0 {
                // What there is; then, if that is nothing, what comes next.
                var call = eventsCall(topic, after: last)
                call.query.append(("max", "\(min(left, 100))"))
                let list = call
                let body = try calling { () throws(ClientError) in try client.succeed(list).body }
                var events = (try? JSONValue(parsing: body))?["items"]?.elements ?? []
                if events.isEmpty {
                    call = eventsCall(topic, after: last)
                    call.query += [("max", "1"), ("wait", "20s")]
                    let next = call
                    let line = try calling { () throws(ClientError) in try client.succeed(next).body }
                    if let event = try? JSONValue(parsing: line), event["id"] != nil { events = [event] }
                }
                for event in events {
                    Terminal.write(event.serialized(pretty: false) + [10])
                    last = event["id"]?.string ?? last
                    left -= 1
                }
            }
        }
    }

    /// Shows who has one.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which nodes have an event. Ask the node that published it.")
        @Argument(help: "The event's id.") var id: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws { try show(Call("GET", "/events/\(percentEncoded(Array(id.utf8)))"), connection) }
    }
}

private func eventsCall(_ topic: String?, after: String?) -> Call {
    var call = Call("GET", "/events")
    if let topic { call.query.append(("topic", topic)) }
    if let after { call.query.append(("after", after)) }
    return call
}
