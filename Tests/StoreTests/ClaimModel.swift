import Primitives

@testable import Store

/// What locks, elections and semaphores ought to do, with arrays and without haste.
struct ClaimModel: Equatable {
    struct Party: Equatable {
        var request: UInt64
        var mode: ClaimMode
        var permits: UInt64
        var priority: UInt64
        var lease: String?
    }

    struct Thing: Equatable {
        var permits: UInt64 = 0
        var holders: [Party] = []
        var queue: [Party] = []
        var delay: ClaimMode?

        func admits(_ kind: ClaimKind, _ party: Party) -> Bool {
            switch kind {
            case .semaphore: return party.permits + holders.reduce(0) { $0 + $1.permits } <= permits
            case .lock where party.mode == .read:
                return holders.allSatisfy { $0.mode == .read } && delay != .write
            case .lock, .election: return holders.isEmpty && delay == nil
            }
        }
    }

    var things: [ClaimName: Thing] = [:]

    mutating func acquire(_ request: ClaimRequest, _ id: UInt64, leaseExists: Bool) {
        var thing = things[request.claim] ?? Thing()
        guard leaseExists else { return }
        if request.claim.kind == .semaphore, request.permits > thing.permits { return }
        let party = Party(
            request: id, mode: request.mode, permits: request.permits, priority: request.priority,
            lease: request.lease)
        if thing.queue.isEmpty, thing.admits(request.claim.kind, party) {
            thing.holders.append(party)
        } else if request.wait > 0 {
            let place = thing.queue.firstIndex { $0.priority < party.priority } ?? thing.queue.count
            thing.queue.insert(party, at: place)
        }
        things[request.claim] = thing
    }

    /// Ends what is held or waited for by those whom it is said of.
    mutating func end(_ isEnded: (Party) -> Bool) {
        for name in things.keys {
            things[name]?.holders.removeAll { isEnded($0) }
            things[name]?.queue.removeAll { isEnded($0) }
        }
    }

    mutating func expire(_ lease: String, delay: Int64) {
        for (name, thing) in things where delay > 0 && name.kind != .semaphore {
            for holder in thing.holders where holder.lease == lease {
                things[name]?.delay = thing.delay == .write ? .write : holder.mode
            }
        }
        end { $0.lease == lease }
    }

    /// Lets in whoever may be let in.
    mutating func settle() {
        for (name, var thing) in things {
            while let first = thing.queue.first {
                if name.kind == .semaphore, first.permits > thing.permits {
                    thing.queue.removeFirst()
                    continue
                }
                guard thing.admits(name.kind, first) else { break }
                thing.holders.append(thing.queue.removeFirst())
            }
            things[name] = thing
        }
    }
}

extension Keyspace {
    /// All holders and waiters as the rows tell them, in their order.
    func claimRequests(of claim: ClaimName) -> (holders: [UInt64], queue: [UInt64]) {
        var holders: [UInt64] = []
        var queue: [UInt64] = []
        coordination.forEach(claim.holds) { _, value in
            let hold: ClaimHold = Coordination.decode(value)
            holders.append(hold.request.low)
            return true
        }
        coordination.forEach(claim.queue) { _, value in
            let waiter: ClaimWaiter = Coordination.decode(value)
            queue.append(waiter.request.low)
            return true
        }
        return (holders, queue)
    }

    /// What is wrong with the rows of all things that are held; nil if each has those that belong to it, and
    /// none is left over. No more than one lease, timer or request may be there for anything else.
    func flawOfClaims() -> String? {
        let rows = coordination
        var (holds, waiters, underLease, timers) = (0, 0, 0, rows.count(RowKey(.lease)))
        for kind in ClaimKind.allCases {
            for state in claims(kind, limit: .max) {
                let claim = state.claim
                let (holders, queue) = (self.holders(of: claim, limit: .max), rows.keys(claim.queue))
                let held = holders.reduce(0) { $0 + $1.permits }
                guard state.holderCount == holders.count, state.held == held,
                    state.waiterCount == queue.count
                else { return "\(claim) is counted wrong" }
                for grant in holders {
                    let row = claim.hold(grant.token)
                    guard rows.has(RowKey(.leasedHold, grant.lease.id, row.bytes)),
                        rows.bytes(RowKey(token: grant.token)) == row.bytes,
                        let hold: ClaimHold = rows.value(row), rows.row(of: hold.request) == row
                    else { return "rows are missing of \(grant)" }
                }
                for row in queue {
                    guard let waiter: ClaimWaiter = rows.value(row), rows.row(of: waiter.request) == row,
                        rows.has(RowKey(.timer, waiter.timer)),
                        waiter.lease.map({ rows.has(RowKey(.leasedHold, $0, row.bytes)) }) ?? true
                    else { return "rows are missing of a waiter for \(claim)" }
                    if waiter.lease != nil { underLease += 1 }
                }
                if let delay = state.delay {
                    guard rows.has(RowKey(.timer, delay)) else { return "no timer for \(claim)" }
                    timers += 1
                }
                holds += holders.count
                waiters += queue.count
            }
        }
        guard rows.count(RowKey(.leasedHold)) == holds + underLease else { return "holds left over" }
        guard rows.count(RowKey(.claimToken)) == holds else { return "tokens left over" }
        guard rows.count(RowKey(.claimHold)) == holds else { return "holders left over" }
        guard rows.count(RowKey(.claimWaiter)) == waiters else { return "waiters left over" }
        guard rows.count(RowKey(.request)) == holds + waiters else { return "requests left over" }
        guard rows.timerCount == timers + waiters else { return "timers left over" }
        return rows.touched.isEmpty ? nil : "a queue was not looked at"
    }
}
