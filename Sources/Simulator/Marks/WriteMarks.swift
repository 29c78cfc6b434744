import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Wire

extension Mark {
    static let writes: [Mark: String] = [
        .writeForwarded: "write passed on to the leader",
        .writeResent: "write passed on or proposed a second time, after a change of leader",
        .writeResentSameTerm: "write passed on a second time in the same term, after the first was lost",
        .forwardRefusedDeposed: "passed-on write refused by a node that does not lead in that term",
        .forwardRefusedOverloaded: "passed-on write refused by a leader with too much uncommitted",
        .forwardRefusedStorage: "passed-on write refused by a leader short of space",
        .forwardUndelivered: "passed-on write that certainly never reached the leader",
        .forwardUncertain: "passed-on write of which it is not known if it reached the leader",
        .forwardRepeatedDropped: "batch with passed-on writes came twice and was dropped the second time",
        .batchRepeatedDropped: "batch of a peer came twice and was dropped the second time",
        .batchOfFormerLife: "batch of a peer's former life came after one of its present life",
        .batchOutOfOrder: "batch of a peer came after a later one",
        .writeRefusedNoLeader: "write refused: no leader was found in time",
        .writeRefusedNotLeader: "write refused: this node does not lead, and no other was to be asked",
        .writeRefusedOverloaded: "write refused: too much waits",
        .writeRefusedStorage: "write refused: the disk is full",
        .writeUnknown: "write given up without knowing its outcome",
        .unknownApplied: "write of unknown outcome that took effect",
        .unknownNotApplied: "write of unknown outcome that never took effect",
        .unknownAppliedLate: "write that took effect after its client had given up",
        .answerLost: "answer to a write that did not reach its client",
        .answeredByAnotherTerm: "write answered that was committed in a later term than it was asked in",
        .answeredAfterRestartOfLeader: "write answered although its first leader had died",
        .guardFailed: "guarded write refused by the store",
        .rangeDeleted: "several keys deleted by one command",
        .batchPartlyExists: "batch of new keys, some of which were there",
        .incrementRefused: "increment refused by the store",
        .historyCompacted: "history compacted",
        .historyCompactedByCommand: "history compacted by a client's command",
        .commitTimeHeld: "command with an earlier time than the one before it: the store's time stood still",
    ]
}

/// Marks about writes on their way from a client to the log and back.
final class WriteMarks: FactListener {
    let facts: FactKinds = [
        .heard, .told, .tells, .event, .client, .grown, .returned, .ended, .elected, .died,
    ]
    private let book: MarkBook
    /// Where each request was sent last: the term.
    private var sent: [RequestID: Term] = [:]
    private var unknown: [RequestID] = []
    private var unknownSet: Set<RequestID> = []
    private var lives: [Int: [NodeID: [UInt64]]] = [:]
    private var batches: [Int: [NodeID: (incarnation: UInt64, batch: UInt64)]] = [:]

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .heard(let place, let envelope, _, let isRepeated): heard(envelope, isRepeated, place)
        case .tells(let place, .forward(let forward), _):
            for request in forward.requests { noteSent(request, forward.term, place) }
            book.hit(.writeForwarded)
        case .tells(_, .forwardRefused(let refusal), _):
            switch refusal.reason {
            case .notLeader: book.hit(.forwardRefusedDeposed)
            case .overloaded: book.hit(.forwardRefusedOverloaded)
            case .storageFull: book.hit(.forwardRefusedStorage)
            }
        case .event(let place, .peerFailed(_, _, let reached)):
            guard chronicle.nodes[place].now.role != .leader else { return }
            book.hit(reached ? .forwardUncertain : .forwardUndelivered)
        case .client(let place, let effect): client(effect, chronicle.nodes[place], chronicle)
        case .grown(_, let from, let upTo): grown(from, upTo, chronicle)
        case .returned(let operation): returned(operation, chronicle)
        case .ended: end(chronicle)
        default: break
        }
    }

    private func noteSent(_ request: RequestID, _ term: Term, _ node: Int) {
        guard let old = sent.updateValue(term, forKey: request) else { return }
        book.hit(old == term ? .writeResentSameTerm : .writeResent)
    }

    private func heard(_ envelope: Envelope, _ isRepeated: Bool, _ place: Int) {
        if isRepeated {
            book.hit(.batchRepeatedDropped)
            let hasWrites = envelope.messages.contains { if case .forward = $0 { true } else { false } }
            book.hit(.forwardRepeatedDropped, if: hasWrites)
        }
        let last = batches[place]?[envelope.from]
        if let last, last.incarnation == envelope.incarnation {
            if envelope.batch < last.batch { return book.hit(.batchOutOfOrder, if: !isRepeated) }
        } else {
            var known = lives[place]?[envelope.from] ?? []
            if known.contains(envelope.incarnation) { return book.hit(.batchOfFormerLife) }
            known.append(envelope.incarnation)
            lives[place, default: [:]][envelope.from] = known
        }
        batches[place, default: [:]][envelope.from] = (envelope.incarnation, envelope.batch)
    }

    private func client(_ effect: ReplicaEffect, _ node: NodeGhost, _ chronicle: Chronicle) {
        switch effect {
        case .refused(_, let request, let reason):
            switch reason {
            case .noLeader: book.hit(.writeRefusedNoLeader)
            case .notLeader: book.hit(.writeRefusedNotLeader)
            case .overloaded: book.hit(.writeRefusedOverloaded)
            case .storageFull: book.hit(.writeRefusedStorage)
            case .unknown:
                book.hit(.writeUnknown)
                noteUnknown(request)
            }
        case .answered(_, let request, let outcome):
            answered(outcome)
            guard let term = sent[request], let index = chronicle.requests[request] else { return }
            let committed = chronicle.ledger.term(at: index) ?? term
            book.hit(.answeredByAnotherTerm, if: committed != term)
            if let leader = chronicle.leaders[term].map({ chronicle.nodes[$0] }) {
                book.hit(.answeredAfterRestartOfLeader, if: !leader.isAlive)
            }
        default: break
        }
    }

    private func answered(_ outcome: Outcome) {
        switch outcome {
        case .refused(.preconditionFailed): book.hit(.guardFailed)
        case .refused(.notAnInteger), .refused(.overflow): book.hit(.incrementRefused)
        case .deleted(let count, _, _): book.hit(.rangeDeleted, if: count > 1)
        case .batch(let results, _):
            book.hit(.batchPartlyExists, if: results.contains(.exists) && results.contains { $0 != .exists })
        case .compacted: book.hit(.historyCompactedByCommand)
        default: break
        }
    }

    private func grown(_ from: LogIndex, _ upTo: LogIndex, _ chronicle: Chronicle) {
        var index = from
        while index <= upTo {
            if let applied = chronicle.store.applied(at: index),
                let before = chronicle.store.state(at: index.previous)
            {
                book.hit(
                    .historyCompacted, if: applied.state.compactRevision > before.compactRevision)
                if applied.kind == .command, let payload = chronicle.committed(index)?.payload,
                    let command = try? Command(decoding: payload)
                {
                    book.hit(.commitTimeHeld, if: command.time < before.lastTime)
                }
                book.hit(.unknownAppliedLate, if: unknownSet.contains(applied.request))
            }
            index = index.next
        }
    }

    private func returned(_ operation: OperationRecord, _ chronicle: Chronicle) {
        guard operation.action.isWrite, operation.requestID != .none, let outcome = operation.outcome else {
            return
        }
        guard case .unknown = outcome else { return }
        noteUnknown(operation.requestID)
        if case .written? = operation.answer { book.hit(.answerLost) }
    }

    private func noteUnknown(_ request: RequestID) {
        if unknownSet.insert(request).inserted { unknown.append(request) }
    }

    private func end(_ chronicle: Chronicle) {
        for request in unknown {
            book.hit(chronicle.requests[request] == nil ? .unknownNotApplied : .unknownApplied)
        }
    }
}
