public import Primitives

// Queues of messages that are handed out at least once. Whoever receives a message has it for itself until
// its visibility ends: it is acknowledged within that time, or handed out again, in its old place.
//
// The contents of a queue stand under a number of their own, its batch. Purging and deleting only give the
// queue another batch, or none: at once nothing of the old one is seen any more, and its rows are removed
// little by little.

/// How a queue treats its messages.
public struct QueueSettings: Sendable, Equatable {
    /// In which order messages are handed out.
    public enum Order: UInt8, Sendable {
        /// In the order in which they were enqueued.
        case fifo = 1
        /// Greater priorities first, those of one priority in the order in which they were enqueued.
        case priority = 2
    }

    /// For how long a message belongs to who received it, in milliseconds, unless that said otherwise.
    public var visibility: Int64
    /// After so many attempts a message is handed out no more; zero: without a limit.
    public var maximumAttempts: UInt32
    /// The queue to which such messages are moved; nil: they are dropped.
    public var deadLetter: String?
    /// The queue takes no more messages than this.
    public var maximumLength: Int
    /// For how long messages are kept, in milliseconds; zero: until they are acknowledged. They are dropped
    /// at most a sixteenth of that later.
    public var retention: Int64
    /// In which order messages are handed out.
    public var order: Order

    /// Makes settings.
    public init(
        visibility: Int64 = 30_000, maximumAttempts: UInt32 = 0, deadLetter: String? = nil,
        maximumLength: Int = 100_000, retention: Int64 = 0, order: Order = .fifo
    ) {
        self.visibility = visibility
        self.maximumAttempts = maximumAttempts
        self.deadLetter = deadLetter
        self.maximumLength = maximumLength
        self.retention = retention
        self.order = order
    }
}

/// A message to be enqueued.
public struct NewMessage: Sendable, Equatable {
    /// What it says.
    public var body: [UInt8]
    /// Greater ones come first, in a queue that is ordered so.
    public var priority: UInt8
    /// Not before so many milliseconds is it handed out.
    public var delay: Int64
    /// After so many milliseconds it is dropped; zero: never.
    public var timeToLive: Int64
    /// A second message with the same id is not enqueued, as long as the queue remembers it.
    public var dedupe: String?

    /// Makes a message.
    public init(
        body: [UInt8], priority: UInt8 = 0, delay: Int64 = 0, timeToLive: Int64 = 0, dedupe: String? = nil
    ) {
        self.body = body
        self.priority = priority
        self.delay = delay
        self.timeToLive = timeToLive
        self.dedupe = dedupe
    }
}

/// The right to a message that was received, until its visibility ends.
public struct Receipt: Hashable, Sendable, CustomStringConvertible {
    /// Where the message stands in its queue.
    public var message: UInt64
    /// Another one each time that the message is handed out.
    public var number: UInt64

    /// Makes it of its parts.
    public init(message: UInt64, number: UInt64) {
        self.message = message
        self.number = number
    }

    /// Reads what ``description`` gives; nil for any other text.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let message = UInt64(parts[0], radix: 36),
            let number = UInt64(parts[1], radix: 36)
        else { return nil }
        self.init(message: message, number: number)
        guard text == description else { return nil }
    }

    /// Both numbers in base 36, as in `2k-3z`.
    public var description: String { String(message, radix: 36) + "-" + String(number, radix: 36) }
}

/// What is done with queues.
public enum QueueCommand: Sendable, Equatable {
    /// Makes a queue, or gives it other settings.
    case configure(String, QueueSettings)
    /// Adds a message, and makes the queue if there is none.
    case enqueue(String, NewMessage)
    /// Hands out at most `maximum` messages that are ready, for `visibility` milliseconds or as long as the
    /// queue says.
    case receive(String, maximum: Int, visibility: Int64?, consumer: String)
    /// A message was dealt with.
    case acknowledge(String, Receipt)
    /// A message was not dealt with: it is handed out again, not before `delay` milliseconds.
    case giveBack(String, Receipt, delay: Int64)
    /// Starts a message's visibility again, with so many milliseconds.
    case extend(String, Receipt, visibility: Int64)
    /// Removes all messages of a queue.
    case purge(String)
    /// Removes a queue.
    case delete(String)
}

/// What became of a queue or a message.
public enum QueueOutcome: Sendable, Equatable {
    /// The queue has these settings now.
    case configured(Queue, isNew: Bool)
    /// The message has this id; it is not new if its dedupe id was known.
    case enqueued(id: MessageID, isNew: Bool, revision: Revision)
    /// These messages were handed out; none: nothing is ready.
    case received([ReceivedMessage])
    /// The message is gone.
    case acknowledged(MessageID)
    /// The message is back, or dead, since it was its last attempt.
    case returned(MessageID, isDead: Bool)
    /// The message belongs to its receiver for so many milliseconds more.
    case extended(MessageID, visibility: Int64)
    /// So many messages were removed.
    case purged(Int)
    /// The queue was removed, with so many messages.
    case deleted(Int)
}

/// Why a command changed nothing in a queue.
public enum QueueRefusal: Sendable, Equatable {
    /// There is no queue with this name.
    case notFound(String)
    /// The message of this receipt was acknowledged, dropped or given back, or its visibility has ended.
    case receiptExpired(Receipt)
    /// The queue has as many messages as it takes.
    case full(String, length: Int)
    /// The order of a queue can't be changed while there are messages in it.
    case notEmpty(String)
}

/// The name of a message, unique in the store.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    /// The number behind it.
    public let number: UInt64
    /// Makes it of its number.
    public init(_ number: UInt64) { self.number = number }
    /// `m-` and the number in base 36.
    public var description: String { "m-" + String(number, radix: 36) }
}

/// A message as it is handed out, or looked at.
public struct ReceivedMessage: Sendable, Equatable {
    /// Its name.
    public let id: MessageID
    /// What entitles its receiver to it; nil if it was only looked at.
    public let receipt: Receipt?
    /// What it says.
    public let body: [UInt8]
    /// How many times it was handed out, this time counted.
    public let attempt: UInt32
    /// The log's time when it was enqueued.
    public let enqueuedAt: WallTime
    /// Its priority.
    public let priority: UInt8
    /// The queue in which it died; nil if it is in the one that it was enqueued in.
    public let source: String?
}

/// A queue as it stands in the state.
public struct Queue: Sendable, Equatable {
    /// Under what it is known.
    public internal(set) var name: String
    /// How it treats its messages.
    public internal(set) var settings: QueueSettings
    /// How many messages can be handed out now.
    public internal(set) var ready = 0
    /// How many messages are with a receiver.
    public internal(set) var inFlight = 0
    /// How many messages are held back.
    public internal(set) var delayed = 0
    /// How many messages have used up their attempts since the queue was made.
    public internal(set) var dead: UInt64 = 0
    /// How many of the dead were dropped, since there was no queue for them.
    public internal(set) var dropped: UInt64 = 0
    /// How many messages were dropped because of their age since the queue was made.
    public internal(set) var expired: UInt64 = 0
    /// The log's time when it was made.
    public internal(set) var createdAt: WallTime

    /// Its number; a queue that is made anew under the same name has another.
    var number: UInt64
    /// The number that its messages stand under.
    var batch: UInt64
    /// How many dedupe ids are remembered.
    var idCount = 0
    /// Counts the sixteenths of the retention that have passed while there were messages.
    var tick: UInt64 = 0
    /// Messages of earlier ticks are counted as of this one.
    var firstTick: UInt64 = 0
    /// The timer of the next tick; zero if none runs.
    var tickTimer: UInt64 = 0
    /// The timer after which more messages are dropped; zero if none runs.
    var dropTimer: UInt64 = 0

    /// How many messages it has.
    public var count: Int { ready + inFlight + delayed }
}

/// A message's row; its body has one of its own, which is never written again.
struct QueuedMessage: Sendable, Equatable {
    enum State: Sendable, Equatable {
        case ready
        case delayed(timer: UInt64)
        case inFlight(receipt: UInt64, timer: UInt64, request: RequestID, consumer: String)
    }

    var id: MessageID
    var state: State
    var priority: UInt8
    var attempts: UInt32 = 0
    var enqueuedAt: WallTime
    /// The queue's tick when it came in.
    var tick: UInt64
    /// The timer of its time to live; zero if it has none.
    var endTimer: UInt64 = 0
    var source: String?
}

/// What happens to a queue when a timer has run out.
enum QueueTimer: Equatable, Sendable {
    /// The delay or the visibility of a message ends.
    case message(batch: UInt64, number: UInt64)
    /// A message has lived its time.
    case end(batch: UInt64, number: UInt64)
    /// A sixteenth of the retention has passed.
    case tick(batch: UInt64)
    /// There were more old messages than one command drops.
    case drop(batch: UInt64)
    /// There were more rows of a given up batch than one command removes.
    case sweep(batch: UInt64)
    /// There were more dedupe ids of a deleted queue than one command removes.
    case sweepIDs(queue: UInt64)
}

extension Limits {
    /// No message is longer than this, in bytes.
    public static let messageBytes = 256 << 10
    /// A dedupe id is no longer than this, in bytes.
    public static let dedupeBytes = 128
    /// A queue remembers so many dedupe ids, the newest.
    public static let dedupeCount = 10_000
    /// The greatest length that a queue may be given.
    public static let queueLength = 1_000_000
    /// No command receives more messages than this.
    public static let receiveCount = 100
    /// No command receives more bytes than this, unless a single message has more.
    public static let receiveBytes = 1 << 20
    /// No length of time of a queue or its messages is greater, in milliseconds: 365 days.
    public static let queueMilliseconds: Int64 = 365 * 86_400_000
    /// No command removes more rows of a queue than about this.
    static let sweepCount = 512
    /// Into so many ticks the retention is divided.
    static let ticks: UInt64 = 16
}
