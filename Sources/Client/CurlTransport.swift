import Curl
public import Primitives

/// Carries calls over libcurl, one after the other, and keeps connections alive between them. Belongs to one
/// thread.
public final class CurlTransport: Transport {
    private var client = HTTPClient()

    /// Makes a transport without connections.
    public init() {}

    /// Makes the call and waits for its answer.
    public func perform(
        _ call: Call, at endpoint: Endpoint, timeout: Instant.Span, connectTimeout: Instant.Span
    ) -> Attempt {
        var request = HTTPCall(call.method, endpoint.url + call.target, body: call.body)
        request.headers = call.fields
        request.timeout = timeout
        request.connectTimeout = connectTimeout
        do throws(CurlError) {
            let answer = try client.perform(request)
            let fields = answer.headers.map { (name: $0.name.lowercased(), value: $0.value) }
            return .answered(
                Answer(status: answer.status, fields: fields, body: answer.body, endpoint: endpoint))
        } catch {
            return .failed(reason: error.reason, mayHaveArrived: error.reached)
        }
    }
}
