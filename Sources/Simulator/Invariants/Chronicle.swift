// The memory of an observer that sees everything: what each node has in memory and on disk, which entries
// exist, what is committed, and what the store must therefore be. It says what has happened as facts.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import WAL

/// What is known of a simulated cluster, and who wants to hear of it.
final class Chronicle {
    /// The nodes, by index.
    let nodes: [NodeGhost]
    /// Every entry that was ever made.
    private(set) var book = EntryBook()
    /// Every entry that was ever committed, from index 1 on.
    private(set) var ledger = LogGhost()
    /// What the store must be.
    private(set) var store: StoreGhost
    /// Where each request stands in the ledger.
    private(set) var requests: [RequestID: LogIndex] = [:]
    /// The members that the cluster was founded with, and the committed changes.
    private(set) var configurations: [PlacedConfiguration] = []
    /// Who was elected in which term, and what its log was up to then.
    private(set) var leaders: [Term: Int] = [:]
    /// True time, which no node knows.
    var time = Instant.zero
    /// The number of the step.
    var step: UInt64 = 0
    /// What can be asked of the nodes themselves.
    weak var source: (any NodeSource)?

    private var listeners: [[any FactListener]]

    /// Knows of nothing but nodes that have never run.
    init(count: Int, limits: Store.Limits = Store.Limits(), listeners: [any FactListener]) {
        nodes = (0..<count).map { NodeGhost(index: $0) }
        store = StoreGhost(limits: limits)
        self.listeners = Array(repeating: [], count: FactKinds.count)
        for listener in listeners {
            for kind in 0..<FactKinds.count where listener.facts.rawValue >> UInt64(kind) & 1 == 1 {
                self.listeners[kind].append(listener)
            }
        }
    }

    /// The node with a number; nil for a number that none has.
    func node(_ id: NodeID) -> NodeGhost? {
        let place = Int(id.rawValue) - 1
        return place >= 0 && place < nodes.count ? nodes[place] : nil
    }

    /// Tells a fact.
    func tell(_ kind: FactKinds, _ fact: @autoclosure () -> Fact) throws(Violation) {
        let interested = listeners[kind.rawValue.trailingZeroBitCount]
        guard !interested.isEmpty else { return }
        let fact = fact()
        for listener in interested { try listener.take(fact, self) }
    }

    /// The committed entry at an index.
    func committed(_ index: LogIndex) -> EntryBook.Known? {
        guard index > .zero, let term = ledger.term(at: index) else { return nil }
        return book.find(LogPosition(index: index, term: term))
    }

    /// The members as of the committed entry at an index; nil if no node has told of any.
    func members(at index: LogIndex) -> Configuration? {
        configurations.last { $0.index <= index }?.configuration
    }

    /// The whole state that the store must have at an index; nil if that is too long ago.
    func keyspace(at index: LogIndex) -> Keyspace? { store.keyspace(at: index, entry: committed) }

    /// The digest that the store must have at an index; nil if that is too long ago.
    func digest(at index: LogIndex) -> UInt64? { store.digest(at: index, entry: committed) }
}

/// What is too costly to be kept of a node, and is asked of it when needed.
protocol NodeSource: AnyObject {
    /// The node's state; nil if it has never run.
    func keyspace(of node: Int) -> Keyspace?
    /// What the node knows of its peers, if it leads.
    func peers(of node: Int) -> [PeerView]
    /// Since when the node leads, by its own clock; nil if it does not.
    func leadingSince(of node: Int) -> Instant?
    /// The members as the node sees them; nil if it has never run.
    func configuration(of node: Int) -> Configuration?
    /// How much waits in the node.
    func queues(of node: Int) -> QueueSizes
    /// The timers that the node measures; nil if it has never run.
    func timers(of node: Int) -> TimerQueue?
    /// The node's disk, and how it is read.
    func machine(of node: Int) -> (disk: SimulatedDisk, settings: RestoreSettings)?
}

/// How much waits in a node.
struct QueueSizes: Sendable {
    /// The most messages that wait for one peer.
    var outbox = 0
    /// Reads that wait in consensus.
    var openReads = 0
    /// The most appends under way to one peer.
    var appendsInFlight = 0
    var openFiles = 0
    /// The limits that it runs with.
    var options = Raft.Options(id: NodeID(1))
}

// MARK: - A turn

extension Chronicle {
    /// A node's turn is over, and this is its state now.
    func enters(_ node: NodeGhost, _ state: NodeState) {
        node.before = node.now
        node.now = state
    }

    /// The node asks to persist something in the turn that is over.
    func persists(_ node: NodeGhost, _ persist: Persist) throws(Violation) {
        var change = LogChange()
        var pending = PendingPersist(sequence: persist.sequence, hardState: persist.hardState)
        if let position = persist.resetTo {
            change.resetTo = position
            pending.resetTo = position
            // What nobody has committed has no checksum; the promises about snapshots will find that.
            pending.resetChain = ledger.chain(at: position.index) ?? 0
            node.memory = LogGhost(after: position, chain: pending.resetChain)
            node.configurations.removeAll()
        }
        if let first = persist.entries.first {
            note(persist.entries, first, node, &change, &pending)
        }
        node.pending.append(pending)
        if persist.resetTo != nil || !persist.entries.isEmpty {
            try tell(.logged, .logged(node.index, change))
        }
    }

    private func note(
        _ entries: [Entry], _ first: Entry, _ node: NodeGhost, _ change: inout LogChange,
        _ pending: inout PendingPersist
    ) {
        change.first = first.index
        change.count = entries.count
        change.isContiguous =
            first.index > node.memory.base.index && first.index <= node.memory.lastIndex.next
        guard change.isContiguous else { return }
        defer { node.configurations += change.configurations }
        if first.index <= node.memory.lastIndex {
            change.truncated = (first.index, node.memory.last)
            change.truncatedMark = node.memory.mark(at: first.index)
            node.memory.truncate(from: first.index)
            node.configurations.removeAll { $0.index >= first.index }
        }
        pending.first = first.index
        pending.marks.reserveCapacity(entries.count)
        var previous = node.memory.mark(at: first.index.previous)
        var index = first.index
        for entry in entries {
            guard let before = previous, entry.index == index else {
                change.isContiguous = false
                return
            }
            if entry.term < before.term { change.isAscending = false }
            if entry.kind == .configuration, let members = try? Configuration(decoding: entry.payload) {
                change.configurations.append(PlacedConfiguration(index: entry.index, configuration: members))
            }
            switch book.note(entry, after: before) {
            case .mark(let mark):
                node.memory.append(mark)
                pending.marks.append(mark)
                previous = mark
            case .conflict(let text):
                change.conflict = text
                return
            }
            index = index.next
        }
    }

    /// What became of a node by the end of a turn; its persists were taken in before.
    func becomes(_ node: NodeGhost) throws(Violation) {
        let state = node.now
        if state.role == .leader, node.before.role != .leader || node.before.term != state.term {
            if leaders[state.term] == nil { leaders[state.term] = node.index }
            try tell(.elected, .elected(node.index))
        }
        if state.commit != node.before.commit {
            if state.commit > ledger.lastIndex { try grow(node) }
            try tell(.committed, .committed(node.index))
        }
        if state.applied != node.before.applied { try tell(.applied, .applied(node.index)) }
        node.memory.forget(upTo: min(state.first.previous, state.applied))
    }

    /// The node has committed what nobody had before.
    private func grow(_ node: NodeGhost) throws(Violation) {
        let from = ledger.lastIndex.next
        while ledger.lastIndex < node.now.commit {
            let index = ledger.lastIndex.next
            // A node that commits what it does not have breaks a promise that is checked elsewhere.
            guard let mark = node.memory.mark(at: index),
                let known = book.find(LogPosition(index: index, term: mark.term))
            else { break }
            ledger.append(mark)
            store.apply(known, at: index)
            if known.kind == .configuration, let members = try? Configuration(decoding: known.payload) {
                configurations.append(PlacedConfiguration(index: index, configuration: members))
            }
            let request = store.applied[store.count - 1].request
            if request != .none, requests[request] == nil { requests[request] = index }
        }
        book.forgetPayloads(upTo: store.forgettable)
        if ledger.lastIndex >= from {
            try tell(.grown, .grown(node.index, from: from, upTo: ledger.lastIndex))
        }
    }
}

// MARK: - Disks, starts and ends

extension Chronicle {
    /// Everything up to a persist is on the node's disk, as the node is about to be told.
    func becomesDurable(_ node: NodeGhost, upTo sequence: UInt64) throws(Violation) {
        var done = 0
        while done < node.pending.count, node.pending[done].sequence <= sequence {
            node.pending[done].apply(to: &node.disk.log)
            if let state = node.pending[done].hardState {
                node.disk.note(state.term, state.vote, state.commit)
            }
            done += 1
        }
        node.pending.removeFirst(done)
        if done > 0 { try tell(.durable, .durable(node.index)) }
    }

    /// The node's process is gone.
    func dies(_ node: NodeGhost, _ death: Death) throws(Violation) {
        node.isAlive = false
        node.isPaused = false
        try tell(.died, .died(node.index, death))
    }

    /// A new process of the node has read its disk: `log` is what it found, and all of that is durable;
    /// nil if it is what nobody ever wrote. `node.disk` and `node.pending` are still those of the old one
    /// when the fact is told.
    func starts(_ node: NodeGhost, _ state: NodeState, log: LogGhost?) throws(Violation) {
        node.isAlive = true
        node.isPaused = false
        node.life += 1
        node.before = node.now
        node.now = state
        node.isForeign = log == nil
        if configurations.isEmpty, state.configurationIndex == .zero,
            let members = source?.configuration(of: node.index)
        {
            configurations = [PlacedConfiguration(index: .zero, configuration: members)]
        }
        let log = log ?? LogGhost()
        node.memory = log
        node.configurations.removeAll()
        if state.commit > ledger.lastIndex { try grow(node) }
        try tell(.started, .started(node.index))
        node.pending.removeAll()
        node.disk.note(state.term, state.vote, state.commit)
        node.disk.log = log
        // Newer ones turned out damaged; and one may have become durable just before the crash.
        node.disk.checkpoints.removeAll { $0.index > state.checkpoint }
        if state.checkpoint > node.disk.checkpointed {
            let term = ledger.term(at: state.checkpoint) ?? .zero
            node.disk.note(checkpoint: LogPosition(index: state.checkpoint, term: term))
        }
    }

    /// What a node finds in its log: the terms from `first` on. Nil if nobody ever made one of the entries.
    func recall(
        base: LogPosition, upTo last: LogIndex, term: (LogIndex) -> Term?
    ) -> LogGhost? {
        guard let chain = base.index == .zero ? LogGhost.origin : ledger.chain(at: base.index) else {
            return nil
        }
        var log = LogGhost(after: base, chain: chain)
        while log.lastIndex < last {
            let index = log.lastIndex.next
            guard let found = term(index),
                let mark = book.recall(LogPosition(index: index, term: found), after: log.last.term)
            else { return nil }
            log.append(mark)
        }
        return log
    }
}
