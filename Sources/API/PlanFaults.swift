// Plans for faults on links.

import Faults
import HTTP
import JSON
import Primitives

extension NativeAPI {
    func planFault(_ route: RouteID, _ asked: Asked) throws(Problem) -> FaultPlan {
        // The nodes are told within two seconds; but a client may say how long it would wait.
        _ = try timeout(asked.parameters)
        return FaultPlan(action: try action(route, asked), traits: asked.traits)
    }

    private func action(_ route: RouteID, _ asked: Asked) throws(Problem) -> FaultPlan.Action {
        switch route {
        case .listFaults: return .list
        case .healFaults: return .heal(nil)
        case .healFault: return .heal(try asked.name("fault's id"))
        case .pauseNode:
            let span = try length(.for, asked, atMost: FaultTable.longestPause)
            return .pause(try asked.name("node's name"), span)
        case .partition: return try partition(asked)
        case .setLinkFault:
            let from = try asked.name("sender's name")
            let to = try asked.secondName("recipient's name")
            guard from != to || from == "*" else {
                throw unsound("to", "a node's messages to itself take no link")
            }
            try expectJSON(asked.request)
            var fields = LinkFields()
            do { try fields.read(asked.request.body) } catch { throw Problem(reading: error) }
            guard fields.effect.acts else {
                throw unsound(
                    "drop", "the fault does nothing: give drop, delay_ms, duplicate, reorder or block")
            }
            return .link(
                from: from, to: to, fields.effect, hasSeed: fields.hasSeed, ttl: try ttl(asked, fields.ttl))
        default: preconditionFailure("\(route) is not about faults")
        }
    }

    private func partition(_ asked: Asked) throws(Problem) -> FaultPlan.Action {
        try expectJSON(asked.request)
        var fields = PartitionFields()
        do { try fields.read(asked.request.body) } catch { throw Problem(reading: error) }
        let ttl = try ttl(asked, fields.ttl)
        if let from = fields.from, let to = fields.to {
            guard fields.groups == nil, fields.bridge == nil else {
                throw unsound("groups", "exclude from and to")
            }
            guard let both = from.first(where: to.contains) else {
                return .oneWay(from: from, to: to, ttl: ttl)
            }
            throw unsound("to", "'\(readable(both.utf8))' is in from, too")
        }
        guard fields.from == nil, fields.to == nil else {
            throw unsound(fields.from == nil ? "from" : "to", "is missing: a one-way cut has from and to")
        }
        guard let groups = fields.groups else { throw unsound("groups", "is missing") }
        var seen: Set<String> = []
        for name in groups.joined() where !seen.insert(name).inserted {
            throw unsound("groups", "names '\(readable(name.utf8))' twice")
        }
        for name in fields.bridge ?? [] where !seen.insert(name).inserted {
            throw unsound("bridge", "'\(readable(name.utf8))' is named twice")
        }
        return .groups(groups, bridge: fields.bridge ?? [], ttl: ttl)
    }

    /// The time after which a fault heals, from the query or from the body.
    private func ttl(_ asked: Asked, _ given: Instant.Span?) throws(Problem) -> Instant.Span {
        guard let given else { return try length(.ttl, asked, atMost: FaultTable.longest) }
        guard asked.parameters[.ttl] == nil else {
            throw Problem(.badRequest, "ttl is given twice, in the query and in the body")
                .with("parameter", .text("ttl"))
        }
        return try bounded(given, "ttl", FaultTable.longest)
    }

    private func length(
        _ name: Parameter, _ asked: Asked, atMost most: Instant.Span
    ) throws(Problem) -> Instant.Span {
        let any = Instant.Span(nanoseconds: .max)
        guard let span = try asked.parameters.span(name, most: any, orZero: false) else {
            throw unsound(
                name.rawValue,
                "is missing: no fault lasts for ever; it may be up to \(most.milliseconds / 1000)s")
        }
        return try bounded(span, name.rawValue, most)
    }

    private func bounded(
        _ span: Instant.Span, _ name: String, _ most: Instant.Span
    ) throws(Problem) -> Instant.Span {
        guard span > .zero, span <= most else {
            throw unsound(name, "is more than nothing and up to \(most.milliseconds / 1000)s")
        }
        return span
    }
}

/// A problem with one member of the body, or with a parameter of that name.
private func unsound(_ field: String, _ message: String) -> Problem {
    Problem(.invalid, "\(field): \(message)").with("errors", .errors([.init(field: field, message: message)]))
}

private func unknown(_ member: String, of thing: String, _ names: [String]) -> Problem {
    let shown = readable(member.utf8)
    let problem = Problem(
        .unknownParameter, "\(thing) has no member \(shown); it has \(names.joined(separator: ", "))"
    ).with("parameter", .text(shown))
    guard let suggestion = nearest(to: member, among: names) else { return problem }
    return problem.with("nearest", .text(suggestion))
}

/// A length of time in a body: `"60s"`, or a number of seconds.
private func span(_ reader: inout JSONReader, named name: String) throws -> Instant.Span {
    let text = try reader.peek() == .string ? try reader.bytes() : Array("\(try reader.uint64())".utf8)
    guard let span = parseSpan(text) else {
        throw Problem(
            .badDuration, "\(name) is a length of time such as 250ms, 30s or 5m, not '\(readable(text))'"
        ).with("parameter", .text(name))
    }
    return span
}

/// The members of a link's fault.
private struct LinkFields {
    var effect = LinkEffect()
    var hasSeed = false
    var ttl: Instant.Span?

    private static let names = ["drop", "delay_ms", "duplicate", "reorder", "block", "seed", "ttl"]

    mutating func read(_ json: [UInt8]) throws {
        var reader = try JSONReader(json)
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "drop": effect.drop = try Self.likelihood(&reader, name)
            case "duplicate": effect.duplicate = try Self.likelihood(&reader, name)
            case "reorder": effect.reorder = try Self.likelihood(&reader, name)
            case "block": effect.blocks = try reader.bool()
            case "delay_ms": effect.delay = try Self.delay(&reader)
            case "seed":
                effect.seed = try reader.uint64()
                guard effect.seed < 1 << 53 else { throw unsound(name, "is below 2^53") }
                hasSeed = true
            case "ttl": ttl = try span(&reader, named: name)
            case "corrupt", "bandwidth_bps":
                guard try reader.double() == 0 else {
                    throw Problem(.notImplemented, "the member \(name) is not supported yet")
                        .with("parameter", .text(name))
                }
            default: throw unknown(name, of: "a link's fault", Self.names)
            }
        }
        try reader.finish()
    }

    private static func likelihood(_ reader: inout JSONReader, _ name: String) throws -> Double {
        let likelihood = try reader.double()
        guard (0...1).contains(likelihood) else { throw unsound(name, "is a likelihood from 0 to 1") }
        return likelihood
    }

    /// `{"min":20,"max":200,"dist":"uniform"}`, or one number for both.
    private static func delay(_ reader: inout JSONReader) throws -> FaultDelay? {
        guard try reader.peek() == .object else {
            let both = try milliseconds(&reader, "delay_ms")
            return both == .zero ? nil : FaultDelay(least: both, greatest: both)
        }
        var bounds: [String: Instant.Span] = [:]
        var distribution = FaultDelay.Distribution.uniform
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "min", "max": bounds[name] = try milliseconds(&reader, "delay_ms.\(name)")
            case "dist":
                guard let known = FaultDelay.Distribution(rawValue: try reader.string()) else {
                    throw unsound("delay_ms.dist", "is uniform, normal or pareto")
                }
                distribution = known
            default: throw unknown(name, of: "delay_ms", ["min", "max", "dist"])
            }
        }
        guard let greatest = bounds["max"] ?? bounds["min"] else {
            throw unsound("delay_ms.max", "is missing")
        }
        let least = bounds["min"] ?? .zero
        guard least <= greatest else { throw unsound("delay_ms.min", "is greater than max") }
        return greatest == .zero
            ? nil : FaultDelay(least: least, greatest: greatest, distribution: distribution)
    }

    private static func milliseconds(_ reader: inout JSONReader, _ name: String) throws -> Instant.Span {
        let number = try reader.double()
        let most = FaultDelay.most.milliseconds
        guard number >= 0, number <= Double(most) else { throw unsound(name, "is from 0 to \(most)") }
        return Instant.Span(nanoseconds: Int64(number * 1e6))
    }
}

/// The members of a partition.
private struct PartitionFields {
    var groups: [[String]]?
    var bridge: [String]?
    var from: [String]?
    var to: [String]?
    var ttl: Instant.Span?

    mutating func read(_ json: [UInt8]) throws {
        var reader = try JSONReader(json)
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "groups":
                var groups: [[String]] = []
                try reader.beginArray()
                while try reader.nextElement() {
                    groups.append(try Self.names(&reader, name))
                    guard groups.count <= Partition.most else { throw unsound(name, "are too many") }
                }
                guard !groups.isEmpty else { throw unsound(name, "are none") }
                self.groups = groups
            case "bridge": bridge = try Self.names(&reader, name, orNone: true)
            case "from": from = try Self.names(&reader, name)
            case "to": to = try Self.names(&reader, name)
            case "ttl": ttl = try span(&reader, named: name)
            default: throw unknown(name, of: "a partition", ["groups", "bridge", "from", "to", "ttl"])
            }
        }
        try reader.finish()
    }

    private static func name(_ reader: inout JSONReader, _ field: String) throws -> String {
        let name = try reader.string()
        guard name.utf8.count <= 64 else { throw unsound(field, "names a node with more than 64 bytes") }
        return name
    }

    private static func names(
        _ reader: inout JSONReader, _ field: String, orNone: Bool = false
    ) throws -> [String] {
        guard try reader.peek() == .array else { return [try name(&reader, field)] }
        var names: [String] = []
        try reader.beginArray()
        while try reader.nextElement() {
            names.append(try name(&reader, field))
            guard names.count <= Partition.most else { throw unsound(field, "names too many nodes") }
        }
        guard orNone || !names.isEmpty else { throw unsound(field, "has a group without nodes") }
        return names
    }
}
