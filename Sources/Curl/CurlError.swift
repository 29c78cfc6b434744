import CCurl

/// Why a transfer has no response.
public struct CurlError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, as far as a caller may want to act on it.
    public enum Kind: Sendable, Hashable {
        /// The address could not be found.
        case cannotResolve
        /// Nobody accepted the connection.
        case cannotConnect
        /// The time was up; what the server did is not known.
        case timedOut
        /// The response was larger than allowed.
        case responseTooLarge
        /// The caller ended the transfer.
        case cancelled
        /// The URL, a header or an option is not acceptable.
        case badRequest
        /// Anything else, such as a connection that broke.
        case failed
    }

    /// The class of the failure.
    public let kind: Kind
    /// libcurl's number (`CURLcode`).
    public let code: UInt32
    /// libcurl's words, with the details of this transfer where there are any.
    public let reason: String
    /// Whether any of the request may have left this machine. If not, repeating it cannot do it twice.
    public let reached: Bool

    /// Describes a failure.
    public init(kind: Kind, code: UInt32, reason: String, reached: Bool) {
        self.kind = kind
        self.code = code
        self.reason = reason
        self.reached = reached
    }

    init(_ code: CURLcode, detail: String = "", tooLarge: Int? = nil, cancelled: Bool = false, reached: Bool)
    {
        let general = String(cString: curl_easy_strerror(code))
        self.code = code.rawValue
        self.reached = reached
        if let tooLarge {
            kind = .responseTooLarge
            reason = "the response is larger than \(tooLarge) bytes"
        } else if cancelled {
            kind = .cancelled
            reason = "cancelled"
        } else {
            kind = CurlError.kind(of: code)
            reason = detail.isEmpty ? general : detail
        }
    }

    /// The reason.
    public var description: String { reason }

    private static func kind(of code: CURLcode) -> Kind {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .cannotResolve
        case CURLE_COULDNT_CONNECT: .cannotConnect
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT,
            CURLE_UNKNOWN_OPTION:
            .badRequest
        default: .failed
        }
    }
}
