// What is done with the log on disk, without the thread that does it. The owner hands over all that has come;
// it is written and synced as one group, and what gathers during a sync is the next group.
public import Consensus
public import Primitives
public import WAL

/// What a node asks of its log.
public enum LogCommand: Sendable {
    /// Make it durable and report it, with what it carries.
    case persist(Persist)
    /// Read entries back for a follower that lags.
    case read(Replicate)
    /// Read entries back for somebody who looks at the log.
    case show(token: UInt64, Range<LogIndex>)
    /// A checkpoint is durable: entries below `below` are not needed any more.
    case cut(below: LogIndex, SnapshotReference)
    /// Write what has come, then end.
    case stop
}

/// What the log has done.
public enum LogReport: Sendable {
    /// Everything up to this sequence is on disk, and these messages may leave.
    case persisted(sequence: UInt64, thenSend: [Message])
    /// Entries that were asked for; empty if the log no longer holds them.
    case read(Replicate, [Entry])
    /// Entries for somebody who looks at the log.
    case shown(token: UInt64, [Entry])
    /// The log was cut below a checkpoint.
    case cut(SnapshotReference, firstIndex: LogIndex)
    /// How many bytes the log takes on disk.
    case size(Int)
    /// Whether the disk has room beyond the reserve.
    case storage(isShortOfSpace: Bool)
}

/// Carries out what a node asks of its log.
///
/// A full disk is waited out: nothing is acknowledged meanwhile, and nothing is lost. Any other error of the
/// disk is the end: what a failed sync has lost is not known (Rebello et al., "Can Applications Recover from
/// fsync Failures?", ATC 2020).
public struct LogKeeper<D: Disk>: ~Copyable {
    /// How long a full disk is left alone before it is tried again.
    static var roomPause: Instant.Span { .milliseconds(200) }

    private var log: WriteAheadLog<D>
    /// The group that is being written.
    private var batch: [LogCommand] = []
    /// How many of its commands were appended.
    private var appended = 0
    /// What came while a full disk is waited out.
    private var backlog: [LogCommand] = []
    /// The disk is full: when it is tried again.
    private var retryAt: Instant?
    /// The group is on disk; what is no write is still to be done.
    private var isWritten = false
    private var isShortOfSpace = false
    private var isSpareReady = false
    /// When a spare segment is worked on again.
    private var spareAt = Instant.zero
    /// Bytes appended since a slice of a spare segment was last written.
    private var bytesSinceSlice = 0
    private var bytesOnDisk = 0

    /// Takes over a log that was opened.
    public init(log: consuming WriteAheadLog<D>) { self.log = log }

    /// When there is something to do without a new command.
    public var wake: Instant {
        if let retryAt { return retryAt }
        if isWritten || !backlog.isEmpty { return .zero }
        return isSpareReady ? .never : spareAt
    }

    /// Writes all entries and hard states among the commands, and those that were left over, and syncs once.
    /// False if it was told to stop while the disk is full.
    ///
    /// What is no write comes after, with ``finish(at:into:)``.
    public mutating func write(
        _ commands: [LogCommand], at now: Instant, into reports: inout [LogReport]
    ) throws(WALError) -> Bool {
        if batch.isEmpty && backlog.isEmpty { batch = commands } else { backlog += commands }
        if let retryAt {
            if (batch + backlog).contains(where: { if case .stop = $0 { true } else { false } }) {
                return false
            }
            if now < retryAt { return true }
            self.retryAt = nil
        }
        if batch.isEmpty { swap(&batch, &backlog) }
        guard !batch.isEmpty, !isWritten else { return true }
        do throws(WALError) {
            try writeBatch(into: &reports)
            isWritten = true
            appended = 0
        } catch {
            guard case .noSpace = error else { throw error }
            retryAt = now + Self.roomPause
        }
        noteSpace(into: &reports)
        return true
    }

    private mutating func writeBatch(into reports: inout [LogReport]) throws(WALError) {
        while appended < batch.count {
            if case .persist(let persist) = batch[appended] { try append(persist) }
            appended += 1
        }
        var sequence: UInt64 = 0
        var messages: [Message] = []
        for command in batch {
            guard case .persist(let persist) = command else { continue }
            sequence = persist.sequence
            messages.append(contentsOf: persist.thenSend)
        }
        guard sequence > 0 else { return }
        if isPlanted(.ignoresDiskErrors) { try? log.sync() } else { try log.sync() }
        reports.append(.persisted(sequence: sequence, thenSend: messages))
    }

    private mutating func append(_ persist: Persist) throws(WALError) {
        if let position = persist.resetTo { try log.reset(to: position, hardState: persist.hardState) }
        if persist.hardState != nil || !persist.entries.isEmpty {
            try log.append(hardState: persist.hardState, entries: persist.entries)
        }
        for entry in persist.entries { bytesSinceSlice += entry.payload.count }
    }

    /// Does what comes after the writes: reads, cuts, and a slice of a spare segment if it is time. False if
    /// it was told to stop.
    public mutating func finish(
        at now: Instant, into reports: inout [LogReport]
    ) throws(WALError) -> Bool {
        guard retryAt == nil else { return true }
        guard isWritten else {
            if batch.isEmpty, now >= wake { try prepareSpare(at: now, into: &reports) }
            return true
        }
        isWritten = false
        let goesOn = try carryOutOthers(into: &reports)
        batch.removeAll(keepingCapacity: true)
        noteSize(into: &reports)
        // Without a pause in the writes a spare segment must come all the same, or the end of this one would
        // be a long wait: twice as fast as the log grows, so that it is there in time.
        if !isSpareReady, !isShortOfSpace, bytesSinceSlice >= 128 << 10 {
            bytesSinceSlice = 0
            try prepareSpare(at: now, into: &reports)
        } else if !isShortOfSpace {
            spareAt = max(spareAt, now + .milliseconds(2))
        }
        return goesOn
    }

    private mutating func carryOutOthers(into reports: inout [LogReport]) throws(WALError) -> Bool {
        var goesOn = true
        for command in batch {
            switch command {
            case .persist: break
            case .read(let replicate):
                reports.append(
                    .read(replicate, try entries(replicate.range, maxBytes: replicate.maxBytes)))
            case .show(let token, let range):
                reports.append(.shown(token: token, try entries(range, maxBytes: 1 << 20)))
            case .cut(let below, let reference):
                try cut(below: below)
                noteSpace(into: &reports)
                reports.append(.cut(reference, firstIndex: log.terms.firstIndex))
            case .stop: goesOn = false
            }
        }
        return goesOn
    }

    /// The log grows by whole segments: then a spare was used up, or one became free.
    private mutating func noteSize(into reports: inout [LogReport]) {
        guard log.bytesOnDisk != bytesOnDisk else { return }
        bytesOnDisk = log.bytesOnDisk
        isSpareReady = false
        reports.append(.size(bytesOnDisk))
    }

    private mutating func cut(below index: LogIndex) throws(WALError) {
        do throws(WALError) {
            try log.cut(below: index)
        } catch {
            guard case .noSpace = error else { throw error }
        }
    }

    /// Entries from the beginning of a range; none if they are no longer in the log.
    private mutating func entries(_ range: Range<LogIndex>, maxBytes: Int) throws(WALError) -> [Entry] {
        guard range.lowerBound >= log.terms.firstIndex, range.upperBound <= log.terms.lastIndex.next,
            !range.isEmpty
        else { return [] }
        do throws(WALError) {
            return try log.entries(from: range.lowerBound, to: range.upperBound, maxBytes: maxBytes)
        } catch {
            guard case .compacted = error else { throw error }
            return []
        }
    }

    private mutating func prepareSpare(
        at now: Instant, into reports: inout [LogReport]
    ) throws(WALError) {
        let isUnfinished = try log.prepareSpare()
        noteSpace(into: &reports)
        isSpareReady = !isUnfinished && !isShortOfSpace
        // Slice after slice while there is room; without any, look again now and then.
        spareAt = now + (isUnfinished ? .milliseconds(2) : .milliseconds(500))
    }

    private mutating func noteSpace(into reports: inout [LogReport]) {
        guard log.isShortOfSpace != isShortOfSpace else { return }
        isShortOfSpace = log.isShortOfSpace
        // Only work on a spare segment finds out that there is room again, even if there is a spare already.
        if isShortOfSpace { isSpareReady = false }
        reports.append(.storage(isShortOfSpace: isShortOfSpace))
    }
}

extension LogKeeper: Sendable where D: Sendable {}
