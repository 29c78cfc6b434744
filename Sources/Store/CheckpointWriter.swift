public import Primitives

/// Writes a frozen keyspace as a checkpoint, one chunk after another.
///
/// Equal states give equal bytes. The writer is a value that holds its copy of the keyspace; hand it to
/// whichever thread has the time.
public struct CheckpointWriter: Sendable {
    private enum Stage { case header, items, history, times, footer, done }

    private let keyspace: Keyspace
    private let header: CheckpointHeader
    private var stage = Stage.header
    private var chain = CheckpointChain()
    /// The place of the last record written of the present stage.
    private var lastKey: [UInt8] = []
    private var lastRank: UInt64 = 0

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
            if let chunk = recordBlock(.items, keyspace.current) { return chunk }
            begin(.history)
            return next()
        case .history:
            if let chunk = recordBlock(.history, keyspace.past) { return chunk }
            begin(.times)
            return next()
        case .times:
            stage = .footer
            let events = keyspace.events
            return block(.times) { CheckpointWriter.write(events, into: &$0) }
        case .footer:
            stage = .done
            let file = chain.file.value
            let counts = [keyspace.current.count, keyspace.past.count, keyspace.events.count]
            return block(.footer) { writer in
                for count in counts { writer.varint(UInt64(count)) }
                writer.fixed(file)
            }
        case .done:
            return nil
        }
    }

    private mutating func begin(_ stage: Stage) {
        self.stage = stage
        (lastKey, lastRank) = ([], 0)
    }

    /// The times of the revisions that have changes, with the numbers of these.
    private static func write(_ events: EventLog, into writer: inout ByteWriter) {
        var place = 0
        var (revision, time): (UInt64, Int64) = (0, 0)
        while place < events.count {
            let event = events[place]
            let end = events.firstPlace(after: event.revision)
            writer.varint(event.revision.rawValue - revision)
            writer.varint(UInt64(event.time.milliseconds - time))
            writer.varint(UInt64(end - place))
            (revision, time, place) = (event.revision.rawValue, event.time.milliseconds, end)
        }
    }

    /// A block of records after the last one written, nil if there are no more.
    private mutating func recordBlock<Order: SortOrder>(
        _ kind: CheckpointFormat.Kind, _ map: SortedMap<Order>
    ) -> [UInt8]? where Order.Element == Record {
        var lastRecord: Record?
        let (key, rank) = (lastKey, lastRank)
        let chunk = block(kind) { writer in
            unsafe key.withUnsafeBytes { key in
                // The place just after the last record: one rank above its own.
                let start = unsafe Place(key, rank: key.isEmpty ? 0 : rank + 1)
                unsafe map.scan(from: start, to: nil) { record in
                    CheckpointWriter.write(record, into: &writer)
                    lastRecord = record
                    return writer.count < CheckpointFormat.blockCount
                }
            }
        }
        guard let lastRecord else { return nil }
        let place = unsafe Order.place(of: lastRecord)
        (lastKey, lastRank) = unsafe ([UInt8](place.text), place.rank)
        return chunk
    }

    private static func write(_ record: Record, into writer: inout ByteWriter) {
        let header = record.header
        writer.varint(UInt64(header.keyCount))
        writer.varint(UInt64(header.valueCount))
        writer.varint(header.version)
        writer.varint(header.modRevision)
        writer.varint(header.modRevision - header.createRevision)
        unsafe writer.raw(record.key)
        unsafe writer.raw(record.value)
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
        unsafe writer.sized(oldest?.record.map { Row($0).key } ?? [])
    }
}
