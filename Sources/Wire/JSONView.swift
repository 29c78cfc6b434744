// The same messages as JSON, for people with curl: what a node sends can be shown, and a message written by
// hand is understood. Numbers that may exceed 2^53 (incarnations, cluster ids, tokens) are hexadecimal text.
import Clocks
import Consensus
public import JSON
import Primitives
public import Replication

extension Envelope {
    /// The batch as JSON.
    public var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("cluster", .string(cluster.description)),
            .init("group", group.json),
            .init("from", from.json),
            .init("to", to.json),
            .init("incarnation", .string(hexadecimal(incarnation, digits: 16))),
            .init("batch", number(batch)),
        ]
        if let clock { members.append(.init("clock", clock.json)) }
        members.append(.init("messages", .array(messages.map(\.json))))
        return .object(members)
    }

    /// Reads a batch from JSON.
    public init(json text: [UInt8]) throws(WireError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: text)
        } catch {
            throw .json("not JSON: \(error)")
        }
        let object = try JSONFields(value, "envelope")
        try object.allowOnly(["cluster", "group", "from", "to", "incarnation", "batch", "clock", "messages"])
        cluster = ClusterID(try object.hexadecimal("cluster"))
        group = value["group"] == nil ? .first : try object.counter("group")
        from = try object.counter("from")
        to = try object.counter("to")
        incarnation = try object.hexadecimal("incarnation")
        batch = try object.unsigned("batch")
        if value["clock"] != nil {
            let fields = try JSONFields(try object.member("clock"), "clock")
            try fields.allowOnly(["unix_ms", "counter"])
            guard let milliseconds = Int64(exactly: try fields.unsigned("unix_ms")),
                let counter = UInt16(exactly: try fields.unsigned("counter"))
            else { throw .json("'clock' is no hybrid time") }
            clock = HybridTime(WallTime(milliseconds: milliseconds), counter)
        }
        messages = []
        for element in try object.array("messages") {
            messages.append(try PeerMessage(json: element, sender: from, recipient: to))
        }
    }
}

extension HybridTime {
    fileprivate var json: JSONValue {
        .object([
            .init("unix_ms", number(UInt64(max(0, wall.milliseconds)))),
            .init("counter", number(UInt64(counter))),
        ])
    }
}

extension PeerMessage {
    /// The message as JSON, its kind under `type`.
    public var json: JSONValue {
        switch self {
        case .consensus(let message): message.json
        case .forward(let forward):
            .object(
                [
                    .init("type", .string("forward")), .init("term", forward.term.json),
                    .init("commands", .array(forward.commands.map(base64))),
                ] + (forward.traces.isEmpty ? [] : [.init("traces", .array(forward.traces.map(\.json)))]))
        case .forwardRefused(let refusal):
            .object([
                .init("type", .string("forward_refused")), .init("term", refusal.term.json),
                .init("reason", .string(refusal.reason.name)),
                .init("requests", .array(refusal.requests.map { .string("\($0)") })),
            ])
        case .transfer(let target):
            .object([.init("type", .string("transfer")), .init("target", target?.json ?? .null)])
        case .note(let note):
            .object(
                [
                    .init("type", .string("note")), .init("sender", .string(note.sender)),
                    .init("recipient", .string(note.recipient)), .init("channel", .string(note.channel)),
                    .init("id", .string("\(note.id)")), .init("body_b64", base64(note.body)),
                ] + (note.trace?.members ?? []))
        }
    }

    init(json value: JSONValue, sender: NodeID, recipient: NodeID) throws(WireError) {
        let fields = try JSONFields(value, "message")
        let type = try fields.string("type")
        switch type {
        case "forward":
            var commands: [[UInt8]] = []
            for element in try fields.array("commands") { commands.append(try decodeBase64(element)) }
            var forward = Forward(term: try fields.counter("term"), commands: commands)
            for element in fields.has("traces") ? try fields.array("traces") : [] {
                let traced = try Forward.Traced(json: element)
                guard traced.place < commands.count, traced.place > forward.traces.last?.place ?? -1 else {
                    throw .json("'traces' name commands that are there, in their order, each once")
                }
                forward.traces.append(traced)
            }
            self = .forward(forward)
        case "transfer":
            self = .transfer(to: try fields.member("target").isNull ? nil : try fields.counter("target"))
        case "note", "forward_refused":
            // Both answer or accompany requests of a node's own, which nobody can make up by hand.
            throw .json("messages of type '\(type)' are shown as JSON but not accepted as JSON")
        default:
            self = .consensus(
                Message(
                    from: sender, to: recipient, term: try fields.counter("term"),
                    body: try Message.Body(type: type, fields)))
        }
    }
}

extension Message {
    fileprivate var json: JSONValue {
        let (type, members) = (body.kind.rawValue, body.members)
        return .object([.init("type", .string(type)), .init("term", term.json)] + members)
    }
}

extension Message.Body {
    fileprivate var members: [JSONValue.Member] {
        switch self {
        case .append(let append):
            [
                .init("previous", append.previous.json), .init("commit", append.commit.json),
                .init("entries", .array(append.entries.map(\.json))),
            ]
        case .appendResponse(let response): response.members
        case .heartbeat(let heartbeat):
            [
                .init("commit", heartbeat.commit.json), .init("round", number(heartbeat.round)),
                .init("leader_commit", heartbeat.leaderCommit.json),
            ]
        case .heartbeatResponse(let round): [.init("round", number(round))]
        case .voteRequest(let request):
            [.init("last", request.last.json), .init("transfer", .bool(request.isTransfer))]
        case .voteResponse(let response): [.init("granted", .bool(response.granted))]
        case .installSnapshot(let reference):
            [
                .init("position", reference.position.json),
                .init("configuration_b64", base64(reference.configuration.encode())),
            ]
        case .timeoutNow: []
        case .readIndexRequest(let token): [.init("token", .string(hexadecimal(token, digits: 16)))]
        case .readIndexResponse(let token, let index):
            [.init("token", .string(hexadecimal(token, digits: 16))), .init("index", index?.json ?? .null)]
        }
    }

    fileprivate init(type: String, _ fields: JSONFields) throws(WireError) {
        guard let kind = Message.Kind(rawValue: type) else {
            throw .json("'\(type)' is not a type of message")
        }
        switch kind {
        case .append:
            var entries: [Entry] = []
            let previous = try fields.position("previous")
            for element in try fields.array("entries") {
                let offset = UInt64(entries.count)
                guard previous.index.rawValue < .max - offset - 1 else {
                    throw .json("the index is too large")
                }
                entries.append(try Entry(json: element, index: previous.index + (offset + 1)))
            }
            self = .append(Append(previous: previous, entries: entries, commit: try fields.counter("commit")))
        case .appendResponse:
            let outcome: AppendResponse.Outcome =
                fields.has("matched")
                ? .matched(upTo: try fields.counter("matched"))
                : .rejected(hint: try fields.position("hint"), last: try fields.counter("last"))
            self = .appendResponse(
                AppendResponse(previous: try fields.position("previous"), outcome: outcome))
        case .heartbeat:
            self = .heartbeat(
                Heartbeat(
                    commit: try fields.counter("commit"), round: try fields.unsigned("round"),
                    leaderCommit: fields.has("leader_commit") ? try fields.counter("leader_commit") : nil))
        case .heartbeatResponse: self = .heartbeatResponse(round: try fields.unsigned("round"))
        case .voteRequest, .preVoteRequest:
            self = .voteRequest(
                VoteRequest(
                    last: try fields.position("last"), isPreVote: kind == .preVoteRequest,
                    isTransfer: try fields.bool("transfer")))
        case .voteResponse, .preVoteResponse:
            self = .voteResponse(
                VoteResponse(granted: try fields.bool("granted"), isPreVote: kind == .preVoteResponse))
        case .installSnapshot:
            guard
                let configuration = try? Configuration(
                    decoding: decodeBase64(try fields.member("configuration_b64")))
            else { throw .json("'configuration_b64' is not a configuration") }
            self = .installSnapshot(
                SnapshotReference(position: try fields.position("position"), configuration: configuration))
        case .timeoutNow: self = .timeoutNow
        case .readIndexRequest: self = .readIndexRequest(token: try fields.hexadecimal("token"))
        case .readIndexResponse:
            let index: LogIndex? = try fields.member("index").isNull ? nil : try fields.counter("index")
            self = .readIndexResponse(token: try fields.hexadecimal("token"), index: index)
        }
    }
}

extension AppendResponse {
    fileprivate var members: [JSONValue.Member] {
        switch outcome {
        case .matched(let index): [.init("previous", previous.json), .init("matched", index.json)]
        case .rejected(let hint, let last):
            [.init("previous", previous.json), .init("hint", hint.json), .init("last", last.json)]
        }
    }
}

extension Entry {
    fileprivate var json: JSONValue {
        .object([
            .init("index", index.json), .init("term", term.json), .init("kind", .string("\(kind)")),
            .init("payload_b64", base64(payload)),
        ])
    }

    fileprivate init(json value: JSONValue, index: LogIndex) throws(WireError) {
        let fields = try JSONFields(value, "entry")
        let kinds: [String: Kind] = ["noop": .noop, "command": .command, "configuration": .configuration]
        guard let kind = kinds[try fields.string("kind")] else {
            throw .json("'kind' is one of noop, command, configuration")
        }
        if fields.has("index") {
            let stated = try fields.counter("index", LogIndex.self)
            guard stated == index else { throw .json("entry \(stated) stands where \(index) belongs") }
        }
        self.init(
            index: index, term: try fields.counter("term"), kind: kind,
            payload: try decodeBase64(try fields.member("payload_b64")))
    }
}

extension TraceContext {
    fileprivate var members: [JSONValue.Member] {
        [.init("traceparent", .string(traceparent))]
            + (state.isEmpty ? [] : [.init("tracestate", .string(state))])
    }
}

extension Forward.Traced {
    fileprivate var json: JSONValue {
        .object([.init("command", number(UInt64(place)))] + trace.members)
    }

    fileprivate init(json value: JSONValue) throws(WireError) {
        let fields = try JSONFields(value, "trace")
        guard let place = Int(exactly: try fields.unsigned("command")) else {
            throw .json("'command' is too large")
        }
        let state = fields.has("tracestate") ? try fields.string("tracestate") : ""
        let parent = Array(try fields.string("traceparent").utf8)
        guard let trace = TraceContext(traceparent: parent[...], state: state) else {
            throw .json("'traceparent' and 'tracestate' are not a trace context")
        }
        self.init(place: place, trace: trace)
    }
}

extension ForwardRefusal.Reason {
    fileprivate var name: String {
        switch self {
        case .notLeader: "not_leader"
        case .overloaded: "overloaded"
        case .storageFull: "storage_full"
        }
    }
}

extension Counter {
    fileprivate var json: JSONValue { number(rawValue) }
}

extension LogPosition {
    fileprivate var json: JSONValue { .object([.init("index", index.json), .init("term", term.json)]) }
}

private func number(_ value: UInt64) -> JSONValue {
    Int64(exactly: value).map(JSONValue.integer) ?? .unsigned(value)
}

private func base64(_ bytes: [UInt8]) -> JSONValue {
    var text: [UInt8] = []
    Base64.encode(bytes, into: &text)
    return .string(String(decoding: text, as: UTF8.self))
}

private func decodeBase64(_ value: JSONValue) throws(WireError) -> [UInt8] {
    guard let text = value.string, let bytes = Base64.decode(Array(text.utf8)) else {
        throw .json("not base 64")
    }
    return bytes
}

/// Reads members of one object and says which is missing or wrong.
private struct JSONFields {
    private let object: JSONValue
    private let what: String

    init(_ object: JSONValue, _ what: String) throws(WireError) {
        guard object.members != nil else { throw .json("the \(what) is not an object") }
        self.object = object
        self.what = what
    }

    func has(_ name: String) -> Bool { object[name] != nil }

    func member(_ name: String) throws(WireError) -> JSONValue {
        guard let value = object[name] else { throw .json("the \(what) lacks '\(name)'") }
        return value
    }

    func allowOnly(_ names: [String]) throws(WireError) {
        for member in object.members ?? [] where !names.contains(member.name) {
            throw .json("the \(what) has no member '\(member.name)'")
        }
    }

    func unsigned(_ name: String) throws(WireError) -> UInt64 {
        guard let number = try member(name).unsigned else { throw .json("'\(name)' is not a whole number") }
        return number
    }

    func counter<Value: Counter>(_ name: String, _: Value.Type = Value.self) throws(WireError) -> Value {
        Value(try unsigned(name))
    }

    func hexadecimal(_ name: String) throws(WireError) -> UInt64 {
        guard let number = UInt64(try string(name), radix: 16) else {
            throw .json("'\(name)' is not a hexadecimal number")
        }
        return number
    }

    func string(_ name: String) throws(WireError) -> String {
        guard let text = try member(name).string else { throw .json("'\(name)' is not text") }
        return text
    }

    func bool(_ name: String) throws(WireError) -> Bool {
        guard let value = try member(name).bool else { throw .json("'\(name)' is not true or false") }
        return value
    }

    func array(_ name: String) throws(WireError) -> [JSONValue] {
        guard let elements = try member(name).elements else { throw .json("'\(name)' is not an array") }
        return elements
    }

    func position(_ name: String) throws(WireError) -> LogPosition {
        let fields = try JSONFields(try member(name), name)
        return LogPosition(index: try fields.counter("index"), term: try fields.counter("term"))
    }
}
