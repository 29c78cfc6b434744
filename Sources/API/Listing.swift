// One page of a list: which rows, and where the next page begins.

import Primitives
import Store

/// One page of a list.
struct Listing {
    private(set) var rows: [Row] = []
    private(set) var commonPrefixes: [[UInt8]] = []
    /// Where the next page begins; nil if this is the last.
    private(set) var next: CursorPosition.Place?

    init(_ query: RangeQuery, keyspace: borrowing Keyspace, limits: NativeAPI.Limits) throws(Problem) {
        let limit = query.limit ?? limits.maximumPageCount
        if let delimiter = query.delimiter {
            try fold(query, by: delimiter, limit: limit, keyspace: keyspace)
        } else if query.sort == .key {
            try page(query, limit: limit, keyspace: keyspace)
        } else {
            try sort(query, limit: limit, most: limits.sortedCount, keyspace: keyspace)
        }
    }

    private mutating func fold(
        _ query: RangeQuery, by delimiter: [UInt8], limit: Int, keyspace: borrowing Keyspace
    ) throws(Problem) {
        let page = try keyspace.fold(
            query.range, by: delimiter, skipping: query.prefixCount, at: query.revision, limit: limit,
            after: query.position?.key
        ).orProblem()
        rows = page.rows
        commonPrefixes = page.commonPrefixes
        next = page.next.map { .key($0) }
    }

    private mutating func page(
        _ query: RangeQuery, limit: Int, keyspace: borrowing Keyspace
    ) throws(Problem) {
        guard let since = query.since else {
            let page = try keyspace.range(
                query.range, at: query.revision, limit: limit, after: query.position?.key,
                descending: query.descending
            ).orProblem()
            rows = page.rows
            if page.more, let last = rows.last { next = .key(last.key) }
            return
        }
        var found: [Row] = []
        var more = false
        try keyspace.forEach(
            in: query.range, at: query.revision, after: query.position?.key, descending: query.descending,
            withValues: false
        ) { row in
            if row.modRevision <= since { return true }
            if found.count == limit {
                more = true
                return false
            }
            found.append(row)
            return true
        }.orProblem()
        rows = found
        if more, let last = rows.last { next = .key(last.key) }
    }

    /// Another order than that of the keys needs the whole range at once, so its size is bounded.
    private mutating func sort(
        _ query: RangeQuery, limit: Int, most: Int, keyspace: borrowing Keyspace
    ) throws(Problem) {
        var found: [Row] = []
        var tooMany = false
        let since = query.since ?? .zero
        try keyspace.forEach(
            in: query.range, at: query.revision, withValues: query.sort == .value
        ) { row in
            if row.modRevision <= since { return true }
            tooMany = found.count == most
            if !tooMany { found.append(row) }
            return !tooMany
        }.orProblem()
        guard !tooMany else {
            throw Problem(
                .invalid, "more than \(most) keys can't be sorted by \(query.sort.rawValue); narrow the range"
            ).with("errors", .errors([.init(field: "sort", message: "the range has too many keys")]))
        }
        let sorted = Self.sorted(found, by: query.sort, descending: query.descending)
        var start = 0
        if case .offset(let offset)? = query.position?.place { start = min(offset, sorted.count) }
        rows = Array(sorted[start...].prefix(limit))
        if start + rows.count < sorted.count { next = .offset(start + rows.count) }
    }

    /// Sorts what comes in the order of the keys; equal ones stay in it.
    private static func sorted(_ rows: [Row], by sort: RangeQuery.Sort, descending: Bool) -> [Row] {
        func ordered<Value>(_ value: (Row) -> Value, _ less: (Value, Value) -> Bool) -> [Row] {
            let keyed = rows.enumerated().map { (place: $0.offset, value: value($0.element)) }
            let order = keyed.sorted { a, b in
                if less(a.value, b.value) { return !descending }
                if less(b.value, a.value) { return descending }
                return a.place < b.place
            }
            return order.map { rows[$0.place] }
        }
        switch sort {
        case .key: return descending ? rows.reversed() : rows
        case .revision: return ordered(\.modRevision, <)
        case .create: return ordered(\.createRevision, <)
        case .version: return ordered(\.version, <)
        case .value: return ordered(\.value) { $0.lexicographicallyPrecedes($1) }
        }
    }
}

extension CursorPosition {
    /// The key to go on after, if the list is in the order of the keys.
    var key: [UInt8]? {
        guard case .key(let key) = place else { return nil }
        return key
    }
}

extension Result where Failure == ReadError {
    /// The value, or the problem that a read came to.
    func orProblem() throws(Problem) -> Success {
        switch self {
        case .success(let value): return value
        case .failure(.compacted(let compact, let current)): throw NativeAPI.compacted(compact, current)
        case .failure(.future(let current)): throw NativeAPI.future(current)
        }
    }
}
