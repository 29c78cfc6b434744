public import ArgumentParser
import Glibc
public import Logging
import NodeRuntime
import Platform
import Primitives
public import Telemetry

/// Runs one node until it is told to stop.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one node in the foreground.",
        discussion: """
            Every option can also be given as an environment variable, PARLEY_ and its \
            name in capitals (--data-dir is PARLEY_DATA_DIR); options win.

            SIGTERM or Ctrl-C stops the node: it hands over leadership, finishes what is \
            under way and exits with 0. A node that can not start, or can not go on, says \
            why in one line and exits with 1; a wrong option exits with 2.

            A cluster of one node:
              parley serve --name n1 --data-dir ./n1

            The first of two nodes, each started with the same --cluster:
              parley serve --name n1 --listen 10.0.0.1:7071 --data-dir /data \\
                --cluster n1=http://10.0.0.1:7071,n2=http://10.0.0.2:7071
            """)

    @OptionGroup(title: "Identity") var identity: Identity
    @OptionGroup(title: "Consensus") var timing: Timing
    @OptionGroup(title: "HTTP") var http: HTTPSettings
    @OptionGroup(title: "Logging") var logging: LogSettings

    struct Identity: ParsableArguments {
        @Option(help: ArgumentHelp("This node's name, one of those in --cluster.", valueName: "name"))
        var name: String?

        @Option(
            help: ArgumentHelp(
                "Where to listen, for clients and nodes alike; :7071 is every address. "
                    + "(default: 127.0.0.1:7071)",
                valueName: "host:port"))
        var listen: String?

        @Option(
            help: ArgumentHelp(
                "The URL under which others reach this node. (default: that of --cluster)", valueName: "url"))
        var advertise: String?

        @Option(
            help: ArgumentHelp(
                "The folder for this node's log and snapshots, made if it is missing.", valueName: "folder"))
        var dataDir: String?

        @Option(
            help: ArgumentHelp(
                "All members at the cluster's first start. (default: this node alone)",
                valueName: "name=url,…"))
        var cluster: String?

        @Option(
            help: ArgumentHelp(
                "The cluster's name: nodes of another one are refused. (default: parley)", valueName: "name"))
        var clusterName: String?

        @Option(
            help: ArgumentHelp(
                "A file with 32 hexadecimal digits (openssl rand -hex 16), the same on all nodes: it "
                    + "seals the datagrams between them. (default: none)", valueName: "file"))
        var clusterKeyFile: String?
    }

    struct Timing: ParsableArguments {
        @Option(
            help: ArgumentHelp("How often a leader shows that it lives. (default: 100ms)", valueName: "time"))
        var heartbeatInterval: TimeSpan?

        @Option(
            help: ArgumentHelp(
                "How long followers wait for a leader, to twice that, before they elect one. "
                    + "(default: 500ms)",
                valueName: "time"))
        var electionTimeout: TimeSpan?

        @Option(
            help: ArgumentHelp(
                "Write a snapshot when the log since the last one has grown by this. (default: 64MiB)",
                valueName: "size"))
        var snapshotLogSize: ByteSize?
    }

    struct HTTPSettings: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "How many connections may be open at once. (default: 12000)", valueName: "number"))
        var maxConnections: Int?

        @Option(
            help: ArgumentHelp(
                "Answer only requests whose Host is this one; may be repeated. (default: any)",
                valueName: "host"))
        var allowHost: [String] = []

        @Option(
            help: ArgumentHelp(
                "A web origin whose pages may use the API; may be repeated. (default: none)",
                valueName: "origin"))
        var corsOrigin: [String] = []
    }

    struct LogSettings: ParsableArguments {
        @Option(help: ArgumentHelp("The least level of lines to write. (default: info)", valueName: "level"))
        var logLevel: Logger.Level?

        @Option(
            help: ArgumentHelp("How lines are written to standard error. (default: text)", valueName: "form"))
        var logFormat: LogFormat?

        @Flag(help: "Take faults on links and pauses by API: never on a cluster that anybody needs.")
        var enableFaults = false

        @Flag(help: "Stop when standard input ends: for a parent process whose death must stop the node.")
        var exitWithStdin = false
    }

    func run() throws {
        let environment = Environment.process
        let configuration = try configuration(environment)
        let level = Logger.Level(rawValue: configuration.logLevel) ?? .info
        let format = try environment.value(logging.logFormat, "PARLEY_LOG_FORMAT") ?? .text
        startLogging(node: configuration.name, format: format, level: level)
        if logging.exitWithStdin || environment["PARLEY_EXIT_WITH_STDIN"] != nil {
            try Lifeline.watchStandardInput()
        }
        let log = Logger(label: "parley")
        do throws(StartError) {
            try runNode(configuration) { event in log.info(event) }
        } catch {
            switch error {
            case .usage(let line): throw CommandFailure.usage(line)
            case .failure(let line): throw CommandFailure(.failure, line)
            }
        }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
extension LogFormat: ExpressibleByArgument {}

extension Logger {
    /// Logs what happened to a node. `parley dev` reads these lines, so the metadata are part of an
    /// interface.
    fileprivate func info(_ event: NodeNews) {
        switch event {
        case .listening(let url):
            info("listening", metadata: ["event": "listening", "url": "\(url)"])
        case .transition(let text):
            info("\(text)", metadata: ["event": "transition"])
        case .member(let text):
            info("\(text)", metadata: ["event": "member"])
        case .leader(let name?, let term):
            info("leader known", metadata: ["event": "leader", "leader": "\(name)", "term": "\(term)"])
        case .leader(nil, let term):
            info("no leader", metadata: ["event": "leader", "term": "\(term)"])
        case .warning(let text):
            warning("\(text)", metadata: ["event": "warning"])
        case .request(let news):
            log(level: news.isTrouble ? .warning : .debug, "\(news)", metadata: metadata(of: news))
        case .stopping:
            info("stopping", metadata: ["event": "stopping"])
        }
    }

    /// What ties the line to the trace of the caller, under the names that OpenTelemetry gives them.
    private func metadata(of news: RequestNews) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "event": "request", "trace_id": "\(news.trace.traceID)", "span_id": "\(news.trace.spanID)",
            "parent_id": "\(hexadecimal(news.parent, digits: 16))",
        ]
        if let id = news.requestID { metadata["request_id"] = "\(id)" }
        return metadata
    }
}
