import Primitives

// What commands do to barriers.

extension Keyspace {
    mutating func carryOut(_ command: BarrierCommand, id: RequestID) -> Outcome {
        switch command {
        case .configure(let name, let terms): return configure(name, terms)
        case .arrive(let name, let arrival): return arrive(arrival, at: name, id: id)
        case .leave(let name, let member, let wait):
            guard var barrier = coordination.barrier(name) else { return .refused(.barrier(.notFound(name))) }
            let result = coordination.leave(&barrier, member: member, wait: wait, id: id)
            if case .success = result { coordination.setUsed(&barrier) }
            return result.outcome
        case .reset(let name):
            guard var barrier = coordination.barrier(name) else { return .refused(.barrier(.notFound(name))) }
            coordination.end(&barrier, .reset)
            if barrier.generation < .max { barrier.generation += 1 }
            barrier.broken = nil
            coordination.setUsed(&barrier)
            return .barrier(.reset(barrier))
        case .delete(let name):
            guard let barrier = coordination.barrier(name) else { return .refused(.barrier(.notFound(name))) }
            coordination.delete(barrier)
            return .barrier(.deleted)
        }
    }

    private mutating func configure(_ name: String, _ terms: BarrierTerms) -> Outcome {
        guard var barrier = coordination.barrier(name) else {
            guard hasRoom else { return .refused(.coordination(.full)) }
            var barrier = Barrier(name: name, terms: terms, createdAt: lastTime)
            coordination.setUsed(&barrier)
            return .barrier(.configured(barrier, isNew: true))
        }
        let isSameKind = barrier.terms.parties == terms.parties && barrier.terms.isOnce == terms.isOnce
        guard isSameKind || barrier.arrived == 0 else {
            return .refused(.barrier(.otherParties(name, parties: barrier.terms.parties)))
        }
        barrier.terms = terms
        coordination.setUsed(&barrier)
        return .barrier(.configured(barrier, isNew: false))
    }

    private mutating func arrive(_ arrival: Arrival, at name: String, id: RequestID) -> Outcome {
        if let lease = arrival.lease, self.lease(lease) == nil {
            return .refused(.coordination(.leaseNotFound(lease)))
        }
        guard hasRoom else { return .refused(.coordination(.full)) }
        var barrier: Barrier
        if let found = coordination.barrier(name) {
            barrier = found
            if let parties = arrival.parties, parties != found.terms.parties {
                return .refused(.barrier(.otherParties(name, parties: found.terms.parties)))
            }
        } else {
            guard let parties = arrival.parties else { return .refused(.barrier(.notFound(name))) }
            barrier = Barrier(name: name, terms: BarrierTerms(parties: parties), createdAt: lastTime)
        }
        let result = coordination.arrive(&barrier, arrival, id: id, at: lastTime)
        if case .success = result { coordination.setUsed(&barrier) }
        return result.outcome
    }
}

extension Outcome {
    static func barrier(_ outcome: BarrierOutcome) -> Outcome { .coordinated(.barrier(outcome)) }
}

extension Refusal {
    static func barrier(_ refusal: BarrierRefusal) -> Refusal { .coordination(.barrier(refusal)) }
}

/// What a barrier said, or why nothing was changed.
enum BarrierResult {
    case success(BarrierOutcome)
    case failure(BarrierRefusal)

    var outcome: Outcome {
        switch self {
        case .success(let outcome): .barrier(outcome)
        case .failure(let refusal): .refused(.barrier(refusal))
        }
    }
}

// MARK: - Reads

extension Keyspace {
    /// The barrier with this name, nil if there is none.
    public func barrier(_ name: String) -> Barrier? { coordination.barrier(name) }

    /// Barriers in the order of their names, from the one after `cursor` on.
    public func barriers(after cursor: String? = nil, limit: Int) -> [Barrier] {
        var barriers: [Barrier] = []
        let last = cursor.map { RowKey(.barrier, $0) }
        coordination.forEach(RowKey(.barrier), after: last) { _, value in
            guard barriers.count < limit else { return false }
            barriers.append(Coordination.decode(value))
            return true
        }
        return barriers
    }

    /// The members of a generation, in the order in which they arrived. Those of the current generation are
    /// known, and those of the one that was released last.
    public func members(of barrier: Barrier, generation: UInt64) -> [BarrierMember] {
        coordination.members(of: barrier.name, generation).sorted { $0.order < $1.order }
    }
}
