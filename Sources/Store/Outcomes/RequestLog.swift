public import Primitives

// What became of requests. For each of the last writes the state remembers where in the log it stood and how
// it ended, so that a client which lost the answer can ask for it on any node.

/// How a command ended. The numbers are part of the checkpoint format and are never given another meaning.
public enum Verdict: UInt8, Sendable {
    /// It was carried out.
    case applied = 1
    /// It was carried out and made something new.
    case created = 2
    /// It waits in the state for something to happen.
    case waiting = 3
    /// A condition did not hold.
    case conditionFailed = 4
    /// What it was about does not exist.
    case notFound = 5
    /// The value it would have needed, or made, is none.
    case invalid = 6
    /// It came too late: the history was compacted.
    case compacted = 7
    /// It named a revision that was not reached.
    case future = 8
    /// Something else stood in the way.
    case conflict = 9
    /// There was no room.
    case full = 10
    /// It had been cancelled before it came.
    case cancelled = 11
    /// Its bytes were no command.
    case malformed = 12
    /// Its idempotency key had been used for another request.
    case keyReused = 13
    /// The queue that it was about had no room.
    case queueFull = 14
}

/// Where a request's command stood in the log, and how it ended.
public struct RequestRecord: Sendable, Equatable {
    /// The request.
    public let id: RequestID
    /// The entry's place in the log.
    public let index: LogIndex
    /// The entry's term.
    public let term: Term
    /// The store's revision after it.
    public let revision: Revision
    /// How it ended.
    public let verdict: Verdict
}

/// The last requests in the order of the log.
struct RequestLog: Sendable {
    /// How many requests are remembered.
    static let limit = 131_072
    private static let chunkCount = 1_024

    /// Pieces of equal length, so that after a freeze the next command copies one of them and not all.
    private var chunks: [[RequestRecord]] = []
    /// How many records of the first piece are gone.
    private var gone = 0
    private(set) var count = 0
    /// A checksum of everything that was ever remembered.
    private(set) var checksum = WordHash()
    /// The log's time when the last record was forgotten: requests older than that may be forgotten.
    private(set) var forgottenUpTo = WallTime(milliseconds: 0)

    mutating func append(_ record: RequestRecord) {
        if chunks.last?.count ?? Self.chunkCount == Self.chunkCount {
            chunks.append([])
            chunks[chunks.count - 1].reserveCapacity(Self.chunkCount)
        }
        chunks[chunks.count - 1].append(record)
        count += 1
        checksum.add(record.id.high ^ record.id.low)
        checksum.add(record.index.rawValue << 8 | UInt64(record.verdict.rawValue))
        if count > Self.limit { removeFirst() }
    }

    private mutating func removeFirst() {
        forgottenUpTo = max(forgottenUpTo, chunks[0][gone].id.time)
        gone += 1
        count -= 1
        if gone == Self.chunkCount {
            chunks.removeFirst()
            gone = 0
        }
    }

    /// What became of a request; nil if it is not among the last ones. The newest are looked at first.
    func find(_ id: RequestID) -> RequestRecord? {
        for (place, chunk) in chunks.enumerated().reversed() {
            let first = place == 0 ? gone : 0
            if let record = chunk[first...].last(where: { $0.id == id }) { return record }
        }
        return nil
    }

    func forEach(_ body: (RequestRecord) -> Void) {
        for (place, chunk) in chunks.enumerated() {
            for record in place == 0 ? chunk[gone...] : chunk[...] { body(record) }
        }
    }
}

extension RequestID {
    /// When the request came in, by the clock of the node that took it.
    public var time: WallTime { WallTime(milliseconds: Int64(high >> 16)) }
}

// MARK: - Binary form

extension RequestLog {
    /// Writes what came before the records that follow.
    func encodeHead(into writer: inout ByteWriter) {
        writer.fixed(checksum.value)
        writer.signed(forgottenUpTo.milliseconds)
    }

    /// Writes records, each with the differences to the one before it.
    func encode(_ range: Range<Int>, into writer: inout ByteWriter) {
        var place = 0
        var last: RequestRecord?
        forEach { record in
            if range.contains(place) {
                writer.fixed(record.id.high)
                writer.fixed(record.id.low)
                writer.varint(record.index.rawValue - (last?.index.rawValue ?? 0))
                writer.varint(record.term.rawValue - (last?.term.rawValue ?? 0))
                writer.varint(record.revision.rawValue - (last?.revision.rawValue ?? 0))
                writer.byte(record.verdict.rawValue)
                last = record
            }
            place += 1
        }
    }

    mutating func readHead(_ reader: inout RawReader) throws(ByteReaderError) {
        let value: UInt64 = try unsafe reader.fixed()
        checksum = WordHash(restoring: value)
        forgottenUpTo = WallTime(milliseconds: try unsafe reader.signed())
    }

    /// Reads the records of one block.
    mutating func read(_ reader: inout RawReader) throws(ByteReaderError) {
        let whole = checksum
        var (index, term, revision): (UInt64, UInt64, UInt64) = (0, 0, 0)
        while unsafe !reader.isAtEnd {
            let id = unsafe RequestID(high: try reader.fixed(), low: try reader.fixed())
            let steps = unsafe (try reader.varint(), try reader.varint(), try reader.varint())
            guard let verdict = unsafe Verdict(rawValue: try reader.byte()), count < Self.limit,
                steps.0 < 1 << 62, steps.1 < 1 << 62, steps.2 < 1 << 62, index < 1 << 62,
                term < 1 << 62, revision < 1 << 62
            else { throw .malformed }
            (index, term, revision) = (index + steps.0, term + steps.1, revision + steps.2)
            append(
                RequestRecord(
                    id: id, index: LogIndex(index), term: Term(term), revision: Revision(revision),
                    verdict: verdict))
        }
        checksum = whole
    }
}

// MARK: - Verdicts

extension Outcome {
    /// How the command ended, in a word.
    var verdict: Verdict {
        switch self {
        case .put(let put): put.created ? .created : .applied
        case .deleted, .incremented, .batch, .compacted, .transaction: .applied
        case .coordinated(let outcome):
            outcome.isWaiting ? .waiting : outcome.isCreation ? .created : .applied
        case .replayed(let outcome, _): outcome.verdict
        case .refused(let refusal): refusal.verdict
        }
    }
}

extension Refusal {
    fileprivate var verdict: Verdict {
        switch self {
        case .preconditionFailed, .fenceStale: .conditionFailed
        case .keyNotFound: .notFound
        case .notAnInteger, .overflow: .invalid
        case .compacted: .compacted
        case .futureRevision: .future
        case .transaction(let refusal):
            switch refusal {
            case .conditionsFailed: .conditionFailed
            case .overlap, .step, .tooMuchRead: .invalid
            }
        case .coordination(let refusal): refusal.verdict
        case .cancelled: .cancelled
        case .keyReused: .keyReused
        case .malformedCommand: .malformed
        }
    }
}

extension CoordinationRefusal {
    fileprivate var verdict: Verdict {
        switch self {
        case .leaseNotFound: .notFound
        case .leaseExists: .conflict
        case .full: .full
        case .queue(let refusal): refusal.verdict
        case .barrier(let refusal): refusal.verdict
        case .task(let refusal): refusal.verdict
        case .participant(let refusal): refusal.verdict
        case .claim(let refusal):
            switch refusal {
            case .held, .notHolder, .leaseEnded: .conflict
            case .notFound: .notFound
            case .tooManyWaiters: .full
            case .tooManyPermits: .invalid
            }
        case .historyBounds: .invalid
        }
    }
}
