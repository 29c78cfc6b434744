import Primitives

// The binary forms of queues: their commands, their rows and their timers.

extension QueueSettings {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        visibility = try reader.milliseconds(from: 1)
        guard let attempts = UInt32(exactly: try reader.varint()) else { throw .malformed }
        maximumAttempts = attempts
        deadLetter = try reader.bool() ? try reader.name() : nil
        maximumLength = try reader.count()
        retention = try reader.milliseconds(from: 0)
        guard let order = Order(rawValue: try reader.byte()), 1...Limits.queueLength ~= maximumLength else {
            throw .malformed
        }
        self.order = order
    }

    func encode(into writer: inout ByteWriter) {
        writer.signed(visibility)
        writer.varint(UInt64(maximumAttempts))
        writer.bool(deadLetter != nil)
        if let deadLetter { writer.string(deadLetter) }
        writer.varint(UInt64(maximumLength))
        writer.signed(retention)
        writer.byte(order.rawValue)
    }
}

extension NewMessage {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        body = [UInt8](try reader.sized())
        priority = try reader.byte()
        delay = try reader.milliseconds(from: 0)
        timeToLive = try reader.milliseconds(from: 0)
        dedupe = try reader.bool() ? try reader.string() : nil
        guard body.count <= Limits.messageBytes, dedupe.map(Limits.isDedupeID) ?? true else {
            throw .malformed
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.sized(body)
        writer.byte(priority)
        writer.signed(delay)
        writer.signed(timeToLive)
        writer.bool(dedupe != nil)
        if let dedupe { writer.string(dedupe) }
    }
}

extension Limits {
    /// Whether a text can be a dedupe id: 1 to ``dedupeBytes`` bytes.
    public static func isDedupeID(_ id: String) -> Bool { 1...dedupeBytes ~= id.utf8.count }
}

extension Receipt {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        message = try reader.varint()
        number = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(message)
        writer.varint(number)
    }
}

extension QueueCommand {
    private enum Code: UInt8 {
        case configure = 1
        case enqueue, receive, acknowledge, giveBack, extend, purge, delete
    }

    /// The queue that it is about.
    public var name: String {
        switch self {
        case .configure(let name, _), .enqueue(let name, _), .receive(let name, _, _, _),
            .acknowledge(let name, _), .giveBack(let name, _, _), .extend(let name, _, _), .purge(let name),
            .delete(let name):
            name
        }
    }

    private var code: Code {
        switch self {
        case .configure: .configure
        case .enqueue: .enqueue
        case .receive: .receive
        case .acknowledge: .acknowledge
        case .giveBack: .giveBack
        case .extend: .extend
        case .purge: .purge
        case .delete: .delete
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.byte(code.rawValue)
        writer.string(name)
        switch self {
        case .configure(_, let settings): settings.encode(into: &writer)
        case .enqueue(_, let message): message.encode(into: &writer)
        case .receive(_, let maximum, let visibility, let consumer):
            writer.varint(UInt64(maximum))
            writer.signed(visibility ?? 0)
            writer.string(consumer)
        case .acknowledge(_, let receipt): receipt.encode(into: &writer)
        case .giveBack(_, let receipt, let delay):
            receipt.encode(into: &writer)
            writer.signed(delay)
        case .extend(_, let receipt, let visibility):
            receipt.encode(into: &writer)
            writer.signed(visibility)
        case .purge, .delete: break
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        guard let code = Code(rawValue: try reader.byte()) else { throw .malformed }
        let name = try reader.name()
        switch code {
        case .configure:
            let settings = try QueueSettings(reading: &reader)
            guard settings.deadLetter != name else { throw .malformed }
            self = .configure(name, settings)
        case .enqueue: self = .enqueue(name, try NewMessage(reading: &reader))
        case .receive:
            let maximum = try reader.count()
            let visibility = try reader.milliseconds(from: 0)
            let consumer = try reader.string()
            guard 1...Limits.receiveCount ~= maximum, consumer.utf8.count <= Limits.nameBytes else {
                throw .malformed
            }
            self = .receive(
                name, maximum: maximum, visibility: visibility == 0 ? nil : visibility, consumer: consumer)
        case .acknowledge: self = .acknowledge(name, try Receipt(reading: &reader))
        case .giveBack:
            let receipt = try Receipt(reading: &reader)
            self = .giveBack(name, receipt, delay: try reader.milliseconds(from: 0))
        case .extend:
            let receipt = try Receipt(reading: &reader)
            self = .extend(name, receipt, visibility: try reader.milliseconds(from: 1))
        case .purge: self = .purge(name)
        case .delete: self = .delete(name)
        }
    }
}

extension Queue: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        name = try reader.string()
        settings = try QueueSettings(reading: &reader)
        ready = try reader.count()
        inFlight = try reader.count()
        delayed = try reader.count()
        dead = try reader.varint()
        dropped = try reader.varint()
        expired = try reader.varint()
        createdAt = WallTime(milliseconds: try reader.signed())
        number = try reader.varint()
        batch = try reader.varint()
        idCount = try reader.count()
        tick = try reader.varint()
        firstTick = try reader.varint()
        tickTimer = try reader.varint()
        dropTimer = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(name)
        settings.encode(into: &writer)
        for count in [ready, inFlight, delayed] { writer.varint(UInt64(count)) }
        for number in [dead, dropped, expired] { writer.varint(number) }
        writer.signed(createdAt.milliseconds)
        writer.varint(number)
        writer.varint(batch)
        writer.varint(UInt64(idCount))
        for number in [tick, firstTick, tickTimer, dropTimer] { writer.varint(number) }
    }
}

extension QueuedMessage: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = MessageID(try reader.varint())
        switch try reader.byte() {
        case 1: state = .ready
        case 2: state = .delayed(timer: try reader.varint())
        case 3:
            state = .inFlight(
                receipt: try reader.varint(), timer: try reader.varint(),
                request: RequestID(high: try reader.fixed(), low: try reader.fixed()),
                consumer: try reader.string())
        default: throw .malformed
        }
        priority = try reader.byte()
        guard let attempts = UInt32(exactly: try reader.varint()) else { throw .malformed }
        self.attempts = attempts
        enqueuedAt = WallTime(milliseconds: try reader.signed())
        tick = try reader.varint()
        endTimer = try reader.varint()
        source = try reader.bool() ? try reader.string() : nil
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(id.number)
        switch state {
        case .ready: writer.byte(1)
        case .delayed(let timer):
            writer.byte(2)
            writer.varint(timer)
        case .inFlight(let receipt, let timer, let request, let consumer):
            writer.byte(3)
            writer.varint(receipt)
            writer.varint(timer)
            writer.fixed(request.high)
            writer.fixed(request.low)
            writer.string(consumer)
        }
        writer.byte(priority)
        writer.varint(UInt64(attempts))
        writer.signed(enqueuedAt.milliseconds)
        writer.varint(tick)
        writer.varint(endTimer)
        writer.bool(source != nil)
        if let source { writer.string(source) }
    }
}

extension QueueTimer {
    /// Reads what follows the timer's code.
    init(_ code: UInt8, reading reader: inout ByteReader) throws(ByteReaderError) {
        let first = try reader.varint()
        switch code {
        case 20: self = .message(batch: first, number: try reader.varint())
        case 21: self = .end(batch: first, number: try reader.varint())
        case 22: self = .tick(batch: first)
        case 23: self = .drop(batch: first)
        case 24: self = .sweep(batch: first)
        case 25: self = .sweepIDs(queue: first)
        default: throw .malformed
        }
    }

    /// Writes the timer's code, 20 to 29, and what follows it.
    func encode(into writer: inout ByteWriter) {
        let (code, first, second): (UInt8, UInt64, UInt64?) =
            switch self {
            case .message(let batch, let number): (20, batch, number)
            case .end(let batch, let number): (21, batch, number)
            case .tick(let batch): (22, batch, nil)
            case .drop(let batch): (23, batch, nil)
            case .sweep(let batch): (24, batch, nil)
            case .sweepIDs(let queue): (25, queue, nil)
            }
        writer.byte(code)
        writer.varint(first)
        if let second { writer.varint(second) }
    }
}

extension ByteReader {
    /// The name of a thing.
    mutating func name() throws(ByteReaderError) -> String {
        let name = try string()
        guard Limits.isName(name) else { throw .malformed }
        return name
    }

    /// A length of time that queues and barriers take.
    mutating func milliseconds(from least: Int64) throws(ByteReaderError) -> Int64 {
        let milliseconds = try signed()
        guard least...Limits.queueMilliseconds ~= milliseconds else { throw .malformed }
        return milliseconds
    }
}
