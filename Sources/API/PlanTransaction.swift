// From the JSON form of a transaction to the store's.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func planTransaction(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        let parameters = asked.parameters
        let transaction = try TransactionReader.read(asked.request.body, limits: settings.limits)
        let isDryRun = try parameters.flag(.dryRun)
        if transaction.isReadOnly || isDryRun {
            try refuseFences(asked, "a transaction that changes nothing")
            for name in [Parameter.redirect, .forward] where parameters[name] != nil {
                throw Problem(.badRequest, "\(name.rawValue) is for writes: this node can answer by itself")
                    .with("parameter", .text(name.rawValue))
            }
            return .read(
                ReadPlan(
                    target: .transaction(transaction), freshness: try freshness(parameters), wait: nil,
                    traits: asked.traits))
        }
        for name in [Parameter.consistency, .maxLag, .or, .minRevision] where parameters[name] != nil {
            throw Problem(.badRequest, "\(name.rawValue) is for transactions that only read, or with dry_run")
                .with("parameter", .text(name.rawValue))
        }
        return .write(try write(.operation(.transaction(transaction)), .transaction(transaction), asked))
    }
}

/// Reads `{"if":[guard…],"then":[op…],"else":[op…]}`.
struct TransactionReader {
    var reader: JSONReader
    let limits: NativeAPI.Limits

    /// Reads a whole body.
    static func read(_ json: [UInt8], limits: NativeAPI.Limits) throws(Problem) -> Transaction {
        do {
            var reader = TransactionReader(reader: try JSONReader(json), limits: limits)
            let transaction = try reader.transaction("")
            try reader.reader.finish()
            guard transaction.isEncodable else {
                throw Self.invalid(
                    "",
                    "has up to \(Transaction.stepCount) operations and as many guards, nested up to "
                        + "\(Transaction.depth) deep")
            }
            if let key = transaction.overlap {
                throw Problem(
                    .invalid, "two operations write '\(readable(key))': a transaction changes a key once"
                ).with("key", .bytes(key))
            }
            return transaction
        } catch { throw Problem(reading: error) }
    }

    private init(reader: JSONReader, limits: NativeAPI.Limits) {
        self.reader = reader
        self.limits = limits
    }

    private mutating func transaction(_ path: String) throws -> Transaction {
        var conditions: [Transaction.Condition] = []
        var (then, otherwise): ([Transaction.Step]?, [Transaction.Step]?) = (nil, nil)
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "if": conditions = try list(path + "if") { try $0.condition($1) }
            case "then": then = try list(path + "then") { try $0.step($1) }
            case "else": otherwise = try list(path + "else") { try $0.step($1) }
            default: throw Self.unknown(name, path, ["if", "then", "else"])
            }
        }
        if then == nil && otherwise == nil {
            throw Self.invalid(path + "then", "is missing: a list of what to do")
        }
        return Transaction(conditions: conditions, then: then ?? [], otherwise: otherwise)
    }

    private mutating func list<Element>(
        _ path: String, _ read: (inout TransactionReader, String) throws -> Element
    ) throws -> [Element] {
        var elements: [Element] = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard elements.count < Transaction.stepCount else {
                throw Self.invalid(path, "has up to \(Transaction.stepCount) elements")
            }
            elements.append(try read(&self, "\(path)[\(elements.count)]"))
        }
        return elements
    }

    // MARK: - Operations

    private static let stepNames = ["put", "get", "delete", "incr", "enqueue", "ack", "txn"]

    private mutating func step(_ path: String) throws -> Transaction.Step {
        var step: Transaction.Step?
        try reader.beginObject()
        while let name = try reader.nextName() {
            guard step == nil else { throw Self.invalid(path, "is more than one operation") }
            let path = "\(path).\(name)"
            switch name {
            case "put": step = try put(path)
            case "get": step = try get(path)
            case "delete": step = try delete(path)
            case "incr": step = try increment(path)
            case "enqueue": step = try enqueue(path)
            case "ack": step = try acknowledge(path)
            case "txn": step = .transaction(try transaction(path + "."))
            default: throw Self.unknown(name, String(path.dropLast(name.count)), Self.stepNames)
            }
        }
        guard let step else { throw Self.invalid(path, "is no operation") }
        return step
    }

    private mutating func put(_ path: String) throws -> Transaction.Step {
        var target = Target(path)
        var value: [UInt8]?
        var returnsPrevious = false
        var lease: LeaseChoice?
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "value" where value == nil: value = try reader.bytes()
            case "value_b64" where value == nil: value = try reader.base64()
            case "value", "value_b64":
                throw Self.invalid(path, "value and value_b64 exclude each other")
            case "prev": returnsPrevious = try reader.bool()
            case "key", "key_b64": _ = try target.take(name, &reader)
            case "ttl", "ttl_ms", "lease", "keep_lease":
                guard let choice = try leaseChoice(name, "\(path).\(name)") else { continue }
                guard lease == nil else {
                    throw Self.invalid(path, "ttl, ttl_ms, lease and keep_lease exclude each other")
                }
                lease = choice
            default: throw Self.unknown(name, path + ".", Self.putNames)
            }
        }
        guard let value else { throw Self.invalid(path + ".value", "is missing") }
        guard value.count <= limits.valueBytes else {
            throw Problem(
                .contentTooLarge,
                "a value has up to \(limits.valueBytes) bytes, that of \(path) has \(value.count)")
        }
        let key = try target.key(limits)
        guard let lease else { return .put(key: key, value: value, returnPrevious: returnsPrevious) }
        try NativeAPI.check(leased: key)
        return .leasedPut(key: key, value: value, returnPrevious: returnsPrevious, lease: lease)
    }

    private static let putNames = [
        "key", "key_b64", "value", "value_b64", "prev", "ttl", "ttl_ms", "lease", "keep_lease",
    ]

    /// The lease that a key is put under; nil if the member says that there is none.
    private mutating func leaseChoice(_ name: String, _ path: String) throws -> LeaseChoice? {
        switch name {
        case "lease": return .existing(try leaseID(path))
        case "keep_lease": return try reader.bool() ? .kept : nil
        case "ttl":
            guard let span = parseSpan(Array(try reader.string().utf8)),
                1_000...86_400_000 ~= span.milliseconds
            else { throw Self.invalid(path, "is from 1s to 24h, as text") }
            return .own(milliseconds: span.milliseconds)
        default: return .own(milliseconds: try number(path, 1_000...86_400_000))
        }
    }

    private mutating func get(_ path: String) throws -> Transaction.Step {
        var target = Target(path)
        var limit: UInt64?
        try reader.beginObject()
        while let name = try reader.nextName() {
            if try target.take(name, &reader) { continue }
            guard name == "limit" else { throw Self.unknown(name, path + ".", Target.names + ["limit"]) }
            limit = try reader.uint64()
            guard 1...UInt64(Transaction.listCount) ~= limit ?? 0 else {
                throw Self.invalid(path + ".limit", "is from 1 to \(Transaction.listCount)")
            }
        }
        if target.isRange {
            return .list(try target.range(limits), limit: limit.map { Int($0) } ?? limits.pageCount)
        }
        if limit != nil { throw Self.invalid(path + ".limit", "goes with prefix, or start and end") }
        return .get(key: try target.key(limits))
    }

    private mutating func delete(_ path: String) throws -> Transaction.Step {
        var target = Target(path)
        var (returnsPrevious, all) = (false, false)
        try reader.beginObject()
        while let name = try reader.nextName() {
            if try target.take(name, &reader) { continue }
            switch name {
            case "prev": returnsPrevious = try reader.bool()
            case "all": all = try reader.bool()
            default: throw Self.unknown(name, path + ".", Target.names + ["prev", "all"])
            }
        }
        guard target.isRange || all else {
            return .delete(key: try target.key(limits), returnPrevious: returnsPrevious)
        }
        if returnsPrevious { throw Self.invalid(path + ".prev", "goes with key") }
        let range = all && !target.isRange ? .all : try target.range(limits)
        guard (range == .all) == all else {
            throw Self.invalid(path, "deletes every key: that, and only that, needs \"all\":true")
        }
        return .deleteRange(range)
    }

    private mutating func increment(_ path: String) throws -> Transaction.Step {
        var target = Target(path)
        var by: Int64 = 1
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "by": by = try reader.int64()
            case "key", "key_b64": _ = try target.take(name, &reader)
            default: throw Self.unknown(name, path + ".", ["key", "key_b64", "by"])
            }
        }
        return .increment(key: try target.key(limits), by: by)
    }

    // MARK: - Queues

    private mutating func enqueue(_ path: String) throws -> Transaction.Step {
        var queue: String?
        var body: [UInt8]?
        var message = NewMessage(body: [])
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "queue": queue = try queueName(path)
            case "body" where body == nil: body = try reader.bytes()
            case "body_b64" where body == nil: body = try reader.base64()
            case "body", "body_b64": throw Self.invalid(path, "body and body_b64 exclude each other")
            case "priority": message.priority = UInt8(try number(path + ".priority", 0...255))
            case "delay_ms":
                message.delay = try number(path + ".delay_ms", 0...Store.Limits.queueMilliseconds)
            case "ttl_ms":
                message.timeToLive = try number(path + ".ttl_ms", 1...Store.Limits.queueMilliseconds)
            case "dedupe":
                let id = try reader.string()
                guard Store.Limits.isDedupeID(id) else {
                    throw Self.invalid(path + ".dedupe", "has 1 to \(Store.Limits.dedupeBytes) bytes")
                }
                message.dedupe = id
            default: throw Self.unknown(name, path + ".", Self.enqueueNames)
            }
        }
        guard let queue else { throw Self.invalid(path + ".queue", "is missing") }
        guard let body else { throw Self.invalid(path + ".body", "is missing") }
        guard body.count <= Store.Limits.messageBytes else {
            throw Problem(
                .contentTooLarge,
                "a message has up to \(Store.Limits.messageBytes) bytes, that of \(path) has \(body.count)")
        }
        message.body = body
        return .enqueue(queue: queue, message)
    }

    private static let enqueueNames = [
        "queue", "body", "body_b64", "priority", "delay_ms", "ttl_ms", "dedupe",
    ]

    private mutating func acknowledge(_ path: String) throws -> Transaction.Step {
        var (queue, receipt): (String?, Receipt?) = (nil, nil)
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "queue": queue = try queueName(path)
            case "receipt":
                receipt = Receipt(try reader.string())
                if receipt == nil {
                    throw Self.invalid(path + ".receipt", "is what Parley-Receipt said with the message")
                }
            default: throw Self.unknown(name, path + ".", ["queue", "receipt"])
            }
        }
        guard let queue else { throw Self.invalid(path + ".queue", "is missing") }
        guard let receipt else { throw Self.invalid(path + ".receipt", "is missing") }
        return .acknowledge(queue: queue, receipt)
    }

    private mutating func queueName(_ path: String) throws -> String {
        let name = try reader.string()
        guard Store.Limits.isName(name) else {
            throw Self.invalid(
                path + ".queue", "has 1 to \(Store.Limits.nameBytes) bytes and no control characters")
        }
        return name
    }

    private mutating func number(_ path: String, _ range: ClosedRange<Int64>) throws -> Int64 {
        let number = try reader.int64()
        guard range.contains(number) else {
            throw Self.invalid(path, "is from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    // MARK: - Refusals

    static func invalid(_ field: String, _ message: String) -> Problem {
        let shown = field.isEmpty ? "the transaction" : field
        return Problem(.invalid, "\(shown) \(message)")
            .with("errors", .errors([.init(field: field, message: message)]))
    }

    static func unknown(_ name: String, _ path: String, _ names: [String]) -> Problem {
        let shown = readable((path + name).utf8)
        let problem = Problem(
            .unknownParameter,
            "there is no \(shown); what may stand there is \(names.joined(separator: ", "))"
        ).with("parameter", .text(shown))
        guard let suggestion = nearest(to: name, among: names) else { return problem }
        return problem.with("nearest", .text(suggestion))
    }
}

/// The key or the keys that a guard or an operation is about.
struct Target {
    static let names = ["key", "key_b64", "prefix", "start", "end"]

    private let path: String
    private var key: [UInt8]?
    private var prefix: [UInt8]?
    private var start: [UInt8]?
    private var end: [UInt8]?

    init(_ path: String) { self.path = path }

    var isRange: Bool { prefix != nil || start != nil || end != nil }
    /// Whether nothing was said.
    var isEmpty: Bool { key == nil && !isRange }

    /// Reads a member if it is one of these.
    mutating func take(_ name: String, _ reader: inout JSONReader) throws -> Bool {
        switch name {
        case "key" where key == nil: key = try reader.bytes()
        case "key_b64" where key == nil: key = try reader.base64()
        case "key", "key_b64":
            throw TransactionReader.invalid(path, "key and key_b64 exclude each other")
        case "prefix": prefix = try reader.bytes()
        case "start": start = try reader.bytes()
        case "end": end = try reader.bytes()
        default: return false
        }
        return true
    }

    func key(_ limits: NativeAPI.Limits) throws(Problem) -> [UInt8] {
        guard let key, !isRange else {
            throw TransactionReader.invalid(path + ".key", isRange ? "excludes a range" : "is missing")
        }
        guard !key.isEmpty, key.count <= limits.keyBytes else {
            throw Problem(
                .badKey, "a key has 1 to \(limits.keyBytes) bytes, that of \(path) has \(key.count)")
        }
        return key
    }

    func range(_ limits: NativeAPI.Limits) throws(Problem) -> KeyRange {
        guard isRange, key == nil, prefix == nil || (start == nil && end == nil) else {
            throw TransactionReader.invalid(path, "needs prefix, or start and end, and nothing else")
        }
        for bound in [prefix, start, end] where bound?.count ?? 0 > limits.keyBytes {
            throw Problem(.badKey, "a bound has up to \(limits.keyBytes) bytes, one of \(path) has more")
        }
        if let prefix { return .prefix(prefix) }
        let range = KeyRange(start: start ?? [], end: end)
        if range.isEmpty { throw TransactionReader.invalid(path + ".start", "has to come before end") }
        return range
    }
}
