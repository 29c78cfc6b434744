import Primitives

/// The payload sizes of the latest entries, as running sums, so that any range of them is summed in one
/// subtraction and no account can leak. Sizes of entries from before a restart, and of old ones, are not
/// known.
struct LogSizes: Sendable, Equatable {
    /// How many entries stay known at least; twice as many at most.
    static let kept = 1 << 16

    /// The first entry whose size is known.
    private(set) var first: LogIndex
    /// The sum of the sizes before `first`, from an arbitrary origin.
    private var before: UInt64 = 0
    /// The sum up to and including each entry from `first` on.
    private var sums: [UInt64] = []

    /// No size known; the next entry comes after `index`.
    init(after index: LogIndex) { first = index.next }

    /// Adds the next entry's size.
    mutating func append(_ bytes: Int) {
        if sums.count == 2 * Self.kept {
            before = sums[Self.kept - 1]
            first = first + UInt64(Self.kept)
            sums.removeFirst(Self.kept)
        }
        sums.append((sums.last ?? before) &+ UInt64(bytes))
    }

    /// Forgets the entries from `index` on.
    mutating func truncate(from index: LogIndex) {
        guard index > first else { return self = LogSizes(after: index.previous) }
        let kept = Int(index - first)
        if kept < sums.count { sums.removeLast(sums.count - kept) }
    }

    /// The bytes of the entries after `index`, as far as known.
    func bytes(after index: LogIndex) -> Int { Int((sums.last ?? before) &- sum(upTo: index)) }

    /// The bytes of the entries of `range`, as far as known.
    func bytes(in range: Range<LogIndex>) -> Int {
        range.isEmpty ? 0 : Int(sum(upTo: range.upperBound.previous) &- sum(upTo: range.lowerBound.previous))
    }

    /// The sum up to and including `index`.
    private func sum(upTo index: LogIndex) -> UInt64 {
        guard index >= first, !sums.isEmpty else { return before }
        return sums[min(Int(index - first), sums.count - 1)]
    }

    /// The end of the longest range from `start` on, not beyond `end`, that holds no more than `limit` bytes,
    /// but one entry at least; nil if the size at `start` is not known.
    func end(from start: LogIndex, notBeyond end: LogIndex, limit: Int) -> LogIndex? {
        guard start >= first else { return nil }
        guard start < end else { return end }
        let allowed = sum(upTo: start.previous) &+ UInt64(limit)
        var low = start.next
        var high = end
        while low < high {
            let middle = low + (high - low + 1) / 2
            if sum(upTo: middle.previous) <= allowed { low = middle } else { high = middle.previous }
        }
        return low
    }
}
