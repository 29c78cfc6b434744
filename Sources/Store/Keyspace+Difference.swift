public import Primitives

// What is different between two revisions, found from the changes between them or, where these are many more
// than the keys of the range, from the newest versions of its keys.

/// A key that is not at a later revision what it was at an earlier one.
public struct Difference: Sendable {
    /// What became of the key.
    public enum Kind: String, Sendable { case added, changed, deleted }

    /// The version at the earlier revision; nil if the key did not exist.
    public let old: Row?
    /// The version at the later revision; nil if the key did not exist.
    public let new: Row?
    /// The last change of the key up to the later revision.
    public let revision: Revision
    /// When that was.
    public let time: WallTime?
    /// The key.
    public let key: [UInt8]

    /// What became of the key. It counts as changed if it was written, even to the same value.
    public var kind: Kind { old == nil ? .added : new == nil ? .deleted : .changed }
}

/// A part of the differences between two revisions.
public struct DifferencePage: Sendable {
    /// The differences in the order of their keys.
    public let items: [Difference]
    /// Whether there are more after the last one, whose key is the cursor to go on with.
    public let more: Bool
}

extension Keyspace {
    /// Which keys of a range are different at revision `to` from what they were at revision `from`, which
    /// must not be later. `cursor` is the last key of the page before.
    ///
    /// It costs as much as the changes between the revisions, or as much as the range if that is less.
    public func differences(
        in range: KeyRange, from: Revision, to: Revision, limit: Int = .max, after cursor: [UInt8]? = nil
    ) -> Result<DifferencePage, ReadError> {
        differences(in: range, from: from, to: to, limit: limit, after: cursor, fromChanges: nil)
    }

    /// As above, from the changes or from the keys as `fromChanges` says.
    func differences(
        in range: KeyRange, from: Revision, to: Revision, limit: Int = .max, after cursor: [UInt8]? = nil,
        fromChanges: Bool?
    ) -> Result<DifferencePage, ReadError> {
        if let error = readError(at: to) ?? readError(at: from) { return .failure(error) }
        let range = range.continued(after: cursor, descending: false)
        guard from < to, !range.isEmpty else { return .success(DifferencePage(items: [], more: false)) }
        var items: [Difference] = []
        var more = false
        func take(_ head: Record) -> Bool {
            guard let difference = difference(of: head, from: from, to: to) else { return true }
            guard items.count < limit else {
                more = true
                return false
            }
            items.append(difference)
            return true
        }
        let span = events.firstPlace(after: from)..<events.firstPlace(after: to)
        withExtendedLifetime(self) {
            if fromChanges ?? isShort(span.count, range, limit: limit) {
                for head in heads(span, in: range) where !take(head) { break }
            } else {
                unsafe range.withPlaces { start, end in
                    unsafe scanHeads(from: start, to: end, descending: false, take)
                }
            }
        }
        return .success(DifferencePage(items: items, more: more))
    }

    /// So many changes are always gone through for a page.
    private static let shortSpan = 8_192

    /// Whether it takes less to sort so many changes for every page than to walk over the range once.
    private func isShort(_ changes: Int, _ range: KeyRange, limit: Int) -> Bool {
        if changes <= Self.shortSpan { return true }
        guard case .success(let keys) = countKeys(in: range) else { return false }
        return Double(changes) * Double(changes) <= Double(limit) * Double(keys)
    }

    /// The last version that the changes at `span` made of each key of a range, in the order of the keys.
    private func heads(_ span: Range<Int>, in range: KeyRange) -> [Record] {
        var found: [Record] = []
        unsafe range.withPlaces { start, end in
            for place in span {
                let record = unsafe events[place].record.takeUnretainedValue()
                guard unsafe Place.compare(Place(record.key), start) >= 0 else { continue }
                if let end = unsafe end, unsafe Place.compare(Place(record.key), end) >= 0 { continue }
                found.append(record)
            }
        }
        found.sort { a, b in
            let order = unsafe Place.compare(a.key, b.key)
            return order == 0 ? a.modRevision > b.modRevision : order < 0
        }
        var heads: [Record] = []
        for record in found {
            if let last = heads.last, unsafe Place.compare(last.key, record.key) == 0 { continue }
            heads.append(record)
        }
        return heads
    }

    private func difference(of head: Record, from: Revision, to: Revision) -> Difference? {
        guard head.modRevision > from, let new = events.version(of: head, notAfter: to),
            new.modRevision > from
        else { return nil }
        let old = events.version(of: new, notAfter: from).flatMap { $0.isTombstone ? nil : $0 }
        if new.isTombstone, old == nil { return nil }
        return unsafe Difference(
            old: old.map { Row($0) }, new: new.isTombstone ? nil : Row(new), revision: new.modRevision,
            time: time(of: new.modRevision), key: [UInt8](new.key))
    }
}
