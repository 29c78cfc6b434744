import Primitives
import Testing

@testable import Store

/// A store with a clock of its own, which fires timers when they have run out, and keeps what is told to
/// those who wait.
struct TimedStore {
    var keyspace = Keyspace(limits: Limits(), leafCapacity: 4, innerCapacity: 4)
    /// Milliseconds.
    private(set) var now: Int64 = 1_000_000
    /// When each running timer runs out.
    private(set) var deadlines: [UInt64: Int64] = [:]
    /// What became of requests that waited.
    var settled: [RequestID: CoordinationOutcome] = [:]
    /// The rows that were said to have changed.
    var changed: [RowKey] = []
    /// What was said to all nodes.
    var announced: [(request: RequestID, said: Announcement)] = []
    /// Logged messages that came to their end.
    var ended: [(number: UInt64, wasTaken: Bool)] = []
    /// The steps that leases and claimants took.
    var steps: [CoordinationStep] = []
    private var lastRequest: UInt64 = 0

    mutating func nextRequest() -> RequestID {
        lastRequest += 1
        return RequestID(high: 7, low: lastRequest)
    }

    @discardableResult mutating func apply(_ command: CoordinationCommand, id: RequestID? = nil) -> Outcome {
        apply(.coordinate(command), id: id)
    }

    @discardableResult mutating func apply(_ operation: Operation, id: RequestID? = nil) -> Outcome {
        let command = Command(
            requestID: id ?? nextRequest(), time: WallTime(milliseconds: now), operation: operation)
        let outcome = keyspace.apply(command, index: keyspace.appliedIndex.next, term: Term(1))
        #expect(Self.isKept(outcome), "the binary form of \(outcome) says something else")
        for news in keyspace.takeNews() {
            switch news {
            case .armed(let number, let milliseconds): deadlines[number] = now + milliseconds
            case .disarmed(let number): deadlines[number] = nil
            case .settled(let request, let outcome):
                #expect(Self.isKept(.coordinated(outcome)))
                settled[request] = outcome
            case .changed(let row): changed.append(row)
            case .stepped(let step): steps.append(step)
            case .announced(let request, let said): announced.append((request, said))
            case .messageEnded(let number, let wasTaken): ended.append((number, wasTaken))
            }
        }
        return outcome
    }

    /// Whether an outcome is the same after it was written and read.
    private static func isKept(_ outcome: Outcome) -> Bool {
        var writer = ByteWriter()
        outcome.encode(into: &writer)
        var reader = ByteReader(writer.take())
        return (try? Outcome(reading: &reader)) == outcome && reader.isAtEnd
    }

    @discardableResult mutating func queue(_ command: QueueCommand, id: RequestID? = nil) -> Outcome {
        apply(.queue(command), id: id)
    }

    @discardableResult mutating func barrier(_ command: BarrierCommand, id: RequestID? = nil) -> Outcome {
        apply(.barrier(command), id: id)
    }

    /// The next time at which a timer runs out.
    var nextDeadline: Int64? { deadlines.values.min() }

    /// Lets time pass and fires what runs out meanwhile, one timer a command, in its order.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while let next = nextDeadline, next <= end {
            now = max(now, next)
            let due = deadlines.filter { $0.value <= now }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            apply(.timers(.fire(term: Term(1), [due[0].key])))
        }
        now = end
    }

    /// Goes on from a checkpoint; false if that is not the same state.
    mutating func restore() throws -> Bool {
        let restored = try keyspace.restored(inChunksOf: 700)
        var running: Set<UInt64> = []
        restored.coordination.forEachTimer { number, _, _ in running.insert(number) }
        let isSame = restored.digest == keyspace.digest && running == Set(deadlines.keys)
        keyspace = restored
        return isSame
    }

    mutating func enqueue(_ queue: String, _ message: NewMessage) -> MessageID? {
        guard case .coordinated(.queue(.enqueued(let id, _, _))) = self.queue(.enqueue(queue, message))
        else { return nil }
        return id
    }

    mutating func enqueue(_ queue: String, _ text: String, priority: UInt8 = 0) {
        _ = enqueue(queue, NewMessage(body: Array(text.utf8), priority: priority))
    }

    mutating func receive(
        _ queue: String, _ maximum: Int = 1, visibility: Int64? = nil, id: RequestID? = nil
    ) -> [ReceivedMessage] {
        let command = QueueCommand.receive(
            queue, maximum: maximum, visibility: visibility, consumer: "test")
        guard case .coordinated(.queue(.received(let messages))) = self.queue(command, id: id) else {
            return []
        }
        return messages
    }

    /// `ready/in flight/delayed` of a queue.
    func counts(_ name: String) -> String {
        guard let queue = keyspace.queue(name) else { return "none" }
        return "\(queue.ready)/\(queue.inFlight)/\(queue.delayed)"
    }
}

extension ReceivedMessage {
    var text: String { string(body) }
}
