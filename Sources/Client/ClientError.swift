/// A problem as a node describes it (`application/problem+json`, RFC 9457).
public struct Problem: Sendable, CustomStringConvertible {
    /// The status code of the answer.
    public var status: Int
    /// The stable name of the problem, as in `precondition_failed`; empty if the answer gave none.
    public var code: String
    /// The sentence for a person.
    public var detail: String
    /// Whether a write took effect: `no`, `unknown`, or nil if the answer does not say.
    public var applied: String?
    /// The id by which the cluster knows the request.
    public var requestID: String?
    /// The answer's body as it came.
    public var body: [UInt8]

    /// One line for a person.
    public var description: String {
        let name = code.isEmpty ? "status \(status)" : code
        return detail.isEmpty ? name : "\(name): \(detail)"
    }
}

/// Why a call came to nothing. The three cases that a script must tell apart are three cases.
public enum ClientError: Error, Sendable, CustomStringConvertible {
    /// The cluster understood and said no. A write did not happen.
    case refused(Problem)
    /// No endpoint could serve the call. A write did not happen; try again later.
    case unavailable(String, Problem?)
    /// The write may or may not have happened. It was not repeated.
    case unknownOutcome(String, requestID: String?)
    /// The answer was not what this client understands.
    case malformed(String, Endpoint)

    /// One line for a person.
    public var description: String {
        switch self {
        case .refused(let problem): return problem.description
        case .unavailable(let reason, let problem):
            return problem.map { "\($0)" } ?? reason
        case .unknownOutcome(let reason, let id):
            let request = id.map { " (request \($0))" } ?? ""
            return "the outcome is unknown, the write may have happened: \(reason)\(request)"
        case .malformed(let reason, let endpoint):
            return "\(endpoint) gave an answer that makes no sense: \(reason)"
        }
    }
}
