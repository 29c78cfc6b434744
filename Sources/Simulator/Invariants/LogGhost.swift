import Consensus
import Primitives

/// A log as the all-knowing observer sees it: of each entry its term and a checksum of everything up to it,
/// so that two logs are compared up to any index by comparing two numbers.
struct LogGhost: Sendable {
    /// An entry, with all that is before it.
    struct Mark: Sendable, Equatable {
        var term: Term
        /// The checksum of the log up to this entry.
        var chain: UInt64
    }

    /// The checksum of the empty log.
    static let origin: UInt64 = 0x243f_6a88_85a3_08d3

    /// Before the first entry that is known.
    private(set) var base = LogPosition.origin
    private(set) var baseChain = LogGhost.origin
    private var marks: [Mark] = []

    /// An empty log.
    init() {}

    /// An empty log after `base`, which stands for all before it.
    init(after base: LogPosition, chain: UInt64) {
        self.base = base
        baseChain = chain
    }

    /// The index of the last entry, or of the base.
    var lastIndex: LogIndex { base.index + UInt64(marks.count) }
    /// The last entry, or the base.
    var last: LogPosition { LogPosition(index: lastIndex, term: marks.last?.term ?? base.term) }

    /// What is known at an index; nil before the base and after the end.
    func mark(at index: LogIndex) -> Mark? {
        guard index > base.index else {
            return index == base.index ? Mark(term: base.term, chain: baseChain) : nil
        }
        let place = Int(index - base.index) - 1
        return place < marks.count ? marks[place] : nil
    }

    func term(at index: LogIndex) -> Term? { mark(at: index)?.term }
    func chain(at index: LogIndex) -> UInt64? { mark(at: index)?.chain }

    /// Adds an entry at the end.
    mutating func append(_ mark: Mark) { marks.append(mark) }

    /// Removes the entries from `index` on.
    mutating func truncate(from index: LogIndex) {
        guard index <= lastIndex else { return }
        marks.removeLast(min(marks.count, Int(lastIndex - index) + 1))
    }

    /// Forgets entries that the node has cut off, when there are many.
    mutating func forget(upTo index: LogIndex) {
        guard index > base.index, index <= lastIndex, index - base.index > 4096,
            let mark = mark(at: index)
        else { return }
        marks.removeFirst(Int(index - base.index))
        base = LogPosition(index: index, term: mark.term)
        baseChain = mark.chain
    }
}

/// A fast checksum: good against accidents, and the same on every machine.
struct ChainHash {
    private(set) var value: UInt64

    init(_ start: UInt64) { value = start }

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
    }

    mutating func add(_ bytes: [UInt8]) {
        add(UInt64(bytes.count))
        unsafe bytes.withUnsafeBytes { bytes in
            var place = 0
            while place + 8 <= bytes.count {
                unsafe add(
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
                place += 8
            }
            var rest: UInt64 = 0
            while place < bytes.count {
                rest = unsafe rest << 8 | UInt64(bytes[place])
                place += 1
            }
            add(rest)
        }
    }
}
