public import Consensus
import Primitives

/// The log on disk of one consensus group: entries and hard state, durable after ``sync()``.
///
/// Belongs to one thread; every call may block on the disk. What is written where, and what recovery makes of
/// it, is in <doc:LogFormat>.
public struct WriteAheadLog<D: Disk>: ~Copyable {
    /// What was found when the log was opened.
    public let recovered: Recovered
    /// Whether no spare segment can be made for want of space: time to refuse client writes. What is left of
    /// the segment in use is then the reserve for consensus. ``prepareSpare()`` finds out when there is room
    /// again.
    public private(set) var isShortOfSpace = false

    let identity: FolderIdentity
    let limits: Limits
    var folder: SegmentFolder<D>
    /// What is on disk, oldest first; never empty.
    var segments: [Segment]
    /// What was appended to segments that are full now, oldest first.
    var unwritten: [Batch] = []
    /// Where the next record goes.
    var tail: Batch
    var view: LogView
    private var isUsable = true

    /// Makes the first segment of a new log, in a folder that has none. Durable when it returns.
    public static func create(
        disk: D, directory: String, identity: FolderIdentity, limits: Limits = Limits()
    ) throws(WALError) {
        var folder = SegmentFolder(disk: disk, directory: directory, limits: limits)
        let names = try attempting { () throws(DiskError) in try disk.list(directory) }
        guard !names.contains(where: { SegmentFolder<D>.number(in: $0, suffix: ".log") != nil }) else {
            throw .alreadyExists(directory: directory)
        }
        let header = SegmentHeader(
            sequence: 1, cluster: identity.cluster, node: identity.node, group: identity.group, base: .origin,
            startsAnew: true, previous: 0, previousEnd: 0)
        let batch = Batch(header, capacity: limits.segmentBytes, identity: identity)
        try attempting { () throws(DiskError) in
            try folder.tidy(names)
            while try !folder.prepareSlice() {}
            disk.close(try folder.put(batch).file)
        }
    }

    /// Reads the log without changing it.
    public static func recover(
        disk: D, directory: String, identity: FolderIdentity, limits: Limits = Limits()
    ) throws(WALError) -> Recovered {
        let opening = try LogOpening(disk: disk, directory: directory, identity: identity, limits: limits)
        opening.close()
        return opening.recovered
    }

    /// Recovers the log and makes it ready for appending. Throws ``WALError/absent(directory:)`` if there is
    /// none, ``WALError/corrupt(file:offset:reason:)`` if something that was durable is missing.
    public init(
        disk: D, directory: String, identity: FolderIdentity, limits: Limits = Limits()
    ) throws(WALError) {
        let opening = try LogOpening(disk: disk, directory: directory, identity: identity, limits: limits)
        var folder = SegmentFolder(disk: disk, directory: directory, limits: limits)
        var tail = Self.continuation(of: opening, identity: identity, limits: limits)
        do throws(DiskError) {
            try folder.tidy(opening.names)
            if !tail.isNew {
                tail.close()
                let file = opening.segments[opening.segments.count - 1].file
                try disk.write(tail.bytes, to: file, at: tail.offset)
                try disk.sync(file)
                tail.becameDurable()
            }
            for segment in opening.void { try folder.recycle(segment) }
            if !opening.void.isEmpty { try disk.syncDirectory(directory) }
        } catch {
            for segment in opening.segments { disk.close(segment.file) }
            throw error.isNoSpace ? .noSpace(error) : .disk(error)
        }
        self.identity = identity
        self.limits = limits
        self.folder = folder
        self.tail = tail
        segments = opening.segments
        view = opening.view
        recovered = opening.recovered
    }

    /// What the next record goes to: the newest segment, after a restart, or one to come if that doesn't fit.
    private static func continuation(
        of opening: LogOpening<D>, identity: FolderIdentity, limits: Limits
    ) -> Batch {
        let newest = opening.segments[opening.segments.count - 1]
        let start = aligned(opening.end, to: SegmentHeader.byteCount)
        guard start + RecordHeader.byteCount <= newest.size else {
            return successor(
                of: newest.sequence, end: opening.end, chain: opening.chain, view: opening.view, needing: 0,
                identity: identity, limits: limits)
        }
        var batch = Batch(
            sequence: newest.sequence, capacity: newest.size, base: newest.base, identity: identity,
            offset: start, chain: opening.chain)
        batch.appendRestart()
        return batch
    }

    deinit {
        for segment in segments { folder.disk.close(segment.file) }
        if let work = folder.preparing { folder.disk.close(work.file) }
    }

    /// The terms of the log's entries, pending ones included.
    public var terms: LogTerms { view.terms }
    /// The hard state last appended.
    public var hardState: HardState { view.hardState ?? HardState() }
    /// How many bytes the log's segments take on disk.
    public var bytesOnDisk: Int { segments.reduce(0) { $0 + $1.size } }
    /// How many bytes were appended since the last sync.
    public var bytesPending: Int { unwritten.reduce(tail.bytes.count) { $0 + $1.bytes.count } }

    /// Takes entries and a hard state to be written by the next ``sync()``; does not touch the disk.
    ///
    /// An entry replaces what the log has at its index and above. Entries must follow one another and the log
    /// without a gap, and must not replace what is known to be committed: the process stops otherwise. A
    /// commit index beyond the log's end is written as that end.
    public mutating func append(hardState: HardState? = nil, entries: [Entry] = []) throws(WALError) {
        try checkUsable()
        for entry in entries {
            precondition(
                entry.index <= view.terms.lastIndex.next && entry.index > self.hardState.commit,
                "entry \(entry.index) in a log that ends at \(view.terms.last), "
                    + "committed \(self.hardState.commit)"
            )
            let size = RecordHeader.recordBytes(payload: entry.payload.count)
            if size > tail.room { rollOver(needing: size) }
            let mark = LogView.Mark(
                index: entry.index, sequence: tail.sequence, offset: tail.end, chain: tail.chain)
            tail.append(entry: entry)
            view.add(index: entry.index, term: entry.term, at: mark, bytes: size, spacing: limits.markSpacing)
        }
        guard var state = hardState else { return }
        state.commit = min(state.commit, view.terms.lastIndex)
        guard state != view.hardState else { return }
        if RecordHeader.recordBytes(payload: 8) > tail.room { rollOver(needing: 0) }
        tail.append(hardState: state)
        view.hardState = state
    }

    /// Makes everything that was appended durable: one write and one sync, or two where a segment ends in
    /// between.
    ///
    /// Throws ``WALError/noSpace(_:)`` if there is no room for a segment that is needed: nothing of what
    /// hadn't been durable may be acknowledged, and the call may be made again. After any other error the log
    /// is unusable.
    public mutating func sync() throws(WALError) {
        try checkUsable()
        tail.close()
        do {
            while let batch = unwritten.first {
                try write(batch)
                unwritten.removeFirst()
            }
            guard !tail.bytes.isEmpty else { return }
            if tail.isNew {
                segments.append(try folder.put(tail))
            } else {
                let file = segments[segments.count - 1].file
                try folder.disk.write(tail.bytes, to: file, at: tail.offset)
                let isSmall = tail.bytes.count <= SegmentHeader.byteCount
                let skips = isPlanted(.doesNotSync) || (isPlanted(.doesNotSyncHardState) && isSmall)
                if !skips { try folder.disk.sync(file) }
            }
            tail.becameDurable()
        } catch {
            let isSync = error.operation == .sync && unwritten.isEmpty && !tail.isNew
            guard isSync, isPlanted(.believesFailedSync) else { throw failed(error) }
            tail.becameDurable()
        }
    }

    private mutating func write(_ batch: Batch) throws(DiskError) {
        if batch.isNew { return segments.append(try folder.put(batch)) }
        let file = segments[segments.count - 1].file
        try folder.disk.write(batch.bytes, to: file, at: batch.offset)
        try folder.disk.sync(file)
    }

    /// Prepares a spare segment, a slice at a time, so that appends never wait long: for when there is
    /// nothing else to do. Returns whether there is more to do now.
    ///
    /// Without space there is not: ``isShortOfSpace`` becomes true, and the next call tries again from the
    /// beginning.
    public mutating func prepareSpare() throws(WALError) -> Bool {
        try checkUsable()
        do {
            let isReady = try folder.prepareSlice()
            if isReady && !isPlanted(.staysShortOfSpace) { isShortOfSpace = false }
            return !isReady
        } catch {
            if error.isNoSpace { try? folder.abandonPreparing() }
            let failure = failed(error)
            guard case .noSpace = failure else { throw failure }
            return false
        }
    }

    // MARK: - Segments

    private mutating func rollOver(needing size: Int) {
        tail.close()
        let next = Self.successor(
            of: tail.sequence, end: isPlanted(.wrongEndOfSegment) ? tail.offset : tail.end,
            chain: tail.chain, view: view, needing: size,
            identity: identity,
            limits: limits)
        if !tail.bytes.isEmpty { unwritten.append(tail) }
        tail = next
    }

    private static func successor(
        of sequence: UInt64, end: Int, chain: UInt32, view: LogView, needing size: Int,
        identity: FolderIdentity,
        limits: Limits
    ) -> Batch {
        let header = SegmentHeader(
            sequence: sequence + 1, cluster: identity.cluster, node: identity.node, group: identity.group,
            base: view.terms.last, startsAnew: false, previous: chain, previousEnd: end)
        let least = SegmentHeader.byteCount + RecordHeader.recordBytes(payload: 8) + size
        let capacity = max(limits.segmentBytes, aligned(least, to: SegmentHeader.byteCount))
        var batch = Batch(header, capacity: capacity, identity: identity)
        if let state = view.hardState, !isPlanted(.leavesHardStateBehind) { batch.append(hardState: state) }
        return batch
    }

    func checkUsable() throws(WALError) {
        guard isUsable else { throw .unusable }
    }

    /// What a failed call to the disk means. Only a lack of space can be waited out.
    mutating func failed(_ error: DiskError) -> WALError {
        if error.isNoSpace {
            isShortOfSpace = true
            return .noSpace(error)
        }
        isUsable = false
        return .disk(error)
    }

    mutating func spareWasRecycled() {
        if !folder.spares.isEmpty && !isPlanted(.staysShortOfSpace) { isShortOfSpace = false }
    }
}

/// Only values, so that it may be made on one thread and used on another.
extension WriteAheadLog: Sendable where D: Sendable {}
