import Consensus
import NodeCore
import Primitives
import Replication
import Store

extension Mark {
    static let reads: [Mark: String] = [
        .readOnLeader: "linearizable read answered by a leader",
        .readOnFollower: "linearizable read answered by a follower",
        .readOfQuorumOfTwo: "follower's question answered at once, since asker and leader are a quorum",
        .readAskedAgain: "follower asked the leader again about reads that had no answer",
        .readRefusedByFormerLeader: "follower's question answered by a node that leads no more",
        .readRefusedNoLeader: "linearizable read refused: no leader is known",
        .readRefusedNoQuorum: "linearizable read refused: no quorum answered in time",
        .readRefusedOverloaded: "linearizable read refused: too many wait",
        .readWaitsForApply: "follower was told of an index that it had yet to apply",
        .readAtLeaderNotReady: "read came to a leader that had committed nothing in its term yet",
        .readAtDeposedLeader: "read came to a leader that lost its term before it could answer",
        .readAcrossTerms: "read answered in a later term than it was asked in",
        .readDuringPause: "read was open while its node stood still",
        .readWhileDiskFull: "linearizable read answered by a node short of space",
        .readBesideUnsynced: "linearizable read answered while the node's disk is behind",
        .readAfterRestart: "linearizable read answered within a second of its node's start",
        .readIndexLate: "leader's answer about reads came in a later term, or too late",
        .staleReadBehind: "stale read showed a state older than what others were told",
        .staleReadCurrent: "stale read showed the latest state",
        .staleReadDuringInstall: "stale read answered while a snapshot is on its way",
        .readOfManyKeys: "range read with more keys than were asked for",
    ]
}

/// Marks about reads.
final class ReadMarks: FactListener {
    let facts: FactKinds = [
        .event, .client, .sentRead, .receivedRead, .died, .stalled, .started, .turned, .returned, .invoked,
        .asks,
    ]
    private let book: MarkBook
    /// By node and token: the term in which a read came.
    private var open: [Int: [UInt64: Term]] = [:]
    private var paused: [Int: Set<UInt64>] = [:]
    private var startedAt: [Int: Instant] = [:]
    private var fetching: Set<Int> = []
    /// The follower's questions that came in this turn, and whether reads came in this turn.
    private var questions: [(node: Int, from: NodeID)] = []
    private var hasReads = false
    private var roundsSent = false

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .event(let place, .read(let token, _)): asked(token, chronicle.nodes[place])
        case .event(let place, .checkpoint(.snapshotLoaded)), .event(let place, .checkpoint(.snapshotFailed)):
            fetching.remove(place)
        case .asks(let place, .fetch): fetching.insert(place)
        case .client(let place, let effect): client(effect, chronicle.nodes[place], chronicle)
        case .received(let place, let message): received(message, chronicle.nodes[place])
        case .sent(let place, let message): sent(message, chronicle.nodes[place])
        case .stalled(let place, let isPaused):
            if isPaused, let tokens = open[place]?.keys { paused[place] = Set(tokens) }
        case .started(let place): startedAt[place] = chronicle.time
        case .died(let place, _):
            (open[place], paused[place]) = (nil, nil)
            fetching.remove(place)
        case .returned(let operation): returned(operation, chronicle)
        case .turned:
            questions.removeAll(keepingCapacity: true)
            hasReads = false
        default: break
        }
    }

    private func asked(_ token: UInt64, _ node: NodeGhost) {
        open[node.index, default: [:]][token] = node.now.term
        hasReads = true
        book.hit(.readAtLeaderNotReady, if: node.now.role == .leader && !node.now.isReady)
    }

    private func client(_ effect: ReplicaEffect, _ node: NodeGhost, _ chronicle: Chronicle) {
        switch effect {
        case .readable(let token):
            let term = open[node.index]?.removeValue(forKey: token)
            book.hit(node.now.role == .leader ? .readOnLeader : .readOnFollower)
            book.hit(.readAcrossTerms, if: term.map { $0 < node.now.term } ?? false)
            book.hit(.readDuringPause, if: paused[node.index]?.remove(token) != nil)
            book.hit(.readWhileDiskFull, if: node.now.isShortOfSpace)
            book.hit(.readBesideUnsynced, if: !node.pending.isEmpty)
            let age = chronicle.time - (startedAt[node.index] ?? .zero)
            book.hit(.readAfterRestart, if: node.life > 1 && age < .seconds(1))
        case .readRefused(let token, let reason):
            open[node.index]?[token] = nil
            switch reason {
            case .noLeader: book.hit(.readRefusedNoLeader)
            case .noQuorum: book.hit(.readRefusedNoQuorum)
            case .overloaded: book.hit(.readRefusedOverloaded)
            }
        case .transition(let transition):
            let isOpen = !(open[node.index]?.isEmpty ?? true)
            book.hit(.readAtDeposedLeader, if: transition.from == .leader && isOpen)
        default: break
        }
    }

    private func received(_ message: Message, _ node: NodeGhost) {
        switch message.body {
        case .readIndexRequest: questions.append((node.index, message.from))
        case .readIndexResponse(_, let index):
            book.hit(.readIndexLate, if: message.term < node.now.term || open[node.index]?.isEmpty ?? true)
            book.hit(.readWaitsForApply, if: index.map { $0 > node.now.commit } ?? false)
        default: break
        }
    }

    private func sent(_ message: Message, _ node: NodeGhost) {
        switch message.body {
        case .readIndexRequest: book.hit(.readAskedAgain, if: !hasReads)
        case .readIndexResponse(_, let index):
            book.hit(.readRefusedByFormerLeader, if: index == nil && node.now.role != .leader)
            let isAtOnce = questions.contains { $0.node == node.index && $0.from == message.to }
            book.hit(.readOfQuorumOfTwo, if: isAtOnce && index != nil)
        default: break
        }
    }

    private func returned(_ operation: OperationRecord, _ chronicle: Chronicle) {
        let revision: Revision
        switch operation.outcome {
        case .item(_, let at)?: revision = at
        case .items(_, let more, let at)?:
            revision = at
            book.hit(.readOfManyKeys, if: more)
        default: return
        }
        guard operation.action.isStale else { return }
        let newest = chronicle.store.keyspace.revision
        book.hit(revision < newest ? .staleReadBehind : .staleReadCurrent)
        book.hit(.staleReadDuringInstall, if: fetching.contains(operation.node))
    }
}
