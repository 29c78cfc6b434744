public import Primitives

/// A part of a range in which keys that go on after a delimiter are folded into one prefix.
public struct FoldedPage: Sendable {
    /// The revision at which the range was read.
    public let revision: Revision
    /// Keys without the delimiter, in the order of their bytes.
    public let rows: [Row]
    /// What the other keys begin with, up to and with their first delimiter, in the order of the bytes.
    public let commonPrefixes: [[UInt8]]
    /// The cursor to go on after; nil if nothing is left.
    public let next: [UInt8]?
}

extension Keyspace {
    /// Lists a range as a folder: keys that hold `delimiter` after their first `skipping` bytes are folded
    /// into one common prefix. Folded keys are not walked through but passed over.
    ///
    /// `limit` counts rows and prefixes together. `cursor` is the ``FoldedPage/next`` of the page before.
    /// `delimiter` must not be empty.
    public func fold(
        _ range: KeyRange, by delimiter: [UInt8], skipping: Int, at revision: Revision? = nil,
        limit: Int = .max, after cursor: [UInt8]? = nil
    ) -> Result<FoldedPage, ReadError> {
        precondition(!delimiter.isEmpty)
        if let error = readError(at: revision) { return .failure(error) }
        let revision = revision ?? self.revision
        var rows: [Row] = []
        var prefixes: [[UInt8]] = []
        var last = cursor
        var rest: KeyRange? = range
        if let cursor { rest = range.folded(after: cursor, by: delimiter, skipping) }
        while let part = rest {
            rest = nil
            var isFull = false
            var found: [UInt8]?
            _ = forEach(in: part, at: revision, withValues: false) { row in
                guard rows.count + prefixes.count < limit else {
                    isFull = true
                    return false
                }
                found = unsafe row.withKey { unsafe prefix(of: $0, by: delimiter, skipping) }
                if found != nil { return false }
                rows.append(row)
                last = nil
                return true
            }
            if isFull {
                let cursor = last ?? rows.last?.key ?? []
                return .success(
                    FoldedPage(revision: revision, rows: rows, commonPrefixes: prefixes, next: cursor))
            }
            if let found {
                prefixes.append(found)
                last = found
                rest = range.folded(after: found, by: delimiter, skipping)
            }
        }
        return .success(FoldedPage(revision: revision, rows: rows, commonPrefixes: prefixes, next: nil))
    }
}

extension KeyRange {
    /// What is left of the range after a row or, if the cursor holds the delimiter, after all keys that are
    /// folded into it. No row of a folded page holds the delimiter, so the two can't be mixed up.
    fileprivate func folded(after cursor: [UInt8], by delimiter: [UInt8], _ skipping: Int) -> KeyRange? {
        let prefix = unsafe cursor.withUnsafeBytes { unsafe Store.prefix(of: $0, by: delimiter, skipping) }
        guard let prefix else { return continued(after: cursor, descending: false) }
        guard let start = KeyRange.successor(ofPrefix: prefix) else { return nil }
        return start.lexicographicallyPrecedes(self.start) ? self : KeyRange(start: start, end: end)
    }
}

/// The bytes of `key` up to and with the first delimiter after `skipped` bytes, nil if there is none.
private func prefix(of key: UnsafeRawBufferPointer, by delimiter: [UInt8], _ skipped: Int) -> [UInt8]? {
    var place = max(0, skipped)
    while place + delimiter.count <= key.count {
        if unsafe key[place..<(place + delimiter.count)].elementsEqual(delimiter) {
            return unsafe [UInt8](key[..<(place + delimiter.count)])
        }
        place += 1
    }
    return nil
}
