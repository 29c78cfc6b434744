import Consensus
import Primitives
import Replication
import Store
import Testing
import Wire

@testable import NodeCore

private func put(_ key: String, _ value: String, number: UInt64) -> Command {
    Command(
        requestID: RequestID(high: 1, low: number), time: WallTime(milliseconds: Int64(number)),
        operation: .put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false))
}

private func sign(_ round: UInt64) -> Message {
    Message(from: NodeID(1), to: NodeID(2), term: Term(1), body: .heartbeatResponse(round: round))
}

extension Instant {
    fileprivate static func milliseconds(_ count: Int) -> Instant { .zero + .milliseconds(count) }
}

/// A ``PeerLink`` behind a reference, because `#expect` can't call what mutates.
@dynamicMemberLookup private final class Trial {
    private var link = PeerLink(NodeID(2))

    subscript<Value>(dynamicMember path: WritableKeyPath<PeerLink, Value>) -> Value {
        get { link[keyPath: path] }
        set { link[keyPath: path] = newValue }
    }
    subscript<Value>(dynamicMember path: KeyPath<PeerLink, Value>) -> Value { link[keyPath: path] }

    func enqueue(_ message: PeerMessage) -> [RequestID] { link.enqueue(message) }
    func note(_ envelope: Envelope, at now: Instant) -> Bool { link.note(envelope, at: now) }
    func hold(_ request: PeerLink.Held) { link.hold(request) }
    func scheduleHeld(after sequence: UInt64) { link.scheduleHeld(after: sequence) }
    func forget(_ request: PeerRequestID) { link.forget(request) }
    func nextAnswer(durable: UInt64, at now: Instant) -> (PeerLink.Held, [PeerMessage], batch: UInt64)? {
        link.nextAnswer(durable: durable, at: now)
    }
    func nextBatch(at now: Instant) -> (messages: [PeerMessage], batch: UInt64)? { link.nextBatch(at: now) }
    func answered(_ batch: UInt64, at now: Instant) { link.answered(batch, at: now) }
    func failed(_ batch: UInt64, reached: Bool) -> [RequestID] { link.failed(batch, reached: reached) }
    func lost(_ batch: UInt64, isCut: Bool) { link.lost(batch, isCut: isCut) }
}

/// A ``BatchWindow`` behind a reference.
private final class Window {
    private var window = BatchWindow()
    func insert(_ batch: UInt64, of incarnation: UInt64 = 1) -> Bool { window.insert(batch, of: incarnation) }
}

@Suite struct PeerLinkTests {
    private let link = Trial()

    private func note(_ number: UInt64, bytes: Int = 1) -> PeerMessage {
        let body = [UInt8](repeating: 0, count: bytes)
        let id = RequestID(high: 0, low: number)
        return .note(Note(sender: "n1", recipient: "n2", channel: "c", id: id, body: body))
    }

    private func forward(_ numbers: ClosedRange<UInt64>) -> PeerMessage {
        .forward(Forward(term: Term(3), commands: numbers.map { put("k", "v", number: $0).encode() }))
    }

    private func numbers(_ requests: [RequestID]) -> [UInt64] { requests.map(\.low) }

    private func hold(_ number: UInt64, at now: Int) {
        link.hold(
            PeerLink.Held(
                id: PeerRequestID(number), since: .milliseconds(now), releaseAfter: .max, wantsJSON: false)
        )
    }

    private func envelope(_ batch: UInt64, incarnation: UInt64 = 9) -> Envelope {
        Envelope(
            cluster: ClusterID(1), from: NodeID(2), to: NodeID(1), incarnation: incarnation, batch: batch,
            messages: [note(1), note(2)])
    }

    // MARK: Batches lost on purpose

    @Test(arguments: [false, true]) func `a lost batch makes room, and tells as much as silence does`(
        isCut: Bool
    ) throws {
        _ = link.enqueue(forward(1...2))
        let (_, batch) = try #require(link.nextBatch(at: .milliseconds(0)))
        #expect(link.inFlight.count == 1)
        link.lost(batch, isCut: isCut)
        #expect(link.inFlight.isEmpty)
        #expect(link.roundTrip == nil && link.lastHeard == nil)
        // Its writes may have arrived: what comes of it later gives none of them back.
        #expect(link.failed(batch, reached: false).isEmpty)
        #expect(link.failures == (isCut ? 2 : 1))
        #expect(link.isFailing)
        link.answered(batch, at: .milliseconds(9))
        #expect(link.roundTrip == nil)
    }

    // MARK: Held answers

    @Test func `an answer waits until what its turn wrote is on disk`() throws {
        hold(1, at: 0)
        link.scheduleHeld(after: 7)
        #expect(link.nextAnswer(durable: 6, at: .milliseconds(1)) == nil)
        #expect(link.enqueue(.consensus(sign(1))).isEmpty)
        let (held, messages, _) = try #require(link.nextAnswer(durable: 7, at: .milliseconds(1)))
        #expect(held.id == PeerRequestID(1))
        #expect(messages == [.consensus(sign(1))])
        #expect(link.held.isEmpty && link.outbox.isEmpty)
        #expect(link.nextAnswer(durable: 100, at: .milliseconds(100)) == nil)
    }

    @Test func `a later turn does not put off the answers of an earlier one`() throws {
        hold(1, at: 0)
        link.scheduleHeld(after: 7)
        hold(2, at: 1)
        link.scheduleHeld(after: 9)
        hold(3, at: 1)
        link.scheduleHeld(after: 0)
        // What wrote nothing need not wait, although it came last.
        #expect(link.nextAnswer(durable: 6, at: .milliseconds(1))?.0.id == PeerRequestID(3))
        #expect(link.nextAnswer(durable: 8, at: .milliseconds(1))?.0.id == PeerRequestID(1))
        #expect(link.nextAnswer(durable: 8, at: .milliseconds(1)) == nil)
        #expect(link.nextAnswer(durable: 9, at: .milliseconds(1))?.0.id == PeerRequestID(2))
    }

    @Test func `an answer is not held for longer than the limit`() {
        #expect(link.deadline == .never)
        hold(1, at: 10)
        hold(2, at: 12)
        link.scheduleHeld(after: 7)
        #expect(link.deadline == .milliseconds(15))
        #expect(link.nextAnswer(durable: 0, at: .milliseconds(14)) == nil)
        #expect(link.nextAnswer(durable: 0, at: .milliseconds(15))?.0.id == PeerRequestID(1))
        #expect(link.deadline == .milliseconds(17))
        #expect(link.nextAnswer(durable: 0, at: .milliseconds(15)) == nil)
        #expect(link.nextAnswer(durable: 0, at: .milliseconds(17))?.0.id == PeerRequestID(2))
    }

    @Test func `an answer to a closed connection is dropped`() {
        hold(1, at: 0)
        hold(2, at: 0)
        link.forget(PeerRequestID(1))
        link.scheduleHeld(after: 0)
        #expect(link.nextAnswer(durable: 0, at: .zero)?.0.id == PeerRequestID(2))
        #expect(link.nextAnswer(durable: 0, at: .milliseconds(9)) == nil)
    }

    // MARK: Requests

    @Test func `messages leave in an answer rather than in a request`() throws {
        hold(1, at: 0)
        link.scheduleHeld(after: 7)
        _ = link.enqueue(note(1))
        #expect(link.nextBatch(at: .zero) == nil)
        let (_, messages, batch) = try #require(link.nextAnswer(durable: 7, at: .zero))
        #expect(messages == [note(1)])
        #expect(link.nextBatch(at: .zero) == nil)
        _ = link.enqueue(note(2))
        let request = try #require(link.nextBatch(at: .zero))
        #expect(request.messages == [note(2)])
        #expect(request.batch > batch)
        #expect(link.inFlight.count == 1)
        #expect(link.sent == 2)
    }

    @Test func `while enough is under way messages gather for the next request`() throws {
        var batches: [UInt64] = []
        for number in 1...3 as ClosedRange<UInt64> {
            _ = link.enqueue(note(number))
            batches.append(try #require(link.nextBatch(at: .zero)).batch)
        }
        for number in 4...6 as ClosedRange<UInt64> {
            _ = link.enqueue(note(number))
            #expect(link.nextBatch(at: .zero) == nil)
        }
        #expect(batches == [1, 2, 3])
        link.answered(2, at: .milliseconds(1))
        let next = try #require(link.nextBatch(at: .zero))
        #expect(next.messages == [note(4), note(5), note(6)])
        #expect(next.batch == 4)
        _ = link.enqueue(note(7))
        #expect(link.nextBatch(at: .zero) == nil)
    }

    @Test func `one request carries a bounded number of bytes, and at least one message`() throws {
        let large = link.limits.batchBytes - 1000
        for (number, bytes) in [(1, 10), (2, large), (3, 10), (4, 2 * large), (5, 10)] {
            _ = link.enqueue(note(UInt64(number), bytes: bytes))
        }
        var carried: [[UInt64]] = []
        while let (messages, batch) = link.nextBatch(at: .zero) {
            link.answered(batch, at: .zero)
            carried.append(messages.map { if case .note(let note) = $0 { note.id.low } else { 0 } })
        }
        #expect(carried == [[1, 2, 3], [4], [5]])
    }

    @Test func `writes come back when their request certainly never arrived`() throws {
        _ = link.enqueue(forward(1...2))
        _ = link.enqueue(note(50))
        _ = link.enqueue(forward(3...3))
        let first = try #require(link.nextBatch(at: .zero))
        _ = link.enqueue(forward(4...5))
        let second = try #require(link.nextBatch(at: .zero))
        #expect(!link.isFailing)
        #expect(numbers(link.failed(first.batch, reached: false)) == [1, 2, 3])
        #expect(link.isFailing)
        // Only once, and not if it may have arrived.
        #expect(link.failed(first.batch, reached: false).isEmpty)
        #expect(link.failed(second.batch, reached: true).isEmpty)
        #expect(link.failed(second.batch, reached: false).isEmpty)
        #expect(link.failed(99, reached: false).isEmpty)
        #expect(link.inFlight.isEmpty && link.failures == 5)
        link.answered(first.batch, at: .milliseconds(1))
        #expect(!link.isFailing)
        #expect(link.roundTrip == nil)
    }

    @Test func `writes in an answer are not known to be lost`() throws {
        hold(1, at: 0)
        _ = link.enqueue(forward(1...2))
        let (_, messages, batch) = try #require(link.nextAnswer(durable: 0, at: .milliseconds(9)))
        #expect(messages.count == 1)
        #expect(link.inFlight.isEmpty)
        #expect(link.failed(batch, reached: false).isEmpty)
    }

    @Test func `too many messages give up the oldest half, and say which writes were among them`() {
        #expect(link.hasRoomForNotes)
        #expect(link.enqueue(forward(1...2)).isEmpty)
        for number in 2...link.limits.outbox { #expect(link.enqueue(note(UInt64(number))).isEmpty) }
        #expect(!link.hasRoomForNotes)
        #expect(numbers(link.enqueue(forward(3...3))) == [1, 2])
        let kept = link.limits.outbox + 1 - (link.limits.outbox + 1) / 2
        #expect(link.outbox.count == kept)
        #expect(link.dropped == UInt64(link.limits.outbox + 1 - kept))
        #expect(link.outbox.last == forward(3...3))
    }

    // MARK: What is heard

    @Test func `a batch is taken once`() {
        #expect(link.note(envelope(1), at: .milliseconds(3)))
        #expect(!link.note(envelope(1), at: .milliseconds(4)))
        #expect(link.note(envelope(2), at: .milliseconds(5)))
        #expect(link.received == 4)
        #expect(link.duplicates == 1)
        #expect(link.lastHeard == .milliseconds(5))
    }

    @Test func `hearing from a peer ends its failing`() {
        _ = link.failed(1, reached: false)
        #expect(link.isFailing)
        #expect(link.note(envelope(1), at: .zero))
        #expect(!link.isFailing)
    }

    @Test func `the round trip is smoothed`() throws {
        func roundTrip(_ milliseconds: Int) throws -> Int64 {
            _ = link.enqueue(note(1))
            let batch = try #require(link.nextBatch(at: .milliseconds(100))).batch
            link.answered(batch, at: .milliseconds(100 + milliseconds))
            return try #require(link.roundTrip).microseconds
        }
        #expect(try roundTrip(8) == 8_000)
        #expect(try roundTrip(16) == 9_000)
        #expect(try roundTrip(1) == 8_000)
    }
}

@Suite struct BatchWindowTests {
    /// The window's promise, with nothing clever about it.
    private struct Model {
        var seen: Set<UInt64> = []
        var newest: UInt64 = 0

        mutating func insert(_ batch: UInt64) -> Bool {
            newest = max(newest, batch)
            return newest - batch < 1024 && seen.insert(batch).inserted
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `tells what a set would tell of the newest batches`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let window = Window()
        var model = Model()
        for _ in 0..<4_000 {
            let reach: UInt64 =
                switch random.next(below: 100) {
                case 0..<60: 8
                case 60..<90: 300
                case 90..<99: 1_100
                default: 5_000
                }
            let back = random.next(below: reach)
            let ahead = random.next(below: 2) == 0 ? random.next(below: max(1, reach / 8)) : 0
            let batch = model.newest + ahead - min(back, model.newest)
            #expect(window.insert(batch) == model.insert(batch), "batch \(batch), newest \(model.newest)")
        }
    }

    @Test func `is exact around its edges`() {
        for newest in [1023, 1024, 1025, 2047, 2048, 5000] as [UInt64] {
            let window = Window()
            #expect(window.insert(newest))
            for batch in (newest > 1100 ? newest - 1100 : 0)..<newest {
                #expect(window.insert(batch) == (newest - batch < 1024))
                #expect(!window.insert(batch))
            }
            #expect(window.insert(newest + 1023))
            #expect(!window.insert(newest))
        }
        let window = Window()
        #expect(window.insert(0) && !window.insert(0))
        #expect(window.insert(.max) && !window.insert(.max))
        #expect(window.insert(.max - 1023) && !window.insert(.max - 1024))
    }

    @Test func `each process of the peer counts for itself, whoever speaks in between`() {
        let window = Window()
        for incarnation in 1...5 as ClosedRange<UInt64> {
            for batch in 1...3 as ClosedRange<UInt64> { #expect(window.insert(batch, of: incarnation)) }
            for former in 1..<incarnation {
                #expect(!window.insert(3, of: former))
                #expect(window.insert(100 + incarnation, of: former))
            }
            #expect(!window.insert(3, of: incarnation))
            #expect(window.insert(4, of: incarnation))
        }
    }

    @Test func `a stranger among the processes pushes out the one not heard longest`() {
        let window = Window()
        #expect(window.insert(1, of: 1))
        for stranger in 2...8 as ClosedRange<UInt64> { #expect(window.insert(1, of: stranger)) }
        #expect(!window.insert(1, of: 1))
        #expect(window.insert(1, of: 9) && !window.insert(1, of: 1) && window.insert(1, of: 2))
    }
}
