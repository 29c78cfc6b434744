import Client
import JSON

/// A line that a node wrote: one of its log's, or anything else, such as why it could not start.
struct LogLine {
    var time: String?
    var level: String?
    var message: String
    /// What kind of event it tells, as `parley serve` marks them.
    var event: String?
    var leader: String?
    var term: UInt64?

    init(_ bytes: some Collection<UInt8>) {
        guard let json = try? JSONValue(parsing: Array(bytes)), let message = json.text("message") else {
            self.message = Terminal.printable(Array(bytes))
            return
        }
        time = json.text("time")
        level = json.text("level")
        self.message = Terminal.printable(Array(message.utf8))
        event = json.text("event")
        leader = json.text("leader")
        term = json.text("term").flatMap { UInt64($0) }
    }

    /// Whether it is worth a look although it is no event.
    var isTrouble: Bool {
        guard let level else { return true }
        return ["warning", "error", "critical"].contains(level)
    }

    /// The time of day, as in `10:52:33.120`.
    var clock: String {
        guard let time, time.count >= 24 else { return "            " }
        return String(time.dropFirst(11).dropLast(1))
    }
}

/// Cuts a stream of bytes into lines.
struct LineSplitter {
    private static let limit = 64 << 10
    private var rest: [UInt8] = []

    /// Adds bytes and hands out the lines that they complete, without their line feeds. A line that will not
    /// end is cut at 64 KiB.
    mutating func add(_ bytes: some Collection<UInt8>) -> [[UInt8]] {
        rest.append(contentsOf: bytes)
        var lines: [[UInt8]] = []
        var start = 0
        while let end = rest[start...].firstIndex(of: 10) {
            lines.append(Array(rest[start..<end]))
            start = end + 1
        }
        rest.removeFirst(start)
        if rest.count > LineSplitter.limit { lines.append(finish()) }
        return lines
    }

    /// What is left when the stream ends.
    mutating func finish() -> [UInt8] {
        defer { rest = [] }
        return rest
    }
}
