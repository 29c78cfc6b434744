import Primitives

// The binary form of outcomes, a part of what is remembered of requests with idempotency keys:
//
//   kind (1 put, 2 deleted, 3 incremented, 4 batch, 5 compacted, 6 transaction, 7 coordinated, 8 refused),
//   then its fields

extension Outcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .put(let put):
            writer.byte(1)
            writer.counter(put.revision)
            writer.counter(put.createRevision)
            writer.varint(put.version)
            writer.optional(put.previous) { $0.encode(into: &$1) }
            writer.optional(put.lease) { $1.string($0) }
        case .deleted(let count, let revision, let previous):
            writer.byte(2)
            writer.varint(UInt64(count))
            writer.counter(revision)
            writer.optional(previous) { $0.encode(into: &$1) }
        case .incremented(let value, let revision, let version):
            writer.byte(3)
            writer.signed(value)
            writer.counter(revision)
            writer.varint(version)
        case .batch(let results, let revision):
            writer.byte(4)
            writer.counter(revision)
            writer.list(results) { result, writer in
                if case .put(let revision) = result { writer.counter(revision) } else { writer.varint(0) }
            }
        case .compacted(let revision):
            writer.byte(5)
            writer.counter(revision)
        case .transaction(let outcome, let revision):
            writer.byte(6)
            writer.counter(revision)
            outcome.encode(into: &writer)
        case .coordinated(let outcome):
            writer.byte(7)
            outcome.encode(into: &writer)
        case .refused(let refusal):
            writer.byte(8)
            refusal.encode(into: &writer)
        case .replayed(let outcome, _): outcome.encode(into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            self = .put(
                PutOutcome(
                    revision: try reader.counter(), createRevision: try reader.counter(),
                    version: try reader.varint(),
                    previous: try reader.bool() ? try Item(reading: &reader) : nil,
                    lease: try reader.bool() ? try reader.string() : nil))
        case 2:
            self = .deleted(
                count: try reader.count(), revision: try reader.counter(),
                previous: try reader.bool() ? try Item(reading: &reader) : nil)
        case 3:
            self = .incremented(
                value: try reader.signed(), revision: try reader.counter(), version: try reader.varint())
        case 4:
            let revision: Revision = try reader.counter()
            var results: [BatchResult] = []
            for _ in 0..<(try reader.count()) {
                let written: Revision = try reader.counter()
                results.append(written == .zero ? .exists : .put(written))
            }
            self = .batch(results, revision: revision)
        case 5: self = .compacted(try reader.counter())
        case 6:
            let revision: Revision = try reader.counter()
            self = .transaction(try TransactionOutcome(reading: &reader), revision: revision)
        case 7: self = .coordinated(try CoordinationOutcome(reading: &reader))
        case 8: self = .refused(try Refusal(reading: &reader))
        default: throw .malformed
        }
    }
}

extension ByteWriter {
    /// Whether there is a value, and the value.
    mutating func optional<Value>(_ value: Value?, _ encode: (Value, inout ByteWriter) -> Void) {
        bool(value != nil)
        if let value { encode(value, &self) }
    }

    /// Values behind their number.
    mutating func list<Value>(_ values: [Value], _ encode: (Value, inout ByteWriter) -> Void) {
        varint(UInt64(values.count))
        for value in values { encode(value, &self) }
    }
}

extension Item {
    func encode(into writer: inout ByteWriter) {
        writer.sized(key)
        writer.sized(value)
        writer.counter(createRevision)
        writer.counter(modRevision)
        writer.varint(version)
        writer.optional(lease) { $1.string($0) }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        self.init(
            key: [UInt8](try reader.sized()), value: [UInt8](try reader.sized()),
            createRevision: try reader.counter(), modRevision: try reader.counter(),
            version: try reader.varint(), lease: try reader.bool() ? try reader.string() : nil)
    }
}

extension TransactionOutcome {
    func encode(into writer: inout ByteWriter) {
        writer.bool(succeeded)
        writer.list(failed) { $0.encode(into: &$1) }
        writer.list(results) { result, writer in
            switch result {
            case .wrote(let outcome):
                writer.byte(1)
                outcome.encode(into: &writer)
            case .item(let item):
                writer.byte(2)
                writer.optional(item) { $0.encode(into: &$1) }
            case .items(let items, let more):
                writer.byte(3)
                writer.bool(more)
                writer.list(items) { $0.encode(into: &$1) }
            case .transaction(let nested):
                writer.byte(4)
                nested.encode(into: &writer)
            }
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let succeeded = try reader.bool()
        var failed: [FailedCondition] = []
        for _ in 0..<(try reader.count()) { failed.append(try FailedCondition(reading: &reader)) }
        var results: [Result] = []
        for _ in 0..<(try reader.count()) {
            switch try reader.byte() {
            case 1: results.append(.wrote(try Outcome(reading: &reader)))
            case 2: results.append(.item(try reader.bool() ? try Item(reading: &reader) : nil))
            case 3:
                let more = try reader.bool()
                var items: [Item] = []
                for _ in 0..<(try reader.count()) { items.append(try Item(reading: &reader)) }
                results.append(.items(items, more: more))
            case 4: results.append(.transaction(try TransactionOutcome(reading: &reader)))
            default: throw .malformed
            }
        }
        self.init(succeeded: succeeded, results: results, failed: failed)
    }
}

extension FailedCondition {
    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(index))
        writer.optional(found) { $1.varint($0) }
        writer.optional(revision) { $1.varint($0) }
        writer.optional(lease) { $1.string($0) }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        self.init(
            index: try reader.count(), found: try reader.bool() ? try reader.varint() : nil,
            revision: try reader.bool() ? try reader.varint() : nil,
            lease: try reader.bool() ? try reader.string() : nil)
    }
}

extension Refusal {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .preconditionFailed(let current):
            writer.byte(1)
            writer.counter(current ?? .zero)
        case .keyNotFound: writer.byte(2)
        case .notAnInteger: writer.byte(3)
        case .overflow: writer.byte(4)
        case .compacted(let compact, let current):
            writer.byte(5)
            writer.counter(compact)
            writer.counter(current)
        case .futureRevision(let current):
            writer.byte(6)
            writer.counter(current)
        case .transaction(let refusal):
            writer.byte(7)
            refusal.encode(into: &writer)
        case .coordination(let refusal):
            writer.byte(8)
            refusal.encode(into: &writer)
        case .malformedCommand: writer.byte(9)
        case .cancelled: writer.byte(10)
        case .keyReused: writer.byte(11)
        case .fenceStale(let fence, let current):
            writer.byte(12)
            fence.encode(into: &writer)
            writer.optional(current) { $1.varint($0) }
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            let current: Revision = try reader.counter()
            self = .preconditionFailed(current: current == .zero ? nil : current)
        case 2: self = .keyNotFound
        case 3: self = .notAnInteger
        case 4: self = .overflow
        case 5: self = .compacted(compact: try reader.counter(), current: try reader.counter())
        case 6: self = .futureRevision(current: try reader.counter())
        case 7: self = .transaction(try TransactionRefusal(reading: &reader))
        case 8: self = .coordination(try CoordinationRefusal(reading: &reader))
        case 9: self = .malformedCommand
        case 10: self = .cancelled
        case 11: self = .keyReused
        case 12:
            self = .fenceStale(
                try Fence(reading: &reader), current: try reader.bool() ? try reader.varint() : nil)
        default: throw .malformed
        }
    }
}

extension TransactionRefusal {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .conditionsFailed(let failed):
            writer.byte(1)
            writer.list(failed) { $0.encode(into: &$1) }
        case .overlap(let key):
            writer.byte(2)
            writer.sized(key)
        case .step(let place, let refusal):
            writer.byte(3)
            writer.list(place) { $1.varint(UInt64($0)) }
            refusal.encode(into: &writer)
        case .tooMuchRead: writer.byte(4)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            var failed: [FailedCondition] = []
            for _ in 0..<(try reader.count()) { failed.append(try FailedCondition(reading: &reader)) }
            self = .conditionsFailed(failed)
        case 2: self = .overlap(key: [UInt8](try reader.sized()))
        case 3:
            var place: [Int] = []
            for _ in 0..<(try reader.count()) { place.append(try reader.count()) }
            self = .step(at: place, try StepRefusal(reading: &reader))
        case 4: self = .tooMuchRead
        default: throw .malformed
        }
    }
}

extension StepRefusal {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .notAnInteger: writer.byte(0)
        case .overflow: writer.byte(1)
        case .queue(let refusal):
            writer.byte(2)
            refusal.encode(into: &writer)
        case .full: writer.byte(3)
        case .leaseNotFound(let id):
            writer.byte(4)
            writer.string(id)
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 0: self = .notAnInteger
        case 1: self = .overflow
        case 2: self = .queue(try QueueRefusal(reading: &reader))
        case 3: self = .full
        case 4: self = .leaseNotFound(try reader.string())
        default: throw .malformed
        }
    }
}

extension CoordinationOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .timers(let count):
            writer.byte(1)
            writer.varint(UInt64(count))
        case .lease(let outcome):
            writer.byte(2)
            outcome.encode(into: &writer)
        case .abandoned(let held):
            writer.byte(3)
            writer.bool(held)
        case .request(let state):
            writer.byte(4)
            state.encode(into: &writer)
        case .queue(let outcome):
            writer.byte(15)
            outcome.encode(into: &writer)
        case .barrier(let outcome):
            writer.byte(16)
            outcome.encode(into: &writer)
        case .claim(let outcome):
            writer.byte(10)
            outcome.encode(into: &writer)
        case .announced(let index):
            writer.byte(7)
            writer.counter(index)
        case .task(let outcome):
            writer.byte(8)
            outcome.encode(into: &writer)
        case .participant(let outcome):
            writer.byte(11)
            outcome.encode(into: &writer)
        case .historyBounds(let bounds):
            writer.byte(50)
            bounds.encode(into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .timers(try reader.count())
        case 2: self = .lease(try LeaseOutcome(reading: &reader))
        case 3: self = .abandoned(try reader.bool())
        case 4: self = .request(try RequestState(reading: &reader))
        case 15: self = .queue(try QueueOutcome(reading: &reader))
        case 16: self = .barrier(try BarrierOutcome(reading: &reader))
        case 10: self = .claim(try ClaimOutcome(reading: &reader))
        case 7: self = .announced(try reader.counter())
        case 8: self = .task(try TaskOutcome(reading: &reader))
        case 11: self = .participant(try ParticipantOutcome(reading: &reader))
        case 50: self = .historyBounds(try HistoryBounds(reading: &reader))
        default: throw .malformed
        }
    }
}

extension RequestState {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .known(let record):
            writer.byte(1)
            writer.fixed(record.id.high)
            writer.fixed(record.id.low)
            writer.counter(record.index)
            writer.counter(record.term)
            writer.counter(record.revision)
            writer.byte(record.verdict.rawValue)
        case .never: writer.byte(2)
        case .expired: writer.byte(3)
        case .unknown: writer.byte(4)
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            let id = RequestID(high: try reader.fixed(), low: try reader.fixed())
            let (index, term): (LogIndex, Term) = (try reader.counter(), try reader.counter())
            let revision: Revision = try reader.counter()
            guard let verdict = Verdict(rawValue: try reader.byte()) else { throw .malformed }
            self = .known(
                RequestRecord(id: id, index: index, term: term, revision: revision, verdict: verdict))
        case 2: self = .never
        case 3: self = .expired
        case 4: self = .unknown
        default: throw .malformed
        }
    }
}

extension CoordinationRefusal {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .leaseNotFound(let id):
            writer.byte(1)
            writer.string(id)
        case .leaseExists(let id):
            writer.byte(2)
            writer.string(id)
        case .full: writer.byte(3)
        case .queue(let refusal):
            writer.byte(15)
            refusal.encode(into: &writer)
        case .barrier(let refusal):
            writer.byte(16)
            refusal.encode(into: &writer)
        case .claim(let refusal):
            writer.byte(10)
            refusal.encode(into: &writer)
        case .task(let refusal):
            writer.byte(8)
            refusal.encode(into: &writer)
        case .participant(let refusal):
            writer.byte(11)
            refusal.encode(into: &writer)
        case .historyBounds(let minimum, let maximum):
            writer.byte(50)
            writer.varint(minimum)
            writer.varint(maximum)
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .leaseNotFound(try reader.string())
        case 2: self = .leaseExists(try reader.string())
        case 3: self = .full
        case 15: self = .queue(try QueueRefusal(reading: &reader))
        case 16: self = .barrier(try BarrierRefusal(reading: &reader))
        case 10: self = .claim(try ClaimRefusal(reading: &reader))
        case 8: self = .task(try TaskRefusal(reading: &reader))
        case 11: self = .participant(try ParticipantRefusal(reading: &reader))
        case 50: self = .historyBounds(minimum: try reader.varint(), maximum: try reader.varint())
        default: throw .malformed
        }
    }
}

extension LeaseOutcome {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .granted(let lease):
            writer.byte(1)
            lease.encode(into: &writer)
        case .renewed(let lease):
            writer.byte(2)
            lease.encode(into: &writer)
        case .revoked(let keys, let holds, let revision):
            writer.byte(3)
            writer.varint(UInt64(keys))
            writer.varint(UInt64(holds))
            writer.counter(revision)
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .granted(try Lease(reading: &reader))
        case 2: self = .renewed(try Lease(reading: &reader))
        case 3:
            self = .revoked(
                keys: try reader.count(), holds: try reader.count(), revision: try reader.counter())
        default: throw .malformed
        }
    }
}
