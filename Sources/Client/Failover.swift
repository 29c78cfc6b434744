// When to ask the next endpoint and when to stop: the one place that decides whether a write may be repeated.
//
//   what happened                           read            write
//   2xx, 3xx, 4xx                           done            done
//   never reached the node                  next            next
//   503, or any 5xx with applied "no"       next            next
//   504, or any other 5xx                   next            outcome unknown
//   failed, may have reached the node       next            outcome unknown

/// Follows the attempts of one call from endpoint to endpoint. Each is asked once.
struct Failover {
    /// What to do after an attempt.
    enum Decision {
        /// Hand out the answer.
        case done(Answer)
        /// Ask the next endpoint, if there is one; else fail with ``exhausted``.
        case next
        /// Give up: going on could do the write twice.
        case fail(ClientError)
    }

    private let isWrite: Bool
    private var reasons: [String] = []
    private var problem: Problem?

    init(isWrite: Bool) { self.isWrite = isWrite }

    /// The error when all endpoints were asked in vain.
    var exhausted: ClientError {
        .unavailable(
            reasons.isEmpty ? "there was no time to ask a node" : reasons.joined(separator: "; "), problem)
    }

    /// Judges what happened at `endpoint`.
    mutating func judge(_ attempt: Attempt, at endpoint: Endpoint) -> Decision {
        switch attempt {
        case .failed(let reason, let mayHaveArrived):
            let reason = "\(endpoint): \(reason)"
            if isWrite && mayHaveArrived { return .fail(.unknownOutcome(reason, requestID: nil)) }
            reasons.append(reason)
            return .next
        case .answered(let answer):
            guard answer.status >= 500 else { return .done(answer) }
            let problem = Problem(answer)
            let happened = problem.applied ?? (answer.status == 503 ? "no" : "unknown")
            if isWrite && happened != "no" {
                return .fail(.unknownOutcome("\(endpoint): \(problem)", requestID: problem.requestID))
            }
            // The first problem says most: later nodes often only echo it.
            self.problem = self.problem ?? problem
            reasons.append("\(endpoint): \(problem)")
            return .next
        }
    }
}
