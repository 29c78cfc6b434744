import Primitives

// The one decoder of commands. It lends out parts of the payload instead of copying them, so that applying
// a put copies its value once, into the record.

/// A decoded command whose keys and values point into the payload.
@unsafe struct CommandView: ~Copyable {
    let requestID: RequestID
    let time: WallTime
    let principal: UnsafeRawBufferPointer
    let operation: OperationView
    let once: OnceKey?
    /// The tokens that must be current for the operation to be carried out.
    let fences: [Fence]

    /// Reads all of `payload`, so that nothing of a malformed command is ever carried out.
    init(_ payload: UnsafeRawBufferPointer) throws(CommandError) {
        do {
            unsafe self = try unsafe CommandView(parsing: payload)
        } catch let error as CommandError {
            throw error
        } catch {
            throw .malformed
        }
    }

    private init(parsing payload: UnsafeRawBufferPointer) throws {
        var reader = unsafe RawReader(payload)
        let version = try unsafe reader.byte()
        guard version == Command.formatVersion else { throw CommandError.unknownVersion(version) }
        let requestID = unsafe RequestID(high: try reader.fixed(), low: try reader.fixed())
        let time = unsafe WallTime(milliseconds: try reader.fixed())
        let principal = try unsafe reader.sized(upTo: 65_535)
        guard unsafe CommandView.isText(principal) else { throw CommandError.malformed }
        var number = try unsafe reader.byte()
        var once: OnceKey?
        if number == OperationCode.once.rawValue {
            let key = try unsafe reader.sized(upTo: OnceKey.mostBytes + 20)
            guard unsafe OnceKey.isValidInCommand(key) else { throw CommandError.malformed }
            once = unsafe OnceKey(
                key: String(decoding: key, as: UTF8.self), fingerprint: try reader.fixed())
            number = try unsafe reader.byte()
        }
        var fences: [Fence] = []
        if number == OperationCode.fenced.rawValue {
            fences = try unsafe reader.fences()
            number = try unsafe reader.byte()
        }
        guard let code = OperationCode(rawValue: number) else {
            throw CommandError.unknownOperation(number)
        }
        let operation = try unsafe OperationView(code, &reader)
        try unsafe reader.expectEnd()
        unsafe self.requestID = requestID
        unsafe self.time = time
        unsafe self.principal = unsafe principal
        unsafe self.operation = unsafe operation
        unsafe self.once = once
        unsafe self.fences = fences
    }

    /// Whether bytes are UTF-8. Names are ASCII as a rule, which is much cheaper to see.
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if unsafe bytes.allSatisfy({ $0 < 128 }) { return true }
        return unsafe String(validating: bytes, as: UTF8.self) != nil
    }
}

/// A write of a batch, pointing into the payload.
@unsafe struct PutView {
    let key, value: UnsafeRawBufferPointer
}

/// An operation whose keys and values point into the payload.
@unsafe enum OperationView: ~Copyable {
    case put(PutView, guard: Guard?, returnPrevious: Bool)
    case delete(UnsafeRawBufferPointer, guard: Guard?, returnPrevious: Bool, mustExist: Bool)
    case deleteRange(start: UnsafeRawBufferPointer, end: UnsafeRawBufferPointer?)
    case increment(UnsafeRawBufferPointer, by: Int64)
    case batch([PutView], createOnly: Bool)
    case compact(Revision)
    case transaction(Transaction)
    case leasedPut(PutView, guard: Guard?, returnPrevious: Bool, lease: LeaseChoice)
    case coordinate(CoordinationCommand)

    init(_ code: OperationCode, _ reader: inout RawReader) throws(ByteReaderError) {
        switch code {
        case .put:
            let (condition, flags) = try unsafe OperationView.readGuard(&reader, flags: 4)
            unsafe self = unsafe .put(
                try OperationView.readPut(&reader), guard: condition, returnPrevious: flags & 4 != 0)
        case .delete:
            let (condition, flags) = try unsafe OperationView.readGuard(&reader, flags: 12)
            unsafe self = unsafe .delete(
                try OperationView.readKey(&reader), guard: condition, returnPrevious: flags & 4 != 0,
                mustExist: flags & 8 != 0)
        case .deleteRange:
            let start = try unsafe reader.sized(upTo: Limits.keyBytes)
            let end = try unsafe reader.bool() ? try reader.sized(upTo: Limits.keyBytes) : nil
            unsafe self = unsafe .deleteRange(start: start, end: end)
        case .increment:
            let by = try unsafe reader.signed()
            unsafe self = unsafe .increment(try OperationView.readKey(&reader), by: by)
        case .batch:
            let createOnly = try unsafe reader.bool()
            let count = try unsafe reader.count(upTo: Limits.batchCount)
            var puts: [PutView] = unsafe []
            unsafe puts.reserveCapacity(min(count, reader.count / 3))
            for _ in 0..<count { unsafe puts.append(try OperationView.readPut(&reader)) }
            unsafe self = unsafe .batch(puts, createOnly: createOnly)
        case .compact:
            unsafe self = unsafe .compact(Revision(try reader.varint()))
        case .transaction:
            unsafe self = .transaction(try unsafe Transaction(&reader))
        case .once, .fenced: throw .malformed
        case .leasedPut:
            let (condition, flags) = try unsafe OperationView.readGuard(&reader, flags: 4)
            let put = try unsafe OperationView.readPut(&reader)
            guard unsafe put.key.count <= Limits.leasedKeyBytes else { throw .malformed }
            unsafe self = unsafe .leasedPut(
                put, guard: condition, returnPrevious: flags & 4 != 0,
                lease: try OperationView.readRest(&reader) { rest throws(ByteReaderError) in
                    try LeaseChoice(reading: &rest)
                })
        case .coordinate:
            unsafe self = .coordinate(
                try unsafe OperationView.readRest(&reader) { rest throws(ByteReaderError) in
                    try CoordinationCommand(reading: &rest)
                })
        }
    }

    /// Reads what is left, to the end, as the one thing that it is.
    private static func readRest<Value>(
        _ reader: inout RawReader, _ read: (inout ByteReader) throws(ByteReaderError) -> Value
    ) throws(ByteReaderError) -> Value {
        var rest = unsafe ByteReader([UInt8](try reader.raw(reader.count)))
        let value = try read(&rest)
        try rest.expectEnd()
        return value
    }

    private static func readKey(_ reader: inout RawReader) throws(ByteReaderError) -> UnsafeRawBufferPointer {
        let key = try unsafe reader.sized(upTo: Limits.keyBytes)
        guard key.count > 0 else { throw .malformed }
        return unsafe key
    }

    private static func readPut(_ reader: inout RawReader) throws(ByteReaderError) -> PutView {
        let key = try unsafe readKey(&reader)
        return unsafe PutView(key: key, value: try reader.sized(upTo: Limits.valueBytes))
    }

    private static func readGuard(
        _ reader: inout RawReader, flags allowed: UInt8
    ) throws(ByteReaderError) -> (Guard?, UInt8) {
        let byte = try unsafe reader.byte()
        guard byte & ~(allowed | 3) == 0 else { throw .malformed }
        switch byte & 3 {
        case 0: return (nil, byte)
        case 1: return unsafe (.revision(Revision(try reader.varint())), byte)
        case 2: return (.absent, byte)
        default: return (.exists, byte)
        }
    }

    /// The operation with bytes of its own.
    consuming func copied() -> Operation {
        switch unsafe consume self {
        case .put(let put, let condition, let returnPrevious):
            unsafe .put(
                key: [UInt8](put.key), value: [UInt8](put.value), guard: condition,
                returnPrevious: returnPrevious)
        case .delete(let key, let condition, let returnPrevious, let mustExist):
            unsafe .delete(
                key: [UInt8](key), guard: condition, returnPrevious: returnPrevious, mustExist: mustExist)
        case .deleteRange(let start, let end):
            unsafe .deleteRange(KeyRange(start: [UInt8](start), end: end.map { unsafe [UInt8]($0) }))
        case .increment(let key, let by):
            unsafe .increment(key: [UInt8](key), by: by)
        case .batch(let puts, let createOnly):
            unsafe .batch(
                puts.map { unsafe BatchPut(key: [UInt8]($0.key), value: [UInt8]($0.value)) },
                createOnly: createOnly)
        case .compact(let revision): .compact(revision)
        case .transaction(let transaction): .transaction(transaction)
        case .leasedPut(let put, let condition, let returnPrevious, let lease):
            unsafe .leasedPut(
                key: [UInt8](put.key), value: [UInt8](put.value), guard: condition,
                returnPrevious: returnPrevious, lease: lease)
        case .coordinate(let command): .coordinate(command)
        }
    }
}
