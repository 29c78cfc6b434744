// The thread that owns the log on disk. It takes all that has come, writes it, syncs once, and reports: what
// gathers during a sync is the next group.
import Consensus
import Platform
import Primitives
import WAL

/// What the node loop asks of the disk thread.
enum DiskCommand: Sendable {
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

/// The disk thread and what it owns.
struct DiskLoop<D: Disk>: ~Copyable {
    private var log: WAL<D>
    private let inbox: Mailbox<DiskCommand>
    private let reports: Mailbox<NodeInput>
    private var batch: [DiskCommand] = []
    /// What came while a full disk was waited out.
    private var backlog: [DiskCommand] = []
    private var isShortOfSpace = false
    /// How long to leave the disk alone before a spare segment is worked on again.
    private var sparePause = Instant.Span.milliseconds(2)
    private var isSpareReady = false
    /// Bytes appended since a slice of a spare segment was last written.
    private var bytesSinceSlice = 0
    private var bytesOnDisk = 0

    init(log: consuming WAL<D>, inbox: Mailbox<DiskCommand>, reports: Mailbox<NodeInput>) {
        self.log = log
        self.inbox = inbox
        self.reports = reports
    }

    /// Runs until told to stop, or until the disk fails: then the node can't go on, because what a failed
    /// sync has lost is not known (Rebello et al., "Can Applications Recover from fsync Failures?", ATC
    /// 2020).
    consuming func run() {
        do throws(WALError) {
            while try turn() {}
        } catch {
            reports.deliver(.fatal("\(error)"))
        }
    }

    private mutating func turn() throws(WALError) -> Bool {
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &backlog)
        let wakes = isSpareReady ? Instant.never : Clock.now() + sparePause
        if batch.isEmpty { inbox.wait(until: wakes, into: &batch) }
        guard !batch.isEmpty else {
            try prepareSpare()
            return true
        }
        var sequence: UInt64 = 0
        var messages: [Message] = []
        for command in batch {
            guard case .persist(let persist) = command else { continue }
            guard try append(persist) else { return false }
            sequence = persist.sequence
            messages.append(contentsOf: persist.thenSend)
            for entry in persist.entries { bytesSinceSlice += entry.payload.count }
        }
        if sequence > 0 {
            let start = Clock.now()
            guard try sync() else { return false }
            reports.deliver(
                .persisted(sequence: sequence, thenSend: messages, took: Clock.now() - start))
        }
        let goesOn = try carryOutOthers()
        noteSize()
        try keepSpareComing()
        return goesOn
    }

    /// Without a pause in the writes a spare segment must come all the same, or the end of this one would be
    /// a long wait: twice as fast as the log grows, so that it is there in time.
    private mutating func keepSpareComing() throws(WALError) {
        guard !isSpareReady, !isShortOfSpace, bytesSinceSlice >= 128 << 10 else { return }
        bytesSinceSlice = 0
        try prepareSpare()
    }

    /// The log grows by whole segments: then a spare was used up, or one became free.
    private mutating func noteSize() {
        guard log.bytesOnDisk != bytesOnDisk else { return }
        bytesOnDisk = log.bytesOnDisk
        isSpareReady = false
        reports.deliver(.logSize(bytesOnDisk))
    }

    /// Commands that are not writes come after the writes of their batch.
    private mutating func carryOutOthers() throws(WALError) -> Bool {
        var goesOn = true
        for command in batch {
            switch command {
            case .persist: break
            case .read(let replicate):
                let entries = try entries(replicate.range, maxBytes: replicate.maxBytes)
                reports.deliver(.logRead(replicate, entries))
            case .show(let token, let range):
                reports.deliver(.logShown(token: token, try entries(range, maxBytes: 1 << 20)))
            case .cut(let below, let reference):
                try cut(below: below)
                reports.deliver(.logCut(reference, firstIndex: log.terms.firstIndex))
            case .stop: goesOn = false
            }
        }
        return goesOn
    }

    /// False if the thread was told to stop while it waited for room.
    private mutating func append(_ persist: Persist) throws(WALError) -> Bool {
        if let position = persist.resetTo {
            guard try reset(to: position, persist.hardState) else { return false }
        }
        if persist.hardState != nil || !persist.entries.isEmpty {
            try log.append(hardState: persist.hardState, entries: persist.entries)
        }
        return true
    }

    private mutating func reset(to position: LogPosition, _ hardState: HardState?) throws(WALError) -> Bool {
        while true {
            do throws(WALError) {
                try log.reset(to: position, hardState: hardState)
                noteSpace()
                return true
            } catch {
                guard try waitForRoom(error) else { return false }
            }
        }
    }

    private mutating func sync() throws(WALError) -> Bool {
        while true {
            do throws(WALError) {
                try log.sync()
                noteSpace()
                return true
            } catch {
                guard try waitForRoom(error) else { return false }
            }
        }
    }

    /// A full disk is waited out: nothing is acknowledged meanwhile, and nothing is lost. False if the thread
    /// is to stop instead.
    private mutating func waitForRoom(_ error: WALError) throws(WALError) -> Bool {
        guard case .noSpace = error else { throw error }
        noteSpace()
        CurrentThread.sleep(for: .milliseconds(200))
        var came: [DiskCommand] = []
        inbox.drain(into: &came)
        backlog += came
        return !(batch + backlog).contains { if case .stop = $0 { true } else { false } }
    }

    private mutating func cut(below index: LogIndex) throws(WALError) {
        do throws(WALError) {
            try log.cut(below: index)
        } catch {
            guard case .noSpace = error else { throw error }
            noteSpace()
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

    private mutating func prepareSpare() throws(WALError) {
        let isUnfinished = try log.prepareSpare()
        noteSpace()
        isSpareReady = !isUnfinished && !isShortOfSpace
        // Slice after slice while there is room; without any, look again now and then.
        sparePause = isUnfinished ? .milliseconds(2) : .milliseconds(500)
    }

    private mutating func noteSpace() {
        guard log.isShortOfSpace != isShortOfSpace else { return }
        isShortOfSpace = log.isShortOfSpace
        reports.deliver(.storage(isShortOfSpace: isShortOfSpace))
    }
}

extension DiskLoop: Sendable where D: Sendable {}
