public import Primitives

// The replicated state besides keys and values. All of it stands as rows in one sorted map of its own, so
// that copies are free, a checkpoint is a walk over the rows, and no order ever depends on hashing. Each kind
// of thing (leases, locks, queues ...) is an extension in files of its own, with rows of its own.

/// Leases, timers and whatever else is agreed upon besides keys and values.
///
/// A part of ``Keyspace``, changed by nothing but its `apply`.
public struct Coordination: Sendable {
    /// What happened that somebody outside the state waits for.
    ///
    /// It is no part of the state: whoever applies commands takes it out after each of them.
    public enum News: Sendable, Equatable {
        /// A timer runs, for so many milliseconds from now on.
        case armed(UInt64, milliseconds: Int64)
        /// A timer does not run any more.
        case disarmed(UInt64)
        /// A request whose command was applied earlier, and had to wait, has come to its end.
        case settled(RequestID, CoordinationOutcome)
        /// The thing with this row changed, and whoever waits for it may look again.
        case changed(RowKey)
        /// A lease, or somebody who wants to hold something, took a step.
        case stepped(CoordinationStep)
        /// The request says something to all nodes.
        case announced(RequestID, Announcement)
        /// The logged message with this number is in no inbox any more: it was taken, or its time is over.
        case messageEnded(UInt64, wasTaken: Bool)
    }

    var rows: SortedMap<ByKey>
    /// The bytes of all rows, keys and values.
    public internal(set) var byteCount = 0
    /// The last number that was given to anything: a timer, a lease's life, a place in a queue, a fencing
    /// token. One counter for all, so that no number is ever given twice, whatever was deleted meanwhile.
    public internal(set) var lastNumber: UInt64 = 0
    /// The things whose queues are to be looked at before the command ends; empty between commands.
    var touched: Set<RowKey> = []
    /// What is known of the rows of outcomes.
    var outcomes = OutcomeSummary()
    /// What happened since it was taken out last.
    public internal(set) var news: [News] = []

    init(leafCapacity: Int = 64, innerCapacity: Int = 64) {
        rows = SortedMap(leafCapacity: leafCapacity, innerCapacity: innerCapacity)
    }

    /// How many rows there are.
    public var count: Int { rows.count }

    /// A number that is greater than all that were given before.
    mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Takes the news out.
    public mutating func takeNews() -> [News] {
        defer { news.removeAll(keepingCapacity: true) }
        return news
    }
}

/// What a row is about. The numbers are part of the checkpoint format and are never given to anything else.
public enum RowKind: UInt8, Sendable {
    /// A running timer, by its number.
    case timer = 1
    /// A lease, by its id.
    case lease = 2
    /// A key that ends with a lease, by the lease's id and the key.
    case leasedKey = 3
    /// A thing held under a lease, by the lease's id and the row of the thing.
    case leasedHold = 4
    /// A request that waits, or holds something: what it names is the row of its place or hold.
    case request = 5
    /// A lock, an election or a semaphore, by its kind and name.
    case claim = 10
    /// A holder of one, by the token.
    case claimHold = 11
    /// Somebody who waits for one, by priority and number.
    case claimWaiter = 12
    /// A fencing token: the row of whose holder.
    case claimToken = 13
    /// How much history is kept; one row.
    case historyBounds = 50
    /// What came of a request with an idempotency key, by principal and key.
    case outcome = 40
    /// A request that was cancelled before it came, by its id.
    case cancelled = 41
    /// A row of one of these two kinds, by the number it was given.
    case outcomeAge = 42
    /// For how long outcomes are remembered.
    case outcomeHours = 43
    /// A request with an idempotency key that waits in the state, by its id: the row of its outcome.
    case waitingOutcome = 44

    /// A queue, by its name.
    case queue = 20
    /// The name of a queue, by the number that its messages stand under.
    case queueBatch = 21
    /// A message, by that number and its own.
    case message = 22
    /// What a message says, likewise.
    case messageBody = 23
    /// The place of a message that is ready: that number, the message's rank and its number.
    case readyMessage = 24
    /// The message with a dedupe id, by the queue's number and the id.
    case messageID = 25
    /// A dedupe id, by the queue's number and that of the message.
    case dedupeOrder = 26
    /// A message in flight, by the request that received it, the number that it stands under and its own.
    case handout = 27

    /// A barrier, by its name.
    case barrier = 30
    /// A party of a barrier, by the barrier's name, the generation and its own name.
    case barrierMember = 31

    /// A task, by its number.
    case task = 60
    /// What it says, or what is said of it, by its number and which.
    case taskPart = 61
    /// The tasks of a kind that ask for the same labels, by the kind and the labels.
    case taskLane = 62
    /// The place of a task that is ready: the lane's number, its rank, when it was due, its number.
    case readyTask = 63
    /// A task that comes after another one, by the number of the other one and its own.
    case taskDependent = 64
    /// The task with a dedupe id, by the id.
    case taskDedupe = 65
    /// A task that is claimed, by the request that claimed it and its number.
    case taskHandout = 66
    /// A finished task, in the order in which they were finished.
    case finishedTask = 67
    /// How many tasks there are; one row.
    case taskCounts = 68
    /// A worker, by its name.
    case worker = 69
    /// A task that a worker has, by the worker's name and the task's number.
    case workerClaim = 70

    /// A participant, by its name.
    case participant = 80
    /// A logged message, by the name of the inbox and its number.
    case loggedMessage = 81
    /// What is known of an inbox with logged messages, by its name.
    case loggedInbox = 82
}

/// The key of a row: its kind, then names, each ended by a zero byte, and numbers, which sort as such.
public struct RowKey: Hashable, Sendable {
    /// The bytes by which rows are ordered.
    public private(set) var bytes: [UInt8]

    /// All rows of a kind begin with this.
    public init(_ kind: RowKind) { bytes = [kind.rawValue] }

    /// The bytes of a row's key, as they are.
    init(bytes: [UInt8]) { self.bytes = bytes }

    /// A row with a name. Names hold no zero bytes.
    public init(_ kind: RowKind, _ name: String) {
        self.init(kind)
        bytes.append(contentsOf: name.utf8)
        bytes.append(0)
    }

    /// A row with a number.
    public init(_ kind: RowKind, _ number: UInt64) {
        self.init(kind)
        append(number)
    }

    /// A row of a named thing, with a number.
    public init(_ kind: RowKind, _ name: String, _ number: UInt64) {
        self.init(kind, name)
        append(number)
    }

    /// A row of a named thing, with bytes to the end.
    public init(_ kind: RowKind, _ name: String, _ rest: some Sequence<UInt8>) {
        self.init(kind, name)
        bytes.append(contentsOf: rest)
    }

    /// Goes on with a number, so that rows sort by it.
    public mutating func append(_ number: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }

    /// What the row is about.
    var kind: RowKind {
        guard let kind = bytes.first.flatMap(RowKind.init) else { preconditionFailure("no row: \(self)") }
        return kind
    }

    /// Whether it is that of a task.
    public var isTask: Bool { kind == .task }

    /// The number in the last eight bytes.
    var lastNumber: UInt64 { bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// What a row holds: a value with a binary form.
protocol RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError)
    func encode(into writer: inout ByteWriter)
}

extension RowKey {
    /// The row of a request that waits or holds something.
    init(_ request: RequestID) {
        self.init(.request)
        append(request.high)
        append(request.low)
    }
}

extension Coordination {
    /// The row of the place or the hold that a request has; nil if it neither waits nor holds anything.
    public func row(of request: RequestID) -> RowKey? { bytes(RowKey(request)).map { RowKey(bytes: $0) } }

    /// Remembers in which row a request waits, or what it holds. To be removed with that row.
    mutating func note(_ request: RequestID, in row: RowKey) { set(RowKey(request), bytes: row.bytes) }

    /// A request neither waits nor holds anything any more.
    mutating func forget(_ request: RequestID) { remove(RowKey(request)) }
}

extension Coordination {
    /// What a row holds, nil if there is none.
    func value<Value: RowValue>(_ key: RowKey, as _: Value.Type = Value.self) -> Value? {
        bytes(key).map { Self.decode($0) }
    }

    /// The bytes that a row holds, nil if there is none.
    func bytes(_ key: RowKey) -> [UInt8]? {
        unsafe key.bytes.withUnsafeBytes { bytes in
            unsafe rows.find(Place(bytes)).map { unsafe Row($0).value }
        }
    }

    /// Whether there is a row.
    func has(_ key: RowKey) -> Bool {
        unsafe key.bytes.withUnsafeBytes { unsafe rows.find(Place($0)) != nil }
    }

    /// Makes a row, or replaces it.
    mutating func set(_ key: RowKey, _ value: some RowValue) {
        var writer = ByteWriter(capacity: 64)
        value.encode(into: &writer)
        set(key, bytes: writer.take())
    }

    /// Makes a row that holds these bytes, or replaces it.
    mutating func set(_ key: RowKey, bytes value: [UInt8] = []) {
        unsafe key.bytes.withUnsafeBytes { key in
            unsafe value.withUnsafeBytes { value in
                let spot = unsafe rows.spot(at: Place(key))
                if let old = unsafe rows.element(at: spot) {
                    byteCount -= unsafe old._withUnsafeGuaranteedRef { $0.keyCount + $0.valueCount }
                }
                byteCount += key.count + value.count
                let record = unsafe Record.make(
                    key: key, value: value, createRevision: .zero, modRevision: .zero, version: 1)
                unsafe rows.put(record, at: spot)
            }
        }
    }

    /// Removes a row; false if there was none.
    @discardableResult mutating func remove(_ key: RowKey) -> Bool {
        unsafe key.bytes.withUnsafeBytes { bytes in
            guard let old = unsafe rows.remove(at: Place(bytes)) else { return false }
            byteCount -= old.keyCount + old.valueCount
            return true
        }
    }

    /// Calls `body` for each row that begins with `prefix`, in their order, from the one after `last` on,
    /// until it says false.
    func forEach(
        _ prefix: RowKey, after last: RowKey? = nil, _ body: (RowKey, [UInt8]) -> Bool
    ) {
        let start = last.map { $0.bytes + [0] } ?? prefix.bytes
        unsafe start.withUnsafeBytes { start in
            unsafe rows.scan(from: Place(start), to: nil) { record in
                let row = Row(record)
                let key = row.key
                guard key.starts(with: prefix.bytes) else { return false }
                return body(RowKey(bytes: key), row.value)
            }
        }
    }

    /// The first row that begins with `prefix`.
    func first(_ prefix: RowKey) -> (key: RowKey, value: [UInt8])? {
        var found: (RowKey, [UInt8])?
        forEach(prefix) { key, value in
            found = (key, value)
            return false
        }
        return found
    }

    /// The keys of at most `limit` rows that begin with `prefix`.
    func keys(_ prefix: RowKey, limit: Int = .max) -> [RowKey] {
        var keys: [RowKey] = []
        guard limit > 0 else { return keys }
        forEach(prefix) { key, _ in
            keys.append(key)
            return keys.count < limit
        }
        return keys
    }

    /// How many rows begin with `prefix`.
    func count(_ prefix: RowKey) -> Int {
        guard let end = KeyRange.prefix(prefix.bytes).end else { return 0 }
        return countRows(from: prefix, to: RowKey(bytes: end))
    }

    /// How many rows there are from one on and before another.
    func countRows(from start: RowKey, to end: RowKey) -> Int {
        unsafe start.bytes.withUnsafeBytes { start in
            unsafe end.bytes.withUnsafeBytes { unsafe rows.count(from: Place(start), to: Place($0)) }
        }
    }

    /// What a row's bytes say. They were written by this code or came out of a checkpoint whose checksums
    /// hold: what can't be read means that the state is lost, and the process stops.
    static func decode<Value: RowValue>(_ bytes: [UInt8]) -> Value {
        do throws(ByteReaderError) {
            var reader = ByteReader(bytes)
            let value = try Value(reading: &reader)
            try reader.expectEnd()
            return value
        } catch {
            preconditionFailure("a row is no \(Value.self): \(bytes)")
        }
    }
}
