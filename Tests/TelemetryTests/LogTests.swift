import Glibc
import Logging
import Primitives
import Telemetry
import Testing

@Suite struct LogTests {
    private let time = WallTime(milliseconds: 1_795_344_753_120)

    private func line(_ format: LogFormat, _ message: String, _ metadata: Logger.Metadata = [:]) -> String {
        format.line(time: time, level: .info, node: "n1", message: message, metadata: metadata)
    }

    @Test func `a text line has time, level, node, message and sorted metadata`() {
        #expect(
            line(.text, "became leader", ["term": "7", "because": "of votes", "empty": ""])
                == "2026-11-22T10:52:33.120Z info n1 became leader because=\"of votes\" empty=\"\" term=7")
    }

    @Test func `a JSON line has the same as members`() {
        #expect(
            line(.json, "became leader", ["term": "7", "node": "x"])
                == #"{"time":"2026-11-22T10:52:33.120Z","level":"info","node":"n1","message":"became leader","meta_node":"x","term":"7"}"#
        )
    }

    @Test(arguments: LogFormat.allCases)
    func `nothing that is logged can begin a line of its own or command a terminal`(format: LogFormat) {
        let hostile = "a\nb\r\u{1b}[31m\u{7f}\u{85}\u{2028}\"\\"
        let line = line(format, hostile, [hostile: .string(hostile)])
        #expect(
            line.unicodeScalars.allSatisfy {
                $0.value >= 32 && $0.value != 127 && $0 != "\u{2028}" && $0.value != 0x85
            })
        #expect(line.contains("a\\nb\\r\\u001b[31m\\u007f\\u0085\\u2028"))
    }

    @Test func `lines go to the descriptor and a full pipe loses them instead of waiting`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        try #require(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0)
        let sink = LogSink(descriptor: ends[1])
        var logger = Logger(label: "test") { _ in
            LineLogHandler(node: "n1", format: .text, level: .info, sink: sink)
        }
        logger[metadataKey: "term"] = "3"
        logger.debug("too quiet")
        logger.info("first", metadata: ["peer": "n2"])
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var count = read(ends[0], &buffer, buffer.count)
        let first = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        #expect(first.hasSuffix("Z info n1 first peer=n2 term=3\n"))

        for _ in 0..<2000 { logger.info("\(String(repeating: "x", count: 100))") }
        #expect(sink.dropped > 0)
        let dropped = sink.dropped
        count = read(ends[0], &buffer, buffer.count)
        logger.info("last")
        count = read(ends[0], &buffer, buffer.count)
        let last = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        #expect(last.hasSuffix("last dropped_lines=\(dropped) term=3\n"))
        #expect(sink.dropped == 0)
    }
}
