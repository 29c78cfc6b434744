import Curl
public import JSON
public import Primitives

/// Follows changes, over as many connections and nodes as it takes: when a stream breaks, the next endpoint
/// goes on behind the last revision that was told completely. Belongs to one thread.
///
/// If a connection breaks between two lines of one revision, the lines of that revision come again.
public final class ChangeStream {
    /// One line of a stream, as it came.
    public struct Line: Sendable {
        /// The line without its end.
        public let bytes: [UInt8]
        /// What it says.
        public let json: JSONValue
    }

    private enum Leg {
        /// The stream ended, or broke after something had come.
        case went
        /// Nothing came.
        case failed(String)
        /// Whoever is told has enough.
        case enough
    }

    private var http = HTTPClient()
    private let endpoints: [Endpoint]
    private let timeout: Instant.Span
    private let call: Call
    /// Whether it tells states, of which the present one is always the first.
    private let isOfStates: Bool
    private var place = 0
    /// The first revision that was not told; nil while the stream has to begin with the present items.
    private var next: UInt64?

    /// A node that says nothing for so long is given up. A stream is asked for in parts of a shorter time.
    private static let silence = Instant.Span.seconds(30)
    private static let part = "20s"
    private static let lineLimit = 64 << 20

    /// Follows what `query`, as of `GET /watch`, selects; from `revision` on, or without one from the present
    /// items on. `timeout` is how long all endpoints may fail before the stream is given up.
    public init(
        _ query: [(name: String, value: String?)], from revision: UInt64?, endpoints: [Endpoint],
        timeout: Instant.Span
    ) {
        precondition(!endpoints.isEmpty, "a client needs an endpoint")
        self.endpoints = endpoints
        self.timeout = timeout
        call = Call("GET", "/watch", query: query)
        next = revision
        isOfStates = false
    }

    /// Follows how a lock or an election stands. When a stream breaks, the next one begins with the state as
    /// it is then: a state may come twice, others may be left out, and the latest always comes.
    public init(
        statesOf kind: ClaimKind, _ name: String, endpoints: [Endpoint], timeout: Instant.Span
    ) {
        precondition(!endpoints.isEmpty, "a client needs an endpoint")
        precondition(kind != .semaphore, "semaphores have no streams")
        self.endpoints = endpoints
        self.timeout = timeout
        call = Call("GET", Call.path(kind.path, name, "/watch"))
        isOfStates = true
    }

    /// Hands over each line, until `body` says false; calls `pause` when all endpoints have failed, before it
    /// asks them again. Throws if no endpoint can serve the stream, or if what it needs was compacted.
    public func follow(pause: () -> Void, _ body: (Line) -> Bool) throws(ClientError) {
        var failures: [String] = []
        var failingSince: ContinuousClock.Instant?
        while true {
            switch try run(body) {
            case .enough: return
            case .went:
                failures = []
                failingSince = nil
            case .failed(let reason):
                failures.append("\(endpoints[place]): \(reason)")
                let since = failingSince ?? .now
                failingSince = since
                place = (place + 1) % endpoints.count
                guard (ContinuousClock.now - since).span < timeout else {
                    throw .unavailable(failures.suffix(endpoints.count).joined(separator: "; "), nil)
                }
                failures.removeFirst(max(0, failures.count - endpoints.count))
                if failures.count >= endpoints.count { pause() }
            }
        }
    }

    /// One connection.
    private func run(_ body: (Line) -> Bool) throws(ClientError) -> Leg {
        var call = call
        if !isOfStates {
            call.query.append(("wait", Self.part))
            call.query.append(next.map { ("from", "\($0)") } ?? ("snapshot", nil))
        }
        var request = HTTPCall("GET", endpoints[place].url + call.target)
        request.timeout = Self.silence
        var (input, refusal): ([UInt8], [UInt8]) = ([], [])
        var (status, hasCome, isEnough) = (0, false, false)
        var failure: ClientError?
        let endpoint = endpoints[place]
        do throws(CurlError) {
            let answer = try http.perform(request) { code, piece in
                status = code
                guard code == 200 else {
                    refusal.append(contentsOf: piece)
                    return refusal.count < 1 << 20
                }
                input.append(contentsOf: piece)
                var start = 0
                while let end = input[start...].firstIndex(of: UInt8(ascii: "\n")) {
                    let line = Array(input[start..<end])
                    start = end + 1
                    guard !line.isEmpty else { continue }
                    guard let json = try? JSONValue(parsing: line) else {
                        failure = .malformed("a line that is no JSON", endpoint)
                        return false
                    }
                    if let problem = json["error"] {
                        failure = .refused(
                            Problem(
                                Answer(
                                    status: Int(problem.number("status") ?? 0), fields: [],
                                    body: problem.serialized(), endpoint: endpoint)))
                        return false
                    }
                    hasCome = true
                    if !body(Line(bytes: line, json: json)) { isEnough = true }
                    note(json)
                    if isEnough { return false }
                }
                input.removeFirst(start)
                return input.count < Self.lineLimit
            }
            status = answer.status
        } catch {
            if let failure { throw failure }
            if isEnough { return .enough }
            return hasCome ? .went : .failed(error.reason)
        }
        if status == 200 { return .went }
        let problem = Problem(Answer(status: status, fields: [], body: refusal, endpoint: endpoint))
        if status < 500, status != 429 { throw .refused(problem) }
        return .failed("\(problem)")
    }

    /// Notes how far the stream is.
    private func note(_ json: JSONValue) {
        if let bookmark = json.number("bookmark") { next = max(next ?? 0, bookmark + 1) }
        if let revision = json.number("revision"), json["events"] != nil, json["more"] == nil {
            next = revision + 1
        }
    }
}

extension ClusterClient {
    /// The store's revision at this moment: a stream that begins with the next one misses nothing.
    public mutating func revision() throws(ClientError) -> UInt64 {
        let answer = try succeed(Call("GET", "/kv", query: [("prefix", ""), ("count", nil)]))
        return try answer.json().need("revision", in: answer)
    }
}
