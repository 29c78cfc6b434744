import API
import Consensus
import HTTP
import HTTPServer
import Primitives
import Store
import Testing

@testable import NodeRuntime

@Suite struct WaitersTests {
    private var waiters = Waiters()
    private var store = Keyspace()
    private let api = NativeAPI(
        settings: NativeAPI.Settings(
            nodeName: "n1", advertisedURL: "http://n1:1", clusterName: "test", version: "0.1.0"))

    init() { _ = waiters.due(in: store, at: .zero) }

    private mutating func write(_ key: String) {
        let index = store.appliedIndex.next
        _ = store.apply(
            put(key, "v", number: index.rawValue), index: index, term: max(store.appliedTerm, Term(1)))
    }

    private func plan(_ method: HTTP.Method, _ target: String) -> Plan {
        api.plan(for: HTTP.Request(method: method, target: target, fields: [(name: "Host", value: "n1:1")]))
    }

    private func read(_ target: String) throws -> ReadPlan {
        guard case .read(let read) = plan(.get, target) else { throw Reports.Missing() }
        return read
    }

    private func local(_ target: String) throws -> LocalPlan {
        guard case .local(let local) = plan(.get, target) else { throw Reports.Missing() }
        return local
    }

    private func transfer() throws -> TransferPlan {
        guard case .transfer(let transfer) = plan(.post, "/leader/transfer") else { throw Reports.Missing() }
        return transfer
    }

    private mutating func hold(_ slot: UInt32, _ cause: Waiter.Cause, until milliseconds: Int = 1_000) {
        waiters.insert(
            Waiter(connection: connection(slot), cause: cause, deadline: .milliseconds(milliseconds)))
    }

    /// The connections that are looked at, in order, those whose time is over as negative numbers.
    private mutating func due(at milliseconds: Int = 0) -> [Int] {
        waiters.due(in: store, at: .milliseconds(milliseconds)).map { waiter, isOver in
            isOver ? -Int(waiter.connection.slot) : Int(waiter.connection.slot)
        }
    }

    @Test mutating func `those who wait for a key are looked at when it changes`() throws {
        write("before")
        #expect(due() == [])
        hold(1, .change(try read("/kv/a?wait=1s&after=1")))
        hold(2, .change(try read("/kv/b?wait=1s&after=1")))
        hold(3, .change(try read("/kv/a?wait=1s&after=1")))
        #expect(due() == [])
        write("c")
        #expect(due() == [])
        write("a")
        write("a")
        #expect(due() == [1, 3])
        #expect(waiters.count == 1)
        write("a")
        #expect(due() == [])
        write("b")
        #expect(due() == [2])
        #expect(waiters.isEmpty)
        #expect(waiters.deadline == .never)
    }

    @Test mutating func `those who wait for a range are looked at when anything changes`() throws {
        hold(1, .change(try read("/kv?prefix=a&wait=1s&after=1")))
        #expect(due() == [])
        write("z")
        #expect(due() == [1])
    }

    @Test mutating func `those who wait for a key of a forgotten past are all looked at`() throws {
        hold(1, .change(try read("/kv/a?wait=1s&after=1")))
        hold(2, .change(try read("/kv/b?wait=1s&after=1")))
        write("c")
        write("d")
        let index = store.appliedIndex.next
        let command = Command(
            requestID: RequestID(high: 0, low: 9), time: WallTime(milliseconds: 9),
            operation: .compact(store.revision))
        _ = store.apply(command, index: index, term: Term(1))
        write("e")
        #expect(due() == [1, 2])
    }

    @Test mutating func `those who wait for a revision are looked at when it may be there`() throws {
        hold(1, .revision(Revision(5), try read("/kv/a")))
        hold(2, .localRevision(Revision(5), try local("/state")))
        #expect(due() == [])
        write("a")
        #expect(due() == [1, 2])
    }

    @Test mutating func `those who wait for a message or a transition are looked at when one comes`() throws {
        hold(1, .message(try local("/inbox/n1?wait=1s")))
        hold(2, .transition(try local("/raft/transitions?wait=1s"), known: 3))
        #expect(due() == [])
        waiters.isStirred = true
        #expect(due() == [1, 2])
    }

    @Test mutating func `whoever is put back is not looked at again until something happens`() throws {
        hold(1, .transition(try local("/raft/transitions?wait=1s"), known: 3))
        waiters.isStirred = true
        for (waiter, _) in waiters.due(in: store, at: .zero) { waiters.insert(waiter) }
        #expect(waiters.count == 1)
        #expect(due() == [])
        waiters.isStirred = true
        #expect(due() == [1])
    }

    @Test mutating func `a new leader's first entry is news, although it changes no revision`() throws {
        write("a")
        #expect(due() == [])
        hold(1, .transfer(try transfer(), from: "n1", term: Term(1)))
        #expect(due() == [])
        store.skip(index: store.appliedIndex.next, term: Term(2))
        #expect(due() == [1])
    }

    @Test mutating func `each ends at its deadline`() throws {
        hold(1, .change(try read("/kv/a?wait=1s&after=1")), until: 30)
        hold(2, .message(try local("/inbox/n1?wait=1s")), until: 10)
        hold(3, .change(try read("/kv?wait=1s&after=1")), until: 20)
        #expect(waiters.deadline == .milliseconds(10))
        #expect(due(at: 9) == [])
        #expect(due(at: 10) == [-2])
        #expect(waiters.deadline == .milliseconds(20))
        write("a")
        #expect(due(at: 25) == [1, -3])
        #expect(waiters.isEmpty)
        #expect(waiters.deadline == .never)
    }

    @Test mutating func `a closed connection waits for nothing`() throws {
        hold(1, .change(try read("/kv/a?wait=1s&after=1")))
        hold(2, .change(try read("/kv/a?wait=1s&after=1")))
        hold(3, .message(try local("/inbox/n1?wait=1s")))
        hold(4, .change(try read("/kv?wait=1s&after=1")))
        for slot in [1, 3, 4, 9] as [UInt32] { waiters.remove(connection(slot)) }
        // The slot's next connection is another one.
        waiters.remove(ConnectionID(slot: 2, generation: 2))
        #expect(waiters.count == 1)
        write("a")
        waiters.isStirred = true
        #expect(due() == [2])
    }

    @Test mutating func `all end when the node stops, and whoever comes later too`() throws {
        hold(1, .change(try read("/kv/a?wait=1s&after=1")))
        hold(2, .message(try local("/inbox/n1?wait=1s")))
        waiters.endAll()
        #expect(due() == [-1, -2])
        hold(3, .revision(Revision(9), try read("/kv/a")))
        #expect(due() == [-3])
        #expect(waiters.deadline == .never)
    }

    @Test mutating func `there is room for a bounded number`() throws {
        let plan = try read("/kv/a?wait=1s&after=1")
        for slot in 1..<UInt32(Waiters.limit) { hold(slot, .change(plan)) }
        #expect(!waiters.isFull)
        hold(UInt32(Waiters.limit), .change(plan))
        #expect(waiters.isFull)
        waiters.remove(connection(77))
        #expect(!waiters.isFull)
    }
}
