import Consensus
import Primitives
import Replication
import Store
import Wire

extension Mark {
    static let transactions: [Mark: String] = [
        .transactionThen: "transaction whose conditions held and which changed something",
        .transactionElse: "transaction that did what it says to do else",
        .transactionRefused: "transaction refused by its conditions",
        .transactionStepRefused: "transaction refused because of one step, although others could be done",
        .transactionOverlapRefused: "transaction refused because two steps write one key",
        .transactionUnchanged: "transaction that changed nothing and went through the log",
        .transactionNestedHeld: "nested transaction whose conditions held",
        .transactionNestedElse: "nested transaction that did what it says to do else",
        .transactionNestedIdle: "nested transaction that failed and does nothing else",
        .transactionNestedOnWritten: "nested condition about a key that a step before it writes",
        .transactionReadsOwnWrite: "read of a key that a step before it has written",
        .transactionListsOwnWrites: "range read after a step of the same transaction has written",
        .transactionRangeDeleted: "keys deleted by a range in a transaction that does more",
        .transactionCountFailed: "count of keys that did not hold",
        .transactionEvaluated: "transaction evaluated without being carried out",
        .transactionEvaluatedOnFollower: "transaction evaluated by a node that does not lead",
        .transactionEvaluationRefused: "transaction that would be refused by its conditions",
        .transactionUnknownApplied: "transaction of unknown outcome that took effect",
        .transactionUnknownRefused: "transaction of unknown outcome that the store refused",
        .transactionUnknownNotApplied: "transaction of unknown outcome that never came to the log",
        .transactionResent: "transaction passed on a second time",
        .transactionByAnotherTerm: "transaction committed in a later term than it was passed on in",
    ]
}

/// Marks about transactions.
final class TransactionMarks: FactListener {
    let facts: FactKinds = [.tells, .returned, .ended]
    private let book: MarkBook
    /// In which term each request was passed on first.
    private var sent: [RequestID: Term] = [:]
    private var resent: Set<RequestID> = []
    private var unknown: [RequestID] = []

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .tells(_, .forward(let forward), _):
            for request in forward.requests {
                if sent[request] == nil { sent[request] = forward.term } else { resent.insert(request) }
            }
        case .returned(let operation): returned(operation, chronicle)
        case .ended:
            for request in unknown {
                guard let index = chronicle.requests[request] else {
                    book.hit(.transactionUnknownNotApplied)
                    continue
                }
                let isRefused =
                    if case .refused? = chronicle.store.applied(at: index)?.outcome { true } else { false }
                book.hit(isRefused ? .transactionUnknownRefused : .transactionUnknownApplied)
            }
        default: break
        }
    }

    private func returned(_ operation: OperationRecord, _ chronicle: Chronicle) {
        switch (operation.action, operation.outcome) {
        case (.evaluate, .evaluated(let outcome, _)?):
            book.hit(.transactionEvaluated)
            let isLeader = chronicle.nodes[operation.node].now.role == .leader
            book.hit(.transactionEvaluatedOnFollower, if: !isLeader)
            if case .refused(.transaction(.conditionsFailed)) = outcome {
                book.hit(.transactionEvaluationRefused)
            }
        case (.write(.transaction(let transaction), _), .written(let outcome)?):
            noteWay(operation.requestID, chronicle)
            written(transaction, outcome)
        case (.write(.transaction, _), .unknown?):
            if operation.requestID != .none { unknown.append(operation.requestID) }
            noteWay(operation.requestID, chronicle)
        default: break
        }
    }

    private func noteWay(_ request: RequestID, _ chronicle: Chronicle) {
        book.hit(.transactionResent, if: resent.contains(request))
        guard let index = chronicle.requests[request], let term = sent[request],
            let committed = chronicle.ledger.term(at: index)
        else { return }
        book.hit(.transactionByAnotherTerm, if: committed != term)
    }

    private func written(_ transaction: Transaction, _ outcome: Outcome) {
        switch outcome {
        case .transaction(let outcome, _):
            let hasChanged = outcome.results.contains(where: \.hasChanged)
            book.hit(.transactionThen, if: outcome.succeeded && hasChanged && !transaction.conditions.isEmpty)
            book.hit(.transactionElse, if: !outcome.succeeded)
            book.hit(.transactionUnchanged, if: !hasChanged)
            noteFailed(outcome.failed, transaction)
            var written: [[UInt8]] = []
            noteSteps(transaction, outcome, &written)
        case .refused(.transaction(.conditionsFailed(let failed))):
            book.hit(.transactionRefused)
            noteFailed(failed, transaction)
        case .refused(.transaction(.step)): book.hit(.transactionStepRefused, if: transaction.then.count > 1)
        case .refused(.transaction(.overlap)): book.hit(.transactionOverlapRefused)
        default: break
        }
    }

    private func noteFailed(_ failed: [FailedCondition], _ transaction: Transaction) {
        for condition in failed {
            if case .count = transaction.conditions[condition.index] { book.hit(.transactionCountFailed) }
        }
    }

    /// Looks at the steps that were done; `written` are the keys that those before have written.
    private func noteSteps(
        _ transaction: Transaction, _ outcome: TransactionOutcome, _ written: inout [[UInt8]]
    ) {
        let steps = outcome.succeeded ? transaction.then : transaction.otherwise ?? []
        for (step, result) in zip(steps, outcome.results) {
            switch (step, result) {
            case (.get(let key), _): book.hit(.transactionReadsOwnWrite, if: written.contains(key))
            case (.list, _): book.hit(.transactionListsOwnWrites, if: !written.isEmpty)
            case (.deleteRange, .wrote(.deleted(let count, _, _))):
                book.hit(.transactionRangeDeleted, if: count > 0 && steps.count > 1)
            case (.transaction(let nested), .transaction(let outcome)):
                let isAboutWritten = nested.conditions.contains { condition in
                    condition.key.map { written.contains($0) } ?? false
                }
                book.hit(.transactionNestedOnWritten, if: isAboutWritten)
                book.hit(.transactionNestedHeld, if: outcome.succeeded && !nested.conditions.isEmpty)
                book.hit(.transactionNestedElse, if: !outcome.succeeded && nested.otherwise != nil)
                book.hit(.transactionNestedIdle, if: !outcome.succeeded && nested.otherwise == nil)
                noteFailed(outcome.failed, nested)
                noteSteps(nested, outcome, &written)
            default: break
            }
            if let key = step.writtenKey { written.append(key) }
        }
    }
}
