import API
import Faults
import HTTP
import JSON
import Primitives
import Testing

@Suite struct FaultTests {
    private static func fault(
        _ method: HTTP.Method, _ target: String, _ body: String? = nil
    ) throws -> FaultPlan {
        guard case .fault(let plan) = plan(method, target, body: body) else {
            throw Unexpected(plan(method, target, body: body))
        }
        return plan
    }

    @Test func `a link's fault says what is wrong, in one direction, and until when`() throws {
        let body = """
            {"drop":0.1,"delay_ms":{"min":20,"max":200,"dist":"pareto"},"duplicate":0.05,"reorder":0.2,
            "corrupt":0.0,"bandwidth_bps":0,"block":false,"ttl":"60s","seed":42}
            """
        var effect = LinkEffect()
        effect.drop = 0.1
        effect.delay = FaultDelay(
            least: .milliseconds(20), greatest: .milliseconds(200), distribution: .pareto)
        effect.duplicate = 0.05
        effect.reorder = 0.2
        effect.seed = 42
        #expect(
            try Self.fault(.put, "/faults/links/n1/n2", body).action
                == .link(from: "n1", to: "n2", effect, hasSeed: true, ttl: .seconds(60)))
        var block = LinkEffect()
        block.blocks = true
        #expect(
            try Self.fault(.put, "/faults/links/*/%2A?ttl=500ms", #"{"block":true}"#).action
                == .link(from: "*", to: "*", block, hasSeed: false, ttl: .milliseconds(500)))
        var slow = LinkEffect()
        slow.delay = FaultDelay(least: .milliseconds(50), greatest: .milliseconds(50))
        #expect(
            try Self.fault(.put, "/faults/links/a/*", #"{"delay_ms":50,"ttl":600}"#).action
                == .link(from: "a", to: "*", slow, hasSeed: false, ttl: .seconds(600)))
    }

    @Test func `partitions, pauses and healing are understood`() throws {
        #expect(
            try Self.fault(
                .post, "/faults/partition?ttl=30s", #"{"groups":[["n1"],["n2","n3"]],"bridge":["n4"]}"#
            ).action == .groups([["n1"], ["n2", "n3"]], bridge: ["n4"], ttl: .seconds(30)))
        #expect(
            try Self.fault(.post, "/faults/partition", #"{"from":"n1","to":["n2"],"ttl":"1s"}"#).action
                == .oneWay(from: ["n1"], to: ["n2"], ttl: .seconds(1)))
        #expect(
            try Self.fault(.post, "/faults/nodes/n2/pause?for=5s").action == .pause("n2", .seconds(5)))
        #expect(try Self.fault(.get, "/faults").action == .list)
        #expect(try Self.fault(.delete, "/faults?timeout=3s").action == .heal(nil))
        #expect(try Self.fault(.delete, "/faults/n1-7").action == .heal("n1-7"))
    }

    @Test(arguments: [
        ("{}", "drop", "invalid"), (#"{"drop":0}"#, "drop", "invalid"),
        (#"{"drop":1.01}"#, "drop", "invalid"), (#"{"drop":-0.1}"#, "drop", "invalid"),
        (#"{"duplicate":2}"#, "duplicate", "invalid"), (#"{"reorder":1e9}"#, "reorder", "invalid"),
        (#"{"delay_ms":{"min":5,"max":4}}"#, "delay_ms.min", "invalid"),
        (#"{"delay_ms":{"max":10001}}"#, "delay_ms.max", "invalid"),
        (#"{"delay_ms":{}}"#, "delay_ms.max", "invalid"), (#"{"delay_ms":-1}"#, "delay_ms", "invalid"),
        (#"{"delay_ms":{"max":1,"dist":"poisson"}}"#, "delay_ms.dist", "invalid"),
        (#"{"block":true,"seed":9007199254740992}"#, "seed", "invalid"),
        (#"{"delay_ms":{"mx":1}}"#, "mx", "unknown_parameter"),
        (#"{"dorp":0.1}"#, "dorp", "unknown_parameter"),
        (#"{"drop":0.1,"corrupt":0.1}"#, "corrupt", "not_implemented"),
        (#"{"drop":0.1,"bandwidth_bps":1000}"#, "bandwidth_bps", "not_implemented"),
        (#"{"block":"yes"}"#, nil, "bad_json"), ("[]", nil, "bad_json"), ("", nil, "bad_json"),
        (#"{"drop":0.1,"drop":0.2}"#, nil, "bad_json"), (#"{"drop":"0.1"}"#, nil, "bad_json"),
    ])
    func `a link's fault that makes no sense is refused, and what is wrong is named`(
        body: String, field: String?, code: String
    ) throws {
        try expect(.put, "/faults/links/n1/n2?ttl=1s", body, field, code)
    }

    @Test(arguments: [
        ("/faults/links/n1/n2", "ttl", "invalid"), ("/faults/links/n1/n2?ttl=11m", "ttl", "invalid"),
        ("/faults/links/n1/n2?ttl=0", "ttl", "bad_duration"),
        ("/faults/links/n1/n2?ttl=soon", "ttl", "bad_duration"),
        ("/faults/links/n1/n1?ttl=1s", "to", "invalid"),
        ("/faults/links/n1/n2?tll=1s", "tll", "unknown_parameter"),
    ])
    func `no fault lasts for ever, or goes nowhere`(target: String, field: String, code: String) throws {
        try expect(.put, target, #"{"block":true}"#, field, code)
    }

    @Test(arguments: [
        (#"{"block":true,"ttl":"11m"}"#, "ttl", "invalid"), (#"{"block":true,"ttl":0}"#, "ttl", "invalid"),
        (#"{"block":true,"ttl":"later"}"#, "ttl", "bad_duration"),
    ])
    func `nor does one whose end is in the body`(body: String, field: String, code: String) throws {
        try expect(.put, "/faults/links/n1/n2", body, field, code)
    }

    @Test(arguments: [
        (#"{"groups":[["n1"],["n2","n1"]]}"#, "groups", "invalid"), (#"{"groups":[]}"#, "groups", "invalid"),
        (#"{"groups":[["n1"],[]]}"#, "groups", "invalid"), ("{}", "groups", "invalid"),
        (#"{"groups":[["n1"]],"bridge":["n1"]}"#, "bridge", "invalid"),
        (#"{"from":["n1"]}"#, "to", "invalid"), (#"{"to":["n1"]}"#, "from", "invalid"),
        (#"{"from":["n1"],"to":["n2","n1"]}"#, "to", "invalid"),
        (#"{"from":["n1"],"to":["n2"],"groups":[["n3"]]}"#, "groups", "invalid"),
        (#"{"group":[["n1"]]}"#, "group", "unknown_parameter"), (#"{"groups":[[1]]}"#, nil, "bad_json"),
    ])
    func `a partition that makes no sense is refused`(body: String, field: String?, code: String) throws {
        try expect(.post, "/faults/partition?ttl=1s", body, field, code)
    }

    @Test func `a partition of a million nodes is refused while it is read`() throws {
        let names = (0..<100_000).map { "\"n\($0)\"" }.joined(separator: ",")
        try expect(.post, "/faults/partition?ttl=1s", "{\"groups\":[[\(names)]]}", "groups", "invalid")
        let groups = (0..<100_000).map { "[\"n\($0)\"]" }.joined(separator: ",")
        try expect(.post, "/faults/partition?ttl=1s", "{\"groups\":[\(groups)]}", "groups", "invalid")
    }

    @Test(arguments: [
        ("/faults/nodes/n1/pause", "for", "invalid"), ("/faults/nodes/n1/pause?for=61s", "for", "invalid"),
        ("/faults/nodes/n1/pause?for=0", "for", "bad_duration"),
    ])
    func `a pause has an end`(target: String, field: String, code: String) throws {
        try expect(.post, target, nil, field, code)
    }

    @Test func `an end that is told twice is none`() throws {
        try expect(
            .put, "/faults/links/n1/n2?ttl=1s", #"{"block":true,"ttl":"1s"}"#, "ttl", "bad_request")
    }

    private func expect(
        _ method: HTTP.Method, _ target: String, _ body: String?, _ field: String?, _ code: String
    ) throws {
        let response = try #require(
            immediate(method, target, body: body), "\(plan(method, target, body: body))")
        #expect(response.code == code)
        let named =
            response.json["errors"]?.elements?.first?["field"]?.string ?? response.json["parameter"]?.string
        #expect(named == field)
        #expect(response.json["applied"]?.string == "no")
    }

    @Test func `what was set is told, and who has it`() throws {
        let plan = try Self.fault(.put, "/faults/links/n1/n2?ttl=1s", #"{"drop":0.5,"delay_ms":7}"#)
        guard case .link(_, _, let effect, _, _) = plan.action else { throw Unexpected(.fault(plan)) }
        let item = FaultStatus.Item(
            id: "n1-1", kind: .link(from: "n1", to: "*", effect),
            expires: WallTime(milliseconds: 1_795_344_753_120), left: .milliseconds(900), hits: FaultHits())
        var status = FaultStatus(items: [item], total: FaultHits())
        (status.isNew, status.appliedOn, status.unreachable, status.refused) = (true, ["n1"], ["n2"], ["n3"])
        let context = AnswerContext(revision: Revision(1))
        let response = api.render(fault: plan, status: status, context: context)
        #expect(response.status == 201)
        let json = response.json
        #expect(json["id"]?.string == "n1-1" && json["from"]?.string == "n1" && json["to"]?.string == "*")
        #expect(json["drop"]?.double == 0.5 && json["delay_ms"]?["max"]?.double == 7)
        #expect(json["expires_at"]?.string == "2026-11-22T10:52:33.120Z")
        #expect(json["expires_in_ms"]?.integer == 900)
        #expect(json["applied_on"]?.elements?.map(\.string) == ["n1"])
        #expect(json["unreachable"]?.elements?.map(\.string) == ["n2"])
        #expect(json["refused"]?.elements?.map(\.string) == ["n3"])
        status.isNew = false
        #expect(api.render(fault: plan, status: status, context: context).status == 200)
        let list = api.render(fault: try Self.fault(.get, "/faults"), status: status, context: context).json
        #expect(list["items"]?.elements?.first?["hits"]?["dropped"]?.integer == 0)
        #expect(list["hits"]?["seen"]?.integer == 0)
    }

    @Test func `are a part of the node's state, and of its health while they act`() throws {
        let pause = FaultStatus.Item(
            id: "n1-3", kind: .pause("n2"), expires: WallTime(milliseconds: 0), left: .zero, hits: FaultHits()
        )
        let context = AnswerContext(revision: Revision(1))
        for (items, isShown) in [([pause], true), ([], false)] {
            var node = NodeStatus()
            node.faults = FaultStatus(items: items, total: FaultHits())
            let state = api.render(local: try local("/state"), status: node, context: context).json
            #expect(state["faults"]?["active"]?.integer == Int64(items.count))
            let health = api.render(local: try local("/health"), status: node, context: context).json
            #expect((health["faults"]?["ids"]?.elements?.first?.string == "n1-3") == isShown)
            #expect((health["faults"] == nil) == !isShown)
        }
        let none = api.render(local: try local("/state"), status: NodeStatus(), context: context).json
        #expect(none["faults"] == nil)
    }
}
