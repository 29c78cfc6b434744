import Primitives
import Store

// Leases, the keys under them, and what is held under them, once more: written from the rules in
// Coordination.md, over lists instead of rows, and without looking at how the store does it. Numbers of
// timers and fencing tokens are taken from the store, since they are names; everything that follows from them
// is not.

/// What leases, locks, elections and semaphores must be.
struct HoldingModel {
    struct Lease: Equatable {
        var timer: UInt64 = 0
        var isPrivate: Bool
        var deletes: Bool
        var lockDelay: Int64
    }

    struct Party: Equatable {
        var owner: String
        var request: RequestID
        var mode: ClaimMode
        var permits: UInt64
        var priority: UInt64
        /// Nil if it gets one of its own when it is let in.
        var lease: String?
        var token: UInt64 = 0
        /// Of the wait.
        var timer: UInt64 = 0
    }

    struct Claim: Equatable {
        var permits: UInt64 = 0
        var holders: [Party] = []
        var waiters: [Party] = []
        /// The timer of the delay after the end of a lease; zero before the store has told it.
        var delay: UInt64?
        var delayedMode = ClaimMode.write

        var isNothing: Bool { permits == 0 && holders.isEmpty && waiters.isEmpty && delay == nil }

        func admits(_ kind: ClaimKind, _ party: Party) -> Bool {
            let writers = holders.count { $0.mode == .write }
            switch kind {
            case .election: return holders.isEmpty && delay == nil
            case .semaphore: return party.permits + holders.reduce(0) { $0 + $1.permits } <= permits
            case .lock:
                if party.mode == .write { return holders.isEmpty && delay == nil }
                return writers == 0 && (delay == nil || delayedMode == .read)
            }
        }
    }

    /// How a request for something ended, as far as the rules say.
    enum Verdict: Equatable { case granted, waiting, refused }

    var leases: [String: Lease] = [:]
    var claims: [ClaimName: Claim] = [:]
    /// The keys, with their leases.
    var keys: [[UInt8]: String?] = [:]

    // MARK: Leases

    mutating func end(lease id: String, hasExpired: Bool) {
        guard let lease = leases.removeValue(forKey: id) else { return }
        for (key, under) in keys where under == id {
            keys[key] = lease.deletes ? nil : .some(nil)
        }
        for claim in claims.keys {
            guard var state = claims[claim] else { continue }
            for holder in state.holders where holder.lease == id && claim.kind != .semaphore {
                guard hasExpired, lease.lockDelay > 0 else { continue }
                if state.delay == nil || holder.mode == .write { state.delayedMode = holder.mode }
                state.delay = 0
            }
            state.holders.removeAll { $0.lease == id }
            state.waiters.removeAll { $0.lease == id }
            claims[claim] = state
        }
    }

    /// A lease that was made for one thing ends with it.
    mutating func endIfUnused(_ id: String?) {
        guard let id, let lease = leases[id], lease.isPrivate, !keys.values.contains(id),
            !claims.values.contains(where: { $0.holders.contains { $0.lease == id } })
        else { return }
        leases[id] = nil
    }

    mutating func put(_ key: [UInt8], under id: String?) {
        let old = keys[key] ?? nil
        keys[key] = .some(id)
        if old != id { endIfUnused(old) }
    }

    mutating func delete(_ key: [UInt8]) {
        guard let old = keys.removeValue(forKey: key) else { return }
        endIfUnused(old)
    }

    // MARK: Claims

    mutating func acquire(_ asked: ClaimRequest, _ request: RequestID) -> Verdict {
        if let lease = asked.lease, leases[lease] == nil { return .refused }
        var state = claims[asked.claim] ?? Claim()
        if asked.claim.kind == .semaphore, state.permits == 0 && state.isNothing { return .refused }
        if asked.claim.kind == .semaphore, asked.permits > state.permits { return .refused }
        let party = Party(
            owner: asked.owner, request: request, mode: asked.mode, permits: asked.permits,
            priority: asked.priority, lease: asked.lease)
        if state.waiters.isEmpty, state.admits(asked.claim.kind, party) {
            state.holders.append(party)
            claims[asked.claim] = state
            return .granted
        }
        guard asked.wait > 0 else { return .refused }
        state.waiters.append(party)
        claims[asked.claim] = state
        return .waiting
    }

    /// Whether somebody held it with this token.
    mutating func release(_ claim: ClaimName, token: UInt64) -> Bool {
        guard let place = claims[claim]?.holders.firstIndex(where: { $0.token == token }),
            let lease = claims[claim]?.holders.remove(at: place).lease
        else { return false }
        endIfUnused(lease)
        return true
    }

    mutating func clear(_ claim: ClaimName) {
        let holders = claims[claim]?.holders ?? []
        claims[claim]?.holders = []
        claims[claim]?.delay = nil
        if claim.kind == .semaphore {
            claims[claim]?.waiters = []
            claims[claim]?.permits = 0
        }
        for holder in holders { endIfUnused(holder.lease) }
    }

    mutating func abandon(_ request: RequestID) {
        for claim in claims.keys {
            guard let holder = claims[claim]?.holders.first(where: { $0.request == request }) else {
                claims[claim]?.waiters.removeAll { $0.request == request }
                continue
            }
            _ = release(claim, token: holder.token)
        }
    }

    /// Timers have run out.
    mutating func fire(_ numbers: [UInt64]) {
        var expired: [String] = []
        for number in numbers {
            expired += leases.filter { $0.value.timer == number }.keys
            for claim in claims.keys {
                claims[claim]?.waiters.removeAll { $0.timer == number }
                if claims[claim]?.delay == number { claims[claim]?.delay = nil }
            }
        }
        // Those that end together end before anybody gets what they held.
        for id in expired { end(lease: id, hasExpired: true) }
    }

    /// Lets in who may be let in now: by priority, then in the order of the log, and nobody overtakes.
    mutating func letIn() {
        for claim in claims.keys {
            guard var state = claims[claim] else { continue }
            while let place = state.next {
                let first = state.waiters[place]
                if claim.kind == .semaphore, first.permits > state.permits {
                    state.waiters.remove(at: place)
                    continue
                }
                guard state.admits(claim.kind, first) else { break }
                state.holders.append(state.waiters.remove(at: place))
            }
            claims[claim] = state.isNothing ? nil : state
        }
    }
}

extension HoldingModel.Claim {
    /// The place of who is let in next.
    var next: Int? {
        guard let highest = waiters.map(\.priority).max() else { return nil }
        return waiters.firstIndex { $0.priority == highest }
    }

    /// Who waits, in the order in which they are let in.
    var queue: [HoldingModel.Party] {
        Set(waiters.map(\.priority)).sorted(by: >).flatMap { priority in
            waiters.filter { $0.priority == priority }
        }
    }
}
