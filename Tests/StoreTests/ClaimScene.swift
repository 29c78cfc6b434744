import Primitives

@testable import Store

/// A store in which somebody does things with locks, and what it tells of them, in short words.
struct ClaimScene {
    var keyspace = Keyspace(limits: Limits(), leafCapacity: 4, innerCapacity: 4)
    private(set) var requests: [RequestID: String] = [:]
    /// What was told to those who waited, since it was looked at last.
    private var told: [String] = []

    @discardableResult mutating func apply(_ operation: Operation, by owner: String = "") -> Outcome {
        requests[RequestID(high: 1, low: keyspace.appliedIndex.rawValue)] = owner
        let outcome = keyspace.apply(operation)
        for case .settled(let request, .claim(let outcome)) in keyspace.takeNews() {
            told.append("\(requests[request] ?? "?") \(Self.text(.coordinated(.claim(outcome))))")
        }
        return outcome
    }

    @discardableResult mutating func claim(_ command: ClaimCommand, by owner: String = "") -> String {
        Self.text(apply(.coordinate(.claim(command)), by: owner))
    }

    mutating func lock(
        _ owner: String, _ mode: ClaimMode = .write, lease: String? = nil, wait: Int64 = 0,
        _ name: String = "x"
    ) -> String {
        claim(
            .acquire(
                ClaimRequest(ClaimName(.lock, name), owner: owner, mode: mode, lease: lease, wait: wait)),
            by: owner)
    }

    mutating func take(_ owner: String, _ permits: UInt64 = 1, wait: Int64 = 0) -> String {
        claim(
            .acquire(ClaimRequest(ClaimName(.semaphore, "s"), owner: owner, permits: permits, wait: wait)),
            by: owner)
    }

    mutating func campaign(_ owner: String, priority: UInt64 = 0, wait: Int64 = 60_000) -> String {
        claim(
            .acquire(
                ClaimRequest(
                    ClaimName(.election, "e"), owner: owner, priority: priority, value: "at \(owner)",
                    wait: wait)),
            by: owner)
    }

    /// The holder's token of a thing that one holds.
    func token(_ claim: ClaimName = ClaimName(.lock, "x"), of owner: String? = nil) -> UInt64 {
        keyspace.holders(of: claim, limit: 100).first { owner == nil || $0.owner == owner }?.token ?? 0
    }

    mutating func release(_ owner: String, _ claim: ClaimName = ClaimName(.lock, "x")) -> String {
        self.claim(.release(claim, token: token(claim, of: owner)))
    }

    mutating func grantLease(_ id: String, delay: Int64 = 0) {
        apply(.coordinate(.lease(.grant(LeaseTerms(id: id, timeToLive: 5000, lockDelay: delay)))))
    }

    /// Lets timers run out, those whose target is `isWanted`, in one command.
    mutating func fire(_ isWanted: (TimerTarget) -> Bool) {
        var numbers: [UInt64] = []
        keyspace.coordination.forEach(RowKey(.timer)) { key, value in
            let timer: TimerRow = Coordination.decode(value)
            if isWanted(timer.target) { numbers.append(key.lastNumber) }
            return true
        }
        apply(.coordinate(.timers(.fire(term: Term(1), numbers))))
    }

    mutating func expire(_ leases: String...) { fire { target in leases.contains { target == .lease($0) } } }

    /// What was told to those who waited, since it was asked last.
    mutating func news() -> String {
        defer { told = [] }
        return told.joined(separator: "; ")
    }

    /// Holders and queue, such as `a b | c`.
    func text(_ claim: ClaimName = ClaimName(.lock, "x")) -> String {
        let holders = keyspace.holders(of: claim, limit: 100).map(\.owner)
        let queue = keyspace.queue(of: claim, limit: 100).map(\.owner)
        return holders.joined(separator: " ") + " | " + queue.joined(separator: " ")
    }

    static func text(_ outcome: Outcome) -> String {
        switch outcome {
        case .coordinated(.claim(let outcome)):
            switch outcome {
            case .granted(let grant): "has it" + (grant.permits > 1 ? " \(grant.permits) times" : "")
            case .waiting(let position): "waits at \(position)"
            case .gaveUp(let refusal): "gave up: \(text(refusal))"
            case .released(let wasHeld): wasHeld ? "released" : "was released before"
            case .renewed(let grant): "renewed by \(grant.owner)"
            case .proclaimed(let grant): "tells \(grant.value)"
            case .configured(let permits, let held, let isNew):
                "\(isNew ? "new" : "changed"): \(held) of \(permits)"
            case .cleared(let holders, let waiters): "taken from \(holders), \(waiters) sent away"
            }
        case .refused(.coordination(.claim(let refusal))): text(refusal)
        case .refused(.coordination(let refusal)): "\(refusal)"
        default: "\(outcome)"
        }
    }

    private static func text(_ refusal: ClaimRefusal) -> String {
        switch refusal {
        case .held(let block): "held by \(block.holder?.owner ?? "nobody"), place \(block.position)"
        case .notHolder: "not the holder"
        case .notFound: "no such thing"
        case .tooManyWaiters: "too many wait"
        case .tooManyPermits(_, let wanted, let permits): "\(wanted) of \(permits) permits"
        case .leaseEnded(_, let lease): "lease \(lease) has ended"
        }
    }
}
