import Primitives

// What commands do to tasks and workers.

extension Keyspace {
    mutating func carryOut(_ command: TaskCommand, id: RequestID) -> Outcome {
        let time = lastTime
        switch command {
        case .add(let task): return add(task)
        case .claim(let worker, let kinds, let maximum):
            return .task(
                .claimed(
                    coordination.claimTasks(for: worker, kinds: kinds, maximum: maximum, id: id, at: time)))
        case .heartbeat(let id, let token): return prolong(id, token, note: nil)
        case .progress(let id, let token, let note): return prolong(id, token, note: note)
        case .complete(let id, let token, let result): return complete(id, token, result)
        case .fail(let id, let token, let reason, let isFinal):
            return fail(id, token, reason, isFinal: isFinal)
        case .release(let id, let token):
            return withClaim(id, token) { coordination, task in
                coordination.undoClaim(of: &task, .released)
                return .released(id)
            }
        case .cancel(let id): return cancelTask(id)
        case .register(let worker, let timeToLive, let capacity, let labels):
            return register(worker, timeToLive: timeToLive, capacity: capacity, labels: labels)
        case .remove(let name): return removeWorker(name)
        }
    }

    // MARK: - Tasks

    private mutating func add(_ new: NewTask) -> Outcome {
        if let dedupe = new.dedupe, let row = coordination.bytes(.taskDedupe(dedupe)),
            let task = coordination.task(TaskID(RowKey(bytes: row).lastNumber))
        {
            return .task(.added(task.id, task.state, isNew: false))
        }
        if let unknown = new.after.first(where: { coordination.task($0) == nil }) {
            return .refused(.task(.unknownDependency(unknown)))
        }
        let delay =
            switch new.start {
            case .after(let milliseconds): milliseconds
            case .at(let time): max(0, time.milliseconds - lastTime.milliseconds)
            }
        guard delay <= Limits.queueMilliseconds else { return .refused(.task(.tooLate)) }
        guard hasRoom else { return .refused(.coordination(.full)) }
        guard coordination.taskCounts.unfinished < Limits.taskCount else {
            return .refused(.task(.tooMany(Limits.taskCount)))
        }
        guard
            coordination.has(.lane(new.kind, new.labels))
                || coordination.count(RowKey(.taskLane)) < Limits.taskLanes
        else { return .refused(.task(.tooManyLanes(Limits.taskLanes))) }
        let task = coordination.addTask(new, delay: delay, at: lastTime)
        return .task(.added(task.id, task.state, isNew: true))
    }

    private mutating func prolong(_ id: TaskID, _ token: UInt64, note: [UInt8]?) -> Outcome {
        let time = lastTime
        return withClaim(id, token) { coordination, task in
            if let note { coordination.set(.part(.progress, of: id), bytes: note) }
            return .kept(id, deadline: coordination.prolong(&task, at: time) ?? time)
        }
    }

    private mutating func complete(_ id: TaskID, _ token: UInt64, _ result: [UInt8]) -> Outcome {
        // Who has not heard the answer says it again: the first result stays.
        if let task = coordination.task(id), task.state == .completed, task.lastToken == token {
            return .task(.completed(id))
        }
        let time = lastTime
        return withClaim(id, token) { coordination, task in
            if !result.isEmpty { coordination.set(.part(.result, of: id), bytes: result) }
            coordination.remove(.part(.reason, of: id))
            coordination.finish(&task, .completed, .completed, at: time)
            return .completed(id)
        }
    }

    private mutating func fail(
        _ id: TaskID, _ token: UInt64, _ reason: [UInt8], isFinal: Bool
    ) -> Outcome {
        if let task = coordination.task(id), task.standing == .failed(.reported), task.lastToken == token {
            return .task(.failed(id, retryAfter: nil))
        }
        let time = lastTime
        return withClaim(id, token) { coordination, task in
            if reason.isEmpty {
                coordination.remove(.part(.reason, of: id))
            } else {
                coordination.set(.part(.reason, of: id), bytes: reason)
            }
            return .failed(id, retryAfter: coordination.fail(&task, isFinal: isFinal, at: time))
        }
    }

    private mutating func cancelTask(_ id: TaskID) -> Outcome {
        guard var task = coordination.task(id) else { return .refused(.task(.notFound(id))) }
        switch task.state {
        case .cancelled: break
        case .completed, .failed: return .refused(.task(.finished(id, task.state)))
        case .absent, .waiting, .ready, .claimed:
            coordination.finish(&task, .cancelled, .cancelled, at: lastTime)
        }
        return .task(.cancelled(id))
    }

    /// Does something to a task for the holder of its present claim, and for nobody else.
    private mutating func withClaim(
        _ id: TaskID, _ token: UInt64, _ body: (inout Coordination, inout TaskRecord) -> TaskOutcome
    ) -> Outcome {
        guard var task = coordination.task(id) else { return .refused(.task(.notFound(id))) }
        guard case .claimed(let claim) = task.standing, claim.token == token else {
            return .refused(.task(.notHolder(id, token: token)))
        }
        return .task(body(&coordination, &task))
    }

    mutating func fire(_ timer: TaskTimer) { coordination.fire(timer, at: lastTime) }

    // MARK: - Workers

    private mutating func register(
        _ name: String, timeToLive: Int64, capacity: Int, labels: [String]
    ) -> Outcome {
        let row = RowKey(.worker, name)
        guard var worker = coordination.worker(name), var lease = lease(worker.lease) else {
            guard hasRoom else { return .refused(.coordination(.full)) }
            guard coordination.count(RowKey(.worker)) < Limits.workers else {
                return .refused(.task(.tooManyWorkers(Limits.workers)))
            }
            let lease = grantLease(LeaseTerms(timeToLive: timeToLive, name: name), isPrivate: true)
            coordination.hold(row, under: lease.id)
            let worker = Worker(
                name: name, lease: lease.id, capacity: capacity, labels: labels, registeredAt: lastTime)
            coordination.set(row, worker)
            coordination.news.append(.changed(row))
            return .task(.registered(worker, isNew: true))
        }
        coordination.disarm(lease.timer)
        lease.terms.timeToLive = timeToLive
        lease.timer = coordination.arm(.lease(lease.id), milliseconds: timeToLive)
        coordination.set(RowKey(.lease, lease.id), lease)
        if (worker.capacity, worker.labels) != (capacity, labels) {
            (worker.capacity, worker.labels) = (capacity, labels)
            coordination.set(row, worker)
            coordination.news.append(.changed(row))
        }
        return .task(.registered(worker, isNew: false))
    }

    private mutating func removeWorker(_ name: String) -> Outcome {
        guard let worker = coordination.worker(name) else {
            return .refused(.task(.workerNotFound(name)))
        }
        let count = coordination.endWorker(name, at: lastTime)
        coordination.letGo(RowKey(.worker, name), of: worker.lease)
        endIfUnused(worker.lease)
        return .task(.removed(name, claims: count))
    }
}

extension Outcome {
    static func task(_ outcome: TaskOutcome) -> Outcome { .coordinated(.task(outcome)) }
}

extension Refusal {
    static func task(_ refusal: TaskRefusal) -> Refusal { .coordination(.task(refusal)) }
}

// MARK: - Reads

extension Keyspace {
    /// The task with this id, nil if there is none.
    public func task(_ id: TaskID) -> TaskRecord? { coordination.task(id) }

    /// What is to be done; nothing for a task that was completed.
    public func payload(of id: TaskID) -> [UInt8] { coordination.bytes(.part(.payload, of: id)) ?? [] }

    /// What its holder last said of its progress, nil for nothing.
    public func progress(of id: TaskID) -> [UInt8]? { coordination.bytes(.part(.progress, of: id)) }

    /// Why it last failed, as its holder said, nil for nothing.
    public func reason(of id: TaskID) -> [UInt8]? { coordination.bytes(.part(.reason, of: id)) }

    /// What came of it, nil for nothing.
    public func result(of id: TaskID) -> [UInt8]? { coordination.bytes(.part(.result, of: id)) }

    /// How many tasks there are in each state.
    public var taskCounts: TaskCounts { coordination.taskCounts }

    /// Tasks in the order of their ids, from the one after `cursor` on. Looks at ten thousand at most: if
    /// `last` is given there may be more after that one.
    public func tasks(
        in state: TaskState? = nil, kind: String? = nil, after cursor: TaskID? = nil, limit: Int
    ) -> (tasks: [TaskRecord], last: TaskID?) {
        var (tasks, seen, last): ([TaskRecord], Int, TaskID?) = ([], 0, nil)
        coordination.forEach(RowKey(.task), after: cursor.map { RowKey.task($0) }) { key, value in
            let task: TaskRecord = Coordination.decode(value)
            if state.map({ $0 == task.state }) ?? true, kind.map({ $0 == task.kind }) ?? true {
                guard tasks.count < limit else {
                    last = tasks.last?.id ?? cursor
                    return false
                }
                tasks.append(task)
            }
            seen += 1
            if seen == 10_000 { last = task.id }
            return seen < 10_000
        }
        return (tasks, last)
    }

    /// Whether a claim would hand out a task now.
    public func hasTask(for worker: String, kinds: [String]) -> Bool {
        coordination.hasTask(for: worker, kinds: kinds)
    }

    /// The worker with this name, nil if it has not made itself known.
    public func worker(_ name: String) -> Worker? { coordination.worker(name) }

    /// How many tasks a worker has that is known.
    public func claimCount(of worker: String) -> Int { coordination.claimCount(of: worker) }

    /// Workers in the order of their names, from the one after `cursor` on.
    public func workers(after cursor: String? = nil, limit: Int) -> [Worker] {
        var workers: [Worker] = []
        coordination.forEach(RowKey(.worker), after: cursor.map { RowKey(.worker, $0) }) { _, value in
            guard workers.count < limit else { return false }
            workers.append(Coordination.decode(value))
            return true
        }
        return workers
    }
}
