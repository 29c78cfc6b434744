public import Primitives

// Messages that every node keeps in its log and its state until their recipient has taken them or their time
// is over: logged delivery (Cachin, Guerraoui and Rodrigues, section 2.4.5), by consensus on a log. They
// outlive the crash of sender, recipient and any minority of nodes, and come in the order of the log, in all
// inboxes: a total order, and a causal one, since whoever answers a message has read it out of the state.

/// A message as the state keeps it.
public struct LoggedMessage: Sendable, Equatable {
    /// Its place among all logged messages: of two, the one with the lower number comes first everywhere.
    public var number: UInt64
    /// The request that sent it; all its recipients see the same.
    public var id: RequestID
    /// Who says it.
    public var sender: String
    /// A name that keeps streams of messages apart.
    public var channel: String
    /// What is said.
    public var body: [UInt8]
    /// The log's time when it was sent, and until when it is kept.
    public var sentAt: WallTime, until: WallTime
}

/// What is sent, and to whom.
public struct LoggedLetter: Sendable, Equatable {
    /// A recipient: nodes are known to whoever sends, participants to the state.
    public struct Recipient: Sendable, Equatable {
        /// The name of its inbox.
        public var inbox: String
        /// Whether it is a node's.
        public var isNode: Bool
        /// Makes it of its parts.
        public init(inbox: String, isNode: Bool) {
            self.inbox = inbox
            self.isNode = isNode
        }
    }

    /// To whom, at most ``Limits/messageRecipients``, each once.
    public var to: [Recipient]
    /// Who says it, and on which channel.
    public var sender: String, channel: String
    /// What is said.
    public var body: [UInt8]
    /// For how many milliseconds it is kept.
    public var timeToLive: Int64

    /// Makes it of its parts.
    public init(to: [Recipient], sender: String, channel: String, body: [UInt8], timeToLive: Int64) {
        self.to = to
        self.sender = sender
        self.channel = channel
        self.body = body
        self.timeToLive = timeToLive
    }
}

/// What became of a message at one of its recipients.
public enum LoggedDelivery: Sendable, Equatable {
    /// It is in the inbox, with this number.
    case kept(UInt64)
    /// Nobody is called so.
    case unknown
    /// The inbox is full.
    case refused
}

extension Limits {
    /// No message has more recipients.
    public static let messageRecipients = 128
    /// So many logged messages wait in one inbox.
    public static let inboxMessages = 10_000
    /// So many bytes of bodies, names and rows do.
    public static let inboxBytes = 16 << 20
    /// No logged message is kept for longer, in milliseconds: 30 days.
    public static let messageMilliseconds: Int64 = 30 * 24 * 3_600_000
    /// Whoever looks for what is over does so no more often, in milliseconds.
    static let inboxTimerMilliseconds: Int64 = 100
}

/// What is known of an inbox as a whole.
struct LoggedInbox: RowValue, Equatable, Sendable {
    var count: UInt64 = 0
    var byteCount: UInt64 = 0
    /// The timer that ends the first messages whose time is over, and that time.
    var timer: UInt64 = 0
    var due = WallTime(milliseconds: 0)

    init() {}

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        count = try reader.varint()
        byteCount = try reader.varint()
        timer = try reader.varint()
        due = WallTime(milliseconds: try reader.signed())
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(count)
        writer.varint(byteCount)
        writer.varint(timer)
        writer.signed(due.milliseconds)
    }
}

// MARK: - State machine

extension Keyspace {
    mutating func send(_ letter: LoggedLetter, id: RequestID) -> Outcome {
        guard hasRoom else { return .refused(.coordination(.full)) }
        let deliveries = letter.to.map { recipient -> LoggedDelivery in
            guard recipient.isNode || participant(recipient.inbox) != nil else { return .unknown }
            let until = WallTime(milliseconds: lastTime.milliseconds + letter.timeToLive)
            let number = coordination.nextNumber()
            let message = LoggedMessage(
                number: number, id: id, sender: letter.sender, channel: letter.channel, body: letter.body,
                sentAt: lastTime, until: until)
            return coordination.keep(message, in: recipient.inbox, at: lastTime) ? .kept(number) : .refused
        }
        let isKept = deliveries.contains { if case .kept = $0 { true } else { false } }
        if !isKept, let first = deliveries.first, let name = letter.to.first?.inbox {
            let refusal = first == .unknown ? ParticipantRefusal.notFound(name) : .inboxFull(name)
            return .refused(.coordination(.participant(refusal)))
        }
        return .coordinated(.participant(.sent(deliveries)))
    }

    /// What waits in an inbox, in order, up to `limit` messages for which `isWanted` says so.
    public func loggedMessages(
        in inbox: String, limit: Int, where isWanted: (LoggedMessage) -> Bool
    ) -> [LoggedMessage] {
        var messages: [LoggedMessage] = []
        coordination.forEach(RowKey(.loggedMessage, inbox)) { _, value in
            guard messages.count < limit else { return false }
            let message: LoggedMessage = Coordination.decode(value)
            if isWanted(message) { messages.append(message) }
            return true
        }
        return messages
    }

    /// Whether a message is still in an inbox.
    public func hasLoggedMessage(_ number: UInt64, in inbox: String) -> Bool {
        coordination.has(RowKey(.loggedMessage, inbox, number))
    }

    /// How many logged messages wait in an inbox.
    public func loggedCount(in inbox: String) -> Int {
        Int(coordination.value(RowKey(.loggedInbox, inbox), as: LoggedInbox.self)?.count ?? 0)
    }
}

extension Coordination {
    /// Puts a message into an inbox; false if it is full.
    fileprivate mutating func keep(_ message: LoggedMessage, in name: String, at time: WallTime) -> Bool {
        let row = RowKey(.loggedInbox, name)
        var inbox = value(row) ?? LoggedInbox()
        let size = message.size
        guard inbox.count < UInt64(Limits.inboxMessages),
            inbox.byteCount + size <= UInt64(Limits.inboxBytes)
        else { return false }
        inbox.count += 1
        inbox.byteCount += size
        if inbox.timer == 0 || message.until < inbox.due {
            disarm(inbox.timer)
            inbox.due = message.until
            inbox.timer = arm(.inbox(name), milliseconds: message.until.milliseconds - time.milliseconds)
        }
        set(RowKey(.loggedMessage, name, message.number), message)
        set(row, inbox)
        news.append(.changed(row))
        return true
    }

    /// Takes messages out of an inbox; answers how many of them were still there.
    mutating func take(_ numbers: [UInt64], from name: String) -> Int {
        let row = RowKey(.loggedInbox, name)
        guard var inbox: LoggedInbox = value(row) else { return 0 }
        var count = 0
        for number in numbers {
            let key = RowKey(.loggedMessage, name, number)
            guard let message: LoggedMessage = value(key) else { continue }
            end(message, key, in: &inbox, wasTaken: true)
            count += 1
        }
        if count > 0 { close(inbox, row) }
        return count
    }

    /// Ends the messages of an inbox whose time is over.
    mutating func expireMessages(in name: String, at time: WallTime) {
        let row = RowKey(.loggedInbox, name)
        guard var inbox: LoggedInbox = value(row) else { return }
        inbox.timer = 0
        var over: [(RowKey, LoggedMessage)] = []
        var next: WallTime?
        forEach(RowKey(.loggedMessage, name)) { key, value in
            let message: LoggedMessage = Self.decode(value)
            if message.until <= time {
                over.append((key, message))
            } else {
                next = min(next ?? message.until, message.until)
            }
            return true
        }
        for (key, message) in over { end(message, key, in: &inbox, wasTaken: false) }
        if let next {
            let left = next.milliseconds - time.milliseconds
            inbox.due = next
            inbox.timer = arm(.inbox(name), milliseconds: max(left, Limits.inboxTimerMilliseconds))
        }
        close(inbox, row)
    }

    private mutating func end(
        _ message: LoggedMessage, _ key: RowKey, in inbox: inout LoggedInbox, wasTaken: Bool
    ) {
        remove(key)
        inbox.count -= 1
        inbox.byteCount -= message.size
        news.append(.messageEnded(message.number, wasTaken: wasTaken))
    }

    /// Keeps what is known of an inbox for as long as there is something in it.
    private mutating func close(_ inbox: LoggedInbox, _ row: RowKey) {
        guard inbox.count == 0 else { return set(row, inbox) }
        disarm(inbox.timer)
        remove(row)
    }
}

extension RowKey {
    /// The name of the inbox of logged messages that this row is about; nil for other rows.
    public var loggedInbox: String? {
        guard kind == .loggedInbox else { return nil }
        return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
    }
}

// MARK: - Binary form

extension LoggedMessage: RowValue {
    /// What it takes up, in bytes: about that of its row.
    fileprivate var size: UInt64 {
        UInt64(body.count + sender.utf8.count + channel.utf8.count + 64)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        number = try reader.varint()
        id = RequestID(high: try reader.fixed(), low: try reader.fixed())
        sender = try reader.string()
        channel = try reader.string()
        sentAt = WallTime(milliseconds: try reader.signed())
        until = WallTime(milliseconds: try reader.signed())
        body = [UInt8](try reader.sized())
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(number)
        writer.fixed(id.high)
        writer.fixed(id.low)
        writer.string(sender)
        writer.string(channel)
        writer.signed(sentAt.milliseconds)
        writer.signed(until.milliseconds)
        writer.sized(body)
    }
}

extension LoggedLetter {
    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(to.count))
        for recipient in to {
            writer.string(recipient.inbox)
            writer.bool(recipient.isNode)
        }
        writer.string(sender)
        writer.string(channel)
        writer.sized(body)
        writer.signed(timeToLive)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        to = []
        let count = try reader.count()
        guard 1...Limits.messageRecipients ~= count else { throw .malformed }
        for _ in 0..<count {
            to.append(Recipient(inbox: try reader.name(), isNode: try reader.bool()))
        }
        sender = try reader.string()
        channel = try reader.string()
        body = [UInt8](try reader.sized())
        timeToLive = try reader.signed()
        guard sender.utf8.count <= 256, channel.utf8.count <= 256,
            body.count <= Limits.valueBytes, 1...Limits.messageMilliseconds ~= timeToLive
        else { throw .malformed }
    }
}

extension LoggedDelivery {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .kept(let number):
            writer.byte(1)
            writer.varint(number)
        case .unknown: writer.byte(2)
        case .refused: writer.byte(3)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .kept(try reader.varint())
        case 2: self = .unknown
        case 3: self = .refused
        default: throw .malformed
        }
    }
}
