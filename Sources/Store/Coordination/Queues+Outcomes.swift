import Primitives

// The binary form of what became of queues and messages, for those who ask again.

extension QueueOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .configured(let queue, let isNew):
            writer.byte(1)
            queue.encode(into: &writer)
            writer.bool(isNew)
        case .enqueued(let id, let isNew, let revision):
            writer.byte(2)
            writer.varint(id.number)
            writer.bool(isNew)
            writer.counter(revision)
        case .received(let messages):
            writer.byte(3)
            writer.list(messages) { $0.encode(into: &$1) }
        case .acknowledged(let id):
            writer.byte(4)
            writer.varint(id.number)
        case .returned(let id, let isDead):
            writer.byte(5)
            writer.varint(id.number)
            writer.bool(isDead)
        case .extended(let id, let visibility):
            writer.byte(6)
            writer.varint(id.number)
            writer.signed(visibility)
        case .purged(let count):
            writer.byte(7)
            writer.varint(UInt64(count))
        case .deleted(let count):
            writer.byte(8)
            writer.varint(UInt64(count))
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .configured(try Queue(reading: &reader), isNew: try reader.bool())
        case 2:
            self = .enqueued(
                id: MessageID(try reader.varint()), isNew: try reader.bool(), revision: try reader.counter())
        case 3:
            var messages: [ReceivedMessage] = []
            for _ in 0..<(try reader.count()) { messages.append(try ReceivedMessage(reading: &reader)) }
            self = .received(messages)
        case 4: self = .acknowledged(MessageID(try reader.varint()))
        case 5: self = .returned(MessageID(try reader.varint()), isDead: try reader.bool())
        case 6: self = .extended(MessageID(try reader.varint()), visibility: try reader.signed())
        case 7: self = .purged(try reader.count())
        case 8: self = .deleted(try reader.count())
        default: throw .malformed
        }
    }
}

extension ReceivedMessage {
    func encode(into writer: inout ByteWriter) {
        writer.varint(id.number)
        writer.optional(receipt) { $0.encode(into: &$1) }
        writer.sized(body)
        writer.varint(UInt64(attempt))
        writer.signed(enqueuedAt.milliseconds)
        writer.byte(priority)
        writer.optional(source) { $1.string($0) }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = MessageID(try reader.varint())
        receipt = try reader.bool() ? try Receipt(reading: &reader) : nil
        body = [UInt8](try reader.sized())
        guard let attempt = UInt32(exactly: try reader.varint()) else { throw .malformed }
        self.attempt = attempt
        enqueuedAt = WallTime(milliseconds: try reader.signed())
        priority = try reader.byte()
        source = try reader.bool() ? try reader.string() : nil
    }
}

extension QueueRefusal {
    /// How the command ended, in a word.
    var verdict: Verdict {
        switch self {
        case .notFound: .notFound
        case .receiptExpired, .notEmpty: .conflict
        case .full: .queueFull
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .notFound(let name):
            writer.byte(1)
            writer.string(name)
        case .receiptExpired(let receipt):
            writer.byte(2)
            receipt.encode(into: &writer)
        case .full(let name, let length):
            writer.byte(3)
            writer.string(name)
            writer.varint(UInt64(length))
        case .notEmpty(let name):
            writer.byte(4)
            writer.string(name)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .notFound(try reader.string())
        case 2: self = .receiptExpired(try Receipt(reading: &reader))
        case 3: self = .full(try reader.string(), length: try reader.count())
        case 4: self = .notEmpty(try reader.string())
        default: throw .malformed
        }
    }
}
