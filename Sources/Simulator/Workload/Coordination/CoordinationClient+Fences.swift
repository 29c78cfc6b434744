// What a client does behind fences, and at barriers.

import Primitives
import Store

extension CoordinationClient {
    /// A token that it was given: mostly the newest one, which may have ended all the same.
    mutating func fence() -> Fence? {
        guard let last = fences.last else { return nil }
        if let mine = held.last, random.chance(600_000) { return Fence(mine.claim, token: mine.token) }
        return random.coin() ? last : random.pick(fences)
    }

    /// A write behind fences, or a plain one if it has no token yet.
    mutating func fenced() -> Store.Operation {
        let operation: Store.Operation =
            switch random.below(10) {
            case 0...3:
                .put(
                    key: key(), value: Array(name().utf8), guard: random.chance(200_000) ? .exists : nil,
                    returnPrevious: random.coin())
            case 4...5: .increment(key: Self.counter, by: 1)
            case 6: .delete(key: key(), guard: nil, returnPrevious: false, mustExist: random.coin())
            case 7: leasedPut()
            default: .coordinate(.queue(queue()))
            }
        guard let fence = fence() else { return leasedPut() }
        guard random.chance(300_000), let other = self.fence(), other != fence else {
            return .fenced([fence], operation)
        }
        return .fenced([fence, other], operation)
    }

    /// Something that is done at a barrier. Each client is a member of its own; now and then it is another.
    mutating func barrier() -> BarrierCommand {
        let (name, parties) = barrierName()
        switch random.below(20) {
        case 0...12: return arrival()
        case 13...15: return leave(name)
        case 16:
            var terms = BarrierTerms(
                parties: random.coin() ? parties : random.number(in: 1...3), isOnce: random.chance(300_000))
            if random.chance(300_000) { terms.timeToLive = span() }
            return .configure(name, terms)
        case 17...18: return .reset(name)
        default: return random.coin() ? .delete(name) : arrival()
        }
    }

    /// Leaves a barrier, and mostly waits for the others to leave.
    mutating func leave(_ barrier: String) -> BarrierCommand {
        .leave(barrier, member: member(), wait: random.chance(700_000) ? longSpan() : 0)
    }

    /// An arrival at a barrier.
    mutating func arrival() -> BarrierCommand {
        let (name, parties) = barrierName()
        var arrival = Arrival(member: member(), parties: random.chance(900_000) ? parties : nil)
        if random.chance(750_000) { arrival.wait = longSpan() }
        if random.chance(350_000) { arrival.lease = leaseID() }
        if random.chance(80_000) { arrival.generation = UInt64(random.number(in: 1...4)) }
        return .arrive(name, arrival)
    }

    private mutating func barrierName() -> (String, parties: Int) {
        random.chance(700_000) ? ("b0", 2) : ("b1", 3)
    }

    private mutating func member() -> String {
        random.chance(800_000) ? "m\(client)" : "m\(random.below(3))"
    }
}
