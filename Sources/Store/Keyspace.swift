public import Primitives

/// The replicated keyspace: a value whose copies are free.
///
/// Every replica applies the same log entries in the same order and so comes to the same state, byte for
/// byte. `let frozen = keyspace` keeps one revision for as long as anyone needs it, on any thread.
public struct Keyspace: Sendable {
    /// Grows by one with each command that changes something; an empty store is at 1.
    public internal(set) var revision = Revision(1)
    /// Revisions below this one can't be read any more; zero if nothing was compacted.
    public internal(set) var compactRevision = Revision.zero
    /// The last log entry that was applied or skipped.
    public internal(set) var appliedIndex = LogIndex.zero
    /// That entry's term.
    public internal(set) var appliedTerm = Term.zero
    /// The greatest time of any command so far: it never goes back.
    public internal(set) var lastTime = WallTime(milliseconds: 0)
    /// The bytes of all keys and current values.
    public internal(set) var logicalBytes = 0
    /// How many superseded versions and marks of deletions are held.
    public internal(set) var historyCount = 0
    /// About the bytes that superseded versions and marks of deletion cost.
    public internal(set) var historyBytes = 0
    /// How history is bounded, and how fast it is freed.
    public let limits: Limits
    /// How history is bounded now: what was chosen last, or else what ``limits`` say.
    public internal(set) var historyBounds: HistoryBounds

    /// The current version of each key.
    var current: SortedMap<ByKey>
    /// The marks of deletions, of keys that do not exist but have history.
    var deleted: SortedMap<ByKey>
    /// Every change above the compact revision, and those below it that are still to be freed; with them the
    /// versions that they superseded.
    var events = EventLog()

    /// What became of the last requests.
    var requests = RequestLog()
    /// What is agreed upon besides keys and values.
    public internal(set) var coordination: Coordination

    /// An empty store.
    public init(limits: Limits = Limits()) {
        self.init(limits: limits, leafCapacity: 64, innerCapacity: 64)
    }

    /// An empty store whose trees have small nodes, for tests.
    init(limits: Limits, leafCapacity: Int, innerCapacity: Int) {
        self.limits = limits
        historyBounds = HistoryBounds(limits)
        current = SortedMap(leafCapacity: leafCapacity, innerCapacity: innerCapacity)
        deleted = SortedMap(leafCapacity: leafCapacity, innerCapacity: innerCapacity)
        coordination = Coordination(leafCapacity: leafCapacity, innerCapacity: innerCapacity)
    }

    /// Takes out what happened to coordination since it was taken out last.
    public mutating func takeNews() -> [Coordination.News] {
        coordination.news.isEmpty ? [] : coordination.takeNews()
    }

    /// How many keys there are.
    public var count: Int { current.count }

    /// Passes over a log entry that holds no command: a leader's first entry, or a configuration.
    ///
    /// Stops the process unless `index` is the one after ``appliedIndex``, as `apply` does: an entry left
    /// out or applied twice would make this replica differ from the others for ever.
    public mutating func skip(index: LogIndex, term: Term) { advance(to: index, term) }

    mutating func advance(to index: LogIndex, _ term: Term) {
        precondition(
            index.rawValue == appliedIndex.rawValue + 1, "entry \(index) after \(appliedIndex)")
        precondition(term >= appliedTerm, "term \(term) after \(appliedTerm)")
        appliedIndex = index
        appliedTerm = term
    }
}
