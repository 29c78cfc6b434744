import Consensus
import NodeCore
import Primitives
import Replication

extension Mark {
    static let logs: [Mark: String] = [
        .conflictTruncatedOne: "follower removed one entry that conflicts with the leader's",
        .conflictTruncatedMany: "follower removed three or more entries that conflict with the leader's",
        .truncatedAfterRestart: "follower removed an entry that it had found after a restart",
        .truncatedBeforeDurable: "follower removed an entry that was still on its way to the disk",
        .truncatedDurable: "follower removed an entry that was durable",
        .truncatedOwnEntries: "former leader removed entries that it had made itself",
        .oldTermCommitted: "leader committed entries of an earlier term with one of its own",
        .oldTermCommittedByNoop: "leader committed entries of an earlier term with its opening entry alone",
        .commitWithoutOwnDisk: "leader committed what was not durable on its own disk",
        .commitByHeartbeat: "follower learned of a commit from a heartbeat",
        .commitJump: "commit index moved by ten or more at once",
        .appendRepeated: "append whose entries were all there already",
        .appendOverlaps: "append of which the first entries were there already",
        .appendOfOldTerm: "append of a leader of an earlier term",
        .appendBeyondLog: "append that begins beyond the follower's log",
        .appendConflictsBefore: "append that does not fit the entry before it",
        .appendBelowCommit: "append that begins below the follower's commit index",
        .appendReordered: "append that came after a later one of the same leader",
        .matchLate: "answer to an append that says less than is known",
        .matchRepeated: "answer to an append that says what is known",
        .rejectionLate: "rejection of an append came when more was known to match",
        .answerOfOldTerm: "answer to an append of an earlier term",
        .answerToFormerLeader: "answer to an append came when its sender led no more",
        .backOffSkips: "follower's rejection skipped several entries at once",
        .backOffSkipsTerm: "follower's rejection skipped a whole term",
        .entriesReadBack: "entries for a follower read back from the disk",
        .readBackGone: "entries for a follower were no longer in the log",
        .readBackCut: "entries read back were fewer than asked for",
        .followerShortened: "follower had a longer log than the leader, and has a shorter one now",
        .followerFarBehind: "leader met a follower twenty or more entries behind",
        .bigPersist: "eight or more entries persisted at once",
        .termsInOnePersist: "entries of several terms persisted at once",
        .threePersistsOnTheirWay: "three or more persists on their way to the disk",
        .applyPutOff: "committed entries left for the next turn",
        .leaderDiedWithUncommitted: "leader died with entries that were not committed",
        .leaderDiedWithCommitted: "leader died after a commit that no follower had heard of",
        .uncommittedSurvived: "entry of a former leader was committed though it had died before",
        .peerGaveUp: "request to a peer failed while leading",
        .staleLeaderTold: "former leader told of the later term by the node it wrote to",
    ]
}

/// Marks about logs and commitment.
final class LogMarks: FactListener {
    let facts: FactKinds = [
        .logged, .receivedLog, .receivedHeartbeat, .sentLog, .sentHeartbeat, .committed, .grown, .turned,
        .event, .asks, .started, .died, .elected,
    ]
    private let book: MarkBook
    /// The end of the log that a node has found after a start.
    private var found: [Int: LogIndex] = [:]
    /// By leader: the term, and the greatest match that each follower has answered.
    private var matches: [Int: (term: Term, by: [NodeID: LogIndex])] = [:]
    /// By follower: the end of the latest append, and its sender's term.
    private var appends: [Int: (term: Term, end: LogIndex)] = [:]
    private var heartbeat: Int?
    private var append: Int?
    private var died: (index: LogIndex, term: Term)?

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .logged(let place, let change): logged(change, chronicle.nodes[place], chronicle)
        case .received(let place, let message): received(message, chronicle.nodes[place])
        case .sent(let place, let message): sent(message, chronicle.nodes[place])
        case .committed(let place): committed(chronicle.nodes[place])
        case .grown(let place, let from, let upTo): grown(chronicle.nodes[place], from, upTo, chronicle)
        case .event(let place, .log(.read(let replicate, let entries))):
            _ = place
            book.hit(.readBackGone, if: entries.isEmpty)
            book.hit(.readBackCut, if: !entries.isEmpty && entries.count < replicate.count)
        case .event(let place, .peerFailed):
            book.hit(.peerGaveUp, if: chronicle.nodes[place].now.role == .leader)
        case .asks(_, .log(.read)): book.hit(.entriesReadBack)
        case .started(let place): found[place] = chronicle.nodes[place].now.last.index
        case .died(let place, _): died(chronicle.nodes[place], chronicle)
        case .turned(let place): turned(chronicle.nodes[place])
        default: break
        }
    }

    private func logged(_ change: LogChange, _ node: NodeGhost, _ chronicle: Chronicle) {
        book.hit(.bigPersist, if: change.count >= 8)
        let last = node.memory.last.term
        book.hit(
            .termsInOnePersist,
            if: change.count > 1 && node.memory.term(at: change.first).map { $0 != last } ?? false)
        guard let (from, end) = change.truncated else { return }
        let count = end.index - from + 1
        book.hit(.conflictTruncatedOne, if: count == 1)
        book.hit(.conflictTruncatedMany, if: count >= 3)
        book.hit(.followerShortened, if: node.memory.lastIndex < end.index)
        book.hit(.truncatedAfterRestart, if: from <= found[node.index] ?? .zero)
        book.hit(.truncatedDurable, if: from <= node.disk.log.lastIndex)
        book.hit(.truncatedBeforeDurable, if: end.index > node.disk.log.lastIndex)
        book.hit(.truncatedOwnEntries, if: chronicle.leaders[end.term] == node.index)
        if found[node.index] ?? .zero >= from { found[node.index] = from.previous }
    }

    private func received(_ message: Message, _ node: NodeGhost) {
        switch message.body {
        case .append(let append): received(append, message, node)
        case .heartbeat: heartbeat = node.index
        case .appendResponse(let response): received(response, message, node)
        default: break
        }
    }

    private func received(_ append: Append, _ message: Message, _ node: NodeGhost) {
        self.append = node.index
        guard message.term >= node.now.term else { return book.hit(.appendOfOldTerm) }
        let end = append.previous.index + UInt64(append.entries.count)
        if let last = appends[node.index], last.term == message.term, end < last.end {
            book.hit(.appendReordered)
        } else {
            appends[node.index] = (message.term, end)
        }
        let known = node.memory.term(at: append.previous.index)
        book.hit(.appendBelowCommit, if: append.previous.index < node.now.commit)
        if append.previous.index > node.memory.lastIndex { return book.hit(.appendBeyondLog) }
        guard known == append.previous.term else {
            return book.hit(.appendConflictsBefore, if: known != nil)
        }
        guard let first = append.entries.first, let last = append.entries.last else { return }
        if node.memory.term(at: last.index) == last.term {
            book.hit(.appendRepeated)
        } else {
            book.hit(.appendOverlaps, if: node.memory.term(at: first.index) == first.term)
        }
        book.hit(.followerFarBehind, if: append.commit.rawValue > node.now.commit.rawValue + 20)
    }

    private func received(_ response: AppendResponse, _ message: Message, _ node: NodeGhost) {
        guard message.term == node.now.term else {
            return book.hit(.answerOfOldTerm, if: message.term < node.now.term)
        }
        guard node.now.role == .leader else { return book.hit(.answerToFormerLeader) }
        if matches[node.index]?.term != message.term { matches[node.index] = (message.term, [:]) }
        let known = matches[node.index]?.by[message.from] ?? .zero
        switch response.outcome {
        case .matched(let index):
            book.hit(.matchLate, if: index < known)
            book.hit(.matchRepeated, if: index == known)
            if index > known { matches[node.index]?.by[message.from] = index }
        case .rejected: book.hit(.rejectionLate, if: response.previous.index <= known)
        }
    }

    private func sent(_ message: Message, _ node: NodeGhost) {
        switch message.body {
        case .appendResponse(let response):
            guard case .rejected(let hint, _) = response.outcome else { return }
            let skipped = response.previous.index.rawValue - min(hint.index, response.previous.index).rawValue
            book.hit(.backOffSkips, if: skipped >= 3)
            book.hit(.backOffSkipsTerm, if: response.previous.term.rawValue > hint.term.rawValue + 1)
        case .heartbeatResponse(let round):
            // The answer to what comes from a former leader has the round 0 and a later term.
            book.hit(.staleLeaderTold, if: round == 0 && node.now.leader != message.to)
        default: break
        }
    }

    private func committed(_ node: NodeGhost) {
        let moved = node.now.commit.rawValue - min(node.before.commit, node.now.commit).rawValue
        book.hit(.commitJump, if: moved >= 10)
        book.hit(.commitByHeartbeat, if: heartbeat == node.index && append != node.index)
        book.hit(
            .commitWithoutOwnDisk, if: node.now.role == .leader && node.now.commit > node.disk.log.lastIndex)
    }

    private func grown(
        _ node: NodeGhost, _ from: LogIndex, _ upTo: LogIndex, _ chronicle: Chronicle
    ) {
        let (first, last) = (chronicle.ledger.term(at: from), chronicle.ledger.term(at: upTo))
        if let first, let last, first < last {
            let previous = chronicle.ledger.term(at: upTo.previous)
            // Entries of an earlier term that are more than its opening one.
            book.hit(.oldTermCommitted)
            book.hit(.oldTermCommittedByNoop, if: previous != last)
        }
        if let died, died.index <= upTo {
            book.hit(.uncommittedSurvived, if: chronicle.ledger.term(at: died.index) == died.term)
            self.died = nil
        }
    }

    private func died(_ node: NodeGhost, _ chronicle: Chronicle) {
        appends[node.index] = nil
        guard node.now.role == .leader else { return }
        if node.now.last.index > node.now.commit {
            book.hit(.leaderDiedWithUncommitted)
            died = (node.now.last.index, node.now.last.term)
        }
        let hasHeard = chronicle.nodes.contains {
            $0.index != node.index && $0.isAlive && $0.now.commit >= node.now.commit
        }
        book.hit(.leaderDiedWithCommitted, if: !hasHeard && node.now.commit == chronicle.ledger.lastIndex)
    }

    private func turned(_ node: NodeGhost) {
        (heartbeat, append) = (nil, nil)
        book.hit(.threePersistsOnTheirWay, if: node.pending.count >= 3)
        book.hit(.applyPutOff, if: node.now.applied < node.now.commit)
    }
}
