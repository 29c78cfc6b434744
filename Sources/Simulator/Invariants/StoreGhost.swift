import Consensus
import Primitives
import Store

/// What the store must be at every index: the committed entries, applied once, apart from all nodes.
struct StoreGhost {
    /// What an entry did.
    struct Applied: Sendable {
        /// The state after it.
        var state: Fingerprint
        /// The request that asked for it; `none` if no client did.
        var request = RequestID.none
        /// What its client is to be told; nil if it is no command.
        var outcome: Outcome?
        /// Its kind.
        var kind = Entry.Kind.noop
        /// What it did besides changing keys; nil if it is not about that.
        var coordination: CoordinationGhost?
    }

    /// The state after the last committed entry.
    private(set) var keyspace: Keyspace
    /// By index, from 1.
    private(set) var applied: [Applied] = []
    /// States to go back to, in ascending order.
    private var frozen: [Keyspace] = []
    private var digests: [LogIndex: UInt64] = [:]
    /// Where requests that waited came to their end, and what they are told.
    private(set) var settled: [RequestID: (index: LogIndex, outcome: CoordinationOutcome)] = [:]
    private let interval: UInt64

    /// How many states are kept to go back to.
    static let kept = 512

    init(limits: Store.Limits, interval: UInt64 = 32) {
        keyspace = Keyspace(limits: limits)
        self.interval = interval
        frozen = [keyspace]
    }

    /// How many entries are applied.
    var count: Int { applied.count }

    /// What the entry at an index did.
    func applied(at index: LogIndex) -> Applied? {
        let place = Int(index.rawValue) - 1
        return place >= 0 && place < applied.count ? applied[place] : nil
    }

    /// The state after the entry at an index.
    func state(at index: LogIndex) -> Fingerprint? {
        index == .zero ? Fingerprint() : applied(at: index)?.state
    }

    /// Applies the next entry.
    mutating func apply(_ entry: EntryBook.Known, at index: LogIndex) {
        let outcome = Self.apply(entry, at: index, to: &keyspace)
        let news = keyspace.takeNews()
        var request = RequestID.none
        if entry.kind == .command { request = Command.requestID(of: entry.payload) ?? .none }
        for case .settled(let request, let outcome) in news { settled[request] = (index, outcome) }
        applied.append(
            Applied(
                state: Fingerprint(keyspace), request: request, outcome: outcome, kind: entry.kind,
                coordination: CoordinationGhost(of: entry, news, keyspace)))
        guard index.rawValue % interval == 0 else { return }
        frozen.append(keyspace)
        if frozen.count > Self.kept { frozen.removeFirst(Self.kept / 2) }
    }

    @discardableResult
    static func apply(_ entry: EntryBook.Known, at index: LogIndex, to keyspace: inout Keyspace) -> Outcome? {
        guard entry.kind == .command else {
            keyspace.skip(index: index, term: entry.term)
            return nil
        }
        return keyspace.apply(encoded: entry.payload, index: index, term: entry.term)
    }

    /// The last index of which the payload may be forgotten, since nobody goes back that far.
    var forgettable: LogIndex { frozen[0].appliedIndex }

    /// The whole state at an index; nil if that is too long ago. `entry` finds committed entries.
    func keyspace(at index: LogIndex, entry: (LogIndex) -> EntryBook.Known?) -> Keyspace? {
        if index == keyspace.appliedIndex { return keyspace }
        guard index < keyspace.appliedIndex else { return nil }
        guard var state = frozen.last(where: { $0.appliedIndex <= index }) else { return nil }
        while state.appliedIndex < index {
            let next = state.appliedIndex.next
            guard let known = entry(next) else { return nil }
            Self.apply(known, at: next, to: &state)
        }
        return state
    }

    /// The digest of the whole state at an index; nil if that is too long ago.
    mutating func digest(at index: LogIndex, entry: (LogIndex) -> EntryBook.Known?) -> UInt64? {
        if let known = digests[index] { return known }
        guard let state = keyspace(at: index, entry: entry) else { return nil }
        let digest = state.digest
        digests[index] = digest
        return digest
    }

    /// The index of the entry that made a revision; nil if there is none.
    func index(of revision: Revision) -> LogIndex? {
        if revision == Revision(1) { return .zero }
        var (low, high) = (0, applied.count)
        while low < high {
            let middle = (low + high) / 2
            if applied[middle].state.revision < revision { low = middle + 1 } else { high = middle }
        }
        guard low < applied.count, applied[low].state.revision == revision else { return nil }
        return LogIndex(UInt64(low) + 1)
    }
}
