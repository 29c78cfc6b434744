// Plans for what changes the keyspace.

import HTTP
import Primitives
import Store

extension NativeAPI {
    func planPut(_ asked: Asked) throws(Problem) -> Plan {
        let key = try checked(key: asked.capture)
        let request = asked.request
        if request.body.isEmpty, request.field("content-length") == nil,
            request.field("transfer-encoding") == nil
        {
            throw Problem(.lengthRequired, "PUT needs a body; an empty value is stored with -d ''")
        }
        guard request.body.count <= settings.limits.valueBytes else {
            throw Problem(
                .contentTooLarge,
                "a value has up to \(settings.limits.valueBytes) bytes, this one has \(request.body.count)")
        }
        let (condition, source) = try condition(asked)
        let returnPrevious = try asked.parameters.flag(.prev)
        let operation: Store.Operation
        if let lease = try leaseChoice(asked.parameters) {
            try Self.check(leased: key)
            operation = .leasedPut(
                key: key, value: request.body, guard: condition, returnPrevious: returnPrevious, lease: lease)
        } else {
            operation = .put(
                key: key, value: request.body, guard: condition, returnPrevious: returnPrevious)
        }
        return .write(try write(.operation(operation), .put(key: key), asked, condition: source))
    }

    func planDelete(_ asked: Asked) throws(Problem) -> Plan {
        let key = try checked(key: asked.capture)
        let (condition, source) = try condition(asked)
        if condition == .absent { throw Problem(.badRequest, "DELETE takes no If-None-Match") }
        let operation = Operation.delete(
            key: key, guard: condition, returnPrevious: try asked.parameters.flag(.prev),
            mustExist: try asked.parameters.flag(.mustExist))
        return .write(try write(.operation(operation), .delete(key: key), asked, condition: source))
    }

    func planIncrement(_ asked: Asked) throws(Problem) -> Plan {
        let key = try checked(key: asked.capture)
        guard let op = asked.parameters[.op] else {
            throw Problem(.badRequest, "POST on a key needs op=incr; to store a value use PUT")
        }
        guard op.elementsEqual("incr".utf8) else {
            throw asked.parameters.bad(.op, op, "is incr")
        }
        var amount: Int64 = 1
        if let by = asked.parameters[.by] {
            guard let number = signedDecimal(by) else {
                throw asked.parameters.bad(.by, by, "is a whole number of 64 bits such as 1 or -1")
            }
            amount = number
        }
        return .write(try write(.operation(.increment(key: key, by: amount)), .increment, asked))
    }

    func planDeleteRange(_ asked: Asked) throws(Problem) -> Plan {
        let all = try asked.parameters.flag(.all)
        let range = try range(asked.parameters).range
        if range == .all && !all {
            throw Problem(
                .badRequest, "deleting every key needs all=true; otherwise give prefix, or start and end")
        }
        if all && range != .all {
            throw Problem(.badRequest, "all=true is for every key and goes without prefix, start or end")
        }
        return .write(try write(.operation(.deleteRange(range)), .deleteRange, asked))
    }

    func planCompact(_ asked: Asked) throws(Problem) -> Plan {
        try asked.parameters.refuse(.keep, with: .revision)
        if let revision = try asked.parameters.revision(.revision) {
            return .write(try write(.operation(.compact(revision)), .compact, asked))
        }
        guard let keep = try asked.parameters.number(.keep, in: 0...(.max)) else {
            throw Problem(
                .badRequest, "compact needs revision=, the oldest to keep, or keep=, how many to keep")
        }
        return .write(try write(.compactKeeping(keep), .compact, asked))
    }

    func write(
        _ change: WritePlan.Change, _ form: WritePlan.Form, _ asked: Asked,
        condition: WritePlan.Condition? = nil
    ) throws(Problem) -> WritePlan {
        WritePlan(
            change: change, timeout: try timeout(asked.parameters), routing: try routing(asked.parameters),
            traits: asked.traits, target: asked.target, form: form, condition: condition, hold: nil,
            once: try onceKey(asked), fences: try fences(asked))
    }

    /// The guard that the headers or parameters ask for, and which of them. Two conditions at once are
    /// refused: dropping one would make the write less conditional than it was meant.
    private func condition(_ asked: Asked) throws(Problem) -> (
        condition: Guard?, source: WritePlan.Condition?
    ) {
        let request = asked.request
        let parameters = asked.parameters
        let match = try EntityTags.read("if-match", of: request)
        let noneMatch = try EntityTags.read("if-none-match", of: request)
        let revision = try parameters.revision(.ifRevision)
        let absent = try parameters.flag(.ifAbsent)
        let count =
            (match == nil ? 0 : 1) + (noneMatch == nil ? 0 : 1) + (revision == nil ? 0 : 1) + (absent ? 1 : 0)
        if count == 0 { return (nil, nil) }
        guard count == 1 else {
            throw Problem(
                .badRequest, "only one of If-Match, If-None-Match, if_rev and if_absent may be given")
        }
        if let revision { return (.revision(revision), .ifRevision) }
        if absent { return (.absent, .ifAbsent) }
        switch match {
        case .any: return (.exists, .ifMatch)
        case .revisions(let revisions):
            guard revisions.count <= 1 else {
                throw Problem(.badRequest, "If-Match on a write takes one revision, not a list")
            }
            // A tag that none of our keys can have, such as a weak one, matches nothing (RFC 9110, 13.1.1).
            return (.revision(revisions.first ?? WritePlan.noRevision), .ifMatch)
        case nil: break
        }
        guard noneMatch == .any else {
            throw Problem(.badRequest, "If-None-Match on a write takes only *: create, but never overwrite")
        }
        return (.absent, .ifNoneMatch)
    }

    /// A key within its limits.
    func checked(key: [UInt8]) throws(Problem) -> [UInt8] {
        guard !key.isEmpty else { throw Problem(.badKey, "the key is empty") }
        guard key.count <= settings.limits.keyBytes else {
            throw Problem(
                .badKey, "a key has up to \(settings.limits.keyBytes) bytes, this one has \(key.count)")
        }
        return key
    }

    func timeout(_ parameters: Parameters) throws(Problem) -> Instant.Span {
        try parameters.span(.timeout, most: settings.limits.maximumTimeout, orZero: false)
            ?? settings.limits.timeout
    }

    func routing(_ parameters: Parameters) throws(Problem) -> Routing {
        enum Forwarding: String { case never, always }
        let forwarding = try parameters.choice(.forward, of: Forwarding.self, words: "never or always")
        let redirects = try parameters.flag(.redirect)
        if redirects && forwarding != nil {
            throw Problem(.badRequest, "redirect and forward exclude each other")
        }
        if redirects { return .redirect }
        switch forwarding {
        case .never: return .never
        case .always: return .forward
        case nil: return parameters.prefersRedirect && parameters[.redirect] == nil ? .redirect : .forward
        }
    }

    /// The keys that `prefix`, or `start` and `end`, name; every key if none of them is given.
    func range(_ parameters: Parameters) throws(Problem) -> (range: KeyRange, prefixCount: Int) {
        try parameters.refuse(.start, .end, with: .prefix)
        for name in [Parameter.prefix, .start, .end] {
            guard let value = parameters[name], value.count > settings.limits.keyBytes else { continue }
            throw Problem(.badKey, "\(name.rawValue) has up to \(settings.limits.keyBytes) bytes")
        }
        if let prefix = parameters[.prefix] { return (.prefix(prefix), prefix.count) }
        let range = KeyRange(start: parameters[.start] ?? [], end: parameters[.end])
        if range.isEmpty { throw Problem(.badRequest, "start has to come before end") }
        return (range, 0)
    }
}
