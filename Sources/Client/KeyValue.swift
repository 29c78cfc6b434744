public import JSON
public import Primitives

/// What must be true of a key for a put or delete to happen.
public enum Condition: Sendable, Equatable {
    /// The key was last changed at this revision.
    case revision(Revision)
    /// There is no such key.
    case absent

    var field: (name: String, value: String) {
        switch self {
        case .revision(let revision): ("If-Match", "\"\(revision)\"")
        case .absent: ("If-None-Match", "*")
        }
    }
}

/// How fresh a read must be.
public enum Consistency: String, Sendable, CaseIterable {
    /// It sees every write that was completed before it began.
    case linearizable
    /// It sees some earlier state of the store, without asking other nodes.
    case stale
}

/// What a put did.
public struct PutResult: Sendable {
    /// The revision of the store that the put made.
    public var revision: Revision
    /// Whether the key is new.
    public var created: Bool
    /// How many times the key was put since it was created.
    public var version: UInt64
    /// The node's answer as it came.
    public var body: [UInt8]
}

/// A value and where it stands.
public struct GetResult: Sendable {
    /// The value, byte for byte.
    public var value: [UInt8]
    /// The revision of the key's last change.
    public var revision: Revision?
    /// The node's answer: JSON if metadata were asked for, else the value.
    public var body: [UInt8]
    /// The answer as JSON, if metadata were asked for.
    public var metadata: JSONValue?
}

/// One row of a list.
public struct ListedItem: Sendable {
    /// The key.
    public var key: [UInt8]
    /// The value; nil if only keys were asked for.
    public var value: [UInt8]?
    /// The revision of the key's last change, if the node told it.
    public var revision: Revision?
}

/// One page of a list.
public struct ListPage: Sendable {
    /// The rows, in the order of their keys.
    public var items: [ListedItem]
    /// Where the next page begins; nil after the last one.
    public var next: String?
    /// The revision that all pages show.
    public var revision: Revision?
    /// The node's answer as it came.
    public var body: [UInt8]
}

extension ClusterClient {
    /// Stores a value under a key. `fences` is a list as the parameter `fence` takes it.
    public mutating func put(
        _ key: [UInt8], _ value: [UInt8], if condition: Condition? = nil, under lease: KeyLease? = nil,
        fences: String? = nil
    ) throws(ClientError) -> PutResult {
        let fields = [("Content-Type", "application/octet-stream")] + (condition.map { [$0.field] } ?? [])
        let answer = try succeed(
            Call(
                "PUT", Call.keyPath(key), query: (lease.map { [$0.query] } ?? []) + Self.query(fences),
                fields: fields, body: value))
        let json = try answer.json()
        return PutResult(
            revision: Revision(try json.need("revision", in: answer)), created: answer.status == 201,
            version: json.number("version") ?? 0, body: answer.body)
    }

    /// Reads a key; nil if there is none. `revision` or `instant` (RFC 3339) asks for the store
    /// as it was then.
    public mutating func get(
        _ key: [UInt8], consistency: Consistency = .linearizable, at revision: Revision? = nil,
        instant: String? = nil, metadata: Bool = false
    ) throws(ClientError) -> GetResult? {
        var query: [(name: String, value: String?)] = []
        if consistency != .linearizable { query.append(("consistency", consistency.rawValue)) }
        if let revision { query.append(("rev", "\(revision)")) }
        if let instant { query.append(("at", instant)) }
        if metadata { query.append(("meta", nil)) }
        let answer = try perform(Call("GET", Call.keyPath(key), query: query))
        guard (200..<300).contains(answer.status) else {
            let problem = Problem(answer)
            if problem.status == 404 && problem.code == "key_not_found" { return nil }
            throw .refused(problem)
        }
        guard metadata else {
            return GetResult(
                value: answer.body, revision: answer.number("etag").map(Revision.init), body: answer.body)
        }
        let json = try answer.json()
        return GetResult(
            value: json.bytes("value") ?? [], revision: json.number("revision").map(Revision.init),
            body: answer.body, metadata: json)
    }

    /// Takes a key away and answers how many were there (0 or 1), with the node's answer as it came.
    public mutating func delete(
        _ key: [UInt8], if condition: Condition? = nil, fences: String? = nil
    ) throws(ClientError) -> (count: UInt64, body: [UInt8]) {
        let answer = try succeed(
            Call(
                "DELETE", Call.keyPath(key), query: Self.query(fences),
                fields: condition.map { [$0.field] } ?? []))
        return (try answer.json().need("deleted", in: answer), answer.body)
    }

    /// Carries out a transaction in the JSON form of `POST /txn`; the node's answer. Nothing is tried again
    /// that could happen twice.
    public mutating func transact(
        _ json: [UInt8], isDryRun: Bool = false, fences: String? = nil
    ) throws(ClientError) -> Answer {
        try succeed(
            Call(
                "POST", "/txn", query: (isDryRun ? [("dry_run", nil)] : []) + Self.query(fences),
                fields: [("Content-Type", "application/json")], body: json))
    }

    private static func query(_ fences: String?) -> [(name: String, value: String?)] {
        fences.map { [("fence", $0)] } ?? []
    }

    /// One page of the keys that begin with `prefix`; `cursor` is the page before's ``ListPage/next``.
    public mutating func list(
        prefix: [UInt8], keysOnly: Bool = false, limit: Int, consistency: Consistency = .linearizable,
        cursor: String? = nil
    ) throws(ClientError) -> ListPage {
        var call = Call("GET", "/kv?prefix=" + percentEncoded(prefix) + "&limit=\(limit)")
        if keysOnly { call.path += "&keys" }
        if consistency != .linearizable { call.path += "&consistency=\(consistency.rawValue)" }
        if let cursor { call.path += "&cursor=" + percentEncoded(Array(cursor.utf8)) }
        let answer = try succeed(call)
        let json = try answer.json()
        guard let rows = json.items("items") else { throw .malformed("no items", answer.endpoint) }
        var items: [ListedItem] = []
        for row in rows {
            guard let key = row.bytes("key") else {
                throw .malformed("an item without a key", answer.endpoint)
            }
            items.append(
                ListedItem(
                    key: key, value: keysOnly ? nil : row.bytes("value"),
                    revision: row.number("revision").map(Revision.init)))
        }
        return ListPage(
            items: items, next: json.text("next"), revision: json.number("revision").map(Revision.init),
            body: answer.body)
    }
}
