import Primitives

// What a checkpoint's reader gathers. Every number is checked: right checksums do not prove right contents.

/// The records and times of a checkpoint, as far as they were read.
struct CheckpointContents: Sendable {
    /// The header's revision: no record is above it.
    var revision: UInt64 = 0
    /// The oldest change that is kept; revision 0 if there is none.
    var oldestRevision: UInt64 = 0
    var oldestKey: [UInt8] = []

    private var items = SortedMap<ByKey>.Builder()
    private var history = SortedMap<ByVersion>.Builder()
    private var itemCount = 0
    private var historyCount = 0
    private var logicalBytes = 0
    private var historyBytes = 0
    /// Records that are changes still kept; events without a time as yet.
    private var changes: [Event] = []
    private var times: [(revision: UInt64, time: Int64, count: Int)] = []

    mutating func takeItems(_ reader: inout RawReader) throws(ByteReaderError) {
        while unsafe !reader.isAtEnd {
            let record = try unsafe readRecord(&reader)
            guard !record.isTombstone, items.append(record) else { throw .malformed }
            itemCount += 1
            logicalBytes += Int(record.header.keyCount) + Int(record.header.valueCount)
            noteChange(record)
        }
    }

    mutating func takeHistory(_ reader: inout RawReader) throws(ByteReaderError) {
        while unsafe !reader.isAtEnd {
            let record = try unsafe readRecord(&reader)
            guard history.append(record) else { throw .malformed }
            historyCount += 1
            historyBytes += record.cost
            noteChange(record)
        }
    }

    private func readRecord(_ reader: inout RawReader) throws(ByteReaderError) -> Record {
        let keyCount = try unsafe reader.count(upTo: Limits.keyBytes)
        let valueCount = try unsafe reader.count(upTo: Limits.valueBytes)
        let version = try unsafe reader.varint()
        let modRevision = try unsafe reader.varint()
        let age = try unsafe reader.varint()
        guard keyCount > 0, modRevision > 0, modRevision <= revision, age <= modRevision,
            version > 0 ? age < modRevision : age == modRevision && valueCount == 0
        else { throw .malformed }
        return unsafe Record.make(
            key: try reader.raw(keyCount), value: try reader.raw(valueCount),
            createRevision: Revision(modRevision - age), modRevision: Revision(modRevision),
            version: version)
    }

    private mutating func noteChange(_ record: Record) {
        guard oldestRevision > 0, record.header.modRevision >= oldestRevision else { return }
        if record.header.modRevision == oldestRevision {
            let isGone = unsafe oldestKey.withUnsafeBytes { unsafe Place.compare(record.key, $0) < 0 }
            if isGone { return }
        }
        let event = Event(revision: record.modRevision, time: WallTime(milliseconds: 0), record: record)
        changes.append(event)
    }

    mutating func takeTimes(_ reader: inout RawReader) throws(ByteReaderError) {
        var (revision, time): (UInt64, Int64) = (0, 0)
        while unsafe !reader.isAtEnd {
            let (next, overflow) = unsafe revision.addingReportingOverflow(try reader.varint())
            guard let step = unsafe Int64(exactly: try reader.varint()) else { throw .malformed }
            let (later, overflowAgain) = time.addingReportingOverflow(step)
            let count = try unsafe reader.count(upTo: .max)
            guard !overflow, !overflowAgain, next > revision, next <= self.revision, count > 0 else {
                throw .malformed
            }
            (revision, time) = (next, later)
            times.append((next, later, count))
        }
    }

    func checkFooter(_ reader: inout RawReader, file: UInt64) throws(ByteReaderError) {
        guard try unsafe reader.varint() == UInt64(itemCount),
            try unsafe reader.varint() == UInt64(historyCount),
            try unsafe reader.varint() == UInt64(changes.count), try unsafe reader.fixed(UInt64.self) == file
        else { throw .malformed }
    }

    /// The state; nil if the changes are not those that the times are for.
    mutating func keyspace(_ header: CheckpointHeader, _ limits: Limits) -> Keyspace? {
        var keyspace = Keyspace(limits: limits)
        keyspace.revision = header.revision
        keyspace.compactRevision = header.compactRevision
        keyspace.appliedIndex = header.index
        keyspace.appliedTerm = header.term
        keyspace.lastTime = header.lastTime
        keyspace.logicalBytes = logicalBytes
        keyspace.historyBytes = historyBytes
        changes.sort { a, b in
            if a.revision != b.revision { return a.revision < b.revision }
            guard let left = unsafe a.record, let right = unsafe b.record else { return false }
            return unsafe Place.compare(left.key, right.key) < 0
        }
        var place = 0
        for (revision, time, count) in times {
            guard time <= header.lastTime.milliseconds, count <= changes.count - place else { return nil }
            for _ in 0..<count {
                let change = changes[place]
                guard change.revision.rawValue == revision else { return nil }
                let event = unsafe Event(
                    revision: change.revision, time: WallTime(milliseconds: time), record: change.record)
                keyspace.events.append(event)
                place += 1
            }
        }
        guard place == changes.count else { return nil }
        keyspace.current = items.finish()
        keyspace.past = history.finish()
        self = CheckpointContents()
        return keyspace
    }
}
