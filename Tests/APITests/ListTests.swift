import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Lists` {
    var fixture = Fixture()

    init() {
        for (key, value) in [
            ("a/1", "3"), ("a/2", "1"), ("a/b/1", "2"), ("a/b/2", "9"), ("b", "0"), ("c", "5"),
        ] {
            fixture.put(key, value)
        }
        fixture.put("a/1", "4")
    }

    private func keys(_ target: String) throws -> [String] {
        let response = try #require(try fixture.get(target))
        #expect(response.status == 200, "\(response.text)")
        return response.json["items"]?.elements?.compactMap { $0["key"]?.string } ?? []
    }

    @Test(arguments: [
        ("/kv", ["a/1", "a/2", "a/b/1", "a/b/2", "b", "c"]),
        ("/kv?prefix=", ["a/1", "a/2", "a/b/1", "a/b/2", "b", "c"]),
        ("/kv?prefix=a/b", ["a/b/1", "a/b/2"]), ("/kv?prefix=zz", []),
        ("/kv?start=a/b/2", ["a/b/2", "b", "c"]),
        ("/kv?end=a/2", ["a/1"]), ("/kv?start=a/2&end=b", ["a/2", "a/b/1", "a/b/2"]),
        ("/kv?order=desc&limit=2", ["c", "b"]),
        ("/kv?sort=value", ["b", "a/2", "a/b/1", "a/1", "c", "a/b/2"]),
        ("/kv?sort=revision&order=desc&limit=2", ["a/1", "c"]), ("/kv?sort=create&limit=2", ["a/1", "a/2"]),
        ("/kv?sort=version&order=desc&limit=2", ["a/1", "a/2"]), ("/kv?since=6", ["a/1", "c"]),
        ("/kv?since=8", []),
        ("/kv?since=6&sort=value", ["a/1", "c"]), ("/kv?rev=3", ["a/1", "a/2"]),
        ("/kv?prefix=a/&delimiter=/", ["a/1", "a/2"]),
    ])
    func `choose and order`(_ target: String, _ expected: [String]) throws {
        #expect(try keys(target) == expected)
    }

    @Test func `show items whole, as keys, or only their number`() throws {
        let whole = try #require(try fixture.get("/kv?prefix=b"))
        #expect(
            whole.text
                == #"{"revision":8,"count":1,"items":[{"key":"b","value":"0","revision":6,"#
                + #""create_revision":6,"version":1}]}"# + "\n")
        #expect(whole.fieldText("Parley-Revision") == "8")
        let keys = try #require(try fixture.get("/kv?prefix=b&keys"))
        #expect(
            keys.text
                == #"{"revision":8,"count":1,"items":[{"key":"b","revision":6,"create_revision":6,"version":1}]}"#
                + "\n")
        #expect(try fixture.get("/kv?prefix=a/&count")?.text == #"{"revision":8,"count":4}"# + "\n")
        #expect(try fixture.get("/kv?count&rev=3")?.text == #"{"revision":3,"count":2}"# + "\n")
    }

    @Test func `fold by a delimiter`() throws {
        let response = try #require(try fixture.get("/kv?delimiter=/"))
        #expect(response.json["items"]?.elements?.compactMap { $0["key"]?.string } == ["b", "c"])
        #expect(response.json["common_prefixes"]?.elements?.compactMap(\.string) == ["a/"])
        #expect(response.json["count"]?.integer == 3)
        let deeper = try #require(try fixture.get("/kv?prefix=a/&delimiter=/&limit=2"))
        let next = try #require(deeper.json["next"]?.string)
        let rest = try #require(try fixture.get("/kv?prefix=a/&delimiter=/&cursor=\(next)"))
        #expect(rest.json["common_prefixes"]?.elements?.compactMap(\.string) == ["a/b/"])
        #expect(rest.json["items"]?.elements?.isEmpty == true)
    }

    @Test(arguments: [
        "", "&order=desc", "&sort=value", "&sort=revision&order=desc", "&since=3", "&keys", "&delimiter=/",
    ])
    func `come in pages that all show one revision`(_ query: String) throws {
        var fixture = fixture
        let whole = try #require(try fixture.get("/kv?limit=100\(query)"))
        let expected = whole.json["items"]?.elements ?? []
        var target = "/kv?limit=2\(query)"
        var items: [String] = []
        var pages = 0
        while true {
            let page = try #require(try fixture.get(target))
            #expect(page.status == 200, "\(page.text)")
            #expect(page.json["revision"]?.integer == 8)
            items += page.json["items"]?.elements?.compactMap { $0["key"]?.string } ?? []
            pages += 1
            guard let next = page.json["next"]?.string, pages < 10 else { break }
            #expect(page.fieldText("Link") == "</kv?limit=2\(query)&cursor=\(next)>; rel=\"next\"")
            target = "/kv?limit=2\(query)&cursor=\(next)"
            fixture.put("a/0", "later")
            fixture.put("zzz", "later")
        }
        #expect(items == expected.compactMap { $0["key"]?.string })
    }

    @Test func `refuse cursors of other lists and cursors that are none`() throws {
        let first = try #require(try fixture.get("/kv?prefix=a/&limit=1"))
        let cursor = try #require(first.json["next"]?.string)
        #expect(immediate(.get, "/kv?prefix=a/&limit=3&keys&cursor=\(cursor)") == nil)
        for other in [
            "prefix=b&cursor=\(cursor)", "prefix=a/&order=desc&cursor=\(cursor)",
            "prefix=a/&sort=value&cursor=\(cursor)",
            "prefix=a/&cursor=", "prefix=a/&cursor=AAAA", "prefix=a/&cursor=\(cursor)A", "prefix=a/&cursor=!",
            "prefix=a/&rev=3&cursor=\(cursor)",
        ] {
            #expect(immediate(.get, "/kv?\(other)")?.code == "bad_request", "\(other)")
        }
        var fixture = fixture
        fixture.put("a/9", "x")
        fixture.apply(.compact(Revision(9)))
        #expect(try fixture.get("/kv?prefix=a/&cursor=\(cursor)")?.status == 410)
    }

    @Test(arguments: [
        ("/kv?prefix=a/&wait=9s&after=7", false), ("/kv?prefix=a/&wait=9s&after=8", true),
        ("/kv?prefix=b&wait=9s&after=5", false), ("/kv?prefix=b&wait=9s&after=6", true),
        ("/kv?wait=9s&after=0", false),
    ])
    func `wait for news in their range`(_ target: String, _ waits: Bool) throws {
        #expect((try fixture.get(target) == nil) == waits)
        #expect(try fixture.get(target, isFinal: true)?.status == (waits ? 304 : 200))
        var fixture = fixture
        fixture.delete("a/1")
        fixture.delete("b")
        #expect(try fixture.get(target)?.status == 200)
    }

    @Test func `that wait on a forgotten past are answered at once`() throws {
        var fixture = fixture
        fixture.apply(.compact(Revision(8)))
        #expect(try fixture.get("/kv?prefix=zz&wait=9s&after=3")?.status == 200)
    }

    @Test func `come as lines, all of them, from one state`() throws {
        var fixture = fixture
        for number in 100..<400 { fixture.put("many/\(number)", "value \(number)") }
        let fields = ["Accept": "application/x-ndjson"]
        let plan = try read("/kv?prefix=many/", fields)
        guard
            case .stream(let head, var lines) = api.render(
                read: plan, keyspace: fixture.keyspace, context: fixture.context)
        else {
            Issue.record("no stream")
            return
        }
        #expect(head.fieldText("Content-Type") == "application/x-ndjson")
        #expect(head.fieldText("Parley-Revision") == "308")
        fixture.delete("many/399")
        var body: [UInt8] = []
        var parts = 0
        while let part = lines.next(atLeast: 1000) {
            body += part
            parts += 1
        }
        #expect(parts > 10)
        #expect(
            HTTP.Response(status: 200, body: body).lines.compactMap { $0["key"]?.string }
                == (100..<400).map { "many/\($0)" })
        #expect(try fixture.get("/kv?prefix=zz", fields)?.body == [])
        let page = try #require(try fixture.get("/kv?prefix=many/&limit=2&keys", fields))
        #expect(page.lines.count == 2)
        #expect(page.lines[0]["value"] == nil)
        #expect(page.fieldText("Link") != nil)
        #expect(try fixture.get("/kv?since=300&prefix=many/", fields)?.lines.count == 7)
        #expect(try fixture.get("/kv?rev=999", fields)?.code == "future_revision")
        #expect(immediate(.get, "/kv?sort=value", fields)?.code == "bad_request")
    }

    @Test func `in another order than the keys' are bounded`() throws {
        var small = settings
        small.limits.sortedCount = 3
        let api = NativeAPI(settings: small)
        guard case .read(let plan) = api.plan(for: request(.get, "/kv?sort=value")),
            case .answer(let response) = api.render(
                read: plan, keyspace: fixture.keyspace, context: fixture.context)
        else {
            Issue.record("no answer")
            return
        }
        #expect(response.code == "invalid")
    }
}
