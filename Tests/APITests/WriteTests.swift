import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Writes` {
    @Test func `of a new key answer 201 with everything a client needs`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(.put, "/kv/config/db%20x", body: "host=db1")
        #expect(response.status == 201)
        #expect(
            response.text
                == #"{"key":"config/db x","revision":2,"create_revision":2,"version":1}"# + "\n")
        #expect(response.fieldText("Content-Type") == "application/json")
        #expect(response.fieldText("ETag") == "\"2\"")
        #expect(response.fieldText("Location") == "/kv/config/db%20x")
        #expect(response.fieldText("Parley-Node") == "n2")
        #expect(response.fieldText("Parley-Revision") == "2")
        #expect(response.fieldText("Parley-Request-Id") == RequestID(high: 1, low: 2).description)
        #expect(response.fieldText("Cache-Control") == "no-store")
        let again = try fixture.answer(.put, "/kv/config/db%20x", body: "host=db2")
        #expect(again.status == 200)
        #expect(again.fieldText("Location") == nil)
        #expect(again.json["version"]?.integer == 2)
    }

    @Test(arguments: ["a", "a b", "ä", "a\"b", "a\\b", "<script>", "a\u{7f}b", "a\tb", "日本/ключ"])
    func `have the same body by the short way and by the long one`(_ key: String) throws {
        var encoded: [UInt8] = []
        Percent.encode(key.utf8, into: &encoded)
        let target = "/kv/" + String(decoding: encoded, as: UTF8.self)
        var one = Fixture()
        var other = Fixture()
        let short = try one.answer(.put, target, body: "1")
        let long = try other.answer(.put, target, ["Accept": "text/plain"], body: "1")
        #expect(short.body == long.body)
        #expect(short.json["key"]?.string == key)
    }

    @Test func `tell keys that are no text in base 64`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(
            .put,
            "/kv/%ff%00"
                .replacing("%00", with: "%01"), body: "1")
        #expect(response.json["key_b64"]?.string == "/wE=")
        #expect(response.fieldText("Location") == "/kv/%FF%01")
    }

    @Test func `tell what was there before, if asked`() throws {
        var fixture = Fixture()
        fixture.put("a", "old")
        let put = try fixture.answer(.put, "/kv/a?prev", body: "new")
        #expect(put.json["prev"]?["value"]?.string == "old")
        #expect(put.json["prev"]?["revision"]?.integer == 2)
        let deleted = try fixture.answer(.delete, "/kv/a?prev")
        #expect(deleted.json["prev"]?["value"]?.string == "new")
        #expect(deleted.json["deleted"]?.integer == 1)
        #expect(try fixture.answer(.delete, "/kv/a?prev").text == #"{"deleted":0,"revision":4}"# + "\n")
    }

    @Test(arguments: [
        ("If-Match", "\"42\"", Guard.revision(Revision(42))),
        ("If-Match", "\"18446744073709551615\"", .revision(Revision(.max))),
        ("If-Match", "*", .exists), ("If-None-Match", "*", .absent),
        ("If-Match", "W/\"42\"", .revision(Revision(.max))),
        ("If-Match", "\"042\"", .revision(Revision(.max))),
        ("If-Match", "\"abc\"", .revision(Revision(.max))), ("If-Match", "\"\"", .revision(Revision(.max))),
    ])
    func `become conditional by a header`(_ name: String, _ value: String, _ guarded: Guard) throws {
        let put = try write(.put, "/kv/a", [name: value], body: "x")
        #expect(
            put.operation(at: Revision(1))
                == .put(key: [97], value: [120], guard: guarded, returnPrevious: false))
    }

    @Test(arguments: [
        ("If-Match", "42"), ("If-Match", "\"42"), ("If-Match", "\"1\",\"2\""), ("If-Match", ""),
        ("If-Match", "*,*"),
        ("If-Match", "\"1\","), ("If-Match", "w/\"1\""), ("If-Match", "\"1\" \"2\""), ("If-Match", "\"a b\""),
        ("If-Match", "* "), ("If-None-Match", "\"42\""), ("If-None-Match", "**"),
    ])
    func `with a condition that can't be are refused`(_ name: String, _ value: String) throws {
        if value == "* " { return }  // A connection takes the blanks around a value away.
        let response = try #require(immediate(.put, "/kv/a", [name: value], body: "x"))
        #expect(response.code == "bad_request")
    }

    @Test func `never have two conditions, of which one would be dropped`() {
        #expect(immediate(.put, "/kv/a?if_rev=1", ["If-Match": "\"1\""], body: "")?.code == "bad_request")
        #expect(immediate(.put, "/kv/a?if_rev=1&if_absent", body: "")?.code == "bad_request")
        let both = ["If-Match": "*", "If-None-Match": "*"]
        #expect(immediate(.put, "/kv/a", both, body: "")?.code == "bad_request")
        #expect(immediate(.delete, "/kv/a", ["If-None-Match": "*"])?.code == "bad_request")
        #expect(immediate(.post, "/kv/a?op=incr", ["If-Match": "\"1\""])?.code == "bad_request")
        #expect(immediate(.delete, "/kv?prefix=a", ["If-Match": "\"1\""])?.code == "bad_request")
    }

    @Test func `whose condition does not hold say where the key is`() throws {
        var fixture = Fixture()
        fixture.put("foo", "1")
        let response = try fixture.answer(.put, "/kv/foo", ["If-Match": "\"42\""], body: "2")
        #expect(response.status == 412)
        #expect(response.code == "precondition_failed")
        #expect(response.json["detail"]?.string == "key 'foo' is at revision 2, If-Match said 42")
        #expect(response.json["key"]?.string == "foo")
        #expect(response.json["current_revision"]?.integer == 2)
        #expect(response.json["applied"]?.string == "no")
        #expect(response.json["retry"]?.string == "no")
        #expect(response.json["node"]?.string == "n2")
        #expect(response.json["leader"]?.string == "n1")
        #expect(response.json["term"]?.integer == 7)
        #expect(response.json["instance"]?.string == "/requests/\(RequestID(high: 1, low: 2))")
        #expect(response.fieldText("Parley-Request-Id") != nil)
        let absent = try fixture.answer(.put, "/kv/bar?if_rev=9", body: "2")
        #expect(absent.json["detail"]?.string == "key 'bar' does not exist, if_rev said 9")
        #expect(absent.json["current_revision"] == nil)
        let exists = try fixture.answer(.put, "/kv/foo?if_absent", body: "2")
        #expect(
            exists.json["detail"]?.string
                == "key 'foo' is at revision 2, if_absent said that it does not exist")
        let weak = try fixture.answer(.put, "/kv/foo", ["If-Match": "W/\"2\""], body: "2")
        #expect(weak.json["detail"]?.string == "key 'foo' is at revision 2, If-Match named no revision")
        #expect(try fixture.answer(.put, "/kv/foo", ["If-Match": "\"2\""], body: "2").status == 200)
        #expect(try fixture.answer(.delete, "/kv/foo?if_rev=2").status == 412)
        #expect(try fixture.answer(.delete, "/kv/foo?if_rev=3").status == 200)
    }

    @Test func `delete only what exists if they must`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(.delete, "/kv/a%0ab?must_exist")
        #expect(response.status == 404)
        #expect(response.code == "key_not_found")
        #expect(response.json["key"]?.string == "a\nb")
    }

    @Test func `count`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(.post, "/kv/hits?op=incr")
        #expect(response.text == #"{"value":"1","revision":2,"version":1}"# + "\n")
        #expect(response.fieldText("ETag") == "\"2\"")
        #expect(try fixture.answer(.post, "/kv/hits?op=incr&by=-5").json["value"]?.string == "-4")
        fixture.put("text", "x")
        let refused = try fixture.answer(.post, "/kv/text?op=incr")
        #expect(refused.status == 422)
        #expect(refused.json["errors"]?[0]?["field"]?.string == "value")
        fixture.put("hits", "9223372036854775807")
        #expect(try fixture.answer(.post, "/kv/hits?op=incr").code == "invalid")
        let least = try write(.post, "/kv/a?op=incr&by=-9223372036854775808")
        #expect(least.operation(at: .zero) == .increment(key: [97], by: .min))
        for bad in [
            "op=decr", "by=1", "op=incr&by=1.5", "op=incr&by=9223372036854775808", "op=incr&by=--1", "op",
        ] {
            #expect(immediate(.post, "/kv/a?\(bad)")?.code == "bad_request", "\(bad)")
        }
    }

    @Test func `delete ranges, but everything only on demand`() throws {
        var fixture = Fixture()
        for key in ["a/1", "a/2", "b"] { fixture.put(key, "x") }
        #expect(try fixture.answer(.delete, "/kv?prefix=a/").text == #"{"deleted":2,"revision":5}"# + "\n")
        #expect(immediate(.delete, "/kv")?.code == "bad_request")
        #expect(immediate(.delete, "/kv?prefix=")?.code == "bad_request")
        #expect(immediate(.delete, "/kv?all=true&prefix=a")?.code == "bad_request")
        #expect(try fixture.answer(.delete, "/kv?all=true").json["deleted"]?.integer == 1)
        #expect(try fixture.answer(.delete, "/kv?start=a&end=b").json["deleted"]?.integer == 0)
    }

    @Test func `compact, and say when there is nothing to compact`() throws {
        var fixture = Fixture()
        for number in 0..<10 { fixture.put("a", String(number)) }
        #expect(try fixture.answer(.post, "/compact?revision=5").text == #"{"compact_revision":5}"# + "\n")
        let gone = try fixture.answer(.post, "/compact?revision=3")
        #expect(gone.status == 410)
        #expect(gone.json["compact_revision"]?.integer == 5)
        #expect(gone.json["current_revision"]?.integer == 11)
        #expect(try fixture.answer(.post, "/compact?revision=99").code == "future_revision")
        #expect(try fixture.answer(.post, "/compact?keep=3").json["compact_revision"]?.integer == 8)
        #expect(try fixture.answer(.post, "/compact?keep=1000").json["compact_revision"]?.integer == 8)
        #expect(immediate(.post, "/compact")?.code == "bad_request")
        #expect(immediate(.post, "/compact?keep=1&revision=1")?.code == "bad_request")
    }

    @Test func `answer without a body if asked`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(.put, "/kv/a", ["Prefer": "return=minimal"], body: "1")
        #expect(response.status == 201)
        #expect(response.body.isEmpty)
        #expect(response.fieldText("ETag") == "\"2\"")
        #expect(response.fieldText("Preference-Applied") == "return=minimal")
    }

    @Test func `explain themselves`() throws {
        var fixture = Fixture()
        let plan = try write(.put, "/kv/a?explain", body: "1")
        let outcome = fixture.apply(plan.operation(at: .zero))
        var context = fixture.context
        context.servedBy = "n1"
        context.explanation = .init(
            stages: [
                .init(name: "fsync", duration: .microseconds(1900)),
                .init(name: "apply", duration: .microseconds(5)),
            ], acknowledgedBy: ["n1", "n3"])
        let response = api.render(write: plan, outcome: outcome, context: context)
        #expect(response.fieldText("Server-Timing") == "fsync;dur=1.900, apply;dur=0.005")
        #expect(response.fieldText("Parley-Leader") == "n1")
        #expect(response.fieldText("Parley-Term") == "7")
        #expect(response.fieldText("Parley-Served-By") == "n1")
        #expect(response.json["explain"]?["acknowledged_by"]?.elements?.compactMap(\.string) == ["n1", "n3"])
    }

    @Test func `are redirected to the leader with their whole target`() throws {
        let plan = try write(.put, "/kv/a%2Fb?redirect=1&prev", body: "1")
        let response = api.redirect(target: plan.target, traits: plan.traits, context: Fixture().context)
        #expect(response.status == 307)
        #expect(response.fieldText("Location") == "http://n1.example:7070/kv/a%2Fb?redirect=1&prev")
        let nowhere = api.redirect(
            target: plan.target, traits: plan.traits, context: AnswerContext(revision: Revision(1)))
        #expect(nowhere.code == "no_leader")
        #expect(nowhere.fieldText("Retry-After") == "1")
    }
}
