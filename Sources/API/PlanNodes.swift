// Plans for questions about nodes, for leadership, and for messages between nodes.

import HTTP
import JSON
import Primitives

extension NativeAPI {
    func planLocal(_ route: RouteID, _ asked: Asked) throws(Problem) -> LocalPlan {
        let view = try view(route, asked)
        return LocalPlan(
            view: view,
            freshness: try freshness(
                asked.parameters, unlessSaid: .stale(maxLag: nil, orLinearizable: false)),
            traits: asked.traits)
    }

    private func view(_ route: RouteID, _ asked: Asked) throws(Problem) -> LocalPlan.View {
        switch route {
        case .state: return .state
        case .clock, .clockNow, .clockSkew, .tickClock, .observeClock:
            return .clock(try clockQuestion(route, asked))
        case .gossip: return .gossip
        case .detector: return .detector
        case .cluster: return .cluster
        case .members: return .members
        case .member: return .member(try asked.name("member's name"))
        case .leader: return .leader
        case .raft: return .raft
        case .raftLog:
            return .raftLog(
                from: try asked.parameters.number(.from, in: 1...(.max)).map { LogIndex($0) },
                limit: try count(.limit, asked, default: 100))
        case .raftTransitions:
            return .transitions(
                limit: try count(.limit, asked, default: 100),
                wait: try asked.parameters.span(.wait, most: settings.limits.maximumWait))
        case .livez, .livezCheck: return .probe(try probe(.livez, asked))
        case .readyz, .readyzCheck: return .probe(try probe(.readyz, asked))
        case .startupz, .startupzCheck: return .probe(try probe(.startupz, asked))
        case .health:
            let accept = asked.request.fieldText("accept")?.lowercased() ?? ""
            let full = try asked.parameters.flag(.full)
            return .health(full: full || accept.contains("application/health+json"))
        case .metrics:
            let accept = asked.request.fieldText("accept")?.lowercased() ?? ""
            return .metrics(openMetrics: accept.contains("application/openmetrics-text"))
        case .readInbox: return .inbox(try inbox(asked))
        case .acknowledgeInbox: return try acknowledgement(asked)
        default:
            preconditionFailure("\(route) is not a question about this node")
        }
    }

    private func count(
        _ name: Parameter, _ asked: Asked, default standard: Int, most: UInt64 = 10_000
    ) throws(Problem) -> Int {
        try asked.parameters.number(name, in: 1...most).map { Int($0) } ?? standard
    }

    private func probe(_ kind: ProbeQuery.Kind, _ asked: Asked) throws(Problem) -> ProbeQuery {
        var query = ProbeQuery(kind: kind)
        if !asked.capture.isEmpty { query.check = try asked.name("check's name") }
        query.isVerbose = try asked.parameters.flag(.verbose)
        if let excluded = try asked.parameters.text(.exclude) {
            query.excluded = excluded.split(separator: ",").map(String.init)
        }
        return query
    }

    private func inbox(_ asked: Asked) throws(Problem) -> InboxQuery {
        enum Acknowledgement: String { case auto, none }
        let parameters = asked.parameters
        let word = try parameters.choice(.ack, of: Acknowledgement.self, words: "auto or none")
        return InboxQuery(
            participant: try asked.name("participant's name"),
            wait: try parameters.span(.wait, most: settings.limits.maximumWait) ?? parameters.preferredWait,
            max: try count(.max, asked, default: 10, most: 1000), channel: try channel(parameters),
            takes: word == .auto)
    }

    private func acknowledgement(_ asked: Asked) throws(Problem) -> LocalPlan.View {
        try asked.parameters.refuse(.id, with: .upto)
        let participant = try asked.name("participant's name")
        if let id = try asked.parameters.text(.id) {
            return .acknowledge(participant: participant, id: id, andAllBefore: false)
        }
        guard let id = try asked.parameters.text(.upto) else {
            throw Problem(.badRequest, "ack needs id=, one message, or upto=, that one and all before it")
        }
        return .acknowledge(participant: participant, id: id, andAllBefore: true)
    }

    func planTransfer(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let timeout = try timeout(parameters)
        let wait = try parameters.span(.wait, most: settings.limits.maximumTimeout, orZero: false) ?? timeout
        return .transfer(
            TransferPlan(
                to: try parameters.text(.to), wait: wait, routing: try routing(parameters),
                traits: asked.traits, target: asked.target))
    }
}

// MARK: - Messages

extension NativeAPI {
    func planMessageTo(_ asked: Asked) throws(Problem) -> Plan {
        let name = try asked.name("recipient's name")
        return .message(
            try message(
                to: name == "*" ? .all : .named([name]), channel: channel(asked.parameters),
                from: asked.parameters.text(.from), body: asked.request.body, asked))
    }

    func planMessage(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        var fields = MessageFields()
        try fields.read(asked.request.body)
        guard let to = fields.to else { throw Self.missing("to", "a name, a list of names, or \"*\"") }
        guard let body = fields.body else { throw Self.missing("body", "text, or body_b64 with base 64") }
        return .message(
            try message(to: to, channel: fields.channel, from: fields.from, body: body, asked))
    }

    private static func missing(_ field: String, _ what: String) -> Problem {
        Problem(.invalid, "\(field) is missing: \(what)")
            .with("errors", .errors([.init(field: field, message: "is missing")]))
    }

    private func message(
        to: MessagePlan.Recipients, channel: String?, from: String?, body: [UInt8], _ asked: Asked
    ) throws(Problem) -> MessagePlan {
        try check(body, channel: channel, from: from)
        return MessagePlan(
            to: to, channel: channel ?? "default", body: body, from: from ?? settings.nodeName,
            timeout: try timeout(asked.parameters), traits: asked.traits)
    }

    /// Refuses messages that are too long, or come under names that are.
    func check(_ body: [UInt8], channel: String?, from: String?) throws(Problem) {
        guard body.count <= settings.limits.messageBytes else {
            throw Problem(
                .contentTooLarge,
                "a message has up to \(settings.limits.messageBytes) bytes, this one has \(body.count)")
        }
        for (field, text) in [("channel", channel), ("from", from)] where text?.utf8.count ?? 0 > 256 {
            throw Problem(.badRequest, "\(field) has up to 256 bytes")
        }
    }

    func channel(_ parameters: Parameters) throws(Problem) -> String? {
        guard let channel = try parameters.text(.channel) else { return nil }
        guard !channel.isEmpty, channel.utf8.count <= 256 else {
            throw Problem(.badRequest, "channel has 1 to 256 bytes")
        }
        return channel
    }

    /// Refuses bodies that can't be JSON in UTF-8. A missing type and curl's default one are taken, because
    /// the origin check, not the type, keeps other sites' pages out.
    func expectJSON(_ request: HTTP.Request) throws(Problem) {
        guard let type = request.fieldText("content-type")?.lowercased() else { return }
        let parts = type.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\"" } }
        let charset = parts.dropFirst().first { $0.hasPrefix("charset=") }?.dropFirst(8)
        let isText = ["text/plain", "application/x-www-form-urlencoded", "application/json"].contains(
            parts.first)
        guard isText || parts.first?.hasSuffix("+json") ?? false, charset ?? "utf-8" == "utf-8" else {
            throw Problem(.unsupportedMediaType, "the body has to be JSON in UTF-8: with curl use --json")
        }
    }
}

/// The members of a message's JSON form.
private struct MessageFields {
    var to: MessagePlan.Recipients?
    var channel: String?
    var from: String?
    var body: [UInt8]?

    private static let names = ["to", "channel", "from", "body", "body_b64"]
    private static let later: Set<String> = ["delivery", "ordering", "ttl_ms", "key", "wait"]

    mutating func read(_ json: [UInt8]) throws(Problem) {
        do {
            var reader = try JSONReader(json)
            try reader.beginObject()
            while let name = try reader.nextName() {
                switch name {
                case "to": to = try Self.recipients(&reader)
                case "channel": channel = try reader.string()
                case "from": from = try reader.string()
                case "body": try take(reader.bytes())
                case "body_b64": try take(reader.base64())
                default: throw Self.unknown(name)
                }
            }
            try reader.finish()
        } catch { throw Problem(reading: error) }
    }

    private mutating func take(_ bytes: [UInt8]) throws(Problem) {
        guard body == nil else { throw Problem(.badJSON, "body and body_b64 exclude each other") }
        body = bytes
    }

    private static func recipients(_ reader: inout JSONReader) throws -> MessagePlan.Recipients {
        guard try reader.peek() == .array else {
            let name = try reader.string()
            return name == "*" ? .all : .named([name])
        }
        var names: [String] = []
        try reader.beginArray()
        while try reader.nextElement() {
            let name = try reader.string()
            if !names.contains(name) { names.append(name) }
            guard names.count <= 128 else {
                throw Problem(.badRequest, "a message goes to up to 128 recipients")
            }
        }
        guard !names.isEmpty else {
            throw Problem(.badRequest, "the list of recipients is empty")
        }
        return names.contains("*") ? .all : .named(names)
    }

    private static func unknown(_ name: String) -> Problem {
        let shown = readable(name.utf8)
        if later.contains(name) {
            return Problem(.notImplemented, "the member \(shown) is not supported yet")
                .with("parameter", .text(shown))
        }
        let problem = Problem(
            .unknownParameter, "a message has no member \(shown); it has \(names.joined(separator: ", "))"
        ).with("parameter", .text(shown))
        guard let suggestion = nearest(to: name, among: names) else { return problem }
        return problem.with("nearest", .text(suggestion))
    }
}
