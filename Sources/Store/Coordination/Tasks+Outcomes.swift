import Primitives

// The binary form of what became of tasks and workers, for those who ask again.

extension TaskOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .added(let id, let state, let isNew):
            writer.byte(1)
            id.encode(into: &writer)
            writer.byte(UInt8(state.place))
            writer.bool(isNew)
        case .claimed(let tasks):
            writer.byte(2)
            writer.list(tasks) { $0.encode(into: &$1) }
        case .kept(let id, let deadline):
            writer.byte(3)
            id.encode(into: &writer)
            writer.signed(deadline.milliseconds)
        case .completed(let id):
            writer.byte(4)
            id.encode(into: &writer)
        case .failed(let id, let retryAfter):
            writer.byte(5)
            id.encode(into: &writer)
            writer.optional(retryAfter) { $1.signed($0) }
        case .released(let id):
            writer.byte(6)
            id.encode(into: &writer)
        case .cancelled(let id):
            writer.byte(7)
            id.encode(into: &writer)
        case .registered(let worker, let isNew):
            writer.byte(8)
            worker.encode(into: &writer)
            writer.bool(isNew)
        case .removed(let name, let claims):
            writer.byte(9)
            writer.string(name)
            writer.varint(UInt64(claims))
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            self = .added(
                try TaskID(reading: &reader), try TaskState(reading: &reader), isNew: try reader.bool())
        case 2:
            var tasks: [ClaimedTask] = []
            for _ in 0..<(try reader.count()) { tasks.append(try ClaimedTask(reading: &reader)) }
            self = .claimed(tasks)
        case 3:
            self = .kept(
                try TaskID(reading: &reader), deadline: WallTime(milliseconds: try reader.signed()))
        case 4: self = .completed(try TaskID(reading: &reader))
        case 5:
            self = .failed(
                try TaskID(reading: &reader), retryAfter: try reader.bool() ? try reader.signed() : nil)
        case 6: self = .released(try TaskID(reading: &reader))
        case 7: self = .cancelled(try TaskID(reading: &reader))
        case 8: self = .registered(try Worker(reading: &reader), isNew: try reader.bool())
        case 9: self = .removed(try reader.string(), claims: try reader.count())
        default: throw .malformed
        }
    }
}

extension TaskState {
    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let place = Int(try reader.byte())
        guard let state = Self.allCases.first(where: { $0.place == place }) else { throw .malformed }
        self = state
    }
}

extension ClaimedTask {
    func encode(into writer: inout ByteWriter) {
        id.encode(into: &writer)
        writer.string(kind)
        writer.sized(payload)
        writer.varint(UInt64(attempt))
        writer.varint(UInt64(maximumAttempts))
        writer.varint(token)
        writer.signed(deadline.milliseconds)
        writer.signed(timeout)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = try TaskID(reading: &reader)
        kind = try reader.string()
        payload = [UInt8](try reader.sized())
        attempt = try reader.number32()
        maximumAttempts = try reader.number32()
        token = try reader.varint()
        deadline = WallTime(milliseconds: try reader.signed())
        timeout = try reader.signed()
    }
}

extension TaskRefusal {
    /// How the command ended, in a word.
    var verdict: Verdict {
        switch self {
        case .notFound, .workerNotFound: .notFound
        case .notHolder, .finished: .conflict
        case .unknownDependency, .tooLate: .invalid
        case .tooMany, .tooManyLanes, .tooManyWorkers: .full
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .notFound(let id):
            writer.byte(1)
            id.encode(into: &writer)
        case .notHolder(let id, let token):
            writer.byte(2)
            id.encode(into: &writer)
            writer.varint(token)
        case .finished(let id, let state):
            writer.byte(3)
            id.encode(into: &writer)
            writer.byte(UInt8(state.place))
        case .unknownDependency(let id):
            writer.byte(4)
            id.encode(into: &writer)
        case .tooLate: writer.byte(5)
        case .tooMany(let count):
            writer.byte(6)
            writer.varint(UInt64(count))
        case .tooManyLanes(let count):
            writer.byte(7)
            writer.varint(UInt64(count))
        case .workerNotFound(let name):
            writer.byte(8)
            writer.string(name)
        case .tooManyWorkers(let count):
            writer.byte(9)
            writer.varint(UInt64(count))
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .notFound(try TaskID(reading: &reader))
        case 2: self = .notHolder(try TaskID(reading: &reader), token: try reader.varint())
        case 3: self = .finished(try TaskID(reading: &reader), try TaskState(reading: &reader))
        case 4: self = .unknownDependency(try TaskID(reading: &reader))
        case 5: self = .tooLate
        case 6: self = .tooMany(try reader.count())
        case 7: self = .tooManyLanes(try reader.count())
        case 8: self = .workerNotFound(try reader.string())
        case 9: self = .tooManyWorkers(try reader.count())
        default: throw .malformed
        }
    }
}
