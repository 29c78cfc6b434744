import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Transactions` {
    @Test func `answer what each operation did, at one revision`() throws {
        var fixture = Fixture()
        fixture.put("a", "10")
        fixture.put("b", "1")
        let response = try fixture.answer(
            .post, "/txn",
            body: """
                {"if":[{"key":"a","value":"10"},{"prefix":"","count":{"lt":3}}],
                 "then":[{"put":{"key":"a","value":"5","prev":true}},{"incr":{"key":"b","by":5}},
                         {"put":{"key_b64":"/w==","value_b64":"AP8="}},{"get":{"key":"none"}},{"get":{"key":"b"}},
                         {"delete":{"prefix":"x"}},{"get":{"prefix":"","limit":1}}]}
                """)
        #expect(response.status == 200)
        #expect(response.fieldText("Parley-Revision") == "4")
        let put = #""key":"a","revision":4,"create_revision":2,"version":2"#
        let previous = #""prev":{"key":"a","value":"10","revision":2,"create_revision":2,"version":1}"#
        #expect(
            response.text == #"{"succeeded":true,"revision":4,"results":[{"put":{\#(put),\#(previous)}},"#
                + #"{"incr":{"key":"b","value":"6","revision":4,"version":2}},"#
                + #"{"put":{"key_b64":"/w==","revision":4,"create_revision":4,"version":1}},{"get":null},"#
                + #"{"get":{"key":"b","value":"6","revision":4,"create_revision":3,"version":2}},"#
                + #"{"delete":{"deleted":0}},{"get":{"items":[{"key":"a","value":"5","revision":4,"#
                + #""create_revision":2,"version":2}],"more":true}}]}"# + "\n")
    }

    @Test func `without else answer 412 with what was found instead`() throws {
        var fixture = Fixture()
        fixture.put("a", "1")
        let body = #"""
            {"if":[{"key":"a","revision":9},{"key":"a","exists":true},{"key":"b","exists":true},
                   {"key":"a","value":{"gt":"1"}},{"prefix":"a","count":0},{"key":"a","create_revision":{"ne":2}}],
             "then":[{"delete":{"key":"a"}}]}
            """#
        let response = try fixture.answer(.post, "/txn", body: body)
        #expect(response.status == 412 && response.code == "txn_failed")
        #expect(response.json["applied"]?.string == "no")
        #expect(
            response.json["failed_guards"].map { String(decoding: $0.serialized(), as: UTF8.self) }
                == #"[{"index":0,"key":"a","actual_revision":2},"#
                + #"{"index":2,"key":"b","actual_revision":0,"actual_version":0},"#
                + #"{"index":3,"key":"a","actual_revision":2},{"index":4,"start":"a","end":"b","actual_count":1},"#
                + #"{"index":5,"key":"a","actual_revision":2,"actual_create_revision":2}]"#)
        let otherwise = try fixture.answer(
            .post, "/txn", body: String(body.dropLast()) + #","else":[{"get":{"key":"a"}}]}"#)
        #expect(otherwise.status == 200 && otherwise.json["succeeded"]?.bool == false)
        #expect(otherwise.json["failed_guards"]?.elements?.count == 5)
        #expect(otherwise.json["results"]?[0]?["get"]?["value"]?.string == "1")
    }

    /// The answer to a transaction that is not committed.
    private func evaluate(_ target: String, _ body: String, _ fixture: Fixture) throws -> HTTP.Response {
        guard case .read(let plan) = plan(.post, target, body: body),
            case .answer(let response) = api.render(
                read: plan, keyspace: fixture.keyspace, context: fixture.context)
        else { throw Unexpected(plan(.post, target, body: body)) }
        return response
    }

    @Test func `that only read, and dry runs, are reads`() throws {
        var fixture = Fixture()
        fixture.put("a", "1")
        let get = #"{"then":[{"get":{"key":"a"}}]}"#
        guard case .read(let plan) = plan(.post, "/txn?consistency=stale&max_lag=2s", body: get) else {
            Issue.record("no read")
            return
        }
        #expect(plan.freshness.level == .stale(maxLag: .seconds(2), orLinearizable: false))
        #expect(try evaluate("/txn", get, fixture).json["revision"]?.integer == 2)
        let put = #"{"then":[{"put":{"key":"a","value":"2"}},{"get":{"key":"a"}}]}"#
        let dry = try evaluate("/txn?dry_run", put, fixture)
        #expect(dry.json["revision"]?.integer == 3 && dry.fieldText("Parley-Revision") == "2")
        #expect(dry.json["results"]?[1]?["get"]?["value"]?.string == "2")
        #expect(try fixture.get("/kv/a")?.text == "1")
        #expect(immediate(.post, "/txn?consistency=stale", body: put)?.status == 400)
        #expect(immediate(.post, "/txn?dry_run&redirect=1", body: put)?.status == 400)
    }

    @Test(
        arguments: [
            (#"[]"#, 400, "bad_json", nil),
            (#"{"if":[],"then":[],"then":[]}"#, 400, "bad_json", nil),
            (#"{"if":[]}"#, 422, "invalid", "then"),
            (#"{"then":[{}]}"#, 422, "invalid", "then[0]"),
            (#"{"then":[{"get":{"key":"a"},"put":{"key":"a","value":""}}]}"#, 422, "invalid", "then[0]"),
            (#"{"then":[{"put":{"key":"a"}}]}"#, 422, "invalid", "then[0].put.value"),
            (#"{"then":[{"put":{"value":"a"}}]}"#, 422, "invalid", "then[0].put.key"),
            (#"{"then":[{"put":{"key":"","value":"a"}}]}"#, 400, "bad_key", nil),
            (#"{"then":[{"put":{"key":"a","key_b64":"YQ==","value":"a"}}]}"#, 422, "invalid", "then[0].put"),
            (#"{"then":[{"get":{"key":"a","limit":2}}]}"#, 422, "invalid", "then[0].get.limit"),
            (#"{"then":[{"get":{"prefix":"a","limit":1001}}]}"#, 422, "invalid", "then[0].get.limit"),
            (#"{"then":[{"get":{"prefix":"a","start":"b"}}]}"#, 422, "invalid", "then[0].get"),
            (#"{"then":[{"get":{"start":"b","end":"a"}}]}"#, 422, "invalid", "then[0].get.start"),
            (#"{"then":[{"delete":{"prefix":""}}]}"#, 422, "invalid", "then[0].delete"),
            (#"{"then":[{"delete":{"prefix":"a","all":true}}]}"#, 422, "invalid", "then[0].delete"),
            (#"{"then":[{"delete":{"prefix":"a","prev":true}}]}"#, 422, "invalid", "then[0].delete.prev"),
            (#"{"then":[{"txn":{"then":[{"incr":{}}]}}]}"#, 422, "invalid", "then[0].txn.then[0].incr.key"),
            (#"{"if":[{"key":"a"}],"then":[]}"#, 422, "invalid", "if[0]"),
            (#"{"if":[{"key":"a","revision":1,"version":1}],"then":[]}"#, 422, "invalid", "if[0]"),
            (#"{"if":[{"key":"a","revision":{}}],"then":[]}"#, 422, "invalid", "if[0].revision"),
            (#"{"if":[{"key":"a","revision":{"gt":1,"lt":5}}],"then":[]}"#, 422, "invalid", "if[0].revision"),
            (#"{"if":[{"revision":1}],"then":[]}"#, 422, "invalid", "if[0].key"),
            (#"{"if":[{"key":"a","count":1}],"then":[]}"#, 422, "invalid", "if[0]"),
            (#"{"if":[{"prefix":"a","revision":1}],"then":[]}"#, 422, "invalid", "if[0].key"),
            (#"{"if":[{"key":"a","revision":-1}],"then":[]}"#, 400, "bad_json", nil),
            (#"{"then":[{"put":{"key":"a","value":"1"}},{"delete":{"key":"a"}}]}"#, 422, "invalid", nil),
        ] as [(String, Int, String, String?)])
    func `that make no sense are refused with the place`(
        _ body: String, _ status: Int, _ code: String, _ field: String?
    ) throws {
        let response = try #require(immediate(.post, "/txn", body: body))
        #expect(response.status == status && response.code == code, "\(response.text)")
        #expect(response.json["errors"]?[0]?["field"]?.string == field, "\(response.text)")
    }

    @Test func `name unknown members, and conditions that they do not take`() throws {
        let unknown = try #require(immediate(.post, "/txn", body: #"{"then":[{"putt":{}}]}"#))
        #expect(unknown.code == "unknown_parameter" && unknown.json["nearest"]?.string == "put")
        #expect(unknown.json["parameter"]?.string == "then[0].putt")
        #expect(immediate(.post, "/txn", ["If-Match": "*"], body: "{}")?.status == 400)
    }

    @Test func `are bounded`() throws {
        func body(_ count: Int) -> String {
            let get = #"{"get":{"key":"a"}}"#
            return #"{"then":["# + Array(repeating: get, count: count).joined(separator: ",") + "]}"
        }
        guard case .read = plan(.post, "/txn", body: body(128)) else {
            Issue.record("128 operations are refused")
            return
        }
        #expect(immediate(.post, "/txn", body: body(129))?.code == "invalid")
        func nested(_ depth: Int) -> String {
            depth == 1 ? #"{"then":[]}"# : #"{"then":[{"txn":\#(nested(depth - 1))}]}"#
        }
        guard case .read = plan(.post, "/txn", body: nested(8)) else {
            Issue.record("8 levels are refused")
            return
        }
        #expect(immediate(.post, "/txn", body: nested(9))?.code == "invalid")
        #expect(immediate(.post, "/txn", body: nested(200))?.code == "bad_json")
        let half = #"{"then":[{"txn":\#(body(100))},{"txn":\#(body(100))}]}"#
        #expect(immediate(.post, "/txn", body: half)?.code == "invalid")
    }

    @Test func `whose operation fails change nothing and name it`() throws {
        var fixture = Fixture()
        fixture.put("text", "x")
        let response = try fixture.answer(
            .post, "/txn",
            body: #"{"then":[{"put":{"key":"a","value":"1"}},{"txn":{"then":[{"incr":{"key":"text"}}]}}]}"#)
        #expect(response.status == 422 && response.json["applied"]?.string == "no")
        #expect(response.json["errors"]?[0]?["field"]?.string == "then[1].txn.then[0]")
        #expect(try fixture.get("/kv/a")?.status == 404)
    }
}
