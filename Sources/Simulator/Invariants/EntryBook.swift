import Consensus
import Primitives

/// Every entry that any node ever had in its log, by position. By Log Matching (Raft thesis 3.5) a position
/// stands for one content and for one log before it: that is checked whenever an entry is noted.
struct EntryBook: Sendable {
    /// An entry.
    struct Known: Sendable {
        var term: Term
        /// The term of the entry before it.
        var previousTerm: Term
        /// A checksum of what it holds.
        var content: UInt64
        /// A checksum of the log up to it.
        var chain: UInt64
        var kind: Entry.Kind
        /// Empty again when nobody will ask for it any more.
        var payload: [UInt8]
    }

    /// What became of a note.
    enum Noted {
        case mark(LogGhost.Mark)
        case conflict(String)
    }

    /// By index, from 1: whichever was seen first.
    private var first: [Known?] = []
    /// What else was seen at an index.
    private var others: [LogPosition: Known] = [:]
    private var forgotten = 0

    /// The entry at a position.
    func find(_ position: LogPosition) -> Known? {
        let place = Int(position.index.rawValue) - 1
        guard place >= 0, place < first.count else { return nil }
        if let known = first[place], known.term == position.term { return known }
        return others.isEmpty ? nil : others[position]
    }

    /// Some node puts an entry in its log after what `previous` stands for.
    mutating func note(_ entry: Entry, after previous: LogGhost.Mark) -> Noted {
        var content = ChainHash(UInt64(entry.kind.rawValue))
        content.add(entry.payload)
        let position = LogPosition(index: entry.index, term: entry.term)
        if let (known, chain, previousTerm) = look(position) {
            if known != content.value { return .conflict("\(position) has two contents") }
            if previousTerm != previous.term {
                return .conflict(
                    "before \(position) stand entries of term \(previousTerm) and \(previous.term)")
            }
            return .mark(LogGhost.Mark(term: entry.term, chain: chain))
        }
        var chain = ChainHash(previous.chain)
        chain.add(entry.term.rawValue)
        chain.add(content.value)
        insert(
            Known(
                term: entry.term, previousTerm: previous.term, content: content.value, chain: chain.value,
                kind: entry.kind, payload: entry.payload), at: position)
        return .mark(LogGhost.Mark(term: entry.term, chain: chain.value))
    }

    /// A node finds an entry of this position in its log after a restart, after one of term `previous`.
    /// Nil if nobody ever made it there.
    func recall(_ position: LogPosition, after previous: Term) -> LogGhost.Mark? {
        guard let (_, chain, previousTerm) = look(position), previousTerm == previous else { return nil }
        return LogGhost.Mark(term: position.term, chain: chain)
    }

    /// Lets go of the payloads up to `index`.
    mutating func forgetPayloads(upTo index: LogIndex) {
        while forgotten < min(Int(index.rawValue), first.count) {
            first[forgotten]?.payload = []
            forgotten += 1
        }
        if others.count > 4096 { others = others.filter { $0.key.index > index } }
    }

    private func look(_ position: LogPosition) -> (content: UInt64, chain: UInt64, previousTerm: Term)? {
        let place = Int(position.index.rawValue) - 1
        guard place >= 0, place < first.count else { return nil }
        if let known = first[place], known.term == position.term {
            return (known.content, known.chain, known.previousTerm)
        }
        guard !others.isEmpty, let known = others[position] else { return nil }
        return (known.content, known.chain, known.previousTerm)
    }

    private mutating func insert(_ known: Known, at position: LogPosition) {
        let place = Int(position.index.rawValue) - 1
        while first.count <= place { first.append(nil) }
        if first[place] == nil { first[place] = known } else { others[position] = known }
    }
}
