public import Primitives

/// Speaks to a cluster through any of its endpoints, and turns to the next one when one fails.
///
/// It blocks its caller. A write that may have been applied is not repeated, unless it says that it may be
/// (``Call/mayRepeat``): it ends in ``ClientError/unknownOutcome(_:requestID:)``.
public struct ClusterClient<Carrier: Transport> {
    /// The endpoints, in the order in which they are tried.
    public let endpoints: [Endpoint]
    /// How long a call may take over all endpoints.
    public let timeout: Instant.Span

    private var carrier: Carrier
    /// The endpoint that answered last is asked first.
    private var preferred = 0

    /// Makes a client; nothing is connected yet. There must be an endpoint.
    public init(endpoints: [Endpoint], timeout: Instant.Span, carrier: Carrier) {
        precondition(!endpoints.isEmpty, "a client needs an endpoint")
        self.endpoints = endpoints
        self.timeout = timeout
        self.carrier = carrier
    }

    /// Makes the call and hands out the first answer with a status below 500. A 307 is followed once, as to
    /// the home of a participant.
    ///
    /// Writes tell the node the time that is left as `timeout`, and the client waits a second longer than
    /// that, so that it is the node that says what became of them.
    public mutating func perform(_ call: Call) throws(ClientError) -> Answer {
        var failover = Failover(isWrite: call.isWrite && !call.mayRepeat)
        let deadline = ContinuousClock.now + .nanoseconds(timeout.nanoseconds)
        for step in 0..<endpoints.count {
            let place = (preferred + step) % endpoints.count
            let left = (deadline - ContinuousClock.now).span
            guard left > .zero else { break }
            let attempt = attempt(call, at: endpoints[place], left: left, others: endpoints.count - step - 1)
            switch failover.judge(attempt, at: endpoints[place]) {
            case .done(let answer):
                preferred = place
                return try follow(answer, call, until: deadline)
            case .next: continue
            case .fail(let error):
                preferred = (place + 1) % endpoints.count
                throw error
            }
        }
        throw failover.exhausted
    }

    private mutating func follow(
        _ answer: Answer, _ call: Call, until deadline: ContinuousClock.Instant
    ) throws(ClientError) -> Answer {
        guard answer.status == 307, let location = answer.field("location"),
            let path = location.firstRange(of: call.path),
            let endpoint = Endpoint(location[..<path.lowerBound])
        else { return answer }
        var failover = Failover(isWrite: call.isWrite && !call.mayRepeat)
        let left = max(.milliseconds(1), (deadline - ContinuousClock.now).span)
        switch failover.judge(attempt(call, at: endpoint, left: left, others: 0), at: endpoint) {
        case .done(let answer): return answer
        case .next: throw failover.exhausted
        case .fail(let error): throw error
        }
    }

    /// Makes the call and hands out its answer if it is a success; problems are thrown.
    public mutating func succeed(_ call: Call) throws(ClientError) -> Answer {
        let answer = try perform(call)
        guard (200..<300).contains(answer.status) else { throw .refused(Problem(answer)) }
        return answer
    }

    /// Asks one endpoint, once, and nobody else.
    public mutating func ask(_ call: Call, at endpoint: Endpoint) -> Attempt {
        carrier.perform(
            call, at: endpoint, timeout: timeout, connectTimeout: min(timeout, .seconds(1)))
    }

    /// A read shares the time that is left with the endpoints after this one, and so does a write that may be
    /// repeated; any other write gets all of it, since giving it up would leave its outcome unknown. Time to
    /// connect is always shared.
    private mutating func attempt(
        _ call: Call, at endpoint: Endpoint, left: Instant.Span, others: Int
    ) -> Attempt {
        let share = Instant.Span(nanoseconds: left.nanoseconds / Int64(others + 1))
        let connect = min(share, .seconds(others == 0 ? 5 : 1))
        guard call.isWrite else {
            return carrier.perform(call, at: endpoint, timeout: share, connectTimeout: connect)
        }
        var timed = call
        let limit = min(call.mayRepeat ? share : left, .seconds(60))
        timed.query.append(("timeout", "\(max(1, limit.milliseconds))ms"))
        let most = call.mayRepeat ? share : left + .seconds(1)
        return carrier.perform(timed, at: endpoint, timeout: most, connectTimeout: connect)
    }
}

extension Duration {
    /// The same length in nanoseconds; saturates.
    var span: Instant.Span {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return Instant.Span(nanoseconds: seconds < 0 ? .min : .max) }
        return Instant.Span(nanoseconds: whole &+ attoseconds / 1_000_000_000)
    }
}
