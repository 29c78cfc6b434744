public import JSON
public import Primitives

/// The lease that a key is put under.
public enum KeyLease: Sendable, Equatable {
    /// The one with this id.
    case existing(String)
    /// One of its own, which lasts so long.
    case own(Instant.Span)
    /// The one that it is under already, if any.
    case kept

    var query: (name: String, value: String?) {
        switch self {
        case .existing(let id): ("lease", id)
        case .own(let span): ("ttl", "\(span.milliseconds)ms")
        case .kept: ("keep_lease", nil)
        }
    }
}

/// What a node tells of a lease.
public struct LeaseReport: Sendable {
    /// Its id.
    public var id: String
    /// How long it lasts without being renewed.
    public var timeToLive: Instant.Span
    /// How much of that is left, if the node knows.
    public var remaining: Instant.Span?
    /// Everything that was told.
    public var json: JSONValue
    /// The node's answer as it came; empty for one of a list.
    public var body: [UInt8]
}

/// What is asked for with a new lease.
public struct LeaseWish: Sendable {
    /// How long it lasts without being renewed.
    public var timeToLive: Instant.Span
    /// Its id; nil to be given one.
    public var id: String?
    /// What it is called.
    public var name: String?
    /// Whether its keys stay when it ends.
    public var releasesKeys: Bool

    /// Makes a wish.
    public init(timeToLive: Instant.Span, id: String? = nil, name: String? = nil, releasesKeys: Bool = false)
    {
        self.timeToLive = timeToLive
        self.id = id
        self.name = name
        self.releasesKeys = releasesKeys
    }
}

extension ClusterClient {
    /// Asks for a new lease.
    public mutating func grant(_ wish: LeaseWish) throws(ClientError) -> LeaseReport {
        var query: [(name: String, value: String?)] = [("ttl", "\(wish.timeToLive.milliseconds)ms")]
        if let id = wish.id { query.append(("id", id)) }
        if let name = wish.name { query.append(("name", name)) }
        if wish.releasesKeys { query.append(("on_expire", "release")) }
        return try Self.report(try succeed(Call("POST", "/leases", query: query)))
    }

    /// Starts a lease's time again, with another time to live if one is given.
    public mutating func renew(
        lease id: String, timeToLive: Instant.Span? = nil
    ) throws(ClientError) -> LeaseReport {
        let query = timeToLive.map { [(name: "ttl", value: Optional("\($0.milliseconds)ms"))] } ?? []
        var call = Call("POST", Self.path(id) + "/renew", query: query)
        call.mayRepeat = true
        return try Self.report(try succeed(call))
    }

    /// Ends a lease: how many keys were deleted or released with it, and the node's answer.
    public mutating func revoke(lease id: String) throws(ClientError) -> (keys: UInt64, body: [UInt8]) {
        let answer = try succeed(Call("DELETE", Self.path(id)))
        return (try answer.json().need("deleted_keys", in: answer), answer.body)
    }

    /// A lease as it stands, with its keys.
    public mutating func lease(_ id: String) throws(ClientError) -> LeaseReport {
        try Self.report(try succeed(Call("GET", Self.path(id), query: [("keys", nil)])))
    }

    /// One page of the list of leases, and where the next one begins.
    public mutating func leases(
        limit: Int, cursor: String? = nil
    ) throws(ClientError) -> (leases: [LeaseReport], next: String?, body: [UInt8]) {
        var query: [(name: String, value: String?)] = [("limit", "\(limit)")]
        if let cursor { query.append(("cursor", cursor)) }
        let answer = try succeed(Call("GET", "/leases", query: query))
        let json = try answer.json()
        var leases: [LeaseReport] = []
        for item in json.items("items") ?? [] { leases.append(try Self.report(item, answer, body: [])) }
        return (leases, json.text("next"), answer.body)
    }

    private static func path(_ id: String) -> String {
        "/leases/" + percentEncoded(Array(id.utf8))
    }

    private static func report(_ answer: Answer) throws(ClientError) -> LeaseReport {
        try report(try answer.json(), answer, body: answer.body)
    }

    private static func report(
        _ json: JSONValue, _ answer: Answer, body: [UInt8]
    ) throws(ClientError) -> LeaseReport {
        let left = json.number("remaining_ms") ?? json.number("expires_in_ms")
        return LeaseReport(
            id: json.text("id") ?? "",
            timeToLive: .milliseconds(Int(try json.need("ttl_ms", in: answer))),
            remaining: left.map { .milliseconds(Int($0)) }, json: json, body: body)
    }
}
