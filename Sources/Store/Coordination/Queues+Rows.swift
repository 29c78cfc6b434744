import Primitives

// The rows of queues and the changes that they take. Each change of a message's state costs a few rows, each
// found in the time that a map with that many rows takes.

extension RowKey {
    static func messages(_ queue: Queue) -> RowKey { RowKey(.message, queue.batch) }

    static func message(_ queue: Queue, _ number: UInt64) -> RowKey {
        RowKey(.message, queue.batch).followed(by: number)
    }

    static func body(_ queue: Queue, _ number: UInt64) -> RowKey {
        RowKey(.messageBody, queue.batch).followed(by: number)
    }

    static func ready(_ queue: Queue) -> RowKey { RowKey(.readyMessage, queue.batch) }

    /// The place of a message among those that are ready: they are handed out in the order of these rows.
    static func ready(_ queue: Queue, _ number: UInt64, _ message: QueuedMessage) -> RowKey {
        let rank = queue.settings.order == .priority ? UInt64(UInt8.max - message.priority) : 0
        return ready(queue).followed(by: rank).followed(by: number)
    }

    static func dedupe(_ queue: Queue, _ id: String) -> RowKey {
        RowKey(bytes: RowKey(.messageID, queue.number).bytes + Array(id.utf8))
    }

    /// The messages in flight that a request has received.
    static func handouts(_ request: RequestID) -> RowKey {
        RowKey(.handout, request.high).followed(by: request.low)
    }

    static func handout(_ request: RequestID, _ batch: UInt64, _ number: UInt64) -> RowKey {
        handouts(request).followed(by: batch).followed(by: number)
    }

    func followed(by number: UInt64) -> RowKey {
        var key = self
        key.append(number)
        return key
    }
}

extension QueuedMessage {
    func shown(body: [UInt8], receipt: Receipt?) -> ReceivedMessage {
        ReceivedMessage(
            id: id, receipt: receipt, body: body, attempt: attempts, enqueuedAt: enqueuedAt,
            priority: priority, source: source)
    }
}

extension Coordination {
    func queue(_ name: String) -> Queue? { value(RowKey(.queue, name)) }

    /// The queue whose messages stand under this number; nil if they were given up.
    private func queue(ofBatch batch: UInt64) -> Queue? {
        bytes(RowKey(.queueBatch, batch)).flatMap { queue(String(decoding: $0, as: UTF8.self)) }
    }

    mutating func set(_ queue: Queue) { set(RowKey(.queue, queue.name), queue) }

    mutating func makeQueue(_ name: String, _ settings: QueueSettings, at time: WallTime) -> Queue {
        let queue = Queue(
            name: name, settings: settings, createdAt: time, number: nextNumber(), batch: nextNumber())
        set(queue)
        set(RowKey(.queueBatch, queue.batch), bytes: Array(name.utf8))
        return queue
    }

    func message(_ number: UInt64, in queue: Queue) -> QueuedMessage? { value(.message(queue, number)) }

    /// The message that a receipt entitles to; nil if it does not any more.
    func message(_ receipt: Receipt, in queue: Queue) -> QueuedMessage? {
        guard let message = message(receipt.message, in: queue),
            case .inFlight(let number, _, _, _) = message.state,
            number == receipt.number || isPlanted(.oldReceiptCounts)
        else { return nil }
        return message
    }

    // MARK: - Messages

    /// Adds a message; the caller stores the queue.
    mutating func insert(
        _ number: UInt64, _ message: QueuedMessage, body: [UInt8], into queue: inout Queue, delay: Int64
    ) {
        set(.body(queue, number), bytes: body)
        place(number, message, in: &queue, delay: delay)
        startTicks(of: &queue)
    }

    /// Makes a message ready, at once or after a delay. It has no place now.
    private mutating func place(
        _ number: UInt64, _ message: QueuedMessage, in queue: inout Queue, delay: Int64
    ) {
        var message = message
        if delay > 0 {
            let timer = arm(.queue(.message(batch: queue.batch, number: number)), milliseconds: delay)
            message.state = .delayed(timer: timer)
            queue.delayed += 1
        } else {
            message.state = .ready
            queue.ready += 1
            set(.ready(queue, number, message))
            let changed = News.changed(RowKey(.queue, queue.name))
            if news.last != changed { news.append(changed) }
        }
        set(.message(queue, number), message)
    }

    /// Takes a message out of the place that it has; its row still says so.
    private mutating func displace(_ number: UInt64, _ message: QueuedMessage, in queue: inout Queue) {
        switch message.state {
        case .ready:
            if !isPlanted(.handsOutTwice) { remove(.ready(queue, number, message)) }
            queue.ready -= 1
        case .delayed(let timer):
            disarm(timer)
            queue.delayed -= 1
        case .inFlight(_, let timer, let request, _):
            disarm(timer)
            forget(request, queue.batch, number)
            queue.inFlight -= 1
        }
    }

    /// Removes a message; the caller stores the queue.
    mutating func erase(_ number: UInt64, _ message: QueuedMessage, from queue: inout Queue) {
        displace(number, message, in: &queue)
        disarm(message.endTimer)
        remove(.message(queue, number))
        remove(.body(queue, number))
        if queue.count == 0 { stopTicks(of: &queue) }
    }

    /// Hands out messages and stores the queue.
    mutating func receive(
        from queue: inout Queue, maximum: Int, visibility: Int64?, consumer: String, id: RequestID
    ) -> [ReceivedMessage] {
        var messages: [ReceivedMessage] = []
        var byteCount = 0
        for key in keys(.ready(queue), limit: maximum) {
            let number = key.lastNumber
            guard var message = message(number, in: queue) else {
                preconditionFailure("a message that is ready does not exist: \(key)")
            }
            let body = bytes(.body(queue, number)) ?? []
            byteCount += body.count
            if !messages.isEmpty, byteCount > Limits.receiveBytes { break }
            displace(number, message, in: &queue)
            message.attempts = message.attempts == .max ? .max : message.attempts + 1
            let receipt = Receipt(message: number, number: nextNumber())
            let timer = arm(
                .queue(.message(batch: queue.batch, number: number)),
                milliseconds: (visibility ?? queue.settings.visibility)
                    / (isPlanted(.halvesVisibility) ? 2 : 1))
            message.state = .inFlight(receipt: receipt.number, timer: timer, request: id, consumer: consumer)
            queue.inFlight += 1
            set(.handout(id, queue.batch, number))
            set(.message(queue, number), message)
            messages.append(message.shown(body: body, receipt: receipt))
        }
        guard !messages.isEmpty else { return [] }
        note(id, in: .handouts(id))
        set(queue)
        return messages
    }

    mutating func extend(
        _ number: UInt64, _ message: inout QueuedMessage, of queue: Queue, visibility: Int64
    ) {
        guard case .inFlight(let receipt, let timer, let request, let consumer) = message.state else {
            return
        }
        disarm(timer)
        let next = arm(.queue(.message(batch: queue.batch, number: number)), milliseconds: visibility)
        message.state = .inFlight(receipt: receipt, timer: next, request: request, consumer: consumer)
        set(.message(queue, number), message)
    }

    /// A message in flight comes back; the caller stores the queue. True if it has used up its attempts.
    mutating func giveBack(
        _ number: UInt64, _ message: QueuedMessage, to queue: inout Queue, delay: Int64, at time: WallTime
    ) -> Bool {
        let most = queue.settings.maximumAttempts
        if most > 0, message.attempts >= most {
            bury(number, message, of: &queue, at: time)
            return true
        }
        displace(number, message, in: &queue)
        place(number, message, in: &queue, delay: delay)
        return false
    }

    /// Moves a message to the queue of the dead, which takes it however full it is: nothing is lost there.
    private mutating func bury(
        _ number: UInt64, _ message: QueuedMessage, of queue: inout Queue, at time: WallTime
    ) {
        queue.dead += 1
        let body = bytes(.body(queue, number)) ?? []
        erase(number, message, from: &queue)
        guard let name = queue.settings.deadLetter, !isPlanted(.buriesNowhere) else {
            if isPlanted(.buriesNowhere) { return }
            queue.dropped += 1
            return
        }
        var grave = self.queue(name) ?? makeQueue(name, QueueSettings(), at: time)
        var dead = message
        (dead.attempts, dead.tick, dead.endTimer, dead.source) = (0, grave.tick, 0, queue.name)
        insert(nextNumber(), dead, body: body, into: &grave, delay: 0)
        set(grave)
    }

    /// A message that a request has received is in flight no more.
    private mutating func forget(_ request: RequestID, _ batch: UInt64, _ number: UInt64) {
        remove(.handout(request, batch, number))
        if first(.handouts(request)) == nil { forget(request) }
    }

    /// Whoever sent this request has never seen what it received: it comes back, as if never handed out.
    mutating func abandonReceive(_ handouts: RowKey) -> Bool {
        var count = 0
        for key in keys(handouts) {
            let number = key.lastNumber
            let batch = RowKey(bytes: Array(key.bytes.dropLast(8))).lastNumber
            guard var queue = queue(ofBatch: batch), var message = message(number, in: queue) else {
                continue
            }
            displace(number, message, in: &queue)
            message.attempts -= 1
            place(number, message, in: &queue, delay: 0)
            set(queue)
            count += 1
        }
        return count > 0
    }

    // MARK: - Dedupe ids

    /// The message that was enqueued with a dedupe id, if the queue remembers it.
    func message(withDedupeID id: String, in queue: Queue) -> MessageID? {
        bytes(.dedupe(queue, id)).map { MessageID(RowKey(bytes: $0).lastNumber) }
    }

    /// Remembers a dedupe id, and forgets the oldest if there are too many.
    mutating func remember(_ dedupe: String, _ id: MessageID, in queue: inout Queue) {
        set(.dedupe(queue, dedupe), bytes: RowKey(.messageID, id.number).bytes)
        set(RowKey(.dedupeOrder, queue.number).followed(by: id.number), bytes: Array(dedupe.utf8))
        queue.idCount += 1
        guard queue.idCount > Limits.dedupeCount, let oldest = first(RowKey(.dedupeOrder, queue.number))
        else { return }
        remove(oldest.key)
        remove(.dedupe(queue, String(decoding: oldest.value, as: UTF8.self)))
        queue.idCount -= 1
    }

    // MARK: - Retention

    private mutating func startTicks(of queue: inout Queue) {
        guard queue.settings.retention > 0, queue.tickTimer == 0 else { return }
        let ticks = Int64(Limits.ticks)
        queue.tickTimer = arm(
            .queue(.tick(batch: queue.batch)), milliseconds: (queue.settings.retention + ticks - 1) / ticks)
    }

    private mutating func stopTicks(of queue: inout Queue) {
        disarm(queue.tickTimer)
        disarm(queue.dropTimer)
        (queue.tickTimer, queue.dropTimer) = (0, 0)
    }

    /// The time of all messages begins anew; the caller stores the queue.
    mutating func restartRetention(of queue: inout Queue) {
        stopTicks(of: &queue)
        queue.firstTick = queue.tick
        if queue.count > 0 { startTicks(of: &queue) }
    }

    /// Drops what was there for the whole retention: for all ticks after the one that it came in. Stores the
    /// queue.
    private mutating func dropOld(of queue: inout Queue) {
        let keys = keys(.messages(queue), limit: Limits.sweepCount)
        var count = 0
        for key in keys {
            guard let message = value(key, as: QueuedMessage.self),
                max(message.tick, queue.firstTick) + Limits.ticks < queue.tick
            else { break }
            erase(key.lastNumber, message, from: &queue)
            queue.expired += 1
            count += 1
        }
        if count == Limits.sweepCount, queue.count > 0, queue.dropTimer == 0 {
            queue.dropTimer = arm(.queue(.drop(batch: queue.batch)), milliseconds: 1)
        }
        set(queue)
    }

    // MARK: - Removal of everything

    /// Removes all messages and stores the queue; returns how many there were.
    mutating func purge(_ queue: inout Queue) -> Int {
        let count = queue.count
        guard count > 0 else { return 0 }
        giveUpBatch(of: &queue)
        queue.batch = nextNumber()
        set(RowKey(.queueBatch, queue.batch), bytes: Array(queue.name.utf8))
        set(queue)
        return count
    }

    /// Removes a queue; returns how many messages there were.
    mutating func delete(_ queue: Queue) -> Int {
        var queue = queue
        let count = queue.count
        giveUpBatch(of: &queue)
        remove(RowKey(.queue, queue.name))
        news.append(.changed(RowKey(.queue, queue.name)))
        sweepIDs(ofQueue: queue.number)
        return count
    }

    private mutating func giveUpBatch(of queue: inout Queue) {
        stopTicks(of: &queue)
        (queue.ready, queue.inFlight, queue.delayed) = (0, 0, 0)
        remove(RowKey(.queueBatch, queue.batch))
        sweep(queue.batch)
    }

    /// Removes rows of a batch that was given up, and goes on in a later command if there are more.
    private mutating func sweep(_ batch: UInt64) {
        var left = Limits.sweepCount
        for kind in [RowKind.readyMessage, .messageBody, .message] {
            for key in keys(RowKey(kind, batch), limit: left) {
                if kind == .message, let message = value(key, as: QueuedMessage.self) {
                    disarm(message.endTimer)
                    switch message.state {
                    case .ready: break
                    case .delayed(let timer): disarm(timer)
                    case .inFlight(_, let timer, let request, _):
                        disarm(timer)
                        forget(request, batch, key.lastNumber)
                    }
                }
                remove(key)
                left -= 1
            }
        }
        if left == 0 { _ = arm(.queue(.sweep(batch: batch)), milliseconds: 1) }
    }

    private mutating func sweepIDs(ofQueue number: UInt64) {
        var left = Limits.sweepCount
        for kind in [RowKind.messageID, .dedupeOrder] {
            for key in keys(RowKey(kind, number), limit: left) {
                remove(key)
                left -= 1
            }
        }
        if left == 0 { _ = arm(.queue(.sweepIDs(queue: number)), milliseconds: 1) }
    }

    // MARK: - Timers

    /// A timer has run out, which is taken out already.
    mutating func fire(_ timer: QueueTimer, at time: WallTime) {
        switch timer {
        case .message(let batch, let number):
            guard var queue = queue(ofBatch: batch), let message = message(number, in: queue) else { return }
            if case .inFlight = message.state {
                _ = giveBack(number, message, to: &queue, delay: 0, at: time)
            } else {
                displace(number, message, in: &queue)
                place(number, message, in: &queue, delay: 0)
            }
            set(queue)
        case .end(let batch, let number):
            guard var queue = queue(ofBatch: batch), let message = message(number, in: queue) else { return }
            erase(number, message, from: &queue)
            queue.expired += 1
            set(queue)
        case .tick(let batch):
            guard var queue = queue(ofBatch: batch) else { return }
            (queue.tick, queue.tickTimer) = (queue.tick + 1, 0)
            startTicks(of: &queue)
            dropOld(of: &queue)
        case .drop(let batch):
            guard var queue = queue(ofBatch: batch) else { return }
            queue.dropTimer = 0
            dropOld(of: &queue)
        case .sweep(let batch): sweep(batch)
        case .sweepIDs(let queue): sweepIDs(ofQueue: queue)
        }
    }
}
