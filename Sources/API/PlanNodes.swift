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
            traits: asked.traits, target: asked.target)
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
        case .readParticipantState, .writeParticipantState: return try stateView(route, asked)
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

extension NativeAPI {
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
