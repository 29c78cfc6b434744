// Judging takes a while: it is done on a thread of its own, so that a signal can end it.

import Histories
import Platform
import Primitives
import Synchronization

/// Judges one history.
final class CheckJudge: Sendable {
    private let history: History
    private let budget: Int
    private let result = Mutex<(judgement: Judgement, time: Instant.Span)?>(nil)
    private let done: Bell

    /// Judges with so many steps for each key.
    private init(_ history: History, budget: Int) throws(SystemError) {
        self.history = history
        self.budget = budget
        done = try Bell()
    }

    /// Waits for the judgement and how long it took; nil if a signal came first.
    static func judge(
        _ history: History, budget: Int, signals: borrowing SignalSource
    ) throws(SystemError) -> (judgement: Judgement, time: Instant.Span)? {
        let judge = try CheckJudge(history, budget: budget)
        var poller = try Poller()
        try poller.add(judge.done.descriptor, token: 0, for: .read)
        try poller.add(signals.descriptor, token: 1, for: .read)
        _ = try startThread(named: "judge", owning: judge) { $0.run() }
        var ready: [Poller.Ready] = []
        while true {
            poller.wait(until: .never, into: &ready)
            if let result = judge.result.withLock({ $0 }) { return result }
            if ready.contains(where: { $0.token == 1 }), signals.next() != nil { return nil }
        }
    }

    private func run() {
        let start = Clock.now()
        let judgement = Histories.judge(history, budget: budget)
        let time = Clock.now() - start
        result.withLock { $0 = (judgement, time) }
        done.ring()
    }
}
