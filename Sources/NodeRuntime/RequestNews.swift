public import Primitives

/// What a node did for a request that its caller traces. Requests without a trace are only counted.
public struct RequestNews: Sendable, CustomStringConvertible {
    /// What was done.
    public enum Deed: Sendable {
        /// The request was answered, after so long. `problem` is the code of what is wrong, if it is known.
        case answered(method: String, route: String, status: Int, problem: String?, took: Instant.Span)
        /// As the leader, it took a write that a client had given to another node; or refused it.
        case tookWrite(from: String, refusal: String?)
        /// A message from another node is in the inbox.
        case delivered(from: String, channel: String)
    }

    /// What was done.
    public var deed: Deed
    /// The trace, with this node's span.
    public var trace: TraceContext
    /// The span that this node's is a part of.
    public var parent: UInt64
    /// The request's identifier, if it was given one.
    public var requestID: String?
    /// Whether an operator should know.
    public var isTrouble = false

    /// One line for people.
    public var description: String {
        switch deed {
        case .answered(let method, let route, let status, let problem, let took):
            let microseconds = max(0, took.microseconds)
            let fraction = String(1000 + microseconds % 1000).dropFirst()
            let outcome = problem.map { "\(status) \($0)" } ?? "\(status)"
            return "\(method) \(route): \(outcome) in \(microseconds / 1000).\(fraction) ms"
        case .tookWrite(let peer, nil): return "took a write from \(peer)"
        case .tookWrite(let peer, let refusal?): return "refused a write from \(peer): \(refusal)"
        case .delivered(let sender, let channel): return "message from \(sender) in channel \(channel)"
        }
    }
}
