// Plans for leases, and for keys under leases.

import HTTP
import Primitives
import Store

extension NativeAPI {
    /// `POST /leases?ttl=30s`: a new lease, kept for as long as the connection stays open with `hold`.
    func planGrantLease(_ asked: Asked) throws(Problem) -> Plan {
        enum OnExpire: String { case delete, release }
        let parameters = asked.parameters
        guard let timeToLive = try timeToLive(parameters) else {
            throw Problem(.badRequest, "a lease needs ttl, from 1s to 24h").with("parameter", .text("ttl"))
        }
        var terms = LeaseTerms(timeToLive: timeToLive)
        if let id = try parameters.text(.id) {
            guard Store.Limits.isLeaseID(id) else {
                throw parameters.bad(
                    .id, Array(id.utf8),
                    "has 1 to \(Store.Limits.leaseIDBytes) bytes and no control characters")
            }
            terms.id = id
        }
        terms.name = try short(.name, parameters, most: 255)
        terms.meta = try short(.meta, parameters, most: 4096)
        let end = try parameters.choice(.onExpire, of: OnExpire.self, words: "delete or release")
        terms.end = end == .release ? .release : .delete
        if let value = parameters[.lockDelay] {
            let most = settings.limits.maximumLockDelay
            guard let delay = parseSpan(value), delay <= most else {
                throw Problem(
                    .badDuration,
                    "lock_delay is up to \(most.milliseconds / 1000)s, not '\(readable(value))'"
                ).with("parameter", .text("lock_delay"))
            }
            terms.lockDelay = delay.milliseconds
        }
        return .write(try hold(.grant(terms), asked))
    }

    /// `POST /leases/{id}/renew`.
    func planRenewLease(_ asked: Asked) throws(Problem) -> Plan {
        let id = try leaseID(asked)
        let timeToLive = try timeToLive(asked.parameters)
        return .write(try lease(.renew(id: id, timeToLive: timeToLive), asked))
    }

    /// `GET /leases/{id}/hold`: keeps a lease for as long as the connection stays open.
    func planHoldLease(_ asked: Asked) throws(Problem) -> Plan {
        .write(try held(try lease(.renew(id: try leaseID(asked), timeToLive: nil), asked), asked))
    }

    /// `DELETE /leases/{id}`.
    func planRevokeLease(_ asked: Asked) throws(Problem) -> Plan {
        .write(try lease(.revoke(id: try leaseID(asked)), asked))
    }

    /// `GET /leases`, `GET /leases/{id}`.
    func planLeases(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        var after: String?
        if let cursor = parameters[.cursor] {
            guard case .key(let last)? = CursorPosition(cursor, of: LeaseQuery.fingerprint)?.place else {
                throw parameters.bad(.cursor, cursor, "is what the next member of a list of leases said")
            }
            after = String(decoding: last, as: UTF8.self)
        }
        let query = LeaseQuery(
            id: asked.capture.isEmpty ? nil : try leaseID(asked), withKeys: try parameters.flag(.keys),
            limit: try limit(parameters) ?? settings.limits.pageCount, after: after,
            link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .leases(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    /// The lease that a key is put under: `ttl`, `lease` or `keep_lease`; nil if none of them is given.
    func leaseChoice(_ parameters: Parameters) throws(Problem) -> LeaseChoice? {
        try parameters.refuse(.lease, .keepLease, with: .ttl)
        try parameters.refuse(.keepLease, with: .lease)
        if let milliseconds = try timeToLive(parameters) { return .own(milliseconds: milliseconds) }
        if let id = try parameters.text(.lease) { return .existing(id) }
        return try parameters.flag(.keepLease) ? .kept : nil
    }

    /// Refuses a key that is too long to be under a lease.
    static func check(leased key: [UInt8]) throws(Problem) {
        let most = Store.Limits.leasedKeyBytes
        guard key.count <= most else {
            throw Problem(
                .badKey, "a key under a lease has up to \(most) bytes, this one has \(key.count)")
        }
    }

    /// `ttl`, in milliseconds; nil if it was not given.
    func timeToLive(_ parameters: Parameters) throws(Problem) -> Int64? {
        guard let value = parameters[.ttl] else { return nil }
        let bounds = Instant.Span.seconds(1)...Instant.Span.seconds(86_400)
        guard let span = parseSpan(value), bounds.contains(span) else {
            throw Problem(.badDuration, "ttl is from 1s to 24h, not '\(readable(value))'")
                .with("parameter", .text("ttl"))
        }
        return span.milliseconds
    }

    private func leaseID(_ asked: Asked) throws(Problem) -> String {
        let id = try asked.name("id of a lease")
        guard !id.isEmpty else { throw Problem(.badRequest, "the id of the lease is empty") }
        return id
    }

    private func short(_ name: Parameter, _ parameters: Parameters, most: Int) throws(Problem) -> String {
        guard let text = try parameters.text(name) else { return "" }
        guard text.utf8.count <= most else {
            throw parameters.bad(name, Array(text.utf8.prefix(40)), "has up to \(most) bytes")
        }
        return text
    }

    private func lease(_ command: LeaseCommand, _ asked: Asked) throws(Problem) -> WritePlan {
        try write(.operation(.coordinate(.lease(command))), .lease, asked)
    }

    private func hold(_ command: LeaseCommand, _ asked: Asked) throws(Problem) -> WritePlan {
        try heldIfAsked(try lease(command, asked), asked)
    }

    /// The plan of a write that gives something under a lease: with `hold` it is kept for as long as the
    /// connection stays open.
    func heldIfAsked(_ plan: WritePlan, _ asked: Asked) throws(Problem) -> WritePlan {
        try asked.parameters.demand(.hold, for: .onDisconnect)
        return try asked.parameters.flag(.hold) ? held(plan, asked) : plan
    }

    /// The plan of a write whose answer is the first line of a stream, which keeps what the write gave. There
    /// is no stream for those who want no body.
    private func held(_ plan: WritePlan, _ asked: Asked) throws(Problem) -> WritePlan {
        try refuseOnceKey(asked)
        var plan = plan
        let wish = HoldPlan(endsAtOnce: try endsAtOnce(asked.parameters))
        if !plan.traits.flags.contains(.isHead) { plan.hold = wish }
        plan.traits.flags.subtract([.pretty, .minimal])
        return plan
    }

    private func endsAtOnce(_ parameters: Parameters) throws(Problem) -> Bool {
        enum OnDisconnect: String { case revoke, expire }
        return try parameters.choice(.onDisconnect, of: OnDisconnect.self, words: "revoke or expire")
            == .revoke
    }
}

/// A wish to keep what a write gave for as long as the client stays connected.
public struct HoldPlan: Sendable {
    /// Whether it ends with the connection; else its time runs out afterwards.
    public let endsAtOnce: Bool
}

/// A question about leases.
public struct LeaseQuery: Sendable {
    static let fingerprint = fnv1a("leases".utf8)

    /// Which; nil: all.
    let id: String?
    let withKeys: Bool
    let limit: Int
    /// Only those after this id.
    let after: String?
    let link: PageLink
}
