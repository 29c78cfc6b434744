// Traces of the callers' (W3C Trace Context), from a request to its answer. They are kept beside the
// requests, by connection, so that a request without one costs a look into an empty table.
import API
import Clocks
import Consensus
import HTTP
import HTTPServer
import Platform
import Primitives
import Replication

/// A request under way whose caller traces it.
struct TracedRequest {
    /// A request that takes longer is slow, unless it was held back because the client wanted so.
    static let slow = Instant.Span.seconds(1)

    /// The trace, with this node's span.
    let trace: TraceContext
    /// The caller's span.
    let parent: UInt64
    let method: HTTP.Method
    let route: RouteID?
    let began: Instant
    /// Why it was refused.
    var problem: ProblemCode?
    /// Whether the answer is, or was, held back until something happens.
    var isHeld = false

    init(_ trace: TraceContext, span: UInt64, method: HTTP.Method, route: RouteID?, began: Instant) {
        self.trace = trace.child(span)
        parent = trace.span
        self.method = method
        self.route = route
        self.began = began
    }

    /// What the log shall say when it is answered: trouble if the node could not do what was asked, or only
    /// slowly.
    func news(status: Int, requestID: String?, at now: Instant) -> RequestNews {
        let took = now - began
        let deed = RequestNews.Deed.answered(
            method: method.name.description, route: route?.entry.pattern ?? "none", status: status,
            problem: problem?.name, took: took)
        let failed = status >= 500 && status != 501
        return RequestNews(
            deed: deed, trace: trace, parent: parent, requestID: requestID,
            isTrouble: failed || (took >= Self.slow && !isHeld))
    }
}

extension NodeLoop {
    /// At most so often is a traced request worth a warning: clients must not be able to flood the log.
    private static var troublePause: Instant.Span { .milliseconds(10) }

    /// Tells the caller of a traced request, and the log, how it went.
    mutating func endTrace(of connection: ConnectionID, _ response: inout Response) {
        guard let request = traced.removeValue(forKey: connection) else { return }
        api.add(request.trace, to: &response)
        let id = response.fieldText("Parley-Request-Id")
        var news = request.news(status: response.status, requestID: id, at: Clock.now())
        if news.isTrouble {
            news.isTrouble = now - lastTrouble >= Self.troublePause
            if news.isTrouble { lastTrouble = now }
        }
        report(.request(news))
    }

    /// As the leader, this node took a traced write from a follower, or refused it.
    mutating func tell(
        _ id: RequestID, _ trace: TraceContext, from peer: NodeID, _ reason: ForwardRefusal.Reason?
    ) {
        let deed = RequestNews.Deed.tookWrite(from: name(of: peer), refusal: reason.map { "\($0)" })
        let own = trace.child(spans.next())
        report(.request(RequestNews(deed: deed, trace: own, parent: trace.span, requestID: "\(id)")))
    }

    /// A message from another node came for a participant of this one.
    mutating func put(_ note: Note, _ stamp: Stamp = Stamp(), from origin: NodeID? = nil) {
        var note = note
        if let trace = note.trace {
            let own = trace.child(spans.next())
            note.trace = own
            let deed = RequestNews.Deed.delivered(from: note.sender, channel: note.channel)
            let id = "\(note.id)"
            report(.request(RequestNews(deed: deed, trace: own, parent: trace.span, requestID: id)))
        }
        receive(note, stamp, from: origin)
    }
}
