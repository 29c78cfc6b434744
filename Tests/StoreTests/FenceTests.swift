// Writes that are made only while a token is current.

import Primitives
import Testing

@testable import Store

@Suite struct `Fences` {
    private static let lock = ClaimName(.lock, "x")

    private static func put(_ key: String, _ value: String, behind fences: Fence...) -> Store.Operation {
        .fenced(
            fences,
            .put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false))
    }

    private static func stale(_ token: UInt64, _ current: UInt64?) -> Outcome {
        .refused(.fenceStale(Fence(lock, token: token), current: current))
    }

    @Test func `hold as long as the lock is held, and tell who holds it after that`() {
        var scene = ClaimScene()
        #expect(scene.lock("a") == "has it")
        #expect(scene.lock("b", wait: 9) == "waits at 1")
        let first = scene.token()
        let at = scene.keyspace.revision
        #expect(scene.apply(Self.put("k", "0", behind: Fence(Self.lock, token: first + 99))).isRefused)
        #expect(scene.keyspace.revision == at && scene.keyspace.text() == "")
        #expect(!scene.apply(Self.put("k", "1", behind: Fence(Self.lock, token: first))).isRefused)
        _ = scene.release("a")
        let second = scene.token()
        #expect(second > first)
        #expect(
            scene.apply(Self.put("k", "2", behind: Fence(Self.lock, token: first)))
                == Self.stale(first, second))
        #expect(!scene.apply(Self.put("k", "3", behind: Fence(Self.lock, token: second))).isRefused)
        _ = scene.release("b")
        #expect(
            scene.apply(Self.put("k", "4", behind: Fence(Self.lock, token: second)))
                == Self.stale(second, nil))
        #expect(scene.keyspace.text() == "k=3")
    }

    @Test func `end with the lease under which the lock is held`() {
        var scene = ClaimScene()
        scene.grantLease("l", delay: 1000)
        #expect(scene.lock("a", lease: "l") == "has it")
        let token = scene.token()
        scene.expire("l")
        #expect(
            scene.apply(Self.put("k", "1", behind: Fence(Self.lock, token: token))) == Self.stale(token, nil))
    }

    @Test func `are all looked at, and cover readers, leaders and holders of permits`() {
        var scene = ClaimScene()
        #expect(scene.lock("r", .read) == "has it" && scene.lock("s", .read) == "has it")
        let readers = ["r", "s"].map { Fence(Self.lock, token: scene.token(of: $0)) }
        #expect(scene.campaign("c") == "has it")
        let leader = Fence(ClaimName(.election, "e"), token: scene.token(ClaimName(.election, "e")))
        scene.claim(.configure("s", permits: 2))
        #expect(scene.take("p") == "has it")
        let permit = Fence(ClaimName(.semaphore, "s"), token: scene.token(ClaimName(.semaphore, "s")))
        #expect(!scene.apply(Self.put("k", "1", behind: readers[0], readers[1], leader, permit)).isRefused)
        // The same token of another thing is none.
        let wrong = Fence(ClaimName(.semaphore, "x"), token: readers[0].token)
        #expect(
            scene.apply(Self.put("k", "2", behind: leader, wrong))
                == .refused(.fenceStale(wrong, current: nil)))
        _ = scene.release("r")
        #expect(
            scene.apply(Self.put("k", "2", behind: permit, readers[0]))
                == Self.stale(readers[0].token, readers[1].token))
        #expect(scene.keyspace.text() == "k=1")
    }

    @Test func `stand before any operation, which does nothing then`() {
        var scene = ClaimScene()
        #expect(scene.lock("a") == "has it")
        let fence = Fence(Self.lock, token: scene.token())
        _ = scene.release("a")
        scene.keyspace.put("a", "1")
        let key = Array("a".utf8)
        let operations: [Store.Operation] = [
            .delete(key: key, guard: nil, returnPrevious: true, mustExist: true), .deleteRange(.all),
            .increment(key: key, by: 1), .batch([BatchPut(key: key, value: [])], createOnly: false),
            .transaction(Transaction(then: [.delete(key: key, returnPrevious: false)])),
            .leasedPut(
                key: key, value: [], guard: nil, returnPrevious: false, lease: .own(milliseconds: 5000)),
            .coordinate(.queue(.enqueue("q", NewMessage(body: [1])))),
        ]
        let rows = scene.keyspace.coordination.count
        for operation in operations {
            #expect(scene.apply(.fenced([fence], operation)) == Self.stale(fence.token, nil), "\(operation)")
        }
        #expect(scene.keyspace.text() == "a=1" && scene.keyspace.coordination.count == rows)
    }

    @Test func `keep their outcome under an idempotency key, whatever becomes of the lock`() throws {
        var keyspace = Keyspace()
        func apply(_ operation: Store.Operation, _ request: UInt64, key: String? = nil) -> Outcome {
            let command = Command(
                requestID: RequestID(high: 1, low: request), time: WallTime(milliseconds: 5),
                operation: operation, once: key.map { OnceKey(key: $0, fingerprint: 7) })
            return keyspace.apply(
                encoded: command.encode(), index: keyspace.appliedIndex.next, term: Term(1))
        }
        func acquire(_ request: UInt64) throws -> UInt64 {
            let outcome = apply(.coordinate(.claim(.acquire(ClaimRequest(Self.lock)))), request)
            guard case .coordinated(.claim(.granted(let grant))) = outcome else {
                throw ByteReaderError.malformed
            }
            return grant.token
        }
        let first = try acquire(1)
        let write = Self.put("k", "1", behind: Fence(Self.lock, token: first))
        guard case .put = apply(write, 2, key: "once") else {
            Issue.record("the write was refused")
            return
        }
        _ = apply(.coordinate(.claim(.release(Self.lock, token: first))), 3)
        // It was made while the token was current: so it is told again, though it could not be made now.
        guard case .replayed(.put, RequestID(high: 1, low: 2)) = apply(write, 4, key: "once") else {
            Issue.record("the outcome was forgotten")
            return
        }
        let late = apply(write, 5, key: "late")
        #expect(late == Self.stale(first, nil))
        #expect(keyspace.requests.find(RequestID(high: 1, low: 5))?.verdict == .conditionFailed)
        _ = try acquire(6)
        let original = RequestID(high: 1, low: 5)
        #expect(apply(write, 7, key: "late") == .replayed(late, original: original))
        let restored = try keyspace.restored()
        #expect(restored.digest == keyspace.digest)
        keyspace = restored
        #expect(apply(write, 8, key: "late") == .replayed(late, original: original))
    }

    // MARK: Binary form

    private static func encoded(_ operation: Store.Operation, once: OnceKey? = nil) -> [UInt8] {
        Command(
            requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3), operation: operation,
            once: once
        ).encode()
    }

    @Test func `are read as they were written, with and without an idempotency key`() throws {
        let many = (1...16).map { Fence(ClaimName(.election, "ü/\($0)"), token: .max - $0) }
        for fences in [[Fence(Self.lock, token: 1)], many] {
            for inner in CommandTests.operations {
                let operation = Store.Operation.fenced(fences, inner)
                #expect(try Command(decoding: Self.encoded(operation)).operation == operation)
            }
        }
        let once = OnceKey(key: "k", fingerprint: 5)
        let operation = Store.Operation.fenced(many, .compact(Revision(3)))
        let bytes = Self.encoded(operation, once: once)
        let command = try Command(decoding: bytes)
        #expect(command.operation == operation && command.once == once)
        for count in 0..<bytes.count {
            #expect(throws: CommandError.self) { try Command(decoding: Array(bytes[..<count])) }
        }
    }

    @Test func `that are none, too many, of no name or nested are no command`() {
        let compact = Store.Operation.compact(Revision(3))
        let fence = Fence(Self.lock, token: 1)
        let bad: [Store.Operation] = [
            .fenced([], compact), .fenced(Array(repeating: fence, count: 17), compact),
            .fenced([Fence(ClaimName(.lock, ""), token: 1)], compact),
            .fenced([Fence(ClaimName(.lock, "a\u{0}b"), token: 1)], compact),
            .fenced([Fence(ClaimName(.lock, String(repeating: "x", count: 256)), token: 1)], compact),
            .fenced([fence], .fenced([fence], compact)),
        ]
        for operation in bad {
            let bytes = Self.encoded(operation)
            #expect(throws: CommandError.malformed) { try Command(decoding: bytes) }
            var keyspace = Keyspace()
            #expect(
                keyspace.apply(encoded: bytes, index: LogIndex(1), term: Term(1))
                    == .refused(.malformedCommand))
        }
        // An idempotency key stands before the fences, never behind them.
        var writer = ByteWriter()
        writer.byte(11)
        writer.fences([fence])
        writer.byte(10)
        let header = Array(Self.encoded(compact).prefix(26))
        #expect(throws: CommandError.malformed) { try Command(decoding: header + writer.bytes) }
    }
}

extension Outcome {
    fileprivate var isRefused: Bool { if case .refused = self { true } else { false } }
}
