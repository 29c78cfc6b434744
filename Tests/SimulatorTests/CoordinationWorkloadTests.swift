import Primitives
import Replication
import Store
import Testing

@testable import Simulator

/// What clients ask about leases, locks, queues and outcomes.
struct CoordinationWorkloadTests {
    private func plan(share: Int) -> CoordinationPlan {
        var plan = CoordinationPlan()
        plan.share = share
        return plan
    }

    @Test func `a client asks for all of it, under few names, as often as is planned`() throws {
        var client = CoordinationClient(client: 3, plan: plan(share: 200), seed: 1)
        // It needs a token to write behind fences.
        let request = ClaimRequest(ClaimName(.lock, "k0"), owner: "a")
        let acquire = CoordinationClient.Asked(operation: .coordinate(.claim(.acquire(request))))
        var script = CoordinationScript()
        let outcome = try #require(try script.apply(acquire.operation).outcome)
        client.learn(acquire, .written(outcome))
        guard case .coordinated(.claim(.granted(let grant))) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        let fence = Fence(grant.claim, token: grant.token)
        var kinds: Set<String> = []
        var count = 0
        for number in 0..<20_000 {
            guard let asked = client.next() else { continue }
            count += 1
            let command = Command(
                requestID: RequestID(high: 1, low: UInt64(number)), time: WallTime(milliseconds: 0),
                operation: asked.operation, once: asked.once)
            #expect(try Command(decoding: command.encode()) == command)
            var operation = asked.operation
            if case .fenced(let fences, let inner) = operation {
                #expect(fences.allSatisfy { $0 == fence } && !fences.isEmpty)
                kinds.insert(asked.once == nil ? "fenced" : "fenced once")
                operation = inner
            }
            switch operation {
            case .coordinate(.lease(let command)): kinds.insert("\(command)".prefix { $0 != "(" } + " lease")
            case .coordinate(.claim(let command)): kinds.insert("\(command)".prefix { $0 != "(" } + " claim")
            case .coordinate(.queue(let command)): kinds.insert("\(command)".prefix { $0 != "(" } + " queue")
            case .coordinate(.barrier(let command)):
                kinds.insert("\(command)".prefix { $0 != "(" } + " barrier")
            case .coordinate(.cancel): kinds.insert("cancel")
            case .leasedPut(let key, _, _, _, _), .put(let key, _, _, _), .increment(let key, _),
                .delete(let key, _, _, _):
                #expect(key.first == CoordinationClient.keyStart)
                kinds.insert(asked.once == nil ? "leased put" : "put once")
            default: Issue.record("\(asked)")
            }
        }
        #expect((3_600...4_400).contains(count))
        for kind in [
            "grant lease", "renew lease", "revoke lease", "acquire claim", "configure claim", "clear claim",
            "configure barrier", "arrive barrier", "leave barrier", "reset barrier", "delete barrier",
            "fenced", "fenced once", "configure queue", "enqueue queue", "receive queue", "leased put",
            "put once", "cancel",
        ] {
            #expect(kinds.contains(kind), "\(kind) of \(kinds)")
        }
        var idle = CoordinationClient(client: 3, plan: plan(share: 0), seed: 1)
        #expect((0..<1_000).allSatisfy { _ in idle.next() == nil })
    }

    @Test func `what a client does not know the fate of it asks for again, or cancels`() throws {
        var client = CoordinationClient(client: 0, plan: plan(share: 500), seed: 2)
        let once = OnceKey(key: "k", fingerprint: 7)
        let asked = CoordinationClient.Asked(
            operation: .increment(key: Array("xn".utf8), by: 1), once: once)
        var (again, cancelled) = (0, 0)
        for number in 1...200 {
            let request = RequestID(high: 9, low: UInt64(number))
            client.learn(asked, .unknown("no answer"))
            client.note(lost: request)
            for _ in 0..<3 {
                let next = client.next()
                if next?.once == once { again += 1 }
                if next?.operation == .coordinate(.cancel(.id(request))) { cancelled += 1 }
            }
        }
        #expect(again > 100 && cancelled > 30)
    }

    @Test func `revisions that histories do not know of are those of other keys`() {
        var keyspace = Keyspace()
        var index = LogIndex.zero
        func put(_ key: String) {
            index = index.next
            let operation = Store.Operation.put(
                key: Array(key.utf8), value: [], guard: nil, returnPrevious: false)
            let command = Command(
                requestID: .none, time: WallTime(milliseconds: 0), operation: operation)
            _ = keyspace.apply(command, index: index, term: Term(1))
        }
        var others = OtherRevisions()
        put("k1")
        put("x1")
        others.note(keyspace, at: 5)
        put("x2")
        put("k1")
        others.note(keyspace, at: 9)
        others.note(keyspace, at: 10)
        #expect(others.found.map(\.revision) == [Revision(3), Revision(4)])
        #expect(others.found.map(\.at) == [5, 9] && others.isComplete && others.recorded.count == 2)
    }
}
