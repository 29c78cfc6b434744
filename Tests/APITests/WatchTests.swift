import API
import HTTP
import JSON
import Primitives
import Store
import Testing
import Watches

/// What a request asks the watches for.
private func watch(
    _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
) throws -> WatchRequest {
    guard case .read(let plan) = plan(method, target, fields, body: body),
        case .watch(let query) = plan.target
    else { throw Unexpected(plan(method, target, fields, body: body)) }
    return query.request
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct `A watch's request` {
    @Test func `says what is to be told`() throws {
        let one = try watch(.get, "/watch?key=a%2Fb&prev&only=delete&keys")
        #expect(one.filter.format == .lines && one.start == .now && one.most == nil && one.wait == nil)
        #expect(one.filter.parts.count == 1 && one.filter.parts[0].range == .only(bytes("a/b")))
        #expect(one.filter.parts[0].only == .delete)
        #expect(one.filter.parts[0].isKeysOnly && one.filter.parts[0].withPrevious)
        #expect(one.filter.parts[0].id == nil)
        #expect(try watch(.get, "/watch?prefix=").filter.parts[0].range == .all)
        #expect(try watch(.get, "/watch?prefix=a/").filter.parts[0].range == .prefix(bytes("a/")))
        #expect(
            try watch(.get, "/watch?start=a&end=c").filter.parts[0].range
                == KeyRange(start: bytes("a"), end: bytes("c")))
    }

    @Test func `says where it begins and ends`() throws {
        #expect(try watch(.get, "/watch?from=7").start == .from(Revision(7)))
        #expect(try watch(.get, "/watch?snapshot").start == .snapshot)
        let bounded = try watch(.get, "/watch?max=3&wait=30s&bookmarks=2s")
        #expect(bounded.most == 3 && bounded.wait == .seconds(30) && bounded.bookmarks == .seconds(2))
        #expect(try watch(.get, "/watch", ["Prefer": "wait=5"]).wait == .seconds(5))
    }

    @Test func `goes on behind the last event, whatever its URL says`() throws {
        for target in ["/watch", "/watch?from=3", "/watch?snapshot"] {
            #expect(try watch(.get, target, ["Last-Event-ID": "43"]).start == .from(Revision(44)))
        }
        #expect(try watch(.get, "/watch", ["Last-Event-ID": "0"]).start == .from(Revision(1)))
    }

    @Test func `may want server-sent events`() throws {
        #expect(try watch(.get, "/watch", ["Accept": "text/event-stream"]).filter.format == .events)
        #expect(try watch(.get, "/watch", ["Accept": "*/*"]).filter.format == .lines)
    }

    @Test func `may name many ranges`() throws {
        let request = try watch(
            .post, "/watch?prev",
            body:
                #"{"watches":[{"id":"x","prefix":"a/"},{"key_b64":"/w==","prev":false},{"start":"b","only":"put"}]}"#
        )
        let parts = request.filter.parts
        #expect(parts.map(\.id) == ["x", "1", "2"])
        #expect(
            parts.map(\.range) == [
                .prefix(bytes("a/")), .only([255]), KeyRange(start: bytes("b"), end: nil),
            ])
        #expect(parts.map(\.withPrevious) == [true, false, true])
        #expect(parts.map(\.only) == [nil, nil, .put])
    }

    @Test(arguments: [
        ("/watch?from=0", "bad_request"), ("/watch?from=x", "bad_request"),
        ("/watch?from=1&snapshot", "bad_request"), ("/watch?key=a&prefix=b", "bad_request"),
        ("/watch?key=", "bad_key"), ("/watch?start=b&end=a", "bad_request"),
        ("/watch?only=both", "bad_request"), ("/watch?max=0", "bad_request"),
        ("/watch?wait=soon", "bad_duration"), ("/watch?bookmarks=1ms", "bad_duration"),
        ("/watch?rev=3", "unknown_parameter"), ("/watch?prefx=a", "unknown_parameter"),
    ])
    func `is refused by name if it makes no sense`(_ target: String, _ code: String) {
        #expect(immediate(.get, target)?.code == code)
    }

    @Test(arguments: ["", "x", "-1", "1.5", "18446744073709551615", "99999999999999999999"])
    func `with an id that no event has is refused`(_ id: String) {
        #expect(immediate(.get, "/watch", ["Last-Event-ID": id])?.code == "bad_request")
    }

    @Test(arguments: [
        (#"{}"#, "invalid"), (#"{"watches":[]}"#, "invalid"), (#"{"watches":[{}]}"#, "invalid"),
        (#"{"watches":[{"key":"a","prefix":"b"}]}"#, "invalid"), (#"{"watches":[{"key":""}]}"#, "bad_key"),
        (#"{"watches":[{"key":"a","id":"x"},{"key":"b","id":"x"}]}"#, "invalid"),
        (#"{"watches":[{"prefix":"a","only":"both"}]}"#, "invalid"),
        (#"{"watches":[{"prefx":"a"}]}"#, "unknown_parameter"), (#"{"watch":[]}"#, "unknown_parameter"),
        (#"{"watches":[{"key":1}]}"#, "bad_json"), (#"{"watches":["#, "bad_json"),
    ])
    func `with a body that makes no sense is refused`(_ body: String, _ code: String) {
        #expect(immediate(.post, "/watch", body: body)?.code == code)
    }

    @Test func `has a bounded number of ranges`() {
        func body(_ count: Int) -> String {
            "{\"watches\":[" + (0..<count).map { "{\"key\":\"\($0)\"}" }.joined(separator: ",") + "]}"
        }
        #expect(immediate(.post, "/watch", body: body(128)) == nil)
        #expect(immediate(.post, "/watch", body: body(129))?.code == "invalid")
    }
}

@Suite struct `A watch's answer` {
    @Test func `begins at once, with the revision that it starts behind`() throws {
        var fixture = Fixture()
        fixture.put("a", "1")
        let head = try #require(try fixture.get("/watch?prefix="))
        #expect(head.status == 200 && head.body.isEmpty)
        #expect(head.fieldText("Content-Type") == "application/x-ndjson")
        #expect(head.fieldText("X-Accel-Buffering") == "no")
        #expect(head.fieldText("Parley-Revision") == "2")
        let events = try #require(try fixture.get("/watch?prefix=", ["Accept": "text/event-stream"]))
        #expect(events.fieldText("Content-Type") == "text/event-stream")
        #expect(events.text == "retry: 1000\n\n")
    }

    @Test func `has no body for HEAD, and ends`() throws {
        let fixture = Fixture()
        let head = try #require(try fixture.head("/watch?prefix="))
        #expect(head.status == 200 && head.body.isEmpty)
    }

    @Test func `is 410 where history was dropped, with the first revision that there is`() throws {
        var fixture = Fixture()
        for number in 1...5 { fixture.put("a", "\(number)") }
        fixture.apply(.compact(Revision(4)))
        let gone = try #require(try fixture.get("/watch?from=4"))
        #expect(gone.status == 410 && gone.code == "compacted")
        #expect(gone.json["compact_revision"]?.unsigned == 4)
        #expect(gone.json["current_revision"]?.unsigned == 6)
        #expect(gone.json["first_revision"]?.unsigned == 5)
        #expect(try fixture.get("/watch?from=5")?.status == 200)
        #expect(try fixture.get("/watch", ["Last-Event-ID": "3"])?.status == 410)
        #expect(try fixture.get("/watch", ["Last-Event-ID": "4"])?.status == 200)
    }

    @Test func `tells an error on the stream as the stream's form has it`() throws {
        let fixture = Fixture()
        let line = api.compactedLine(Revision(4), Revision(9), .lines, context: fixture.context)
        let problem = try JSONValue(parsing: line)["error"]
        #expect(problem?["code"]?.string == "compacted" && problem?["status"]?.unsigned == 410)
        #expect(problem?["compact_revision"]?.unsigned == 4)
        let event = api.slowConsumerLine(.events, context: fixture.context)
        let text = String(decoding: event, as: UTF8.self)
        #expect(text.hasPrefix("event: error\ndata: {\"error\":{") && text.hasSuffix("}}\n\n"))
        #expect(text.contains("\"code\":\"slow_consumer\""))
    }
}
