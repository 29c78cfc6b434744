import ArgumentParser
import Client
import Glibc
import JSON
import Primitives

/// Shows changes as they happen.
struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show changes as they happen.",
        discussion: """
            One line for each change: its revision, put or delete, the key and the value, \
            with tabs between them, and control characters and bytes that are no text as \
            escapes. With --json, the lines of GET /watch as they come.

              parley watch --prefix config/
              parley watch --key config/db --from 42 --max 1

            When a node fails, the next endpoint goes on where it stopped: nothing is left \
            out, and only the changes of a revision that was interrupted come twice. Ends \
            with 1 if what comes next was compacted, and with 5 if no node answers for as \
            long as --timeout says.
            """)

    @Option(help: "One key.") var key: String?
    @Option(help: ArgumentHelp("Only keys that begin with this.", valueName: "text")) var prefix: String?
    @Option(help: ArgumentHelp("Begin with this revision.", valueName: "revision")) var from: UInt64?
    @Flag(help: "Begin with the present items.") var snapshot = false
    @Option(help: ArgumentHelp("Only puts, or only deletions.", valueName: "put|delete")) var only: String?
    @Flag(help: "Leave out the values.") var keys = false
    @Flag(help: "Tell what was there before.") var prev = false
    @Option(help: ArgumentHelp("End after so many revisions.", valueName: "number")) var max: Int?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func validate() throws {
        guard key == nil || prefix == nil else {
            throw ValidationError("--key and --prefix exclude each other")
        }
        guard from == nil || !snapshot else {
            throw ValidationError("--from and --snapshot exclude each other")
        }
        if let from, from < 1 { throw ValidationError("--from 0: revisions begin with 1") }
        if let max, max < 1 { throw ValidationError("--max \(max): it must be at least 1") }
        if let only, only != "put", only != "delete" {
            throw ValidationError("--only \(only): it is put or delete")
        }
    }

    func run() throws {
        var client = try connection.client()
        var begin = from
        if begin == nil, !snapshot {
            let now = try calling { () throws(ClientError) in try client.revision() }
            begin = now + 1
        }
        let stream = ChangeStream(
            query, from: begin, endpoints: client.endpoints, timeout: client.timeout)
        var left = max ?? .max
        try calling { () throws(ClientError) in
            try stream.follow(pause: { usleep(100_000) }) { line in
                show(line)
                if line.json["events"] != nil, line.json["more"] == nil { left -= 1 }
                return left > 0
            }
        }
    }

    private var query: [(name: String, value: String?)] {
        var query: [(name: String, value: String?)] = []
        if let key { query.append(("key", key)) } else { query.append(("prefix", prefix ?? "")) }
        if let only { query.append(("only", only)) }
        if keys { query.append(("keys", nil)) }
        if prev { query.append(("prev", nil)) }
        return query
    }

    private func show(_ line: ChangeStream.Line) {
        if connection.json { return Terminal.write(line.bytes + [10]) }
        var text = ""
        let revision = line.json.number("revision") ?? 0
        for item in line.json["items"]?.elements ?? [] {
            text += "\(item.number("revision") ?? 0)\titem\(row(item))\n"
        }
        for event in line.json["events"]?.elements ?? [] {
            text += "\(revision)\t\(event.text("type") ?? "?")\(row(event))"
            if prev, let before = event["prev"] { text += "\tbefore: \(value(before) ?? "")" }
            text += "\n"
        }
        if !text.isEmpty { Terminal.write(text, to: STDOUT_FILENO) }
    }

    private func row(_ item: JSONValue) -> String {
        let key = item.bytes("key").map { Terminal.printable($0) } ?? "?"
        return "\t" + key + (value(item).map { "\t" + $0 } ?? "")
    }

    private func value(_ item: JSONValue) -> String? { item.bytes("value").map { Terminal.printable($0) } }
}
