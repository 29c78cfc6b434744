import Consensus
import NodeCore
import Primitives
import Store

/// After every committed entry barriers, their parties, and what was told of them are those that the rules
/// make of the entries (``BarrierModel``): a generation is released when its last party arrives, and never
/// before; who arrives twice counts once; all who wait are told at once, in their order of arrival; the end
/// of a party's lease breaks the generation for all of it. Bugs LK12.
final class BarriersByTheRules: Invariant {
    static let name = "I50"
    static let promise =
        "A barrier opens when its last party arrives, for all at once and never before, or breaks for all."
    let facts: FactKinds = [.grown]
    private var model = BarrierModel()
    private var leases: Set<String> = []

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        try chronicle.forEachCoordination(from: from, upTo: upTo) { index, applied, ghost throws(Violation) in
            try judge(applied, ghost, index)
        }
    }

    /// Takes in the next entry about leases, locks and the like.
    func judge(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, _ index: LogIndex
    ) throws(Violation) {
        let living = Set(ghost.leases.map(\.id))
        defer { leases = living }
        model.ended = [:]
        var news: [RequestID: BarrierModel.Fate] = [:]
        for case .settled(let request, .barrier(let outcome)) in ghost.news {
            news[request] = BarrierModel.Fate(outcome)
        }
        if let outcome = applied.ownOutcome { try follow(applied, outcome, ghost, index) }
        if case .coordinate(.timers(.fire)) = ghost.command.operation {
            try fire(&news, ghost, index)
        }
        let ended = leases.subtracting(living)
        if !ended.isEmpty {
            model.end(leases: ended) { name in ghost.barriers.first { $0.state.name == name }?.state.broken }
        }
        try demand(
            news == model.ended,
            "entry \(index) ends the waits \(news); by the rules \(model.ended)")
        try compare(ghost, index)
    }

    private func follow(
        _ applied: StoreGhost.Applied, _ outcome: Outcome, _ ghost: CoordinationGhost, _ index: LogIndex
    ) throws(Violation) {
        switch ghost.command.operation {
        case .coordinate(.barrier(let command)):
            let fate = model.follow(command, applied.request, leases)
            try demand(
                BarrierModel.Fate(outcome) == fate,
                "entry \(index), \(command), ends with \(outcome); by the rules \(fate)")
        case .coordinate(.abandon(let request)): model.abandon(request)
        default: break
        }
    }

    /// Waits are over, and barriers that were not used. When is the affair of another promise.
    private func fire(
        _ news: inout [RequestID: BarrierModel.Fate], _ ghost: CoordinationGhost, _ index: LogIndex
    ) throws(Violation) {
        for (request, fate) in news {
            switch fate {
            case .arrived: break
            case .left(_, let left, let parties) where left < parties: break
            default: continue
            }
            try demand(
                model.timeOut(request, fate), "entry \(index) ends the wait of \(request) with \(fate)")
            news[request] = nil
        }
        let known = Set(ghost.barriers.map(\.state.name))
        for (name, barrier) in model.barriers where barrier.terms.timeToLive > 0 && !known.contains(name) {
            model.end(name)
        }
    }

    private func compare(_ ghost: CoordinationGhost, _ index: LogIndex) throws(Violation) {
        try demand(
            Set(ghost.barriers.map(\.state.name)) == Set(model.barriers.keys),
            "after entry \(index) there are \(ghost.barriers.map(\.state.name)); by the rules "
                + "\(model.barriers.keys.sorted())")
        for barrier in ghost.barriers {
            guard let expected = model.barriers[barrier.state.name] else { continue }
            let state = barrier.state
            let here = expected.isOpen ? [] : barrier.here
            try demand(
                state.generation == expected.generation && state.arrived == expected.count
                    && state.released == expected.released && state.left == expected.left
                    && state.broken == expected.broken && state.terms == expected.terms
                    && here.elementsEqual(expected.here, by: Self.isSame)
                    && barrier.gone.elementsEqual(expected.gone, by: Self.isSame),
                "after entry \(index) there is \(barrier); by the rules \(expected)")
        }
    }

    private static func isSame(_ member: BarrierMember, _ expected: BarrierModel.Member) -> Bool {
        member.name == expected.name && member.lease == expected.lease && member.index == expected.index
            && member.isWaiting == (expected.request != nil) && member.hasLeft == expected.hasLeft
    }
}
