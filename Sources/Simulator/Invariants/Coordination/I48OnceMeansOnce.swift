import Consensus
import NodeCore
import Primitives
import Store

/// A request with an idempotency key is carried out once, however often it is sent and by whichever nodes;
/// whoever sends it again is told the same, or waits with the first one and is told how that ended; another
/// request under the same key is refused. Bugs C1 to C3.
final class OnceMeansOnce: Invariant {
    static let name = "I48"
    static let promise =
        "What has an idempotency key is carried out at most once, and every answer to it is the same."
    let facts: FactKinds = [.grown]

    private struct Known {
        var index: LogIndex
        var request: RequestID
        var fingerprint: UInt64
        var outcome: Outcome
    }
    private var known: [String: Known] = [:]
    /// The keys of requests that wait in the state.
    private var waiting: [RequestID: String] = [:]
    private var cancelledKeys: Set<String> = []
    private var cancelled: Set<RequestID> = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        try chronicle.forEachCoordination(from: from, upTo: upTo) { index, applied, ghost throws(Violation) in
            if case .coordinate(.cancel(let name)) = ghost.command.operation,
                applied.outcome == .coordinated(.request(.never))
            {
                switch name {
                case .id(let id): cancelled.insert(id)
                case .key(let key, _): cancelledKeys.insert(key)
                }
            }
            if let once = ghost.command.once, let outcome = applied.outcome,
                let before = chronicle.store.state(at: index.previous)
            {
                try look(once, outcome, applied, before, index)
            }
            settle(ghost.news)
        }
    }

    /// Whatever waited and has come to its end is told so from then on.
    func settle(_ news: [Coordination.News]) {
        guard !waiting.isEmpty else { return }
        for case .settled(let request, let outcome) in news {
            guard let key = waiting.removeValue(forKey: request) else { continue }
            known[key]?.outcome = .coordinated(outcome)
        }
    }

    func look(
        _ once: OnceKey, _ outcome: Outcome, _ applied: StoreGhost.Applied, _ before: Fingerprint,
        _ index: LogIndex
    ) throws(Violation) {
        if outcome == .refused(.cancelled) {
            // Who cancelled one request may have asked for the same by another one, and that is not
            // cancelled.
            return try demand(
                cancelled.contains(applied.request) || cancelledKeys.contains(once.key),
                "entry \(index) under key \(once.key) is refused as cancelled, which nobody did")
        }
        if let first = known[once.key] {
            let what = "entry \(index) under key \(once.key), which entry \(first.index) had,"
            try demand(
                applied.state.revision == before.revision && applied.state.count == before.count,
                "\(what) changes keys")
            if once.fingerprint != first.fingerprint {
                return try demand(
                    outcome == .refused(.keyReused), "\(what) asks for something else: \(outcome)")
            }
            guard case .replayed(let told, let original) = outcome else {
                throw violation("\(what) is answered with \(outcome)")
            }
            try demand(
                told == first.outcome && original == first.request,
                "\(what) is answered with \(told) of \(original), the first one came to \(first.outcome)")
            return
        }
        if outcome.hasComeToNothing { return }
        switch outcome {
        case .replayed(_, let original):
            throw violation(
                "entry \(index) under key \(once.key) is answered like \(original), which is none")
        case .refused(.keyReused): throw violation("entry \(index) finds key \(once.key) used")
        default:
            known[once.key] = Known(
                index: index, request: applied.request, fingerprint: once.fingerprint, outcome: outcome)
            if outcome.isWaiting { waiting[applied.request] = once.key }
        }
    }
}

/// Who cancels a request is told what became of it, or that it never will be carried out; and then it never
/// is.
final class CancelledIsNeverDone: Invariant {
    static let name = "I49"
    static let promise = "A request that was cancelled in time is never carried out, before or after."
    let facts: FactKinds = [.grown]
    private var keys: [String: LogIndex] = [:]
    private var requests: [RequestID: LogIndex] = [:]
    private var keysDone: [String: LogIndex] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        var index = from
        while index <= upTo {
            if let applied = chronicle.store.applied(at: index) { try look(applied, index, chronicle) }
            index = index.next
        }
    }

    func look(
        _ applied: StoreGhost.Applied, _ index: LogIndex, _ chronicle: Chronicle
    ) throws(Violation) {
        let command = applied.coordination?.command
        if let at = requests[applied.request] ?? command?.once.flatMap({ keys[$0.key] }) {
            return try demand(
                applied.outcome == .refused(.cancelled),
                "request \(applied.request) was cancelled at \(at) and does at \(index): "
                    + "\(applied.outcome.map { "\($0)" } ?? "")")
        }
        if let once = command?.once, applied.isFirst,
            applied.outcome?.hasComeToNothing == false
        {
            keysDone[once.key] = index
        }
        guard case .coordinate(.cancel(let name))? = command?.operation,
            case .coordinated(.request(let state))? = applied.outcome
        else { return }
        switch (name, state) {
        case (.id(let id), .never):
            if requests[id] == nil, let done = chronicle.requests[id], done < index,
                let outcome = chronicle.store.applied(at: done)?.outcome,
                outcome != .refused(.cancelled), outcome != .refused(.malformedCommand)
            {
                throw violation("request \(id) is cancelled at \(index) and was carried out at \(done)")
            }
            requests[id] = index
        case (.key(let key, _), .never):
            if let done = keysDone[key] {
                throw violation("key \(key) is cancelled at \(index) and was used at \(done)")
            }
            keys[key] = index
        case (.id(let id), .known(let record)):
            try demand(
                chronicle.requests[id] == record.index, "request \(id) is said to stand at \(record.index)")
        case (.key(let key, _), .known(let record)):
            try demand(keysDone[key] == record.index, "key \(key) is said to stand at \(record.index)")
        case (_, .expired), (_, .unknown):
            throw violation("entry \(index) leaves \(name) as it was: \(state)")
        }
    }
}

extension Outcome {
    /// Whether nothing was there to be received, so that the same may be asked for again under its key.
    fileprivate var hasComeToNothing: Bool {
        switch self {
        case .coordinated(.queue(.received([]))), .refused(.coordination(.queue(.notFound))): true
        default: false
        }
    }
}
