public import ArgumentParser
public import Client
import Glibc
import JSON
import Platform
import Primitives

/// Stores a value.
struct Put: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Store a value under a key.",
        discussion: """
            The value is an argument, a file's contents (--file) or what standard input \
            brings (-). It is stored byte for byte.

              parley put config/db host=db1
              parley put config/db --if-revision 2 host=db2
              tar c conf | parley put backup/conf - --if-absent
              parley put code --ttl 60s 1234
              parley put report --fence cron:17 done     only while lock cron is held with token 17

            Exits with 4 if the condition does not hold or a fence's token is not current, and \
            with 5 if the cluster is unavailable or the outcome is unknown: then the value may or \
            may not have been stored, and it was not tried again.
            """)

    @Argument(help: "The key.") var key: String
    @Argument(help: "The value; - for standard input.") var value: String?
    @Option(help: ArgumentHelp("Take the value from this file.", valueName: "path")) var file: String?
    @Option(help: ArgumentHelp("Only if the key was last changed at this revision.", valueName: "revision"))
    var ifRevision: UInt64?
    @Flag(help: "Only if there is no such key.") var ifAbsent = false
    @OptionGroup(title: "Lease") var lease: KeyLeaseOptions
    @OptionGroup(title: "Fences") var fences: FenceOptions
    @OptionGroup(title: "Connection") var connection: ClientOptions

    /// The most that a value may hold; the servers' own limit is lower.
    private static let limit = 16 << 20

    func validate() throws {
        guard (value == nil) != (file == nil) else {
            throw ValidationError("give the value either as an argument, as - or with --file")
        }
        guard ifRevision == nil || !ifAbsent else {
            throw ValidationError("--if-revision and --if-absent exclude each other")
        }
        try lease.check()
    }

    func run() throws {
        let key = try keyBytes(key)
        var client = try connection.client()
        let value = try bytes()
        let condition = ifAbsent ? Condition.absent : ifRevision.map { .revision(Revision($0)) }
        let result = try calling { () throws(ClientError) in
            try client.put(key, value, if: condition, under: lease.choice, fences: fences.list)
        }
        if connection.json { return printAnswer(result.body) }
        Terminal.line("\(result.created ? "created" : "changed") at revision \(result.revision)")
    }

    private func bytes() throws(CommandFailure) -> [UInt8] {
        if let value, value != "-" { return Array(value.utf8) }
        let name = file ?? "standard input"
        do throws(SystemError) {
            let bytes: [UInt8]?
            if let file {
                let descriptor = try Files.open(file, .read)
                bytes = try Terminal.readAll(descriptor.number, limit: Put.limit)
            } else {
                bytes = try Terminal.readAll(STDIN_FILENO, limit: Put.limit)
            }
            guard let bytes else { throw SystemError(code: EFBIG, call: "read") }
            return bytes
        } catch {
            throw CommandFailure(.failure, "cannot read the value from \(name): \(error.reason)")
        }
    }
}

/// Reads a value.
struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the value of a key.",
        discussion: """
            The value is printed byte for byte; on a terminal a line feed is added if it has \
            none. Exits with 3 if there is no such key.
            """)

    @Argument(help: "The key.") var key: String
    @Option(help: ArgumentHelp("How fresh the answer must be: linearizable or stale.", valueName: "level"))
    var consistency = Consistency.linearizable
    @Option(help: ArgumentHelp("The value as it was at this revision.", valueName: "revision"))
    var revision: UInt64?
    @Option(
        help: ArgumentHelp(
            "The value as it was at this time, such as 2026-11-22T10:00:00Z.", valueName: "instant"))
    var at: String?
    @Flag(help: "Print revisions, version and size instead of the value.") var meta = false
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func validate() throws {
        guard revision == nil || at == nil else {
            throw ValidationError("--revision and --at exclude each other")
        }
    }

    func run() throws {
        let key = try keyBytes(key)
        var client = try connection.client()
        let found = try calling { () throws(ClientError) in
            try client.get(
                key, consistency: consistency, at: revision.map(Revision.init), instant: at,
                metadata: meta || connection.json)
        }
        guard let found else { throw CommandFailure(.notFound, "no such key: \(Terminal.printable(key))") }
        if connection.json { return printAnswer(found.body) }
        if meta { return printMetadata(found) }
        Terminal.write(found.value)
        if Terminal.isInteractive && found.value.last != 10 { Terminal.line() }
    }

    private func printMetadata(_ found: GetResult) {
        var rows = [["key", Terminal.printable(Array(key.utf8))]]
        for name in ["revision", "create_revision", "version", "size"] {
            if let number = found.metadata?.number(name) { rows.append([name, "\(number)"]) }
        }
        Terminal.write(Terminal.table(rows), to: STDOUT_FILENO)
    }
}

extension Consistency: ExpressibleByArgument {}

/// Takes a key away.
struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete a key.",
        discussion: """
            Exits with 3 if there was no such key, and with 4 if the condition does not hold or a \
            fence's token is not current.
            """)

    @Argument(help: "The key.") var key: String
    @Option(help: ArgumentHelp("Only if the key was last changed at this revision.", valueName: "revision"))
    var ifRevision: UInt64?
    @OptionGroup(title: "Fences") var fences: FenceOptions
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        let key = try keyBytes(key)
        var client = try connection.client()
        let condition = ifRevision.map { Condition.revision(Revision($0)) }
        let result = try calling { () throws(ClientError) in
            try client.delete(key, if: condition, fences: fences.list)
        }
        if connection.json { printAnswer(result.body) }
        guard result.count > 0 else {
            throw CommandFailure(.notFound, "no such key: \(Terminal.printable(key))")
        }
        if !connection.json { Terminal.line("deleted") }
    }
}

/// Lists keys.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List keys and their values.",
        discussion: """
            One line for each key: the key, a tab, its value, with control characters and \
            bytes that are no text as escapes. With --json, one JSON object for each page. \
            All pages show the same revision.
            """)

    @Option(help: ArgumentHelp("Only keys that begin with this.", valueName: "text")) var prefix = ""
    @Flag(help: "Print only the keys.") var keys = false
    @Option(help: ArgumentHelp("At most so many.", valueName: "number")) var limit: Int?
    @Option(help: ArgumentHelp("How fresh the answer must be: linearizable or stale.", valueName: "level"))
    var consistency = Consistency.linearizable
    @OptionGroup(title: "Connection") var connection: ClientOptions

    private static let pageSize = 1000

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): it must be at least 1") }
    }

    func run() throws {
        var client = try connection.client()
        var left = limit ?? .max
        var cursor: String?
        repeat {
            let page = try calling { () throws(ClientError) in
                try client.list(
                    prefix: Array(prefix.utf8), keysOnly: keys, limit: min(left, List.pageSize),
                    consistency: consistency, cursor: cursor)
            }
            left -= page.items.count
            cursor = page.items.isEmpty ? nil : page.next
            if connection.json { printAnswer(page.body) } else { show(page.items) }
        } while cursor != nil && left > 0
    }

    private func show(_ items: [ListedItem]) {
        var text = ""
        for item in items {
            text += Terminal.printable(item.key)
            if let value = item.value { text += "\t" + Terminal.printable(value) }
            text += "\n"
        }
        Terminal.write(text, to: STDOUT_FILENO)
    }
}
