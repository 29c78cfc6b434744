import API
import Clocks
import HTTP
import JSON
import Primitives
import Testing

@Suite struct ClockTests {
    private static let wall = WallTime(milliseconds: 1_795_344_753_120)

    /// What a node whose clocks are these says.
    private static func answer(
        _ method: HTTP.Method, _ target: String, _ body: String? = nil, _ clocks: inout ProcessClocks,
        errorBound: Instant.Span? = nil
    ) throws -> HTTP.Response {
        guard case .local(let plan) = plan(method, target, body: body), case .clock(let question) = plan.view
        else { throw Unexpected(plan(method, target, body: body)) }
        var refusal: ClockError?
        switch question {
        case .read, .now, .skew: break
        case .tick: clocks.tick(at: wall)
        case .observe(let stamp):
            do { try clocks.observe(stamp, at: wall) } catch { refusal = error }
        }
        var status = NodeStatus()
        status.clock = ClockStatus(
            wall: wall, monotonic: .zero + .seconds(9), errorBound: errorBound, stamp: clocks.stamp)
        status.clock?.refusal = refusal
        return api.render(local: plan, status: status, context: AnswerContext(revision: Revision(1)))
    }

    @Test func `are shown, moved by events, and set by what is received`() throws {
        var clocks = ProcessClocks(name: "n1")
        var json = try Self.answer(.get, "/clock", nil, &clocks).json
        #expect(json["lamport"]?.integer == 0 && json["physical"]?["monotonic_ms"]?.integer == 9_000)
        #expect(json["physical"]?["time"]?.string == "2026-11-22T10:52:33.120Z")
        #expect(json["physical"]?["synchronized"] == .bool(false))
        #expect(json["physical"]?["error_bound_ms"] == nil)
        json = try Self.answer(.post, "/clock/tick", nil, &clocks).json
        #expect(json["lamport"]?.integer == 1 && json["hlc"]?.string == "2026-11-22T10:52:33.120Z/0000")
        #expect(json["vector"]?["n1"]?.integer == 1)
        let body = #"{"lamport":900,"hlc":"2026-11-22T10:52:34.000Z/00ff","vector":{"n2":4,"x":0}}"#
        json = try Self.answer(.post, "/clock/observe", body, &clocks).json
        #expect(json["lamport"]?.integer == 901 && json["hlc"]?.string == "2026-11-22T10:52:34.000Z/0100")
        #expect(json["vector"]?["n1"]?.integer == 2 && json["vector"]?["n2"]?.integer == 4)
        #expect(json["vector"]?["x"] == nil)
    }

    @Test func `what the nodes know of each other's clocks is a matrix`() throws {
        guard case .local(let plan) = plan(.get, "/clock/skew") else { throw Unexpected(plan(.get, "/")) }
        var status = NodeStatus()
        status.clock = ClockStatus(wall: Self.wall, monotonic: .zero, errorBound: nil, stamp: Stamp())
        var json = api.render(local: plan, status: status, context: AnswerContext(revision: Revision(1)))
        #expect(json.json["agreement"] == .null)
        status.clock?.rows = [
            .init(name: "n1", offsets: [("n2", 4_900, 201)], age: .zero),
            .init(name: "n2", offsets: [("n1", -4_950, 150)], age: .milliseconds(400)),
        ]
        status.clock?.agreement = ClockAgreement(
            of: [OffsetInterval(least: 4_699, most: 5_101)], clocks: 2)
        json = api.render(local: plan, status: status, context: AnswerContext(revision: Revision(1)))
        let skew = try #require(json.json["skew"])
        #expect(skew["n1"]?["offsets"]?["n2"]?["offset_ms"]?.double == 4.9)
        #expect(skew["n2"]?["offsets"]?["n1"]?["error_ms"]?.double == 0.15)
        #expect(skew["n2"]?["age_ms"]?.integer == 400)
        #expect(json.json["agreement"]?["agreeing"]?.integer == 2)
    }

    @Test func `true time is within the interval, as far as somebody knows`() throws {
        var clocks = ProcessClocks(name: "n1")
        var json = try Self.answer(
            .get, "/clock/now?uncertainty", nil, &clocks, errorBound: .milliseconds(40)
        ).json
        #expect(json["synchronized"] == .bool(true) && json["error_bound_ms"]?.integer == 41)
        #expect(json["earliest"]?.string == "2026-11-22T10:52:33.079Z")
        #expect(json["latest"]?.string == "2026-11-22T10:52:33.162Z")
        json = try Self.answer(.get, "/clock/now", nil, &clocks, errorBound: .milliseconds(40)).json
        #expect(json["earliest"] == nil && json["error_bound_ms"]?.integer == 41)
        json = try Self.answer(.get, "/clock/now?uncertainty", nil, &clocks).json
        #expect(json["synchronized"] == .bool(false) && json["earliest"] == nil)
    }

    @Test func `what can't be right is refused with what is wrong, and moves none`() throws {
        var clocks = ProcessClocks(name: "n1")
        let before = clocks.stamp
        let ahead = try Self.answer(
            .post, "/clock/observe", #"{"lamport":5,"hlc":"2026-11-22T10:52:43.121Z/0000"}"#, &clocks)
        #expect(ahead.status == 400 && ahead.code == "clock_ahead")
        #expect(ahead.json["ahead_ms"]?.integer == 10_001)
        #expect(ahead.json["max_clock_skew_ms"]?.integer == 10_000)
        let large = try Self.answer(.post, "/clock/observe", #"{"lamport":18446744073709551615}"#, &clocks)
        #expect(large.status == 422 && large.json["errors"]?.elements?.first?["field"]?.string == "lamport")
        #expect(clocks.stamp == before)
    }

    @Test(arguments: [
        ("{}", 422, "invalid"), ("", 400, "bad_json"), ("[]", 400, "bad_json"),
        (#"{"lamport":-1}"#, 400, "bad_json"), (#"{"lamport":1,"lamport":2}"#, 400, "bad_json"),
        (#"{"lamprt":1}"#, 400, "unknown_parameter"), (#"{"hlc":"now"}"#, 422, "invalid"),
        (#"{"hlc":"2026-11-22T10:52:33.120Z/FFFF"}"#, 422, "invalid"),
        (#"{"hlc":"2026-11-31T10:52:33.120Z/0000"}"#, 422, "invalid"),
        (#"{"hlc":"2026-11-22T10:52:33.120Z/+0ff"}"#, 422, "invalid"),
        (#"{"vector":{"":1}}"#, 422, "invalid"), (#"{"vector":{"a":"1"}}"#, 400, "bad_json"),
    ])
    func `a stamp that is none is refused`(body: String, status: Int, code: String) throws {
        for (target, body) in [
            ("/clock/observe", body), ("/clock/compare", #"{"a":{"lamport":1},"b":\#(body)}"#),
        ] {
            let response = try #require(immediate(.post, target, body: body))
            #expect(response.status == status && response.code == code, "\(target)")
        }
    }

    @Test func `a vector of too many processes is refused while it is read`() throws {
        let names = (0..<100_000).map { "\"p\($0)\":1" }.joined(separator: ",")
        let response = try #require(immediate(.post, "/clock/observe", body: "{\"vector\":{\(names)}}"))
        #expect(response.status == 422 && response.code == "invalid")
    }

    @Test(arguments: [
        (#"{"a":{"vector":{"n1":2}},"b":{"vector":{"n2":1}}}"#, "concurrent", "vector"),
        (#"{"a":{"vector":{"n1":2}},"b":{"vector":{"n1":2,"n2":1},"lamport":1}}"#, "before", "vector"),
        (
            #"{"a":{"hlc":"2026-11-22T10:52:33.120Z/0001"},"b":{"hlc":"2026-11-22T10:52:33.120Z/0000"}}"#,
            "after", "hlc"
        ),
        (#"{"b":{"lamport":4},"a":{"lamport":4}}"#, "equal", "lamport"),
    ])
    func `two times are compared`(body: String, order: String, by: String) throws {
        let response = try #require(immediate(.post, "/clock/compare", body: body))
        #expect(response.status == 200)
        #expect(response.json["order"]?.string == order && response.json["by"]?.string == by)
    }

    @Test(arguments: [
        #"{"a":{"lamport":1}}"#, #"{"a":{"lamport":1},"b":{}}"#,
        #"{"a":{"lamport":1},"b":{"vector":{"n1":1}}}"#,
    ])
    func `what has no clock in common can't be compared`(body: String) throws {
        let response = try #require(immediate(.post, "/clock/compare", body: body))
        #expect(response.status == 422 && response.json["errors"]?.elements?.isEmpty == false)
    }

    @Test func `a request may carry one time, which is one`() throws {
        func carried(_ fields: [(name: String, value: String)]) -> NativeAPI.CarriedTime {
            api.clock(of: HTTP.Request(method: .get, target: "/kv/a", fields: fields, body: []))
        }
        let text = "2026-11-22T10:52:33.120Z/00ff"
        guard case .none = carried([]), case .time(let time) = carried([("Parley-Clock", text)]) else {
            Issue.record("neither none nor a time")
            return
        }
        #expect(time == HybridTime(Self.wall, 0xff) && time.text == text)
        for fields in [[("Parley-Clock", "soon")], [("Parley-Clock", text), ("Parley-Clock", text)]] {
            guard case .malformed(let response) = carried(fields) else {
                Issue.record("\(fields)")
                continue
            }
            #expect(response.status == 400 && response.code == "bad_request")
            #expect(response.json["header"]?.string == "Parley-Clock")
        }
        let refusal = api.refuse(
            request(.put, "/kv/a", body: "1"), .ahead(milliseconds: 10_001, most: .seconds(10)),
            context: AnswerContext(revision: Revision(1)))
        #expect(refusal.status == 400 && refusal.code == "clock_ahead")
        #expect(refusal.json["applied"]?.string == "no")
    }

    @Test func `are a part of the node's state`() throws {
        guard case .local(let plan) = plan(.get, "/state") else { throw Unexpected(plan(.get, "/state")) }
        var clocks = ProcessClocks(name: "n1")
        clocks.tick(at: Self.wall)
        var status = NodeStatus()
        status.clock = ClockStatus(wall: Self.wall, monotonic: .zero, errorBound: nil, stamp: clocks.stamp)
        let context = AnswerContext(revision: Revision(1))
        let state = api.render(local: plan, status: status, context: context).json
        #expect(state["clocks"]?["hlc"]?.string == "2026-11-22T10:52:33.120Z/0000")
        #expect(state["clocks"]?["vector"]?["n1"]?.integer == 1)
    }
}
