import ArgumentParser
import NodeRuntime
import Primitives
import Synchronization
import Testing

@testable import parley

/// Runs a command line in this process.
private func run(_ arguments: String...) -> (code: Int32, output: String, errors: String) {
    var (output, errors) = ("", "")
    let code = Main.run(arguments, output: { output += $0 }, errors: { errors += $0 })
    return (code, output, errors)
}

private func serve(
    _ arguments: [String], _ variables: [String: String] = [:]
) throws -> NodeConfiguration {
    let command = try Serve.parse(arguments)
    return try command.configuration(Environment { variables[$0] })
}

@Suite struct CommandLineTests {
    @Test(arguments: [
        (["serve", "--bogus"], "--bogus"), (["serve"], "--name"), (["serve", "--name", "n1"], "--data-dir"),
        (["serve", "--name", "n 1", "--data-dir", "d"], "--name"),
        (["serve", "--name", "n1", "--data-dir", "d", "--listen", "here"], "--listen"),
        (["serve", "--name", "n1", "--data-dir", "d", "--cluster", "n2=http://a:1"], "--cluster"),
        (["serve", "--name", "n1", "--data-dir", "d", "--cluster", "n1=a b"], "--cluster"),
        (["serve", "--name", "n1", "--data-dir", "d", "--cluster", "n1=a:1,n1=a:2"], "--cluster"),
        (["serve", "--name", "n1", "--data-dir", "d", "--cluster", "n1=a:1,n2=a:1"], "--cluster"),
        (["serve", "--name", "n1", "--data-dir", "d", "--advertise", "::"], "--advertise"),
        (["serve", "--name", "n1", "--data-dir", "d", "--election-timeout", "soon"], "--election-timeout"),
        (["serve", "--name", "n1", "--data-dir", "d", "--election-timeout", "200ms"], "--election-timeout"),
        (["serve", "--name", "n1", "--data-dir", "d", "--max-connections", "0"], "--max-connections"),
        (["serve", "--name", "n1", "--data-dir", "d", "--log-level", "loud"], "--log-level"),
        (["dev", "--nodes", "0"], "--nodes"), (["dev", "--port", "65535"], "--port"),
        (["put", "k"], "--file"), (["put", "k", "v", "--file", "f"], "--file"), (["put"], "<key>"),
        (["put", "k", "v", "--if-absent", "--if-revision", "3"], "--if-absent"),
        (["put", "", "v"], "key"), (["put", "k", "v", "--timeout", "0"], "--timeout"),
        (["get", "k", "--consistency", "eventual"], "--consistency"), (["list", "--limit", "0"], "--limit"),
        (["get", "k", "--endpoints", "a:1,a:b"], "--endpoints"), (["bench", "--rate", "0"], "--rate"),
        (["bench", "--pids", "0"], "--pids"), (["bench", "jump"], "jump"),
        (["bench", "--endpoints", "https://a"], "--endpoints"), (["dance"], "dance"),
        (["check", "--clients", "0"], "--clients"), (["check", "--endpoints", "a:b"], "--endpoints"),
        (["check", "--prefix", ""], "--prefix"), (["check", "--rate", "1000001"], "--rate"),
        (["check", "--reads", "101"], "--reads"), (["check", "--timeout", "2m"], "--timeout"),
        (["check", "--operations", "1000001"], "--operations"), (["check", "--keys", "0"], "--keys"),
        (["check", "--history", "f", "--out", "g"], "--out"),
        (["check", "--history", "/no/such/file"], "/no/such/file"),
        (["put", "k", "v", "--ttl", "1s", "--lease", "a"], "--ttl"),
        (["put", "k", "v", "--keep-lease", "--lease", "a"], "--keep-lease"),
        (["lease", "grant"], "--ttl"), (["lease", "renew"], "<id>"),
        (["lease", "hold", "--ttl", "soon"], "--ttl"),
        (["lease", "dance"], "dance"),
        (["queue", "send", "mail"], "<message>"), (["queue", "receive", "q", "--wait", "soon"], "--wait"),
        (["queue", "dance"], "dance"), (["barrier", "arrive", "b"], "--member"),
        (["lock"], "<name>"), (["lock", "a"], "--"), (["lock", "a", "--"], "--"),
        (["lock", "a", "--ttl", "0.5", "--", "true"], "--ttl"),
        (["lock", "a", "--wait", "25h", "--", "true"], "--wait"),
        (["lock", "a", "--grace", "2h", "--", "true"], "--grace"),
        (["lock", "release", "a"], "--token"), (["lock", "release", "a", "--token", "x"], "--token"),
        (["lock", "acquire", "a", "--ttl", "5", "--lease", "l"], "--ttl"),
        (["elect", "a"], "--"), (["elect", "proclaim", "a", "--token", "3"], "<value>"),
        (["semaphore", "a", "--permits", "many", "--", "true"], "--permits"),
        (["semaphore", "set", "a"], "--permits"),
        (["fault", "link", "n1", "n2", "--block"], "--ttl"),
        (["fault", "link", "n1", "n2", "--drop", "2", "--ttl", "1s"], "--drop"),
        (["fault", "link", "n1", "n2", "--delay", "9ms..1ms", "--ttl", "1s"], "--delay"),
        (["fault", "link", "n1", "n2", "--block", "--dist", "normal", "--ttl", "1s"], "--dist"),
        (["fault", "partition", "n1", "/", "--ttl", "1s"], "group"),
        (["fault", "partition", "n1", "--one-way", "--ttl", "1s"], "--one-way"),
        (["fault", "pause", "n1"], "--for"),
        (["barrier", "set", "b"], "--parties"), (["barrier", "set", "b", "--parties", "x"], "--parties"),
    ])
    func `wrong usage is one line that names what is wrong, and exit code 2`(
        arguments: [String], name: String
    ) {
        var errors = ""
        let code = Main.run(arguments, output: { _ in Issue.record("output") }, errors: { errors += $0 })
        #expect(code == 2)
        #expect(errors.contains(name))
        #expect(errors.hasPrefix("parley: "))
        #expect(errors.filter(\.isNewline).count == 1)
    }

    @Test func `help and version go to standard output and are no failure`() {
        #expect(run("--version").output == "\(parleyVersion)\n")
        for command in [
            "serve", "dev", "put", "get", "delete", "list", "status", "members", "leader", "transfer",
            "bench", "check", "lock", "elect", "semaphore", "fault",
        ] {
            let result = run(command, "--help")
            #expect(result.code == 0)
            #expect(result.output.contains("USAGE: parley \(command)"))
            #expect(result.errors == "")
            #expect(
                result.output.split(separator: "\n").allSatisfy { $0.count <= 100 || $0.hasPrefix("USAGE") })
        }
        #expect(run("--help").output.contains("Exit codes:"))
    }

    @Test func `a node of its own needs little`() throws {
        let configuration = try serve(["--name", "n1", "--data-dir", "d"])
        #expect(configuration.listen == "127.0.0.1:7071")
        #expect(configuration.members.map(\.url) == ["http://127.0.0.1:7071"])
        #expect(configuration.advertise == nil && !configuration.enablesFaults)
        #expect(configuration.clusterName == "parley")
        #expect(configuration.heartbeat == .milliseconds(100))
        #expect(configuration.electionTimeout == .milliseconds(500))
        #expect(configuration.checkpointLogBytes == 64 << 20)
    }

    @Test func `every setting has a variable, and the flag wins`() throws {
        let variables = [
            "PARLEY_NAME": "n2", "PARLEY_LISTEN": "0.0.0.0:1", "PARLEY_DATA_DIR": "v",
            "PARLEY_CLUSTER": "n1=http://a:1,n2=http://b:2", "PARLEY_ADVERTISE": "http://b:3",
            "PARLEY_CLUSTER_NAME": "c", "PARLEY_HEARTBEAT_INTERVAL": "20ms", "PARLEY_ELECTION_TIMEOUT": "0.2",
            "PARLEY_SNAPSHOT_LOG_SIZE": "8MiB", "PARLEY_MAX_CONNECTIONS": "10", "PARLEY_ALLOW_HOST": "h1,h2",
            "PARLEY_CORS_ORIGIN": "http://o", "PARLEY_LOG_LEVEL": "debug", "PARLEY_ENABLE_FAULTS": "1",
        ]
        let configuration = try serve(
            ["--name", "n1", "--allow-host", "h3", "--allow-host", "h4"], variables)
        #expect(configuration.name == "n1")
        #expect(configuration.listen == "0.0.0.0:1")
        #expect(configuration.dataDirectory == "v")
        #expect(configuration.members.map(\.name) == ["n1", "n2"])
        #expect(configuration.advertise == "http://b:3")
        #expect(configuration.clusterName == "c")
        #expect(configuration.heartbeat == .milliseconds(20))
        #expect(configuration.electionTimeout == .milliseconds(200))
        #expect(configuration.checkpointLogBytes == 8 << 20)
        #expect(configuration.httpMaxConnections == 10)
        #expect(configuration.enablesFaults)
        #expect(configuration.allowHosts == ["h3", "h4"])
        #expect(configuration.corsOrigins == ["http://o"])
        #expect(configuration.logLevel == "debug")
    }

    @Test func `a variable that makes no sense is named`() {
        let error = #expect(throws: CommandFailure.self) {
            _ = try serve(["--name", "n1", "--data-dir", "d"], ["PARLEY_LOG_LEVEL": "loud"])
        }
        #expect(error?.code == .usage)
        #expect(error?.message.contains("PARLEY_LOG_LEVEL") == true)
        #expect(error?.message.contains("debug") == true)
    }

    @Test(arguments: [
        ("250ms", 250_000_000), ("30s", 30_000_000_000), ("5m", 300_000_000_000), ("1h", 3_600_000_000_000),
        ("2", 2_000_000_000), ("1.5s", 1_500_000_000), ("10us", 10_000),
    ])
    func `lengths of time are read`(text: String, nanoseconds: Int64) {
        #expect(TimeSpan(argument: text)?.span == Instant.Span(nanoseconds: nanoseconds))
    }

    @Test(arguments: ["", "ms", "-1s", "1 s", "1d", "1e3s", ".5", "1.2.3", "9999999999999h", "nan", "٣s"])
    func `what is no length of time is refused`(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }

    @Test func `sizes are read`() {
        #expect(ByteSize(argument: "4096")?.bytes == 4096)
        #expect(ByteSize(argument: "64MiB")?.bytes == 64 << 20)
        #expect(ByteSize(argument: "2G")?.bytes == 2 << 30)
        for text in ["", "MiB", "-1", "1.5M", "99999999999999999G", "1TB"] {
            #expect(ByteSize(argument: text) == nil, "\(text)")
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ExitCodeTests {
    @Test(arguments: [
        (FakeReply.answer(404, body: #"{"code":"key_not_found"}"#), ["get", "k"], 3),
        (.answer(404, body: #"{"code":"member_not_found"}"#), ["transfer", "n9"], 3),
        (.answer(200, body: #"{"deleted":0,"revision":3}"#), ["delete", "k"], 3),
        (.answer(412, body: #"{"code":"precondition_failed"}"#), ["put", "k", "v", "--if-absent"], 4),
        (.answer(412, body: #"{"code":"precondition_failed"}"#), ["delete", "k", "--if-revision", "2"], 4),
        (.answer(503, body: #"{"code":"no_leader"}"#), ["leader"], 5),
        (.answer(504), ["put", "k", "v"], 5), (.close, ["put", "k", "v"], 5), (.close, ["get", "k"], 5),
        (.answer(503), ["status"], 5), (.answer(400, body: #"{"code":"bad_key"}"#), ["get", "k"], 1),
        (.answer(200, body: "not JSON"), ["members"], 1),
    ])
    func `what happened is told by the exit code`(reply: FakeReply, arguments: [String], code: Int) throws {
        let node = try FakeEndpoint(reply)
        defer { node.stop() }
        var errors = ""
        let exit = Main.run(
            arguments + ["--endpoints", node.url, "--timeout", "500ms"], output: { _ in },
            errors: { errors += $0 })
        #expect(Int(exit) == code, "\(errors)")
        #expect(errors.hasPrefix("parley: "))
        #expect(errors.filter(\.isNewline).count == 1)
    }

    @Test func `nobody there is exit code 5`() throws {
        let result = run("get", "k", "--endpoints", try FakeEndpoint.nobody())
        #expect(result.code == 5)
    }
}
