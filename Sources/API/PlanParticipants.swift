// Plans for participants, client processes with a name, and their answers.

public import Clocks
import HTTP
import JSON
public import Primitives
import Store

/// A question about who takes part.
public struct ParticipantQuery: Sendable {
    static let fingerprint = fnv1a("participants".utf8)

    /// Which; nil: all.
    let name: String?
    let limit: Int
    /// Only those after this name.
    let after: String?
    let link: PageLink
}

/// What a participant shows of itself.
public struct ParticipantState: Sendable, Equatable {
    /// The state, as JSON.
    public var json: [UInt8]
    /// When it was shown, by the machine's clock and by the logical ones.
    public var time: WallTime, stamp: Stamp

    /// Makes it of its parts.
    public init(json: [UInt8], time: WallTime, stamp: Stamp) {
        self.json = json
        self.time = time
        self.stamp = stamp
    }
}

/// Which node keeps what came for a participant, and what it shows.
public enum Whereabouts: Sendable, Equatable {
    /// This one.
    case here
    /// The node with this name and URL.
    case away(node: String, url: String)
    /// None: neither a participant nor a node is called so.
    case unknown
}

extension NativeAPI {
    /// No state is longer than this, in bytes.
    static let stateBytes = 64 << 10

    /// `PUT /participants/{participant}`: the node that is asked is the home of one that is new or moves.
    func planRegisterParticipant(_ asked: Asked) throws(Problem) -> Plan {
        let name = try participantName(asked)
        guard !name.hasPrefix("node:"), name != "*", !settings.memberNames.contains(name) else {
            throw Problem(
                .badRequest, "'\(readable(name.utf8))' stands for nodes: a participant has another name")
        }
        let command = ParticipantCommand.register(
            name: name, home: settings.nodeName, moves: try asked.parameters.flag(.move),
            timeToLive: try timeToLive(asked.parameters) ?? 30_000)
        return .write(try heldIfAsked(try participant(command, name, asked), asked))
    }

    /// `DELETE /participants/{participant}`.
    func planRemoveParticipant(_ asked: Asked) throws(Problem) -> Plan {
        let name = try participantName(asked)
        return .write(try participant(.remove(name: name), name, asked))
    }

    /// `GET /participants` and `GET /participants/{participant}`.
    func planParticipants(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let query = ParticipantQuery(
            name: asked.capture.isEmpty ? nil : try participantName(asked),
            limit: try limit(parameters) ?? settings.limits.pageCount,
            after: try place(parameters, in: ParticipantQuery.fingerprint), link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .participants(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    /// `GET` and `PUT /participants/{participant}/state`.
    func stateView(_ route: RouteID, _ asked: Asked) throws(Problem) -> LocalPlan.View {
        let name = try participantName(asked)
        guard route == .writeParticipantState else { return .participantState(name) }
        try expectJSON(asked.request)
        let body = asked.request.body
        guard body.count <= Self.stateBytes else {
            throw Problem(
                .contentTooLarge, "a state has up to \(Self.stateBytes) bytes, this one has \(body.count)")
        }
        do {
            var reader = try JSONReader(body)
            try reader.skip()
            try reader.finish()
        } catch { throw Problem(reading: error) }
        return .showState(name, body)
    }

    private func participantName(_ asked: Asked) throws(Problem) -> String {
        let name = try asked.name("participant's name")
        guard Store.Limits.isName(name) else {
            throw Problem(.badRequest, "a participant's name has 1 to \(Store.Limits.nameBytes) bytes")
        }
        return name
    }

    private func participant(
        _ command: ParticipantCommand, _ name: String, _ asked: Asked
    ) throws(Problem) -> WritePlan {
        try write(.operation(.coordinate(.participant(command))), .participant, asked)
    }

    // MARK: Answers

    /// Why nothing was changed about participants, as a problem.
    static func problem(_ refusal: ParticipantRefusal) -> Problem {
        switch refusal {
        case .notFound(let name): noParticipant(name)
        case .tooMany(let count):
            Problem(.quotaExceeded, "there are \(count) participants, as many as may be")
        case .inboxFull(let name): fullInbox(name)
        }
    }

    static func noParticipant(_ name: String) -> Problem {
        Problem(.participantNotFound, "no participant and no node is called '\(readable(name.utf8))'")
            .with("participant", .text(readable(name.utf8)))
    }

    func render(_ outcome: ParticipantOutcome, plan: WritePlan, context: AnswerContext) -> HTTP.Response {
        switch outcome {
        case .registered(let participant, let lease, let isNew):
            var response = answer(
                plan, status: isNew ? 201 : 200, revision: context.revision, context: context
            ) { json in
                write(participant, to: &json)
                json.field("ttl_ms", lease.terms.timeToLive)
            }
            if isNew { addLocation("/participants/", participant.name, to: &response) }
            return response
        case .removed(let name):
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("participant", name)
            }
        case .sent, .taken:
            // A message has a form of its own, and what is taken no plan.
            return problem(
                .internal, detail: "the outcome does not belong to the request", traits: plan.traits,
                context: context)
        }
    }

    func render(
        _ query: ParticipantQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let name = query.name else {
            let found = keyspace.participants(after: query.after, limit: query.limit + 1)
            let last = found.count > query.limit ? found[query.limit - 1].name : nil
            return page(
                last, ParticipantQuery.fingerprint, query.link, keyspace.revision, traits, context
            ) { json in
                for participant in found.prefix(query.limit) {
                    json.beginObject()
                    write(participant, to: &json)
                    json.endObject()
                }
            }
        }
        guard let participant = keyspace.participant(name) else {
            return problem(Self.noParticipant(name), traits: traits, context: context)
        }
        return json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            write(participant, to: &json)
            json.endObject()
        }
    }

    private func write(_ participant: Participant, to json: inout JSONWriter) {
        json.field("participant", participant.name)
        json.field("home", participant.home)
        json.field("lease", participant.lease)
        json.field("registered_at", participant.registeredAt.rfc3339)
    }

    /// The answer to a question about a participant that another node keeps, or none; nil if this one does.
    func render(
        whereabouts: Whereabouts, of plan: LocalPlan, context: AnswerContext
    ) -> HTTP.Response? {
        guard let name = plan.view.participant else { return nil }
        switch whereabouts {
        case .here: return nil
        case .unknown: return problem(Self.noParticipant(name), traits: plan.traits, context: context)
        case .away(let node, let url):
            var response = json(
                status: 307, revision: context.revision, traits: plan.traits, context: context
            ) { json in
                json.beginObject()
                json.field("participant", name)
                json.field("home", node)
                json.field("home_url", url)
                json.endObject()
            }
            response.setField("Location", Array(url.utf8) + plan.target)
            return response
        }
    }

    func write(_ state: ParticipantState?, of name: String, to json: inout JSONWriter) {
        json.field("participant", name)
        json.field("home", settings.nodeName)
        json.name("state")
        guard let state else { return json.null() }
        json.raw(state.json)
        json.field("time", state.time.rfc3339)
        if let lamport = state.stamp.lamport { json.field("lamport", lamport) }
        if let hybrid = state.stamp.hybrid { json.field("hlc", hybrid.text) }
    }
}

extension LocalPlan.View {
    /// The participant that is asked about, nil for questions about nodes.
    public var participant: String? {
        switch self {
        case .inbox(let query): query.participant
        case .acknowledge(let name, _, _), .participantState(let name), .showState(let name, _): name
        default: nil
        }
    }
}
