// A check of a live cluster: clients on threads of their own, each with one operation under way; at the end
// every endpoint is asked for everything.

import Client
import Glibc
import Histories
import Platform
import Primitives

/// What a check does to a cluster.
struct CheckPlan: Sendable {
    var endpoints: [Endpoint]
    var clients: Int
    var keys: CheckKeys
    var mix: CheckMix
    var seed: UInt64
    /// How long clients go on.
    var duration: Instant.Span
    /// How many operations there are at most.
    var operations: Int
    /// How many of them a second; nil: as fast as it goes.
    var rate: Double?
    /// How long one may take.
    var timeout: Instant.Span
    /// Whether nobody else changes the store meanwhile.
    var isExclusive: Bool

    /// What endpoints are called in the history: their URLs without `http://`.
    var names: [String] {
        endpoints.map { $0.url.hasPrefix("http://") ? String($0.url.dropFirst(7)) : $0.url }
    }
}

/// Makes one request after the other and notes what came of them. Belongs to one thread.
private struct CheckSender {
    let plan: CheckPlan
    let record: CheckRecord
    private let transport = CurlTransport()

    init(_ plan: CheckPlan, _ record: CheckRecord) {
        self.plan = plan
        self.record = record
    }

    /// Carries an operation out. The node is told a shorter time than the client waits, so that it is the
    /// node that says what became of it.
    func send(_ operation: CheckRecord.Begun, to endpoint: Int) -> HistoryOperation.Outcome {
        let attempt = transport.perform(
            operation.action.call(timeout: plan.timeout), at: plan.endpoints[endpoint],
            timeout: plan.timeout + .milliseconds(500), connectTimeout: min(plan.timeout, .seconds(1)))
        let result = CheckOutcome.judge(attempt, operation.action)
        record.finish(operation, result, at: endpoint)
        return result.outcome
    }
}

/// The thread of one client.
private struct CheckThread: Sendable {
    let plan: CheckPlan
    let record: CheckRecord
    var client: CheckClient

    mutating func run() {
        let sender = CheckSender(plan, record)
        let interval = plan.rate.map { rate in
            Instant.Span(nanoseconds: Int64(Double(plan.clients) * 1e9 / rate))
        }
        var process = client.number
        // At a fixed rate the first operations are spread, too.
        var due = Clock.now() + (interval.map { client.pause(about: $0) } ?? .zero)
        while true {
            while Clock.now() < due, !record.isEnding { record.ending.wait(until: due) }
            let endpoint = client.endpoint(of: plan.endpoints.count)
            guard
                let operation = record.begin(
                    process: process, endpoint: endpoint, { client.next(at: $0) })
            else { break }
            let outcome = sender.send(operation, to: endpoint)
            client.learn(operation.action, outcome)
            let now = Clock.now()
            due = max(now, due + (interval.map { client.pause(about: $0) } ?? .zero))
            switch outcome {
            case .ok: continue
            case .failed: break
            case .unknown: process = record.newProcess()
            }
            // Whoever got no answer asks less: a history of nothing but refusals says nothing.
            due = max(due, now + client.pause(about: .milliseconds(60)))
        }
        record.leave()
    }
}

/// Runs the clients of one check.
struct CheckRun: ~Copyable {
    /// Why the clients ended.
    enum Ending { case time, operations, signal }

    private static let signalToken: UInt64 = 0
    private static let endedToken: UInt64 = 1
    /// How often to tell how it goes.
    private static let progressInterval = Instant.Span.seconds(5)
    /// How long an endpoint may take to answer at the end.
    private static let settlingTime = Instant.Span.seconds(10)

    private let plan: CheckPlan
    private let record: CheckRecord
    private var poller: Poller

    /// Starts nothing yet.
    init(_ plan: CheckPlan) throws(SystemError) {
        let record = try CheckRecord(
            clients: plan.clients, endpoints: plan.names, limit: plan.operations,
            isExclusive: plan.isExclusive)
        let poller = try Poller()
        self.plan = plan
        self.record = record
        self.poller = poller
    }

    /// The counts so far.
    var tally: CheckTally { record.tally }

    /// What was recorded; nothing is added to it any more.
    func history(from start: Revision) -> History {
        var history = record.take()
        history.startRevision = start
        return history
    }

    /// Runs the clients until the time is up, enough was asked or a signal came, and waits until they have
    /// ended. `tell` gets a line about every five seconds.
    mutating func runClients(
        signals: borrowing SignalSource, tell: (String) -> Void
    ) throws(SystemError) -> Ending {
        try poller.add(signals.descriptor, token: Self.signalToken, for: .read)
        try poller.add(record.ended.descriptor, token: Self.endedToken, for: .read)
        let start = Clock.now()
        for number in 0..<plan.clients {
            let client = CheckClient(number: number, keys: plan.keys, mix: plan.mix, seed: plan.seed)
            let thread = CheckThread(plan: plan, record: record, client: client)
            _ = try startThread(named: "client-\(number)", owning: thread) { thread in
                var thread = thread
                thread.run()
            }
        }
        var nextLine = start + Self.progressInterval
        var deadline = start + plan.duration
        var ending: Ending?
        var ready: [Poller.Ready] = []
        while true {
            poller.wait(until: min(deadline, nextLine), into: &ready)
            let now = Clock.now()
            let isSignalled =
                ready.contains { $0.token == Self.signalToken } && signals.next() != nil
            if ready.contains(where: { $0.token == Self.endedToken }) { return ending ?? .operations }
            if isSignalled || now >= deadline {
                if let ending { return ending }
                ending = isSignalled ? .signal : .time
                record.end()
                // What is under way ends by its own time limit; the look-up of a name may not.
                deadline = now + plan.timeout + .seconds(5)
            }
            if now >= nextLine {
                tell(progress(now - start))
                nextLine = nextLine + Self.progressInterval
            }
        }
    }

    private func progress(_ elapsed: Instant.Span) -> String {
        let tally = tally
        let seconds = (elapsed.milliseconds + 500) / 1000
        let counts = zip(plan.names, tally.byEndpoint).map { "\($0) \($1)" }.joined(separator: ", ")
        return "\(seconds) s: \(tally.begun) operations, \(tally.answered) answered, "
            + "\(tally.refusedCount) refused, \(tally.unknownCount) unknown; answers of \(counts)"
    }

    /// Reads all keys on every endpoint, so that nothing stays unseen. Names the endpoints that gave no
    /// answer in time.
    func readEverything() -> [String] {
        let sender = CheckSender(plan, record)
        let process = record.newProcess()
        let last = plan.keys.generation(at: max(0, tally.begun - 1))
        var silent: [String] = []
        var deadline = Clock.now() + Self.settlingTime
        for endpoint in plan.endpoints.indices {
            var generation = 0
            while generation <= last {
                let action = HistoryOperation.Action.list(.prefix(plan.keys.folder(generation)))
                let operation = record.beginFinal(process: process, endpoint: endpoint, action)
                if case .ok = sender.send(operation, to: endpoint) {
                    generation += 1
                    continue
                }
                if Clock.now() >= deadline { break }
                usleep(200_000)
            }
            if generation <= last { silent.append(plan.names[endpoint]) }
            // Those that are down take their time together, not each.
            deadline = max(deadline, Clock.now() + .seconds(1))
        }
        return silent
    }
}
