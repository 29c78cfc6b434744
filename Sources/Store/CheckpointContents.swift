import Primitives

// What a checkpoint's reader gathers. Every number is checked: right checksums do not prove right contents.

/// The records and times of a checkpoint, as far as they were read.
struct CheckpointContents: Sendable {
    /// The version of the format.
    var version = CheckpointFormat.version
    /// The last number that coordination gave away.
    var lastNumber: UInt64 = 0
    /// The header's revision: no record is above it.
    var revision: UInt64 = 0
    /// The oldest change that is kept; revision 0 if there is none.
    var oldestRevision: UInt64 = 0
    var oldestKey: [UInt8] = []

    private var items = SortedMap<ByKey>.Builder()
    private var itemCount = 0
    var requests = RequestLog()
    private var rows = SortedMap<ByKey>.Builder()
    private var rowCount = 0
    private var rowBytes = 0
    private var logicalBytes = 0
    /// Superseded versions and marks of deletions, in the order of their keys and revisions.
    nonisolated(unsafe) private var history: [Record] = []
    private var historyBytes = 0
    /// The items whose last changes are still kept, in the order of their keys.
    nonisolated(unsafe) private var changedItems: [Record] = []
    private var changeCount = 0
    private var times: [(revision: UInt64, time: Int64, count: Int)] = []

    mutating func takeItems(_ reader: inout RawReader) throws(ByteReaderError) {
        while unsafe !reader.isAtEnd {
            let record = try unsafe readRecord(&reader)
            guard !record.isTombstone, items.append(record) else { throw .malformed }
            itemCount += 1
            logicalBytes += record.keyCount + record.valueCount
            guard isKept(record) else { continue }
            unsafe changedItems.append(record)
            changeCount += 1
        }
    }

    mutating func takeHistory(_ reader: inout RawReader) throws(ByteReaderError) {
        while unsafe !reader.isAtEnd {
            let record = try unsafe readRecord(&reader)
            if let last = unsafe history.last {
                let order = unsafe Place.compare(last.key, record.key)
                guard order < 0 || order == 0 && last.modRevision < record.modRevision else {
                    throw .malformed
                }
            }
            unsafe history.append(record)
            historyBytes += record.cost
            if isKept(record) { changeCount += 1 }
        }
    }

    mutating func takeRequests(_ reader: inout RawReader) throws(ByteReaderError) {
        guard version > 1 else { throw .malformed }
        try unsafe requests.read(&reader)
    }

    mutating func takeRows(_ reader: inout RawReader) throws(ByteReaderError) {
        guard version > 1 else { throw .malformed }
        while unsafe !reader.isAtEnd {
            let key = try unsafe reader.sized(upTo: Limits.keyBytes)
            let value = try unsafe reader.sized(upTo: Limits.valueBytes)
            guard let kind = unsafe key.first, RowKind(rawValue: kind) != nil else { throw .malformed }
            let record = unsafe Record.make(
                key: key, value: value, createRevision: .zero, modRevision: .zero, version: 1
            ).takeRetainedValue()
            guard rows.append(record) else { throw .malformed }
            rowCount += 1
            rowBytes += key.count + value.count
        }
    }

    private func readRecord(_ reader: inout RawReader) throws(ByteReaderError) -> Record {
        var keyCount = try unsafe reader.count(upTo: 2 * Limits.keyBytes + 1)
        let isLeased = version > 1 && keyCount & 1 == 1
        if version > 1 { keyCount >>= 1 }
        guard keyCount <= Limits.keyBytes else { throw .malformed }
        let valueCount = try unsafe reader.count(upTo: Limits.valueBytes)
        let version = try unsafe reader.varint()
        let modRevision = try unsafe reader.varint()
        let age = try unsafe reader.varint()
        guard keyCount > 0, modRevision > 0, modRevision <= revision, age <= modRevision,
            version > 0 ? age < modRevision : age == modRevision && valueCount == 0
        else { throw .malformed }
        let key = unsafe try reader.raw(keyCount)
        let value = unsafe try reader.raw(valueCount)
        let lease = unsafe isLeased ? try reader.sized(upTo: Limits.leaseIDBytes) : nil
        guard unsafe lease?.isEmpty != true else { throw .malformed }
        return unsafe Record.make(
            key: key, value: value, createRevision: Revision(modRevision - age),
            modRevision: Revision(modRevision), version: version, lease: lease
        ).takeRetainedValue()
    }

    /// Whether the change that made a record is still kept.
    private func isKept(_ record: Record) -> Bool {
        guard oldestRevision > 0, record.modRevision.rawValue >= oldestRevision else { return false }
        guard record.modRevision.rawValue == oldestRevision else { return true }
        return unsafe oldestKey.withUnsafeBytes { unsafe Place.compare(record.key, $0) >= 0 }
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
            unsafe try reader.varint() == UInt64(history.count),
            try unsafe reader.varint() == UInt64(changeCount)
        else { throw .malformed }
        if version > 1 {
            guard try unsafe reader.varint() == UInt64(rowCount) else { throw .malformed }
        }
        let told = try unsafe reader.fixed(UInt64.self)
        guard told == file || isPlanted(.checkpointUnchecked) else { throw .malformed }
    }

    // MARK: The state

    /// A change that is kept; events without a time as yet. What it refers to is held by `self`.
    @unsafe private struct Change {
        let revision: UInt64
        let record: Unmanaged<Record>
        let superseded: Unmanaged<Record>?
    }

    /// The state; nil if the changes are not those that the times are for, or do not account for history.
    mutating func keyspace(_ header: CheckpointHeader, _ limits: Limits) -> Keyspace? {
        var keyspace = Keyspace(limits: limits)
        keyspace.revision = header.revision
        if isPlanted(.revisionGoesBack) { keyspace.revision = Revision(times.last?.revision ?? 1) }
        keyspace.compactRevision = header.compactRevision
        keyspace.appliedIndex = isPlanted(.appliedIndexAhead) ? header.index.next : header.index
        keyspace.appliedTerm = header.term
        keyspace.lastTime = header.lastTime
        keyspace.logicalBytes = logicalBytes
        keyspace.historyBytes = historyBytes
        keyspace.historyCount = unsafe history.count
        keyspace.current = items.finish()
        keyspace.coordination.rows = rows.finish()
        keyspace.coordination.byteCount = rowBytes
        keyspace.coordination.lastNumber = lastNumber
        keyspace.coordination.recount()
        keyspace.requests = requests
        guard keyspace.readHistoryBounds() else { return nil }
        guard var changes = unsafe joinChanges(&keyspace) else { return nil }
        unsafe changes.sort { a, b in
            if unsafe a.revision != b.revision { return unsafe a.revision < b.revision }
            return unsafe a.record._withUnsafeGuaranteedRef { left in
                unsafe b.record._withUnsafeGuaranteedRef { unsafe Place.compare(left.key, $0.key) < 0 }
            }
        }
        var place = 0
        for (revision, time, count) in times {
            guard time <= header.lastTime.milliseconds, unsafe count <= changes.count - place else {
                return nil
            }
            for index in place..<(place + count) {
                let change = unsafe changes[index]
                guard unsafe change.revision == revision else { return nil }
                unsafe keyspace.events.append(
                    revision: Revision(revision), time: WallTime(milliseconds: time),
                    record: change.record, superseded: change.superseded?.retain(),
                    isDelete: change.record._withUnsafeGuaranteedRef { $0.isTombstone })
            }
            place += count
        }
        guard unsafe place == changes.count else { return nil }
        self = CheckpointContents()
        return keyspace
    }

    /// The changes in the order of their keys, each with what it superseded; deleted keys are put into the
    /// keyspace. Nil unless all of history is either superseded by a change or the mark of one.
    private func joinChanges(_ keyspace: inout Keyspace) -> [Change]? {
        var changes: [Change] = unsafe []
        unsafe changes.reserveCapacity(changeCount)
        func add(_ record: Record, _ superseded: Record?) {
            unsafe changes.append(
                Change(
                    revision: record.modRevision.rawValue, record: .passUnretained(record),
                    superseded: superseded.map { unsafe .passUnretained($0) }))
        }
        var (item, next) = (0, 0)
        while let first = unsafe next < history.count ? history[next] : nil {
            while let earlier = unsafe item < changedItems.count ? changedItems[item] : nil,
                unsafe Place.compare(earlier.key, first.key) < 0
            {
                add(earlier, nil)
                item += 1
            }
            var last: Record?
            while let record = unsafe next < history.count ? history[next] : nil,
                unsafe Place.compare(record.key, first.key) == 0
            {
                if isKept(record) {
                    add(record, last)
                } else if record.isTombstone || last != nil {
                    return nil
                }
                last = record
                next += 1
            }
            guard let last else { return nil }
            if let current = unsafe item < changedItems.count ? changedItems[item] : nil,
                unsafe Place.compare(current.key, first.key) == 0
            {
                guard last.modRevision < current.modRevision else { return nil }
                add(current, last)
                item += 1
            } else {
                guard last.isTombstone, unsafe keyspace.current.find(Place(last.key)) == nil else {
                    return nil
                }
                keyspace.deleted.insert(last)
            }
        }
        for current in unsafe changedItems[item...] { add(current, nil) }
        return unsafe changes
    }
}
