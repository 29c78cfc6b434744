import Primitives
import Testing

@testable import Store

/// The steps of leases and claimants: what is stated is what is told, and how it comes to that.
struct StepTests {
    private let lock = ClaimName(.lock, "x")

    /// The steps since they were looked at last, in short words.
    private func steps(_ store: inout TimedStore) -> String {
        defer { store.steps.removeAll() }
        return store.steps.map(Self.text).joined(separator: "; ")
    }

    private static func text(_ step: CoordinationStep) -> String {
        switch step {
        case .lease(let id, let cause): "lease \(id) \(cause)"
        case .claim(_, let owner, let token, let from, let to, let cause):
            "\(owner) \(from)->\(to) \(cause)\(token > 0 ? " with" : "")"
        case .task(let id, let worker, let token, let from, let to, let cause):
            "\(id) \(from)->\(to) \(cause)\(worker.isEmpty ? "" : " \(worker)")\(token > 0 ? " with" : "")"
        }
    }

    private func acquire(
        _ owner: String, of claim: ClaimName? = nil, permits: UInt64 = 1, lease: String? = "l",
        wait: Int64 = 0
    ) -> CoordinationCommand {
        .claim(
            .acquire(
                ClaimRequest(claim ?? lock, owner: owner, permits: permits, lease: lease, wait: wait)))
    }

    private func token(_ store: TimedStore, _ claim: ClaimName? = nil) -> UInt64 {
        store.keyspace.holders(of: claim ?? lock, limit: 1).first?.token ?? 0
    }

    @Test func `A lock from hand to hand`() {
        var store = TimedStore()
        for id in ["l", "m"] { store.apply(.lease(.grant(LeaseTerms(id: id, timeToLive: 60_000)))) }
        #expect(steps(&store) == "lease l granted; lease m granted")
        store.apply(acquire("a"))
        #expect(steps(&store) == "a outside->holding granted with")
        store.apply(acquire("b", lease: "m", wait: 60_000))
        #expect(steps(&store) == "b outside->waiting queued")
        store.apply(acquire("c"))
        #expect(steps(&store) == "", "who is refused takes no step")
        store.apply(.claim(.release(lock, token: token(store))))
        #expect(steps(&store) == "a holding->outside released with; b waiting->holding turn with")
        store.apply(acquire("d", wait: 1_000))
        store.pass(1_100)
        #expect(steps(&store) == "d outside->waiting queued; d waiting->outside waitOver")
        store.apply(acquire("e", wait: 60_000))
        store.apply(.lease(.revoke(id: "m")))
        #expect(
            steps(&store)
                == "e outside->waiting queued; lease m revoked; b holding->outside leaseEnded with; "
                + "e waiting->holding turn with")
        store.apply(.claim(.clear(lock)))
        #expect(steps(&store) == "e holding->outside takenAway with")
    }

    @Test func `Leases end by time, by hand, or with what is under them`() {
        var store = TimedStore()
        store.apply(.lease(.grant(LeaseTerms(id: "t", timeToLive: 1_000))))
        store.apply(.lease(.renew(id: "t", timeToLive: nil)))
        store.apply(acquire("w", lease: "t", wait: 0))
        store.apply(acquire("q", lease: "t", wait: 60_000))
        #expect(
            steps(&store) == "lease t granted; w outside->holding granted with; q outside->waiting queued",
            "a renewal is no step")
        store.pass(1_500)
        #expect(Set(steps(&store).split(separator: ";").map { $0.drop { $0 == " " } }).count == 3)
        #expect(store.keyspace.lease("t") == nil)
        // A lease of its own ends with the lock.
        store.apply(acquire("p", lease: nil))
        #expect(store.steps.count == 2)
        store.apply(.claim(.release(lock, token: token(store))))
        #expect(steps(&store).hasSuffix("unused"))
    }

    @Test func `A semaphore that is gone or too small sends those away who wait`() {
        var store = TimedStore()
        let semaphore = ClaimName(.semaphore, "s")
        store.apply(.claim(.configure("s", permits: 2)))
        store.apply(.lease(.grant(LeaseTerms(id: "l", timeToLive: 60_000))))
        store.apply(acquire("a", of: semaphore, permits: 2))
        store.apply(acquire("b", of: semaphore, permits: 2, wait: 60_000))
        store.steps.removeAll()
        store.apply(.claim(.configure("s", permits: 1)))
        #expect(steps(&store) == "b waiting->outside refused")
    }

    @Test func `Every step that is taken is stated, whatever is done`() {
        var seen: Set<String> = []
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            var store = TimedStore()
            var waiting: [RequestID] = []
            store.apply(.claim(.configure("x", permits: 2)))
            for _ in 0..<300 {
                let kind = ClaimKind.allCases[Int(random.next(below: 3))]
                let claim = ClaimName(kind, "x")
                switch random.next(below: 9) {
                case 0: store.apply(.lease(.grant(LeaseTerms(id: "l", timeToLive: 1_000))))
                case 1: store.apply(.lease(.revoke(id: "l")))
                case 2, 3, 4:
                    let id = store.nextRequest()
                    let lease: String? = random.next(below: 2) == 0 ? "l" : nil
                    store.apply(
                        acquire(
                            "o", of: claim, permits: kind == .semaphore ? 1 + random.next(below: 2) : 1,
                            lease: lease, wait: Int64(random.next(below: 3)) * 700), id: id)
                    waiting.append(id)
                case 5: store.apply(.claim(.release(claim, token: token(store, claim))))
                case 6: store.pass(Int64(random.next(below: 900)))
                case 7:
                    if let id = waiting.popLast() { store.apply(.abandon(id)) }
                default:
                    if random.next(below: 4) == 0 { store.apply(.claim(.clear(claim))) }
                    store.apply(.claim(.configure("x", permits: 1 + random.next(below: 2))))
                }
                for step in store.steps {
                    if case .claim(_, _, let token, let from, let to, let cause) = step {
                        #expect(cause.leads(from: from, to: to), "\(step)")
                        #expect((token > 0) == (from == .holding || to == .holding))
                        seen.insert(cause.name)
                    } else if case .lease(_, let cause) = step {
                        seen.insert(cause.name)
                    }
                }
                store.steps.removeAll()
            }
        }
        let stated = Set(ClaimCause.allCases.map(\.name) + LeaseCause.allCases.map(\.name))
        #expect(stated.subtracting(seen) == ["renewed"], "stated, but never taken")
    }
}
