// Every failure as one value, and its form on the wire: `application/problem+json` (RFC 9457), or one line of
// text for those who ask for text.

public import HTTP
import JSON
import Primitives

/// A failure of one request, in words and with what a program needs to react.
public struct Problem: Error, Sendable {
    /// An additional member of the JSON form.
    public enum Member: Sendable, Equatable {
        /// Text.
        case text(String)
        /// A whole number.
        case number(UInt64)
        /// Bytes, shown as text if they are UTF-8 and in base 64 under `…_b64` otherwise.
        case bytes([UInt8])
        /// What is wrong with each field.
        case errors([FieldError])
        /// JSON that is written already.
        case json([UInt8])
    }

    /// What is wrong with one field of a request.
    public struct FieldError: Sendable, Equatable {
        /// The field.
        public let field: String
        /// What is wrong.
        public let message: String
        /// Makes the description.
        public init(field: String, message: String) {
            self.field = field
            self.message = message
        }
    }

    /// Which failure.
    public var code: ProblemCode
    /// What happened in this case, in one sentence.
    public var detail: String
    /// More for programs, in the order in which they are written.
    public var members: [(name: String, value: Member)] = []
    /// Whole seconds after which trying again makes sense; at least 1.
    public var retryAfter: Int?
    /// The methods that the path takes, for `Allow`.
    public var allow: String?
    /// Whether the connection is of no more use.
    public var closes = false

    /// Makes a problem; without a detail the catalogue's cause is given.
    public init(_ code: ProblemCode, _ detail: String? = nil) {
        self.code = code
        self.detail = detail ?? code.entry.cause
        if code.status == 503 || code.status == 504 || code.status == 429 { retryAfter = 1 }
    }

    /// What a failure while reading members of a JSON object comes to. Readers throw nothing but JSON errors
    /// and problems.
    init(reading error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as JSONError:
            self = Problem(.badJSON, error.description).with("offset", .number(UInt64(error.offset)))
        default: preconditionFailure("neither a JSON error nor a problem: \(error)")
        }
    }

    /// The same problem with one more member.
    public consuming func with(_ name: String, _ value: Member) -> Problem {
        members.append((name, value))
        return self
    }
}

extension NativeAPI {
    /// The answer for a problem with nothing more to say about it than the catalogue does. Adds what goes
    /// with the code: `leader_url` to `not_leader`, `lag_ms` to `too_stale`.
    public func problem(
        _ code: ProblemCode, detail: String? = nil, traits: RequestTraits = RequestTraits(),
        context: AnswerContext
    ) -> HTTP.Response {
        problem(Problem(code, detail), traits: traits, context: context)
    }

    /// The answer for a problem.
    public func problem(
        _ problem: Problem, traits: RequestTraits = RequestTraits(), context: AnswerContext
    ) -> HTTP.Response {
        var problem = problem
        if problem.code == .notLeader, let url = context.leader?.url {
            problem = problem.with("leader_url", .text(url))
        }
        if problem.code == .tooStale, let lag = context.lagMilliseconds {
            problem = problem.with("lag_ms", .number(UInt64(max(0, lag))))
        }
        var response = bare(problem, traits: traits, context: context)
        addContext(to: &response, revision: context.revision, traits: traits, context: context)
        if let requestID = context.requestID {
            response.setField("Parley-Request-Id", requestID.description)
        }
        return response
    }

    /// The answer for a problem found before the request reached the node's state: without revision and
    /// request id, which ``complete(_:context:)`` adds.
    func early(_ problem: Problem, traits: RequestTraits) -> HTTP.Response {
        var response = bare(problem, traits: traits, context: nil)
        addOrigin(to: &response, traits: traits)
        return response
    }

    private func bare(
        _ problem: Problem, traits: RequestTraits, context: AnswerContext?
    ) -> HTTP.Response {
        let entry = problem.code.entry
        var response = HTTP.Response(status: entry.status)
        if traits.flags.contains(.wantsText) {
            let line = String(problem.detail.map { $0.isNewline ? " " : $0 })
            response.body = Array("error: \(entry.name): \(line)\n".utf8)
            response.addField("Content-Type", "text/plain; charset=utf-8" as StaticString)
        } else {
            response.body = document(problem, traits: traits, context: context)
            response.addField("Content-Type", "application/problem+json" as StaticString)
        }
        response.addField("X-Content-Type-Options", "nosniff" as StaticString)
        response.addField("Cache-Control", "no-store" as StaticString)
        if let seconds = problem.retryAfter { response.setField("Retry-After", max(1, seconds)) }
        if let allow = problem.allow { response.setField("Allow", allow) }
        if entry.code == .unsupportedMediaType {
            response.addField("Accept-Encoding", "identity" as StaticString)
        }
        response.closes = problem.closes
        return response
    }

    private func document(
        _ problem: Problem, traits: RequestTraits, context: AnswerContext?
    ) -> [UInt8] {
        var json = JSONWriter(pretty: traits.flags.contains(.pretty))
        write(problem, context: context, to: &json)
        json.lineEnd()
        return json.take()
    }

    /// Writes a problem as a JSON object: the body of an answer, or the `error` member of a line in a stream.
    func write(_ problem: Problem, context: AnswerContext?, to json: inout JSONWriter) {
        let entry = problem.code.entry
        json.beginObject()
        json.field("type", "/problems/\(entry.name)")
        json.field("code", entry.name)
        json.field("title", entry.title)
        json.field("status", entry.status)
        json.field("detail", problem.detail)
        if let requestID = context?.requestID { json.field("instance", "/requests/\(requestID)") }
        json.field("applied", entry.applied.rawValue)
        json.field("retry", entry.retry.rawValue)
        for (name, value) in problem.members {
            switch value {
            case .text(let text): json.field(name, text)
            case .number(let number): json.field(name, number)
            case .bytes(let bytes): json.bytesField(name, bytes)
            case .errors(let errors):
                json.name(name)
                json.beginArray()
                for error in errors {
                    json.beginObject()
                    json.field("field", error.field)
                    json.field("message", error.message)
                    json.endObject()
                }
                json.endArray()
            case .json(let bytes):
                json.name(name)
                json.raw(bytes)
            }
        }
        json.field("node", settings.nodeName)
        if let leader = context?.leader { json.field("leader", leader.name) }
        if let context, context.term > .zero { json.field("term", context.term.rawValue) }
        json.endObject()
    }
}
