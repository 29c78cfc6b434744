import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing

@testable import Simulator

/// The promises about fences, barriers, and requests that are sent again while they wait, each broken on
/// purpose.
struct InvariantFenceTests {
    private let lock = ClaimName(.lock, "k")
    private let put = Store.Operation.put(
        key: Array("x1".utf8), value: [1], guard: nil, returnPrevious: false)

    private func acquire(_ owner: String, wait: Int64 = 0) -> Store.Operation {
        .coordinate(.claim(.acquire(ClaimRequest(lock, owner: owner, wait: wait))))
    }

    private func release(_ token: UInt64) -> Store.Operation {
        .coordinate(.claim(.release(lock, token: token)))
    }

    private func arrive(_ member: String, lease: String? = nil) -> Store.Operation {
        .coordinate(.barrier(.arrive("b", Arrival(member: member, wait: 1_000, lease: lease, parties: 3))))
    }

    private func token(_ applied: StoreGhost.Applied) throws -> UInt64 {
        try #require(applied.coordination?.claims.first?.holders.first?.token)
    }

    @Test
    func `I43: a fenced write that is carried out when another holds the lock, or refused when it is held`()
        throws
    {
        var script = CoordinationScript()
        let invariant = FencesHold()
        func judge(_ applied: StoreGhost.Applied, _ before: Fingerprint?) throws {
            let ghost = try #require(applied.coordination)
            try invariant.judge(applied, ghost, before: before, script.index)
        }
        let first = try script.apply(acquire("a"))
        try judge(first, nil)
        let old = Fence(lock, token: try token(first))
        let good = try script.apply(.fenced([old], put))
        guard case .put? = good.outcome else {
            Issue.record("a valid fence was refused: \(good)")
            return
        }
        try judge(good, first.state)
        var refused = good
        refused.outcome = .refused(.fenceStale(old, current: old.token))
        expectViolation("I43") { try judge(refused, first.state) }
        try judge(try script.apply(release(old.token)), nil)
        // Nobody holds it now: the write is refused all the same.
        let late = try script.apply(.fenced([old], put))
        #expect(late.outcome == .refused(.fenceStale(old, current: nil)))
        try judge(late, good.state)
        expectViolation("I43") { try judge(late, first.state) }
        var done = late
        done.outcome = good.outcome
        expectViolation("I43") { try judge(done, good.state) }
        let second = try script.apply(acquire("b"))
        try judge(second, nil)
        let stale = try script.apply(.fenced([old], put))
        try judge(stale, late.state)
        var wrong = stale
        wrong.outcome = .refused(.fenceStale(old, current: old.token))
        expectViolation("I43") { try judge(wrong, late.state) }
        wrong.outcome = good.outcome
        expectViolation("I43") { try judge(wrong, late.state) }
    }

    @Test func `I43: what a client was told, when its fence was lost on the way to the log`() throws {
        let invariant = FencesHold()
        let scene = try Scene(invariant)
        try scene.elect(0, term: 1)
        let id = RequestID(high: 9 << 16, low: 3)
        let command = Command(
            requestID: id, time: WallTime(milliseconds: 0), operation: put)
        let opening = Entry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        let entry = Entry(index: LogIndex(2), term: Term(1), kind: .command, payload: command.encode())
        try scene.commit([opening, entry], by: 0)
        let outcome = try #require(scene.chronicle.store.applied(at: LogIndex(2))?.outcome)
        func told(_ outcome: Outcome) -> OperationRecord {
            let fenced = Store.Operation.fenced([Fence(lock, token: 7)], put)
            var record = OperationRecord(
                number: 0, client: 0, node: 0, action: .write(fenced, forwards: true), invoked: .zero)
            record.requestID = id
            record.outcome = .written(outcome)
            return record
        }
        let refusal = Outcome.refused(.fenceStale(Fence(lock, token: 7), current: nil))
        try invariant.take(.returned(told(refusal)), scene.chronicle)
        expectViolation("I43") { try invariant.take(.returned(told(outcome)), scene.chronicle) }
    }

    @Test func `I48: whoever repeats a request that waits is told how it ended, once it has`() throws {
        var script = CoordinationScript()
        let invariant = OnceMeansOnce()
        let once = OnceKey(key: "a", fingerprint: 1)
        func judge(_ applied: StoreGhost.Applied, _ outcome: Outcome?, after before: Fingerprint) throws {
            try invariant.look(once, try #require(outcome), applied, before, script.index)
            invariant.settle(try #require(applied.coordination).news)
        }
        let holder = try script.apply(acquire("h"))
        let first = try script.apply(acquire("w", wait: 1_000), once: once)
        try judge(first, first.outcome, after: holder.state)
        let parked = try script.apply(acquire("w", wait: 1_000), once: once)
        #expect(parked.outcome == .replayed(try #require(first.outcome), original: first.request))
        try judge(parked, parked.outcome, after: first.state)
        let given = try script.apply(release(try token(holder)))
        invariant.settle(try #require(given.coordination).news)
        let told = try script.apply(acquire("w", wait: 1_000), once: once)
        guard case .replayed(.coordinated(.claim(.granted)), _)? = told.outcome else {
            Issue.record("\(told)")
            return
        }
        try judge(told, told.outcome, after: given.state)
        expectViolation("I48") { try judge(told, parked.outcome, after: given.state) }
    }

    @Test func `I50: a barrier that opens too early, and one that stays whole when a party is lost`() throws {
        var script = CoordinationScript()
        let invariant = BarriersByTheRules()
        func judge(_ applied: StoreGhost.Applied, by invariant: BarriersByTheRules) throws {
            try invariant.judge(applied, try #require(applied.coordination), script.index)
        }
        let grant = LeaseCommand.grant(LeaseTerms(id: "L", timeToLive: 1_000))
        let other = BarriersByTheRules()
        for operation in [.coordinate(.lease(grant)), arrive("p")] {
            let applied = try script.apply(operation)
            try judge(applied, by: invariant)
            try judge(applied, by: other)
        }
        let second = try script.apply(arrive("q", lease: "L"))
        var early = second
        early.outcome = .coordinated(.barrier(.released(generation: 1, index: 2, parties: 3)))
        expectViolation("I50") { try judge(early, by: other) }
        try judge(second, by: invariant)
        try judge(try script.apply(arrive("p")), by: invariant)
        let broken = try script.apply(.coordinate(.lease(.revoke(id: "L"))))
        #expect(broken.coordination?.barriers.first?.state.broken == .leaseEnded(member: "q"))
        var untold = broken
        untold.coordination?.news.removeAll()
        expectViolation("I50") { try judge(untold, by: invariant) }
    }

    @Test func `I50: generations, members that leave together, and a barrier that stays open`() throws {
        var script = CoordinationScript()
        let invariant = BarriersByTheRules()
        func leave(_ member: String, wait: Int64 = 0) -> Store.Operation {
            .coordinate(.barrier(.leave("b", member: member, wait: wait)))
        }
        let once = BarrierTerms(parties: 2, isOnce: true)
        let operations: [Store.Operation] = [
            arrive("p"), arrive("q"), arrive("r"), leave("p", wait: 500), leave("q", wait: 500), leave("r"),
            arrive("p"), leave("p"), arrive("p"), arrive("q"), arrive("r"), leave("q", wait: 500),
            arrive("r"), arrive("p"), arrive("q"), leave("x"), .coordinate(.barrier(.reset("b"))),
            .coordinate(.barrier(.configure("b", once))),
            .coordinate(.barrier(.arrive("b", Arrival(member: "p", wait: 5)))),
            .coordinate(.barrier(.arrive("b", Arrival(member: "q", wait: 5)))),
            .coordinate(.barrier(.arrive("b", Arrival(member: "r", wait: 5)))), arrive("p"), leave("q"),
            .coordinate(.barrier(.arrive("b", Arrival(member: "q", generation: 9)))),
            .coordinate(.barrier(.configure("b", BarrierTerms(parties: 3)))),
            .coordinate(.barrier(.delete("b"))), leave("q"),
        ]
        var told: Set<String> = []
        for operation in operations {
            let applied = try script.apply(operation)
            let ghost = try #require(applied.coordination)
            try invariant.judge(applied, ghost, script.index)
            if let fate = applied.outcome.flatMap({ BarrierModel.Fate($0) }) {
                told.insert("\(fate)".prefix { $0 != "(" }.description)
            }
        }
        #expect(
            told.isSuperset(of: ["waiting", "released", "leaving", "left", "withdrawn", "reset", "refused"]))
    }
}
