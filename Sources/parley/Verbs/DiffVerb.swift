import ArgumentParser
import Client
import Glibc
import JSON

/// Shows what is different between two revisions.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what changed between two revisions.",
        discussion: """
            FROM and TO are revisions or times; without TO, what changed up to now. One line \
            for each key: + added, ~ changed or - deleted, then the key, a tab and its value \
            (of a deleted key, the one it had). A key that was made and deleted in between \
            is not shown. With --json, one JSON object for each page.

              parley diff 17 42 --prefix config/
              parley diff 2026-11-22T10:00:00Z
            """)

    @Argument(help: "The earlier revision or time.") var from: String
    @Argument(help: "The later revision or time.") var to: String?
    @Option(help: ArgumentHelp("Only keys that begin with this.", valueName: "text")) var prefix = ""
    @Flag(help: "Print no values.") var keys = false
    @OptionGroup(title: "Connection") var connection: ClientOptions

    private static let pageSize = 1000

    func run() throws {
        var client = try connection.client()
        var cursor: String?
        repeat {
            let page = try calling { () throws(ClientError) in
                try client.difference(
                    prefix: Array(prefix.utf8), from: from, to: to, keysOnly: keys, limit: Diff.pageSize,
                    cursor: cursor)
            }
            cursor = page.next
            if connection.json { printAnswer(page.body) } else { show(page.items) }
        } while cursor != nil
    }

    private func show(_ items: [JSONValue]) {
        var text = ""
        for item in items {
            let sign = ["added": "+", "changed": "~", "deleted": "-"][item.text("type") ?? ""] ?? "?"
            text += "\(sign) " + Terminal.printable(item.bytes("key") ?? [])
            if let value = item.bytes("value") ?? item["old"]?.bytes("value") {
                text += "\t" + Terminal.printable(value)
            }
            text += "\n"
        }
        Terminal.write(text, to: STDOUT_FILENO)
    }
}
