public import JSON
public import Primitives

/// Who leads.
public struct Leader: Sendable {
    /// The node's name.
    public var name: String
    /// Where it is reached.
    public var url: String
    /// The term in which it leads.
    public var term: Term
    /// The node's answer as it came.
    public var body: [UInt8]
}

/// One line of a cluster's status.
public struct NodeStatus: Sendable {
    /// The node's name; empty if it could not be learnt.
    public var name: String
    /// Where it was asked.
    public var endpoint: Endpoint
    /// What it said of itself; nil if it did not answer.
    public var report: NodeReport?
    /// Why it did not answer.
    public var failure: String?
}

/// What a node says of itself and of the cluster as it sees it.
public struct NodeReport: Sendable {
    /// The term that it knows.
    public var term: UInt64?
    /// The leader that it follows, or its own name.
    public var leader: String?
    /// The revision of its store.
    public var revision: UInt64?
    /// The last log index that it knows to be committed.
    public var commitIndex: UInt64?
    /// `ok`, `degraded` or `no_quorum`.
    public var health: String?
    /// How long its answer took.
    public var elapsed: Instant.Span
}

extension ClusterClient {
    /// Who leads; thrown as unavailable if nobody knows.
    public mutating func leader() throws(ClientError) -> Leader {
        let answer = try succeed(Call("GET", "/leader"))
        let json = try answer.json()
        guard let name = json.text("name") else { throw .malformed("no leader's name", answer.endpoint) }
        return Leader(
            name: name, url: json.text("url") ?? "", term: Term(json.number("term") ?? 0), body: answer.body)
    }

    /// The members as one node knows them, with the answer as it came.
    public mutating func members(
        consistency: Consistency = .linearizable
    ) throws(ClientError) -> (items: [JSONValue], body: [UInt8]) {
        var call = Call("GET", "/members")
        if consistency != .linearizable { call.query.append(("consistency", consistency.rawValue)) }
        let answer = try succeed(call)
        guard let items = try answer.json().items("items") else {
            throw .malformed("no items", answer.endpoint)
        }
        return (items, answer.body)
    }

    /// Hands leadership to `name`, or to the member that is furthest along, and waits until it is done.
    public mutating func transferLeadership(to name: String?) throws(ClientError) -> (
        from: String, to: String, term: UInt64, body: [UInt8]
    ) {
        let answer = try succeed(
            Call("POST", "/leader/transfer", query: name.map { [("to", $0)] } ?? [], body: []))
        let json = try answer.json()
        return (json.text("from") ?? "", json.text("to") ?? "", json.number("term") ?? 0, answer.body)
    }

    /// Asks every endpoint, and every member that one of them names, for itself and one after the other.
    /// Throws only if nobody answers.
    public mutating func status() throws(ClientError) -> [NodeStatus] {
        var nodes: [NodeStatus] = []
        // A member list that can't be had is no failure: the endpoints are then all that is known.
        if let members = try? members(consistency: .stale) {
            for member in members.items {
                guard let url = member.text("url"), let endpoint = Endpoint(url) else { continue }
                nodes.append(NodeStatus(name: member.text("name") ?? "", endpoint: endpoint))
            }
        }
        let strangers = endpoints.filter { endpoint in !nodes.contains { $0.endpoint == endpoint } }
        nodes += strangers.map { NodeStatus(name: "", endpoint: $0) }
        for place in nodes.indices { report(into: &nodes[place]) }
        nodes = merged(nodes)
        guard nodes.contains(where: { $0.report != nil }) else {
            throw .unavailable(
                nodes.map { "\($0.endpoint): \($0.failure ?? "")" }.joined(separator: "; "), nil)
        }
        return nodes
    }

    private mutating func report(into node: inout NodeStatus) {
        let start = ContinuousClock.now
        let attempt = ask(Call("GET", "/cluster", query: [("consistency", "stale")]), at: node.endpoint)
        let elapsed = (ContinuousClock.now - start).span
        switch attempt {
        case .failed(let reason, _): node.failure = reason
        case .answered(let answer):
            let json: JSONValue
            do throws(ClientError) {
                json = try answer.json()
            } catch {
                node.failure = "\(error)"
                return
            }
            guard answer.status == 200 else {
                node.failure = Problem(answer).description
                return
            }
            if let name = answer.field("parley-node") { node.name = name }
            node.report = NodeReport(
                term: json.number("term"), leader: json.text("leader"), revision: json.number("revision"),
                commitIndex: json.number("commit_index"), health: json.text("health"), elapsed: elapsed)
        }
    }

    /// One line per node: an endpoint may be another address of a member that stands in the list already.
    private func merged(_ nodes: [NodeStatus]) -> [NodeStatus] {
        var seen: [NodeStatus] = []
        for node in nodes {
            if !node.name.isEmpty, node.report != nil,
                let place = seen.firstIndex(where: { $0.name == node.name })
            {
                if seen[place].report == nil { seen[place] = node }
            } else {
                seen.append(node)
            }
        }
        return seen
    }
}
