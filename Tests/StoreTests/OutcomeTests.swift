import Primitives
import Testing

@testable import Store

@Suite struct OutcomeTests {
    private static let put = Operation.put(
        key: Array("a".utf8), value: Array("1".utf8), guard: nil, returnPrevious: false)

    /// Applies an operation as request `number`, which may carry an idempotency key.
    private static func apply(
        _ operation: Operation, to keyspace: inout Keyspace, request number: UInt64, key: String? = nil,
        fingerprint: UInt64 = 1, principal: String = ""
    ) -> Outcome {
        keyspace.apply(
            Command(
                requestID: id(number), time: WallTime(milliseconds: 1000), operation: operation,
                principal: principal, once: key.map { OnceKey(key: $0, fingerprint: fingerprint) }),
            index: keyspace.appliedIndex.next, term: Term(1))
    }

    private static func id(_ number: UInt64) -> RequestID { RequestID(high: number << 16, low: number) }

    private static func increment(_ key: String = "n") -> Operation {
        .increment(key: Array(key.utf8), by: 1)
    }

    // MARK: Idempotency keys

    @Test func `a request with a key is carried out once, and its outcome told again`() throws {
        var keyspace = Keyspace()
        let first = Self.apply(Self.increment(), to: &keyspace, request: 1, key: "k")
        let again = Self.apply(Self.increment(), to: &keyspace, request: 2, key: "k")
        #expect(first == .incremented(value: 1, revision: Revision(2), version: 1))
        #expect(again == .replayed(first, original: Self.id(1)))
        #expect(keyspace.revision == Revision(2) && keyspace.text() == "n=1")
        #expect(Self.apply(Self.increment(), to: &keyspace, request: 3) != first)
        #expect(keyspace.text() == "n=2")
        keyspace = try keyspace.restored()
        #expect(Self.apply(Self.increment(), to: &keyspace, request: 4, key: "k") == again)
        #expect(keyspace.text() == "n=2")
    }

    @Test
    func `another request under the same key is refused, and the same key of another principal is another`() {
        var keyspace = Keyspace()
        _ = Self.apply(Self.increment(), to: &keyspace, request: 1, key: "k")
        let other = Self.apply(Self.increment(), to: &keyspace, request: 2, key: "k", fingerprint: 2)
        #expect(other == .refused(.keyReused))
        let foreign = Self.apply(Self.increment(), to: &keyspace, request: 3, key: "k", principal: "p")
        #expect(foreign == .incremented(value: 2, revision: Revision(3), version: 2))
        #expect(keyspace.state(of: .key("k", principal: "q")) == .unknown)
    }

    @Test func `a refusal of the state machine is remembered too`() {
        var keyspace = Keyspace()
        let delete = Operation.delete(
            key: Array("a".utf8), guard: nil, returnPrevious: false, mustExist: true)
        #expect(Self.apply(delete, to: &keyspace, request: 1, key: "k") == .refused(.keyNotFound))
        _ = Self.apply(Self.put, to: &keyspace, request: 2)
        #expect(
            Self.apply(delete, to: &keyspace, request: 3, key: "k")
                == .replayed(.refused(.keyNotFound), original: Self.id(1)))
        #expect(keyspace.text() == "a=1")
    }

    @Test func `every outcome is the same after it was remembered`() throws {
        let item = Item(
            key: [0, 255], value: [1, 2], createRevision: Revision(3), modRevision: Revision(4), version: 2,
            lease: "l-1")
        let lease = Lease(
            id: "web", terms: LeaseTerms(id: "web", timeToLive: 5000, end: .release, name: "n", meta: "m"),
            timer: 7, grantedRevision: Revision(9), grantedAt: WallTime(milliseconds: 8), isPrivate: true)
        let failed = [
            FailedCondition(index: 2, found: 3, revision: nil),
            FailedCondition(index: 0, found: nil, revision: 4, lease: "l-é"),
        ]
        let record = RequestRecord(
            id: Self.id(7), index: LogIndex(8), term: Term(9), revision: Revision(10), verdict: .future)
        let outcomes: [Outcome] = [
            .put(
                PutOutcome(
                    revision: Revision(5), createRevision: Revision(5), version: 1, previous: item,
                    lease: "l-2")),
            .deleted(count: 3, revision: Revision(6), previous: item),
            .deleted(count: 0, revision: Revision(6), previous: nil),
            .incremented(value: -5, revision: Revision(7), version: 2),
            .batch([.put(Revision(8)), .exists], revision: Revision(8)), .compacted(Revision(3)),
            .transaction(
                TransactionOutcome(
                    succeeded: false,
                    results: [
                        .wrote(.deleted(count: 1, revision: Revision(9), previous: nil)), .item(nil),
                        .item(item), .items([item, item], more: true),
                        .transaction(TransactionOutcome(succeeded: true, results: [])),
                    ], failed: failed), revision: Revision(9)),
            .coordinated(.lease(.granted(lease))), .coordinated(.lease(.renewed(lease))),
            .coordinated(.lease(.revoked(keys: 1, holds: 2, revision: Revision(3)))),
            .coordinated(.abandoned(true)), .coordinated(.timers(3)),
            .coordinated(.announced(LogIndex(1 << 40))),
            .coordinated(.request(.known(record))), .coordinated(.request(.never)),
            .coordinated(.request(.expired)), .coordinated(.request(.unknown)),
            .refused(.preconditionFailed(current: nil)),
            .refused(.preconditionFailed(current: Revision(4))), .refused(.keyNotFound),
            .refused(.notAnInteger), .refused(.overflow),
            .refused(.compacted(compact: Revision(1), current: Revision(2))),
            .refused(.futureRevision(current: Revision(2))),
            .refused(.transaction(.conditionsFailed(failed))),
            .refused(.transaction(.overlap(key: [1]))),
            .refused(.transaction(.step(at: [1, 2], .overflow))),
            .refused(.transaction(.step(at: [], .notAnInteger))),
            .refused(.transaction(.step(at: [0], .leaseNotFound("x")))), .refused(.transaction(.tooMuchRead)),
            .refused(.coordination(.leaseNotFound("x"))), .refused(.coordination(.leaseExists("x"))),
            .refused(.coordination(.full)), .refused(.malformedCommand), .refused(.cancelled),
            .refused(.keyReused),
            .refused(.fenceStale(Fence(ClaimName(.election, "e"), token: 4), current: nil)),
            .refused(.fenceStale(Fence(ClaimName(.lock, "é"), token: 1), current: .max)),
        ]
        for outcome in outcomes {
            var writer = ByteWriter()
            outcome.encode(into: &writer)
            var reader = ByteReader(writer.bytes)
            #expect(try Outcome(reading: &reader) == outcome)
            #expect(reader.isAtEnd)
            for count in 0..<writer.count {
                var short = ByteReader(Array(writer.bytes[..<count]))
                #expect(throws: ByteReaderError.self) { _ = try Outcome(reading: &short) }
            }
        }
    }

    // MARK: Requests that wait

    private static func acquire(_ owner: String, wait: Int64 = 60_000) -> Operation {
        .coordinate(.claim(.acquire(ClaimRequest(ClaimName(.lock, "x"), owner: owner, wait: wait))))
    }

    private static func release(_ outcome: Outcome?) throws -> Operation {
        guard case .coordinated(.claim(.granted(let grant))) = outcome else { throw Missing() }
        return .coordinate(.claim(.release(ClaimName(.lock, "x"), token: grant.token)))
    }

    private struct Missing: Error {}

    @Test func `whoever repeats a request that waits is told that it does, and then how it ended`() throws {
        var keyspace = Keyspace()
        let first = Self.apply(Self.acquire("a"), to: &keyspace, request: 1)
        let waiting = Self.apply(Self.acquire("b"), to: &keyspace, request: 2, key: "k")
        #expect(waiting.isWaiting)
        keyspace = try keyspace.restored()
        let repeated = Self.apply(Self.acquire("b"), to: &keyspace, request: 3, key: "k")
        #expect(repeated == .replayed(waiting, original: Self.id(2)))
        #expect(keyspace.coordination.outcomes.waiting == 1)
        _ = keyspace.takeNews()
        _ = Self.apply(try Self.release(first), to: &keyspace, request: 4)
        var settled: [Outcome] = []
        for case .settled(Self.id(2), let outcome) in keyspace.takeNews() {
            settled.append(.coordinated(outcome))
        }
        let end = try #require(settled.first)
        #expect(settled.count == 1 && !end.isWaiting)
        #expect(keyspace.coordination.outcomes.waiting == 0)
        #expect(try keyspace.restored().digest == keyspace.digest)
        let again = Self.apply(Self.acquire("b"), to: &keyspace, request: 5, key: "k")
        #expect(again == .replayed(end, original: Self.id(2)))
        // It was carried out once: when it is given back, nobody else has it.
        _ = Self.apply(try Self.release(end), to: &keyspace, request: 6)
        #expect(keyspace.holders(of: ClaimName(.lock, "x"), limit: 9).isEmpty)
    }

    @Test func `a wait that runs out is remembered as that`() throws {
        var keyspace = Keyspace()
        _ = Self.apply(Self.acquire("a"), to: &keyspace, request: 1)
        _ = keyspace.takeNews()
        _ = Self.apply(Self.acquire("b", wait: 1_234), to: &keyspace, request: 2, key: "k")
        var timers: [UInt64] = []
        for case .armed(let number, 1_234) in keyspace.takeNews() { timers.append(number) }
        _ = Self.apply(.coordinate(.timers(.fire(term: Term(1), timers))), to: &keyspace, request: 3)
        let again = Self.apply(Self.acquire("b", wait: 1_234), to: &keyspace, request: 4, key: "k")
        guard case .replayed(.coordinated(.claim(.gaveUp)), Self.id(2)) = again else {
            Issue.record("\(again)")
            return
        }
        #expect(keyspace.coordination.outcomes.waiting == 0)
    }

    @Test func `a receiver that found nothing, or no queue, may try again under its key`() {
        var keyspace = Keyspace()
        let receive = Operation.coordinate(.queue(.receive("q", maximum: 1, visibility: nil, consumer: "c")))
        let none = Self.apply(receive, to: &keyspace, request: 1, key: "k")
        #expect(none.isMissingQueue && none.isProvisional)
        let message = Operation.coordinate(.queue(.enqueue("q", NewMessage(body: [1]))))
        _ = Self.apply(message, to: &keyspace, request: 2)
        let found = Self.apply(receive, to: &keyspace, request: 3, key: "k")
        #expect(!found.isProvisional)
        #expect(
            Self.apply(receive, to: &keyspace, request: 4, key: "k")
                == .replayed(found, original: Self.id(3)))
        #expect(Self.apply(receive, to: &keyspace, request: 5, key: "other").isEmptyReceive)
    }

    @Test func `when outcomes have too many bytes the oldest are forgotten, and their waits with them`()
        throws
    {
        var keyspace = Keyspace()
        _ = Self.apply(Self.acquire("a"), to: &keyspace, request: 1, key: "first")
        _ = Self.apply(Self.acquire("b"), to: &keyspace, request: 2, key: "second")
        let bytes = keyspace.coordination.outcomes.bytes
        #expect(bytes > 0)
        let restored = try keyspace.restored()
        #expect(restored.coordination.outcomes.bytes == bytes && restored.coordination.outcomes.waiting == 1)
        keyspace.coordination.outcomes.bytes += Limits.outcomeBytes
        _ = Self.apply(Self.put, to: &keyspace, request: 3)
        #expect(keyspace.state(of: .key("first", principal: "")) == .unknown)
        #expect(keyspace.state(of: .key("second", principal: "")) == .unknown)
        #expect(keyspace.coordination.outcomes.waiting == 0)
        #expect(keyspace.coordination.outcomes.bytes == Limits.outcomeBytes)
    }

    @Test func `the commands of one request have keys of their own`() throws {
        let key = OnceKey(key: String(repeating: "k", count: OnceKey.mostBytes), fingerprint: 7)
        #expect(key.part(0) == key && key.part(1) != key.part(2))
        for part in [key.part(1), key.part(.max)] {
            let command = Command(
                requestID: Self.id(1), time: WallTime(milliseconds: 5), operation: Self.put, once: part)
            #expect(try Command(decoding: command.encode()) == command)
            #expect(!OnceKey.isValid(Array(part.key.utf8)))
        }
    }

    // MARK: Requests

    @Test func `what became of each of the last requests is known, also after a restart`() throws {
        var keyspace = Keyspace()
        _ = Self.apply(Self.put, to: &keyspace, request: 1)
        _ = Self.apply(Self.put, to: &keyspace, request: 2)
        _ = Self.apply(
            .put(key: Array("a".utf8), value: [], guard: .absent, returnPrevious: false), to: &keyspace,
            request: 3)
        for keyspace in [keyspace, try keyspace.restored()] {
            let states = (1...4).map { keyspace.state(of: .id(Self.id($0))) }
            let expected: [(UInt64, UInt64, Verdict)] = [
                (1, 2, .created), (2, 3, .applied), (3, 3, .conditionFailed),
            ]
            for (place, (index, revision, verdict)) in expected.enumerated() {
                #expect(
                    states[place]
                        == .known(
                            RequestRecord(
                                id: Self.id(index), index: LogIndex(index), term: Term(1),
                                revision: Revision(revision), verdict: verdict)))
            }
            #expect(states[3] == .unknown)
        }
        #expect(try keyspace.restored().digest == keyspace.digest)
    }

    @Test func `the log of requests is bounded, and says what it may have forgotten`() throws {
        var log = RequestLog()
        let count = UInt64(RequestLog.limit + 2_000)
        for number in 1...count {
            log.append(
                RequestRecord(
                    id: Self.id(number), index: LogIndex(number), term: Term(1), revision: Revision(1),
                    verdict: .applied))
        }
        #expect(log.count == RequestLog.limit)
        #expect(log.find(Self.id(2_000)) == nil && log.forgottenUpTo.milliseconds == 2_000)
        #expect(log.find(Self.id(2_001))?.index == LogIndex(2_001))
        #expect(log.find(Self.id(count))?.index == LogIndex(count))
        var keyspace = Keyspace()
        keyspace.requests = log
        #expect(keyspace.state(of: .id(Self.id(1_999))) == .expired)
        #expect(keyspace.state(of: .id(Self.id(count + 1))) == .unknown)
        let restored = try keyspace.restored(inChunksOf: .max)
        #expect(restored.digest == keyspace.digest)
        #expect(restored.requests.find(Self.id(2_001)) == log.find(Self.id(2_001)))
        #expect(restored.state(of: .id(Self.id(1_999))) == .expired)
    }

    // MARK: Cancelling

    @Test func `a cancelled request is never carried out, whichever way it is named`() throws {
        var keyspace = Keyspace()
        let cancel = Operation.coordinate(.cancel(.id(Self.id(9))))
        #expect(Self.apply(cancel, to: &keyspace, request: 1) == .coordinated(.request(.never)))
        let cancelKey = Operation.coordinate(.cancel(.key("k", principal: "")))
        #expect(Self.apply(cancelKey, to: &keyspace, request: 2) == .coordinated(.request(.never)))
        keyspace = try keyspace.restored()
        #expect(keyspace.state(of: .id(Self.id(9))) == .never)
        #expect(Self.apply(Self.put, to: &keyspace, request: 9) == .refused(.cancelled))
        #expect(Self.apply(Self.put, to: &keyspace, request: 10, key: "k") == .refused(.cancelled))
        #expect(keyspace.text() == "" && keyspace.state(of: .id(Self.id(9))) == .never)
        #expect(Self.apply(cancel, to: &keyspace, request: 11) == .coordinated(.request(.never)))
    }

    @Test func `what was carried out can't be cancelled any more`() {
        var keyspace = Keyspace()
        _ = Self.apply(Self.put, to: &keyspace, request: 1, key: "k")
        let known = keyspace.state(of: .id(Self.id(1)))
        let byID = Self.apply(.coordinate(.cancel(.id(Self.id(1)))), to: &keyspace, request: 2)
        let byKey = Self.apply(.coordinate(.cancel(.key("k", principal: ""))), to: &keyspace, request: 3)
        #expect(byID == .coordinated(.request(known)) && byKey == .coordinated(.request(known)))
        guard case .known(let record) = known else {
            Issue.record("\(known)")
            return
        }
        #expect(record.index == LogIndex(1) && record.verdict == .created)
    }

    // MARK: For how long

    /// The number of the timer that counts the hours, found as a leader would.
    private static func hourTimer(_ keyspace: inout Keyspace) -> UInt64? {
        var armed: UInt64?
        for news in keyspace.takeNews() {
            if case .armed(let number, 3_600_000) = news { armed = number }
        }
        return armed
    }

    @Test func `keys are forgotten after a day, and leave nothing behind`() throws {
        var keyspace = Keyspace()
        _ = Self.apply(Self.increment(), to: &keyspace, request: 1, key: "old")
        var timer = Self.hourTimer(&keyspace)
        for hour in 1...25 {
            let fire = Operation.coordinate(.timers(.fire(term: Term(1), [try #require(timer)])))
            _ = Self.apply(fire, to: &keyspace, request: UInt64(100 + hour))
            timer = Self.hourTimer(&keyspace)
            keyspace = try keyspace.restored()
            if hour == 24 {
                _ = Self.apply(Self.put, to: &keyspace, request: 2, key: "young")
                #expect(keyspace.state(of: .key("old", principal: "")) != .unknown)
            }
        }
        _ = Self.apply(Self.put, to: &keyspace, request: 3)
        #expect(keyspace.state(of: .key("old", principal: "")) == .unknown)
        #expect(keyspace.state(of: .key("young", principal: "")) != .unknown)
        for hour in 26...60 {
            guard let number = timer else { break }
            _ = Self.apply(
                .coordinate(.timers(.fire(term: Term(1), [number]))), to: &keyspace,
                request: UInt64(100 + hour))
            _ = Self.apply(Self.put, to: &keyspace, request: UInt64(200 + hour))
            timer = Self.hourTimer(&keyspace)
        }
        #expect(keyspace.coordination.count == 0 && keyspace.coordination.byteCount == 0)
        #expect(try keyspace.restored().digest == keyspace.digest)
    }

    @Test func `a command with a key has a binary form, and a damaged one is refused`() throws {
        let command = Command(
            requestID: Self.id(1), time: WallTime(milliseconds: 5), operation: Self.put, principal: "p",
            once: OnceKey(key: "k-1", fingerprint: .max))
        let bytes = command.encode()
        #expect(try Command(decoding: bytes) == command)
        for count in 0..<bytes.count {
            #expect(throws: CommandError.self) { _ = try Command(decoding: Array(bytes[..<count])) }
        }
        let spaced = Command(
            requestID: Self.id(1), time: WallTime(milliseconds: 5), operation: Self.put,
            once: OnceKey(key: "a b", fingerprint: 1))
        #expect(throws: CommandError.malformed) { _ = try Command(decoding: spaced.encode()) }
    }
}
