import Primitives

/// What of a node's state is on disk, what is on its way there, and what is still to be sent there with the
/// messages that must not leave before.
struct Durability: Sendable {
    /// A persist that was asked for and not reported back.
    private struct Underway: Sendable {
        let sequence: UInt64
        let term: Term
        let vote: NodeID?
        /// The end of the log as of this persist, lowered when a later one overwrites parts of it: an old
        /// acknowledgement must not be taken for one of the new entries.
        var lastIndex: LogIndex
    }

    /// The term on disk.
    private(set) var term: Term
    /// The vote on disk.
    private(set) var vote: NodeID?
    /// How far the present log is on disk.
    private(set) var index: LogIndex

    private var lastSequence: UInt64 = 0
    private var underway: [Underway] = []
    private var persistedCommit: LogIndex

    // For the next persist:

    /// Whether the term or the vote has changed.
    private(set) var isHardStateDirty = false
    /// Where the log starts anew.
    private(set) var resetTo: LogPosition?
    /// Entries that were appended; the last one ends the log.
    private(set) var entries: [Entry] = []
    /// Messages that must wait for them.
    private(set) var messages: [Message] = []

    /// The state after a start: all that was found is on disk.
    init(hardState: HardState, lastIndex: LogIndex) {
        term = hardState.term
        vote = hardState.vote
        index = lastIndex
        persistedCommit = hardState.commit
    }

    /// Notes that the term or the vote has changed.
    mutating func noteHardState() { isHardStateDirty = true }

    /// Takes an entry for the next persist.
    mutating func append(_ entry: Entry) { entries.append(entry) }

    /// Takes a message for the next persist. An acknowledgement that covers the one before takes its place.
    mutating func append(_ message: Message) {
        if case .appendResponse(let new) = message.body, case .matched(let upTo) = new.outcome,
            let last = messages.last,
            last.to == message.to, case .appendResponse(let old) = last.body,
            case .matched(let oldUpTo) = old.outcome, oldUpTo <= upTo
        {
            messages[messages.count - 1] = message
        } else {
            messages.append(message)
        }
    }

    /// Drops the messages that have not been handed over: they speak for a term that is past.
    mutating func discardMessages() { messages.removeAll(keepingCapacity: true) }

    /// The log was cut before `index`.
    mutating func truncate(from index: LogIndex) {
        for place in underway.indices
        where underway[place].lastIndex >= index && !isPlanted(.oldSyncCountsForNew) {
            underway[place].lastIndex = index.previous
        }
        self.index = min(self.index, index.previous)
        while let last = entries.last, last.index >= index { entries.removeLast() }
    }

    /// The log starts anew after a durable snapshot.
    mutating func reset(to position: LogPosition) {
        for place in underway.indices {
            underway[place].lastIndex = min(underway[place].lastIndex, position.index)
        }
        index = position.index
        entries.removeAll()
        resetTo = position
    }

    /// What to write now; nil if nothing has changed and no message waits.
    mutating func takePersist(_ state: HardState, lastIndex: LogIndex) -> Persist? {
        let writes = isHardStateDirty || resetTo != nil || !entries.isEmpty
        guard writes || !messages.isEmpty else { return nil }
        lastSequence += 1
        // The commit index need not be durable, so it only comes along.
        let carriesState = isHardStateDirty || (writes && state.commit > persistedCommit)
        let persist = Persist(
            sequence: lastSequence, hardState: carriesState ? state : nil, resetTo: resetTo, entries: entries,
            thenSend: messages)
        if carriesState { persistedCommit = state.commit }
        underway.append(
            Underway(sequence: lastSequence, term: state.term, vote: state.vote, lastIndex: lastIndex))
        isHardStateDirty = false
        resetTo = nil
        entries = []
        messages = []
        return persist
    }

    /// The persists up to `sequence` are durable.
    mutating func persisted(_ sequence: UInt64) {
        precondition(
            sequence <= lastSequence, "persist \(sequence) was never asked for, only \(lastSequence)")
        var done = 0
        while done < underway.count, underway[done].sequence <= sequence {
            term = underway[done].term
            vote = underway[done].vote
            index = max(index, underway[done].lastIndex)
            done += 1
        }
        underway.removeFirst(done)
    }
}
