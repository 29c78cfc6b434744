import Primitives
import Testing

@testable import Store

@Suite struct QueueTests {
    private func refusal(_ outcome: Outcome) -> QueueRefusal? {
        guard case .refused(.coordination(.queue(let refusal))) = outcome else { return nil }
        return refusal
    }

    @Test func `messages come in the order of the log, each to one receiver`() {
        var store = TimedStore()
        for text in ["a", "b", "c"] { store.enqueue("mail", text) }
        #expect(store.counts("mail") == "3/0/0")
        let first = store.receive("mail")
        #expect(first.map(\.text) == ["a"] && first[0].attempt == 1)
        let rest = store.receive("mail", 5)
        #expect(rest.map(\.text) == ["b", "c"])
        #expect(store.receive("mail").isEmpty && store.counts("mail") == "0/3/0")
        #expect(
            store.queue(.acknowledge("mail", first[0].receipt!))
                == .coordinated(.queue(.acknowledged(first[0].id))))
        #expect(
            refusal(store.queue(.acknowledge("mail", first[0].receipt!)))
                == .receiptExpired(first[0].receipt!))
        #expect(store.counts("mail") == "0/2/0")
    }

    @Test func `what is not acknowledged in time comes again in its place, and the old receipt is void`() {
        var store = TimedStore()
        for text in ["a", "b"] { store.enqueue("mail", text) }
        let first = store.receive("mail", visibility: 500)
        store.pass(499)
        #expect(store.counts("mail") == "1/1/0")
        store.changed = []
        store.pass(1)
        #expect(store.counts("mail") == "2/0/0")
        #expect(store.changed == [RowKey(.queue, "mail")])
        let again = store.receive("mail", 2)
        #expect(again.map(\.text) == ["a", "b"] && again.map(\.attempt) == [2, 1])
        #expect(again[0].id == first[0].id && again[0].receipt != first[0].receipt)
        for command in [
            QueueCommand.acknowledge("mail", first[0].receipt!),
            .giveBack("mail", first[0].receipt!, delay: 0),
            .extend("mail", first[0].receipt!, visibility: 10),
        ] {
            #expect(refusal(store.queue(command)) == .receiptExpired(first[0].receipt!))
        }
        #expect(store.counts("mail") == "0/2/0")
    }

    @Test func `visibility can be extended, and a message given back with a delay`() {
        var store = TimedStore()
        store.enqueue("mail", "a")
        let receipt = store.receive("mail", visibility: 500)[0].receipt!
        store.pass(400)
        #expect(
            store.queue(.extend("mail", receipt, visibility: 500))
                == .coordinated(.queue(.extended(MessageID(receipt.message), visibility: 500))))
        store.pass(499)
        #expect(store.counts("mail") == "0/1/0")
        store.queue(.giveBack("mail", receipt, delay: 100))
        #expect(store.counts("mail") == "0/0/1")
        store.pass(99)
        #expect(store.receive("mail").isEmpty)
        store.pass(1)
        #expect(store.receive("mail").map(\.attempt) == [2])
    }

    @Test func `after the last attempt a message goes to the dead letters, or is dropped and counted`() {
        var store = TimedStore()
        store.queue(.configure("mail", QueueSettings(maximumAttempts: 2, deadLetter: "dead")))
        _ = store.enqueue("mail", NewMessage(body: [1], priority: 3, timeToLive: 60_000))
        store.queue(.giveBack("mail", store.receive("mail")[0].receipt!, delay: 0))
        let last = store.receive("mail", visibility: 10)[0]
        #expect(last.attempt == 2)
        store.pass(10)
        #expect(store.counts("mail") == "0/0/0" && store.counts("dead") == "1/0/0")
        #expect(store.keyspace.queue("mail")?.dead == 1 && store.keyspace.queue("mail")?.dropped == 0)
        store.pass(100_000)
        let dead = store.receive("dead")[0]
        #expect(dead.id == last.id && dead.source == "mail" && dead.priority == 3 && dead.attempt == 1)
        store.queue(.configure("mail", QueueSettings(maximumAttempts: 1)))
        store.enqueue("mail", "x")
        #expect(
            store.queue(.giveBack("mail", store.receive("mail")[0].receipt!, delay: 0)).isDeadReturn)
        #expect(store.counts("mail") == "0/0/0" && store.keyspace.queue("mail")?.dropped == 1)
    }

    @Test func `priorities come first, and in order within`() {
        var store = TimedStore()
        store.queue(.configure("jobs", QueueSettings(order: .priority)))
        for (text, priority) in [("a", 0), ("b", 9), ("c", 0), ("d", 9), ("e", 255)] {
            store.enqueue("jobs", text, priority: UInt8(priority))
        }
        #expect(store.keyspace.peek(store.keyspace.queue("jobs")!, limit: 2).map(\.text) == ["e", "b"])
        #expect(store.receive("jobs", 5).map(\.text) == ["e", "b", "d", "a", "c"])
        let change = QueueCommand.configure("jobs", QueueSettings(order: .fifo))
        #expect(refusal(store.queue(change)) == .notEmpty("jobs"))
        store.queue(.purge("jobs"))
        #expect(refusal(store.queue(change)) == nil)
    }

    @Test func `a dedupe id is enqueued once, as long as it is among those that are remembered`() {
        var store = TimedStore()
        let message = NewMessage(body: [1], dedupe: "id-1")
        let first = store.enqueue("mail", message)
        #expect(first != nil && store.enqueue("mail", message) == first)
        #expect(store.counts("mail") == "1/0/0")
        store.queue(.acknowledge("mail", store.receive("mail")[0].receipt!))
        #expect(store.enqueue("mail", message) == first && store.counts("mail") == "0/0/0")
        store.queue(.purge("mail"))
        #expect(store.enqueue("mail", message) == first)
        #expect(store.enqueue("other", message) != first)
        store.queue(.delete("mail"))
        #expect(store.enqueue("mail", message) != first && store.counts("mail") == "1/0/0")
    }

    @Test func `the memory of dedupe ids is bounded, the newest are kept`() {
        var store = TimedStore()
        store.queue(.configure("mail", QueueSettings()))
        let first = store.enqueue("mail", NewMessage(body: [], dedupe: "first"))
        for number in 1..<Limits.dedupeCount {
            var queue = store.keyspace.coordination.queue("mail")!
            let id = MessageID(store.keyspace.coordination.nextNumber())
            store.keyspace.coordination.remember("id \(number)", id, in: &queue)
            store.keyspace.coordination.set(queue)
        }
        #expect(store.enqueue("mail", NewMessage(body: [], dedupe: "first")) == first)
        _ = store.enqueue("mail", NewMessage(body: [], dedupe: "one more"))
        #expect(store.keyspace.queue("mail")?.idCount == Limits.dedupeCount)
        #expect(store.enqueue("mail", NewMessage(body: [], dedupe: "first")) != first)
        #expect(store.counts("mail") == "3/0/0")
    }

    @Test func `delay, time to live and the greatest length are kept to`() {
        var store = TimedStore()
        store.queue(.configure("mail", QueueSettings(maximumLength: 2)))
        _ = store.enqueue("mail", NewMessage(body: [1], delay: 300, timeToLive: 1000))
        _ = store.enqueue("mail", NewMessage(body: [2], timeToLive: 1000))
        #expect(refusal(store.queue(.enqueue("mail", NewMessage(body: [3])))) == .full("mail", length: 2))
        #expect(store.counts("mail") == "1/0/1")
        store.pass(300)
        #expect(store.receive("mail", 2, visibility: 10_000).map(\.body) == [[1], [2]])
        store.pass(699)
        #expect(store.counts("mail") == "0/2/0")
        store.pass(1)
        #expect(store.counts("mail") == "0/0/0" && store.keyspace.queue("mail")?.expired == 2)
        #expect(store.deadlines.isEmpty)
    }

    @Test func `old messages are dropped within a sixteenth of the retention, however many they are`() {
        var store = TimedStore()
        store.queue(.configure("mail", QueueSettings(retention: 16_000)))
        store.enqueue("mail", "a")
        store.pass(500)
        for _ in 0..<1300 { store.enqueue("mail", "b") }
        #expect(store.deadlines.count == 1)
        store.pass(15_499)
        #expect(store.counts("mail") == "1301/0/0")
        store.pass(1000 + 5)
        #expect(store.counts("mail") == "0/0/0" && store.keyspace.queue("mail")?.expired == 1301)
        #expect(store.deadlines.isEmpty)
        store.enqueue("mail", "c")
        store.pass(10_000)
        store.queue(.configure("mail", QueueSettings(retention: 32_000)))
        store.pass(31_999)
        #expect(store.counts("mail") == "1/0/0")
        store.pass(2_001)
        #expect(store.counts("mail") == "0/0/0")
        #expect(store.keyspace.coordination.count == 2)
    }

    @Test func `purging and deleting take effect at once, and remove rows little by little`() {
        var store = TimedStore()
        for number in 0..<700 {
            _ = store.enqueue("mail", NewMessage(body: [1], timeToLive: 50_000, dedupe: "\(number)"))
        }
        let receipt = store.receive("mail")[0].receipt!
        let count = store.keyspace.coordination.count
        #expect(store.queue(.purge("mail")) == .coordinated(.queue(.purged(700))))
        #expect(count - store.keyspace.coordination.count <= 2 * Limits.sweepCount + 10)
        #expect(store.counts("mail") == "0/0/0" && store.receive("mail").isEmpty)
        #expect(refusal(store.queue(.acknowledge("mail", receipt))) == .receiptExpired(receipt))
        store.enqueue("mail", "new")
        store.pass(20)
        #expect(store.receive("mail", 5).map(\.text) == ["new"])
        #expect(store.queue(.delete("mail")) == .coordinated(.queue(.deleted(1))))
        #expect(refusal(store.queue(.purge("mail"))) == .notFound("mail"))
        store.pass(20)
        #expect(store.keyspace.coordination.count == 0 && store.keyspace.coordination.byteCount == 0)
        #expect(store.deadlines.isEmpty)
    }

    @Test func `what a request has received comes back untouched if its client is gone`() {
        var store = TimedStore()
        for text in ["a", "b", "c"] { store.enqueue("mail", text) }
        let request = store.nextRequest()
        let received = store.receive("mail", 2, id: request)
        store.queue(.acknowledge("mail", received[0].receipt!))
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(true)))
        #expect(store.counts("mail") == "2/0/0")
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(false)))
        let again = store.receive("mail", 2)
        #expect(again.map(\.text) == ["b", "c"] && again.map(\.attempt) == [1, 1])
    }

    @Test func `many bytes are received in several commands`() {
        var store = TimedStore()
        let body = [UInt8](repeating: 7, count: Limits.messageBytes)
        for _ in 0..<6 { _ = store.enqueue("mail", NewMessage(body: body)) }
        #expect(store.keyspace.peek(store.keyspace.queue("mail")!, limit: 6).count == 4)
        #expect(store.receive("mail", 6).count == 4)
        #expect(store.receive("mail", 6).count == 2)
    }

    @Test func `a transaction acknowledges, writes and enqueues together or not at all`() throws {
        var store = TimedStore()
        store.queue(.configure("out", QueueSettings(maximumLength: 2)))
        store.enqueue("in", "job")
        let receipt = store.receive("in")[0].receipt!
        let put = Transaction.Step.put(key: [97], value: [49], returnPrevious: false)
        let ack = Transaction.Step.acknowledge(queue: "in", receipt)
        let enqueue = Transaction.Step.enqueue(queue: "out", NewMessage(body: [50]))
        func refusal(_ steps: [Transaction.Step]) -> StepRefusal? {
            var copy = store
            let digest = copy.keyspace.coordination.byteCount
            guard
                case .refused(.transaction(.step(_, let refusal))) = copy.apply(
                    .transaction(Transaction(then: steps)))
            else { return nil }
            #expect(copy.keyspace.revision == store.keyspace.revision)
            #expect(copy.keyspace.coordination.byteCount == digest)
            return refusal
        }
        let wrong = Receipt(message: receipt.message, number: 1)
        #expect(refusal([put, .acknowledge(queue: "in", wrong)]) == .queue(.receiptExpired(wrong)))
        #expect(refusal([put, ack, ack]) == .queue(.receiptExpired(receipt)))
        #expect(refusal([put, .acknowledge(queue: "no", receipt)]) == .queue(.notFound("no")))
        #expect(refusal([put, ack, enqueue, enqueue, enqueue]) == .queue(.full("out", length: 2)))
        let get = Transaction.Step.get(key: [97])
        let outcome = store.apply(.transaction(Transaction(then: [enqueue, put, ack, get])))
        guard case .transaction(let told, let revision) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(revision == Revision(2) && told.results.count == 4)
        #expect(told.results[2] == .wrote(.queue(.acknowledged(MessageID(receipt.message)))))
        #expect(store.counts("in") == "0/0/0" && store.counts("out") == "1/0/0")
        #expect(refusal([ack]) == .queue(.receiptExpired(receipt)))
        let all = Operation.transaction(Transaction(then: [enqueue, put, ack, get]))
        let command = Command(
            requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3), operation: all)
        #expect(try Command(decoding: command.encode()) == command)
    }

    @Test func `what is not there is named`() {
        var store = TimedStore()
        let receipt = Receipt(message: 1, number: 2)
        for command in [
            QueueCommand.receive("q", maximum: 1, visibility: nil, consumer: ""),
            .acknowledge("q", receipt), .giveBack("q", receipt, delay: 0),
            .extend("q", receipt, visibility: 1), .purge("q"), .delete("q"),
        ] {
            #expect(refusal(store.queue(command)) == .notFound("q"))
        }
        #expect(Receipt("\(receipt)") == receipt)
        for text in ["", "1", "1-", "-1", "01-2", "1-2-3", "A-1", "+1-2", "zzzzzzzzzzzzzzzz-1"] {
            #expect(Receipt(text) == nil, "\(text)")
        }
    }

    @Test func `commands keep their binary form, and hostile bytes are refused`() throws {
        let receipt = Receipt(message: 5, number: 1 << 60)
        let commands: [CoordinationCommand] = [
            .queue(
                .configure(
                    "q",
                    QueueSettings(
                        visibility: 1, maximumAttempts: 3, deadLetter: "d", maximumLength: 7, retention: 9,
                        order: .priority))),
            .queue(
                .enqueue("q", NewMessage(body: [1, 2], priority: 9, delay: 3, timeToLive: 4, dedupe: "x"))),
            .queue(.receive("q", maximum: 100, visibility: nil, consumer: "c")),
            .queue(.receive("q", maximum: 1, visibility: 5, consumer: "")),
            .queue(.acknowledge("q", receipt)), .queue(.giveBack("q", receipt, delay: 7)),
            .queue(.extend("q", receipt, visibility: 8)), .queue(.purge("q")), .queue(.delete("q")),
            .barrier(.configure("b", BarrierTerms(parties: 3, timeToLive: 4, isOnce: true))),
            .barrier(.arrive("b", Arrival(member: "m"))),
            .barrier(.arrive("b", Arrival(member: "m", wait: 1, lease: "l", generation: 2, parties: 3))),
            .barrier(.leave("b", member: "m", wait: 9)), .barrier(.reset("b")), .barrier(.delete("b")),
        ]
        for command in commands {
            let full = Command(
                requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3),
                operation: .coordinate(command))
            let bytes = full.encode()
            #expect(try Command(decoding: bytes) == full)
            for end in 25..<bytes.count {
                #expect(throws: CommandError.self) { try Command(decoding: Array(bytes[..<end])) }
            }
            for place in 25..<bytes.count {
                var changed = bytes
                changed[place] ^= 128
                if let other = try? Command(decoding: changed) { #expect(other.encode() == changed) }
            }
        }
        for command: CoordinationCommand in [
            .queue(.configure("q", QueueSettings(deadLetter: "q"))),
            .queue(.configure("q", QueueSettings(maximumLength: 0))),
            .queue(.configure("", QueueSettings())),
            .queue(.configure("a\u{0}b", QueueSettings())),
            .queue(.enqueue("q", NewMessage(body: [UInt8](repeating: 0, count: Limits.messageBytes + 1)))),
            .queue(.enqueue("q", NewMessage(body: [], dedupe: ""))),
            .queue(.receive("q", maximum: 0, visibility: nil, consumer: "")),
            .queue(.extend("q", receipt, visibility: 0)),
            .barrier(.configure("b", BarrierTerms(parties: 0))),
            .barrier(.arrive("b", Arrival(member: ""))),
            .barrier(.arrive("b", Arrival(member: "m", parties: 5000))),
        ] {
            var store = TimedStore()
            #expect(store.apply(command) == .refused(.malformedCommand), "\(command)")
        }
    }
}

extension Outcome {
    fileprivate var isDeadReturn: Bool {
        if case .coordinated(.queue(.returned(_, isDead: true))) = self { return true }
        return false
    }
}
