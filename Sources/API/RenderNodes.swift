// Answers to questions about nodes and the cluster.

import Clocks
public import HTTP
import JSON
import Primitives

extension NativeAPI {
    /// The answer to a question about this node.
    public func render(
        local plan: LocalPlan, status: NodeStatus, context: AnswerContext
    ) -> HTTP.Response {
        let traits = plan.traits
        func json(_ write: (inout JSONWriter) -> Void) -> HTTP.Response {
            self.json(revision: context.revision, traits: traits, context: context) { json in
                json.beginObject()
                write(&json)
                json.endObject()
            }
        }
        if let elsewhere = render(whereabouts: status.whereabouts, of: plan, context: context) {
            return elsewhere
        }
        switch plan.view {
        case .participantState(let name), .showState(let name, _):
            return json { write(status.participantState, of: name, to: &$0) }
        case .state: return json { writeState(status, to: &$0) }
        case .clock(let question):
            return render(clock: question, status.clock, traits: traits, context: context)
        case .gossip: return json { write(gossip: status.gossip, to: &$0) }
        case .detector: return json { write(detector: status.gossip, to: &$0) }
        case .cluster: return json { writeCluster(status, to: &$0) }
        case .members:
            return json { json in
                json.field("revision", status.revision)
                write(status.members, named: "items", to: &json)
            }
        case .member(let name):
            guard let member = status.members.first(where: { $0.name == name }) else {
                return problem(
                    .memberNotFound, detail: "no member is called '\(readable(name.utf8))'", traits: traits,
                    context: context)
            }
            return json { writeFields(of: member, to: &$0) }
        case .leader: return render(leaderOf: status, traits: traits, context: context)
        case .raft: return json { writeRaft(status, to: &$0) }
        case .raftLog: return json { writeLog(status, to: &$0) }
        case .transitions(let limit, _): return json { writeTransitions(status, limit: limit, to: &$0) }
        case .probe(let query): return render(query, status: status, traits: traits, context: context)
        case .health(let full): return render(health: status, full: full, traits: traits, context: context)
        case .metrics(let openMetrics):
            return render(metrics: status.metrics, openMetrics: openMetrics, traits: traits, context: context)
        case .inbox(let query): return json { writeInbox(status, query, to: &$0) }
        case .acknowledge:
            return json { json in
                json.field("acknowledged", status.acknowledgedCount)
                json.field("depth", status.inboxDepth)
            }
        }
    }

    private func render(
        leaderOf status: NodeStatus, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let leader = status.leader, !traits.flags.contains(.isHead) || status.role == .leader else {
            return problem(.noLeader, traits: traits, context: context)
        }
        if traits.flags.contains(.wantsText) {
            return text(leader.url + "\n", traits: traits, context: context)
        }
        return json(revision: context.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.field("name", leader.name)
            json.field("url", leader.url)
            json.field("term", status.term)
            if let since = status.leaderSince { json.field("since", since.rfc3339) }
            json.endObject()
        }
    }

    private func writeState(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("participant", "node:\(settings.nodeName)")
        json.field("role", status.role.rawValue)
        json.field("term", status.term)
        json.field("leader", status.leader?.name)
        json.field("revision", status.revision)
        if let clock = status.clock {
            json.name("clocks")
            json.beginObject()
            writeFields(of: clock, to: &json)
            json.endObject()
        }
        if let faults = status.faults { write(faults: faults, to: &json) }
        json.name("inbox")
        json.beginObject()
        json.field("depth", status.inboxDepth)
        json.endObject()
        json.name("links")
        json.beginObject()
        for link in status.links {
            json.name(link.name)
            write(link, to: &json)
        }
        json.endObject()
        json.name("raft")
        json.beginObject()
        writeIndexes(status, to: &json)
        json.endObject()
        json.name("store")
        json.beginObject()
        writeStore(status, to: &json)
        json.endObject()
        json.field("uptime_ms", status.uptime.milliseconds)
    }

    private func write(_ link: NodeStatus.Link, to json: inout JSONWriter) {
        json.beginObject()
        json.field("state", link.state)
        json.field("rtt_ms", link.roundTrip)
        json.field("sent", link.sent)
        json.field("received", link.received)
        json.field("failed", link.failed)
        json.field("dropped", link.dropped)
        json.field("queued", link.queued)
        if let ladder = link.ladder { write(ladder, to: &json) }
        json.endObject()
    }

    private func writeIndexes(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("commit_index", status.commitIndex)
        json.field("applied_index", status.appliedIndex)
        json.field("first_index", status.firstIndex)
        json.field("last_index", status.lastIndex)
        json.field("durable_index", status.durableIndex)
        json.field("checkpoint_index", status.checkpointIndex)
    }

    private func writeStore(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("keys", status.keyCount)
        json.field("bytes", status.logicalBytes)
        json.field("log_bytes", status.logBytes)
        json.field("compact_revision", status.compactRevision)
        json.field("lag_ms", status.lag.milliseconds)
        json.field("short_of_space", status.isShortOfSpace)
    }

    private func writeCluster(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("name", settings.clusterName)
        json.field("id", status.clusterID.description)
        json.field("term", status.term)
        json.field("leader", status.leader?.name)
        json.field("revision", status.revision)
        json.field("commit_index", status.commitIndex)
        json.field("quorum", status.quorum)
        json.field("health", status.clusterHealth.rawValue)
        json.field("fault_tolerance", status.faultTolerance)
        write(status.members, named: "members", to: &json)
    }

    private func write(_ members: [NodeStatus.Member], named name: String, to json: inout JSONWriter) {
        json.name(name)
        json.beginArray()
        for member in members {
            json.beginObject()
            writeFields(of: member, to: &json)
            json.endObject()
        }
        json.endArray()
    }

    private func writeFields(of member: NodeStatus.Member, to json: inout JSONWriter) {
        json.field("name", member.name)
        json.field("id", member.id.description)
        json.field("role", member.role.rawValue)
        json.field("state", member.state.rawValue)
        json.field("url", member.url)
        json.field("peer_url", member.peerURL)
        json.field("match_index", member.matchIndex)
        json.field("next_index", member.nextIndex)
        json.field("lag_entries", member.lagEntries)
        json.field("lag_ms", member.lag)
        json.field("rtt_ms", member.roundTrip)
        json.field("last_contact_ms", member.lastContact)
        json.field("version", member.version)
        json.field("alive", member.alive.rawValue)
    }

    private func writeRaft(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("id", status.id.description)
        json.field("role", status.role.rawValue)
        json.field("term", status.term)
        json.field("voted_for", status.votedFor)
        json.field("leader", status.leader?.name)
        json.field("leader_since", status.leaderSince?.rfc3339)
        writeIndexes(status, to: &json)
        json.field("heartbeat_ms", status.heartbeatInterval.milliseconds)
        json.name("election_timeout_ms")
        json.beginObject()
        json.field("min", status.electionTimeoutLeast.milliseconds)
        json.field("max", status.electionTimeoutMost.milliseconds)
        json.endObject()
        json.field("deadline_in_ms", status.deadlineIn)
        json.field("transferring_to", status.transferTarget)
        json.name("configuration")
        json.beginObject()
        json.field("voters", status.voters)
        json.field("outgoing", status.outgoingVoters)
        json.field("learners", status.learners)
        json.endObject()
        json.name("progress")
        json.beginArray()
        for member in status.members where member.matchIndex != nil {
            json.beginObject()
            json.field("name", member.name)
            json.field("match_index", member.matchIndex)
            json.field("next_index", member.nextIndex)
            json.field("last_contact_ms", member.lastContact)
            json.endObject()
        }
        json.endArray()
    }

    private func writeLog(_ status: NodeStatus, to json: inout JSONWriter) {
        json.field("first_index", status.firstIndex)
        json.field("last_index", status.lastIndex)
        json.name("items")
        json.beginArray()
        for entry in status.logEntries {
            json.beginObject()
            json.field("index", entry.index)
            json.field("term", entry.term)
            json.field("kind", entry.kind)
            json.field("size", entry.size)
            json.field("summary", entry.summary)
            json.field("request_id", entry.requestID?.description)
            json.endObject()
        }
        json.endArray()
        if let last = status.logEntries.last, last.index < status.lastIndex {
            json.field("next_index", last.index.next)
        }
    }

    private func writeTransitions(_ status: NodeStatus, limit: Int, to json: inout JSONWriter) {
        json.name("items")
        json.beginArray()
        for transition in status.transitions.suffix(limit) {
            json.beginObject()
            json.field("number", transition.id.number)
            json.field("time", transition.time.rfc3339)
            json.field("from", transition.from)
            json.field("to", transition.to)
            json.field("reason", transition.reason)
            transition.writeDetails(to: &json)
            json.endObject()
        }
        json.endArray()
    }

    private func writeInbox(_ status: NodeStatus, _ query: InboxQuery, to json: inout JSONWriter) {
        json.name("items")
        json.beginArray()
        for item in status.inboxItems {
            json.beginObject()
            json.field("id", item.id)
            json.field("from", item.from)
            json.field("channel", item.channel)
            json.bytesField("body", item.body)
            json.field("time", item.time.rfc3339)
            if let order = item.order { json.field("order", order) }
            if let lamport = item.stamp.lamport { json.field("lamport", lamport) }
            if let hybrid = item.stamp.hybrid { json.field("hlc", hybrid.text) }
            if let trace = item.trace {
                json.field("traceparent", trace.traceparent)
                if !trace.state.isEmpty { json.field("tracestate", trace.state) }
            }
            json.endObject()
        }
        json.endArray()
        json.field("depth", status.inboxDepth)
    }
}

extension NodeStatus {
    /// How well the cluster is, as its leader or another node sees it.
    enum ClusterHealth: String { case ok, degraded, noQuorum = "no_quorum" }

    /// How many voters make a majority.
    var quorum: Int { voters.count / 2 + 1 }

    private var livingVoters: Int {
        members.count { $0.alive == .alive && voters.contains($0.name) }
    }

    /// How many more voters may fail before there is no majority.
    var faultTolerance: Int { max(0, livingVoters - quorum) }

    var clusterHealth: ClusterHealth {
        if leader == nil || livingVoters < quorum { return .noQuorum }
        return members.allSatisfy { $0.alive == .alive } ? .ok : .degraded
    }
}

extension JSONWriter {
    mutating func field(_ name: String, _ text: String?) {
        self.name(name)
        if let text { string(text) } else { null() }
    }

    mutating func field(_ name: String, _ number: UInt64?) {
        self.name(name)
        if let number { self.number(number) } else { null() }
    }

    mutating func field(_ name: String, _ index: LogIndex?) { field(name, index?.rawValue) }

    /// A length of time in milliseconds, with a fraction.
    mutating func field(_ name: String, _ span: Instant.Span?) {
        self.name(name)
        guard let span else { return null() }
        number(Double(span.microseconds) / 1000)
    }

    mutating func field(_ name: String, _ texts: [String]) {
        self.name(name)
        beginArray()
        for text in texts { string(text) }
        endArray()
    }
}
