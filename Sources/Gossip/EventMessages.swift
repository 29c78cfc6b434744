// Event messages by byte. The layout is in this target's documentation.

internal import Primitives

/// A part of an event's body, with all that has to be known of the event.
struct EventPart: Equatable, Sendable {
    var id: EventID
    var topic: String
    var ttl, age: Instant.Span
    var hops: Int
    /// Bytes of the whole body.
    var length: Int
    var part: Int
    var bytes: ArraySlice<UInt8>

    /// How many parts a body of this length has.
    static func count(of length: Int) -> Int {
        max(1, (length + EventOptions.partSize - 1) / EventOptions.partSize)
    }
}

/// What a node has, or a part of it: of the streams from the first to the last named one, those that are not
/// listed are unknown to it.
struct EventDigest: Equatable, Sendable {
    var wantsAnswer: Bool
    var first, last: EventStream
    var streams: [(stream: EventStream, seen: SeenCounters)]

    static func == (a: EventDigest, b: EventDigest) -> Bool {
        a.wantsAnswer == b.wantsAnswer && a.first == b.first && a.last == b.last
            && a.streams.elementsEqual(b.streams) { $0.stream == $1.stream && $0.seen == $1.seen }
    }
}

/// One event that a node has, as it tells the origin.
struct EventReceipt: Equatable, Sendable {
    var process, counter: UInt64
    var hops: Int
    var age: Instant.Span
}

enum EventMessage: Equatable, Sendable {
    case part(EventPart)
    case digest(EventDigest)
    /// Tells the receiver, who published them, that the sender has these.
    case receipts([EventReceipt])
    /// Tells the sender of receipts that they were noted.
    case noted([EventReceipt])

    /// Receipts in one message at most.
    static let mostReceipts = 32

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        switch self {
        case .part(let part):
            writer.byte(EventMessageKind.part.rawValue)
            writer.stream(part.id.stream)
            writer.varint(part.id.counter)
            writer.varint(UInt64(part.hops))
            writer.varint(UInt64(part.ttl.milliseconds))
            writer.varint(UInt64(part.age.milliseconds))
            writer.string(part.topic)
            writer.varint(UInt64(part.length))
            writer.byte(UInt8(part.part))
            writer.raw(part.bytes)
        case .digest(let digest):
            writer.byte(EventMessageKind.digest.rawValue)
            writer.bool(digest.wantsAnswer)
            writer.stream(digest.first)
            writer.stream(digest.last)
            for (stream, seen) in digest.streams {
                writer.stream(stream)
                seen.encode(into: &writer)
            }
        case .receipts(let receipts): writer.receipts(receipts, kind: .receipts)
        case .noted(let receipts): writer.receipts(receipts, kind: .noted)
        }
        return writer.take()
    }

    init(_ payload: ArraySlice<UInt8>) throws(ByteReaderError) {
        guard payload.count <= MembershipOptions.longestPayload else { throw .malformed }
        var reader = ByteReader(payload)
        switch EventMessageKind(rawValue: try reader.byte()) {
        case .part: self = .part(try EventPart(from: &reader))
        case .digest:
            var digest = EventDigest(
                wantsAnswer: try reader.bool(), first: try EventStream(from: &reader),
                last: try EventStream(from: &reader), streams: [])
            while !reader.isAtEnd {
                digest.streams.append((try EventStream(from: &reader), try SeenCounters(from: &reader)))
            }
            self = .digest(digest)
        case .receipts: self = .receipts(try Self.receipts(&reader))
        case .noted: self = .noted(try Self.receipts(&reader))
        case nil: throw .malformed
        }
        try reader.expectEnd()
    }

    private static func receipts(_ reader: inout ByteReader) throws(ByteReaderError) -> [EventReceipt] {
        let count = try reader.count()
        guard count <= mostReceipts else { throw .malformed }
        var receipts: [EventReceipt] = []
        for _ in 0..<count {
            receipts.append(
                EventReceipt(
                    process: try reader.varint(), counter: try reader.varint(), hops: try reader.hops(),
                    age: try reader.span(most: EventOptions.longestTTL)))
        }
        return receipts
    }
}

extension EventPart {
    init(from reader: inout ByteReader) throws(ByteReaderError) {
        let stream = try EventStream(from: &reader)
        id = EventID(origin: stream.origin, process: stream.process, counter: try reader.varint())
        hops = try reader.hops()
        ttl = try reader.span(most: EventOptions.longestTTL)
        age = try reader.span(most: EventOptions.longestTTL)
        topic = try reader.string()
        length = try reader.count()
        part = Int(try reader.byte())
        guard id.counter > 0, id.counter < .max, length <= EventOptions.longestBody, !topic.isEmpty,
            topic.utf8.count <= EventOptions.longestTopic, part < Self.count(of: length)
        else { throw .malformed }
        let start = part * EventOptions.partSize
        bytes = try reader.raw(min(EventOptions.partSize, length - start))
    }
}

extension EventStream {
    init(from reader: inout ByteReader) throws(ByteReaderError) {
        origin = try reader.counter()
        process = try reader.varint()
    }
}

extension ByteWriter {
    fileprivate mutating func stream(_ stream: EventStream) {
        counter(stream.origin)
        varint(stream.process)
    }

    fileprivate mutating func receipts(_ receipts: [EventReceipt], kind: EventMessageKind) {
        byte(kind.rawValue)
        varint(UInt64(receipts.count))
        for receipt in receipts {
            varint(receipt.process)
            varint(receipt.counter)
            varint(UInt64(receipt.hops))
            varint(UInt64(receipt.age.milliseconds))
        }
    }
}

extension ByteReader {
    /// A number of hops; nobody counts further than this.
    fileprivate mutating func hops() throws(ByteReaderError) -> Int {
        let hops = try count()
        guard hops <= 1_000_000 else { throw .malformed }
        return hops
    }

    fileprivate mutating func span(most: Instant.Span) throws(ByteReaderError) -> Instant.Span {
        let milliseconds = try count()
        guard milliseconds <= most.milliseconds else { throw .malformed }
        return .milliseconds(milliseconds)
    }
}
