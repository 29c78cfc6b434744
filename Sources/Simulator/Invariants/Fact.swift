import Consensus
import NodeCore
import Primitives
import Replication
import Wire

/// Something that has happened to a node (the first number of each, from 0), or to the whole cluster.
///
/// Of one turn first come the facts of what was heard, in order; then what became of the log, the term and
/// the state; then what was said; and at last ``turned(_:)``.
enum Fact {
    // A node's life.
    /// It has read its disk: the chronicle knows what it found. `now` is the new life's, `before` the old
    /// one's.
    case started(Int)
    /// It can't start from what its disk holds.
    case refusedToStart(Int, reason: String)
    /// Its process is gone.
    case died(Int, Death)
    /// Its process stands still, or goes on.
    case stalled(Int, isPaused: Bool)

    // What it hears in a turn. The chronicle's `now` is still the state before the turn.
    /// A batch of a peer has come. What it holds is told one by one, unless the node has dropped it as
    /// one that had come before.
    case heard(Int, Envelope, isAnswer: Bool, isRepeated: Bool)
    /// It was handed a message of the consensus protocol.
    case received(Int, Message)
    /// It was handed another message of a peer.
    case told(Int, PeerMessage)
    /// Anything else has happened to it: a client, a time-out, its disks.
    case event(Int, NodeEvent)

    // What becomes of it. The chronicle's `now` is the state after the turn, `before` the one before it.
    /// Its log in memory has changed.
    case logged(Int, LogChange)
    /// It has become leader, of the term in `now`.
    case elected(Int)
    /// Entries that nobody had committed before are committed; it is the first to know.
    case grown(Int, from: LogIndex, upTo: LogIndex)
    /// Its commit index has moved.
    case committed(Int)
    /// It has applied entries, or put a snapshot in place of its state.
    case applied(Int)

    // What it says in a turn.
    /// It sends a message of the consensus protocol.
    case sent(Int, Message)
    /// It sends another message to a peer.
    case tells(Int, PeerMessage, to: NodeID)
    /// Something for its clients or for people.
    case client(Int, ReplicaEffect)
    /// It asks for anything else but a persist.
    case asks(Int, NodeEffect)
    /// Its turn is over.
    case turned(Int)

    // Its other threads.
    /// Its disk thread has done something.
    case disk(Int, LogTurn)
    /// More of what it asked to persist is on its disk.
    case durable(Int)
    /// Its checkpoint thread has done something.
    case checkpoints(Int, CheckpointTurn)

    // Clients, network, faults.
    /// An operation of a client begins.
    case invoked(OperationRecord)
    /// A client has its answer, or has given up.
    case returned(OperationRecord)
    /// Something on its way between two nodes is lost, doubled, too late or cut off.
    case transit(Transit, TransitFate)
    /// A planned fault begins or ends.
    case fault(FaultAction, begins: Bool)
    /// A part of the run begins.
    case phase(Phase)
    /// Every 64th step: for what is too costly to be looked at each time.
    case tick
    /// The run is over.
    case ended
}

/// What becomes of something on its way.
enum TransitFate: Sendable {
    case lost, duplicated, timedOut, broken
}

/// What a persist does to the log.
struct LogChange: Sendable {
    /// The first entry that was removed to make room for others, and the last entry before that.
    var truncated: (from: LogIndex, last: LogPosition)?
    /// The first entry that was removed.
    var truncatedMark: LogGhost.Mark?
    /// The log began anew after this snapshot.
    var resetTo: LogPosition?
    /// The first of the entries that were added; zero if there are none.
    var first = LogIndex.zero
    /// How many were added.
    var count = 0
    /// Whether the first added entry's index is the one after the last one's before it.
    var isContiguous = true
    /// Whether terms never decrease along the added entries.
    var isAscending = true
    /// The configurations among the added entries.
    var configurations: [PlacedConfiguration] = []
    /// An added entry that another node holds with other content, or after another entry.
    var conflict: String?
}

/// Kinds of facts: whom they are told to. Messages are told apart by what they are about, so that heartbeats,
/// which are most of them, cost little.
struct FactKinds: OptionSet, Sendable {
    let rawValue: UInt64

    static let started = FactKinds(rawValue: 1 << 0)
    static let refusedToStart = FactKinds(rawValue: 1 << 1)
    static let died = FactKinds(rawValue: 1 << 2)
    static let stalled = FactKinds(rawValue: 1 << 3)
    static let heard = FactKinds(rawValue: 1 << 4)
    static let receivedVote = FactKinds(rawValue: 1 << 5)
    static let receivedLog = FactKinds(rawValue: 1 << 6)
    static let receivedHeartbeat = FactKinds(rawValue: 1 << 7)
    static let receivedRead = FactKinds(rawValue: 1 << 8)
    static let told = FactKinds(rawValue: 1 << 9)
    static let event = FactKinds(rawValue: 1 << 10)
    static let logged = FactKinds(rawValue: 1 << 11)
    static let elected = FactKinds(rawValue: 1 << 12)
    static let grown = FactKinds(rawValue: 1 << 13)
    static let committed = FactKinds(rawValue: 1 << 14)
    static let applied = FactKinds(rawValue: 1 << 15)
    static let sentVote = FactKinds(rawValue: 1 << 16)
    static let sentLog = FactKinds(rawValue: 1 << 17)
    static let sentHeartbeat = FactKinds(rawValue: 1 << 18)
    static let sentRead = FactKinds(rawValue: 1 << 19)
    static let tells = FactKinds(rawValue: 1 << 20)
    static let client = FactKinds(rawValue: 1 << 21)
    static let asks = FactKinds(rawValue: 1 << 22)
    static let turned = FactKinds(rawValue: 1 << 23)
    static let disk = FactKinds(rawValue: 1 << 24)
    static let durable = FactKinds(rawValue: 1 << 25)
    static let checkpoints = FactKinds(rawValue: 1 << 26)
    static let invoked = FactKinds(rawValue: 1 << 27)
    static let returned = FactKinds(rawValue: 1 << 28)
    static let transit = FactKinds(rawValue: 1 << 29)
    static let fault = FactKinds(rawValue: 1 << 30)
    static let phase = FactKinds(rawValue: 1 << 31)
    static let tick = FactKinds(rawValue: 1 << 32)
    static let ended = FactKinds(rawValue: 1 << 33)

    /// How many kinds there are.
    static let count = 34

    /// Messages of all kinds that a node is handed.
    static let received: FactKinds = [.receivedVote, .receivedLog, .receivedHeartbeat, .receivedRead]
    /// Messages of all kinds that a node sends.
    static let sent: FactKinds = [.sentVote, .sentLog, .sentHeartbeat, .sentRead]

    /// The kind of a message that is handed to a node.
    static func received(_ body: Message.Body) -> FactKinds {
        switch body {
        case .heartbeat, .heartbeatResponse: .receivedHeartbeat
        case .append, .appendResponse, .installSnapshot: .receivedLog
        case .voteRequest, .voteResponse, .timeoutNow: .receivedVote
        case .readIndexRequest, .readIndexResponse: .receivedRead
        }
    }

    /// The kind of a message that a node sends.
    static func sent(_ body: Message.Body) -> FactKinds {
        switch body {
        case .heartbeat, .heartbeatResponse: .sentHeartbeat
        case .append, .appendResponse, .installSnapshot: .sentLog
        case .voteRequest, .voteResponse, .timeoutNow: .sentVote
        case .readIndexRequest, .readIndexResponse: .sentRead
        }
    }
}
