// Plans for barriers.

import HTTP
import Primitives
import Store

/// A question about barriers.
public struct BarrierQuery: Sendable {
    static let fingerprint = fnv1a("barriers".utf8)

    /// Which; nil: all.
    let name: String?
    let limit: Int
    /// Only those after this name.
    let after: String?
    let link: PageLink
}

extension NativeAPI {
    /// `PUT /barriers/{barrier}?parties=3`.
    func planConfigureBarrier(_ asked: Asked) throws(Problem) -> Plan {
        enum Generations: String { case cyclic, once }
        let parameters = asked.parameters
        guard let parties = try parties(parameters) else {
            throw Problem(.badRequest, "a barrier needs parties, how many have to arrive")
                .with("parameter", .text("parties"))
        }
        var terms = BarrierTerms(parties: parties)
        terms.timeToLive = try milliseconds(.ttl, parameters, from: 1) ?? 0
        let kind = try parameters.choice(.generations, of: Generations.self, words: "cyclic or once")
        terms.isOnce = kind == .once
        return .write(try barrier(.configure(try thing("barrier", asked), terms), asked))
    }

    /// `POST /barriers/{barrier}/arrive?member=w1&wait=60s`.
    func planArrive(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        var arrival = Arrival(member: try member(parameters))
        arrival.wait = try wait(parameters)?.milliseconds ?? 0
        arrival.parties = try parties(parameters)
        arrival.generation = try parameters.number(.generation, in: 1...(1 << 53))
        if let lease = try parameters.text(.lease) {
            guard Store.Limits.isLeaseID(lease) else {
                throw Self.problem(CoordinationRefusal.leaseNotFound(readable(lease.utf8)))
            }
            arrival.lease = lease
        }
        return .write(try barrier(.arrive(try thing("barrier", asked), arrival), asked))
    }

    /// `POST /barriers/{barrier}/leave?member=w1&wait=60s`.
    func planLeave(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let command = BarrierCommand.leave(
            try thing("barrier", asked), member: try member(parameters),
            wait: try wait(parameters)?.milliseconds ?? 0)
        return .write(try barrier(command, asked))
    }

    /// `POST /barriers/{barrier}/reset`.
    func planResetBarrier(_ asked: Asked) throws(Problem) -> Plan {
        .write(try barrier(.reset(try thing("barrier", asked)), asked))
    }

    /// `DELETE /barriers/{barrier}`.
    func planDeleteBarrier(_ asked: Asked) throws(Problem) -> Plan {
        .write(try barrier(.delete(try thing("barrier", asked)), asked))
    }

    /// `GET /barriers` and `GET /barriers/{barrier}`.
    func planBarriers(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let query = BarrierQuery(
            name: asked.capture.isEmpty ? nil : try thing("barrier", asked),
            limit: try limit(parameters) ?? settings.limits.pageCount,
            after: try place(parameters, in: BarrierQuery.fingerprint), link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .barriers(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    private func barrier(_ command: BarrierCommand, _ asked: Asked) throws(Problem) -> WritePlan {
        try write(.operation(.coordinate(.barrier(command))), .barrier(command.name), asked)
    }

    private func parties(_ parameters: Parameters) throws(Problem) -> Int? {
        try parameters.number(.parties, in: 1...UInt64(Store.Limits.parties)).map { Int($0) }
    }

    private func member(_ parameters: Parameters) throws(Problem) -> String {
        guard let member = try parameters.text(.member) else {
            throw Problem(.badRequest, "member is missing: a name that is the party's own")
                .with("parameter", .text("member"))
        }
        guard Store.Limits.isName(member) else {
            throw parameters.bad(
                .member, Array(member.utf8),
                "has 1 to \(Store.Limits.nameBytes) bytes and no control characters")
        }
        return member
    }
}
