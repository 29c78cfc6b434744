// What the node knows at the moment of an answer and every answer tells in its headers.

public import HTTP
public import Primitives

/// What the node knows at the moment of an answer.
public struct AnswerContext: Sendable {
    /// A guarantee that was given, as `Parley-Consistency` tells it.
    public enum Consistency: String, Sendable { case linearizable, stale }

    /// The leader, as far as this node knows.
    public struct Leader: Sendable, Equatable {
        /// Its name.
        public var name: String
        /// The URL that clients reach it at, without a slash at the end.
        public var url: String
        /// Makes the hint.
        public init(name: String, url: String) {
            self.name = name
            self.url = url
        }
    }

    /// Where the time went, for `?explain`.
    public struct Explanation: Sendable, Equatable {
        /// One stage of the request and how long it took.
        public struct Stage: Sendable, Equatable {
            /// A token, as in `fsync`.
            public var name: String
            /// Its length.
            public var duration: Instant.Span
            /// Makes the stage.
            public init(name: String, duration: Instant.Span) {
                self.name = name
                self.duration = duration
            }
        }
        /// The stages in their order.
        public var stages: [Stage]
        /// The names of the members that had the write on disk when it was committed.
        public var acknowledgedBy: [String]
        /// Makes the explanation.
        public init(stages: [Stage] = [], acknowledgedBy: [String] = []) {
            self.stages = stages
            self.acknowledgedBy = acknowledgedBy
        }
    }

    /// The revision that this node has applied.
    public var revision: Revision
    /// The node's term.
    public var term: Term
    /// Who leads.
    public var leader: Leader?
    /// The request's identifier, if it was given one.
    public var requestID: RequestID?
    /// The guarantee that a read was given.
    public var consistency: Consistency?
    /// How old this node's knowledge may be, for stale reads.
    public var lagMilliseconds: Int64?
    /// The node that carried out a forwarded request.
    public var servedBy: String?
    /// Where the time went.
    public var explanation: Explanation?
    /// How long a timer of the state still runs by this node's clock, in milliseconds.
    public var timeLeft: (@Sendable (UInt64) -> Int64?)?

    /// This node's clock, to tell what is in the future; nil: only the store's own time counts.
    public var time: WallTime?

    /// Makes a context with what every answer has; the rest is set where it applies.
    public init(revision: Revision, term: Term = .zero, leader: Leader? = nil) {
        self.revision = revision
        self.term = term
        self.leader = leader
    }
}

extension NativeAPI {
    /// Adds what every answer has to one that was made without knowing the node's state
    /// (``Plan/answer(_:)``, or an answer of the program's own).
    public func complete(_ response: inout HTTP.Response, context: AnswerContext) {
        response.setField("Parley-Node", settings.nodeName)
        response.setField("Parley-Revision", context.revision.rawValue)
        if response.status >= 400, let requestID = context.requestID {
            response.setField("Parley-Request-Id", requestID.description)
        }
    }

    /// Adds the fields that every answer has. This is the hot path; short strings cost no allocation.
    func addContext(
        to response: inout HTTP.Response, revision: Revision, traits: RequestTraits, context: AnswerContext
    ) {
        response.addField("Parley-Node", settings.nodeName)
        response.addField("Parley-Revision", String(revision.rawValue))
        switch context.consistency {
        case .linearizable: response.addField("Parley-Consistency", "linearizable" as StaticString)
        case .stale:
            response.addField("Parley-Consistency", "stale" as StaticString)
            if let lag = context.lagMilliseconds { response.addField("Parley-Lag-Ms", String(lag)) }
        case nil: break
        }
        if let servedBy = context.servedBy { response.setField("Parley-Served-By", servedBy) }
        if traits.allowedOrigin != nil { addOrigin(to: &response, traits: traits) }
        if traits.flags.contains(.explain) { explain(to: &response, context: context) }
    }

    private func explain(to response: inout HTTP.Response, context: AnswerContext) {
        if let leader = context.leader { response.setField("Parley-Leader", leader.name) }
        response.setField("Parley-Term", context.term.rawValue)
        guard let stages = context.explanation?.stages, !stages.isEmpty else { return }
        let parts = stages.map { stage in
            let microseconds = max(0, stage.duration.microseconds)
            let fraction = String(1000 + microseconds % 1000).dropFirst()
            return "\(stage.name);dur=\(microseconds / 1000).\(fraction)"
        }
        response.setField("Server-Timing", parts.joined(separator: ", "))
    }

    /// Lets pages of an allowed origin read the answer.
    func addOrigin(to response: inout HTTP.Response, traits: RequestTraits) {
        guard let origin = traits.allowedOrigin else { return }
        response.setField("Access-Control-Allow-Origin", origin)
        response.setField("Vary", "Origin")
        response.setField("Access-Control-Expose-Headers", NativeAPI.exposedFields)
    }

    /// The response headers that pages of allowed origins may read. Listed, since `*` and prefixes mean
    /// nothing here (Fetch standard, CORS protocol).
    static let exposedFields =
        "ETag, Retry-After, Link, Location, Parley-Node, Parley-Revision, Parley-Request-Id, "
        + "Parley-Revision-Time, Parley-Consistency, Parley-Lag-Ms, Parley-Served-By, "
        + "Parley-Create-Revision, Parley-Key-Version, Parley-Lease, Parley-Leader, Parley-Term, "
        + "Parley-Message-Id, Parley-Receipt, Parley-Attempt, Parley-Enqueued-At, "
        + "Idempotent-Replayed, Server-Timing, traceparent"
}
