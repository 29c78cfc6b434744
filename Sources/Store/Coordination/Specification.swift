// Leases and claims as local states and steps, and what is told of each step.

public import Primitives

/// A lease in its life.
public enum LeaseState: String, SpecifiedState {
    /// There is none with this id.
    case absent
    /// Its time runs.
    case running

    /// What it means.
    public var meaning: String {
        switch self {
        case .absent: "there is no lease with this id"
        case .running: "its time runs: what was put or is held under it stands"
        }
    }

    /// Nothing is there until it is granted.
    public static var initial: LeaseState { .absent }
}

/// What changes a lease.
public enum LeaseCause: String, SpecifiedCause {
    case granted
    case renewed
    case expired
    case revoked
    case unused

    /// What has to be so.
    public var condition: String {
        switch self {
        case .granted: "a grant was applied for an id that no lease has"
        case .renewed: "a renewal was applied while it ran: its time begins anew (not told as a transition)"
        case .expired: "the leader proposed its end when its time was over, and that was applied"
        case .revoked: "a revocation was applied"
        case .unused: "it was made for one key or hold, which is gone"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<LeaseState>] {
        switch self {
        case .granted: [.init(.absent, .running)]
        case .renewed: [.init(.running, .running)]
        case .expired, .revoked, .unused: [.init(.running, .absent)]
        }
    }
}

/// How somebody stands to a lock, an election or a semaphore.
public enum ClaimantState: String, SpecifiedState {
    /// Neither holds it nor waits for it.
    case outside
    /// Stands in its queue.
    case waiting
    /// Holds it, with a fencing token.
    case holding

    /// What it means.
    public var meaning: String {
        switch self {
        case .outside: "neither holds it nor waits for it"
        case .waiting: "stands in its queue"
        case .holding: "holds it under a lease, with a fencing token greater than all before"
        }
    }

    /// Nobody begins with anything.
    public static var initial: ClaimantState { .outside }
}

/// What changes how somebody stands to such a thing.
public enum ClaimCause: String, SpecifiedCause {
    case granted
    case queued
    case turn
    case released
    case takenAway = "taken_away"
    case withdrawn
    case waitOver = "wait_over"
    case leaseEnded = "lease_ended"
    case refused

    /// What has to be so.
    public var condition: String {
        switch self {
        case .granted: "asks for it while it is free, and nobody waits before"
        case .queued: "asks for it, with time to wait, while it is held or others wait before"
        case .turn: "it is free, and nobody stands before in the queue"
        case .released: "gives it back with its token"
        case .takenAway: "it was broken or deleted"
        case .withdrawn: "the request was given up before its answer was taken"
        case .waitOver: "the time to wait is over"
        case .leaseEnded: "the lease under which it is held or waited for has ended"
        case .refused: "the semaphore is gone, or has fewer permits than are asked for"
        }
    }

    /// From which states to which it leads.
    public var steps: [SpecifiedStep<ClaimantState>] {
        switch self {
        case .granted: [.init(.outside, .holding)]
        case .queued: [.init(.outside, .waiting)]
        case .turn: [.init(.waiting, .holding)]
        case .released, .takenAway: [.init(.holding, .outside)]
        case .withdrawn, .leaseEnded: Self.steps(from: [.waiting, .holding], to: .outside)
        case .waitOver, .refused: [.init(.waiting, .outside)]
        }
    }
}

/// A step of a lease, or of somebody who wants to hold something. It is no part of the state.
public enum CoordinationStep: Sendable, Equatable {
    /// The lease with this id begins or ends.
    case lease(String, LeaseCause)
    /// Somebody gets a thing, waits for it, or lets go of it; the token is 0 for who has none.
    case claim(ClaimName, owner: String, token: UInt64, from: ClaimantState, to: ClaimantState, ClaimCause)
    /// A task becomes another one's business; no worker and the token 0 if nobody had it or gets it.
    case task(TaskID, worker: String, token: UInt64, from: TaskState, to: TaskState, TaskCause)
}

extension ClaimKind {
    /// What it is called in requests.
    public var name: String {
        switch self {
        case .lock: "lock"
        case .election: "election"
        case .semaphore: "semaphore"
        }
    }

    /// The kind that is called so.
    public init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

extension AlgorithmSpecification {
    /// Rights that end by themselves.
    public static let lease = AlgorithmSpecification(
        "lease", title: "Leases: rights that end by themselves", purpose: .coordination,
        subject: "each lease",
        source: "Gray and Cheriton, Leases, 1989", causes: LeaseCause.self, messages: NoMessage.self)

    /// Things that are held.
    public static func claim(_ kind: ClaimKind) -> AlgorithmSpecification {
        let title =
            switch kind {
            case .lock: "Locks: one writer or many readers, first come, first served"
            case .election: "Elections: one leader at a time, by priority, then first come"
            case .semaphore: "Semaphores: as many holders as permits, first come, first served"
            }
        return AlgorithmSpecification(
            kind.name, title: title, purpose: .coordination, subject: "each request for each \(kind.name)",
            source: "Burrows, The Chubby lock service, 2006 (sequencers: 2.4)", causes: ClaimCause.self,
            messages: NoMessage.self)
    }
}
