// What all clients of a check share: the history as it grows, and when to stop.

import Histories
import Platform
import Primitives
import Synchronization

/// Counts of what became of operations.
struct CheckTally: Sendable {
    var begun = 0
    var answered = 0
    /// By cause.
    var refused: [String: Int] = [:]
    /// By cause.
    var unknown: [String: Int] = [:]
    /// By endpoint: how many operations it answered.
    var byEndpoint: [Int]

    var refusedCount: Int { refused.values.reduce(0, +) }
    var unknownCount: Int { unknown.values.reduce(0, +) }

    init(endpoints: Int) { byEndpoint = [Int](repeating: 0, count: endpoints) }

    mutating func count(_ result: CheckOutcome, at endpoint: Int) {
        switch result.outcome {
        case .ok:
            answered += 1
            byEndpoint[endpoint] += 1
        case .failed: refused[result.cause, default: 0] += 1
        case .unknown: unknown[result.cause, default: 0] += 1
        }
    }

    /// Causes with their counts, the most frequent first.
    static func words(_ causes: [String: Int]) -> String {
        causes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
            .joined(separator: ", ")
    }
}

/// The record that the threads of a check share.
final class CheckRecord: Sendable {
    /// An operation that has begun.
    struct Begun {
        var id: Int
        var action: HistoryOperation.Action
    }

    private struct Contents: Sendable {
        var recorder: HistoryRecorder
        var tally: CheckTally
        var nextProcess: Int
        var running: Int
        /// No client begins another operation.
        var isEnding = false
        /// What comes now is too late: the history has been taken.
        var isTaken = false
    }

    /// Rings when the clients are to end, and goes on ringing.
    let ending: Bell
    /// Rings when the last client has ended.
    let ended: Bell
    private let contents: Mutex<Contents>
    private let names: [String]
    private let limit: Int
    private let origin = Clock.now()

    /// A record for so many clients of endpoints with these names, for so many operations at most.
    init(clients: Int, endpoints: [String], limit: Int, isExclusive: Bool) throws(SystemError) {
        ending = try Bell()
        ended = try Bell()
        names = endpoints
        self.limit = limit
        contents = Mutex(
            Contents(
                recorder: HistoryRecorder(isExclusive: isExclusive),
                tally: CheckTally(endpoints: endpoints.count), nextProcess: clients, running: clients))
    }

    /// Notes an operation that is about to be sent, drawn when its number is known. Nil if the check ends.
    func begin(
        process: Int, endpoint: Int, _ draw: (_ begun: Int) -> HistoryOperation.Action
    ) -> Begun? {
        contents.withLock { contents in
            guard !contents.isEnding, contents.tally.begun < limit else { return nil }
            return invoke(&contents, process, endpoint, draw(contents.tally.begun))
        }
    }

    /// Notes an operation after the clients have ended.
    func beginFinal(
        process: Int, endpoint: Int, _ action: HistoryOperation.Action
    ) -> Begun {
        contents.withLock { invoke(&$0, process, endpoint, action) }
    }

    private func invoke(
        _ contents: inout Contents, _ process: Int, _ endpoint: Int, _ action: HistoryOperation.Action
    ) -> Begun {
        contents.tally.begun += 1
        let id = contents.recorder.invoke(action, client: process, node: names[endpoint], at: time)
        return Begun(id: id, action: action)
    }

    /// Notes what came of an operation.
    func finish(_ operation: Begun, _ result: CheckOutcome, at endpoint: Int) {
        contents.withLock { contents in
            guard !contents.isTaken else { return }
            contents.recorder.finish(operation.id, result.outcome, at: time)
            contents.tally.count(result, at: endpoint)
        }
    }

    /// A process number that nobody has had. A client whose operation may still take effect goes on under a
    /// new one, as if that operation's process had died over it (Jepsen's convention).
    func newProcess() -> Int {
        contents.withLock { contents in
            contents.nextProcess += 1
            return contents.nextProcess - 1
        }
    }

    /// Whether the clients are to end.
    var isEnding: Bool { contents.withLock { $0.isEnding } }

    /// Lets no client begin another operation.
    func end() {
        contents.withLock { $0.isEnding = true }
        ending.ring()
    }

    /// A client has ended.
    func leave() {
        let isLast = contents.withLock { contents in
            contents.running -= 1
            return contents.running == 0
        }
        if isLast { ended.ring() }
    }

    /// The counts so far.
    var tally: CheckTally { contents.withLock { $0.tally } }

    /// The history. What clients still wait for then stays unknown.
    func take() -> History {
        contents.withLock { contents in
            contents.isTaken = true
            return contents.recorder.history
        }
    }

    private var time: Int64 { (Clock.now() - origin).nanoseconds }
}
