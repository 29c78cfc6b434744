import Primitives
import Testing

@testable import Store

extension TimedStore {
    @discardableResult mutating func task(_ command: TaskCommand, id: RequestID? = nil) -> Outcome {
        apply(.task(command), id: id)
    }

    /// Adds a task, and says which it is; the task 0 if it was refused.
    mutating func add(_ kind: String = "k", _ change: (inout NewTask) -> Void = { _ in }) -> TaskID {
        var new = NewTask(kind: kind, payload: Array("do".utf8))
        change(&new)
        guard case .coordinated(.task(.added(let id, _, _))) = task(.add(new)) else { return TaskID(0) }
        return id
    }

    mutating func claim(
        _ worker: String = "w", _ kinds: [String] = [], _ maximum: Int = 1, id: RequestID? = nil
    ) -> [ClaimedTask] {
        let command = TaskCommand.claim(worker: worker, kinds: kinds, maximum: maximum)
        guard case .coordinated(.task(.claimed(let tasks))) = task(command, id: id) else { return [] }
        return tasks
    }

    @discardableResult mutating func register(
        _ worker: String, _ timeToLive: Int64 = 60_000, capacity: Int = 10, _ labels: [String] = []
    ) -> Outcome {
        task(.register(worker: worker, timeToLive: timeToLive, capacity: capacity, labels: labels))
    }

    func state(_ id: TaskID) -> TaskState { keyspace.task(id)?.state ?? .absent }
}

@Suite struct TaskTests {
    private func refusal(_ outcome: Outcome) -> TaskRefusal? {
        guard case .refused(.coordination(.task(let refusal))) = outcome else { return nil }
        return refusal
    }

    @Test func `the older of two tasks comes first, the more urgent before both, each to one worker`() {
        var store = TimedStore()
        let (a, b) = (store.add(), store.add())
        let urgent = store.add { $0.priority = 9 }
        let first = store.claim()
        #expect(first.map(\.id) == [urgent] && first[0].attempt == 1 && first[0].payload == Array("do".utf8))
        let rest = store.claim("v", ["k"], 5)
        #expect(rest.map(\.id) == [a, b] && rest[0].token > first[0].token && rest[1].token > rest[0].token)
        #expect(store.claim().isEmpty)
        #expect(
            store.task(.complete(a, token: rest[0].token, result: [1, 2]))
                == .coordinated(.task(.completed(a))))
        #expect(store.state(a) == .completed && store.keyspace.result(of: a) == [1, 2])
        #expect(store.keyspace.taskCounts[.completed] == 1 && store.keyspace.taskCounts[.claimed] == 2)
    }

    @Test func `only the present claim counts, and the same completion again is answered the same`() {
        var store = TimedStore()
        let id = store.add { $0.timeout = 500 }
        let old = store.claim()[0].token
        store.pass(499)
        #expect(store.state(id) == .claimed)
        store.pass(1)
        #expect(store.state(id) == .ready)
        for token in [old, 0, old + 1] {
            for command in [
                TaskCommand.complete(id, token: token, result: [7]), .heartbeat(id, token: token),
                .progress(id, token: token, [7]), .release(id, token: token),
                .fail(id, token: token, reason: [7], isFinal: true),
            ] {
                #expect(refusal(store.task(command)) == .notHolder(id, token: token))
            }
        }
        let again = store.claim("v")[0]
        #expect(again.id == id && again.attempt == 2 && again.token > old)
        #expect(
            refusal(store.task(.complete(id, token: old, result: [7]))) == .notHolder(id, token: old))
        #expect(store.state(id) == .claimed && store.keyspace.result(of: id) == nil)
        let done = Outcome.coordinated(.task(.completed(id)))
        #expect(store.task(.complete(id, token: again.token, result: [1])) == done)
        #expect(store.task(.complete(id, token: again.token, result: [2])) == done)
        #expect(store.keyspace.result(of: id) == [1], "the first result stays")
        #expect(
            refusal(store.task(.complete(id, token: old, result: [7]))) == .notHolder(id, token: old))
        #expect(refusal(store.task(.cancel(id))) == .finished(id, .completed))
        store.pass(60_000)
        #expect(store.claim().isEmpty, "what is finished is never handed out again")
    }

    @Test func `signs of life begin the time anew, and progress is kept until the end`() {
        var store = TimedStore()
        let id = store.add { $0.timeout = 1_000 }
        let token = store.claim()[0].token
        store.pass(900)
        #expect(
            store.task(.heartbeat(id, token: token))
                == .coordinated(
                    .task(.kept(id, deadline: WallTime(milliseconds: store.now + 1_000)))))
        store.pass(900)
        store.task(.progress(id, token: token, [5]))
        store.pass(999)
        #expect(store.state(id) == .claimed && store.keyspace.progress(of: id) == [5])
        store.pass(1)
        #expect(store.state(id) == .ready)
        store.task(.complete(id, token: store.claim()[0].token, result: []))
        #expect(store.keyspace.progress(of: id) == nil && store.keyspace.payload(of: id).isEmpty)
    }

    @Test func `failed attempts are tried again later and later, and the last one makes a dead letter`() {
        var store = TimedStore()
        let id = store.add { $0.maximumAttempts = 3 }
        for (attempt, delay) in [(1, 1_000), (2, 2_000)] as [(UInt32, Int64)] {
            let claim = store.claim()[0]
            #expect(claim.attempt == attempt)
            let failed = store.task(.fail(id, token: claim.token, reason: [9], isFinal: false))
            #expect(failed == .coordinated(.task(.failed(id, retryAfter: delay))))
            store.pass(delay - 1)
            #expect(store.state(id) == .waiting && store.claim().isEmpty)
            store.pass(1)
        }
        let last = store.claim()[0].token
        let dead = Outcome.coordinated(.task(.failed(id, retryAfter: nil)))
        #expect(store.task(.fail(id, token: last, reason: [8], isFinal: false)) == dead)
        #expect(store.task(.fail(id, token: last, reason: [7], isFinal: false)) == dead, "asked again")
        #expect(store.keyspace.task(id)?.standing == .failed(.reported))
        #expect(store.keyspace.reason(of: id) == [8] && store.keyspace.payload(of: id) == Array("do".utf8))
        let other = store.add()
        store.task(.fail(other, token: store.claim()[0].token, reason: [], isFinal: true))
        #expect(store.state(other) == .failed, "said to be final")
        #expect(Limits.retryDelay(after: 1_000) == 300_000)
    }

    @Test func `the deadline takes a task back as often as it may be tried`() {
        var store = TimedStore()
        let id = store.add {
            $0.maximumAttempts = 2
            $0.timeout = 100
        }
        _ = store.claim()
        store.pass(100)
        #expect(store.claim()[0].attempt == 2)
        store.pass(100)
        #expect(store.keyspace.task(id)?.standing == .failed(.timedOut) && store.claim().isEmpty)
    }

    @Test func `what is given back, or was never heard of, does not count as an attempt`() {
        var store = TimedStore()
        let id = store.add { $0.maximumAttempts = 1 }
        let late = store.add()
        store.task(.release(id, token: store.claim()[0].token))
        let request = store.nextRequest()
        #expect(store.claim("w", [], 2, id: request).map(\.id) == [id, late], "in its old place")
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(true)))
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(false)))
        #expect(store.claim()[0].attempt == 1)
    }

    @Test func `a task comes after others, and fails with them, however many`() {
        var store = TimedStore()
        let (a, b) = (store.add("a"), store.add("a"))
        let both = store.add("b") { $0.after = [a, b] }
        let later = store.add("b") {
            $0.after = [both]
            $0.start = .after(500)
        }
        #expect(store.state(both) == .waiting && store.claim("w", ["b"]).isEmpty)
        for claim in store.claim("w", ["a"], 2) {
            #expect(store.state(both) == .waiting)
            store.task(.complete(claim.id, token: claim.token, result: []))
        }
        #expect(store.state(both) == .ready)
        store.task(.complete(both, token: store.claim()[0].token, result: []))
        #expect(store.state(later) == .waiting, "its time has not come")
        store.pass(500)
        #expect(store.state(later) == .ready)
        let after = store.add("c") { $0.after = [a, later] }
        let last = store.add("c") { $0.after = [after] }
        store.task(.cancel(later))
        #expect(store.keyspace.task(after)?.standing == .failed(.dependency(later)))
        #expect(store.keyspace.task(last)?.standing == .failed(.dependency(after)))
        let doomed = store.add("c") { $0.after = [last] }
        #expect(store.keyspace.task(doomed)?.standing == .failed(.dependency(last)))
        var lost = NewTask(kind: "c")
        lost.after = [TaskID(999)]
        #expect(refusal(store.task(.add(lost))) == .unknownDependency(TaskID(999)))
    }

    @Test func `a thousand tasks that come after one are told in pieces`() throws {
        for succeeded in [true, false] {
            var store = TimedStore()
            let root = store.add()
            let ids = (0..<1_100).map { _ in store.add("late") { $0.after = [root] } }
            let token = store.claim()[0].token
            if succeeded {
                store.task(.complete(root, token: token, result: []))
            } else {
                store.task(.fail(root, token: token, reason: [], isFinal: true))
            }
            let state = succeeded ? TaskState.ready : .failed
            #expect(store.keyspace.taskCounts[state] == (succeeded ? 512 : 513))
            store.pass(10)
            #expect(ids.allSatisfy { store.state($0) == state })
            let isSame = try store.restore()
            #expect(isSame)
        }
    }

    @Test func `a worker has no more than its capacity, and its tasks go back when its lease ends`() {
        var store = TimedStore()
        let registered = store.register("w", capacity: 2)
        guard case .coordinated(.task(.registered(let worker, isNew: true))) = registered else {
            Issue.record("not registered")
            return
        }
        let ids = (0..<3).map { _ in store.add { $0.maximumAttempts = 2 } }
        #expect(store.claim("w", [], 5).map(\.id) == [ids[0], ids[1]])
        #expect(store.claim("w").isEmpty)
        store.pass(29_000)
        store.register("w", 10_000, capacity: 2)
        let held = ids.prefix(2).map { store.keyspace.task($0)?.lastToken ?? 0 }
        for (id, token) in zip(ids, held) { store.task(.heartbeat(id, token: token)) }
        store.pass(9_999)
        #expect(store.keyspace.claimCount(of: "w") == 2)
        store.changed = []
        store.pass(1)
        #expect(store.keyspace.worker("w") == nil && store.keyspace.lease(worker.lease) == nil)
        #expect(store.state(ids[0]) == .ready && store.changed.contains(RowKey(.taskLane, "k")))
        #expect(
            refusal(store.task(.complete(ids[0], token: held[0], result: [])))
                == .notHolder(ids[0], token: held[0]))
        store.register("w")
        #expect(store.claim("w", [], 3).map(\.attempt) == [2, 2, 1])
        #expect(
            store.task(.remove(worker: "w")) == .coordinated(.task(.removed("w", claims: 3))))
        #expect(store.keyspace.task(ids[0])?.standing == .failed(.workerGone))
        #expect(store.state(ids[2]) == .ready && store.keyspace.leases(limit: 9).isEmpty)
        #expect(refusal(store.task(.remove(worker: "w"))) == .workerNotFound("w"))
    }

    @Test func `a worker gets only what it has the labels for`() {
        var store = TimedStore()
        let both = store.add { $0.labels = ["gpu", "ssd"] }
        let gpu = store.add { $0.labels = ["gpu"] }
        let plain = store.add()
        store.register("big", 60_000, ["gpu", "ssd", "x"])
        store.register("small", 60_000, ["ssd"])
        #expect(store.claim("small", [], 5).map(\.id) == [plain])
        #expect(store.claim("unknown", [], 5).isEmpty)
        #expect(store.claim("big", ["j", "k"], 5).map(\.id) == [both, gpu])
    }

    @Test func `a task of the same dedupe id is the same as long as it is kept`() {
        var store = TimedStore()
        let id = store.add { $0.dedupe = "x\u{0}" }
        var same = NewTask(kind: "other")
        same.dedupe = "x\u{0}"
        #expect(
            store.task(.add(same)) == .coordinated(.task(.added(id, .ready, isNew: false))))
        store.task(.complete(id, token: store.claim()[0].token, result: []))
        #expect(
            store.task(.add(same)) == .coordinated(.task(.added(id, .completed, isNew: false))))
        store.pass(3_600_000)
        #expect(store.state(id) == .completed)
        store.pass(450_000)
        #expect(store.state(id) == .absent && store.add { $0.dedupe = "x\u{0}" } != id)
    }

    @Test func `finished tasks are forgotten, the oldest first, when they have too many bytes`() throws {
        var store = TimedStore()
        let count = Limits.finishedTaskBytes / Limits.taskPayloadBytes
        let payload = [UInt8](repeating: 1, count: Limits.taskPayloadBytes)
        let ids = (0...count).map { _ in
            let id = store.add { $0.payload = payload }
            store.task(.cancel(id))
            return id
        }
        #expect(store.state(ids[0]) == .absent && store.state(ids[1]) == .cancelled)
        #expect(store.keyspace.taskCounts.finishedBytes == UInt64(Limits.finishedTaskBytes))
        store.pass(2 * Limits.finishedTaskMilliseconds)
        #expect(store.keyspace.coordination.count == 0, "something is left over")
        #expect(store.keyspace.coordination.byteCount == 0 && store.deadlines.isEmpty)
    }

    @Test func `kinds and labels, times and lists have bounds`() {
        var store = TimedStore()
        for number in 0..<Limits.taskLanes { _ = store.add("kind\(number)") }
        #expect(
            refusal(store.task(.add(NewTask(kind: "one more")))) == .tooManyLanes(Limits.taskLanes))
        #expect(store.add("kind7") != TaskID(0))
        var late = NewTask(kind: "kind7")
        late.start = .at(WallTime(milliseconds: store.now + Limits.queueMilliseconds + 1))
        #expect(refusal(store.task(.add(late))) == .tooLate)
        let all = store.keyspace.tasks(kind: "kind7", limit: 9)
        let none = store.keyspace.tasks(kind: "", limit: 9)
        #expect(all.tasks.count == 2 && all.last == nil && none.tasks.isEmpty)
        let page = store.keyspace.tasks(in: .ready, limit: 3)
        #expect(page.tasks.count == 3 && page.last == page.tasks[2].id)
        let ahead = store.keyspace.tasks(in: .ready, after: page.last, limit: 1)
        #expect(ahead.tasks[0].id.number > page.tasks[2].id.number)
    }

    @Test func `commands are the same after they were written and read, and nonsense is refused`() {
        var full = NewTask(kind: "k", payload: [1])
        (full.labels, full.after, full.dedupe) = (["a", "b"], [TaskID(1), TaskID(9)], "d")
        full.start = .at(WallTime(milliseconds: 5))
        var unsorted = full
        unsorted.labels = ["b", "a"]
        var long = full
        long.payload = [UInt8](repeating: 0, count: Limits.taskPayloadBytes + 1)
        let good: [TaskCommand] = [
            .add(full), .claim(worker: "w", kinds: ["a", "b"], maximum: 3), .heartbeat(TaskID(1), token: 2),
            .progress(TaskID(1), token: 2, [3]), .complete(TaskID(1), token: 2, result: [3]),
            .fail(TaskID(1), token: 2, reason: [3], isFinal: true), .release(TaskID(1), token: 2),
            .cancel(TaskID(1)), .register(worker: "w", timeToLive: 5, capacity: 6, labels: ["x"]),
            .remove(worker: "w"),
        ]
        let bad: [TaskCommand] = [
            .add(unsorted), .add(long), .claim(worker: "", kinds: [], maximum: 1),
            .claim(worker: "w", kinds: ["b", "b"], maximum: 1), .claim(worker: "w", kinds: [], maximum: 0),
            .progress(TaskID(1), token: 2, [UInt8](repeating: 0, count: Limits.taskNoteBytes + 1)),
            .register(worker: "w", timeToLive: 0, capacity: 6, labels: []),
            .register(worker: "w", timeToLive: 5, capacity: 0, labels: []),
        ]
        for (place, command) in (good + bad).enumerated() {
            var writer = ByteWriter()
            CoordinationCommand.task(command).encode(into: &writer)
            var reader = ByteReader(writer.take())
            let read = try? CoordinationCommand(reading: &reader)
            #expect(read == (place < good.count ? .task(command) : nil), "\(command)")
        }
        #expect(TaskID("t-12") == TaskID(12))
        for text in ["t-", "t-012", "12", "t-x", "t--1", "t-99999999999999999999"] {
            #expect(TaskID(text) == nil)
        }
    }

    @Test func `each step is told, and is one of the specification`() {
        var store = TimedStore()
        let id = store.add()
        store.task(.release(id, token: store.claim()[0].token))
        store.task(.complete(id, token: store.claim()[0].token, result: []))
        let told = store.steps.compactMap { step in
            if case .task(_, let worker, _, let from, let to, let cause) = step {
                "\(from)-\(to) \(cause) \(worker)"
            } else {
                nil
            }
        }
        #expect(
            told == [
                "absent-ready added ", "ready-claimed claimed w", "claimed-ready released w",
                "ready-claimed claimed w", "claimed-completed completed w",
            ])
    }
}
