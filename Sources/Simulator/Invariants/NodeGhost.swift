import Consensus
import NodeCore
import Primitives
import Store
import WAL

/// What the all-knowing observer remembers of one node, over all its lives.
final class NodeGhost {
    let index: Int
    let id: NodeID

    // The process.
    var isAlive = false
    var isPaused = false
    /// Counts the starts.
    var life = 0
    /// At the end of its last turn; in the facts of a turn's end `before` is the turn before.
    var now = NodeState()
    var before = NodeState()
    /// Its clocks in its last turn.
    var clock = Instant.zero
    /// Its life in which that was.
    var clockLife = 0
    var wall = WallTime(milliseconds: 0)
    /// Its log in memory.
    var memory = LogGhost()
    /// The configurations that were added to its log in this life.
    var configurations: [PlacedConfiguration] = []
    /// Whether it found something in its log after a start that nobody ever put there.
    var isForeign = false

    // Its disk.
    /// What it was told to be durable.
    var disk = DiskGhost()
    /// What it asked to persist and was not told about, oldest first.
    var pending: [PendingPersist] = []
    /// Whether its disk has done something that nobody was told, so that what is durable may be gone.
    var isInjured = false

    init(index: Int) {
        self.index = index
        id = NodeID(UInt64(index) + 1)
    }

    /// `n3`, as in traces.
    var name: String { "n\(index + 1)" }
}

/// What of a node's state is durable, as it was told itself: what the disk really holds is another matter.
struct DiskGhost: Sendable {
    var term = Term.zero
    var vote: NodeID?
    var commit = LogIndex.zero
    var log = LogGhost()
    /// Checkpoints that became durable, in the order of their entries; the last two are kept.
    var checkpoints: [LogPosition] = []
    /// Every vote that ever became durable.
    var votes: [Term: NodeID] = [:]
    /// Hard states are written whenever the term or the vote changes: all that were ever durable count.
    mutating func note(_ term: Term, _ vote: NodeID?, _ commit: LogIndex) {
        self.term = term
        self.vote = vote
        self.commit = commit
        if let vote { votes[term] = vote }
    }

    mutating func note(checkpoint: LogPosition) {
        let place = checkpoints.firstIndex { $0.index >= checkpoint.index } ?? checkpoints.count
        if place < checkpoints.count, checkpoints[place] == checkpoint { return }
        checkpoints.insert(checkpoint, at: place)
        if checkpoints.count > 2 { checkpoints.removeFirst() }
    }
}

/// A persist on its way to the disk.
struct PendingPersist: Sendable {
    var sequence: UInt64
    var hardState: HardState?
    var resetTo: LogPosition?
    var resetChain: UInt64 = 0
    var first = LogIndex.zero
    var marks: [LogGhost.Mark] = []

    /// Does to a log what the disk thread will do to the one on disk; only the first `count` entries of it.
    func apply(to log: inout LogGhost, upTo count: Int = .max) {
        if let resetTo { log = LogGhost(after: resetTo, chain: resetChain) }
        guard !marks.isEmpty, count > 0 else { return }
        log.truncate(from: first)
        for mark in marks.prefix(count) { log.append(mark) }
    }
}
