import Primitives

// The binary forms of tasks: their commands, their rows and their timers. Codes are never given to anything
// else.

extension TaskID {
    init(reading reader: inout ByteReader) throws(ByteReaderError) { self.init(try reader.varint()) }
    func encode(into writer: inout ByteWriter) { writer.varint(number) }
}

extension NewTask {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        kind = try reader.name()
        payload = [UInt8](try reader.sized())
        labels = try reader.names(Limits.taskLabels)
        priority = try reader.byte()
        switch try reader.byte() {
        case 1: start = .after(try reader.milliseconds(from: 0))
        case 2: start = .at(WallTime(milliseconds: try reader.signed()))
        default: throw .malformed
        }
        after = try reader.taskIDs()
        maximumAttempts = try reader.number32()
        timeout = try reader.milliseconds(from: 1)
        dedupe = try reader.bool() ? try reader.string() : nil
        guard payload.count <= Limits.taskPayloadBytes, 1...Limits.taskAttempts ~= maximumAttempts,
            dedupe.map(Limits.isDedupeID) ?? true
        else { throw .malformed }
        if case .at(let time) = start, time.milliseconds < 0 { throw .malformed }
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(kind)
        writer.sized(payload)
        writer.list(labels) { $1.string($0) }
        writer.byte(priority)
        switch start {
        case .after(let milliseconds):
            writer.byte(1)
            writer.signed(milliseconds)
        case .at(let time):
            writer.byte(2)
            writer.signed(time.milliseconds)
        }
        writer.list(after) { $0.encode(into: &$1) }
        writer.varint(UInt64(maximumAttempts))
        writer.signed(timeout)
        writer.optional(dedupe) { $1.string($0) }
    }
}

extension TaskCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .add(let task):
            writer.byte(1)
            task.encode(into: &writer)
        case .claim(let worker, let kinds, let maximum):
            writer.byte(2)
            writer.string(worker)
            writer.list(kinds) { $1.string($0) }
            writer.varint(UInt64(maximum))
        case .heartbeat(let id, let token): Self.encode(3, id, token, into: &writer)
        case .progress(let id, let token, let note):
            Self.encode(4, id, token, into: &writer)
            writer.sized(note)
        case .complete(let id, let token, let result):
            Self.encode(5, id, token, into: &writer)
            writer.sized(result)
        case .fail(let id, let token, let reason, let isFinal):
            Self.encode(6, id, token, into: &writer)
            writer.sized(reason)
            writer.bool(isFinal)
        case .release(let id, let token): Self.encode(7, id, token, into: &writer)
        case .cancel(let id):
            writer.byte(8)
            id.encode(into: &writer)
        case .register(let worker, let timeToLive, let capacity, let labels):
            writer.byte(9)
            writer.string(worker)
            writer.signed(timeToLive)
            writer.varint(UInt64(capacity))
            writer.list(labels) { $1.string($0) }
        case .remove(let worker):
            writer.byte(10)
            writer.string(worker)
        }
    }

    private static func encode(_ code: UInt8, _ id: TaskID, _ token: UInt64, into writer: inout ByteWriter) {
        writer.byte(code)
        id.encode(into: &writer)
        writer.varint(token)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let code = try reader.byte()
        switch code {
        case 1: self = .add(try NewTask(reading: &reader))
        case 2:
            let worker = try reader.name()
            let kinds = try reader.names(Limits.taskKinds)
            let maximum = try reader.count()
            guard 1...Limits.taskClaims ~= maximum else { throw .malformed }
            self = .claim(worker: worker, kinds: kinds, maximum: maximum)
        case 3...7:
            let id = try TaskID(reading: &reader)
            let token = try reader.varint()
            switch code {
            case 3: self = .heartbeat(id, token: token)
            case 4:
                self = .progress(id, token: token, try reader.bytes(upTo: Limits.taskNoteBytes))
            case 5:
                let result = try reader.bytes(upTo: Limits.taskResultBytes)
                self = .complete(id, token: token, result: result)
            case 6:
                let reason = try reader.bytes(upTo: Limits.taskNoteBytes)
                self = .fail(id, token: token, reason: reason, isFinal: try reader.bool())
            default: self = .release(id, token: token)
            }
        case 8: self = .cancel(try TaskID(reading: &reader))
        case 9:
            let worker = try reader.name()
            let timeToLive = try reader.milliseconds(from: 1)
            let capacity = try reader.count()
            guard 1...Limits.workerCapacity ~= capacity else { throw .malformed }
            self = .register(
                worker: worker, timeToLive: timeToLive, capacity: capacity,
                labels: try reader.names(Limits.taskLabels))
        case 10: self = .remove(worker: try reader.name())
        default: throw .malformed
        }
    }
}

extension ByteReader {
    /// Names in their order, each once.
    fileprivate mutating func names(_ most: Int) throws(ByteReaderError) -> [String] {
        let count = try count()
        guard count <= most else { throw .malformed }
        var names: [String] = []
        for _ in 0..<count {
            let name = try name()
            if let last = names.last, last >= name { throw .malformed }
            names.append(name)
        }
        return names
    }

    /// Ids in their order, each once.
    fileprivate mutating func taskIDs() throws(ByteReaderError) -> [TaskID] {
        let count = try count()
        guard count <= Limits.taskDependencies else { throw .malformed }
        var ids: [TaskID] = []
        for _ in 0..<count {
            let id = try TaskID(reading: &self)
            if let last = ids.last, last >= id { throw .malformed }
            ids.append(id)
        }
        return ids
    }

    fileprivate mutating func bytes(upTo most: Int) throws(ByteReaderError) -> [UInt8] {
        let bytes = try sized()
        guard bytes.count <= most else { throw .malformed }
        return [UInt8](bytes)
    }

    mutating func number32() throws(ByteReaderError) -> UInt32 {
        guard let number = UInt32(exactly: try varint()) else { throw .malformed }
        return number
    }
}

// MARK: - Rows

extension TaskRecord: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = try TaskID(reading: &reader)
        kind = try reader.string()
        labels = try reader.names(Limits.taskLabels)
        priority = try reader.byte()
        maximumAttempts = try reader.number32()
        timeout = try reader.signed()
        after = try reader.taskIDs()
        dedupe = try reader.bool() ? try reader.string() : nil
        createdAt = WallTime(milliseconds: try reader.signed())
        due = WallTime(milliseconds: try reader.signed())
        standing = try Standing(reading: &reader)
        attempts = try reader.number32()
        finishedAt = try reader.bool() ? WallTime(milliseconds: try reader.signed()) : nil
        lane = try reader.varint()
        lastToken = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        id.encode(into: &writer)
        writer.string(kind)
        writer.list(labels) { $1.string($0) }
        writer.byte(priority)
        writer.varint(UInt64(maximumAttempts))
        writer.signed(timeout)
        writer.list(after) { $0.encode(into: &$1) }
        writer.optional(dedupe) { $1.string($0) }
        writer.signed(createdAt.milliseconds)
        writer.signed(due.milliseconds)
        standing.encode(into: &writer)
        writer.varint(UInt64(attempts))
        writer.optional(finishedAt) { $1.signed($0.milliseconds) }
        writer.varint(lane)
        writer.varint(lastToken)
    }
}

extension TaskRecord.Standing {
    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .waiting(timer: try reader.varint(), blockers: try reader.number32())
        case 2: self = .ready
        case 3:
            self = .claimed(
                TaskClaim(
                    token: try reader.varint(), worker: try reader.string(),
                    deadline: WallTime(milliseconds: try reader.signed()), timer: try reader.varint(),
                    isRegistered: try reader.bool(),
                    request: RequestID(high: try reader.fixed(), low: try reader.fixed())))
        case 4: self = .completed
        case 5: self = .failed(try TaskFailure(reading: &reader))
        case 6: self = .cancelled
        default: throw .malformed
        }
    }

    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .waiting(let timer, let blockers):
            writer.byte(1)
            writer.varint(timer)
            writer.varint(UInt64(blockers))
        case .ready: writer.byte(2)
        case .claimed(let claim):
            writer.byte(3)
            writer.varint(claim.token)
            writer.string(claim.worker)
            writer.signed(claim.deadline.milliseconds)
            writer.varint(claim.timer)
            writer.bool(claim.isRegistered)
            writer.fixed(claim.request.high)
            writer.fixed(claim.request.low)
        case .completed: writer.byte(4)
        case .failed(let failure):
            writer.byte(5)
            failure.encode(into: &writer)
        case .cancelled: writer.byte(6)
        }
    }
}

extension TaskFailure {
    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .reported
        case 2: self = .timedOut
        case 3: self = .workerGone
        case 4: self = .dependency(try TaskID(reading: &reader))
        default: throw .malformed
        }
    }

    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .reported: writer.byte(1)
        case .timedOut: writer.byte(2)
        case .workerGone: writer.byte(3)
        case .dependency(let id):
            writer.byte(4)
            id.encode(into: &writer)
        }
    }
}

extension TaskLane: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        number = try reader.varint()
        labels = try reader.names(Limits.taskLabels)
        count = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(number)
        writer.list(labels) { $1.string($0) }
        writer.varint(count)
    }
}

/// A finished task among all that are kept.
struct FinishedTask: RowValue, Equatable, Sendable {
    var task: UInt64
    /// The tick when it was finished.
    var tick: UInt64
    /// What its parts have.
    var bytes: UInt64

    init(task: UInt64, tick: UInt64, bytes: UInt64) {
        (self.task, self.tick, self.bytes) = (task, tick, bytes)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        task = try reader.varint()
        tick = try reader.varint()
        bytes = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        for number in [task, tick, bytes] { writer.varint(number) }
    }
}

extension TaskCounts: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        for place in counts.indices { counts[place] = try reader.varint() }
        finishedBytes = try reader.varint()
        tick = try reader.varint()
        tickTimer = try reader.varint()
        dropTimer = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        for number in counts { writer.varint(number) }
        for number in [finishedBytes, tick, tickTimer, dropTimer] { writer.varint(number) }
    }
}

extension Worker: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        name = try reader.string()
        lease = try reader.string()
        capacity = try reader.count()
        labels = try reader.names(Limits.taskLabels)
        registeredAt = WallTime(milliseconds: try reader.signed())
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(name)
        writer.string(lease)
        writer.varint(UInt64(capacity))
        writer.list(labels) { $1.string($0) }
        writer.signed(registeredAt.milliseconds)
    }
}

extension TaskTimer {
    /// Reads what follows the timer's code.
    init(_ code: UInt8, reading reader: inout ByteReader) throws(ByteReaderError) {
        switch code {
        case 60: self = .claim(try reader.varint())
        case 61: self = .start(try reader.varint())
        case 62: self = .dependents(try reader.varint(), succeeded: try reader.bool())
        case 63: self = .tick
        case 64: self = .drop
        default: throw .malformed
        }
    }

    /// Writes the timer's code, 60 to 69, and what follows it.
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .claim(let number):
            writer.byte(60)
            writer.varint(number)
        case .start(let number):
            writer.byte(61)
            writer.varint(number)
        case .dependents(let number, let succeeded):
            writer.byte(62)
            writer.varint(number)
            writer.bool(succeeded)
        case .tick: writer.byte(63)
        case .drop: writer.byte(64)
        }
    }
}
