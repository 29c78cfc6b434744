import Primitives

// The rows of tasks and the changes that they take. Each step costs a few rows, each found in the time that
// a map with that many rows takes, however many other tasks there are.

/// The tasks of one kind that ask for the same labels.
struct TaskLane: Sendable, Equatable {
    /// Its number: tasks that are ready stand under it.
    var number: UInt64
    /// What a worker needs.
    var labels: [String]
    /// How many unfinished tasks it has; it goes with the last.
    var count: UInt64 = 0
}

/// What is kept of a task beside its row.
enum TaskPart: UInt64 {
    case payload = 0
    case progress, reason, result
}

extension RowKey {
    static func task(_ id: TaskID) -> RowKey { RowKey(.task, id.number) }

    static func part(_ part: TaskPart, of id: TaskID) -> RowKey {
        RowKey(.taskPart, id.number).followed(by: part.rawValue)
    }

    /// Names hold no control characters: byte 1 parts them.
    static func lane(_ kind: String, _ labels: [String]) -> RowKey {
        RowKey(.taskLane, kind, labels.joined(separator: "\u{1}").utf8)
    }

    static func readyTasks(_ lane: UInt64) -> RowKey { RowKey(.readyTask, lane) }

    /// Tasks are handed out in the order of these rows.
    static func ready(_ task: TaskRecord) -> RowKey {
        readyTasks(task.lane).followed(by: UInt64(UInt8.max - task.priority))
            .followed(by: UInt64(clamping: task.due.milliseconds)).followed(by: task.id.number)
    }

    static func dependents(_ id: TaskID) -> RowKey { RowKey(.taskDependent, id.number) }

    static func taskDedupe(_ id: String) -> RowKey {
        RowKey(bytes: RowKey(.taskDedupe).bytes + Array(id.utf8))
    }

    /// The tasks that a request has claimed.
    static func taskHandouts(_ request: RequestID) -> RowKey {
        RowKey(.taskHandout, request.high).followed(by: request.low)
    }
}

extension Coordination {
    func task(_ id: TaskID) -> TaskRecord? { value(.task(id)) }

    var taskCounts: TaskCounts { value(RowKey(.taskCounts)) ?? TaskCounts() }

    /// Stores what is known of all tasks, or nothing if there are none.
    private mutating func set(_ counts: TaskCounts) {
        if counts == TaskCounts() { remove(RowKey(.taskCounts)) } else { set(RowKey(.taskCounts), counts) }
    }

    // MARK: - Steps

    /// Leads a task to another standing: all of its rows, its timer and the counts follow.
    private mutating func move(
        _ task: inout TaskRecord, to standing: TaskRecord.Standing, _ cause: TaskCause
    ) {
        let (from, token) = (task.state, task.lastToken)
        let worker = leave(task)
        task.standing = standing
        if case .claimed(let claim) = standing { task.lastToken = claim.token }
        if case .ready = standing {
            set(.ready(task))
            tell(task.kind)
        }
        set(.task(task.id), task)
        count(from, task.state)
        var holder = (worker ?? "", worker == nil ? 0 : token)
        if case .claimed(let claim) = standing { holder = (claim.worker, claim.token) }
        news.append(
            .stepped(
                .task(task.id, worker: holder.0, token: holder.1, from: from, to: task.state, cause)))
    }

    /// Whoever waits for a task of this kind, or of any, may look again.
    private mutating func tell(_ kind: String) {
        news.append(.changed(RowKey(.taskLane, kind)))
        news.append(.changed(RowKey(.taskLane)))
    }

    private mutating func count(_ from: TaskState, _ to: TaskState) {
        var counts = taskCounts
        if from != .absent { counts[from] -= 1 }
        if to != .absent { counts[to] += 1 }
        set(counts)
    }

    /// Takes a task out of what it stands in; returns who had it.
    private mutating func leave(_ task: TaskRecord) -> String? {
        switch task.standing {
        case .waiting(let timer, let blockers):
            disarm(timer)
            guard blockers > 0 else { return nil }
            for other in task.after { remove(.dependents(other).followed(by: task.id.number)) }
        case .ready: remove(.ready(task))
        case .claimed(let claim):
            disarm(claim.timer)
            remove(.taskHandouts(claim.request).followed(by: task.id.number))
            if first(.taskHandouts(claim.request)) == nil { forget(claim.request) }
            if claim.isRegistered {
                remove(RowKey(.workerClaim, claim.worker, task.id.number))
                // It has room again, and may wait for that.
                tell(task.kind)
            }
            return claim.worker
        case .completed, .failed, .cancelled: break
        }
        return nil
    }

    // MARK: - Adding

    /// Adds a task that nothing speaks against.
    mutating func addTask(_ new: NewTask, delay: Int64, at time: WallTime) -> TaskRecord {
        let id = TaskID(nextNumber())
        let lane = enterLane(new.kind, new.labels)
        var task = TaskRecord(
            id: id, kind: new.kind, labels: new.labels, priority: new.priority,
            maximumAttempts: new.maximumAttempts, timeout: new.timeout, after: new.after,
            dedupe: new.dedupe, createdAt: time, due: WallTime(milliseconds: time.milliseconds + delay),
            standing: .ready, lane: lane)
        set(.part(.payload, of: id), bytes: new.payload)
        if let dedupe = new.dedupe { set(.taskDedupe(dedupe), bytes: RowKey.task(id).bytes) }
        var blockers: UInt32 = 0
        var lost: TaskID?
        for other in new.after {
            switch self.task(other)?.state {
            case .completed: break
            case .failed, .cancelled, .absent, nil: lost = lost ?? other
            case .waiting, .ready, .claimed: blockers += 1
            }
        }
        if let lost {
            task.standing = .failed(.dependency(lost))
            enter(&task, .dependencyFailed)
            noteEnd(of: &task, at: time)
            return task
        }
        if blockers > 0 || delay > 0 {
            let timer = delay > 0 ? arm(.task(.start(id.number)), milliseconds: delay) : 0
            task.standing = .waiting(timer: timer, blockers: blockers)
        }
        for other in new.after where self.task(other)?.state.isFinal == false {
            set(.dependents(other).followed(by: id.number))
        }
        enter(&task, .added)
        return task
    }

    /// The first standing of a new task.
    private mutating func enter(_ task: inout TaskRecord, _ cause: TaskCause) {
        if case .ready = task.standing {
            set(.ready(task))
            tell(task.kind)
        }
        set(.task(task.id), task)
        count(.absent, task.state)
        news.append(
            .stepped(.task(task.id, worker: "", token: 0, from: .absent, to: task.state, cause)))
    }

    private mutating func enterLane(_ kind: String, _ labels: [String]) -> UInt64 {
        let key = RowKey.lane(kind, labels)
        var lane = value(key) ?? TaskLane(number: nextNumber(), labels: labels)
        lane.count += 1
        set(key, lane)
        return lane.number
    }

    private mutating func leaveLane(of task: TaskRecord) {
        let key = RowKey.lane(task.kind, task.labels)
        guard var lane = value(key, as: TaskLane.self) else { return }
        lane.count -= 1
        if lane.count == 0 { remove(key) } else { set(key, lane) }
    }

    // MARK: - Claims

    /// Hands out tasks, the first of all lanes that suit.
    mutating func claimTasks(
        for name: String, kinds: [String], maximum: Int, id: RequestID, at time: WallTime
    ) -> [ClaimedTask] {
        let worker = worker(name)
        let room = min(maximum, worker.map { $0.capacity - claimCount(of: $0.name) } ?? maximum)
        guard room > 0 else { return [] }
        var heads = lanes(of: kinds, for: worker).compactMap { first(.readyTasks($0))?.key }
        var (claimed, byteCount): ([ClaimedTask], Int) = ([], 0)
        while claimed.count < room,
            let place = heads.indices.min(by: { heads[$0].isBefore(heads[$1]) })
        {
            let key = heads[place]
            guard var task = task(TaskID(key.lastNumber)) else {
                preconditionFailure("a task that is ready does not exist: \(key)")
            }
            let payload = bytes(.part(.payload, of: task.id)) ?? []
            byteCount += payload.count
            if !claimed.isEmpty, byteCount > Limits.receiveBytes { break }
            claimed.append(
                claim(&task, payload, for: name, isRegistered: worker != nil, id: id, at: time))
            if let next = first(.readyTasks(task.lane))?.key {
                heads[place] = next
            } else {
                heads.remove(at: place)
            }
        }
        if !claimed.isEmpty { note(id, in: .taskHandouts(id)) }
        return claimed
    }

    func hasTask(for name: String, kinds: [String]) -> Bool {
        let worker = worker(name)
        if let worker, claimCount(of: name) >= worker.capacity { return false }
        return lanes(of: kinds, for: worker).contains { first(.readyTasks($0)) != nil }
    }

    /// The lanes of these kinds, or of all, whose labels a worker has.
    private func lanes(of kinds: [String], for worker: Worker?) -> [UInt64] {
        let labels = Set(worker?.labels ?? [])
        var numbers: [UInt64] = []
        for prefix in kinds.isEmpty ? [RowKey(.taskLane)] : kinds.map({ RowKey(.taskLane, $0) }) {
            forEach(prefix) { _, value in
                let lane: TaskLane = Self.decode(value)
                if labels.isSuperset(of: lane.labels) { numbers.append(lane.number) }
                return true
            }
        }
        return numbers
    }

    private mutating func claim(
        _ task: inout TaskRecord, _ payload: [UInt8], for worker: String, isRegistered: Bool, id: RequestID,
        at time: WallTime
    ) -> ClaimedTask {
        let claim = TaskClaim(
            token: nextNumber(), worker: worker,
            deadline: WallTime(milliseconds: time.milliseconds + task.timeout),
            timer: arm(.task(.claim(task.id.number)), milliseconds: task.timeout),
            isRegistered: isRegistered, request: id)
        task.attempts += 1
        move(&task, to: .claimed(claim), .claimed)
        set(.taskHandouts(id).followed(by: task.id.number))
        if isRegistered { set(RowKey(.workerClaim, worker, task.id.number)) }
        return ClaimedTask(
            id: task.id, kind: task.kind, payload: payload, attempt: task.attempts,
            maximumAttempts: task.maximumAttempts, token: claim.token, deadline: claim.deadline,
            timeout: task.timeout)
    }

    /// Begins the time of a claim anew; returns when it ends.
    mutating func prolong(_ task: inout TaskRecord, at time: WallTime) -> WallTime? {
        guard case .claimed(var claim) = task.standing else { return nil }
        disarm(claim.timer)
        claim.timer = arm(.task(.claim(task.id.number)), milliseconds: task.timeout)
        claim.deadline = WallTime(milliseconds: time.milliseconds + task.timeout)
        task.standing = .claimed(claim)
        set(.task(task.id), task)
        return claim.deadline
    }

    /// A claim ends without a word of its holder: the task is ready again in its old place, or given up.
    private mutating func takeBack(_ task: inout TaskRecord, _ cause: TaskCause, at time: WallTime) {
        guard task.attempts < task.maximumAttempts else {
            return finish(&task, .failed(cause == .timedOut ? .timedOut : .workerGone), cause, at: time)
        }
        move(&task, to: .ready, cause)
    }

    /// The present claim's holder could not do it; returns when it is tried again, nil for never.
    mutating func fail(_ task: inout TaskRecord, isFinal: Bool, at time: WallTime) -> Int64? {
        guard !isFinal, task.attempts < task.maximumAttempts else {
            finish(&task, .failed(.reported), .givenUp, at: time)
            return nil
        }
        let delay = Limits.retryDelay(after: task.attempts)
        task.due = WallTime(milliseconds: time.milliseconds + delay)
        let timer = arm(.task(.start(task.id.number)), milliseconds: delay)
        move(&task, to: .waiting(timer: timer, blockers: 0), .retried)
        return delay
    }

    /// A claim is undone, as if the task had never been handed out.
    mutating func undoClaim(of task: inout TaskRecord, _ cause: TaskCause) {
        task.attempts -= 1
        move(&task, to: .ready, cause)
    }

    /// Whoever sent this request has never seen what it claimed: all of that is ready again.
    mutating func abandonTasks(_ handouts: RowKey) -> Bool {
        var count = 0
        for key in keys(handouts) {
            guard var task = task(TaskID(key.lastNumber)), task.state == .claimed else { continue }
            undoClaim(of: &task, .withdrawn)
            count += 1
        }
        return count > 0
    }

    // MARK: - Ends

    /// Ends a task for good, and tells those that come after it.
    mutating func finish(
        _ task: inout TaskRecord, _ standing: TaskRecord.Standing, _ cause: TaskCause, at time: WallTime
    ) {
        end(&task, standing, cause, at: time)
        tellDependents(of: task.id, succeeded: task.state == .completed, at: time)
    }

    private mutating func end(
        _ task: inout TaskRecord, _ standing: TaskRecord.Standing, _ cause: TaskCause, at time: WallTime
    ) {
        task.finishedAt = time
        move(&task, to: standing, cause)
        noteEnd(of: &task, at: time)
    }

    /// A task was finished, and is to be forgotten some day. What was done needs no payload any more.
    private mutating func noteEnd(of task: inout TaskRecord, at time: WallTime) {
        task.finishedAt = time
        set(.task(task.id), task)
        leaveLane(of: task)
        remove(.part(.progress, of: task.id))
        if task.state == .completed { remove(.part(.payload, of: task.id)) }
        var counts = taskCounts
        let bytes = UInt64(keptBytes(of: task))
        counts.finishedBytes += bytes
        if counts.tickTimer == 0 { counts.tickTimer = armTick() }
        set(counts)
        set(
            RowKey(.finishedTask, nextNumber()),
            FinishedTask(task: task.id.number, tick: counts.tick, bytes: bytes))
        news.append(.changed(.task(task.id)))
        forgetTasks()
    }

    private func keptBytes(of task: TaskRecord) -> Int {
        [TaskPart.payload, .reason, .result].reduce(0) { $0 + (bytes(.part($1, of: task.id))?.count ?? 0) }
    }

    /// Tells the tasks that come after one that it was completed, or will never be, a bounded number at once.
    private mutating func tellDependents(of id: TaskID, succeeded: Bool, at time: WallTime) {
        var work = [(id: id, succeeded: succeeded)]
        var left = Limits.sweepCount
        while let (id, succeeded) = work.popLast() {
            for key in keys(.dependents(id), limit: left) {
                left -= 1
                remove(key)
                guard var task = task(TaskID(key.lastNumber)),
                    case .waiting(let timer, let blockers) = task.standing, blockers > 0
                else { continue }
                if !succeeded {
                    end(&task, .failed(.dependency(id)), .dependencyFailed, at: time)
                    work.append((task.id, false))
                } else if blockers == 1, timer == 0 {
                    task.standing = .waiting(timer: 0, blockers: 0)
                    move(&task, to: .ready, .due)
                } else {
                    task.standing = .waiting(timer: timer, blockers: blockers - 1)
                    set(.task(task.id), task)
                }
            }
            if left == 0, first(.dependents(id)) != nil {
                _ = arm(.task(.dependents(id.number, succeeded: succeeded)), milliseconds: 1)
            }
        }
    }

    // MARK: - Forgetting

    private mutating func armTick() -> UInt64 {
        arm(
            .task(.tick), milliseconds: Limits.finishedTaskMilliseconds / Int64(Limits.finishedTaskTicks))
    }

    /// Forgets finished tasks that are too many, too long or too old, a bounded number at once.
    private mutating func forgetTasks() {
        for _ in 0..<Limits.sweepCount {
            guard let oldest = first(RowKey(.finishedTask)) else { return stopTicks() }
            let finished: FinishedTask = Self.decode(oldest.value)
            let counts = taskCounts
            guard
                counts.finished > Limits.finishedTasks
                    || counts.finishedBytes > UInt64(Limits.finishedTaskBytes)
                    || finished.tick + Limits.finishedTaskTicks < counts.tick
            else { return }
            remove(oldest.key)
            forget(finished)
        }
        var counts = taskCounts
        guard counts.dropTimer == 0 else { return }
        counts.dropTimer = arm(.task(.drop), milliseconds: 1)
        set(counts)
    }

    private mutating func stopTicks() {
        var counts = taskCounts
        disarm(counts.tickTimer)
        (counts.tick, counts.tickTimer) = (0, 0)
        set(counts)
    }

    private mutating func forget(_ finished: FinishedTask) {
        let id = TaskID(finished.task)
        guard let task = task(id) else { return }
        if let dedupe = task.dedupe { remove(.taskDedupe(dedupe)) }
        for part in [TaskPart.payload, .reason, .result] { remove(.part(part, of: id)) }
        remove(.task(id))
        var counts = taskCounts
        counts.finishedBytes -= finished.bytes
        set(counts)
        count(task.state, .absent)
        news.append(
            .stepped(.task(id, worker: "", token: 0, from: task.state, to: .absent, .forgotten)))
        news.append(.changed(.task(id)))
    }

    // MARK: - Workers

    func worker(_ name: String) -> Worker? { value(RowKey(.worker, name)) }

    /// How many tasks a worker has.
    func claimCount(of worker: String) -> Int { count(RowKey(.workerClaim, worker)) }

    /// A worker goes: its tasks are ready again, or given up. Returns how many there were.
    @discardableResult mutating func endWorker(_ name: String, at time: WallTime) -> Int {
        guard remove(RowKey(.worker, name)) else { return 0 }
        let claims = keys(RowKey(.workerClaim, name))
        for key in claims {
            guard var task = task(TaskID(key.lastNumber)), task.state == .claimed else { continue }
            takeBack(&task, .workerGone, at: time)
        }
        news.append(.changed(RowKey(.worker, name)))
        return claims.count
    }

    /// The lease of the worker with this row has ended.
    mutating func endWorker(_ row: RowKey, at time: WallTime) {
        let name = row.bytes.dropFirst().dropLast()
        endWorker(String(decoding: name, as: UTF8.self), at: time)
    }

    // MARK: - Timers

    /// A timer has run out, which is taken out already.
    mutating func fire(_ timer: TaskTimer, at time: WallTime) {
        switch timer {
        case .claim(let number):
            guard var task = task(TaskID(number)), task.state == .claimed else { return }
            takeBack(&task, .timedOut, at: time)
        case .start(let number):
            guard var task = task(TaskID(number)), case .waiting(_, let blockers) = task.standing else {
                return
            }
            task.standing = .waiting(timer: 0, blockers: blockers)
            if blockers == 0 { move(&task, to: .ready, .due) } else { set(.task(task.id), task) }
        case .dependents(let number, let succeeded):
            tellDependents(of: TaskID(number), succeeded: succeeded, at: time)
        case .tick:
            var counts = taskCounts
            counts.tick += 1
            counts.tickTimer = armTick()
            set(counts)
            forgetTasks()
        case .drop:
            var counts = taskCounts
            counts.dropTimer = 0
            set(counts)
            forgetTasks()
        }
    }
}

extension RowKey {
    /// Whether the task of this row is handed out before that of another one, which may be of another lane:
    /// compares what follows the kind and the lane.
    fileprivate func isBefore(_ other: RowKey) -> Bool {
        bytes.dropFirst(9).lexicographicallyPrecedes(other.bytes.dropFirst(9))
    }
}
