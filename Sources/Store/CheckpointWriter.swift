public import Primitives

/// Writes a frozen keyspace as a checkpoint, one chunk after another.
///
/// Equal states give equal bytes. The writer is a value that holds its copy of the keyspace; hand it to
/// whichever thread has the time.
public struct CheckpointWriter: Sendable {
    private enum Stage { case header, items, history, times, rows, requests, footer, done }

    private let keyspace: Keyspace
    private let header: CheckpointHeader
    private var stage = Stage.header
    private var chain = CheckpointChain()
    /// The key of the last item written.
    private var lastKey: [UInt8] = []
    private var history = HistoryWalk()
    /// How many records of requests were written.
    private var requestCount = 0

    /// Starts a checkpoint of `keyspace`; `configuration` is the one at its applied index, and opaque.
    public init(
        _ keyspace: Keyspace, cluster: ClusterID, group: GroupID = .first, configuration: [UInt8] = []
    ) {
        self.keyspace = keyspace
        header = CheckpointHeader(
            cluster: cluster, group: group, index: keyspace.appliedIndex, term: keyspace.appliedTerm,
            configuration: configuration, revision: keyspace.revision,
            compactRevision: keyspace.compactRevision, lastTime: keyspace.lastTime)
    }

    /// The next bytes of the file, nil after the last. A chunk is longer than about 256 KiB only by the
    /// length of one value.
    public mutating func next() -> [UInt8]? {
        switch stage {
        case .header:
            stage = .items
            let (keyspace, header) = (keyspace, header)
            return block(.header, prefix: CheckpointFormat.magic) { header.encode(keyspace, into: &$0) }
        case .items:
            if let chunk = itemBlock() { return chunk }
            stage = .history
            return next()
        case .history:
            if let chunk = historyBlock() { return chunk }
            stage = .times
            return next()
        case .times:
            stage = .rows
            lastKey = []
            let events = keyspace.events
            return block(.times) { CheckpointWriter.write(events, into: &$0) }
        case .rows:
            if let chunk = rowBlock() { return chunk }
            stage = .requests
            return next()
        case .requests:
            if let chunk = requestBlock() { return chunk }
            stage = .footer
            return next()
        case .footer:
            stage = .done
            let file = chain.file.value
            let counts = [
                keyspace.current.count, keyspace.historyCount, keyspace.events.count,
                keyspace.coordination.count,
            ]
            return block(.footer) { writer in
                for count in counts { writer.varint(UInt64(count)) }
                writer.fixed(file)
            }
        case .done:
            return nil
        }
    }

    /// The times of the revisions that have changes, with the numbers of these.
    private static func write(_ events: EventLog, into writer: inout ByteWriter) {
        var place = 0
        var (revision, time): (UInt64, Int64) = (0, 0)
        while place < events.count {
            let (next, later) = (events[place].revision, events[place].time.milliseconds)
            let end = events.firstPlace(after: next)
            writer.varint(next.rawValue - revision)
            writer.varint(UInt64(later - time))
            writer.varint(UInt64(end - place))
            (revision, time, place) = (next.rawValue, later, end)
        }
    }

    /// A block of items after the last one written, nil if there are no more.
    private mutating func itemBlock() -> [UInt8]? {
        var lastRecord: Record?
        let (keyspace, key) = (keyspace, lastKey + (lastKey.isEmpty ? [] : [0]))
        let firstWithHistory = keyspace.firstRevisionWithHistory
        var changed: [Record] = []
        let chunk = block(.items) { writer in
            unsafe key.withUnsafeBytes { start in
                let lines = keyspace.usualLines
                unsafe keyspace.current.scan(from: Place(start), to: nil, lines: lines) { record in
                    CheckpointWriter.write(record, into: &writer)
                    if record.modRevision >= firstWithHistory { changed.append(record) }
                    lastRecord = record
                    return writer.count < CheckpointFormat.blockCount
                }
            }
        }
        guard let lastRecord else { return nil }
        lastKey = unsafe [UInt8](lastRecord.key)
        for record in changed { history.add(record) }
        return chunk
    }

    /// A block of rows of coordination after the last one written, nil if there are no more.
    private mutating func rowBlock() -> [UInt8]? {
        var lastRecord: Record?
        let (rows, key) = (keyspace.coordination.rows, lastKey + (lastKey.isEmpty ? [] : [0]))
        let chunk = block(.rows) { writer in
            unsafe key.withUnsafeBytes { start in
                unsafe rows.scan(from: Place(start), to: nil) { record in
                    unsafe writer.sized(record.key)
                    unsafe writer.sized(record.value)
                    lastRecord = record
                    return writer.count < CheckpointFormat.blockCount
                }
            }
        }
        if let lastRecord { lastKey = unsafe [UInt8](lastRecord.key) }
        return chunk
    }

    /// A block of records of requests after the last one written, nil if there are no more.
    private mutating func requestBlock() -> [UInt8]? {
        let requests = keyspace.requests
        let end = min(requestCount + CheckpointFormat.requestsPerBlock, requests.count)
        guard end > requestCount else { return nil }
        let range = requestCount..<end
        requestCount = end
        return block(.requests) { requests.encode(range, into: &$0) }
    }

    /// A block of superseded versions and marks of deletions after the last one written, nil if there are no
    /// more.
    private mutating func historyBlock() -> [UInt8]? {
        var history = history
        let keyspace = keyspace
        let chunk = block(.history) { writer in
            history.next(keyspace) { record in
                CheckpointWriter.write(record, into: &writer)
                return writer.count < CheckpointFormat.blockCount
            }
        }
        self.history = history
        return chunk
    }

    private static func write(_ record: Record, into writer: inout ByteWriter) {
        let (created, changed) = (record.createRevision, record.modRevision)
        writer.varint(UInt64(record.keyCount) << 1 | (record.leaseCount > 0 ? 1 : 0))
        writer.varint(UInt64(record.valueCount))
        writer.varint(record.version)
        writer.varint(changed.rawValue)
        writer.varint(changed - created)
        unsafe writer.raw(record.key)
        unsafe writer.raw(record.value)
        if record.leaseCount > 0 { unsafe writer.sized(record.lease) }
    }

    /// Frames what `body` writes; nil if it writes nothing, except for times, of which there may be none.
    private mutating func block(
        _ kind: CheckpointFormat.Kind, prefix: [UInt8] = [], _ body: (inout ByteWriter) -> Void
    ) -> [UInt8]? {
        var writer = ByteWriter(capacity: CheckpointFormat.blockCount + 4096)
        writer.raw(prefix)
        let start = writer.count + CheckpointFormat.frameCount
        writer.fixed(UInt32(0))
        writer.fixed(UInt32(kind.rawValue))
        writer.fixed(UInt32(0))
        body(&writer)
        guard writer.count > start || kind == .times else { return nil }
        writer.overwrite(at: prefix.count, with: UInt32(writer.count - start))
        let checksum = unsafe writer.bytes.withUnsafeBytes { bytes in
            unsafe chain.add(
                frame: UnsafeRawBufferPointer(rebasing: bytes[prefix.count..<(prefix.count + 8)]),
                payload: UnsafeRawBufferPointer(rebasing: bytes[start...]))
        }
        writer.overwrite(at: prefix.count + 8, with: checksum)
        return writer.take()
    }
}

extension CheckpointHeader {
    /// The contents of the header block.
    fileprivate func encode(_ keyspace: Keyspace, into writer: inout ByteWriter) {
        writer.fixed(CheckpointFormat.version)
        writer.fixed(cluster.rawValue)
        writer.counter(group)
        writer.counter(index)
        writer.counter(term)
        writer.sized(configuration)
        writer.counter(revision)
        writer.counter(compactRevision)
        writer.fixed(lastTime.milliseconds)
        let oldest = keyspace.events.first
        writer.counter(oldest?.revision ?? .zero)
        writer.sized(oldest.map { unsafe Row($0.record).key } ?? [])
        writer.varint(keyspace.coordination.lastNumber)
        keyspace.requests.encodeHead(into: &writer)
    }
}
