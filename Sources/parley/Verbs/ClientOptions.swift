import ArgumentParser
import Client
import Primitives

/// What every command that talks to a cluster takes.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The nodes to ask, in this order, until one can. Environment: "
                + "PARLEY_ENDPOINTS. (default: http://127.0.0.1:7071)",
            valueName: "url,…"))
    var endpoints: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait in all. Environment: PARLEY_TIMEOUT. (default: 5s)", valueName: "time"))
    var timeout: TimeSpan?

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    /// A client as the options and the environment say, whose calls may take longer by what they wait for
    /// others.
    func client(
        _ environment: Environment = .process, waiting: Instant.Span = .zero
    ) throws(CommandFailure) -> ClusterClient<CurlTransport> {
        let text = try environment.value(endpoints, "PARLEY_ENDPOINTS") ?? "http://127.0.0.1:7071"
        let limit = try environment.value(timeout, "PARLEY_TIMEOUT")?.span ?? .seconds(5)
        guard limit > .zero else { throw .usage("--timeout must be more than nothing") }
        switch Endpoint.list(text) {
        case .success(let endpoints):
            return ClusterClient(endpoints: endpoints, timeout: limit + waiting, carrier: CurlTransport())
        case .failure(let error): throw .usage("--endpoints: \(error)")
        }
    }
}

/// Runs a client's call and turns its error into the program's.
func calling<Result>(_ body: () throws(ClientError) -> Result) throws(CommandFailure) -> Result {
    do throws(ClientError) {
        return try body()
    } catch {
        throw CommandFailure(error)
    }
}

/// A key as the command line gives it.
func keyBytes(_ text: String) throws(CommandFailure) -> [UInt8] {
    guard !text.isEmpty else { throw .usage("the key is empty") }
    return Array(text.utf8)
}

/// An answer's body with exactly one line feed at its end.
func printAnswer(_ body: [UInt8]) {
    var line = body
    while line.last == 10 { line.removeLast() }
    Terminal.write(line + [10])
}
