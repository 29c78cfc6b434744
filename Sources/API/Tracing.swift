// Traces of the callers' (W3C Trace Context): read from a request, told in its answer. What lies between is
// the owner's. None is begun here: a request without a trace stays without one.

public import HTTP
public import Primitives

extension NativeAPI {
    /// The trace that a request belongs to; nil if it names none, or not soundly.
    ///
    /// `tracestate` is passed on as it is, in one piece; one that is longer than the Recommendation wants
    /// passed on is left out.
    public func trace(of request: HTTP.Request) -> TraceContext? {
        // Nearly every request ends here.
        guard let parent = request.field("traceparent"), request.fields(named: "traceparent").count == 1
        else { return nil }
        let lines = request.fields(named: "tracestate").map { String(decoding: $0, as: UTF8.self) }
        let state = lines.joined(separator: ",")
        return TraceContext(traceparent: parent, state: TraceContext.isState(state) ? state : "")
    }

    /// Tells the caller under which span its request was carried out.
    public func add(_ trace: TraceContext, to response: inout HTTP.Response) {
        response.addField("traceparent", trace.traceparent)
    }
}
