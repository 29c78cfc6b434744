import Consensus
import NodeCore
import Primitives
import Replication
import Store

/// Thesis 6.4: a linearizable read returns "the results of all operations that were acknowledged before it
/// began". Checked twice: inside, a read that reaches a node is answered from a state with all that anybody
/// knew to be committed then; outside, a client is answered at a revision no less than any client was told
/// before it asked. Bugs R1 to R8, R10.
final class FreshReads: Invariant {
    static let name = "I33"
    static let promise =
        "A linearizable read shows everything that was committed when it began, and all that was answered "
        + "before it was asked."
    let facts: FactKinds = [.event, .client, .died, .invoked, .returned]
    private var begun: [Int: [UInt64: LogIndex]] = [:]
    /// The greatest revision that any client was told of.
    private var told = Revision(1)
    private var toldBefore: [Int: Revision] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .event(let place, .read(let token, _)):
            begun[place, default: [:]][token] = chronicle.ledger.lastIndex
        case .client(let place, .readRefused(let token, _)):
            begun[place]?[token] = nil
        case .client(let place, .readable(let token)):
            let node = chronicle.nodes[place]
            guard let known = begun[place]?.removeValue(forKey: token) else {
                throw violation("\(node.name) answers read \(token), which is not open")
            }
            try demand(
                node.now.applied >= known,
                "\(node.name) answers a read from the state at \(node.now.applied); \(known) entries were "
                    + "committed when it began")
        case .died(let place, _): begun[place] = nil
        case .invoked(let operation): toldBefore[operation.number] = told
        case .returned(let operation): try finish(operation)
        default: break
        }
    }

    private func finish(_ operation: OperationRecord) throws(Violation) {
        guard let before = toldBefore.removeValue(forKey: operation.number),
            let outcome = operation.outcome
        else { return }
        switch outcome {
        case .written(let outcome): if let revision = outcome.revision { told = max(told, revision) }
        case .item(_, let revision), .items(_, _, let revision), .evaluated(_, let revision):
            defer { told = max(told, revision) }
            guard !operation.action.isStale else { return }
            try demand(
                revision >= before,
                "operation \(operation.number) read at revision \(revision) of n\(operation.node + 1), but "
                    + "\(before) was known before it was asked")
        case .refused, .unknown: break
        }
    }
}
