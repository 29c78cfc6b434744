import Consensus
import NodeCore
import Primitives
import Store

/// A command behind fences is carried out if all their tokens are held where it stands in the log, among the
/// grants and ends of holds, and otherwise changes nothing. So no write that carries an older token takes
/// effect once the thing was given to somebody else, however long it was on its way; and no write of who
/// holds it is refused. Who holds what by then is what ``HoldersByTheRules`` demands after every entry. Bug
/// LK5.
final class FencesHold: Invariant {
    static let name = "I43"
    static let promise =
        "What is fenced is carried out if, and only if, all its tokens are current when it is applied."
    let facts: FactKinds = [.grown, .returned]

    private typealias Tokens = [ClaimName: [UInt64]]
    /// The tokens that are held after an entry, each time that they change, and the first entry after which
    /// they are.
    private var held: [(index: LogIndex, tokens: Tokens)] = []
    /// The newest token of each thing that one holder has alone.
    private var alone: [ClaimName: UInt64] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .grown(_, let from, let upTo):
            try chronicle.forEachCoordination(from: from, upTo: upTo) {
                index, applied, ghost throws(Violation) in
                try judge(applied, ghost, before: chronicle.store.state(at: index.previous), index)
            }
        case .returned(let operation):
            guard case .write(.fenced(let fences, _), _) = operation.action,
                let index = chronicle.requests[operation.requestID]
            else { return }
            try judge(operation, fences, index)
        default: break
        }
    }

    /// Takes in the next entry about leases, locks and the like.
    func judge(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, before: Fingerprint?, _ index: LogIndex
    ) throws(Violation) {
        try judge(applied, ghost.fences, before, index)
        var tokens: Tokens = [:]
        for claim in ghost.claims where !claim.holders.isEmpty {
            let name = claim.state.claim
            tokens[name] = claim.holders.map(\.token)
            if name.kind != .semaphore, let holder = claim.holders.first, holder.mode == .write {
                alone[name] = max(alone[name] ?? 0, holder.token)
            }
        }
        if tokens != held.last?.tokens ?? [:] { held.append((index, tokens)) }
    }

    private func judge(
        _ applied: StoreGhost.Applied, _ fences: [Fence], _ before: Fingerprint?, _ index: LogIndex
    ) throws(Violation) {
        let tokens = held.last?.tokens ?? [:]
        if case .refused(.fenceStale(let fence, let current))? = applied.outcome {
            try demand(fences.contains(fence), "entry \(index) is refused by \(fence), which it has not")
            try demand(
                !Self.isHeld(fence, tokens),
                "entry \(index) is refused by \(fence), which is held with that token")
            try demand(
                current == tokens[fence.claim]?.min(),
                "entry \(index) is refused since \(current.map { "\($0)" } ?? "nobody") holds "
                    + "\(fence.claim), which \(tokens[fence.claim] ?? []) do")
            return try demand(
                before.map { $0.revision == applied.state.revision && $0.count == applied.state.count }
                    ?? true,
                "entry \(index) is refused by its fence and changes keys")
        }
        guard applied.ownOutcome != nil else { return }
        for fence in fences {
            try demand(
                Self.isHeld(fence, tokens),
                "entry \(index) is carried out behind \(fence), which is held with "
                    + "\(tokens[fence.claim] ?? [])")
            try demand(
                alone[fence.claim].map { fence.token >= $0 } ?? true,
                "entry \(index) is carried out behind \(fence), which was given to another since")
        }
    }

    /// What a client was told of a fenced request, whatever has become of the fence on its way to the log.
    private func judge(
        _ operation: OperationRecord, _ fences: [Fence], _ index: LogIndex
    ) throws(Violation) {
        guard case .written(let outcome)? = operation.outcome, outcome.hasBeenCarriedOut else { return }
        let tokens = held.last { $0.index < index }?.tokens ?? [:]
        for fence in fences {
            try demand(
                Self.isHeld(fence, tokens),
                "operation \(operation.number) was carried out at \(index) behind \(fence), which was held "
                    + "with \(tokens[fence.claim] ?? []) then")
        }
    }

    private static func isHeld(_ fence: Fence, _ tokens: Tokens) -> Bool {
        tokens[fence.claim]?.contains(fence.token) ?? false
    }
}

extension Outcome {
    /// Whether it says that its own command did something.
    fileprivate var hasBeenCarriedOut: Bool {
        switch self {
        case .refused, .replayed: false
        default: true
        }
    }
}
