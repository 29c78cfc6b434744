// Idempotency keys, and what is told of requests.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct Requests {
    @Test func `with an idempotency key get the first answer again, byte by byte`() throws {
        var fixture = Fixture()
        fixture.put("a", "0")
        let cases: [(HTTP.Method, String, String?)] = [
            (.put, "/kv/a?prev", "1"), (.put, "/kv/b", "2"), (.put, "/kv/b?if_absent", "3"),
            (.delete, "/kv/b", nil), (.delete, "/kv/none?must_exist", nil),
            (.post, "/kv/n?op=incr&by=5", nil),
            (.post, "/txn", #"{"then":[{"put":{"key":"t","value":"1"}},{"get":{"key":"t"}}]}"#),
            (.post, "/txn", #"{"if":[{"key":"t","value":"2"}],"then":[{"delete":{"key":"t"}}]}"#),
        ]
        for (place, (method, target, body)) in cases.enumerated() {
            let fields = ["Idempotency-Key": "key-\(place)"]
            let first = try fixture.answer(method, target, fields, body: body)
            let revision = fixture.keyspace.revision
            let again = try fixture.answer(method, target, fields, body: body)
            #expect(again.status == first.status && fixture.keyspace.revision == revision, "\(target)")
            // The id that problems tell is the first request's too.
            #expect(again.json["key"] == first.json["key"] && again.json["code"] == first.json["code"])
            if first.status < 400 { #expect(again.body == first.body, "\(target)") }
            #expect(
                again.fieldText("Idempotent-Replayed") == "true"
                    && first.fieldText("Idempotent-Replayed") == nil)
            let other = try fixture.answer(.put, "/kv/else", fields, body: "x")
            #expect(other.status == 422 && other.code == "idempotency_key_reused")
        }
    }

    @Test(arguments: ["", "a b", "\u{e9}", String(repeating: "k", count: 129)])
    func `refuse keys that are none`(_ key: String) throws {
        let response = try #require(immediate(.put, "/kv/a", ["Idempotency-Key": key], body: "1"))
        #expect(response.status == 400 && response.json["header"]?.string == "Idempotency-Key")
    }

    @Test func `that can't be carried out once refuse the key by name`() throws {
        let targets = [
            "/messages/n1", "/leader/transfer", "/inbox/a/ack?id=1", "/locks/a/acquire?hold",
            "/leases?ttl=5s&hold",
        ]
        for target in targets {
            let response = try #require(
                immediate(.post, target, ["Idempotency-Key": "k"], body: "x"), "\(target)")
            #expect(response.status == 400 && response.json["header"]?.string == "Idempotency-Key")
        }
    }

    @Test func `are the same whatever time the client gives them`() throws {
        let plans = try ["", "?timeout=1s", "?timeout=2500ms", "?prev&timeout=1s", "?timeout=1s&prev"].map {
            try write(.put, "/kv/a\($0)", ["Idempotency-Key": "k"], body: "1").once?.fingerprint
        }
        #expect(plans[0] == plans[1] && plans[1] == plans[2])
        #expect(plans[3] == plans[4] && plans[0] != plans[3])
    }

    @Test func `differ by method, path, query and body`() throws {
        let plans = try [
            write(.put, "/kv/a", ["Idempotency-Key": "k"], body: "1"),
            write(.put, "/kv/a", ["Idempotency-Key": "k"], body: "2"),
            write(.put, "/kv/a?prev", ["Idempotency-Key": "k"], body: "1"),
            write(.put, "/kv/b", ["Idempotency-Key": "k"], body: "1"),
            write(.delete, "/kv/a", ["Idempotency-Key": "k"]),
        ]
        #expect(Set(plans.map { $0.once?.fingerprint }).count == plans.count)
        let same = try write(.put, "/kv/a", ["Idempotency-Key": "k"], body: "1")
        #expect(same.once == plans[0].once)
    }

    @Test func `are told by id and by key`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.put, "/kv/a", ["Idempotency-Key": "k"], body: "1")
        let id = RequestID(high: 1, low: 1)
        for name in ["\(id)", "\(id)".lowercased(), "key:k"] {
            let answer = try #require(try fixture.get("/requests/\(name)"))
            #expect(answer.status == 200 && answer.json["outcome"]?.string == "applied", "\(answer.text)")
            #expect(answer.json["status"]?.integer == 201 && answer.json["id"]?.string == name)
            #expect(answer.json["revision"]?.integer == 2 && answer.json["index"]?.integer == 1)
        }
        let unknown = try #require(try fixture.get("/requests/\(RequestID(high: .max, low: 1))"))
        #expect(unknown.json["outcome"]?.string == "pending")
        #expect(try fixture.get("/requests/key:none")?.code == "request_not_found")
        for name in ["x", "key:", "key:%20", "0123456789ABCDEFGHJKMNPQRU", "81ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            #expect(immediate(.get, "/requests/\(name)")?.status == 400, "\(name)")
        }
    }

    @Test func `that are cancelled in time never happen`() throws {
        var fixture = Fixture()
        let cancelled = try fixture.answer(.post, "/requests/key:k/cancel")
        #expect(cancelled.status == 200 && cancelled.json["outcome"]?.string == "never")
        let late = try fixture.answer(.put, "/kv/a", ["Idempotency-Key": "k"], body: "1")
        #expect(late.status == 409 && late.code == "request_cancelled" && fixture.keyspace.count == 0)
        _ = try fixture.answer(.put, "/kv/a", ["Idempotency-Key": "won"], body: "1")
        let won = try fixture.answer(.post, "/requests/key:won/cancel")
        #expect(won.json["outcome"]?.string == "applied" && won.json["status"]?.integer == 201)
    }

    @Test func `have ids that are read as they are written`() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            let id = RequestID(high: random.next(), low: random.next())
            #expect(RequestID("\(id)") == id)
        }
    }
}
