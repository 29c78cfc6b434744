import Primitives
import Testing

@testable import Store

/// Tasks as anyone would write them who had no care for speed: a dictionary that is searched.
private struct NaiveTasks {
    struct Record {
        var id: TaskID
        var new: NewTask
        var state = TaskState.ready
        var attempts: UInt32 = 0
        /// Its place among others of its priority.
        var due: Int64
        /// Until when it waits, or is claimed.
        var end = Int64.max
        var token: UInt64 = 0
        var worker: String?
        /// Whether the claim counts for the worker's registration.
        var isRegistered = false
        var request: RequestID?
        var finishedAt: Int64?
        var result: [UInt8]?
    }
    struct Worker {
        var capacity: Int
        var labels: [String]
        var end: Int64
    }

    var tasks: [TaskID: Record] = [:]
    var workers: [String: Worker] = [:]
    var forgotten = 0

    func held(by worker: String) -> [Record] {
        tasks.values.filter { $0.state == .claimed && $0.isRegistered && $0.worker == worker }
    }

    /// What a claim would hand out, in its order.
    func claimable(_ name: String, _ kinds: [String], _ maximum: Int) -> [Record] {
        let worker = workers[name]
        let room = min(maximum, (worker?.capacity ?? maximum) - (worker == nil ? 0 : held(by: name).count))
        let labels = Set(worker?.labels ?? [])
        let suitable = tasks.values.filter {
            $0.state == .ready && (kinds.isEmpty || kinds.contains($0.new.kind))
                && labels.isSuperset(of: $0.new.labels)
        }
        return Array(
            suitable.sorted {
                ($1.new.priority, $0.due, $0.id) < ($0.new.priority, $1.due, $1.id)
            }.prefix(max(0, room)))
    }

    mutating func finish(_ id: TaskID, _ state: TaskState, at now: Int64) {
        tasks[id]?.state = state
        tasks[id]?.finishedAt = now
        tasks[id]?.end = .max
        for (other, task) in tasks where task.new.after.contains(id) && task.state == .waiting {
            if state != .completed {
                finish(other, .failed, at: now)
            } else {
                tasks[other]?.new.after.removeAll { $0 == id }
                if task.new.after.count == 1, task.end == .max { tasks[other]?.state = .ready }
            }
        }
    }

    mutating func takeBack(_ id: TaskID, at now: Int64) {
        guard let task = tasks[id] else { return }
        if task.attempts >= task.new.maximumAttempts { return finish(id, .failed, at: now) }
        tasks[id]?.state = .ready
        tasks[id]?.end = .max
    }

    mutating func end(_ worker: String, at now: Int64) {
        let held = held(by: worker)
        workers[worker] = nil
        for task in held { takeBack(task.id, at: now) }
    }

    /// Carries out all that is due up to a time.
    mutating func pass(until end: Int64) {
        while true {
            let task = tasks.values.filter { $0.end <= end }.min { $0.end < $1.end }
            let worker = workers.filter { $0.value.end <= end }.min { $0.value.end < $1.value.end }
            if let worker, worker.value.end < (task?.end ?? .max) {
                self.end(worker.key, at: worker.value.end)
            } else if let task {
                if task.state == .claimed {
                    takeBack(task.id, at: task.end)
                } else {
                    tasks[task.id]?.end = .max
                    if task.new.after.isEmpty { tasks[task.id]?.state = .ready }
                }
            } else {
                return
            }
        }
    }
}

/// Random commands on a store and on the model, compared after each.
private struct TaskTrial {
    var store = TimedStore()
    var model = NaiveTasks()
    var random: TestRandom
    var tokens: [(id: TaskID, token: UInt64)] = []
    var requests: [RequestID] = []
    var greatest: UInt64 = 0
    /// How often each thing happened: so that the trial is known to try something.
    var seen: [String: Int] = [:]

    static let workers = ["w", "v", "u"]

    init(seed: UInt64) { random = TestRandom(seed: seed) }

    // Leases end at other milliseconds than anything else, so that no claim ends for two reasons at once.
    mutating func step() {
        switch random.below(100) {
        case 0..<28: add()
        case 28..<52: claim()
        case 52..<64: useToken { .complete($0, token: $1, result: [UInt8($0.number & 0xff)]) }
        case 64..<68: useToken { .fail($0, token: $1, reason: [1], isFinal: false) }
        case 68..<70: useToken { .fail($0, token: $1, reason: [], isFinal: true) }
        case 70..<74: useToken { .release($0, token: $1) }
        case 74..<78: useToken { .heartbeat($0, token: $1) }
        case 78..<80: useToken { .progress($0, token: $1, [3]) }
        case 80..<82: cancel()
        case 82..<87: register()
        case 87: remove()
        case 88: abandon()
        default: pass(Int64(10 + random.below(25) * 10))
        }
    }

    mutating func pass(_ time: Int64) {
        model.pass(until: store.now + time)
        store.pass(time)
        compare()
    }

    mutating func subset(_ names: [String]) -> [String] { names.filter { _ in random.below(2) == 0 } }

    mutating func add() {
        var new = NewTask(kind: ["a", "b", "c"][random.below(3)], payload: [UInt8(random.below(256))])
        new.priority = UInt8(random.below(3))
        if random.below(3) == 0 { new.labels = subset(["x", "y"]) }
        if random.below(4) == 0 {
            let delay = Int64(10 + random.below(10) * 10)
            new.start = .after(delay)
            if random.below(2) == 0 { new.start = .at(WallTime(milliseconds: store.now + delay)) }
        }
        new.maximumAttempts = UInt32(1 + random.below(3))
        new.timeout = Int64(10 + random.below(40) * 10)
        let known = model.tasks.keys.sorted().suffix(15)
        if random.below(3) == 0 {
            for id in known where random.below(6) == 0 { new.after.append(id) }
        }
        if random.below(5) == 0 { new.dedupe = "d\(random.below(60))" }
        let earlier = model.tasks.values.first { new.dedupe != nil && $0.new.dedupe == new.dedupe }
        guard case .coordinated(.task(.added(let id, let state, let isNew))) = store.task(.add(new)) else {
            Issue.record("refused")
            return
        }
        #expect(isNew == (earlier == nil))
        if let earlier {
            #expect(id == earlier.id && state == earlier.state)
            return
        }
        var delay: Int64 = 0
        switch new.start {
        case .after(let milliseconds): delay = milliseconds
        case .at(let time): delay = time.milliseconds - store.now
        }
        new.after.removeAll { model.tasks[$0]?.state == .completed }
        var task = NaiveTasks.Record(id: id, new: new, due: store.now + delay)
        if delay > 0 { task.end = store.now + delay }
        if delay > 0 || !new.after.isEmpty { task.state = .waiting }
        model.tasks[id] = task
        if new.after.contains(where: { model.tasks[$0]?.state.isFinal == true }) {
            model.finish(id, .failed, at: store.now)
            seen["dead before", default: 0] += 1
        }
        #expect(state == model.tasks[id]?.state)
    }

    mutating func claim() {
        let (worker, kinds) = (Self.workers[random.below(3)], subset(["a", "b", "c"]))
        let maximum = 1 + random.below(4)
        let request = store.nextRequest()
        let expected = model.claimable(worker, kinds, maximum)
        let claimed = store.claim(worker, kinds, maximum, id: request)
        #expect(claimed.map(\.id) == expected.map(\.id))
        #expect(claimed.map(\.attempt) == expected.map { $0.attempts + 1 })
        #expect(claimed.map(\.payload) == expected.map(\.new.payload))
        for task in claimed {
            #expect(task.token > greatest, "tokens grow")
            greatest = task.token
            model.tasks[task.id]?.state = .claimed
            model.tasks[task.id]?.attempts += 1
            model.tasks[task.id]?.token = task.token
            model.tasks[task.id]?.worker = worker
            model.tasks[task.id]?.isRegistered = model.workers[worker] != nil
            model.tasks[task.id]?.request = request
            model.tasks[task.id]?.end = store.now + task.timeout
            tokens.append((task.id, task.token))
        }
        requests.append(request)
        seen["claimed", default: 0] += claimed.count
    }

    /// Uses one of the newest tokens, valid or not.
    mutating func useToken(_ make: (TaskID, UInt64) -> TaskCommand) {
        guard !tokens.isEmpty else { return }
        let (id, token) = tokens[tokens.count - 1 - random.below(min(8, tokens.count))]
        let command = make(id, token)
        let outcome = store.task(command)
        guard let task = model.tasks[id] else {
            #expect(outcome == .refused(.task(.notFound(id))))
            return
        }
        if case .complete = command, task.state == .completed, task.token == token {
            #expect(outcome == .coordinated(.task(.completed(id))))
            seen["repeated", default: 0] += 1
            return
        }
        guard task.state == .claimed, task.token == token else {
            if case .fail = command, store.keyspace.task(id)?.standing == .failed(.reported) {
                return
            }
            #expect(outcome == .refused(.task(.notHolder(id, token: token))))
            seen["refused", default: 0] += 1
            return
        }
        carryOut(command, outcome, task)
    }

    private mutating func carryOut(
        _ command: TaskCommand, _ outcome: Outcome, _ task: NaiveTasks.Record
    ) {
        let id = task.id
        switch command {
        case .complete(_, _, let result):
            #expect(outcome == .coordinated(.task(.completed(id))))
            model.tasks[id]?.result = result
            model.finish(id, .completed, at: store.now)
        case .fail(_, _, _, let isFinal):
            if isFinal || task.attempts >= task.new.maximumAttempts {
                model.finish(id, .failed, at: store.now)
                #expect(outcome == .coordinated(.task(.failed(id, retryAfter: nil))))
                seen["dead", default: 0] += 1
            } else {
                let delay = 500 * Int64(1 << task.attempts)
                model.tasks[id]?.state = .waiting
                model.tasks[id]?.due = store.now + delay
                model.tasks[id]?.end = store.now + delay
                #expect(outcome == .coordinated(.task(.failed(id, retryAfter: delay))))
            }
        case .release:
            model.tasks[id]?.attempts -= 1
            model.tasks[id]?.state = .ready
            model.tasks[id]?.end = .max
        case .heartbeat, .progress: model.tasks[id]?.end = store.now + task.new.timeout
        default: Issue.record("not about a claim: \(command)")
        }
        if case .refused = outcome { Issue.record("a valid token was refused: \(outcome)") }
    }

    mutating func cancel() {
        let known = Array(model.tasks.keys.sorted().suffix(20))
        guard !known.isEmpty else { return }
        let id = known[random.below(known.count)]
        guard let task = model.tasks[id] else { return }
        let outcome = store.task(.cancel(id))
        if [.completed, .failed].contains(task.state) {
            #expect(outcome == .refused(.task(.finished(id, task.state))))
        } else {
            #expect(outcome == .coordinated(.task(.cancelled(id))))
            if task.state != .cancelled { model.finish(id, .cancelled, at: store.now) }
        }
    }

    mutating func register() {
        let name = Self.workers[random.below(3)]
        let (capacity, labels) = (1 + random.below(4), subset(["x", "y"]))
        let time = Int64(103 + random.below(60) * 10)
        guard
            case .coordinated(.task(.registered(let worker, let isNew))) =
                store.register(name, time, capacity: capacity, labels)
        else {
            Issue.record("not registered")
            return
        }
        #expect(isNew == (model.workers[name] == nil))
        #expect(worker.capacity == capacity && worker.labels == labels)
        model.workers[name] = NaiveTasks.Worker(capacity: capacity, labels: labels, end: store.now + time)
    }

    mutating func remove() {
        let name = Self.workers[random.below(3)]
        let outcome = store.task(.remove(worker: name))
        guard model.workers[name] != nil else {
            #expect(outcome == .refused(.task(.workerNotFound(name))))
            return
        }
        let count = model.held(by: name).count
        #expect(outcome == .coordinated(.task(.removed(name, claims: count))))
        model.end(name, at: store.now)
        seen["workers with tasks removed", default: 0] += count
    }

    mutating func abandon() {
        guard let request = requests.popLast() else { return }
        let held = model.tasks.values.filter { $0.state == .claimed && $0.request == request }
        for task in held {
            model.tasks[task.id]?.attempts -= 1
            model.tasks[task.id]?.state = .ready
            model.tasks[task.id]?.end = .max
        }
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(!held.isEmpty)))
    }

    mutating func compare() {
        for (id, task) in model.tasks {
            guard let kept = store.keyspace.task(id) else {
                // Kept for an hour at least, and an eighth of that longer at most.
                #expect((task.finishedAt ?? .max) <= store.now - Limits.finishedTaskMilliseconds)
                model.tasks[id] = nil
                model.forgotten += 1
                continue
            }
            #expect(kept.state == task.state && kept.attempts == task.attempts, "\(id)")
            #expect(store.keyspace.result(of: id) == task.result)
            let age = store.now - (task.finishedAt ?? store.now)
            #expect(age < Limits.finishedTaskMilliseconds * 9 / 8 + 1)
        }
        let counts = store.keyspace.taskCounts
        for state in TaskState.allCases where state != .absent {
            #expect(counts[state] == model.tasks.values.count { $0.state == state }, "\(state)")
        }
        for name in Self.workers {
            #expect((store.keyspace.worker(name) == nil) == (model.workers[name] == nil))
            #expect(store.keyspace.claimCount(of: name) == model.held(by: name).count)
        }
        let stated = Set(store.steps.compactMap(Self.step))
        store.steps = []
        #expect(stated.isSubset(of: Self.specified), "a step that is not specified: \(stated)")
    }

    private static func step(_ step: CoordinationStep) -> String? {
        guard case .task(_, _, _, let from, let to, let cause) = step else { return nil }
        return "\(cause) \(from) \(to)"
    }

    private static let specified = Set(
        TaskCause.allCases.flatMap { cause in cause.steps.map { "\(cause) \($0.from) \($0.to)" } })
}

@Suite struct TaskModelTests {
    @Test(arguments: 1...5) func `tasks agree with a dictionary that is searched`(seed: UInt64) throws {
        var trial = TaskTrial(seed: seed)
        for step in 0..<1_500 {
            trial.step()
            if step % 3 == 0 { trial.compare() }
            // So that what is finished is forgotten.
            if step % 250 == 249 { trial.pass(2_000_000) }
            if step % 50 == 0 {
                let isSame = try trial.store.restore()
                #expect(isSame)
            }
        }
        for what in ["claimed", "refused", "repeated", "dead", "dead before", "workers with tasks removed"] {
            #expect(trial.seen[what, default: 0] > 0, "\(what) never happened")
        }
        #expect(trial.model.forgotten > 20)
        // Whatever waits ends by itself or is called off; then all is forgotten.
        for id in trial.model.tasks.keys.sorted() { trial.store.task(.cancel(id)) }
        trial.store.pass(2 * Limits.finishedTaskMilliseconds)
        #expect(trial.store.keyspace.coordination.count == 0, "something is left over")
        #expect(trial.store.keyspace.coordination.byteCount == 0 && trial.store.deadlines.isEmpty)
    }
}
