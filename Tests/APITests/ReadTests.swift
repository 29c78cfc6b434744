import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Reads of a key` {
    var fixture = Fixture()

    init() {
        fixture.put("a", "one")  // 2
        fixture.put("b", "x")  // 3
        fixture.put("a", "two")  // 4
        fixture.put("gone", "x")  // 5
        fixture.delete("gone")  // 6
    }

    @Test func `give the bytes, and headers that keep browsers from running them`() throws {
        let plan = try read("/kv/a")
        var context = fixture.context
        context.requestID = nil
        context.consistency = .linearizable
        guard
            case .answer(let response) = api.render(read: plan, keyspace: fixture.keyspace, context: context)
        else {
            Issue.record("no answer")
            return
        }
        #expect(response.status == 200)
        #expect(response.text == "two")
        #expect(response.fieldText("Content-Type") == "application/octet-stream")
        #expect(response.fieldText("X-Content-Type-Options") == "nosniff")
        #expect(response.fieldText("Content-Security-Policy") == "sandbox")
        #expect(response.fieldText("ETag") == "\"4\"")
        #expect(response.fieldText("Parley-Create-Revision") == "2")
        #expect(response.fieldText("Parley-Key-Version") == "2")
        #expect(response.fieldText("Parley-Revision") == "6")
        #expect(response.fieldText("Parley-Node") == "n2")
        #expect(response.fieldText("Parley-Consistency") == "linearizable")
        #expect(response.fieldText("Parley-Lag-Ms") == nil)
        context.consistency = .stale
        context.lagMilliseconds = 12
        guard case .answer(let stale) = api.render(read: plan, keyspace: fixture.keyspace, context: context)
        else { return }
        #expect(stale.fieldText("Parley-Consistency") == "stale")
        #expect(stale.fieldText("Parley-Lag-Ms") == "12")
    }

    @Test func `give JSON if asked`() throws {
        let response = try #require(try fixture.get("/kv/a?meta"))
        #expect(
            response.text
                == #"{"key":"a","value":"two","revision":4,"create_revision":2,"version":2,"size":3}"# + "\n")
        #expect(response.fieldText("ETag") == "\"4\"")
        let pretty = try #require(try fixture.get("/kv/a?meta&pretty"))
        #expect(pretty.text.hasPrefix("{\n  \"key\": \"a\",\n"))
        #expect(pretty.json == response.json)
    }

    @Test func `show values that are no text in base 64`() throws {
        var fixture = fixture
        fixture.apply(.put(key: [0xff], value: [0, 0xff], guard: nil, returnPrevious: false))
        let response = try #require(try fixture.get("/kv/%ff?meta"))
        #expect(response.json["key_b64"]?.string == "/w==")
        #expect(response.json["value_b64"]?.string == "AP8=")
        #expect(try fixture.get("/kv/%ff")?.body == [0, 0xff])
    }

    @Test func `see the past, but neither the future nor what was compacted`() throws {
        var fixture = fixture
        let past = try #require(try fixture.get("/kv/a?rev=3"))
        #expect(past.text == "one")
        #expect(past.fieldText("Parley-Revision") == "3")
        #expect(try fixture.get("/kv/gone?rev=5")?.status == 200)
        let future = try #require(try fixture.get("/kv/a?rev=7"))
        #expect(future.code == "future_revision")
        #expect(future.json["current_revision"]?.integer == 6)
        fixture.apply(.compact(Revision(5)))
        let gone = try #require(try fixture.get("/kv/a?rev=3"))
        #expect(gone.status == 410)
        #expect(gone.json["compact_revision"]?.integer == 5)
    }

    @Test func `of nothing are 404`() throws {
        let response = try #require(try fixture.get("/kv/nothing%22%3Cscript%3E"))
        #expect(response.status == 404)
        #expect(response.code == "key_not_found")
        #expect(response.json["key"]?.string == "nothing\"<script>")
        #expect(response.fieldText("Content-Type") == "application/problem+json")
        #expect(response.fieldText("X-Content-Type-Options") == "nosniff")
    }

    @Test(arguments: [
        ("If-None-Match", "\"4\"", 304), ("If-None-Match", "\"3\"", 200), ("If-None-Match", "*", 304),
        ("If-None-Match", "\"1\", \"4\"", 304), ("If-None-Match", "W/\"4\"", 200),
        ("If-None-Match", "\"04\"", 200),
        ("If-Match", "\"4\"", 200), ("If-Match", "\"3\"", 412), ("If-Match", "*", 200),
        ("If-Match", "\"3\", \"4\"", 200), ("If-None-Match", "4", 400), ("If-Match", "4", 400),
        ("Range", "bytes=0-1", 200), ("If-Modified-Since", "Sun, 22 Nov 2026 10:52:33 GMT", 200),
    ])
    func `are conditional`(_ name: String, _ value: String, _ status: Int) throws {
        if status == 400 {
            #expect(immediate(.get, "/kv/a", [name: value])?.status == 400)
            return
        }
        let response = try #require(try fixture.get("/kv/a", [name: value]))
        #expect(response.status == status)
        if status == 304 {
            #expect(response.body.isEmpty)
            #expect(response.fieldText("ETag") == "\"4\"")
        }
    }

    @Test func `of an absent key match no tag`() throws {
        #expect(try fixture.get("/kv/nothing", ["If-Match": "*"])?.status == 412)
        #expect(try fixture.get("/kv/nothing", ["If-None-Match": "*"])?.status == 404)
    }

    @Test(arguments: [
        // What is asked, whether it waits, and the status when it does not or no longer does.
        ("/kv/a?wait=9s&after=3", "", false, 200), ("/kv/a?wait=9s&after=4", "", true, 304),
        ("/kv/a?wait=9s&after=99", "", true, 304), ("/kv/a?wait=9s&after=0", "", false, 200),
        ("/kv/a?after=4", "", false, 304), ("/kv/a?after=3", "", false, 200),
        ("/kv/a?wait=0&after=4", "", true, 304),
        ("/kv/a?wait=9s", "\"4\"", true, 304), ("/kv/a?wait=9s", "\"3\"", false, 200),
        ("/kv/gone?wait=9s&after=5", "", false, 404), ("/kv/gone?wait=9s&after=6", "", true, 404),
        ("/kv/gone?wait=9s", "\"5\"", false, 404), ("/kv/new?wait=9s&after=0", "", true, 404),
        ("/kv/new?wait=9s&after=6", "", true, 404),
    ])
    func `wait for news`(_ target: String, _ tag: String, _ waits: Bool, _ status: Int) throws {
        let fields = tag.isEmpty ? [:] : ["If-None-Match": tag]
        let first = try fixture.get(target, fields)
        #expect((first == nil) == waits)
        #expect(try fixture.get(target, fields, isFinal: true)?.status == status)
    }

    @Test func `that wait are answered by the change they wait for`() throws {
        var fixture = fixture
        #expect(try fixture.get("/kv/new?wait=9s&after=0") == nil)
        fixture.put("other", "x")
        #expect(try fixture.get("/kv/new?wait=9s&after=0") == nil)
        fixture.put("new", "there")
        #expect(try fixture.get("/kv/new?wait=9s&after=0")?.text == "there")
        let seen = fixture.keyspace.revision
        #expect(try fixture.get("/kv/new?wait=9s&after=\(seen)") == nil)
        fixture.delete("new")
        #expect(try fixture.get("/kv/new?wait=9s&after=\(seen)")?.status == 404)
    }

    @Test func `that wait on a forgotten past are answered at once`() throws {
        var fixture = fixture
        fixture.apply(.compact(Revision(6)))
        #expect(try fixture.get("/kv/gone?wait=9s&after=4")?.status == 404)
        #expect(try fixture.get("/kv/a?wait=9s&after=4") == nil)
    }

    @Test func `show the history in pages`() throws {
        var fixture = fixture
        fixture.delete("a")  // 7
        fixture.put("a", "three")  // 8
        let first = try #require(try fixture.get("/kv/a?history&limit=3"))
        let types = first.json["items"]?.elements?.compactMap { $0["type"]?.string }
        #expect(types == ["put", "put", "delete"])
        #expect(first.json["items"]?[0]?["value"]?.string == "one")
        #expect(first.json["items"]?[2]?["value"] == nil)
        #expect(first.json["revision"]?.integer == 8)
        let next = try #require(first.json["next"]?.string)
        #expect(first.fieldText("Link") == "</kv/a?history&limit=3&cursor=\(next)>; rel=\"next\"")
        let second = try #require(try fixture.get("/kv/a?history&cursor=\(next)"))
        #expect(second.json["items"]?.elements?.count == 1)
        #expect(second.json["items"]?[0]?["value"]?.string == "three")
        #expect(second.json["next"] == nil)
        #expect(immediate(.get, "/kv/b?history&cursor=\(next)")?.code == "bad_request")
        #expect(immediate(.get, "/kv?cursor=\(next)")?.code == "bad_request")
        #expect(try fixture.get("/kv/never?history")?.json["items"]?.elements?.isEmpty == true)
    }

    @Test func `with HEAD are planned as with GET`() throws {
        let plan = try read("/kv/a", method: .head)
        #expect(plan.traits.flags.contains(.isHead))
    }
}
