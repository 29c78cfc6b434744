public import Primitives

// What can be asked about things that are held.

/// A thing as it stands.
public struct ClaimState: Sendable, Equatable {
    /// The thing.
    public let claim: ClaimName
    /// A semaphore's permits; 0 for anything else.
    public let permits: UInt64
    /// How many of them are held.
    public let held: UInt64
    /// How many hold it.
    public let holderCount: Int
    /// How many wait for it.
    public let waiterCount: Int
    /// The timer until whose end nobody gets it, since a lease expired under which it was held; nil: none.
    public let delay: UInt64?
    /// How many permits are free.
    public var available: UInt64 { permits > held ? permits - held : 0 }
}

/// Somebody who waits.
public struct ClaimCandidate: Sendable, Equatable {
    /// Who.
    public let owner: String
    /// How a lock is wanted.
    public let mode: ClaimMode
    /// How many permits are.
    public let permits: UInt64
    /// What a candidate has to tell.
    public let value: String
    /// The candidate's priority.
    public let priority: UInt64
    /// The log's time when the wait began.
    public let since: WallTime
    /// The place in the queue, from 1 on.
    public let position: Int
    /// The timer that ends the wait.
    public let timer: UInt64
}

extension Keyspace {
    /// A thing as it stands; nil if nobody holds it or waits for it, unless it is a semaphore.
    public func claim(_ claim: ClaimName) -> ClaimState? {
        coordination.claim(claim).map { ClaimState(claim, $0) }
    }

    /// Things of a kind whose names begin with `prefix`, in the order of their names, from the one after
    /// `last` on.
    public func claims(
        _ kind: ClaimKind, prefix: String = "", after last: String? = nil, limit: Int
    ) -> [ClaimState] {
        var found: [ClaimState] = []
        let rows = ClaimName.rows(kind, prefix: prefix)
        coordination.forEach(rows, after: last.map { ClaimName(kind, $0).row }) { key, value in
            guard found.count < limit else { return false }
            found.append(ClaimState(ClaimName(of: key), Coordination.decode(value)))
            return true
        }
        return found
    }

    /// Who holds a thing, in the order in which they got it.
    public func holders(of claim: ClaimName, limit: Int) -> [ClaimGrant] {
        var found: [ClaimGrant] = []
        guard limit > 0 else { return found }
        coordination.forEach(claim.holds) { key, value in
            found.append(grant(claim, key.lastNumber, Coordination.decode(value)))
            return found.count < limit
        }
        return found
    }

    /// Who waits for a thing, in the order in which they will get it.
    public func queue(of claim: ClaimName, limit: Int) -> [ClaimCandidate] {
        var found: [ClaimCandidate] = []
        guard limit > 0 else { return found }
        coordination.forEach(claim.queue) { key, value in
            let waiter: ClaimWaiter = Coordination.decode(value)
            let priority = RowKey(bytes: [UInt8](key.bytes.dropLast(8))).lastNumber
            found.append(
                ClaimCandidate(
                    owner: waiter.owner, mode: waiter.mode, permits: waiter.permits, value: waiter.value,
                    priority: .max - priority, since: waiter.since, position: found.count + 1,
                    timer: waiter.timer))
            return found.count < limit
        }
        return found
    }

    /// Whether a thing is held with this token now.
    public func isHeld(_ claim: ClaimName, token: UInt64) -> Bool { coordination.has(claim.hold(token)) }

    /// What somebody holds with this token; nil if it is not held with it.
    public func grant(of claim: ClaimName, token: UInt64) -> ClaimGrant? {
        hold(claim, token).map { grant(claim, token, $0) }
    }

    /// How it stands with a request that waits for something or holds it; nil if it does neither.
    public func claimOutcome(of request: RequestID) -> ClaimOutcome? {
        guard request != .none, let row = coordination.row(of: request) else { return nil }
        switch row.kind {
        case .claimWaiter: return .waiting(position: coordination.position(of: row))
        case .claimHold: return grant(of: ClaimName(of: row), token: row.lastNumber).map { .granted($0) }
        default: return nil
        }
    }

    func hold(_ claim: ClaimName, _ token: UInt64) -> ClaimHold? { coordination.value(claim.hold(token)) }

    func grant(_ claim: ClaimName, _ token: UInt64, _ hold: ClaimHold) -> ClaimGrant {
        guard let lease = lease(hold.lease) else { preconditionFailure("\(claim) is held without a lease") }
        return ClaimGrant(
            claim: claim, token: token, owner: hold.owner, mode: hold.mode, permits: hold.permits,
            value: hold.value, lease: lease, since: hold.since, revision: hold.revision,
            available: coordination.claim(claim)?.available ?? 0)
    }

    /// What stands in the way of somebody who has this place in the queue.
    func block(_ claim: ClaimName, position: Int) -> ClaimBlock {
        ClaimBlock(
            claim: claim, holder: holders(of: claim, limit: 1).first, position: position,
            available: coordination.claim(claim)?.available ?? 0)
    }
}

extension ClaimState {
    init(_ claim: ClaimName, _ row: ClaimRow) {
        self.init(
            claim: claim, permits: row.permits, held: row.held, holderCount: Int(row.holders),
            waiterCount: Int(row.waiters), delay: row.delay == 0 ? nil : row.delay)
    }
}
