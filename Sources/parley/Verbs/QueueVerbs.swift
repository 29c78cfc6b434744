import ArgumentParser
import Client
import Glibc
import JSON
import Platform
import Primitives

/// Queues of messages.
struct QueueVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Send and receive messages through a queue.",
        discussion: """
              parley queue send mail hello
              parley queue receive mail --wait 20s --visibility 1m    # the message; its receipt to stderr
              parley queue ack mail 2k-3z
              parley queue set jobs --max-attempts 5 --dead-letter jobs-dead --order priority
            """,
        subcommands: [
            Send.self, Receive.self, Acknowledge.self, GiveBack.self, Extend.self, Show.self, Peek.self,
            Configure.self, Purge.self, Remove.self,
        ])

    /// Sends a message.
    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Enqueue a message; the first one makes the queue.")
        @Argument(help: "The queue.") var queue: String
        @Argument(help: "The message; - for standard input.") var message: String
        @Option(help: "0 to 255: greater ones first, in a queue of that order.") var priority: UInt8?
        @Option(help: ArgumentHelp("Not handed out before that.", valueName: "time")) var delay: TimeSpan?
        @Option(help: ArgumentHelp("Dropped after that.", valueName: "time")) var ttl: TimeSpan?
        @Option(help: ArgumentHelp("Enqueued once for this id.", valueName: "id")) var dedupe: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        private static let limit = 1 << 20

        func run() throws {
            var query = pairs(("delay", delay), ("ttl", ttl))
            if let priority { query.append(("priority", "\(priority)")) }
            if let dedupe { query.append(("dedupe", dedupe)) }
            try show(
                Call(
                    "POST", Call.path("/queues", queue), query: query,
                    fields: [("Content-Type", "application/octet-stream")], body: bytes()), connection)
        }

        private func bytes() throws(CommandFailure) -> [UInt8] {
            if message != "-" { return Array(message.utf8) }
            do throws(SystemError) {
                guard let bytes = try Terminal.readAll(STDIN_FILENO, limit: Self.limit) else {
                    throw SystemError(code: EFBIG, call: "read")
                }
                return bytes
            } catch {
                throw CommandFailure(.failure, "cannot read the message: \(error.reason)")
            }
        }
    }

    /// Receives a message, or several.
    struct Receive: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Receive a message.",
            discussion: """
                Prints the message as it is, and `receipt …` to standard error; with --max or \
                --json the node's answer. Exits with 3 if there is none.
                """)
        @Argument(help: "The queue.") var queue: String
        @Option(help: ArgumentHelp("How long to wait for one.", valueName: "time")) var wait: TimeSpan?
        @Option(help: ArgumentHelp("For how long it is the receiver's.", valueName: "time"))
        var visibility: TimeSpan?
        @Option(help: "How many at most.") var max: Int?
        @Option(help: "Who receives.") var consumer: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var query = pairs(("wait", wait), ("visibility", visibility))
            if let max { query.append(("max", "\(max)")) }
            if let consumer { query.append(("consumer", consumer)) }
            let isJSON = connection.json || max != nil
            let call = Call(
                "POST", Call.path("/queues", queue, "/receive"), query: query,
                fields: isJSON ? [("Accept", "application/json")] : [])
            var client = try connection.client(waiting: wait?.span ?? .zero)
            let answer = try calling { () throws(ClientError) in try client.succeed(call) }
            if answer.status == 204 { throw CommandFailure(.notFound, "no message in '\(queue)'") }
            if isJSON { return printAnswer(answer.body) }
            Terminal.write(answer.body)
            Terminal.write("receipt \(answer.field("parley-receipt") ?? "")\n", to: STDERR_FILENO)
        }
    }

    /// Acknowledges a message.
    struct Acknowledge: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ack", abstract: "A message was dealt with: it is gone.")
        @Argument(help: "The queue.") var queue: String
        @Argument(help: "What receive printed with it.") var receipt: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query: [(name: String, value: String?)] = [("receipt", receipt)]
            try show(Call("POST", Call.path("/queues", queue, "/ack"), query: query), connection)
        }
    }

    /// Gives a message back.
    struct GiveBack: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "nack", abstract: "A message was not dealt with: it comes again.")
        @Argument(help: "The queue.") var queue: String
        @Argument(help: "What receive printed with it.") var receipt: String
        @Option(help: ArgumentHelp("Not before that.", valueName: "time")) var delay: TimeSpan?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query = [("receipt", receipt)] + pairs(("delay", delay))
            try show(Call("POST", Call.path("/queues", queue, "/nack"), query: query), connection)
        }
    }

    /// Keeps a message for longer.
    struct Extend: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Keep a message for longer.")
        @Argument(help: "The queue.") var queue: String
        @Argument(help: "What receive printed with it.") var receipt: String
        @Argument(help: ArgumentHelp("For how long from now on.", valueName: "time")) var visibility: TimeSpan
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query = [("receipt", receipt)] + pairs(("visibility", visibility))
            try show(Call("POST", Call.path("/queues", queue, "/extend"), query: query), connection)
        }
    }

    /// Shows a queue, or all.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a queue, or all of them.")
        @Argument(help: "The queue.") var queue: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            try show(Call("GET", queue.map { Call.path("/queues", $0) } ?? "/queues"), connection)
        }
    }

    /// Looks at the next messages.
    struct Peek: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Look at the next messages.")
        @Argument(help: "The queue.") var queue: String
        @Option(help: "How many at most.") var limit = 10
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            let query: [(name: String, value: String?)] = [("limit", "\(limit)")]
            try show(Call("GET", Call.path("/queues", queue, "/peek"), query: query), connection)
        }
    }

    /// Makes or configures a queue.
    struct Configure: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Make or configure a queue; what is not said gets its default.")
        @Argument(help: "The queue.") var queue: String
        @Option(help: ArgumentHelp("For how long a message is its receiver's.", valueName: "time"))
        var visibility: TimeSpan?
        @Option(help: ArgumentHelp("After so many a message is dead.", valueName: "count"))
        var maxAttempts: UInt64?
        @Option(help: ArgumentHelp("Where the dead go.", valueName: "queue")) var deadLetter: String?
        @Option(help: ArgumentHelp("The most messages.", valueName: "count")) var maxLength: UInt64?
        @Option(help: ArgumentHelp("Older messages are dropped.", valueName: "time")) var retention: TimeSpan?
        @Option(help: "fifo or priority.") var order: String?
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            if let visibility { json.field("visibility_ms", visibility.span.milliseconds) }
            if let maxAttempts { json.field("max_attempts", maxAttempts) }
            if let deadLetter { json.field("dead_letter", deadLetter) }
            if let maxLength { json.field("max_length", maxLength) }
            if let retention { json.field("retention_ms", retention.span.milliseconds) }
            if let order { json.field("order", order) }
            json.endObject()
            try show(
                Call(
                    "PUT", Call.path("/queues", queue), fields: [("Content-Type", "application/json")],
                    body: json.take()), connection)
        }
    }

    /// Deletes all messages of a queue.
    struct Purge: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete all messages of a queue.")
        @Argument(help: "The queue.") var queue: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws {
            try show(Call("DELETE", Call.path("/queues", queue, "/messages")), connection)
        }
    }

    /// Deletes a queue.
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Delete a queue with all its messages.")
        @Argument(help: "The queue.") var queue: String
        @OptionGroup(title: "Connection") var connection: ClientOptions

        func run() throws { try show(Call("DELETE", Call.path("/queues", queue)), connection) }
    }
}

/// The lengths of time that were given, as a query.
func pairs(_ spans: (String, TimeSpan?)...) -> [(name: String, value: String?)] {
    spans.compactMap { name, span in span.map { (name, "\($0.span.milliseconds)ms") } }
}

/// Makes a call and prints the node's answer.
func show(
    _ call: Call, _ connection: ClientOptions, waiting: Instant.Span = .zero
) throws(CommandFailure) {
    var client = try connection.client(waiting: waiting)
    let answer = try calling { () throws(ClientError) in try client.succeed(call) }
    printAnswer(answer.body)
}
