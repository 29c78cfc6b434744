import ArgumentParser
import Client
import Glibc
import JSON
import Primitives

/// What the algorithms are.
struct SpecVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spec",
        abstract: "Show the algorithms: local states, guarded steps, messages.",
        discussion: """
              parley spec
              parley spec raft

            It is made of the types that the running code switches over. With --json as GET /spec has it.
            """)
    @Argument(help: "Only this algorithm.") var algorithm: String?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        let path = algorithm.map { "/spec/\(percentEncoded(Array($0.utf8)))" } ?? "/spec"
        if connection.json { return try show(Call("GET", path), connection) }
        var client = try connection.client()
        let body = try calling { () throws(ClientError) in try client.succeed(Call("GET", path)).body }
        guard let answer = try? JSONValue(parsing: body) else { return Terminal.write(body) }
        let texts = (answer["items"]?.elements ?? [answer]).map(Self.text)
        Terminal.write(texts.joined(separator: "\n"), to: STDOUT_FILENO)
    }

    private static func text(_ algorithm: JSONValue) -> String {
        var text = "\(algorithm.text("name") ?? ""): \(algorithm.text("title") ?? "")\n"
        text += "  state of \(algorithm.text("subject") ?? "") (\(algorithm.text("source") ?? ""))\n"
        let states = algorithm["states"]?.elements ?? []
        let steps = algorithm["transitions"]?.elements ?? []
        let messages = algorithm["messages"]?.elements ?? []
        func width(_ rows: [JSONValue], _ name: String) -> Int {
            rows.map { ($0.text(name) ?? "").utf8.count }.max() ?? 0
        }
        func cell(_ row: JSONValue, _ name: String, _ width: Int) -> String {
            let text = row.text(name) ?? ""
            return text + String(repeating: " ", count: max(0, width - text.utf8.count))
        }
        for state in states {
            let mark = state["initial"] == .bool(true) ? "*" : " "
            text +=
                "  \(mark) \(cell(state, "name", width(states, "name")))  \(state.text("meaning") ?? "")\n"
        }
        for step in steps {
            let (from, to) = (cell(step, "from", width(steps, "from")), cell(step, "to", width(steps, "to")))
            let cause = cell(step, "cause", width(steps, "cause"))
            text += "    \(from) -> \(to)  \(cause)  \(step.text("guard") ?? "")\n"
        }
        for message in messages {
            let name = cell(message, "name", width(messages, "name"))
            text += "  > \(name)  \(message.text("meaning") ?? "")\n"
        }
        return text
    }
}

/// The steps that a node's algorithms take.
struct TransitionsVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transitions",
        abstract: "Show each step of a node's algorithms, with its cause.",
        discussion: """
              parley transitions --algorithm raft
              parley transitions --follow --endpoints http://127.0.0.1:9001

            Roles and terms, suspicions, links, clocks, leases, locks, elections and semaphores; parley spec \
            explains them. Each node has its own. With --json the lines of GET /transitions as they come.
            """)
    @Option(help: "Only those of this algorithm, as in raft.") var algorithm: String?
    @Option(help: "Only those of this node, lease or lock.") var subject: String?
    @Option(help: ArgumentHelp("Only those after this one.", valueName: "id")) var after: String?
    @Option(help: ArgumentHelp("End after so many.", valueName: "number")) var max: Int?
    @Flag(help: "Go on with those that come.") var follow = false
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
            let present = call(last, most: min(left, 500), wait: "0s")
            var found = lines(try calling { () throws(ClientError) in try client.succeed(present).body })
            if found.isEmpty {
                guard follow else { return }
                let next = call(last, most: 1, wait: "20s")
                found = lines(try calling { () throws(ClientError) in try client.succeed(next).body })
            }
            for line in found {
                show(line)
                guard let id = line.text("id") else { continue }
                last = id
                left -= 1
            }
        }
    }

    private func call(_ after: String?, most: Int, wait: String) -> Call {
        var call = Call("GET", "/transitions", query: [("max", "\(most)"), ("wait", wait)])
        for (name, value) in [("algorithm", algorithm), ("subject", subject), ("after", after)] {
            if let value { call.query.append((name, value)) }
        }
        return call
    }

    private func lines(_ body: [UInt8]) -> [JSONValue] {
        body.split(separator: 10).compactMap { try? JSONValue(parsing: Array($0)) }
            .filter { $0["hb"] == nil }
    }

    private func show(_ line: JSONValue) {
        if connection.json { return Terminal.write(line.serialized(pretty: false) + [10]) }
        guard line["missed"] == nil else {
            let text = "(some were missed: the node has forgotten them, or is a new process)\n"
            return Terminal.write(text, to: STDOUT_FILENO)
        }
        func text(_ name: String) -> String {
            line.text(name).map { Terminal.printable(Array($0.utf8)) } ?? ""
        }
        Terminal.write(
            "\(text("time")) \(text("node")) \(text("algorithm")) \(text("subject")): "
                + "\(text("from")) -> \(text("to")), \(text("reason"))\n", to: STDOUT_FILENO)
    }
}
