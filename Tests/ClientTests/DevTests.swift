import ArgumentParser
import NodeRuntime
import Testing

@testable import parley

@Suite struct DevTests {
    @Test func `nodes get names, ports, folders and each other's URLs`() throws {
        let plan = try DevPlan(nodes: 2, port: 7071, folder: "f", extra: ["--log-level", "debug"])
        #expect(plan.cluster == "n1=http://127.0.0.1:7071,n2=http://127.0.0.1:7072")
        let arguments = plan.arguments(of: plan.nodes[1])
        let command = try Serve.parse(Array(arguments.dropFirst()))
        let configuration = try command.configuration(Environment { _ in nil })
        #expect(configuration.name == "n2")
        #expect(configuration.listen == "127.0.0.1:7072")
        #expect(configuration.dataDirectory == "f/n2")
        #expect(configuration.members.count == 2)
        #expect(configuration.logLevel == "debug")
        #expect(command.logging.exitWithStdin)
    }

    @Test func `lines are put together again however they come`() {
        let bytes = Array("one\ntwo\n\nthree".utf8)
        for size in 1...bytes.count {
            var splitter = LineSplitter()
            var lines: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                let part = bytes[start..<min(bytes.count, start + size)]
                lines += splitter.add(part).map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(lines == ["one", "two", ""])
            #expect(splitter.finish() == Array("three".utf8))
        }
    }

    @Test func `a line that does not end is cut`() {
        var splitter = LineSplitter()
        let lines = splitter.add([UInt8](repeating: 97, count: 70_000))
        #expect(lines.map(\.count) == [70_000])
        #expect(splitter.finish().isEmpty)
    }

    @Test func `events are read out of a node's log lines`() {
        let line = LogLine(
            Array(
                #"{"time":"2026-11-22T10:52:33.120Z","level":"info","node":"n1","message":"leader known","event":"leader","leader":"n2","term":"7"}"#
                    .utf8))
        #expect(line.event == "leader")
        #expect(line.leader == "n2")
        #expect(line.term == 7)
        #expect(line.clock == "10:52:33.120")
        #expect(!line.isTrouble)
        let plain = LogLine(Array("parley: cannot listen\u{1b}".utf8))
        #expect(plain.message == "parley: cannot listen\\x1b")
        #expect(plain.isTrouble)
    }

    @Test func `tables line up and end where their text ends`() {
        #expect(Terminal.table([["A", "BB", ""], ["long", "", "c"]]) == "A     BB\nlong      c\n")
    }

    @Test func `values can not command the terminal`() {
        #expect(Terminal.printable(Array("a\u{1b}[31m\n\té\\".utf8)) == "a\\x1b[31m\\n\\té\\\\")
        #expect(Terminal.printable([97, 255, 10, 92]) == "a\\xff\\x0a\\x5c")
    }
}
