import Consensus
import Primitives

/// A write that a client asked for once takes effect at most once, however often it was forwarded, resent and
/// delivered on its way to a leader. Bugs C1, C2, C7, S4.
final class ExactlyOnce: Invariant {
    static let name = "I23"
    static let promise = "No request is committed twice."
    let facts: FactKinds = [.grown]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        var index = from
        while index <= upTo {
            if let request = chronicle.store.applied(at: index)?.request, request != .none,
                let first = chronicle.requests[request], first != index
            {
                throw violation("request \(request) is committed at \(first) and at \(index)")
            }
            index = index.next
        }
    }
}
