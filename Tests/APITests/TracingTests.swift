import API
import HTTP
import JSON
import Primitives
import Testing

@Suite struct `Traces of the callers` {
    static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func read(_ fields: [(name: String, value: String)]) -> TraceContext? {
        api.trace(of: HTTP.Request(method: .get, target: "/kv/a", fields: fields))
    }

    @Test func `are read whatever the case of the names`() throws {
        let trace = try #require(read([("TraceParent", Self.parent), ("TRACESTATE", "congo=1")]))
        #expect(trace.traceparent == Self.parent)
        #expect(trace.state == "congo=1")
    }

    @Test func `are not invented`() {
        #expect(read([]) == nil)
        #expect(read([("tracestate", "congo=1")]) == nil)
        #expect(read([("traceparent", "malformed"), ("tracestate", "congo=1")]) == nil)
        #expect(read([("traceparent", "")]) == nil)
        #expect(read([("traceparent", Self.parent), ("traceparent", Self.parent)]) == nil)
    }

    @Test func `bring their state in one piece, unless it is too long or not text`() {
        func state(_ values: [String]) -> String? {
            read([("traceparent", Self.parent)] + values.map { ("tracestate", $0) })?.state
        }
        #expect(state([]) == "")
        #expect(state(["a=1", "b=2"]) == "a=1,b=2")
        #expect(state([String(repeating: "a", count: 512)])?.utf8.count == 512)
        #expect(state([String(repeating: "a", count: 513)]) == "")
        #expect(state([String(repeating: "a", count: 256), String(repeating: "a", count: 256)]) == "")
        #expect(state(["a=ü"]) == "")
    }

    @Test func `are told in the answer`() throws {
        let trace = try #require(read([("traceparent", Self.parent)]))
        var response = HTTP.Response(status: 200)
        api.add(trace.child(7), to: &response)
        #expect(
            response.fieldText("traceparent") == "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01")
    }

    @Test func `come with messages`() throws {
        var status = NodeStatus()
        let trace = try #require(read([("traceparent", Self.parent), ("tracestate", "a=1")]))
        let time = WallTime(milliseconds: 0)
        status.inboxItems = [
            .init(id: "m1", from: "n1", channel: "c", body: [], time: time, trace: trace),
            .init(id: "m2", from: "n1", channel: "c", body: [], time: time),
        ]
        let items = api.render(local: try local("/inbox/n2"), status: status, context: Fixture().context).json
        #expect(items["items"]?[0]?["traceparent"]?.string == Self.parent)
        #expect(items["items"]?[0]?["tracestate"]?.string == "a=1")
        #expect(items["items"]?[1]?["traceparent"] == nil && items["items"]?[1]?["tracestate"] == nil)
    }

    @Test func `may be sent and read by pages of allowed origins`() throws {
        var settings = settings
        settings.corsOrigins = ["http://ops.example"]
        let fields = ["Origin": "http://ops.example", "Access-Control-Request-Method": "PUT"]
        guard
            case .answer(let response) = NativeAPI(settings: settings).plan(
                for: request(.options, "/kv/a", fields))
        else { throw Unexpected(plan(.options, "/kv/a", fields)) }
        #expect(
            response.fieldText("Access-Control-Allow-Headers")?.contains("traceparent,tracestate") == true)
        #expect(response.fieldText("Access-Control-Expose-Headers")?.contains("traceparent") == true)
    }
}
