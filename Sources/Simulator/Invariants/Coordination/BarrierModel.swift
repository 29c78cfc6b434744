import Primitives
import Store

// Barriers once more: written from the rules, over lists instead of rows, and without looking at how the
// store does it.

/// What barriers must be.
struct BarrierModel {
    /// What is told of a barrier, or of a party's wait.
    enum Fate: Equatable {
        case released(UInt64, index: Int?, parties: Int)
        case waiting(UInt64, arrived: Int, parties: Int)
        case arrived(UInt64, arrived: Int, parties: Int)
        case leaving(UInt64, left: Int, parties: Int)
        case left(UInt64, left: Int, parties: Int)
        case withdrawn(UInt64, arrived: Int, parties: Int)
        case broken(UInt64, BarrierBreak.Cause)
        case configured(isNew: Bool)
        case reset(UInt64)
        case deleted
        case noLease
        case refusedBroken(UInt64, BarrierBreak.Cause)
        case refused(BarrierRefusal)

        init(_ outcome: BarrierOutcome) {
            self =
                switch outcome {
                case .configured(_, let isNew): .configured(isNew: isNew)
                case .released(let number, let index, let parties):
                    .released(number, index: index, parties: parties)
                case .waiting(let number, let arrived, let parties):
                    .waiting(number, arrived: arrived, parties: parties)
                case .arrived(let number, let arrived, let parties):
                    .arrived(number, arrived: arrived, parties: parties)
                case .leaving(let number, let left, let parties):
                    .leaving(number, left: left, parties: parties)
                case .left(let number, let left, let parties): .left(number, left: left, parties: parties)
                case .withdrawn(let number, let arrived, let parties):
                    .withdrawn(number, arrived: arrived, parties: parties)
                case .broken(let how): .broken(how.generation, how.cause)
                case .reset(let barrier): .reset(barrier.generation)
                case .deleted: .deleted
                }
        }

        /// Nil if it is not about barriers.
        init?(_ outcome: Outcome) {
            switch outcome {
            case .coordinated(.barrier(let outcome)): self = Fate(outcome)
            case .refused(.coordination(.leaseNotFound)): self = .noLease
            case .refused(.coordination(.barrier(.broken(let how)))):
                self = .refusedBroken(how.generation, how.cause)
            case .refused(.coordination(.barrier(let refusal))): self = .refused(refusal)
            default: return nil
            }
        }

        var isRefusal: Bool {
            switch self {
            case .noLease, .refusedBroken, .refused: true
            default: false
            }
        }
    }

    struct Member: Equatable {
        var name: String
        var lease: String?
        /// The request that waits for the others.
        var request: RequestID?
        /// In the order of arrival; zero before all have arrived.
        var index = 0
        var hasLeft = false
        var isTold = false
    }

    struct Barrier: Equatable {
        var name: String
        var terms: BarrierTerms
        var generation: UInt64 = 1
        /// Who has arrived, in that order; nobody if it stays open.
        var here: [Member] = []
        /// The generation that was released last, its parties, and how many of them have left.
        var released: UInt64 = 0
        var gone: [Member] = []
        var left = 0
        var broken: BarrierBreak.Cause?

        var isOpen: Bool { terms.isOnce && released == generation }
        /// How many are said to have arrived.
        var count: Int { isOpen ? gone.count : here.count }
    }

    var barriers: [String: Barrier] = [:]
    /// How waits have ended in the entry that is being looked at.
    var ended: [RequestID: Fate] = [:]

    /// What an entry asks for; `leases` are those that live.
    mutating func follow(_ command: BarrierCommand, _ request: RequestID, _ leases: Set<String>) -> Fate {
        let name = command.name
        let before = barriers[name]
        if case .arrive(_, let asked) = command {
            if let lease = asked.lease, !leases.contains(lease) { return .noLease }
            if barriers[name] == nil, let parties = asked.parties {
                barriers[name] = Barrier(name: name, terms: BarrierTerms(parties: parties))
            }
        }
        if case .configure(_, let terms) = command, barriers[name] == nil {
            barriers[name] = Barrier(name: name, terms: terms)
            return .configured(isNew: true)
        }
        guard var barrier = barriers[name] else { return .refused(.notFound(name)) }
        let fate: Fate
        switch command {
        case .configure(_, let terms): fate = barrier.configure(terms)
        case .arrive(_, let asked): fate = barrier.arrive(asked, request, &ended)
        case .leave(_, let member, let wait): fate = barrier.leave(member, wait, request, &ended)
        case .reset: fate = barrier.reset(&ended)
        case .delete:
            end(name)
            return .deleted
        }
        barriers[name] = fate.isRefusal ? before : barrier
        return fate
    }

    /// A barrier is deleted.
    mutating func end(_ name: String) {
        barriers[name]?.end(.deleted, &ended)
        barriers[name] = nil
    }

    /// Whoever waited for the end of a request has gone.
    mutating func abandon(_ request: RequestID) {
        for name in barriers.keys {
            barriers[name]?.here.removeAll { $0.request == request }
            if let place = barriers[name]?.gone.firstIndex(where: { $0.request == request }) {
                barriers[name]?.gone[place].request = nil
            }
        }
    }

    /// Leases have ended together. Which of several members is said to have broken a barrier is taken from
    /// the store.
    mutating func end(leases: Set<String>, told: (String) -> BarrierBreak.Cause?) {
        for name in barriers.keys {
            guard var barrier = barriers[name] else { continue }
            let lost = barrier.here.filter { $0.lease.map(leases.contains) ?? false }.map(\.name)
            if let first = lost.first {
                let causes = lost.map { BarrierBreak.Cause.leaseEnded(member: $0) }
                let cause =
                    told(name).flatMap { causes.contains($0) ? $0 : nil } ?? .leaseEnded(member: first)
                barrier.breakUp(cause, &ended)
                barrier.broken = cause
            }
            for place in barrier.gone.indices where barrier.gone[place].lease.map(leases.contains) ?? false {
                barrier.gone[place].lease = nil
                barrier.markLeft(place, &ended)
            }
            barriers[name] = barrier
        }
    }

    /// A wait was over, as the store tells it. Answers whether that can be.
    mutating func timeOut(_ request: RequestID, _ fate: Fate) -> Bool {
        for name in barriers.keys {
            guard var barrier = barriers[name] else { continue }
            if let place = barrier.here.firstIndex(where: { $0.request == request }) {
                barrier.here[place].request = nil
                barriers[name] = barrier
                return fate
                    == .arrived(
                        barrier.generation, arrived: barrier.here.count, parties: barrier.terms.parties)
            }
            if let place = barrier.gone.firstIndex(where: { $0.request == request }) {
                barrier.gone[place].request = nil
                barriers[name] = barrier
                return fate == .left(barrier.released, left: barrier.left, parties: barrier.gone.count)
            }
        }
        return false
    }
}

// MARK: - One barrier

extension BarrierModel.Barrier {
    typealias Ended = [RequestID: BarrierModel.Fate]

    fileprivate mutating func configure(_ terms: BarrierTerms) -> BarrierModel.Fate {
        let isSame = terms.parties == self.terms.parties && terms.isOnce == self.terms.isOnce
        guard isSame || count == 0 else { return .refused(.otherParties(name, parties: self.terms.parties)) }
        self.terms = terms
        return .configured(isNew: false)
    }

    fileprivate mutating func arrive(
        _ asked: Arrival, _ request: RequestID, _ ended: inout Ended
    ) -> BarrierModel.Fate {
        if let parties = asked.parties, parties != terms.parties {
            return .refused(.otherParties(name, parties: terms.parties))
        }
        let old = gone.firstIndex { $0.name == asked.member }
        if let wanted = asked.generation, wanted != generation {
            guard wanted == released, let old else {
                return .refused(.otherGeneration(name, current: generation))
            }
            return tell(old)
        }
        if let old, !gone[old].isTold, asked.generation == nil { return tell(old) }
        if let broken { return .refusedBroken(generation, broken) }
        if isOpen { return .released(released, index: old.map { gone[$0].index }, parties: gone.count) }
        if let old { markLeft(old, &ended) }
        let place = here.firstIndex { $0.name == asked.member } ?? here.endIndex
        if place == here.endIndex { here.append(BarrierModel.Member(name: asked.member)) }
        here[place].lease = asked.lease
        if here.count == terms.parties { return release(place, &ended) }
        let now = BarrierModel.Fate.arrived(generation, arrived: here.count, parties: terms.parties)
        if let waiting = here[place].request { ended[waiting] = now }
        here[place].request = asked.wait > 0 ? request : nil
        return asked.wait > 0 ? .waiting(generation, arrived: here.count, parties: terms.parties) : now
    }

    private mutating func tell(_ place: Int) -> BarrierModel.Fate {
        gone[place].isTold = true
        return .released(released, index: gone[place].index, parties: gone.count)
    }

    /// All have arrived, the one at a place last.
    private mutating func release(_ last: Int, _ ended: inout Ended) -> BarrierModel.Fate {
        for member in gone {
            if let waiting = member.request { ended[waiting] = .broken(released, .overtaken) }
        }
        for place in here.indices {
            here[place].index = place + 1
            here[place].isTold = place == last || here[place].request != nil
            if let waiting = here[place].request {
                ended[waiting] = .released(generation, index: place + 1, parties: terms.parties)
            }
            here[place].request = nil
        }
        (gone, here, released, left) = (here, [], generation, 0)
        if !terms.isOnce { generation += 1 }
        return .released(released, index: last + 1, parties: terms.parties)
    }

    fileprivate mutating func leave(
        _ name: String, _ wait: Int64, _ request: RequestID, _ ended: inout Ended
    ) -> BarrierModel.Fate {
        if let place = here.firstIndex(where: { $0.name == name }) {
            let member = here.remove(at: place)
            let fate = BarrierModel.Fate.withdrawn(generation, arrived: here.count, parties: terms.parties)
            if let waiting = member.request { ended[waiting] = fate }
            return fate
        }
        guard let place = gone.firstIndex(where: { $0.name == name }) else {
            if let broken { return .refusedBroken(generation, broken) }
            return .refused(.notArrived(self.name, member: name))
        }
        markLeft(place, &ended)
        let now = BarrierModel.Fate.left(released, left: left, parties: gone.count)
        let waits = wait > 0 && left < gone.count
        if let waiting = gone[place].request { ended[waiting] = now }
        gone[place].request = waits ? request : nil
        return waits ? .leaving(released, left: left, parties: gone.count) : now
    }

    fileprivate mutating func markLeft(_ place: Int, _ ended: inout Ended) {
        guard !gone[place].hasLeft else { return }
        (gone[place].hasLeft, gone[place].isTold, gone[place].lease) = (true, true, nil)
        left += 1
        guard left == gone.count else { return }
        for place in gone.indices {
            if let waiting = gone[place].request {
                ended[waiting] = .left(released, left: left, parties: gone.count)
            }
            gone[place].request = nil
        }
    }

    fileprivate mutating func reset(_ ended: inout Ended) -> BarrierModel.Fate {
        end(.reset, &ended)
        generation += 1
        broken = nil
        return .reset(generation)
    }

    fileprivate mutating func breakUp(_ cause: BarrierBreak.Cause, _ ended: inout Ended) {
        for member in here {
            if let waiting = member.request { ended[waiting] = .broken(generation, cause) }
        }
        here = []
    }

    fileprivate mutating func end(_ cause: BarrierBreak.Cause, _ ended: inout Ended) {
        breakUp(cause, &ended)
        for member in gone {
            if let waiting = member.request { ended[waiting] = .broken(released, cause) }
        }
        (gone, released, left) = ([], 0, 0)
    }
}
