public import Primitives

// Idempotency keys (draft-ietf-httpapi-idempotency-key-header-07): a request that carries one is carried out
// once. What came of it is a row of the state, and whoever sends it again gets that, from any node.

/// A request's idempotency key.
public struct OnceKey: Sendable, Equatable {
    /// What the client chose: 1 to 128 visible ASCII characters.
    public var key: String
    /// A hash of the request, by which another request under the same key is recognised.
    public var fingerprint: UInt64

    /// Makes it of its parts.
    public init(key: String, fingerprint: UInt64) {
        self.key = key
        self.fingerprint = fingerprint
    }

    /// The key of one of the commands that make up a request: that of the first is the request's own.
    public func part(_ number: Int) -> OnceKey {
        number == 0 ? self : OnceKey(key: "\(key)\u{1f}\(number)", fingerprint: fingerprint)
    }

    /// No key that a client chooses is longer.
    public static let mostBytes = 128

    /// Whether a text can be a key.
    public static func isValid(_ key: some Collection<UInt8>) -> Bool {
        (1...mostBytes).contains(key.count) && key.allSatisfy { $0 > 32 && $0 < 127 }
    }

    /// Whether a text in a command can be a key, or one of the parts of a request.
    static func isValidInCommand(_ key: some Collection<UInt8>) -> Bool {
        let own = key.firstIndex(of: 0x1f) ?? key.endIndex
        let part = key[own...].dropFirst()
        return isValid(key[..<own]) && part.count < 20 && part.allSatisfy { (48...57).contains($0) }
    }
}

/// What is remembered of a request with an idempotency key.
struct OnceRow: RowValue {
    var fingerprint: UInt64
    /// The request that was carried out.
    var request: RequestID
    var index: LogIndex
    var term: Term
    var revision: Revision
    /// What came of it; nil if it was cancelled before it came.
    var outcome: Outcome?

    init(_ once: OnceKey, _ request: RequestID, in keyspace: Keyspace, _ outcome: Outcome?) {
        fingerprint = once.fingerprint
        self.request = request
        index = keyspace.appliedIndex
        term = keyspace.appliedTerm
        revision = keyspace.revision
        self.outcome = outcome
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        fingerprint = try reader.fixed()
        request = RequestID(high: try reader.fixed(), low: try reader.fixed())
        index = try reader.counter()
        term = try reader.counter()
        revision = try reader.counter()
        outcome = try reader.bool() ? try Outcome(reading: &reader) : nil
    }

    func encode(into writer: inout ByteWriter) {
        writer.fixed(fingerprint)
        writer.fixed(request.high)
        writer.fixed(request.low)
        writer.counter(index)
        writer.counter(term)
        writer.counter(revision)
        writer.bool(outcome != nil)
        outcome?.encode(into: &writer)
    }

    var record: RequestRecord {
        RequestRecord(
            id: request, index: index, term: term, revision: revision,
            verdict: outcome?.verdict ?? .cancelled)
    }
}

/// By what a request is asked for.
public enum RequestName: Sendable, Equatable {
    /// The id that the server gave to it.
    case id(RequestID)
    /// The idempotency key that the client gave to it, with the principal who did so.
    case key(String, principal: String)
}

/// What is known of a request.
public enum RequestState: Sendable, Equatable {
    /// It was carried out, or refused, by the state machine.
    case known(RequestRecord)
    /// It was cancelled before it came, and will never be carried out.
    case never
    /// It is so old that it may have been forgotten.
    case expired
    /// It is in no entry that was applied.
    case unknown
}

extension Keyspace {
    /// What is known of a request.
    public func state(of request: RequestName) -> RequestState {
        switch request {
        case .id(let id):
            if let record = requests.find(id) {
                return record.verdict == .cancelled ? .never : .known(record)
            }
            if coordination.has(RowKey(cancelled: id)) { return .never }
            return id.time <= requests.forgottenUpTo ? .expired : .unknown
        case .key(let key, let principal):
            guard let row = coordination.value(RowKey(once: key, principal), as: OnceRow.self) else {
                return .unknown
            }
            return row.outcome == nil ? .never : .known(row.record)
        }
    }

    /// What a command comes to without being carried out, because it was cancelled or carried out before; nil
    /// if it is to be carried out.
    mutating func knownOutcome(of request: RequestID, _ once: OnceKey?, principal: String) -> Outcome? {
        forgetOldOutcomes()
        if coordination.outcomes.hasCancelled, coordination.has(RowKey(cancelled: request)) {
            return .refused(.cancelled)
        }
        guard let once else { return nil }
        if let known = coordination.value(RowKey(once: once.key, principal), as: OnceRow.self) {
            guard let outcome = known.outcome else { return .refused(.cancelled) }
            if isPlanted(.carriesOutRepeats) || isPlanted(.repeatWaitsAgain) && outcome.isWaiting {
                return nil
            }
            guard known.fingerprint == once.fingerprint || isPlanted(.ignoresFingerprint) else {
                return .refused(.keyReused)
            }
            return .replayed(outcome, original: known.request)
        }
        return hasRoom ? nil : .refused(.coordination(.full))
    }

    /// Remembers what came of a request with an idempotency key.
    mutating func rememberOutcome(
        _ outcome: Outcome, of request: RequestID, _ once: OnceKey, principal: String
    ) {
        let row = RowKey(once: once.key, principal)
        coordination.setOutcome(row, OnceRow(once, request, in: self, outcome))
        coordination.remember(row)
        guard outcome.isWaiting else { return }
        coordination.set(RowKey(waiting: request), bytes: row.bytes)
        coordination.outcomes.waiting += 1
    }

    /// Makes the outcome of a request certain: one that was not carried out by now never will be.
    mutating func cancel(_ request: RequestName) -> Outcome {
        let state = state(of: request)
        guard state == .unknown else { return .coordinated(.request(state)) }
        guard hasRoom else { return .refused(.coordination(.full)) }
        switch request {
        case .id(let id):
            coordination.setOutcome(RowKey(cancelled: id), nil)
            coordination.remember(RowKey(cancelled: id))
            coordination.outcomes.hasCancelled = !isPlanted(.cancelDoesNotStick)
        case .key(let key, let principal):
            let row = RowKey(once: key, principal)
            coordination.setOutcome(row, OnceRow(OnceKey(key: key, fingerprint: 0), .none, in: self, nil))
            coordination.remember(row)
        }
        return .coordinated(.request(.never))
    }

    /// Drops a few outcomes that have been remembered for long enough, or are too many.
    private mutating func forgetOldOutcomes() {
        for _ in 0..<4 {
            let outcomes = coordination.outcomes
            guard outcomes.count > 0,
                outcomes.oldest <= outcomes.forgetUpTo || outcomes.count > Limits.outcomeCount
                    || outcomes.bytes > Limits.outcomeBytes,
                let (key, row) = coordination.first(RowKey(.outcomeAge))
            else { return }
            coordination.remove(key)
            coordination.forgetOutcome(RowKey(bytes: row))
            coordination.outcomes.count -= 1
            coordination.outcomes.oldest = coordination.first(RowKey(.outcomeAge))?.key.lastNumber ?? 0
        }
    }
}

extension RowKey {
    init(once key: String, _ principal: String) { self.init(.outcome, principal, key.utf8) }

    init(cancelled request: RequestID) { self.init(.cancelled, request) }

    init(waiting request: RequestID) { self.init(.waitingOutcome, request) }

    private init(_ kind: RowKind, _ request: RequestID) {
        self.init(kind)
        append(request.high)
        append(request.low)
    }
}

// MARK: - Requests that wait

extension Coordination {
    /// What is remembered of requests that waited, and have come to their end, is how they ended.
    mutating func settleOutcomes() {
        for case .settled(let request, let outcome) in news {
            let waiting = RowKey(waiting: request)
            guard let row = bytes(waiting).map({ RowKey(bytes: $0) }) else { continue }
            remove(waiting)
            outcomes.waiting -= 1
            if isPlanted(.endOfWaitForgotten) { continue }
            guard var once = value(row, as: OnceRow.self) else { continue }
            once.outcome = .coordinated(outcome)
            setOutcome(row, once)
        }
    }

    fileprivate mutating func setOutcome(_ row: RowKey, _ value: OnceRow?) {
        let before = byteCount
        if let value { set(row, value) } else { set(row) }
        outcomes.bytes += byteCount - before
    }

    fileprivate mutating func forgetOutcome(_ row: RowKey) {
        if let once = row.kind == .outcome ? value(row, as: OnceRow.self) : nil,
            once.outcome?.isWaiting == true,
            remove(RowKey(waiting: once.request))
        {
            outcomes.waiting -= 1
        }
        let before = byteCount
        remove(row)
        outcomes.bytes += byteCount - before
    }
}

// MARK: - For how long

/// The hours for which outcomes are remembered: the last number that was given in each of them.
struct OutcomeHours: RowValue {
    /// For so many whole hours.
    static let count = 24
    static let key = RowKey(.outcomeHours)

    var timer: UInt64
    var ends: [UInt64] = []
    /// What was given this number or a lower one is to be forgotten.
    var forgetUpTo: UInt64 = 0

    init(timer: UInt64) { self.timer = timer }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        timer = try reader.varint()
        forgetUpTo = try reader.varint()
        for _ in 0..<(try reader.count()) { ends.append(try reader.varint()) }
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(timer)
        writer.varint(forgetUpTo)
        writer.list(ends) { $1.varint($0) }
    }
}

extension Coordination {
    private static let hour: Int64 = 3_600_000

    /// Remembers since when a row is there that is kept for a day.
    fileprivate mutating func remember(_ row: RowKey) {
        let number = nextNumber()
        set(RowKey(.outcomeAge, number), bytes: row.bytes)
        if outcomes.count == 0 { outcomes.oldest = number }
        outcomes.count += 1
        guard !has(OutcomeHours.key) else { return }
        set(OutcomeHours.key, OutcomeHours(timer: arm(.outcomes, milliseconds: Self.hour)))
    }

    /// An hour is over.
    mutating func endOutcomeHour() {
        guard var hours = value(OutcomeHours.key, as: OutcomeHours.self) else { return }
        hours.ends.append(lastNumber)
        if hours.ends.count > OutcomeHours.count { hours.forgetUpTo = hours.ends.removeFirst() }
        outcomes.forgetUpTo = hours.forgetUpTo
        if outcomes.count == 0 {
            remove(OutcomeHours.key)
            outcomes = OutcomeSummary()
            return
        }
        hours.timer = arm(.outcomes, milliseconds: Self.hour)
        set(OutcomeHours.key, hours)
    }

    /// Finds again what is known besides the rows.
    mutating func recount() {
        if isPlanted(.restoreForgetsWaiters) { keys(RowKey(.claimWaiter)).forEach { remove($0) } }
        outcomes.count = count(RowKey(.outcomeAge))
        outcomes.hasCancelled = first(RowKey(.cancelled)) != nil && !isPlanted(.restoreForgetsCancelled)
        outcomes.waiting = isPlanted(.restoreForgetsWaitingKeys) ? 0 : count(RowKey(.waitingOutcome))
        outcomes.bytes = 0
        for kind in [RowKind.outcome, .cancelled] {
            forEach(RowKey(kind)) { key, value in
                outcomes.bytes += key.bytes.count + value.count
                return true
            }
        }
        outcomes.oldest = first(RowKey(.outcomeAge))?.key.lastNumber ?? 0
        outcomes.forgetUpTo = value(OutcomeHours.key, as: OutcomeHours.self)?.forgetUpTo ?? 0
    }

    /// What the rows of outcomes come to, so that a command without an idempotency key need not look.
    struct OutcomeSummary: Sendable {
        /// How many rows are to be forgotten one day.
        var count = 0
        /// How many bytes they have, keys and values.
        var bytes = 0
        /// How many of them are about requests that still wait in the state.
        var waiting = 0
        /// The lowest number of any.
        var oldest: UInt64 = 0
        /// Those with this number or a lower one are to be forgotten now.
        var forgetUpTo: UInt64 = 0
        /// Whether there may be requests that were cancelled before they came.
        var hasCancelled = false
    }
}
