import ArgumentParser
import Client
import Glibc
import JSON
import Primitives

/// Shows all nodes.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show every node's state, as it sees itself.",
        discussion: """
            Asks the endpoints and all members that they know, each on its own. Exits with 5 \
            if none answers, and with 1 if a node does not.
            """)

    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let nodes = try calling { () throws(ClientError) in try client.status() }
        if connection.json { printAnswer(json(nodes)) } else { show(nodes) }
        let silent = nodes.filter { $0.report == nil }
        guard silent.isEmpty else {
            let names = silent.map { "\($0.name.isEmpty ? $0.endpoint.url : $0.name) (\($0.failure ?? ""))" }
            throw CommandFailure(.failure, "no answer from \(names.joined(separator: ", "))")
        }
    }

    private func show(_ nodes: [NodeStatus]) {
        var rows = [
            ["NODE", "URL", "STATE", "TERM", "LEADER", "REVISION", "COMMITTED", "HEALTH", "ANSWERED IN"]
        ]
        for node in nodes {
            guard let report = node.report else {
                rows.append([node.name.isEmpty ? "?" : node.name, node.endpoint.url, "no answer"])
                continue
            }
            func number(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "-" }
            rows.append([
                node.name, node.endpoint.url, state(node.name, report), number(report.term),
                report.leader ?? "none", number(report.revision), number(report.commitIndex),
                report.health ?? "-", "\(report.elapsed.milliseconds) ms",
            ])
        }
        Terminal.write(Terminal.table(rows), to: STDOUT_FILENO)
    }

    private func state(_ name: String, _ report: NodeReport) -> String {
        guard let leader = report.leader else { return "no leader" }
        return leader == name ? "leader" : "follower"
    }

    private func json(_ nodes: [NodeStatus]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.name("nodes")
        writer.beginArray()
        for node in nodes {
            writer.beginObject()
            writer.field("name", node.name)
            writer.field("url", node.endpoint.url)
            if let failure = node.failure { writer.field("failure", failure) }
            if let report = node.report { write(report, node.name, into: &writer) }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.take()
    }

    private func write(_ report: NodeReport, _ name: String, into writer: inout JSONWriter) {
        writer.field("state", state(name, report))
        if let term = report.term { writer.field("term", term) }
        if let leader = report.leader { writer.field("leader", leader) }
        if let revision = report.revision { writer.field("revision", revision) }
        if let index = report.commitIndex { writer.field("commit_index", index) }
        if let health = report.health { writer.field("health", health) }
        writer.field("answered_in_us", report.elapsed.microseconds)
    }
}

/// Shows the members.
struct Members: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the members and how far each one's copy of the log is.")

    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let members = try calling { () throws(ClientError) in try client.members() }
        if connection.json { return printAnswer(members.body) }
        var rows = [["NODE", "ROLE", "STATE", "URL", "MATCHES", "BEHIND", "ROUND TRIP"]]
        for member in members.items {
            let trip = member["rtt_ms"]?.double.map { "\(($0 * 100).rounded() / 100) ms" }
            rows.append([
                member.text("name") ?? "?", member.text("role") ?? "-", member.text("state") ?? "-",
                member.text("url") ?? "-", member.number("match_index").map { "\($0)" } ?? "-",
                member.number("lag_entries").map { "\($0)" } ?? "-", trip ?? "-",
            ])
        }
        Terminal.write(Terminal.table(rows), to: STDOUT_FILENO)
    }
}

/// Shows who leads.
struct LeaderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leader", abstract: "Print the leader's name, URL and term.",
        discussion: "Exits with 5 if there is no leader.")

    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let leader = try calling { () throws(ClientError) in try client.leader() }
        if connection.json { return printAnswer(leader.body) }
        Terminal.line("\(leader.name)\t\(leader.url)\tterm \(leader.term)")
    }
}

/// Moves leadership.
struct Transfer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand leadership to another member.",
        discussion:
            "Without a name, to the one whose log is furthest along. Returns when the new leader leads.")

    @Argument(help: ArgumentHelp("The member to lead.", valueName: "name")) var to: String?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let result = try calling { () throws(ClientError) in try client.transferLeadership(to: to) }
        if connection.json { return printAnswer(result.body) }
        Terminal.line("\(result.to) leads in term \(result.term), after \(result.from)")
    }
}
