// What is known about the log without reading it: kept the same way while recovering and while appending.

import Consensus
import Primitives

/// Terms of the entries, the hard state, and where on disk the entries are.
struct LogView {
    /// A place from which entries can be read one after the other.
    struct Mark: Equatable {
        /// The entry there.
        var index: LogIndex
        /// The segment.
        var sequence: UInt64
        /// Where the entry's record starts in the segment.
        var offset: Int
        /// The checksum of the record before.
        var chain: UInt32
    }

    /// The terms of the entries; where it begins and ends is where the log begins and ends.
    var terms: LogTerms
    /// The newest hard state; nil before there was one.
    var hardState: HardState?
    /// Ascending by index and by place. The entries from a mark's up to the next mark's stand one after the
    /// other in one segment, apart from hard states and restarts in between.
    private(set) var marks: [Mark] = []
    private var bytesSinceMark = 0

    init(after base: LogPosition) { terms = LogTerms(after: base) }

    /// An entry was added, replacing those at its index and above.
    mutating func add(index: LogIndex, term: Term, at mark: Mark, bytes: Int, spacing: Int) {
        var breaks = marks.last?.sequence != mark.sequence
        if index <= terms.lastIndex {
            terms.truncate(from: index)
            while let last = marks.last, last.index >= index { marks.removeLast() }
            breaks = true
        }
        terms.append(term: term)
        if breaks || bytesSinceMark >= spacing {
            marks.append(mark)
            bytesSinceMark = 0
        }
        bytesSinceMark += bytes
    }

    /// The place in `marks` from which `index` is to be looked for.
    func mark(before index: LogIndex) -> Int? {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].index <= index { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }

    /// The segments before `sequence` are gone; the log begins after `base`.
    mutating func forget(before sequence: UInt64, base: LogPosition) {
        terms.compact(upTo: base.index)
        let gone = marks.firstIndex { $0.sequence >= sequence } ?? marks.count
        marks.removeFirst(gone)
    }
}
