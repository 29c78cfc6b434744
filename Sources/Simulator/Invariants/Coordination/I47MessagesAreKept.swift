import Consensus
import NodeCore
import Primitives
import Store

/// Queues hand out each message to one receiver at a time, the oldest first, until it is acknowledged, and
/// lose none. When a message comes back by itself is the affair of I37.
final class MessagesAreKept: Invariant {
    static let name = "I47"
    static let promise =
        "No message is lost, handed out after it was acknowledged, out of turn, or more often than its queue "
        + "allows; only its last receiver can acknowledge it."
    let facts: FactKinds = [.grown]

    private struct Message {
        var queue: String
        var body: [UInt8]
        var attempts: UInt32 = 0
        /// What entitles its last receiver to it.
        var receipt: Receipt?
        var request = RequestID.none
        /// Whether its receiver may have been taken to have never seen it.
        var mayBeUncounted = false
        var isDelayed: Bool
        /// When it was handed out last.
        var handedOut = LogIndex.zero
    }

    /// Those that were neither acknowledged nor dropped, by their ids.
    private var messages: [UInt64: Message] = [:]
    private var acknowledged: Set<UInt64> = []
    private var lastReceipt: UInt64 = 0
    /// When each queue was given other settings last.
    private var configured: [String: LogIndex] = [:]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .grown(_, let from, let upTo) = fact else { return }
        try chronicle.forEachCoordination(from: from, upTo: upTo) { index, applied, ghost throws(Violation) in
            try judge(applied, ghost, index)
        }
    }

    /// Takes in the next entry about these things.
    func judge(
        _ applied: StoreGhost.Applied, _ ghost: CoordinationGhost, _ index: LogIndex
    ) throws(Violation) {
        if let outcome = applied.ownOutcome, case .coordinate(let command) = ghost.command.operation {
            try follow(command, outcome, applied.request, ghost, index)
        }
        let there = ghost.queues.reduce(0) { $0 + $1.count }
        let dropped = ghost.queues.reduce(0) { $0 + Int($1.dropped) }
        try demand(
            there + dropped == messages.count,
            "after entry \(index) queues hold \(there) messages and have dropped \(dropped); "
                + "\(messages.count) were enqueued and not acknowledged")
    }

    private func follow(
        _ command: CoordinationCommand, _ outcome: Outcome, _ request: RequestID, _ ghost: CoordinationGhost,
        _ index: LogIndex
    ) throws(Violation) {
        switch (command, outcome) {
        case (.queue(.enqueue(let queue, let new)), .coordinated(.queue(.enqueued(let id, isNew: true, _)))):
            try demand(
                messages[id.number] == nil && !acknowledged.contains(id.number),
                "entry \(index) enqueues a second message \(id)")
            messages[id.number] = Message(queue: queue, body: new.body, isDelayed: new.delay > 0)
        case (.queue(.configure(let queue, _)), .coordinated): configured[queue] = index
        case (.queue(.receive(let queue, _, _, _)), .coordinated(.queue(.received(let received)))):
            let settings = ghost.queues.first { $0.name == queue }?.settings
            for message in received {
                try receive(message, from: queue, settings?.maximumAttempts ?? 0, request, index)
            }
        case (.queue(.acknowledge(_, let receipt)), .coordinated(.queue(.acknowledged(let id)))):
            try demand(
                messages[id.number]?.receipt == receipt, "entry \(index) takes \(receipt) of \(id) for valid")
            messages[id.number] = nil
            acknowledged.insert(id.number)
        case (.queue(.giveBack(_, let receipt, _)), .coordinated(.queue(.returned(let id, _)))),
            (.queue(.extend(_, let receipt, _)), .coordinated(.queue(.extended(let id, _)))):
            try demand(
                messages[id.number]?.receipt == receipt, "entry \(index) takes \(receipt) of \(id) for valid")
            if case .queue(.giveBack) = command { messages[id.number]?.receipt = nil }
        case (.abandon(let other), .coordinated(.abandoned(true))):
            for (id, message) in messages where message.request == other && message.receipt != nil {
                messages[id]?.mayBeUncounted = true
            }
        default: break
        }
    }

    private func receive(
        _ received: ReceivedMessage, from queue: String, _ limit: UInt32, _ request: RequestID,
        _ index: LogIndex
    ) throws(Violation) {
        let id = received.id.number
        guard var message = messages[id], let receipt = received.receipt else {
            throw violation(
                "entry \(index) hands out message \(received.id), which "
                    + (acknowledged.contains(id) ? "was acknowledged" : "nobody enqueued"))
        }
        try demand(
            received.body == message.body, "entry \(index) hands out \(received.id) with another content")
        try demand(
            receipt.number > lastReceipt,
            "entry \(index) gives receipt \(receipt.number) after \(lastReceipt)")
        lastReceipt = receipt.number
        if received.source != nil, message.queue != queue {
            // It has died, and its attempts are counted anew.
            try demand(
                received.source == message.queue && message.attempts > 0,
                "entry \(index) hands out \(received.id) as dead, which was in \(message.queue)")
            (message.queue, message.attempts, message.handedOut) = (queue, 0, .zero)
        }
        try demand(
            message.queue == queue,
            "entry \(index) hands out \(received.id) of \(message.queue) from \(queue)")
        try demand(
            received.attempt == message.attempts + 1
                || (message.mayBeUncounted && received.attempt == message.attempts),
            "entry \(index) hands out \(received.id), tried \(message.attempts) times, as \(received.attempt)"
        )
        try demand(
            limit == 0 || received.attempt <= limit || message.mayBeUncounted
                || message.handedOut < configured[queue] ?? .zero,
            "entry \(index) hands out \(received.id) for attempt \(received.attempt) of \(limit)")
        if message.attempts == 0, !message.isDelayed, received.source == nil {
            let older = messages.contains {
                $0.key < id && $0.value.queue == queue && $0.value.attempts == 0 && !$0.value.isDelayed
            }
            try demand(!older, "entry \(index) hands out \(received.id) before an older message")
        }
        message.attempts = received.attempt
        (message.receipt, message.request, message.handedOut) = (receipt, request, index)
        message.mayBeUncounted = false
        messages[id] = message
    }
}
