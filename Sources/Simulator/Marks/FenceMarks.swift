import Consensus
import NodeCore
import Primitives
import Replication
import Store

extension Mark {
    static let fences: [Mark: String] = [
        .onceParkedWithOriginal: "request sent again that waits in the state: the repeat waits with it",
        .onceParkedElsewhere: "repeat that waits on another node than the original",
        .onceToldEndOfWait: "repeat that is told how a request ended that had to wait",
        .fencePassed: "write behind a fence that is current",
        .fencesPassedTogether: "write behind several fences that are all current",
        .fenceStaleHeldByOther: "write refused by its fence, since another holds the thing",
        .fenceStaleHeldByNobody: "write refused by its fence, since nobody holds the thing any more",
        .fenceStaleOnTheWay: "write refused by a fence that was current when the client asked",
        .fencedRepeatedWhenStale: "fenced write told its first outcome, though its fence is stale by now",
        .barrierReleased: "party that waited at a barrier let go by the last one",
        .barrierBroken: "party that waited at a barrier which a lease's end broke",
        .barrierRefusedBroken: "party that came to a broken barrier",
        .barrierReset: "party that waited at a barrier which was reset",
        .barrierWaitTimedOut: "party that has waited for too long, and counts",
        .barrierArrivedTwice: "party that arrived again while it waited",
        .barrierLeftTogether: "party that waited until all had left",
        .barrierPartyGone: "arrival taken back, since the client was gone",
        .cancelledCameAfterRestore: "cancelled request that came to a state read from a checkpoint since",
    ]
}

/// Marks about fences, barriers, and requests that are sent again while they wait.
final class FenceMarks: FactListener {
    let facts: FactKinds = [.grown, .returned, .checkpoints, .started]
    private let book: MarkBook
    private var held: Set<Fence> = []
    /// When each token was given up, as far as is known.
    private var ended: [Fence: Instant] = [:]
    /// Requests that waited, and have come to their end.
    private var settled: Set<RequestID> = []
    /// How many parties are counted at barriers.
    private var parties = 0
    /// Where the last request was cancelled by its id, and between what such requests came after that.
    private var cancelledAt: LogIndex?
    private var came: [(cancelled: LogIndex, index: LogIndex)] = []
    /// Where states stood that were read from checkpoints.
    private var restored: [LogIndex] = []

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .grown(_, let from, let upTo):
            try chronicle.forEachCoordination(from: from, upTo: upTo) {
                index, applied, ghost throws(Violation) in
                look(applied, ghost, index)
                look(ghost, chronicle.time)
            }
        case .returned(let operation): look(operation)
        case .checkpoints(_, let turn):
            for case .snapshotLoaded(let keyspace, _) in turn.reports {
                note(restored: keyspace.appliedIndex)
            }
        case .started(let place):
            if let keyspace = chronicle.source?.keyspace(of: place) {
                note(restored: keyspace.appliedIndex)
            }
        default: break
        }
    }

    private func note(restored index: LogIndex) {
        book.hit(
            .cancelledCameAfterRestore, if: came.contains { $0.cancelled <= index && index < $0.index })
        restored.append(index)
        if restored.count > 64 { restored.removeFirst(32) }
    }

    private func look(_ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, _ index: LogIndex) {
        guard let outcome = applied.outcome else { return }
        switch (ghost.command.operation, outcome) {
        case (_, .replayed(let first, let original)):
            let isElsewhere = original.high & 0xffff != applied.request.high & 0xffff
            book.hit(.onceParkedWithOriginal, if: first.isWaiting)
            book.hit(.onceParkedElsewhere, if: first.isWaiting && isElsewhere)
            book.hit(.onceToldEndOfWait, if: settled.contains(original))
            let isStale = ghost.fences.contains { !held.contains($0) }
            if case .refused(.fenceStale) = first { break }
            book.hit(.fencedRepeatedWhenStale, if: isStale)
        case (_, .refused(.fenceStale(_, let current))):
            book.hit(current == nil ? .fenceStaleHeldByNobody : .fenceStaleHeldByOther)
        case (_, .refused(.cancelled)):
            guard let cancelledAt else { break }
            came.append((cancelledAt, index))
            book.hit(.cancelledCameAfterRestore, if: restored.contains { cancelledAt <= $0 })
        case (.coordinate(.cancel(.id)), .coordinated(.request(.never))): cancelledAt = index
        case (.coordinate(.barrier), .refused(.coordination(.barrier(.broken)))):
            book.hit(.barrierRefusedBroken)
        case (.coordinate(.abandon), .coordinated(.abandoned(true))):
            book.hit(.barrierPartyGone, if: Self.parties(ghost) < parties)
        default: break
        }
        if !ghost.fences.isEmpty, applied.ownOutcome != nil {
            book.hit(ghost.fences.count > 1 ? .fencesPassedTogether : .fencePassed)
        }
    }

    private func look(_ ghost: CoordinationGhost, _ time: Instant) {
        let isFiring = if case .coordinate(.timers) = ghost.command.operation { true } else { false }
        for case .settled(let request, let outcome) in ghost.news {
            settled.insert(request)
            guard case .barrier(let outcome) = outcome else { continue }
            switch outcome {
            case .released: book.hit(.barrierReleased)
            case .broken(let how): broken(how.cause)
            case .arrived: book.hit(isFiring ? .barrierWaitTimedOut : .barrierArrivedTwice)
            case .left(_, let left, let all): book.hit(.barrierLeftTogether, if: left == all)
            default: break
            }
        }
        let now = Set(
            ghost.claims.flatMap { claim in
                claim.holders.map { Fence(claim.state.claim, token: $0.token) }
            })
        for fence in held.subtracting(now) { ended[fence] = time }
        (held, parties) = (now, Self.parties(ghost))
    }

    private func broken(_ cause: BarrierBreak.Cause) {
        switch cause {
        case .leaseEnded: book.hit(.barrierBroken)
        case .reset: book.hit(.barrierReset)
        case .deleted, .overtaken: break
        }
    }

    private func look(_ operation: OperationRecord) {
        guard case .written(.refused(.fenceStale(let fence, _)))? = operation.outcome,
            let ended = ended[fence]
        else { return }
        book.hit(.fenceStaleOnTheWay, if: ended > operation.invoked)
    }

    private static func parties(_ ghost: CoordinationGhost) -> Int {
        ghost.barriers.reduce(0) { $0 + $1.here.count }
    }
}
