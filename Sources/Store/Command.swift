public import Primitives

/// An entry of the replicated log that changes the store.
///
/// ``encode()`` writes, with numbers as in `ByteWriter`:
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 1 | version of the format: 1 |
/// | 1 | 16 | request id, high and low half, little-endian |
/// | 17 | 8 | the leader's time, milliseconds since 1970, little-endian |
/// | 25 | sized | principal, UTF-8 |
/// | then | 1 | operation: 1 put, 2 delete, 3 delete range, 4 increment, 5 batch, 6 compact, 7 transaction,
/// | | | 8 put under a lease, 9 coordination, |
/// | | | 10 idempotency key (sized, then 8 bytes) and another operation, |
/// | | | 11 fences (their number, 1 to 16, then of each the kind, name and token of what is held) and another
/// | | | operation, which is none of 10 and 11 |
/// | then | | the operation's fields, to the end |
public struct Command: Sendable, Equatable {
    /// Identifies the client's request.
    public var requestID: RequestID
    /// The leader's time when it proposed the command.
    public var time: WallTime
    /// Who asked, empty if nobody was authenticated.
    public var principal: String
    /// What to do.
    public var operation: Operation
    /// By what the request is recognised if it comes again.
    public var once: OnceKey?

    /// Makes a command.
    public init(
        requestID: RequestID, time: WallTime, operation: Operation, principal: String = "",
        once: OnceKey? = nil
    ) {
        self.requestID = requestID
        self.time = time
        self.operation = operation
        self.principal = principal
        self.once = once
    }

    static let formatVersion: UInt8 = 1

    /// The command in its binary form.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 + operation.payloadCount)
        writer.byte(Command.formatVersion)
        writer.fixed(requestID.high)
        writer.fixed(requestID.low)
        writer.fixed(time.milliseconds)
        writer.string(principal)
        if let once {
            writer.byte(OperationCode.once.rawValue)
            writer.string(once.key)
            writer.fixed(once.fingerprint)
        }
        operation.encode(into: &writer)
        return writer.take()
    }

    /// Reads the binary form; nothing but what ``encode()`` writes is accepted.
    public init(decoding payload: [UInt8]) throws(CommandError) {
        let result = unsafe payload.withUnsafeBytes { bytes in
            Result { () throws(CommandError) in
                let view = try unsafe CommandView(bytes)
                let (fences, id, time) = unsafe (view.fences, view.requestID, view.time)
                let principal = unsafe String(decoding: view.principal, as: UTF8.self)
                let once = unsafe view.once
                let operation = unsafe view.operation.copied()
                return Command(
                    requestID: id, time: time,
                    operation: fences.isEmpty ? operation : .fenced(fences, operation),
                    principal: principal, once: once)
            }
        }
        self = try result.get()
    }

    /// The request id of an encoded command, without decoding the rest; nil if it is too short to have one
    /// or of another version.
    public static func requestID(of payload: [UInt8]) -> RequestID? {
        guard payload.count >= 25, payload[0] == formatVersion else { return nil }
        return unsafe payload.withUnsafeBytes { bytes in
            unsafe RequestID(
                high: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt64.self)),
                low: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 9, as: UInt64.self)))
        }
    }
}

extension LeaseChoice {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .existing(let id):
            writer.byte(1)
            writer.string(id)
        case .kept: writer.byte(2)
        case .own(let milliseconds):
            writer.byte(3)
            writer.signed(milliseconds)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .existing(try reader.string())
        case 2: self = .kept
        case 3:
            let milliseconds = try reader.signed()
            guard milliseconds > 0 else { throw .malformed }
            self = .own(milliseconds: milliseconds)
        default: throw .malformed
        }
    }
}

/// The bytes are not those of a command.
public enum CommandError: Error, Equatable, Sendable {
    /// They end too early, hold what the encoder never writes, or break the format's limits.
    case malformed
    /// A later version of the format.
    case unknownVersion(UInt8)
    /// An operation this version does not know.
    case unknownOperation(UInt8)
}

/// The numbers of the operations in the binary form. They are never given to another operation.
enum OperationCode: UInt8 {
    case put = 1
    case delete = 2
    case deleteRange = 3
    case increment = 4
    case batch = 5
    case compact = 6
    case transaction = 7
    case leasedPut = 8
    case coordinate = 9
    /// An idempotency key and the request's fingerprint; then the operation's own code.
    case once = 10
    /// Fences; then the code of the operation that they stand before.
    case fenced = 11
}

extension Operation {
    /// About how many bytes the keys and values have.
    var payloadCount: Int {
        switch self {
        case .put(let key, let value, _, _), .leasedPut(let key, let value, _, _, _):
            key.count + value.count
        case .batch(let puts, _): puts.reduce(0) { $0 + $1.key.count + $1.value.count + 8 }
        case .delete(let key, _, _, _), .increment(let key, _): key.count
        case .deleteRange(let range): range.start.count + (range.end?.count ?? 0)
        case .compact: 0
        case .transaction(let transaction): transaction.payloadCount
        case .coordinate: 64
        case .fenced(let fences, let operation):
            fences.reduce(operation.payloadCount) { $0 + $1.claim.name.utf8.count + 16 }
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .put(let key, let value, let condition, let returnPrevious):
            writer.byte(OperationCode.put.rawValue)
            encode(condition, flags: returnPrevious ? 4 : 0, into: &writer)
            writer.sized(key)
            writer.sized(value)
        case .delete(let key, let condition, let returnPrevious, let mustExist):
            writer.byte(OperationCode.delete.rawValue)
            encode(condition, flags: (returnPrevious ? 4 : 0) | (mustExist ? 8 : 0), into: &writer)
            writer.sized(key)
        case .deleteRange(let range):
            writer.byte(OperationCode.deleteRange.rawValue)
            writer.sized(range.start)
            writer.bool(range.end != nil)
            if let end = range.end { writer.sized(end) }
        case .increment(let key, let by):
            writer.byte(OperationCode.increment.rawValue)
            writer.signed(by)
            writer.sized(key)
        case .batch(let puts, let createOnly):
            writer.byte(OperationCode.batch.rawValue)
            writer.bool(createOnly)
            writer.varint(UInt64(puts.count))
            for put in puts {
                writer.sized(put.key)
                writer.sized(put.value)
            }
        case .compact(let revision):
            writer.byte(OperationCode.compact.rawValue)
            writer.counter(revision)
        case .transaction(let transaction):
            writer.byte(OperationCode.transaction.rawValue)
            transaction.encode(into: &writer)
        case .leasedPut(let key, let value, let condition, let returnPrevious, let lease):
            writer.byte(OperationCode.leasedPut.rawValue)
            encode(condition, flags: returnPrevious ? 4 : 0, into: &writer)
            writer.sized(key)
            writer.sized(value)
            lease.encode(into: &writer)
        case .coordinate(let command):
            writer.byte(OperationCode.coordinate.rawValue)
            command.encode(into: &writer)
        case .fenced(let fences, let operation):
            writer.byte(OperationCode.fenced.rawValue)
            writer.fences(fences)
            operation.encode(into: &writer)
        }
    }

    /// A byte whose lowest two bits say the kind of guard and whose others are flags; then the revision
    /// that the guard compares with, if it does.
    private func encode(_ condition: Guard?, flags: UInt8, into writer: inout ByteWriter) {
        switch condition {
        case nil: writer.byte(flags)
        case .revision(let revision):
            writer.byte(flags | 1)
            writer.counter(revision)
        case .absent: writer.byte(flags | 2)
        case .exists: writer.byte(flags | 3)
        }
    }
}
