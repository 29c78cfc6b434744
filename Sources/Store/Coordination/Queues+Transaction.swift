import Primitives

// Messages in transactions. Like all steps they are looked at before anything is changed, so that a message
// is acknowledged, and another one enqueued, together with the writes of the transaction or not at all.

extension Transaction.Step {
    /// Whether it changes a queue and no key.
    var isAboutQueue: Bool {
        switch self {
        case .enqueue, .acknowledge: true
        default: false
        }
    }
}

extension Keyspace {
    /// The first step that can't be done to its queue after those before it, and why.
    func queueRefusal(of steps: [Transaction.Step]) -> (place: Int, StepRefusal)? {
        var (receipts, added): (Set<Receipt>, [String: Int]) = ([], [:])
        for (place, step) in steps.enumerated() {
            switch step {
            case .acknowledge(let name, let receipt):
                if !receipts.insert(receipt).inserted { return (place, .queue(.receiptExpired(receipt))) }
                guard let queue = coordination.queue(name) else { return (place, .queue(.notFound(name))) }
                if coordination.message(receipt, in: queue) == nil {
                    return (place, .queue(.receiptExpired(receipt)))
                }
            case .enqueue(let name, let message):
                if let refusal = refusal(of: message, in: name, after: added[name, default: 0]) {
                    guard case .coordination(.queue(let refusal)) = refusal else { return (place, .full) }
                    return (place, .queue(refusal))
                }
                added[name, default: 0] += 1
            default: break
            }
        }
        return nil
    }

    /// Carries out what changes queues, in the order of the steps. None of it is refused.
    mutating func carryOutQueues(
        _ steps: [Transaction.Step], into results: inout [TransactionOutcome.Result?]
    ) {
        for (place, step) in steps.enumerated() {
            switch step {
            case .enqueue(let name, let message):
                results[place] = .wrote(.queue(add(message, to: name)))
            case .acknowledge(let name, let receipt):
                results[place] = .wrote(carryOut(.acknowledge(name, receipt), id: .none))
            default: continue
            }
        }
    }
}
