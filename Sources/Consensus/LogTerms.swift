public import Primitives

/// The terms of the log's entries, without the entries: runs of equal terms, of which there are only as many
/// as there were elections.
public struct LogTerms: Sendable, Equatable {
    /// The position before the first entry: where the log was compacted, or its origin.
    public private(set) var base: LogPosition
    /// The index of the last entry, or of `base` if there is none.
    public private(set) var lastIndex: LogIndex
    /// Each run's first index and its term; both strictly ascending, the first run at `base.index + 1`.
    private var runs: [LogPosition]

    /// A log without entries after `base`.
    public init(after base: LogPosition = .origin) {
        self.base = base
        lastIndex = base.index
        runs = []
    }

    /// The index of the first entry, or where it will be.
    public var firstIndex: LogIndex { base.index.next }
    /// Whether there are no entries.
    public var isEmpty: Bool { lastIndex == base.index }
    /// The position of the last entry, or `base`.
    public var last: LogPosition { LogPosition(index: lastIndex, term: runs.last?.term ?? base.term) }

    /// The term at `index`; nil before `base` and after the end.
    public func term(at index: LogIndex) -> Term? {
        guard index <= lastIndex, index >= base.index else { return nil }
        if let run = runs.last, index >= run.index { return run.term }
        guard index > base.index else { return base.term }
        return runs[run(holding: index)].term
    }

    /// The place in `runs` of the one that holds `index`, which must be that of an entry.
    private func run(holding index: LogIndex) -> Int {
        var low = 0
        var high = runs.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if runs[middle].index <= index { low = middle } else { high = middle }
        }
        return low
    }

    /// Whether the log holds this position, or starts right after it.
    public func contains(_ position: LogPosition) -> Bool { term(at: position.index) == position.term }

    /// The last position whose index is at most `limit.index` and whose term is at most `limit.term`; never
    /// before `base`. Where two logs may agree at the latest (paper, section 5.3: "the leader can decrement
    /// nextIndex to bypass all of the conflicting entries in that term").
    public func lastPosition(notAfter limit: LogPosition) -> LogPosition {
        var index = min(limit.index, lastIndex)
        guard index > base.index else { return base }
        var place = run(holding: index)
        while runs[place].term > limit.term {
            guard place > 0 else { return base }
            index = runs[place].index.previous
            place -= 1
        }
        return LogPosition(index: index, term: runs[place].term)
    }

    /// Adds `count` entries of `term`, which must not be less than the last one's.
    public mutating func append(term: Term, count: Int = 1) {
        precondition(term >= last.term && count >= 0, "term \(term) after \(last)")
        guard count > 0 else { return }
        if runs.last?.term != term { runs.append(LogPosition(index: lastIndex.next, term: term)) }
        lastIndex = lastIndex + UInt64(count)
    }

    /// Removes the entries from `index` on, which must lie after `base`.
    public mutating func truncate(from index: LogIndex) {
        precondition(index > base.index, "truncation at \(index) of a log after \(base)")
        guard index <= lastIndex else { return }
        lastIndex = index.previous
        while let run = runs.last, run.index >= index { runs.removeLast() }
    }

    /// Forgets the entries up to and including `index`; nothing beyond the end, and never backwards.
    public mutating func compact(upTo index: LogIndex) {
        guard index > base.index, let term = term(at: index) else { return }
        base = LogPosition(index: index, term: term)
        guard index < lastIndex else { return runs.removeAll() }
        let place = run(holding: index.next)
        runs.removeFirst(place)
        runs[0].index = index.next
    }
}
