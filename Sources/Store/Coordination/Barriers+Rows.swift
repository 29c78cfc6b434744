import Primitives

// The rows of barriers and the changes that they take. What is done for all members of a generation at once
// is bounded by the number of parties.

extension RowKey {
    static func members(_ barrier: String, _ generation: UInt64) -> RowKey {
        RowKey(.barrierMember, barrier, generation)
    }

    static func member(_ barrier: String, _ generation: UInt64, _ name: String) -> RowKey {
        RowKey(bytes: members(barrier, generation).bytes + Array(name.utf8))
    }

    /// The barrier, the generation and the name of a member, from its row.
    fileprivate var barrierMember: (barrier: String, generation: UInt64, member: String) {
        let rest = bytes.dropFirst()
        let name = rest.prefix { $0 != 0 }
        let number = rest.dropFirst(name.count + 1)
        let generation = number.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        return (
            String(decoding: name, as: UTF8.self), generation,
            String(decoding: number.dropFirst(8), as: UTF8.self)
        )
    }
}

extension Coordination {
    func barrier(_ name: String) -> Barrier? { value(RowKey(.barrier, name)) }

    private mutating func set(_ barrier: Barrier) { set(RowKey(.barrier, barrier.name), barrier) }

    /// Stores a barrier that was used: its time begins anew.
    mutating func setUsed(_ barrier: inout Barrier) {
        disarm(barrier.timer)
        let time = barrier.terms.timeToLive
        barrier.timer = time > 0 ? arm(.barrier(.end(barrier: barrier.name)), milliseconds: time) : 0
        set(barrier)
    }

    func members(of name: String, _ generation: UInt64) -> [BarrierMember] {
        var members: [BarrierMember] = []
        forEach(.members(name, generation)) { _, value in
            members.append(Self.decode(value))
            return true
        }
        return members
    }

    private func member(_ name: String, of barrier: Barrier, _ generation: UInt64) -> BarrierMember? {
        guard generation > 0 else { return nil }
        return value(.member(barrier.name, generation, name))
    }

    private mutating func set(_ member: BarrierMember, of barrier: Barrier, _ generation: UInt64) {
        set(.member(barrier.name, generation, member.name), member)
    }

    // MARK: - Waiting

    /// A member begins to wait. Whichever request waited for it before does so no more.
    private mutating func wait(
        _ member: inout BarrierMember, of barrier: Barrier, _ generation: UInt64, id: RequestID,
        milliseconds: Int64, instead outcome: BarrierOutcome
    ) {
        if member.request == id { disarm(member.timer) } else { settle(&member, outcome) }
        let key = RowKey.member(barrier.name, generation, member.name)
        member.request = id
        note(id, in: key)
        let target = BarrierTimer.wait(barrier: barrier.name, generation: generation, member: member.name)
        member.timer = arm(.barrier(target), milliseconds: milliseconds)
    }

    /// The request that waits for a member, if any, comes to its end.
    private mutating func settle(_ member: inout BarrierMember, _ outcome: BarrierOutcome) {
        guard let request = member.request else { return }
        disarm(member.timer)
        forget(request)
        (member.request, member.timer) = (nil, 0)
        news.append(.settled(request, .barrier(outcome)))
    }

    /// Removes a member, whose request was settled.
    private mutating func remove(_ member: BarrierMember, of barrier: Barrier, _ generation: UInt64) {
        let key = RowKey.member(barrier.name, generation, member.name)
        if let lease = member.lease { letGo(key, of: lease) }
        remove(key)
    }

    // MARK: - Arriving

    mutating func arrive(
        _ barrier: inout Barrier, _ arrival: Arrival, id: RequestID, at time: WallTime
    ) -> BarrierResult {
        let old = member(arrival.member, of: barrier, barrier.released)
        if let asked = arrival.generation, asked != barrier.generation {
            guard asked == barrier.released, let old else {
                return .failure(.otherGeneration(barrier.name, current: barrier.generation))
            }
            return .success(tell(old, of: barrier))
        }
        if let old, !old.isTold, arrival.generation == nil { return .success(tell(old, of: barrier)) }
        if let cause = barrier.broken {
            let broken = BarrierBreak(barrier: barrier.name, generation: barrier.generation, cause: cause)
            return .failure(.broken(broken))
        }
        if barrier.isOpen {
            return .success(
                .released(generation: barrier.released, index: old?.index, parties: barrier.releasedParties))
        }
        // Who arrives again has left the generation before.
        if let old { markLeft(old, of: &barrier) }
        let generation = barrier.generation
        var member: BarrierMember
        if let found = self.member(arrival.member, of: barrier, generation) {
            member = found
            if isPlanted(.partyCountsTwice) { barrier.arrived += 1 }
            if member.lease != arrival.lease, let lease = member.lease {
                letGo(.member(barrier.name, generation, member.name), of: lease)
            }
        } else {
            member = BarrierMember(name: arrival.member, since: time, order: nextNumber())
            barrier.arrived += 1
        }
        member.lease = arrival.lease
        if let lease = arrival.lease { hold(.member(barrier.name, generation, member.name), under: lease) }
        let parties = barrier.terms.parties
        if barrier.arrived == parties {
            member.isTold = true
            set(member, of: barrier, generation)
            let index = release(&barrier, for: member.name)
            return .success(.released(generation: generation, index: index, parties: parties))
        }
        let now = BarrierOutcome.arrived(generation: generation, arrived: barrier.arrived, parties: parties)
        guard arrival.wait > 0 else {
            settle(&member, now)
            set(member, of: barrier, generation)
            return .success(now)
        }
        wait(&member, of: barrier, generation, id: id, milliseconds: arrival.wait, instead: now)
        set(member, of: barrier, generation)
        return .success(.waiting(generation: generation, arrived: barrier.arrived, parties: parties))
    }

    /// Tells a member of the generation that was released last so.
    private mutating func tell(_ member: BarrierMember, of barrier: Barrier) -> BarrierOutcome {
        if !member.isTold {
            var told = member
            told.isTold = true
            set(told, of: barrier, barrier.released)
        }
        return .released(
            generation: barrier.released, index: member.index, parties: barrier.releasedParties)
    }

    /// All have arrived: everybody who waits goes on. Returns the place of one of them in the order.
    private mutating func release(_ barrier: inout Barrier, for name: String) -> Int {
        forgetReleased(&barrier, .overtaken)
        let generation = barrier.generation
        var found = 0
        let members = members(of: barrier.name, generation).sorted { $0.order < $1.order }
        for (place, member) in members.enumerated() {
            var member = member
            member.index = place + 1
            if member.name == name { found = member.index }
            if member.isWaiting { member.isTold = true }
            settle(
                &member,
                .released(generation: generation, index: member.index, parties: barrier.terms.parties))
            set(member, of: barrier, generation)
        }
        (barrier.released, barrier.releasedParties, barrier.left) = (generation, members.count, 0)
        if !barrier.terms.isOnce, generation < .max {
            barrier.generation += 1
            barrier.arrived = 0
        }
        return found
    }

    // MARK: - Leaving

    mutating func leave(
        _ barrier: inout Barrier, member name: String, wait: Int64, id: RequestID
    ) -> BarrierResult {
        let current = barrier.generation
        let parties = barrier.terms.parties
        if !barrier.isOpen, var member = member(name, of: barrier, current) {
            barrier.arrived -= 1
            let outcome = BarrierOutcome.withdrawn(
                generation: current, arrived: barrier.arrived, parties: parties)
            settle(&member, outcome)
            remove(member, of: barrier, current)
            return .success(outcome)
        }
        let generation = barrier.released
        guard let member = member(name, of: barrier, generation) else {
            if let cause = barrier.broken {
                return .failure(
                    .broken(BarrierBreak(barrier: barrier.name, generation: current, cause: cause)))
            }
            return .failure(.notArrived(barrier.name, member: name))
        }
        markLeft(member, of: &barrier)
        let now = BarrierOutcome.left(
            generation: generation, left: barrier.left, parties: barrier.releasedParties)
        guard var member = self.member(name, of: barrier, generation) else { return .success(now) }
        guard wait > 0, barrier.left < barrier.releasedParties else {
            settle(&member, now)
            set(member, of: barrier, generation)
            return .success(now)
        }
        self.wait(&member, of: barrier, generation, id: id, milliseconds: wait, instead: now)
        set(member, of: barrier, generation)
        return .success(
            .leaving(generation: generation, left: barrier.left, parties: barrier.releasedParties))
    }

    /// A member of the generation that was released last has left; if it was the last one, all who wait for
    /// that go on.
    private mutating func markLeft(_ member: BarrierMember, of barrier: inout Barrier) {
        guard !member.hasLeft else { return }
        var member = member
        let generation = barrier.released
        (member.hasLeft, member.isTold) = (true, true)
        if let lease = member.lease { letGo(.member(barrier.name, generation, member.name), of: lease) }
        member.lease = nil
        set(member, of: barrier, generation)
        barrier.left += 1
        guard barrier.left == barrier.releasedParties else { return }
        for member in members(of: barrier.name, generation) where member.isWaiting {
            var member = member
            settle(
                &member, .left(generation: generation, left: barrier.left, parties: barrier.releasedParties))
            set(member, of: barrier, generation)
        }
    }

    // MARK: - Ends

    /// Removes the members of the generation that was released last.
    private mutating func forgetReleased(_ barrier: inout Barrier, _ cause: BarrierBreak.Cause) {
        guard barrier.released > 0 else { return }
        removeMembers(of: barrier, barrier.released, cause)
        (barrier.released, barrier.releasedParties, barrier.left) = (0, 0, 0)
    }

    private mutating func removeMembers(
        of barrier: Barrier, _ generation: UInt64, _ cause: BarrierBreak.Cause
    ) {
        let broken = BarrierBreak(barrier: barrier.name, generation: generation, cause: cause)
        for member in members(of: barrier.name, generation) {
            var member = member
            if isPlanted(.breakTellsNobody) {
                disarm(member.timer)
            } else {
                settle(&member, .broken(broken))
            }
            remove(member, of: barrier, generation)
        }
    }

    /// Removes all members of all generations; the caller stores the barrier.
    mutating func end(_ barrier: inout Barrier, _ cause: BarrierBreak.Cause) {
        removeMembers(of: barrier, barrier.generation, cause)
        forgetReleased(&barrier, cause)
        barrier.arrived = 0
    }

    mutating func delete(_ barrier: Barrier) {
        var barrier = barrier
        end(&barrier, .deleted)
        disarm(barrier.timer)
        remove(RowKey(.barrier, barrier.name))
    }

    // MARK: - What others cause

    /// Whoever waited for this member has gone: an arrival is taken back unless all have arrived.
    mutating func abandonBarrier(_ row: RowKey) -> Bool {
        let (name, generation, member) = row.barrierMember
        guard var barrier = barrier(name), var found = self.member(member, of: barrier, generation),
            let request = found.request
        else { return false }
        disarm(found.timer)
        forget(request)
        (found.request, found.timer) = (nil, 0)
        if generation == barrier.released {
            set(found, of: barrier, generation)
        } else {
            barrier.arrived -= 1
            remove(found, of: barrier, generation)
            set(barrier)
        }
        return true
    }

    /// The lease of a member has ended; what it held was let go already.
    mutating func endBarrierHold(_ row: RowKey) {
        let (name, generation, member) = row.barrierMember
        guard var barrier = barrier(name), var found = self.member(member, of: barrier, generation) else {
            return
        }
        found.lease = nil
        if generation == barrier.released {
            markLeft(found, of: &barrier)
        } else {
            set(found, of: barrier, generation)
            if isPlanted(.deadPartyCounts) { return }
            let cause = BarrierBreak.Cause.leaseEnded(member: member)
            removeMembers(of: barrier, generation, cause)
            (barrier.arrived, barrier.broken) = (0, cause)
        }
        set(barrier)
    }

    /// A timer has run out, which is taken out already.
    mutating func fire(_ timer: BarrierTimer) {
        switch timer {
        case .wait(let name, let generation, let member):
            guard let barrier = barrier(name), var found = self.member(member, of: barrier, generation) else {
                return
            }
            let outcome: BarrierOutcome =
                generation == barrier.released
                ? .left(generation: generation, left: barrier.left, parties: barrier.releasedParties)
                : .arrived(
                    generation: generation, arrived: barrier.arrived, parties: barrier.terms.parties)
            settle(&found, outcome)
            set(found, of: barrier, generation)
        case .end(let name):
            if let barrier = barrier(name) { delete(barrier) }
        }
    }
}
