public import Primitives

// Reads. At the current revision they walk the map of current versions alone; at an older one they merge it
// with the map of superseded versions.

/// A part of a range.
public struct Page: Sendable {
    /// The revision at which the range was read.
    public let revision: Revision
    /// What was found, in the order asked for.
    public let rows: [Row]
    /// Whether the range goes on after the last row, whose key is the cursor to go on with.
    public let more: Bool
    /// Copies of the rows.
    public var items: [Item] { rows.map(\.item) }
}

extension Keyspace {
    /// The key's version at a revision (the current one by default), nil if it did not exist then.
    public func get(_ key: [UInt8], at revision: Revision? = nil) -> Result<Item?, ReadError> {
        row(key, at: revision).map { $0?.item }
    }

    /// As ``get(_:at:)``, without a copy.
    public func row(_ key: [UInt8], at revision: Revision? = nil) -> Result<Row?, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        return unsafe key.withUnsafeBytes { key in
            let record = unsafe current.find(Place(key))?.takeUnretainedValue()
            guard let revision, revision < self.revision else { return .success(record.map { Row($0) }) }
            if let record, record.modRevision <= revision { return .success(Row(record)) }
            return unsafe .success(pastVersion(of: key, at: revision).map { Row($0) })
        }
    }

    /// A page of a range, in ascending order of the keys unless `descending`.
    ///
    /// `cursor` is the last key of the page before; pages read with the first one's revision fit together.
    public func range(
        _ range: KeyRange, at revision: Revision? = nil, limit: Int = .max, after cursor: [UInt8]? = nil,
        descending: Bool = false
    ) -> Result<Page, ReadError> {
        var rows: [Row] = []
        var more = false
        let result = forEach(in: range, at: revision, after: cursor, descending: descending) { row in
            guard rows.count < limit else {
                more = true
                return false
            }
            rows.append(row)
            return true
        }
        return result.map { Page(revision: revision ?? self.revision, rows: rows, more: more) }
    }

    /// Calls `body` for each key of a range, in order, until it says false. Copies nothing.
    public func forEach(
        in range: KeyRange, at revision: Revision? = nil, after cursor: [UInt8]? = nil,
        descending: Bool = false, _ body: (Row) -> Bool
    ) -> Result<Void, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        let range = range.continued(after: cursor, descending: descending)
        guard !range.isEmpty else { return .success(()) }
        unsafe range.withPlaces { start, end in
            if let revision, revision < self.revision {
                unsafe scanPast(from: start, to: end, at: revision, descending: descending) { body(Row($0)) }
            } else {
                unsafe current.scan(from: start, to: end, descending: descending) { body(Row($0)) }
            }
        }
        return .success(())
    }

    /// How many keys a range holds. At the current revision this looks at one leaf in sixty-four keys.
    public func countKeys(in range: KeyRange, at revision: Revision? = nil) -> Result<Int, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        guard !range.isEmpty else { return .success(0) }
        return unsafe .success(
            range.withPlaces { start, end in
                guard let revision, revision < self.revision else {
                    return unsafe current.count(from: start, to: end)
                }
                var count = 0
                unsafe scanPast(from: start, to: end, at: revision, descending: false) { _ in
                    count += 1
                    return true
                }
                return count
            })
    }

    /// Why nothing can be read at a revision, nil if something can.
    func readError(at revision: Revision?) -> ReadError? {
        guard let revision else { return nil }
        if revision > self.revision { return .future(current: self.revision) }
        if revision < compactRevision { return .compacted(compact: compactRevision, current: self.revision) }
        return nil
    }

    /// The version among the superseded ones that was in force at a revision.
    func pastVersion(of key: UnsafeRawBufferPointer, at revision: Revision) -> Record? {
        guard past.count > 0 else { return nil }
        let record = unsafe past.last(before: Place(key, rank: revision.rawValue + 1))
        guard let record, !record.isTombstone, unsafe Place.compare(record.key, key) == 0 else { return nil }
        return record
    }

    /// Merges current and superseded versions into what was in force at a revision below the current one.
    private func scanPast(
        from start: Place, to end: Place?, at revision: Revision, descending: Bool, _ body: (Record) -> Bool
    ) {
        withExtendedLifetime(self) {
            var now = unsafe SortedMap<ByKey>.Cursor(current)
            var old = unsafe SortedMap<ByVersion>.Cursor(past)
            if descending {
                unsafe now.seek(before: end)
                unsafe old.seek(before: end)
            } else {
                unsafe now.seek(atOrAfter: start)
                unsafe old.seek(atOrAfter: start)
            }
            func isInside(_ place: Place) -> Bool {
                if descending { return unsafe Place.compare(place.text, start.text) >= 0 }
                return unsafe end.map { unsafe Place.compare(place.text, $0.text) < 0 } ?? true
            }
            while true {
                let a = unsafe now.place.flatMap { unsafe isInside($0) ? $0.text : nil }
                let b = unsafe old.place.flatMap { unsafe isInside($0) ? $0.text : nil }
                guard let key = unsafe a ?? b else { return }
                var order = unsafe a == nil ? 1 : b == nil ? -1 : Place.compare(a!, b!)
                if descending, unsafe a != nil, unsafe b != nil { order = -order }
                // `order` is at most zero if the current version's key is next, at least zero if the
                // superseded ones' is.
                let next = unsafe order > 0 ? b! : key
                var record = unsafe order <= 0 ? now.element?.takeUnretainedValue() : nil
                if let candidate = record, candidate.modRevision > revision { record = nil }
                if record == nil, order >= 0 { record = unsafe pastVersion(of: next, at: revision) }
                if let record, !body(record) { return }
                if order >= 0 {
                    if descending {
                        unsafe old.seek(before: Place(next))
                    } else {
                        unsafe old.seek(atOrAfter: Place(next, rank: .max))
                    }
                }
                if order <= 0 { if descending { unsafe now.previous() } else { unsafe now.next() } }
            }
        }
    }
}

extension KeyRange {
    /// What is left of the range after a cursor.
    func continued(after cursor: [UInt8]?, descending: Bool) -> KeyRange {
        guard let cursor else { return self }
        if descending {
            let isBeyond = end.map { !cursor.lexicographicallyPrecedes($0) } ?? false
            return isBeyond ? self : KeyRange(start: start, end: cursor)
        }
        return cursor.lexicographicallyPrecedes(start) ? self : KeyRange(start: cursor + [0], end: end)
    }

    /// Lends the bounds to `body`.
    func withPlaces<Result>(_ body: (Place, Place?) -> Result) -> Result {
        unsafe start.withUnsafeBytes { start in
            guard let end else { return unsafe body(Place(start), nil) }
            return unsafe end.withUnsafeBytes { unsafe body(Place(start), Place($0)) }
        }
    }
}
