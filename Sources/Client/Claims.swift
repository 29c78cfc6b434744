/// A thing that few can have at a time.
public enum ClaimKind: Sendable {
    /// Had by one who writes, or by many who read.
    case lock
    /// Had by the one who leads.
    case election
    /// Had by as many as there are permits.
    case semaphore

    /// The collection's path.
    public var path: String {
        switch self {
        case .lock: "/locks"
        case .election: "/elections"
        case .semaphore: "/semaphores"
        }
    }

    fileprivate var wish: String { self == .election ? "/campaign" : "/acquire" }
}

/// What became of the wish to have something.
public enum ClaimAnswer: Sendable {
    /// It is held, with this fencing token.
    case held(token: UInt64, body: [UInt8])
    /// Somebody else had it until the wait was over.
    case inVain(Problem)
    /// Nothing is known yet: it is waited for still, or the node did not answer. To be asked again, perhaps
    /// elsewhere.
    case open(String)
}

extension ClusterClient {
    /// Asks one endpoint for a thing, for no longer than this client's timeout. Whoever asks again with the
    /// same `key` and query, anywhere, goes on waiting in the same place.
    public mutating func acquire(
        _ kind: ClaimKind, _ name: String, query: [(name: String, value: String?)], key: String,
        at endpoint: Endpoint
    ) throws(ClientError) -> ClaimAnswer {
        let call = Call(
            "POST", Call.path(kind.path, name, kind.wish), query: query, fields: [("Idempotency-Key", key)])
        switch ask(call, at: endpoint) {
        case .failed(let reason, _): return .open("\(endpoint): \(reason)")
        case .answered(let answer) where answer.status == 200:
            return .held(token: try answer.json().need("token", in: answer), body: answer.body)
        case .answered(let answer):
            let problem = Problem(answer)
            if answer.status >= 500 || answer.status == 429 { return .open("\(endpoint): \(problem)") }
            guard ["lock_held", "election_lost", "no_permits"].contains(problem.code) else {
                throw .refused(problem)
            }
            return .inVain(problem)
        }
    }

    /// Starts the time of what is held again. May be done twice.
    public mutating func renew(_ kind: ClaimKind, _ name: String, token: UInt64) throws(ClientError) {
        var call = Call("POST", Call.path(kind.path, name, "/renew"), query: [("token", "\(token)")])
        call.mayRepeat = true
        _ = try succeed(call)
    }
}
