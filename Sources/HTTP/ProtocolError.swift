/// Why a request was refused before anyone saw it. The connection answers and closes: after a doubt about
/// framing nothing that follows can be trusted to be what the client meant.
public struct ProtocolError: Error, Sendable {
    /// The kinds of refusal, each with its status and its name in the error catalogue.
    public enum Code: String, Sendable, CaseIterable {
        /// The request is not HTTP/1.x, or its framing is in doubt.
        case badRequest = "bad_request"
        /// Head or body did not arrive in time.
        case requestTimeout = "request_timeout"
        /// The body is longer than allowed for its path.
        case contentTooLarge = "content_too_large"
        /// The request line is longer than allowed.
        case uriTooLong = "uri_too_long"
        /// An `Expect` other than `100-continue`.
        case expectationFailed = "expectation_failed"
        /// Header lines or trailers are too many or too long.
        case fieldsTooLarge = "fields_too_large"
        /// A method or transfer coding that the server does not know.
        case notImplemented = "not_implemented"
        /// A version other than HTTP/1.x.
        case versionNotSupported = "version_not_supported"

        /// The status code that goes with it.
        public var status: Int {
            switch self {
            case .badRequest: 400
            case .requestTimeout: 408
            case .contentTooLarge: 413
            case .uriTooLong: 414
            case .expectationFailed: 417
            case .fieldsTooLarge: 431
            case .notImplemented: 501
            case .versionNotSupported: 505
            }
        }

        /// The kind in words.
        public var title: StaticString {
            switch self {
            case .badRequest: "Bad request"
            case .requestTimeout: "Request timeout"
            case .contentTooLarge: "Content too large"
            case .uriTooLong: "URI too long"
            case .expectationFailed: "Expectation failed"
            case .fieldsTooLarge: "Header fields too large"
            case .notImplemented: "Not implemented"
            case .versionNotSupported: "HTTP version not supported"
            }
        }
    }

    /// The kind.
    public let code: Code
    /// What exactly was wrong.
    public let detail: StaticString

    init(_ code: Code, _ detail: StaticString) {
        self.code = code
        self.detail = detail
    }

    static func bad(_ detail: StaticString) -> ProtocolError { ProtocolError(.badRequest, detail) }

    /// The answer as problem details (RFC 9457). The texts are our own literals and need no escaping.
    var response: Response {
        let code = code.rawValue
        let body =
            "{\"type\":\"/problems/\(code)\",\"code\":\"\(code)\",\"title\":\"\(self.code.title)\","
            + "\"status\":\(self.code.status),\"detail\":\"\(detail)\",\"applied\":\"no\",\"retry\":\"no\"}\n"
        var response = Response(
            status: self.code.status, contentType: "application/problem+json", body: Array(body.utf8))
        response.addField("Cache-Control", "no-store" as StaticString)
        response.addField("X-Content-Type-Options", "nosniff" as StaticString)
        response.closes = true
        return response
    }
}
