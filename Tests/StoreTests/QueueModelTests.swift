import Primitives
import Testing

@testable import Store

/// Queues as anyone would write them who had no care for speed: lists that are searched.
private struct NaiveQueues {
    struct Message {
        enum State { case ready, delayed, inFlight }
        var body: [UInt8]
        var priority: UInt8
        var state = State.ready
        var attempts: UInt32 = 0
        /// When the delay or the visibility ends.
        var due: Int64 = .max
        var end: Int64 = .max
        var receipt: Receipt?
        var request: RequestID?
        var source: String?
        /// When the timer of `due` was started, among all.
        var armed = 0
    }
    struct Queue {
        var settings = QueueSettings()
        var messages: [Message] = []
        var ids: Set<String> = []
        var dead: UInt64 = 0
        var dropped: UInt64 = 0
        var expired: UInt64 = 0
    }

    var queues: [String: Queue] = [:]
    var arms = 0

    mutating func arm() -> Int {
        arms += 1
        return arms
    }

    /// The messages that are ready, in the order in which they are handed out.
    func ready(_ name: String) -> [Message] {
        guard let queue = queues[name] else { return [] }
        let ready = queue.messages.filter { $0.state == .ready }
        guard queue.settings.order == .priority else { return ready }
        return ready.enumerated().sorted {
            ($1.element.priority, $0.offset) < ($0.element.priority, $1.offset)
        }.map(\.element)
    }

    mutating func change(_ name: String, _ body: [UInt8], _ change: (inout Message) -> Void) {
        guard let place = queues[name]?.messages.firstIndex(where: { $0.body == body }) else { return }
        change(&queues[name]!.messages[place])
    }

    mutating func remove(_ name: String, _ body: [UInt8]) -> Message? {
        guard let place = queues[name]?.messages.firstIndex(where: { $0.body == body }) else { return nil }
        return queues[name]!.messages.remove(at: place)
    }

    func find(_ receipt: Receipt, in name: String) -> Message? {
        queues[name]?.messages.first { $0.state == .inFlight && $0.receipt == receipt }
    }

    mutating func giveBack(_ name: String, _ body: [UInt8], delay: Int64, now: Int64) {
        guard let queue = queues[name], let message = queue.messages.first(where: { $0.body == body }) else {
            return
        }
        let most = queue.settings.maximumAttempts
        guard most > 0, message.attempts >= most else {
            let order = arm()
            return change(name, body) { message in
                message.receipt = nil
                message.request = nil
                message.state = delay > 0 ? .delayed : .ready
                message.due = delay > 0 ? now + delay : .max
                message.armed = order
            }
        }
        _ = remove(name, body)
        queues[name]!.dead += 1
        guard let grave = queue.settings.deadLetter else {
            queues[name]!.dropped += 1
            return
        }
        let dead = Message(body: body, priority: message.priority, source: name)
        queues[grave, default: Queue()].messages.append(dead)
    }

    /// Carries out all that is due up to a time.
    mutating func pass(until end: Int64) {
        while true {
            var next: (time: Int64, armed: Int, name: String, body: [UInt8], isEnd: Bool)?
            for (name, queue) in queues {
                for message in queue.messages {
                    for (time, armed, isEnd) in [
                        (message.due, message.armed, false), (message.end, 0, true),
                    ] where time <= end {
                        if let next, (next.time, next.armed) <= (time, armed) { continue }
                        next = (time, armed, name, message.body, isEnd)
                    }
                }
            }
            guard let next else { return }
            if next.isEnd {
                _ = remove(next.name, next.body)
                queues[next.name]!.expired += 1
            } else {
                let state = queues[next.name]!.messages.first { $0.body == next.body }!.state
                if state == .inFlight {
                    giveBack(next.name, next.body, delay: 0, now: next.time)
                } else {
                    change(next.name, next.body) {
                        $0.state = .ready
                        $0.due = .max
                    }
                }
            }
        }
    }
}

/// Random commands on a store and on the model, compared after each.
private struct QueueTrial {
    var store = TimedStore()
    var model = NaiveQueues()
    var random: TestRandom
    var receipts: [(queue: String, receipt: Receipt)] = []
    var requests: [RequestID] = []
    var bodies = 0
    /// How often messages were handed out, dead and expired: so that the trial is known to try something.
    var received = 0

    static let names = ["a", "b", "dead"]

    init(seed: UInt64) { random = TestRandom(seed: seed) }

    // Everything but a time to live is a multiple of 10 ms, so that no two different things are due at once.
    mutating func step() {
        let name = Self.names[random.below(3)]
        switch random.below(100) {
        case 0..<38: enqueue(name)
        case 38..<62: receive(name)
        case 62..<74: useReceipt { .acknowledge($0, $1) }
        case 74..<80:
            let delay = Int64(random.below(3) * 50)
            useReceipt { .giveBack($0, $1, delay: delay) }
        case 80..<84:
            let visibility = Int64(10 + random.below(20) * 10)
            useReceipt { .extend($0, $1, visibility: visibility) }
        case 84..<86: configure(name)
        case 86: purge(name)
        case 87 where random.below(3) == 0: delete(name)
        case 88: abandon()
        default:
            let time = Int64(10 + random.below(12) * 10)
            model.pass(until: store.now + time)
            store.pass(time)
        }
    }

    mutating func enqueue(_ name: String) {
        bodies += 1
        let body = Array("\(bodies)".utf8)
        var message = NewMessage(body: body, priority: UInt8(random.below(3)))
        if random.below(5) == 0 { message.delay = Int64(10 + random.below(10) * 10) }
        if random.below(5) == 0 { message.timeToLive = Int64(103 + random.below(40) * 10) }
        if random.below(4) == 0 { message.dedupe = "d\(random.below(40))" }
        let outcome = store.queue(.enqueue(name, message))
        let queue = model.queues[name] ?? NaiveQueues.Queue()
        let isKnown = message.dedupe.map { queue.ids.contains($0) } ?? false
        guard isKnown || queue.messages.count < queue.settings.maximumLength else {
            let full = QueueRefusal.full(name, length: queue.settings.maximumLength)
            #expect(outcome == .refused(.queue(full)))
            return
        }
        guard case .coordinated(.queue(.enqueued(_, let isNew, _))) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(isNew == !isKnown)
        if isKnown { return }
        var kept = NaiveQueues.Message(body: body, priority: message.priority)
        if message.delay > 0 {
            kept.state = .delayed
            kept.due = store.now + message.delay
            kept.armed = model.arm()
        }
        if message.timeToLive > 0 { kept.end = store.now + message.timeToLive }
        model.queues[name, default: NaiveQueues.Queue()].messages.append(kept)
        if let id = message.dedupe { model.queues[name]!.ids.insert(id) }
    }

    mutating func receive(_ name: String) {
        let maximum = 1 + random.below(4)
        let visibility: Int64? = random.below(2) == 0 ? nil : Int64(10 + random.below(20) * 10)
        let request = store.nextRequest()
        let messages = store.receive(name, maximum, visibility: visibility, id: request)
        let expected = model.ready(name).prefix(maximum)
        #expect(messages.map(\.body) == expected.map(\.body))
        #expect(messages.map(\.attempt) == expected.map { $0.attempts + 1 })
        #expect(messages.map(\.source) == expected.map(\.source))
        for message in messages {
            let until = store.now + (visibility ?? model.queues[name]!.settings.visibility)
            let order = model.arm()
            model.change(name, message.body) {
                $0.state = .inFlight
                $0.attempts += 1
                $0.due = until
                $0.receipt = message.receipt
                $0.request = request
                $0.armed = order
            }
            receipts.append((name, message.receipt!))
        }
        requests.append(request)
        received += messages.count
    }

    /// Uses one of the newest receipts, valid or not.
    mutating func useReceipt(_ make: (String, Receipt) -> QueueCommand) {
        guard !receipts.isEmpty else { return }
        let (name, receipt) = receipts[receipts.count - 1 - random.below(min(12, receipts.count))]
        let outcome = store.queue(make(name, receipt))
        guard model.queues[name] != nil else {
            #expect(outcome == .refused(.queue(.notFound(name))))
            return
        }
        guard let message = model.find(receipt, in: name) else {
            #expect(outcome == .refused(.queue(.receiptExpired(receipt))))
            return
        }
        switch make(name, receipt) {
        case .acknowledge: _ = model.remove(name, message.body)
        case .giveBack(_, _, let delay):
            model.giveBack(name, message.body, delay: delay, now: store.now)
        case .extend(_, _, let visibility):
            let (until, order) = (store.now + visibility, model.arm())
            model.change(name, message.body) {
                $0.due = until
                $0.armed = order
            }
        default: break
        }
        if case .refused = outcome { Issue.record("a valid receipt was refused: \(outcome)") }
    }

    mutating func configure(_ name: String) {
        var settings = QueueSettings(visibility: Int64(10 + random.below(10) * 10))
        settings.maximumAttempts = UInt32(random.below(4))
        if name != "dead", random.below(2) == 0 { settings.deadLetter = "dead" }
        settings.maximumLength = 3 + random.below(60)
        settings.order = random.below(2) == 0 ? .fifo : .priority
        let queue = model.queues[name]
        if let queue, !queue.messages.isEmpty { settings.order = queue.settings.order }
        guard case .coordinated(.queue(.configured(_, let isNew))) = store.queue(.configure(name, settings))
        else {
            Issue.record("refused")
            return
        }
        #expect(isNew == (queue == nil))
        model.queues[name, default: NaiveQueues.Queue()].settings = settings
    }

    mutating func purge(_ name: String) {
        let count = model.queues[name]?.messages.count
        let expected = count.map { Outcome.queue(.purged($0)) } ?? .refused(.queue(.notFound(name)))
        #expect(store.queue(.purge(name)) == expected)
        model.queues[name]?.messages = []
    }

    mutating func delete(_ name: String) {
        let count = model.queues[name]?.messages.count
        let expected = count.map { Outcome.queue(.deleted($0)) } ?? .refused(.queue(.notFound(name)))
        #expect(store.queue(.delete(name)) == expected)
        model.queues[name] = nil
    }

    mutating func abandon() {
        guard let request = requests.popLast() else { return }
        var isHeld = false
        for name in Self.names {
            for message in model.queues[name]?.messages ?? [] where message.request == request {
                isHeld = true
                model.change(name, message.body) {
                    $0.state = .ready
                    $0.attempts -= 1
                    ($0.due, $0.receipt, $0.request) = (.max, nil, nil)
                }
            }
        }
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(isHeld)))
    }

    func compare() {
        #expect(store.keyspace.queues(limit: 10).map(\.name) == model.queues.keys.sorted())
        for (name, expected) in model.queues {
            guard let queue = store.keyspace.queue(name) else { continue }
            func count(_ state: NaiveQueues.Message.State) -> Int {
                expected.messages.count { $0.state == state }
            }
            #expect(queue.ready == count(.ready))
            #expect(queue.inFlight == count(.inFlight))
            #expect(queue.delayed == count(.delayed))
            #expect(queue.dead == expected.dead)
            #expect(queue.dropped == expected.dropped)
            #expect(queue.expired == expected.expired)
            #expect(store.keyspace.peek(queue, limit: 100).map(\.body) == model.ready(name).map(\.body))
        }
    }
}

@Suite struct QueueModelTests {
    @Test(arguments: 1...5) func `queues agree with lists that are searched`(seed: UInt64) throws {
        var trial = QueueTrial(seed: seed)
        for step in 0..<1500 {
            trial.step()
            trial.compare()
            if step % 50 == 0 {
                let isSame = try trial.store.restore()
                #expect(isSame)
            }
        }
        let queues = trial.model.queues.values
        #expect(trial.received > 200 && queues.contains { $0.dead > 0 } && queues.contains { $0.expired > 0 })
        for name in QueueTrial.names { trial.delete(name) }
        trial.store.pass(100)
        #expect(trial.store.keyspace.coordination.count == 0, "something is left over")
        #expect(trial.store.keyspace.coordination.byteCount == 0 && trial.store.deadlines.isEmpty)
    }
}
