public import Primitives

// Reads. At the current revision they look at the map of current versions alone. At an older one they go back
// from the newest version of each key, which is in that map or is the mark of a deletion.

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
            guard let revision, revision < self.revision else {
                return unsafe .success(current.find(Place(key)).map { unsafe Row($0) })
            }
            let record = unsafe newest(key).flatMap { version(of: $0, at: revision) }
            return .success(record.map { Row($0) })
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
        rows.reserveCapacity(min(limit, count, 1000))
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
    ///
    /// It is faster if it knows whether `body` looks at the values: `withValues`.
    public func forEach(
        in range: KeyRange, at revision: Revision? = nil, after cursor: [UInt8]? = nil,
        descending: Bool = false, withValues: Bool = true, _ body: (Row) -> Bool
    ) -> Result<Void, ReadError> {
        if let error = readError(at: revision) { return .failure(error) }
        let range = range.continued(after: cursor, descending: descending)
        guard !range.isEmpty else { return .success(()) }
        unsafe range.withPlaces { start, end in
            if let revision, revision < self.revision {
                unsafe scanPast(from: start, to: end, at: revision, descending: descending) { body(Row($0)) }
            } else {
                let lines = withValues ? usualLines : Prefetch.fewLines
                unsafe current.scan(from: start, to: end, descending: descending, lines: lines) {
                    body(Row($0))
                }
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

    /// How many cache lines a record takes on average.
    var usualLines: Int { Prefetch.lines(Record.headCount + logicalBytes / max(1, count)) }

    /// Why nothing can be read at a revision, nil if something can.
    public func readError(at revision: Revision?) -> ReadError? {
        guard let revision else { return nil }
        if revision > self.revision { return .future(current: self.revision) }
        if revision < compactRevision { return .compacted(compact: compactRevision, current: self.revision) }
        return nil
    }

    /// A key's newest version, or the mark of its deletion as long as that is in history.
    func newest(_ key: UnsafeRawBufferPointer) -> Record? {
        if let record = unsafe current.find(Place(key)) { return unsafe record.takeUnretainedValue() }
        guard deleted.count > 0 else { return nil }
        return unsafe deleted.find(Place(key))?.takeUnretainedValue()
    }

    /// The version of a key that was in force at a revision, nil if it did not exist then; `head` is the
    /// newest one.
    private func version(of head: Record, at revision: Revision) -> Record? {
        let record = head.modRevision <= revision ? head : events.version(of: head, notAfter: revision)
        return record.flatMap { $0.isTombstone ? nil : $0 }
    }

    /// Merges the keys that exist and those that were deleted into what was in force at a revision below the
    /// current one.
    private func scanPast(
        from start: Place, to end: Place?, at revision: Revision, descending: Bool, _ body: (Record) -> Bool
    ) {
        unsafe scanHeads(from: start, to: end, descending: descending) { head in
            version(of: head, at: revision).map(body) ?? true
        }
    }

    /// Merges the newest versions of the keys that exist and the marks of those that were deleted.
    func scanHeads(from start: Place, to end: Place?, descending: Bool, _ body: (Record) -> Bool) {
        withExtendedLifetime(self) {
            var present = unsafe SortedMap<ByKey>.Cursor(current)
            var absent = unsafe SortedMap<ByKey>.Cursor(deleted)
            if descending {
                unsafe present.seek(before: end)
                unsafe absent.seek(before: end)
            } else {
                unsafe present.seek(atOrAfter: start)
                unsafe absent.seek(atOrAfter: start)
            }
            func isInside(_ place: Place) -> Bool {
                if descending { return unsafe Place.compare(place, start) >= 0 }
                return unsafe end.map { unsafe Place.compare(place, $0) < 0 } ?? true
            }
            while true {
                let a = unsafe present.place.flatMap { unsafe isInside($0) ? $0 : nil }
                let b = unsafe absent.place.flatMap { unsafe isInside($0) ? $0 : nil }
                let isPresentNext: Bool
                switch unsafe (a, b) {
                case (nil, nil): return
                case (_?, nil): isPresentNext = true
                case (nil, _?): isPresentNext = false
                case (let a?, let b?): isPresentNext = unsafe (Place.compare(a, b) < 0) != descending
                }
                let head = unsafe isPresentNext ? present.element! : absent.element!
                let goesOn = unsafe head._withUnsafeGuaranteedRef { body($0) }
                guard goesOn else { return }
                if isPresentNext {
                    if descending { unsafe present.previous() } else { unsafe present.next() }
                } else {
                    if descending { unsafe absent.previous() } else { unsafe absent.next() }
                }
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
