import Primitives

// The binary form of transactions, a part of that of commands:
//
//   transaction: count of conditions, conditions, count of steps, steps, bool "else", [count of steps, steps]
//   condition:   kind (1 value, 2 revision, 3 create revision, 4 version, 5 count), comparison,
//                key or range (as in a deletion of a range), value (sized) or number (varint);
//                kind (6 lease of a key, 7 lease, 8 held), comparison (0 wanted, 1 not wanted),
//                key and id, id (sized), or fence
//   step:        kind (1 put, 2 delete, 3 delete range, 4 increment, 5 get, 6 list, 7 transaction,
//                8 enqueue, 9 acknowledge, 10 put under a lease), fields

/// What is left of the limits while a transaction is read.
private struct Budget {
    var steps = Transaction.stepCount
    var conditions = Transaction.stepCount
    var depth = Transaction.depth
}

extension Transaction {
    /// Whether the binary form can express it: within the limits of steps, conditions, depth and lists.
    public var isEncodable: Bool {
        var budget = Budget()
        return fits(&budget)
    }

    private func fits(_ budget: inout Budget) -> Bool {
        budget.depth -= 1
        budget.conditions -= conditions.count
        let steps = then + (otherwise ?? [])
        budget.steps -= steps.count
        guard budget.depth >= 0, budget.conditions >= 0, budget.steps >= 0 else { return false }
        for step in steps {
            switch step {
            case .transaction(let nested): if !nested.fits(&budget) { return false }
            case .list(_, let limit): if limit < 1 || limit > Transaction.listCount { return false }
            case .leasedPut(let key, _, _, _): if key.count > Limits.leasedKeyBytes { return false }
            case .put, .delete, .deleteRange, .increment, .get, .enqueue, .acknowledge: break
            }
        }
        budget.depth += 1
        return true
    }

    // MARK: - Writing

    /// About how many bytes the keys and values have.
    var payloadCount: Int {
        (then + (otherwise ?? [])).reduce(32 * conditions.count) { sum, step in
            switch step {
            case .put(let key, let value, _): sum + key.count + value.count + 16
            case .leasedPut(let key, let value, _, _): sum + key.count + value.count + 128
            case .transaction(let nested): sum + nested.payloadCount
            case .enqueue(_, let message): sum + message.body.count + 64
            case .delete, .deleteRange, .increment, .get, .list, .acknowledge: sum + 64
            }
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(conditions.count))
        for condition in conditions { condition.encode(into: &writer) }
        Self.encode(then, into: &writer)
        writer.bool(otherwise != nil)
        if let otherwise { Self.encode(otherwise, into: &writer) }
    }

    private static func encode(_ steps: [Step], into writer: inout ByteWriter) {
        writer.varint(UInt64(steps.count))
        for step in steps { step.encode(into: &writer) }
    }

    // MARK: - Reading

    init(_ reader: inout RawReader) throws(ByteReaderError) {
        var budget = Budget()
        self = try unsafe Self.read(&reader, &budget)
    }

    private static func read(
        _ reader: inout RawReader, _ budget: inout Budget
    ) throws(ByteReaderError) -> Transaction {
        budget.depth -= 1
        guard budget.depth >= 0 else { throw .malformed }
        var transaction = Transaction(then: [])
        let count = try unsafe reader.count(upTo: budget.conditions)
        budget.conditions -= count
        for _ in 0..<count { transaction.conditions.append(try unsafe Condition(&reader)) }
        transaction.then = try unsafe steps(&reader, &budget)
        if try unsafe reader.bool() { transaction.otherwise = try unsafe steps(&reader, &budget) }
        budget.depth += 1
        return transaction
    }

    private static func steps(
        _ reader: inout RawReader, _ budget: inout Budget
    ) throws(ByteReaderError) -> [Step] {
        let count = try unsafe reader.count(upTo: budget.steps)
        budget.steps -= count
        var steps: [Step] = []
        steps.reserveCapacity(count)
        for _ in 0..<count { steps.append(try unsafe step(&reader, &budget)) }
        return steps
    }

    private static func step(
        _ reader: inout RawReader, _ budget: inout Budget
    ) throws(ByteReaderError) -> Step {
        let kind = try unsafe reader.byte()
        switch kind {
        case 1:
            let key = try unsafe reader.key()
            let value = try unsafe [UInt8](reader.sized(upTo: Limits.valueBytes))
            return .put(key: key, value: value, returnPrevious: try unsafe reader.bool())
        case 2:
            let key = try unsafe reader.key()
            return .delete(key: key, returnPrevious: try unsafe reader.bool())
        case 3: return .deleteRange(try unsafe reader.range())
        case 4:
            let by = try unsafe reader.signed()
            return .increment(key: try unsafe reader.key(), by: by)
        case 5: return .get(key: try unsafe reader.key())
        case 6:
            let range = try unsafe reader.range()
            let limit = try unsafe reader.count(upTo: listCount)
            guard limit > 0 else { throw .malformed }
            return .list(range, limit: limit)
        case 7: return .transaction(try unsafe read(&reader, &budget))
        case 8, 9:
            var rest = unsafe ByteReader([UInt8](try reader.sized(upTo: Limits.messageBytes + 1024)))
            let queue = try rest.name()
            let step: Step =
                kind == 8
                ? .enqueue(queue: queue, try NewMessage(reading: &rest))
                : .acknowledge(queue: queue, try Receipt(reading: &rest))
            try rest.expectEnd()
            return step
        case 10:
            let key = try unsafe reader.key()
            let value = try unsafe [UInt8](reader.sized(upTo: Limits.valueBytes))
            let returnPrevious = try unsafe reader.bool()
            var rest = unsafe ByteReader([UInt8](try reader.sized(upTo: Limits.leaseIDBytes + 16)))
            let lease = try LeaseChoice(reading: &rest)
            try rest.expectEnd()
            guard key.count <= Limits.leasedKeyBytes else { throw .malformed }
            return .leasedPut(key: key, value: value, returnPrevious: returnPrevious, lease: lease)
        default: throw .malformed
        }
    }
}

extension Transaction.Step {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .put(let key, let value, let returnPrevious):
            writer.byte(1)
            writer.sized(key)
            writer.sized(value)
            writer.bool(returnPrevious)
        case .delete(let key, let returnPrevious):
            writer.byte(2)
            writer.sized(key)
            writer.bool(returnPrevious)
        case .deleteRange(let range):
            writer.byte(3)
            writer.range(range)
        case .increment(let key, let by):
            writer.byte(4)
            writer.signed(by)
            writer.sized(key)
        case .get(let key):
            writer.byte(5)
            writer.sized(key)
        case .list(let range, let limit):
            writer.byte(6)
            writer.range(range)
            writer.varint(UInt64(limit))
        case .transaction(let nested):
            writer.byte(7)
            nested.encode(into: &writer)
        case .enqueue(let queue, let message):
            var rest = ByteWriter(capacity: message.body.count + 64)
            rest.string(queue)
            message.encode(into: &rest)
            writer.byte(8)
            writer.sized(rest.bytes)
        case .acknowledge(let queue, let receipt):
            var rest = ByteWriter()
            rest.string(queue)
            receipt.encode(into: &rest)
            writer.byte(9)
            writer.sized(rest.bytes)
        case .leasedPut(let key, let value, let returnPrevious, let lease):
            writer.byte(10)
            writer.sized(key)
            writer.sized(value)
            writer.bool(returnPrevious)
            var rest = ByteWriter()
            lease.encode(into: &rest)
            writer.sized(rest.bytes)
        }
    }
}

extension Transaction.Condition {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .value(let key, let comparison, let value):
            encode(1, key, comparison, into: &writer)
            writer.sized(value)
        case .revision(let key, let comparison, let number):
            encode(2, key, comparison, into: &writer)
            writer.varint(number)
        case .createRevision(let key, let comparison, let number):
            encode(3, key, comparison, into: &writer)
            writer.varint(number)
        case .version(let key, let comparison, let number):
            encode(4, key, comparison, into: &writer)
            writer.varint(number)
        case .count(let range, let comparison, let number):
            writer.byte(5)
            writer.byte(comparison.rawValue)
            writer.range(range)
            writer.varint(number)
        case .lease(let key, let id, let isWanted):
            encode(6, key, isWanted ? .equal : .notEqual, into: &writer)
            writer.string(id)
        case .leaseExists(let id, let isWanted):
            writer.byte(7)
            writer.bool(!isWanted)
            writer.string(id)
        case .held(let fence, let isWanted):
            writer.byte(8)
            writer.bool(!isWanted)
            fence.encode(into: &writer)
        }
    }

    private func encode(
        _ kind: UInt8, _ key: [UInt8], _ comparison: Transaction.Comparison, into writer: inout ByteWriter
    ) {
        writer.byte(kind)
        writer.byte(comparison.rawValue)
        writer.sized(key)
    }

    fileprivate init(_ reader: inout RawReader) throws(ByteReaderError) {
        let kind = try unsafe reader.byte()
        guard let comparison = Transaction.Comparison(rawValue: try unsafe reader.byte()) else {
            throw .malformed
        }
        if kind == 5 {
            let range = try unsafe reader.range()
            self = .count(range, comparison, try unsafe reader.varint())
            return
        }
        if kind >= 6 {
            guard comparison == .equal || comparison == .notEqual else { throw .malformed }
            self = try unsafe Self.coordination(kind, isWanted: comparison == .equal, &reader)
            return
        }
        let key = try unsafe reader.key()
        switch kind {
        case 1: self = .value(key: key, comparison, try unsafe [UInt8](reader.sized(upTo: Limits.valueBytes)))
        case 2: self = .revision(key: key, comparison, try unsafe reader.varint())
        case 3: self = .createRevision(key: key, comparison, try unsafe reader.varint())
        case 4: self = .version(key: key, comparison, try unsafe reader.varint())
        default: throw .malformed
        }
    }

    private static func coordination(
        _ kind: UInt8, isWanted: Bool, _ reader: inout RawReader
    ) throws(ByteReaderError) -> Self {
        switch kind {
        case 6:
            let key = try unsafe reader.key()
            return .lease(key: key, try unsafe reader.leaseID(orNone: true), isWanted: isWanted)
        case 7: return .leaseExists(try unsafe reader.leaseID(orNone: false), isWanted: isWanted)
        case 8:
            let claim = try unsafe reader.claimName()
            return .held(Fence(claim, token: try unsafe reader.varint()), isWanted: isWanted)
        default: throw .malformed
        }
    }
}

extension RawReader {
    fileprivate mutating func key() throws(ByteReaderError) -> [UInt8] {
        let key = try unsafe sized(upTo: Limits.keyBytes)
        guard unsafe !key.isEmpty else { throw .malformed }
        return unsafe [UInt8](key)
    }

    /// A lease's id, or the empty one.
    fileprivate mutating func leaseID(orNone: Bool) throws(ByteReaderError) -> String {
        let bytes = try unsafe sized(upTo: Limits.leaseIDBytes)
        guard let id = unsafe String(validating: bytes, as: UTF8.self),
            Limits.isLeaseID(id) || orNone && id.isEmpty
        else { throw .malformed }
        return id
    }

    fileprivate mutating func range() throws(ByteReaderError) -> KeyRange {
        let start = try unsafe [UInt8](sized(upTo: Limits.keyBytes))
        return KeyRange(
            start: start, end: try unsafe bool() ? try unsafe [UInt8](sized(upTo: Limits.keyBytes)) : nil)
    }
}

extension ByteWriter {
    fileprivate mutating func range(_ range: KeyRange) {
        sized(range.start)
        bool(range.end != nil)
        if let end = range.end { sized(end) }
    }
}
