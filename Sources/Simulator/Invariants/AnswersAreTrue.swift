import Consensus
import NodeCore
import Primitives
import Replication
import Store

/// The contract with clients: an answer to a write says what the committed entry did, and is given after the
/// node has applied it. Bugs D1, C5, S9, and "reply before commit".
final class TrueAnswers: Invariant {
    static let name = "answers"
    static let promise =
        "A write that was answered is committed, and the answer says what the committed entry does."
    let facts: FactKinds = [.client, .returned]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .client(let place, .answered(_, let request, let outcome)):
            let node = chronicle.nodes[place]
            guard let index = chronicle.requests[request], index <= node.now.applied else {
                throw violation(
                    "\(node.name) answers request \(request), which "
                        + (chronicle.requests[request].map { "is committed at \($0) but not applied there" }
                            ?? "is not committed"))
            }
            try check(outcome, at: index, "\(node.name) answers request \(request)", chronicle)
        case .returned(let operation):
            guard case .written(let outcome)? = operation.outcome, operation.requestID != .none else {
                return
            }
            guard let index = chronicle.requests[operation.requestID] else {
                throw violation("operation \(operation.number) was answered but is not committed")
            }
            let what = "operation \(operation.number) was answered"
            if case .coordinated(let told) = outcome,
                case .coordinated(let first)? = chronicle.store.applied(at: index)?.outcome, first.isWaiting
            {
                return try check(told, settling: operation.requestID, what, chronicle)
            }
            if case .replayed(.coordinated(let told), let original) = outcome,
                case .replayed(let first, original)? = chronicle.store.applied(at: index)?.outcome,
                first.isWaiting
            {
                return try check(told, settling: original, what, chronicle)
            }
            try check(outcome, at: index, what, chronicle)
        case .client(let place, .settled(let request, .coordinated(let told))):
            let node = chronicle.nodes[place]
            guard let end = chronicle.store.settled[request], end.index <= node.now.applied,
                end.outcome == told
            else { throw violation("\(node.name) tells that request \(request) came to \(told)") }
        default: break
        }
    }

    /// What became of a request that had to wait. A hold may have been prolonged before it was told.
    private func check(
        _ told: CoordinationOutcome, settling request: RequestID, _ what: String, _ chronicle: Chronicle
    ) throws(Violation) {
        let end = chronicle.store.settled[request]?.outcome
        if case .claim(.granted(let grant)) = told, case .claim(.granted(let known))? = end,
            grant.claim == known.claim, grant.token == known.token, grant.owner == known.owner
        {
            return
        }
        try demand(
            told == end,
            "\(what) with \(told); what it waited for came to \(end.map { "\($0)" } ?? "nothing")")
    }

    private func check(
        _ outcome: Outcome, at index: LogIndex, _ what: String, _ chronicle: Chronicle
    ) throws(Violation) {
        let expected = chronicle.store.applied(at: index)?.outcome
        try demand(
            outcome == expected,
            "\(what) with \(outcome); the entry at \(index) did \(expected.map { "\($0)" } ?? "nothing")")
    }
}

/// The contract with clients: "applied: no" is certain. Bugs C1, C7, E14.
final class TrueRefusals: Invariant {
    static let name = "refusals"
    static let promise = "A write that was refused for certain is never committed."
    let facts: FactKinds = [.client, .returned, .grown]
    private var refused: [RequestID: String] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .client(let place, .refused(_, let request, let reason)):
            guard reason.isDefinite else { return }
            try note(request, "\(chronicle.nodes[place].name) has refused it as \(reason)", chronicle)
        case .returned(let operation):
            guard case .refused(let reason)? = operation.outcome, operation.action.isWrite,
                operation.requestID != .none
            else { return }
            try note(
                operation.requestID, "operation \(operation.number) was refused as \(reason)", chronicle)
        case .grown(_, let from, let upTo):
            guard !refused.isEmpty else { return }
            var index = from
            while index <= upTo {
                if let request = chronicle.store.applied(at: index)?.request, let what = refused[request] {
                    throw violation("request \(request) is committed at \(index), but \(what)")
                }
                index = index.next
            }
        default: break
        }
    }

    private func note(_ request: RequestID, _ what: String, _ chronicle: Chronicle) throws(Violation) {
        refused[request] = what
        if let index = chronicle.requests[request] {
            throw violation("request \(request) was committed at \(index), and then \(what)")
        }
    }
}

extension ClientAction {
    /// Whether it may show an old state.
    var isStale: Bool {
        switch self {
        case .write, .evaluate: false
        case .get(_, let isStale), .range(_, _, let isStale): isStale
        }
    }
}

extension Outcome {
    /// The revision that the client is told; nil if it is told none.
    var revision: Revision? {
        switch self {
        case .put(let put): put.revision
        case .deleted(_, let revision, _), .incremented(_, let revision, _), .batch(_, let revision),
            .transaction(_, let revision):
            revision
        case .replayed(let outcome, _): outcome.revision
        case .compacted, .coordinated, .refused: nil
        }
    }
}
