import Primitives
import Testing

@testable import Store

struct ClaimTests {
    private let semaphore = ClaimName(.semaphore, "s")
    private let election = ClaimName(.election, "e")

    @Test func `A lock is given to one at a time in the order of the log with ever greater tokens`() {
        var scene = ClaimScene()
        #expect(scene.lock("a") == "has it")
        #expect(scene.lock("b") == "held by a, place 1")
        #expect(scene.lock("b", wait: 1000) == "waits at 1")
        #expect(scene.lock("c", wait: 1000) == "waits at 2")
        #expect(scene.lock("d") == "held by a, place 3")
        let first = scene.token()
        #expect(scene.release("a") == "released")
        #expect(scene.news() == "b has it")
        #expect(scene.token() > first)
        #expect(!scene.keyspace.isHeld(ClaimName(.lock, "x"), token: first))
        #expect(scene.keyspace.isHeld(ClaimName(.lock, "x"), token: scene.token()))
        #expect(scene.release("b") == "released")
        #expect(scene.text() == "c | ")
        #expect(scene.lock("z", "y") == "has it")
    }

    @Test func `Readers share a lock and none of them overtakes a writer that waits`() {
        var scene = ClaimScene()
        #expect(scene.lock("a", .read) == "has it")
        #expect(scene.lock("b", .read) == "has it")
        #expect(scene.lock("w", wait: 1000) == "waits at 1")
        #expect(scene.lock("c", .read) == "held by a, place 2")
        #expect(scene.lock("c", .read, wait: 1000) == "waits at 2")
        #expect(scene.lock("d", .read, wait: 1000) == "waits at 3")
        #expect(scene.lock("v", wait: 1000) == "waits at 4")
        _ = scene.release("a")
        #expect(scene.text() == "b | w c d v")
        _ = scene.release("b")
        #expect(scene.text() == "w | c d v")
        _ = scene.release("w")
        #expect(scene.news() == "w has it; c has it; d has it")
        #expect(scene.text() == "c d | v")
    }

    @Test func `A token that was given back is known as such and that of others changes nothing`() {
        var scene = ClaimScene()
        _ = scene.lock("a")
        _ = scene.lock("b", "y")
        let (mine, other) = (scene.token(), scene.token(ClaimName(.lock, "y")))
        let lock = ClaimName(.lock, "x")
        #expect(scene.claim(.release(lock, token: other)) == "not the holder")
        #expect(scene.claim(.release(ClaimName(.election, "x"), token: mine)) == "not the holder")
        #expect(scene.claim(.release(lock, token: 1_000_000)) == "not the holder")
        #expect(scene.claim(.renew(lock, token: other)) == "not the holder")
        #expect(scene.claim(.renew(lock, token: mine)) == "renewed by a")
        #expect(scene.claim(.release(lock, token: mine)) == "released")
        #expect(scene.claim(.release(lock, token: mine)) == "was released before")
        #expect(scene.claim(.renew(lock, token: mine)) == "not the holder")
        #expect(scene.text() == " | ")
        #expect(scene.text(ClaimName(.lock, "y")) == "b | ")
    }

    @Test func `A wait that is over gives up its place and tells who had it`() {
        var scene = ClaimScene()
        _ = scene.lock("a")
        _ = scene.lock("b", wait: 1000)
        _ = scene.lock("c", .read, wait: 1000)
        _ = scene.lock("d", .read, wait: 2000)
        scene.fire { if case .claimWait(let row) = $0 { row.lastNumber < 5 } else { false } }
        #expect(scene.news() == "b gave up: held by a, place 1")
        #expect(scene.text() == "a | c d")
    }

    @Test func `A lock passes on when its lease expires but not before the delay that the lease asked for`() {
        var scene = ClaimScene()
        scene.grantLease("l", delay: 700)
        _ = scene.lock("a", lease: "l")
        _ = scene.lock("b", wait: 1000)
        scene.expire("l")
        #expect(scene.text() == " | b")
        #expect(scene.lock("c") == "held by nobody, place 2")
        scene.fire { if case .claimDelay = $0 { true } else { false } }
        #expect(scene.news() == "b has it")
        scene.grantLease("m", delay: 700)
        _ = scene.release("b")
        _ = scene.lock("r", .read, lease: "m")
        scene.expire("m")
        #expect(scene.lock("s", .read) == "has it", "a reader may still read, so only writers have to wait")
        #expect(scene.lock("t") == "held by s, place 1")
    }

    @Test func `A lease that is revoked needs no delay`() {
        var scene = ClaimScene()
        scene.grantLease("l", delay: 700)
        _ = scene.lock("a", lease: "l")
        _ = scene.lock("b", wait: 1000)
        scene.apply(.coordinate(.lease(.revoke(id: "l"))))
        #expect(scene.news() == "b has it")
    }

    @Test func `Nobody gets a lock under a lease that ends at the same moment`() {
        var scene = ClaimScene()
        for lease in ["l", "m", "n"] { scene.grantLease(lease) }
        _ = scene.lock("a", lease: "l")
        _ = scene.lock("b", lease: "m", wait: 1000)
        _ = scene.lock("c", lease: "n", wait: 1000)
        _ = scene.lock("d", wait: 1000)
        scene.expire("l", "m", "n")
        #expect(
            scene.news()
                == "b gave up: lease m has ended; c gave up: lease n has ended; d has it")
        #expect(scene.lock("e", lease: "m") == "leaseNotFound(\"m\")")
    }

    @Test func `A client that is gone gives up its place or gives back what it has`() {
        var scene = ClaimScene()
        for owner in ["a", "b", "c"] { _ = scene.lock(owner, wait: 1000) }
        func abandon(_ owner: String) -> Outcome {
            let request = scene.requests.first { $0.value == owner }?.key ?? .none
            return scene.apply(.coordinate(.abandon(request)))
        }
        #expect(abandon("b") == .coordinated(.abandoned(true)))
        #expect(scene.text() == "a | c")
        #expect(abandon("a") == .coordinated(.abandoned(true)))
        #expect(scene.news() == "c has it")
        #expect(abandon("b") == .coordinated(.abandoned(false)))
    }

    @Test func `The same request once more gets what it has, and another of the same owner waits`() {
        var keyspace = Keyspace()
        let request = ClaimRequest(ClaimName(.lock, "x"), owner: "a", wait: 100)
        func ask(_ id: UInt64) -> Outcome {
            let command = Command(
                requestID: RequestID(high: 9, low: id), time: WallTime(milliseconds: 5),
                operation: .coordinate(.claim(.acquire(request))))
            return keyspace.apply(command, index: keyspace.appliedIndex.next, term: Term(1))
        }
        let (first, second) = (ask(1), ask(2))
        #expect(ask(1) == first)
        #expect(second == .coordinated(.claim(.waiting(position: 1))))
        #expect(ask(2) == second)
        #expect(keyspace.claim(ClaimName(.lock, "x"))?.waiterCount == 1)
        #expect(keyspace.claimOutcome(of: RequestID(high: 9, low: 2)) == .waiting(position: 1))
    }

    @Test func `A small request to a semaphore does not overtake a large one`() {
        var scene = ClaimScene()
        #expect(scene.take("a") == "no such thing")
        #expect(scene.claim(.configure("s", permits: 4)) == "new: 0 of 4")
        #expect(scene.take("a", 2) == "has it 2 times")
        #expect(scene.take("x", 5) == "5 of 4 permits")
        #expect(scene.take("b", 3, wait: 1000) == "waits at 1")
        #expect(scene.take("c") == "held by a, place 2")
        #expect(scene.take("c", 1, wait: 1000) == "waits at 2")
        #expect(scene.take("d", 1, wait: 1000) == "waits at 3")
        #expect(scene.release("a", semaphore) == "released")
        #expect(scene.text(semaphore) == "b c | d")
    }

    @Test func `A semaphore that shrinks takes nothing away and lets nobody in until it has room`() {
        var scene = ClaimScene()
        scene.claim(.configure("s", permits: 4))
        for owner in ["a", "b", "c"] { _ = scene.take(owner) }
        _ = scene.take("d", 3, wait: 1000)
        _ = scene.take("e", 1, wait: 1000)
        #expect(scene.claim(.configure("s", permits: 2)) == "changed: 3 of 2")
        #expect(scene.news() == "d gave up: 3 of 2 permits")
        _ = scene.release("a", semaphore)
        #expect(scene.text(semaphore) == "b c | e")
        _ = scene.release("b", semaphore)
        #expect(scene.text(semaphore) == "c e | ")
        #expect(scene.news() == "e has it")
        _ = scene.take("f", 1, wait: 1000)
        #expect(scene.claim(.clear(semaphore)) == "taken from 2, 1 sent away")
        #expect(scene.news() == "f gave up: no such thing")
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `Candidates are elected by priority and then in the order of the log`() {
        var scene = ClaimScene()
        #expect(scene.campaign("a") == "has it")
        #expect(scene.campaign("b") == "waits at 1")
        #expect(scene.campaign("c", priority: 5) == "waits at 1")
        #expect(scene.campaign("d", priority: 5) == "waits at 2")
        #expect(scene.campaign("e", priority: 9, wait: 0) == "held by a, place 4")
        #expect(scene.text(election) == "a | c d b")
        let token = scene.token(election)
        #expect(scene.claim(.proclaim(election, token: token, value: "here")) == "tells here")
        #expect(scene.claim(.proclaim(election, token: token + 9, value: "no")) == "not the holder")
        #expect(scene.keyspace.holders(of: election, limit: 1).first?.value == "here")
        _ = scene.release("a", election)
        #expect(scene.keyspace.holders(of: election, limit: 1).first?.value == "at c")
        #expect(scene.text(election) == "c | d b")
    }

    @Test func `A lock that is broken goes to the next`() {
        var scene = ClaimScene()
        #expect(scene.claim(.clear(ClaimName(.lock, "x"))) == "no such thing")
        _ = scene.lock("a", .read)
        _ = scene.lock("b", .read)
        _ = scene.lock("c", wait: 1000)
        #expect(scene.claim(.clear(ClaimName(.lock, "x"))) == "taken from 2, 0 sent away")
        #expect(scene.news() == "c has it")
        scene.grantLease("l", delay: 500)
        _ = scene.lock("d", lease: "l", wait: 1000)
        _ = scene.release("c")
        _ = scene.lock("e", wait: 1000)
        scene.expire("l")
        #expect(scene.text() == " | e")
        scene.claim(.clear(ClaimName(.lock, "x")))
        #expect(scene.text() == "e | ")
    }

    @Test func `A lock's own lease ends with the last of what is under it`() {
        var scene = ClaimScene()
        _ = scene.lock("a")
        let lease = scene.keyspace.holders(of: ClaimName(.lock, "x"), limit: 1)[0].lease.id
        scene.apply(
            .leasedPut(
                key: [1], value: [2], guard: nil, returnPrevious: false, lease: .existing(lease)))
        _ = scene.lock("b", lease: lease, "y")
        _ = scene.release("a")
        #expect(scene.text(ClaimName(.lock, "y")) == "b | ")
        _ = scene.release("b", ClaimName(.lock, "y"))
        #expect(scene.keyspace.lease(lease) != nil)
        scene.expire(lease)
        #expect(scene.keyspace.count == 0)
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `A lock under the own lease of a key outlives the key until the lease expires`() {
        var scene = ClaimScene()
        let put = scene.apply(
            .leasedPut(
                key: [1], value: [2], guard: nil, returnPrevious: false, lease: .own(milliseconds: 9000)))
        guard case .put(let put) = put, let lease = put.lease else {
            Issue.record("no lease: \(put)")
            return
        }
        _ = scene.lock("a", lease: lease)
        scene.apply(.delete(key: [1], guard: nil, returnPrevious: false, mustExist: true))
        #expect(scene.text() == "a | ")
        scene.expire(lease)
        #expect(scene.keyspace.coordination.count == 0)
    }

    @Test func `Waiters beyond the limit are refused`() {
        var scene = ClaimScene()
        scene.keyspace = Keyspace()
        _ = scene.lock("a")
        for _ in 0..<Limits.claimWaiters { _ = scene.keyspace.apply(Self.waiting) }
        #expect(scene.lock("b", wait: 1000) == "too many wait")
        #expect(scene.keyspace.claim(ClaimName(.lock, "x"))?.waiterCount == Int(Limits.claimWaiters))
    }

    private static let waiting = Operation.coordinate(
        .claim(.acquire(ClaimRequest(ClaimName(.lock, "x"), wait: 1000))))

    @Test func `Locks are listed by prefix and page by page`() {
        var scene = ClaimScene()
        for name in ["b", "a/2", "a/1", "a/3", "a"] { _ = scene.lock("o", name) }
        scene.claim(.configure("a/9", permits: 1))
        func names(_ prefix: String, after: String? = nil, limit: Int = 10) -> [String] {
            scene.keyspace.claims(.lock, prefix: prefix, after: after, limit: limit).map(\.claim.name)
        }
        #expect(names("") == ["a", "a/1", "a/2", "a/3", "b"])
        #expect(names("a/", limit: 2) == ["a/1", "a/2"])
        #expect(names("a/", after: "a/2", limit: 2) == ["a/3"])
        #expect(scene.keyspace.claims(.semaphore, limit: 9).map(\.claim.name) == ["a/9"])
    }
}

extension ClaimScene {
    fileprivate mutating func lock(_ owner: String, _ name: String) -> String {
        lock(owner, .write, name)
    }
}

struct ClaimCodingTests {
    private static let lock = ClaimName(.lock, "deploy/ü")
    private static let election = ClaimName(.election, "e")
    private static let commands: [ClaimCommand] = [
        .acquire(ClaimRequest(lock, owner: "me", mode: .read, lease: "l", timeToLive: 5, wait: 70_000)),
        .acquire(ClaimRequest(election, owner: "", priority: 7, value: "http://here")),
        .acquire(ClaimRequest(ClaimName(.semaphore, "s"), permits: Limits.claimPermits)),
        .release(lock, token: .max), .renew(election, token: 3),
        .proclaim(election, token: 9, value: "v"), .configure("s", permits: 12), .clear(lock),
    ]

    private func encoded(_ command: ClaimCommand) -> [UInt8] {
        Command(
            requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3),
            operation: .coordinate(.claim(command))
        ).encode()
    }

    @Test(arguments: commands) func `Commands are read as they were written`(_ command: ClaimCommand) throws {
        let bytes = encoded(command)
        #expect(try Command(decoding: bytes).operation == .coordinate(.claim(command)))
        for count in 0..<bytes.count {
            #expect(throws: CommandError.self) { try Command(decoding: Array(bytes[..<count])) }
        }
    }

    @Test(
        arguments: [
            .acquire(ClaimRequest(ClaimName(.lock, ""))), .acquire(ClaimRequest(ClaimName(.lock, "a\u{0}b"))),
            .acquire(ClaimRequest(ClaimName(.lock, String(repeating: "x", count: 256)))),
            .acquire(ClaimRequest(lock, permits: 2)), .acquire(ClaimRequest(lock, priority: 1)),
            .acquire(ClaimRequest(lock, value: "v")), .acquire(ClaimRequest(election, mode: .read)),
            .acquire(ClaimRequest(lock, timeToLive: 0)), .acquire(ClaimRequest(lock, wait: -1)),
            .acquire(ClaimRequest(ClaimName(.semaphore, "s"), permits: 0)), .configure("s", permits: 0),
            .proclaim(lock, token: 1, value: "only leaders tell something"),
            .proclaim(election, token: 1, value: String(repeating: "x", count: 4097)),
        ] as [ClaimCommand])
    func `Commands that nobody may send are refused whole`(_ command: ClaimCommand) {
        #expect(throws: CommandError.malformed) { try Command(decoding: encoded(command)) }
        var keyspace = Keyspace()
        let outcome = keyspace.apply(encoded: encoded(command), index: LogIndex(1), term: Term(1))
        #expect(outcome == .refused(.malformedCommand))
    }

    @Test func `Outcomes are read as they were written`() throws {
        var scene = ClaimScene()
        _ = scene.lock("a")
        let grant = try #require(scene.keyspace.holders(of: ClaimName(.lock, "x"), limit: 1).first)
        let block = ClaimBlock(claim: Self.lock, holder: grant, position: 4, available: 2)
        let refusals: [ClaimRefusal] = [
            .held(block), .held(ClaimBlock(claim: Self.lock, holder: nil, position: 1, available: 0)),
            .notHolder(Self.lock, token: 7), .notFound(Self.lock), .tooManyWaiters(Self.lock),
            .tooManyPermits(Self.lock, wanted: 4, permits: 2), .leaseEnded(Self.lock, lease: "l"),
        ]
        let outcomes: [ClaimOutcome] =
            [
                .granted(grant), .waiting(position: 3), .released(true), .renewed(grant), .proclaimed(grant),
                .configured(permits: 4, held: 2, isNew: true), .cleared(holders: 1, waiters: 2),
            ] + refusals.map { .gaveUp($0) }
        let all =
            outcomes.map { Outcome.coordinated(.claim($0)) }
            + refusals.map { Outcome.refused(.coordination(.claim($0))) }
        for outcome in all {
            var writer = ByteWriter()
            outcome.encode(into: &writer)
            var reader = ByteReader(writer.take())
            #expect(try Outcome(reading: &reader) == outcome)
            #expect(reader.isAtEnd)
        }
    }
}
