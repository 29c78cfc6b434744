import API
import Clocks
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Answers about nodes` {
    private func status() -> NodeStatus {
        var status = NodeStatus()
        status.id = NodeID(2)
        status.role = .leader
        status.term = Term(7)
        status.leader = .init(name: "n2", url: "http://n2.example:7070")
        status.leaderSince = WallTime(milliseconds: 1000)
        status.voters = ["n1", "n2", "n3"]
        status.members = ["n1", "n2", "n3"].enumerated().map { place, name in
            var member = NodeStatus.Member(
                name: name, id: NodeID(UInt64(place) + 1), url: "http://\(name)", peerURL: "http://\(name)")
            member.matchIndex = LogIndex(9)
            member.lastContact = .microseconds(1500)
            return member
        }
        status.links = [NodeStatus.Link(name: "n1", state: "up"), NodeStatus.Link(name: "n3", state: "down")]
        status.checks = [
            .init(name: "disk", probes: [.livez, .readyz], isPassing: true),
            .init(name: "leader", probes: [.readyz], isPassing: true),
        ]
        return status
    }

    private func answer(
        _ target: String, _ fields: [String: String], method: HTTP.Method = .get, _ status: NodeStatus
    ) throws -> HTTP.Response {
        let plan = try local(target, fields, method: method)
        return api.render(local: plan, status: status, context: Fixture().context)
    }

    private func answer(
        _ target: String, _ status: NodeStatus, method: HTTP.Method = .get
    ) throws -> HTTP.Response {
        try answer(target, [:], method: method, status)
    }

    @Test func `have the members that the contract names`() throws {
        let cluster = try answer("/cluster", status()).json
        #expect(
            cluster.members?.map(\.name) == [
                "name", "id", "term", "leader", "revision", "commit_index", "quorum", "health",
                "fault_tolerance",
                "members",
            ])
        #expect(cluster["quorum"]?.integer == 2)
        #expect(cluster["fault_tolerance"]?.integer == 1)
        let member = try answer("/members/n3", status()).json
        #expect(
            member.members?.map(\.name) == [
                "name", "id", "role", "state", "url", "peer_url", "match_index", "next_index", "lag_entries",
                "lag_ms",
                "rtt_ms", "last_contact_ms", "version", "alive",
            ])
        #expect(member["last_contact_ms"]?.double == 1.5)
        #expect(member["rtt_ms"]?.isNull == true)
        #expect(try answer("/members", status()).json["items"]?[2] == member)
        let state = try answer("/state", status()).json
        #expect(state["participant"]?.string == "node:n2")
        #expect(state["inbox"]?["depth"]?.integer == 0)
        #expect(state["links"]?["n3"]?["state"]?.string == "down")
        let raft = try answer("/raft", status()).json
        #expect(raft["configuration"]?["voters"]?.elements?.count == 3)
        #expect(raft["progress"]?.elements?.count == 3)
    }

    @Test func `judge the cluster's health`() throws {
        var status = status()
        #expect(try answer("/cluster", status).json["health"]?.string == "ok")
        status.members[0].alive = .dead
        #expect(try answer("/cluster", status).json["health"]?.string == "degraded")
        #expect(try answer("/cluster", status).json["fault_tolerance"]?.integer == 0)
        status.members[2].alive = .suspect
        #expect(try answer("/cluster", status).json["health"]?.string == "no_quorum")
        status = self.status()
        status.leader = nil
        #expect(try answer("/cluster", status).json["health"]?.string == "no_quorum")
    }

    @Test func `of unknown members are 404`() throws {
        let response = try answer("/members/n9", status())
        #expect(response.status == 404)
        #expect(response.code == "member_not_found")
    }

    @Test func `tell who leads`() throws {
        var status = status()
        #expect(
            try answer("/leader", status).text
                == #"{"name":"n2","url":"http://n2.example:7070","term":7,"since":"1970-01-01T00:00:01.000Z"}"#
                + "\n")
        #expect(try answer("/leader", ["Accept": "text/plain"], status).text == "http://n2.example:7070\n")
        #expect(try answer("/leader", status, method: .head).status == 200)
        status.role = .follower
        #expect(try answer("/leader", status).status == 200)
        #expect(try answer("/leader", status, method: .head).status == 503)
        status.leader = nil
        #expect(try answer("/leader", status).code == "no_leader")
        #expect(try answer("/leader", ["Accept": "text/plain"], status).text.hasPrefix("error: no_leader: "))
    }

    @Test func `list transitions and entries of the log`() throws {
        var status = status()
        status.transitions = (1...5).map { number in
            TransitionRecord(
                id: TransitionID(process: 1, number: number), algorithm: "raft", subject: "n2",
                from: "follower", to: "candidate", cause: "election_timeout",
                reason: "election timeout 312ms", details: [("term", .number(number))],
                time: WallTime(milliseconds: 0), hybrid: HybridTime(WallTime(milliseconds: 0)))
        }
        let items = try answer("/raft/transitions?limit=2", status).json["items"]?.elements
        #expect(items?.map { $0["number"]?.integer } == [4, 5])
        #expect(items?[0]["reason"]?.string == "election timeout 312ms")
        #expect(items?[0]["term"]?.integer == 4)
        #expect(try local("/raft/transitions?wait=3s").view == .transitions(limit: 100, wait: .seconds(3)))
        status.lastIndex = LogIndex(12)
        status.logEntries = [
            .init(index: LogIndex(10), term: Term(3), kind: "noop", size: 0),
            .init(index: LogIndex(11), term: Term(3), kind: "command", size: 20, summary: "put a"),
        ]
        let log = try answer("/raft/log?from=10&limit=2", status).json
        #expect(log["items"]?[1]?["summary"]?.string == "put a")
        #expect(log["next_index"]?.integer == 12)
        #expect(try local("/raft/log?from=10&limit=2").view == .raftLog(from: LogIndex(10), limit: 2))
    }

    @Test(arguments: [
        ("/readyz", true, 200, "ok\n"),
        ("/readyz?verbose", true, 200, "[+]disk ok\n[+]leader ok\nreadyz check passed\n"),
        ("/readyz", false, 503, "[+]disk ok\n[-]leader failed: none\nreadyz check failed\n"),
        ("/readyz?exclude=leader", false, 200, "ok\n"),
        (
            "/readyz?exclude=leader&verbose", false, 200,
            "[+]disk ok\n[+]leader excluded: ok\nreadyz check passed\n"
        ),
        ("/readyz/leader", false, 503, "[-]leader failed: none\n"), ("/readyz/disk", false, 200, "ok\n"),
        ("/livez", false, 200, "ok\n"), ("/startupz", false, 200, "ok\n"),
    ])
    func `probe`(_ target: String, _ hasLeader: Bool, _ status: Int, _ text: String) throws {
        var node = self.status()
        node.checks[1].isPassing = hasLeader
        node.checks[1].reason = hasLeader ? "" : "none"
        let response = try answer(target, node)
        #expect(response.status == status)
        #expect(response.text == text)
    }

    @Test func `refuse probes of checks that do not exist`() throws {
        #expect(try answer("/livez/leader", status()).code == "no_such_route")
        #expect(try answer("/livez?exclude=leader", status()).code == "bad_request")
    }

    @Test func `tell health as etcd does, or in full`() throws {
        var status = status()
        #expect(try answer("/health", status).text == #"{"health":"true","reason":""}"# + "\n")
        status.leader = nil
        let sick = try answer("/health", status)
        #expect(sick.status == 503)
        #expect(sick.text == #"{"health":"false","reason":"RAFT NO LEADER"}"# + "\n")
        let full = try answer("/health", ["Accept": "application/health+json"], status)
        #expect(full.fieldText("Content-Type") == "application/health+json")
        #expect(full.json["status"]?.string == "fail")
        #expect(full.json["checks"]?["disk"]?[0]?["status"]?.string == "pass")
        status = self.status()
        status.isShortOfSpace = true
        #expect(try answer("/health", status).json["reason"]?.string == "ALARM NOSPACE")
    }

    @Test func `give metrics in the form asked for`() throws {
        var status = status()
        status.metrics = Array("parley_up 1\n".utf8)
        let plain = try answer("/metrics", status)
        #expect(plain.fieldText("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(plain.text == "parley_up 1\n")
        let open = try answer("/metrics", ["Accept": "application/openmetrics-text;version=1.0.0"], status)
        #expect(
            open.fieldText("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8")
    }

    @Test func `show an inbox and what was taken out`() throws {
        var status = status()
        status.inboxDepth = 1
        status.inboxItems = [
            .init(id: "m1", from: "n1", channel: "default", body: [0xff], time: WallTime(milliseconds: 0))
        ]
        let inbox = try answer("/inbox/n2", status).json
        #expect(inbox["items"]?[0]?["body_b64"]?.string == "/w==")
        #expect(inbox["depth"]?.integer == 1)
        guard case .inbox(let query) = try local("/inbox/n2?wait=3s&max=5&channel=x&ack=auto").view else {
            Issue.record("no look into an inbox")
            return
        }
        #expect(query.participant == "n2" && query.max == 5 && query.channel == "x" && query.takes)
        #expect(query.wait == .seconds(3))
        status.acknowledgedCount = 3
        guard case .local(let plan) = plan(.post, "/inbox/n2/ack?upto=m1") else {
            Issue.record("no question about the node")
            return
        }
        #expect(plan.view == .acknowledge(participant: "n2", id: "m1", andAllBefore: true))
        #expect(
            api.render(local: plan, status: status, context: Fixture().context).text
                == #"{"acknowledged":3,"depth":1}"# + "\n")
        #expect(immediate(.post, "/inbox/n2/ack")?.code == "bad_request")
        #expect(immediate(.post, "/inbox/n2/ack?id=a&upto=b")?.code == "bad_request")
    }
}

@Suite struct `Transfers and messages` {
    private func transfer(_ target: String) throws -> TransferPlan {
        guard case .transfer(let plan) = plan(.post, target) else { throw Unexpected(plan(.post, target)) }
        return plan
    }

    @Test func `move leadership`() throws {
        let plan = try transfer("/leader/transfer?to=n3&wait=3s")
        #expect(plan.to == "n3")
        #expect(plan.wait == .seconds(3))
        #expect(try transfer("/leader/transfer").wait == .seconds(5))
        let context = Fixture().context
        let outcomes: [(TransferOutcome, Int, String?)] = [
            (.transferred(from: "n1", to: "n3", term: Term(8)), 200, nil),
            (.unknownMember("n3"), 404, "member_not_found"),
            (.refused("n3 is 5000 entries behind"), 409, "transfer_refused"),
            (.timedOut, 504, "outcome_unknown"),
        ]
        for (outcome, status, code) in outcomes {
            let response = api.render(transfer: plan, outcome: outcome, context: context)
            #expect(response.status == status)
            #expect(response.code == code)
        }
    }

    private func message(_ target: String, body: String) throws -> MessagePlan {
        guard case .message(let plan) = plan(.post, target, body: body) else {
            throw Unexpected(plan(.post, target, body: body))
        }
        return plan
    }

    @Test func `carry bytes or JSON to one, several or all`() throws {
        let raw = try message("/messages/n3?channel=c&from=me", body: "hello")
        #expect(raw.to == .named(["n3"]))
        #expect((raw.channel, raw.from) == ("c", "me"))
        #expect(raw.body == Array("hello".utf8))
        #expect(try message("/messages/*", body: "").to == .all)
        let json = try message("/messages", body: #"{"to":["n1","n3","n1"],"body_b64":"/w=="}"#)
        #expect(json.to == .named(["n1", "n3"]))
        #expect(json.body == [0xff])
        #expect((json.channel, json.from) == ("default", "n2"))
        #expect(try message("/messages", body: #"{"to":"*","body":"x"}"#).to == .all)
        #expect((raw.delivery, raw.ordering) == (.reliable, .none) && raw.ttl == .seconds(3_600))
        let asked = try message("/messages/n3?delivery=stubborn&ttl=10s", body: "")
        #expect(asked.delivery == .stubborn && asked.ttl == .seconds(10))
        let members = try message(
            "/messages?ordering=none&channel=q",
            body: #"{"to":"n1","body":"x","ordering":"fifo","delivery":"reliable","ttl_ms":50}"#)
        #expect(members.ordering == .fifo && members.ttl == .milliseconds(50) && members.channel == "q")
    }

    @Test(arguments: [
        ("", "bad_json"), ("{", "bad_json"), (#"{"to":"n1","body":"x"} x"#, "bad_json"), ("[]", "bad_json"),
        (#"{"to":"n1","to":"n2","body":"x"}"#, "bad_json"), (#"{"to":1,"body":"x"}"#, "bad_json"),
        (#"{"to":"n1","body":"x","body_b64":"eA=="}"#, "bad_json"),
        (#"{"to":"n1","body":"\ud800"}"#, "bad_json"),
        (#"{"to":"n1","body":NaN}"#, "bad_json"), (#"{"to":"n1","bdoy":"x"}"#, "unknown_parameter"),
        (#"{"to":"n1","body":"x","key":"k"}"#, "not_implemented"), (#"{"body":"x"}"#, "invalid"),
        (#"{"to":"n1"}"#, "invalid"), (#"{"to":[],"body":"x"}"#, "bad_request"), ("null", "bad_json"),
        (#"{'to':'n1'}"#, "bad_json"), ("\u{feff}{}", "bad_json"),
        (String(repeating: #"{"to":"#, count: 70), "bad_json"),
        (String(repeating: "[", count: 100_000), "bad_json"),
    ])
    func `refuse JSON that is not as it should be`(_ body: String, _ code: String) throws {
        let response = try #require(immediate(.post, "/messages", body: body))
        #expect(response.code == code, "\(response.text)")
    }

    @Test(arguments: [
        ("/messages/n1?delivery=maybe", "bad_request"),
        ("/messages/n1?ordering=causal", "bad_request"),
        ("/messages/n1?ordering=total", "bad_request"), ("/messages/n1?redirect", "bad_request"),
        ("/messages/n1?delivery=logged&ttl=721h", "bad_duration"),
        ("/messages/n1?ordering=some", "bad_request"),
        ("/messages/n1?ordering=fifo&delivery=unreliable", "bad_request"),
        ("/messages/n1?ttl=0s", "bad_duration"), ("/messages/n1?ttl=25h", "bad_duration"),
        ("/messages/n1?wait=1s", "bad_request"), ("/messages/n1?delivery=logged&to=x", "unknown_parameter"),
    ])
    func `refuse promises that nobody keeps`(_ target: String, _ code: String) {
        #expect(immediate(.post, target, body: "x")?.code == code)
    }

    @Test func `tell what became of them`() throws {
        let id = RequestID(high: 1, low: 2)
        guard case .messageRecord(let asked, _) = plan(.get, "/messages/\(id)") else {
            throw Unexpected(plan(.get, "/messages/\(id)"))
        }
        #expect(asked == id)
        #expect(immediate(.get, "/messages/n1")?.code == "message_not_found")
        var record = MessageRecord(
            id: id, delivery: .reliable, ordering: .fifo, channel: "c", from: "a",
            sent: WallTime(milliseconds: 0), until: WallTime(milliseconds: 60_000))
        record.recipients = [
            .init(name: "n1", node: NodeID(1), state: .acked), .init(name: "x", node: nil, state: .unknown),
        ]
        let context = Fixture().context
        let shown = api.render(record: record, of: id, traits: RequestTraits(), context: context)
        #expect(shown.json["deliveries"]?["n1"]?.string == "acked")
        #expect(shown.json["deliveries"]?["x"]?.string == "unknown")
        #expect(shown.json["until"]?.string == "1970-01-01T00:01:00.000Z")
        #expect(api.render(record: nil, of: id, traits: RequestTraits(), context: context).status == 404)
        let sending = try message("/messages/n1", body: "x")
        let answer = api.render(
            message: sending, record: record, stamp: Stamp(lamport: 8), context: context)
        #expect(answer.status == 202 && answer.json["lamport"]?.integer == 8)
        #expect(answer.fieldText("Location") == "/messages/\(id)")
        record.recipients = [.init(name: "n1", node: NodeID(1), state: .refused)]
        let full = api.render(message: sending, record: record, stamp: Stamp(), context: context)
        #expect(full.code == "queue_full")
        record.recipients = [.init(name: "x", node: nil, state: .unknown)]
        let unknown = api.render(message: sending, record: record, stamp: Stamp(), context: context)
        #expect(unknown.code == "participant_not_found")
    }

    @Test func `tell where JSON is wrong`() throws {
        let response = try #require(immediate(.post, "/messages", body: #"{"to":"n1","body":01}"#))
        #expect(response.json["offset"]?.integer ?? 0 > 10)
        let nearest = try #require(immediate(.post, "/messages", body: #"{"to":"n1","bdoy":"x"}"#))
        #expect(nearest.json["nearest"]?.string == "body")
    }

    @Test(arguments: [
        ("application/json", true), ("application/json; charset=utf-8", true), ("text/plain", true),
        ("application/x-www-form-urlencoded", true), ("application/vnd.x+json", true), ("", true),
        ("application/json; charset=latin1", false), ("multipart/form-data; boundary=x", false),
        ("application/xml", false),
    ])
    func `take JSON of every type that can be JSON`(_ type: String, _ isTaken: Bool) {
        let fields = type.isEmpty ? [:] : ["Content-Type": type]
        let response = immediate(.post, "/messages", fields, body: #"{"to":"n1","body":"x"}"#)
        #expect((response == nil) == isTaken)
        if !isTaken {
            #expect(response?.code == "unsupported_media_type")
            #expect(response?.json["detail"]?.string?.contains("--json") == true)
        }
    }

    @Test func `say something to all nodes through the log`() throws {
        let plan = plan(.post, "/broadcast?abstraction=atomic&channel=c&from=me", body: "hello")
        guard case .write(let write) = plan else { throw Unexpected(plan) }
        let said = Announcement(sender: "me", channel: "c", body: Array("hello".utf8))
        guard case .operation(.coordinate(.announce(said))) = write.change else { throw Unexpected(plan) }
    }

    @Test(arguments: [
        ("", 0, "bad_request"), ("?abstraction=", 0, "bad_request"), ("?abstraction=magic", 0, "bad_request"),
        ("?abstraction=atomic&channel=", 0, "bad_request"),
        ("?abstraction=atomic", (64 << 10) + 1, "content_too_large"),
        ("?abstraction=atomic&ordering=total", 0, "unknown_parameter"),
        ("?abstraction=causal&explain", 0, "bad_request"),
    ]) func `bound what is said to all nodes`(_ query: String, _ count: Int, _ code: String) throws {
        let response = immediate(.post, "/broadcast" + query, body: String(repeating: "x", count: count))
        #expect(response?.code == code, "\(response?.text ?? "taken")")
    }

    @Test func `bound messages and their names`() throws {
        let body = String(repeating: "x", count: 64 << 10)
        #expect(try message("/messages/n1", body: body).body.count == 64 << 10)
        #expect(immediate(.post, "/messages/n1", body: body + "x")?.code == "content_too_large")
        let name = String(repeating: "c", count: 257)
        #expect(immediate(.post, "/messages/n1?channel=\(name)", body: "")?.code == "bad_request")
        #expect(immediate(.post, "/messages/n1?from=\(name)", body: "")?.code == "bad_request")
    }

    @Test func `answer 202 if any recipient may get it, and also if there is nobody`() throws {
        let plan = try message("/messages", body: #"{"to":["n1","n9"],"body":"x"}"#)
        var record = MessageRecord(
            id: RequestID(high: 1, low: 2), delivery: .reliable, ordering: .none, channel: "c", from: "a",
            sent: WallTime(milliseconds: 0), until: WallTime(milliseconds: 1))
        func answer() -> HTTP.Response {
            api.render(message: plan, record: record, stamp: Stamp(lamport: 1), context: Fixture().context)
        }
        #expect(answer().status == 202, "alone in the cluster, to all others")
        record.recipients = [
            .init(name: "n1", node: NodeID(1), state: .sent), .init(name: "n9", node: nil, state: .unknown),
        ]
        #expect(answer().status == 202)
        #expect(answer().text.contains(#""deliveries":{"n1":"sent","n9":"unknown"}"#))
    }
}
