// Guards on tokens and leases, and keys under leases, in transactions.

import Primitives
import Testing

@testable import Store

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Transaction.Step {
    fileprivate static func put(_ key: String, _ value: String) -> Self {
        .put(key: bytes(key), value: bytes(value), returnPrevious: false)
    }

    fileprivate static func put(_ key: String, _ value: String, _ lease: LeaseChoice) -> Self {
        .leasedPut(key: bytes(key), value: bytes(value), returnPrevious: false, lease: lease)
    }
}

@Suite struct `Transactions with locks and leases` {
    /// The conditions that do not hold.
    private func failed(_ conditions: [Transaction.Condition], in keyspace: Keyspace) -> [FailedCondition] {
        switch keyspace.evaluate(Transaction(conditions: conditions, then: [])) {
        case .refused(.transaction(.conditionsFailed(let failed))): return failed
        case .transaction(let outcome, _): return outcome.failed
        case let other:
            Issue.record("\(other)")
            return []
        }
    }

    @Test func `tokens are compared with those of writers, readers, leaders and holders of permits`() {
        var scene = ClaimScene()
        #expect(scene.lock("w") == "has it" && scene.lock("r", .read, "rw") == "has it")
        #expect(scene.lock("s", .read, "rw") == "has it" && scene.campaign("c") == "has it")
        scene.claim(.configure("s", permits: 2))
        #expect(scene.take("p") == "has it")
        let names = [
            ClaimName(.lock, "x"), ClaimName(.lock, "rw"), ClaimName(.election, "e"),
            ClaimName(.semaphore, "s"),
        ]
        for name in names {
            let token = scene.token(name)
            let (current, stale) = (Fence(name, token: token), Fence(name, token: token + 1_000))
            #expect(failed([.held(current, isWanted: true)], in: scene.keyspace) == [])
            #expect(
                failed([.held(current, isWanted: false), .held(stale, isWanted: true)], in: scene.keyspace)
                    == [
                        FailedCondition(index: 0, found: token, revision: nil),
                        FailedCondition(index: 1, found: token, revision: nil),
                    ])
            #expect(failed([.held(stale, isWanted: false)], in: scene.keyspace) == [])
        }
        let second = Fence(ClaimName(.lock, "rw"), token: scene.token(ClaimName(.lock, "rw"), of: "s"))
        #expect(failed([.held(second, isWanted: true)], in: scene.keyspace) == [])
        let free = Fence(ClaimName(.lock, "none"), token: 1)
        #expect(
            failed([.held(free, isWanted: true)], in: scene.keyspace)
                == [FailedCondition(index: 0, found: nil, revision: nil)])
    }

    @Test func `a nested transaction is chosen by a token`() {
        var scene = ClaimScene()
        #expect(scene.lock("a") == "has it" && scene.lock("b", wait: 9) == "waits at 1")
        let fence = Fence(ClaimName(.lock, "x"), token: scene.token())
        let nested = Transaction(
            conditions: [.held(fence, isWanted: true)], then: [.put("k", "mine")],
            otherwise: [.put("k", "lost")])
        _ = scene.apply(.transaction(Transaction(then: [.transaction(nested)])))
        #expect(scene.keyspace.text() == "k=mine")
        _ = scene.release("a")
        let outcome = scene.apply(.transaction(Transaction(then: [.transaction(nested)])))
        #expect(scene.keyspace.text() == "k=lost")
        guard case .transaction(let done, _) = outcome, case .transaction(let inner)? = done.results.first
        else {
            Issue.record("\(outcome)")
            return
        }
        #expect(inner.failed == [FailedCondition(index: 0, found: scene.token(), revision: nil)])
    }

    @Test func `the lease of a key is compared, and none stands for the empty id`() {
        var scene = ClaimScene()
        scene.grantLease("web")
        _ = scene.apply(.transaction(Transaction(then: [.put("a", "1", .existing("web")), .put("b", "1")])))
        let holding: [Transaction.Condition] = [
            .lease(key: bytes("a"), "web", isWanted: true), .lease(key: bytes("a"), "", isWanted: false),
            .lease(key: bytes("b"), "", isWanted: true), .lease(key: bytes("b"), "web", isWanted: false),
            .lease(key: bytes("none"), "", isWanted: true), .leaseExists("web", isWanted: true),
            .leaseExists("other", isWanted: false),
        ]
        #expect(failed(holding, in: scene.keyspace) == [])
        let broken: [Transaction.Condition] = [
            .lease(key: bytes("a"), "other", isWanted: true), .lease(key: bytes("b"), "web", isWanted: true),
            .lease(key: bytes("none"), "", isWanted: false), .leaseExists("web", isWanted: false),
            .leaseExists("other", isWanted: true),
        ]
        #expect(
            failed(broken, in: scene.keyspace)
                == [
                    FailedCondition(index: 0, found: nil, revision: 2, lease: "web"),
                    FailedCondition(index: 1, found: nil, revision: 2),
                    FailedCondition(index: 2, found: nil, revision: 0),
                    FailedCondition(index: 3, found: nil, revision: nil),
                    FailedCondition(index: 4, found: nil, revision: nil),
                ])
    }

    @Test func `keys are put under leases at one revision, and end with them`() throws {
        var scene = ClaimScene()
        scene.grantLease("web")
        scene.keyspace.put("plain", "0")
        let outcome = scene.apply(
            .transaction(
                Transaction(then: [
                    .put("z", "1", .own(milliseconds: 5_000)), .put("y", "1", .existing("web")),
                    .put("x", "1", .own(milliseconds: 5_000)), .put("plain", "1", .kept),
                    .get(key: bytes("x")), .get(key: bytes("z")), .get(key: bytes("plain")),
                ])))
        guard case .transaction(let done, let revision) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        let leases = done.results.map { result -> String? in
            switch result {
            case .wrote(.put(let put)):
                #expect(put.revision == revision)
                return put.lease
            case .item(let item): return item?.lease
            default: return "?"
            }
        }
        // What a read finds is what was written, ids of new leases too.
        #expect(leases[1] == "web" && leases[3] == nil && leases[6] == nil)
        #expect(leases[0] != nil && leases[0] != leases[2])
        #expect(leases[4] == leases[2] && leases[5] == leases[0])
        for (key, lease) in [("z", leases[0]), ("y", "web"), ("x", leases[2])] {
            #expect(scene.keyspace.keys(ofLease: lease ?? "") == [bytes(key)])
        }
        #expect(scene.keyspace.coordination.timerCount == 3)
        #expect(try scene.keyspace.restored().digest == scene.keyspace.digest)
        scene.expire("web", leases[0] ?? "", leases[2] ?? "")
        #expect(scene.keyspace.text() == "plain=1" && scene.keyspace.coordination.timerCount == 0)
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `a key stays under its lease when that is asked for, and leaves it else`() {
        var scene = ClaimScene()
        scene.grantLease("web")
        let put = Transaction(then: [.put("a", "1", .existing("web")), .put("b", "1", .existing("web"))])
        _ = scene.apply(.transaction(put))
        _ = scene.apply(.transaction(Transaction(then: [.put("a", "2", .kept), .put("b", "2")])))
        #expect(scene.keyspace.keys(ofLease: "web") == [bytes("a")])
        #expect(scene.keyspace.text() == "a=2 b=2")
    }

    @Test func `a private lease lives on when its key is taken from it and another is put under it`() {
        var scene = ClaimScene()
        _ = scene.apply(.transaction(Transaction(then: [.put("a", "1", .own(milliseconds: 5_000))])))
        let id = scene.keyspace.leases(limit: 1)[0].id
        // The deletion comes first, in the order of the keys.
        _ = scene.apply(
            .transaction(
                Transaction(then: [
                    .delete(key: bytes("a"), returnPrevious: false), .put("b", "1", .existing(id)),
                ])))
        #expect(scene.keyspace.keys(ofLease: id) == [bytes("b")] && scene.keyspace.lease(id) != nil)
        _ = scene.apply(.transaction(Transaction(then: [.delete(key: bytes("b"), returnPrevious: false)])))
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `a lease that is not there refuses all of it, before anything changes`() {
        var scene = ClaimScene()
        scene.keyspace.put("a", "1")
        let before = scene.keyspace
        let inner = Transaction(then: [
            .put("b", "2", .own(milliseconds: 9_000)), .put("c", "2", .existing("none")),
        ])
        let outcome = scene.apply(.transaction(Transaction(then: [.put("a", "2"), .transaction(inner)])))
        #expect(outcome == .refused(.transaction(.step(at: [1, 1], .leaseNotFound("none")))))
        #expect(scene.keyspace.text() == "a=1" && scene.keyspace.revision == before.revision)
        #expect(scene.keyspace.coordination.lastNumber == before.coordination.lastNumber)
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `reads that are too much leave no lease behind`() {
        var scene = ClaimScene()
        let big = [UInt8](repeating: 1, count: 1 << 20)
        for key in 0..<9 {
            _ = scene.apply(
                .put(key: bytes("big\(key)"), value: big, guard: nil, returnPrevious: false))
        }
        let number = scene.keyspace.coordination.lastNumber
        let steps: [Transaction.Step] = [
            .put("k", "1", .own(milliseconds: 5_000)), .list(.prefix(bytes("big")), limit: 100),
        ]
        #expect(
            scene.apply(.transaction(Transaction(then: steps))) == .refused(.transaction(.tooMuchRead)))
        #expect(scene.keyspace.coordination.count == 0 && scene.keyspace.coordination.news.isEmpty)
        #expect(scene.keyspace.coordination.lastNumber == number)
    }

    // MARK: Binary form

    private static let conditions: [Transaction.Condition] = [
        .lease(key: [1], "web é", isWanted: true), .lease(key: [1], "", isWanted: false),
        .leaseExists("x", isWanted: true), .leaseExists("x", isWanted: false),
        .held(Fence(ClaimName(.lock, "é/x"), token: .max), isWanted: true),
        .held(Fence(ClaimName(.semaphore, "s"), token: 1), isWanted: false),
    ]
    private static let steps: [Transaction.Step] = [
        .leasedPut(key: [1], value: [2, 3], returnPrevious: true, lease: .existing("web é")),
        .leasedPut(key: [2], value: [], returnPrevious: false, lease: .kept),
        .leasedPut(key: [3], value: [], returnPrevious: false, lease: .own(milliseconds: .max)),
    ]

    private static func encoded(_ transaction: Transaction) -> [UInt8] {
        Command(
            requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3),
            operation: .transaction(transaction)
        ).encode()
    }

    @Test func `they are read as they were written`() throws {
        let transaction = Transaction(conditions: Self.conditions, then: Self.steps, otherwise: Self.steps)
        let bytes = Self.encoded(transaction)
        #expect(transaction.isEncodable && !transaction.isReadOnly)
        #expect(try Command(decoding: bytes).operation == .transaction(transaction))
        for count in 0..<bytes.count {
            #expect(throws: CommandError.self) { try Command(decoding: Array(bytes[..<count])) }
        }
    }

    @Test func `what breaks the limits is no command`() {
        let long = [UInt8](repeating: 1, count: Limits.leasedKeyBytes + 1)
        let put = Transaction(
            then: [.leasedPut(key: long, value: [], returnPrevious: false, lease: .own(milliseconds: 1_000))])
        #expect(!put.isEncodable)
        let id = String(repeating: "x", count: Limits.leaseIDBytes + 1)
        let bad = [
            put,
            Transaction(conditions: [.lease(key: [1], id, isWanted: true)], then: []),
            Transaction(conditions: [.lease(key: [], "x", isWanted: true)], then: []),
            Transaction(conditions: [.leaseExists("", isWanted: true)], then: []),
            Transaction(conditions: [.held(Fence(ClaimName(.lock, ""), token: 1), isWanted: true)], then: []),
        ]
        for transaction in bad {
            #expect(throws: CommandError.malformed) {
                try Command(decoding: Self.encoded(transaction))
            }
        }
        // The kinds after the comparisons of keys know no order.
        var bytes = Self.encoded(Transaction(conditions: [.leaseExists("x", isWanted: true)], then: []))
        let place = bytes.count - 5
        #expect(Array(bytes[(place - 1)...]) == [7, 0, 1, 120, 0, 0])
        bytes[place] = 2
        #expect(throws: CommandError.malformed) { try Command(decoding: bytes) }
    }

    @Test func `what is held under a lease is told with its token`() {
        var scene = ClaimScene()
        scene.grantLease("l")
        #expect(scene.lock("a", lease: "l", "one") == "has it")
        #expect(scene.lock("b", .write, "two") == "has it")
        #expect(scene.lock("a", lease: "l", wait: 9, "two") == "waits at 1")
        _ = scene.claim(
            .acquire(ClaimRequest(ClaimName(.election, "e"), owner: "a", lease: "l")), by: "a")
        let (one, e) = (ClaimName(.lock, "one"), ClaimName(.election, "e"))
        let held = [Fence(one, token: scene.token(one)), Fence(e, token: scene.token(e))]
        #expect(scene.keyspace.fences(ofLease: "l", limit: 9) == held)
        #expect(scene.keyspace.fences(ofLease: "l", limit: 1) == [held[0]])
        #expect(scene.keyspace.fences(ofLease: "none", limit: 9) == [])
        _ = scene.release("b", ClaimName(.lock, "two"))
        #expect(scene.keyspace.fences(ofLease: "l", limit: 9).count == 3)
        scene.expire("l")
        #expect(scene.keyspace.fences(ofLease: "l", limit: 9) == [])
    }
}
