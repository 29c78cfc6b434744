/// A request method that the server knows (RFC 9110, section 9; RFC 5789 for PATCH). A request with any other
/// token is answered 501 by the connection and never surfaces.
public enum Method: UInt8, Sendable, Hashable, CaseIterable {
    /// Reads.
    case get
    /// Reads without the body.
    case head
    /// Stores at the target.
    case put
    /// Processes at the target.
    case post
    /// Removes the target.
    case delete
    /// Changes a part of the target.
    case patch
    /// Asks what the target can do.
    case options
    /// Asks for an echo; routed like the others so that the answer is 405.
    case trace
    /// Asks for a tunnel; the connection answers 501 itself.
    case connect

    /// The token as it stands in a request line.
    public var name: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .put: "PUT"
        case .post: "POST"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .connect: "CONNECT"
        }
    }
}
