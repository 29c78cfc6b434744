import Consensus
import Primitives

/// The newest entries of the log, in memory: those not yet applied, and a bounded tail of those that are, for
/// followers that lag a little. Older ones are read back from disk.
struct EntryCache: Sendable {
    private var entries: [Entry] = []
    /// Where the first entry that is still kept stands in `entries`.
    private var head = 0
    /// Payload bytes held.
    private(set) var bytes = 0

    /// How many entries are held.
    var count: Int { entries.count - head }
    /// The index of the first entry held, or nil.
    var firstIndex: LogIndex? { count > 0 ? entries[head].index : nil }
    /// The index of the last entry held, or nil.
    var lastIndex: LogIndex? { entries.last?.index }

    /// Bytes that an entry costs beyond its payload.
    private static let overhead = 72

    /// Adds entries that follow each other; what stands at or above the first one's index gives way.
    mutating func append(_ added: [Entry]) {
        guard let first = added.first else { return }
        if isPlanted(.cacheKeepsReplaced), let lastIndex, lastIndex >= first.index { return }
        while let last = entries.last, count > 0, last.index >= first.index {
            bytes -= last.payload.count + Self.overhead
            entries.removeLast()
        }
        if count > 0, let last = entries.last, last.index.next != first.index { removeAll() }
        if count == 0 {
            entries.removeAll(keepingCapacity: true)
            head = 0
        }
        entries.append(contentsOf: added)
        for entry in added { bytes += entry.payload.count + Self.overhead }
    }

    /// The entry at `index`, or nil if it is not held.
    subscript(index: LogIndex) -> Entry? {
        guard let first = firstIndex, index >= first, let last = lastIndex, index <= last else { return nil }
        return entries[head + Int(index - first)]
    }

    /// The entries of `range` from its beginning, as many as have payloads of `maxBytes` together but at
    /// least one; nil unless the first one is held. Payloads alone count, as they do where the core cuts the
    /// range: a range that it has cut is never cut shorter here, or it would take what follows for out of
    /// order.
    func entries(in range: Range<LogIndex>, maxBytes: Int) -> [Entry]? {
        if range.isEmpty { return [] }
        guard let first = firstIndex, let last = lastIndex, range.lowerBound >= first,
            range.lowerBound <= last
        else { return nil }
        let start = head + Int(range.lowerBound - first)
        let end = min(entries.count, start + Int(range.upperBound - range.lowerBound))
        var stop = start
        var size = 0
        while stop < end {
            size += entries[stop].payload.count
            if size > maxBytes && stop > start { break }
            stop += 1
        }
        return Array(entries[start..<stop])
    }

    /// Lets go of the oldest entries while more than `limit` bytes are held, but never of one above
    /// `applied`.
    mutating func trim(to limit: Int, applied: LogIndex) {
        while bytes > limit, count > 0, entries[head].index <= applied {
            bytes -= entries[head].payload.count + Self.overhead
            entries[head] = Entry(index: .zero, term: .zero, kind: .noop, payload: [])
            head += 1
        }
        if head > 4096 && head > entries.count / 2 {
            entries.removeFirst(head)
            head = 0
        }
    }

    /// Lets go of everything.
    mutating func removeAll() {
        entries.removeAll()
        head = 0
        bytes = 0
    }
}
