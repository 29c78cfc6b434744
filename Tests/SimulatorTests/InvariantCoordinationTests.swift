import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing

@testable import Simulator

/// A log of commands about leases, locks and queues, applied one by one.
struct CoordinationScript {
    private var keyspace = Keyspace()
    private(set) var index = LogIndex.zero

    mutating func apply(_ operation: Store.Operation, once: OnceKey? = nil) throws -> StoreGhost.Applied {
        index = index.next
        let id = RequestID(high: 0, low: index.rawValue)
        let command = Command(
            requestID: id, time: WallTime(milliseconds: 0), operation: operation, once: once)
        let outcome = keyspace.apply(command, index: index, term: Term(1))
        let entry = EntryBook.Known(
            term: Term(1), previousTerm: .zero, content: 0, chain: 0, kind: .command,
            payload: command.encode())
        let ghost = try #require(CoordinationGhost(of: entry, keyspace.takeNews(), keyspace))
        return StoreGhost.Applied(
            state: Fingerprint(keyspace), request: id, outcome: outcome, kind: .command, coordination: ghost)
    }
}

/// The promises about leases, locks, queues and outcomes, each broken on purpose.
struct InvariantCoordinationTests {
    private let lock = ClaimName(.lock, "k")

    private func acquire(_ owner: String, _ mode: ClaimMode, wait: Int64 = 0) -> Store.Operation {
        .coordinate(.claim(.acquire(ClaimRequest(lock, owner: owner, mode: mode, wait: wait))))
    }

    private func entry(_ index: UInt64, _ operation: Store.Operation) -> Entry {
        let command = Command(
            requestID: RequestID(high: 0, low: index), time: WallTime(milliseconds: 0), operation: operation)
        return Entry(
            index: LogIndex(index), term: Term(1), kind: .command, payload: command.encode())
    }

    /// A lease of a second is granted in entry 2, and its timer fires in entry 3, after so many milliseconds.
    private func expire(after milliseconds: Int, _ listener: any FactListener) throws -> Scene {
        let scene = try Scene(listener)
        try scene.elect(0, term: 1)
        let opening = Entry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        try scene.commit([opening], by: 0)
        let grant = LeaseCommand.grant(LeaseTerms(id: "L", timeToLive: 1_000))
        try scene.commit([entry(2, .coordinate(.lease(grant)))], by: 0)
        let timer = try #require(scene.chronicle.store.keyspace.lease("L")).timer
        scene.chronicle.time = scene.chronicle.time + .milliseconds(milliseconds)
        try scene.commit([entry(3, .coordinate(.timers(.fire(term: Term(1), [timer]))))], by: 0)
        #expect(scene.chronicle.store.keyspace.lease("L") == nil)
        return scene
    }

    @Test func `I37: a lease that ends before its time`() throws {
        _ = try expire(after: 960, NothingEndsEarly())
        expectViolation("I37") { _ = try self.expire(after: 940, NothingEndsEarly()) }
    }

    @Test func `I38: a node that does not measure a timer`() throws {
        let invariant = TimersRunOut()
        let scene = try Scene(invariant)
        var keyspace = Keyspace()
        let grant = LeaseCommand.grant(LeaseTerms(id: "L", timeToLive: 1_000))
        let command = Command(
            requestID: .none, time: WallTime(milliseconds: 0), operation: .coordinate(.lease(grant)))
        _ = keyspace.apply(command, index: LogIndex(1), term: Term(1))
        scene.source.timers = TimerQueue()
        try scene.tell(.ended)
        scene.source.keyspaces[0] = keyspace
        expectViolation("I38") { try scene.tell(.ended) }
    }

    @Test func `I42: two holders, one who was overtaken, and a token that does not grow`() throws {
        var script = CoordinationScript()
        let invariant = HoldersByTheRules()
        func judge(_ applied: StoreGhost.Applied, _ invariant: HoldersByTheRules) throws {
            let ghost = try #require(applied.coordination)
            try invariant.judge(applied, ghost, term: Term(1), script.index)
        }
        let first = try script.apply(acquire("a", .read))
        try judge(first, invariant)
        try judge(try script.apply(acquire("w", .write, wait: 1_000)), invariant)
        var last = try script.apply(acquire("b", .read, wait: 1_000))
        // As if the reader had been let in past the writer.
        let good = try #require(last.coordination)
        last.coordination?.claims[0].waiters.removeLast()
        expectViolation("I42") { try judge(last, invariant) }
        // As if the first holder had been let in a second time, with the same token.
        let other = HoldersByTheRules()
        try judge(first, other)
        let token = try #require(first.coordination?.claims[0].holders.first?.token)
        var again = CoordinationScript()
        _ = try again.apply(acquire("a", .read))
        let released = try again.apply(.coordinate(.claim(.release(lock, token: token))))
        try judge(released, other)
        expectViolation("I42") { try judge(first, other) }
        #expect(good.claims[0].waiters.count == 2)
    }

    @Test func `I42: keys that stay when their lease has ended`() throws {
        var script = CoordinationScript()
        let invariant = HoldersByTheRules()
        let terms = LeaseTerms(id: "L", timeToLive: 1_000)
        let steps: [Store.Operation] = [
            .coordinate(.lease(.grant(terms))),
            .leasedPut(
                key: Array("x1".utf8), value: [], guard: nil, returnPrevious: false, lease: .existing("L")),
        ]
        for step in steps {
            let applied = try script.apply(step)
            let ghost = try #require(applied.coordination)
            try invariant.judge(applied, ghost, term: Term(1), script.index)
        }
        let applied = try script.apply(.coordinate(.lease(.revoke(id: "L"))))
        var ghost = try #require(applied.coordination)
        #expect(ghost.keys.isEmpty && ghost.leases.isEmpty)
        ghost.keys[Array("x1".utf8)] = .some(nil)
        expectViolation("I42") { try invariant.judge(applied, ghost, term: Term(1), script.index) }
    }

    @Test func `I47: a message that is lost, or handed out after it was acknowledged`() throws {
        var script = CoordinationScript()
        let invariant = MessagesAreKept()
        func judge(_ applied: StoreGhost.Applied) throws {
            let ghost = try #require(applied.coordination)
            try invariant.judge(applied, ghost, script.index)
        }
        try judge(try script.apply(.coordinate(.queue(.enqueue("q", NewMessage(body: [1]))))))
        let receive = QueueCommand.receive("q", maximum: 1, visibility: 1_000, consumer: "")
        let received = try script.apply(.coordinate(.queue(receive)))
        try judge(received)
        guard case .coordinated(.queue(.received(let messages)))? = received.outcome,
            let receipt = messages.first?.receipt
        else {
            Issue.record("nothing was received")
            return
        }
        let done = try script.apply(.coordinate(.queue(.acknowledge("q", receipt))))
        var lost = done
        lost.outcome = .refused(.coordination(.queue(.receiptExpired(receipt))))
        expectViolation("I47") { try judge(lost) }
        try judge(done)
        expectViolation("I47") { try judge(received) }
    }

    @Test func `I48: a request that is carried out again, or answered with something else`() throws {
        var script = CoordinationScript()
        let invariant = OnceMeansOnce()
        let once = OnceKey(key: "a", fingerprint: 1)
        let add = Store.Operation.increment(key: Array("xn".utf8), by: 1)
        func judge(_ applied: StoreGhost.Applied, _ outcome: Outcome?, after before: Fingerprint) throws {
            try invariant.look(once, try #require(outcome), applied, before, script.index)
        }
        let first = try script.apply(add, once: once)
        try judge(first, first.outcome, after: Fingerprint())
        let second = try script.apply(add, once: once)
        try judge(second, second.outcome, after: first.state)
        expectViolation("I48") { try judge(second, second.outcome, after: Fingerprint()) }
        expectViolation("I48") { try judge(second, first.outcome, after: first.state) }
        let other = Outcome.replayed(.refused(.overflow), original: first.request)
        expectViolation("I48") { try judge(second, other, after: first.state) }
    }

    @Test func `I49: a request that is carried out although it was cancelled`() throws {
        let scene = try Scene(CancelledIsNeverDone())
        try scene.elect(0, term: 1)
        let opening = Entry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        let id = RequestID(high: 9 << 16, low: 99)
        let cancel = entry(2, .coordinate(.cancel(.id(id))))
        try scene.commit([opening, cancel], by: 0)
        var applied = try #require(scene.chronicle.store.applied(at: LogIndex(2)))
        applied.request = id
        applied.outcome = .refused(.cancelled)
        let invariant = CancelledIsNeverDone()
        try invariant.take(.grown(0, from: LogIndex(1), upTo: LogIndex(2)), scene.chronicle)
        try invariant.look(applied, LogIndex(3), scene.chronicle)
        applied.outcome = .refused(.overflow)
        expectViolation("I49") { try invariant.look(applied, LogIndex(3), scene.chronicle) }
    }
}
