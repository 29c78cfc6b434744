public import Primitives

// What commands do to queues.

extension Keyspace {
    mutating func carryOut(_ command: QueueCommand, id: RequestID) -> Outcome {
        switch command {
        case .configure(let name, let settings): return configure(name, settings)
        case .enqueue(let name, let message): return enqueue(message, in: name)
        case .receive(let name, let maximum, let visibility, let consumer):
            guard var queue = coordination.queue(name) else { return .refused(.queue(.notFound(name))) }
            return .queue(
                .received(
                    coordination.receive(
                        from: &queue, maximum: maximum, visibility: visibility, consumer: consumer, id: id)))
        case .acknowledge(let name, let receipt):
            return withMessage(receipt, in: name) { coordination, queue, message in
                if !isPlanted(.acknowledgesNothing) {
                    coordination.erase(receipt.message, message, from: &queue)
                }
                return .acknowledged(message.id)
            }
        case .giveBack(let name, let receipt, let delay):
            let time = lastTime
            return withMessage(receipt, in: name) { coordination, queue, message in
                let isDead = coordination.giveBack(
                    receipt.message, message, to: &queue, delay: delay, at: time)
                return .returned(message.id, isDead: isDead)
            }
        case .extend(let name, let receipt, let visibility):
            return withMessage(receipt, in: name) { coordination, queue, message in
                var message = message
                coordination.extend(receipt.message, &message, of: queue, visibility: visibility)
                return .extended(message.id, visibility: visibility)
            }
        case .purge(let name):
            guard var queue = coordination.queue(name) else { return .refused(.queue(.notFound(name))) }
            return .queue(.purged(coordination.purge(&queue)))
        case .delete(let name):
            guard let queue = coordination.queue(name) else { return .refused(.queue(.notFound(name))) }
            return .queue(.deleted(coordination.delete(queue)))
        }
    }

    private mutating func configure(_ name: String, _ settings: QueueSettings) -> Outcome {
        guard var queue = coordination.queue(name) else {
            guard hasRoom else { return .refused(.coordination(.full)) }
            let queue = coordination.makeQueue(name, settings, at: lastTime)
            return .queue(.configured(queue, isNew: true))
        }
        guard settings.order == queue.settings.order || queue.count == 0 else {
            return .refused(.queue(.notEmpty(name)))
        }
        let old = queue.settings
        queue.settings = settings
        if settings.retention != old.retention { coordination.restartRetention(of: &queue) }
        coordination.set(queue)
        return .queue(.configured(queue, isNew: false))
    }

    /// Why a message can't be enqueued after so many others; nil if it can.
    func refusal(of message: NewMessage, in name: String, after others: Int = 0) -> Refusal? {
        let queue = coordination.queue(name)
        if let queue, let id = message.dedupe, coordination.message(withDedupeID: id, in: queue) != nil {
            return nil
        }
        if !hasRoom { return .coordination(.full) }
        let length = queue?.settings.maximumLength ?? QueueSettings().maximumLength
        guard (queue?.count ?? 0) + others >= length else { return nil }
        return .queue(.full(name, length: length))
    }

    private mutating func enqueue(_ message: NewMessage, in name: String) -> Outcome {
        if let refusal = refusal(of: message, in: name) { return .refused(refusal) }
        return .queue(add(message, to: name))
    }

    /// Enqueues a message that nothing speaks against.
    mutating func add(_ message: NewMessage, to name: String) -> QueueOutcome {
        var queue =
            coordination.queue(name) ?? coordination.makeQueue(name, QueueSettings(), at: lastTime)
        if let dedupe = message.dedupe, let id = coordination.message(withDedupeID: dedupe, in: queue) {
            return .enqueued(id: id, isNew: false, revision: revision)
        }
        let number = coordination.nextNumber()
        var row = QueuedMessage(
            id: MessageID(number), state: .ready, priority: message.priority, enqueuedAt: lastTime,
            tick: queue.tick)
        if message.timeToLive > 0 {
            let target = QueueTimer.end(batch: queue.batch, number: number)
            row.endTimer = coordination.arm(.queue(target), milliseconds: message.timeToLive)
        }
        if let dedupe = message.dedupe { coordination.remember(dedupe, row.id, in: &queue) }
        coordination.insert(number, row, body: message.body, into: &queue, delay: message.delay)
        coordination.set(queue)
        return .enqueued(id: row.id, isNew: true, revision: revision)
    }

    private mutating func withMessage(
        _ receipt: Receipt, in name: String,
        _ body: (inout Coordination, inout Queue, QueuedMessage) -> QueueOutcome
    ) -> Outcome {
        guard var queue = coordination.queue(name) else { return .refused(.queue(.notFound(name))) }
        guard let message = coordination.message(receipt, in: queue) else {
            return .refused(.queue(.receiptExpired(receipt)))
        }
        let outcome = body(&coordination, &queue, message)
        coordination.set(queue)
        return .queue(outcome)
    }

    mutating func fire(_ timer: QueueTimer) { coordination.fire(timer, at: lastTime) }
}

extension Outcome {
    static func queue(_ outcome: QueueOutcome) -> Outcome { .coordinated(.queue(outcome)) }
}

extension Refusal {
    static func queue(_ refusal: QueueRefusal) -> Refusal { .coordination(.queue(refusal)) }
}

// MARK: - Reads

extension Keyspace {
    /// The queue with this name, nil if there is none.
    public func queue(_ name: String) -> Queue? { coordination.queue(name) }

    /// Queues in the order of their names, from the one after `cursor` on.
    public func queues(after cursor: String? = nil, limit: Int) -> [Queue] {
        var queues: [Queue] = []
        let last = cursor.map { RowKey(.queue, $0) }
        coordination.forEach(RowKey(.queue), after: last) { _, value in
            guard queues.count < limit else { return false }
            queues.append(Coordination.decode(value))
            return true
        }
        return queues
    }

    /// The first messages that would be handed out, at most `limit` and about ``Limits/receiveBytes``.
    public func peek(_ queue: Queue, limit: Int) -> [ReceivedMessage] {
        var messages: [ReceivedMessage] = []
        var bytes = 0
        for key in coordination.keys(.ready(queue), limit: limit) {
            let number = key.lastNumber
            guard let message = coordination.message(number, in: queue) else { continue }
            let body = coordination.bytes(.body(queue, number)) ?? []
            bytes += body.count
            if !messages.isEmpty, bytes > Limits.receiveBytes { break }
            messages.append(message.shown(body: body, receipt: nil))
        }
        return messages
    }

    /// When the oldest message of a queue was enqueued, by the log's time; nil if it is empty.
    public func oldestMessage(of queue: Queue) -> WallTime? {
        guard let (_, value) = coordination.first(.messages(queue)) else { return nil }
        let message: QueuedMessage = Coordination.decode(value)
        return message.enqueuedAt
    }
}
