import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Imports` {
    private func planned(_ body: String, query: String = "") throws -> ImportPlan {
        guard case .importLines(let plan) = plan(.post, "/kv\(query)", body: body) else {
            throw Unexpected(plan(.post, "/kv\(query)", body: body))
        }
        return plan
    }

    private func carryOut(_ plan: ImportPlan, _ fixture: inout Fixture) -> HTTP.Response {
        let outcomes = plan.batches.map { BatchOutcome.outcome(fixture.apply($0.operation)) }
        return api.render(import: plan, outcomes: outcomes, context: fixture.context)
    }

    @Test func `tell each line's revision, and count at the end`() throws {
        var fixture = Fixture()
        let body = """
            {"key":"a","value":"one"}
            {"key_b64":"/w==","value_b64":"AP8="}

            {"key":"c","value":"","revision":7,"create_revision":7,"version":1,"size":0}\r

            """
        let response = carryOut(try planned(body), &fixture)
        #expect(response.status == 200)
        #expect(response.fieldText("Content-Type") == "application/x-ndjson")
        #expect(
            response.text == """
                {"line":1,"revision":2}
                {"line":2,"revision":2}
                {"line":4,"revision":2}
                {"lines":3,"applied":3,"failed":0,"revision":2}

                """)
        #expect(try fixture.get("/kv/%ff")?.body == [0, 0xff])
        #expect(!response.text.contains("\"error\""))
    }

    @Test func `take back what a list gave as lines`() throws {
        var one = Fixture()
        for (key, value) in [("a", "1"), ("b\n\"", "2"), ("ä", "")] { one.put(key, value) }
        one.apply(.put(key: [0xfe], value: [0xff], guard: nil, returnPrevious: false))
        let lines = try #require(try one.get("/kv", ["Accept": "application/x-ndjson"]))
        var other = Fixture()
        _ = carryOut(try planned(lines.text), &other)
        let items = try #require(try one.get("/kv")?.json["items"]?.elements)
        let copies = try #require(try other.get("/kv")?.json["items"]?.elements)
        #expect(items.count == 4)
        #expect(items.map { $0["key"] } == copies.map { $0["key"] })
        #expect(items.map { $0["value"] } == copies.map { $0["value"] })
    }

    @Test func `carry on after lines that are bad`() throws {
        var fixture = Fixture()
        let body = [
            #"{"key":"a","value":"1"}"#, #"{"key":"b"}"#, #"{"value":"1"}"#, #"nonsense"#,
            #"{"key":"","value":""}"#,
            #"{"key":"c","value":"1","ttl_ms":5}"#, #"{"key":"d","vlaue":"1"}"#,
            #"{"key":"e","value":"1"} x"#,
            #"{"key":"f","key_b64":"Zg==","value":"1"}"#, #"{"key":"g","value":1}"#,
            #"{"key":"z","value":"9"}"#,
        ].joined(separator: "\n")
        let response = carryOut(try planned(body), &fixture)
        #expect(response.status == 200)
        let errors = response.lines.dropLast().map { $0["error"]?.string ?? "" }
        #expect(
            errors == [
                "", "bad_json", "bad_json", "bad_json", "bad_key", "not_implemented", "unknown_parameter",
                "bad_json",
                "bad_json", "bad_json", "",
            ])
        #expect(response.lines.last?["applied"]?.integer == 2)
        #expect(response.lines.last?["failed"]?.integer == 9)
        #expect(fixture.keyspace.count == 2)
    }

    @Test func `with nothing to import are refused`() throws {
        #expect(immediate(.post, "/kv", body: "")?.code == "bad_request")
        #expect(immediate(.post, "/kv", body: "\n \n")?.code == "bad_request")
        let response = try #require(immediate(.post, "/kv", body: "x\n{}\n"))
        #expect(response.status == 422)
        #expect(response.json["errors"]?.elements?.count == 2)
        #expect(response.json["errors"]?[1]?["field"]?.string == "line 2")
    }

    @Test func `come in commands of up to 128 lines and one mebibyte, in order, without repeated keys`()
        throws
    {
        let many = (1...300).map { #"{"key":"k\#($0)","value":"v"}"# }.joined(separator: "\n")
        #expect(try planned(many).batches.map(\.lines.count) == [128, 128, 44])
        #expect(try planned(many).batches[1].lines.first == 129)
        let value = String(repeating: "x", count: 400_000)
        let large = (1...4).map { #"{"key":"k\#($0)","value":"\#(value)"}"# }.joined(separator: "\n")
        #expect(try planned(large).batches.map(\.lines) == [[1, 2], [3, 4]])
        let repeated = ["a", "b", "a", "a"].map { #"{"key":"\#($0)","value":"v"}"# }.joined(separator: "\n")
        #expect(try planned(repeated).batches.map(\.lines) == [[1, 2], [3], [4]])
    }

    @Test func `with mode=create leave alone what is there`() throws {
        var fixture = Fixture()
        fixture.put("a", "old")
        let plan = try planned(
            "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}", query: "?mode=create")
        let response = carryOut(plan, &fixture)
        #expect(response.lines[0]["error"]?.string == "already_exists")
        #expect(response.lines[1]["revision"]?.integer == 3)
        #expect(try fixture.get("/kv/a")?.text == "old")
        #expect(immediate(.post, "/kv?mode=replace", body: "x")?.code == "bad_request")
    }

    @Test func `with an idempotency key are carried out once`() throws {
        var fixture = Fixture()
        let lines = (1...200).map { #"{"key":"k\#($0)","value":"v"}"# }.joined(separator: "\n")
        func keyed(_ body: String) throws -> ImportPlan {
            guard case .importLines(let plan) = plan(.post, "/kv", ["Idempotency-Key": "k"], body: body)
            else {
                throw Unexpected(plan(.post, "/kv", body: body))
            }
            return plan
        }
        func carryOut(_ plan: ImportPlan) -> HTTP.Response {
            let outcomes = plan.batches.enumerated().map { number, batch in
                BatchOutcome.outcome(fixture.apply(batch.operation, once: plan.once?.part(number)))
            }
            return api.render(import: plan, outcomes: outcomes, context: fixture.context)
        }
        let first = carryOut(try keyed(lines))
        #expect(first.lines.last?["applied"]?.integer == 200)
        fixture.put("k1", "changed")
        #expect(carryOut(try keyed(lines)).body == first.body)
        #expect(try fixture.get("/kv/k1")?.text == "changed")
        let other = carryOut(try keyed(#"{"key":"a","value":"b"}"#))
        #expect(other.status == 422 && other.code == "idempotency_key_reused")
    }

    @Test func `tell what became of commands that failed`() throws {
        var fixture = Fixture()
        let body = (1...200).map { #"{"key":"k\#($0)","value":"v"}"# }.joined(separator: "\n")
        let plan = try planned(body)
        let first = BatchOutcome.outcome(fixture.apply(plan.batches[0].operation))
        let response = api.render(
            import: plan, outcomes: [first, .failed(.outcomeUnknown)], context: fixture.context)
        #expect(response.status == 200)
        #expect(response.lines.last?["applied"]?.integer == 128)
        #expect(response.lines[128]["error"]?.string == "outcome_unknown")
        #expect(response.lines[128]["applied"]?.string == "unknown")
        let none = api.render(import: plan, outcomes: [.failed(.noLeader)], context: fixture.context)
        #expect(none.status == 503)
        #expect(none.code == "no_leader")
        let short = api.render(import: plan, outcomes: [first], context: fixture.context)
        #expect(short.lines[128]["error"]?.string == "overloaded")
    }
}
