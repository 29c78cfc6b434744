import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Parameters` {
    @Test(arguments: [
        ("/kv/a?revv=1", "revv", "rev"), ("/kv/a?consistancy=stale", "consistancy", "consistency"),
        ("/kv/a?minrevision=1", "minrevision", "min_revision"), ("/kv?perfix=a", "perfix", "prefix"),
        ("/kv?lmit=1", "lmit", "limit"), ("/kv/a?Rev=1", "Rev", "rev"), ("/raft/log?form=1", "form", "from"),
        ("/readyz?verbos", "verbos", "verbose"),
    ])
    func `that do not exist are refused with the nearest that does`(
        _ target: String, _ name: String, _ nearest: String
    ) throws {
        let response = try #require(immediate(.get, target))
        #expect(response.status == 400)
        #expect(response.code == "unknown_parameter")
        #expect(response.json["parameter"]?.string == name)
        #expect(response.json["nearest"]?.string == nearest)
        #expect(response.json["detail"]?.string?.contains("did you mean \(nearest)?") == true)
    }

    @Test func `of other routes are refused, with the list of what there is`() throws {
        let response = try #require(immediate(.get, "/version?zzzzzzzz=1"))
        #expect(response.code == "unknown_parameter")
        #expect(response.json["detail"]?.string == "GET /version has no parameter zzzzzzzz; it takes pretty")
        #expect(immediate(.put, "/kv/a?wait=3s", body: "x")?.code == "unknown_parameter")
        #expect(immediate(.put, "/kv/a?prevRevison=3", body: "x")?.code == "unknown_parameter")
    }

    @Test(arguments: ["node=n1", "watch"])
    func `of later versions are refused by name, never ignored`(_ parameter: String) throws {
        let response = try #require(immediate(.put, "/kv/a?\(parameter)", body: "x"))
        #expect(response.status == 501)
        #expect(response.code == "not_implemented")
        #expect(response.json["parameter"]?.string == String(parameter.prefix { $0 != "=" }))
        #expect(response.json["applied"]?.string == "no")
    }

    @Test(arguments: [
        "/kv/a?rev=1&rev=2", "/kv/a?rev=1&rev=1", "/kv?prefix=a&pref%69x=b", "/kv/a?pretty&pretty",
    ])
    func `given twice are refused`(_ target: String) throws {
        let response = try #require(immediate(.get, target))
        #expect(response.code == "bad_request")
        #expect(response.json["detail"]?.string?.hasSuffix("is given twice") == true)
    }

    @Test(arguments: [
        "/kv?limit=-1", "/kv?limit=1e9", "/kv?limit=+1", "/kv?limit=%2B1", "/kv?limit=0", "/kv?limit=10001",
        "/kv?limit=", "/kv?limit", "/kv?limit=99999999999999999999999", "/kv?limit=1.0", "/kv?limit=%201",
        "/kv/a?rev=0", "/kv/a?rev=-1", "/kv/a?rev=18446744073709551616", "/kv/a?meta=yes",
        "/kv/a?consistency=serializable", "/kv/a?consistency=", "/kv?sort=size", "/kv?order=down",
        "/kv?delimiter=", "/inbox/n1?max=0", "/inbox/n1?ack=maybe", "/raft/log?from=0",
        "/kv/a?or=stale&max_lag=1s", "/kv/a?min_revision=x",
    ])
    func `with a value that can't be are refused by name`(_ target: String) throws {
        let response = try #require(immediate(.get, target))
        #expect(response.status == 400)
        #expect(response.code == "bad_request")
        let name = response.json["parameter"]?.string ?? ""
        #expect(target.contains(name) && !name.isEmpty)
    }

    @Test(arguments: [
        "/kv/a?or=linearizable", "/kv/a?consistency=linearizable&max_lag=1s", "/kv/a?wait=1s", "/kv?wait=1s",
        "/kv/a?limit=5", "/kv/a?cursor=x", "/kv/a?history&wait=1s&after=1",
        "/kv/a?wait=1s&rev=3", "/kv/a?after=1&rev=3", "/kv?prefix=a&start=b", "/kv?start=b&end=a",
        "/kv?count&limit=1", "/kv?delimiter=/&sort=revision", "/kv?cursor=x&wait=1s&after=1",
        "/kv?=1", "/kv?&", "/kv?prefix=%zz", "/kv?%ff=1",
    ])
    func `that contradict each other or mean nothing are refused`(_ target: String) throws {
        #expect(try #require(immediate(.get, target)).code == "bad_request")
    }

    @Test(arguments: [
        ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 600_000), ("2", 2000), ("0", 0), ("0s", 0),
        ("9999h", 600_000), ("99999999999999999999999h", -1), ("18446744073709551615h", 600_000),
        ("-1", -1), ("+1", -1), ("1.5s", -1), ("s", -1), ("", -1), ("1 s", -1), ("1S", -1), ("1d", -1),
        ("soon", -1), ("1sms", -1), ("%2B1s", -1),
    ])
    func `read lengths of time strictly and cut them to ten minutes`(
        _ text: String, _ milliseconds: Int64
    ) throws {
        if milliseconds < 0 {
            let response = try #require(immediate(.get, "/kv/a?after=1&wait=\(text)"))
            #expect(response.code == "bad_duration")
            #expect(response.json["parameter"]?.string == "wait")
        } else {
            #expect(try read("/kv/a?after=1&wait=\(text)").wait?.milliseconds == milliseconds)
        }
    }

    @Test func `bound the timeout`() throws {
        #expect(try read("/kv/a").freshness.timeout == .seconds(5))
        #expect(try read("/kv/a?timeout=1h").freshness.timeout == .seconds(60))
        #expect(try write(.put, "/kv/a?timeout=250ms", body: "").timeout == .milliseconds(250))
        #expect(immediate(.get, "/kv/a?timeout=0")?.code == "bad_duration")
        #expect(immediate(.get, "/kv/a?timeout=-1")?.code == "bad_duration")
    }

    @Test func `choose the consistency`() throws {
        #expect(try read("/kv/a").freshness.level == .linearizable)
        #expect(
            try read("/kv/a?consistency=stale").freshness.level
                == .stale(maxLag: nil, orLinearizable: false))
        #expect(
            try read("/kv?max_lag=2s&or=linearizable&min_revision=9").freshness
                == Freshness(
                    level: .stale(maxLag: .seconds(2), orLinearizable: true), minRevision: Revision(9),
                    timeout: .seconds(5)))
        #expect(try local("/members").freshness.level == .stale(maxLag: nil, orLinearizable: false))
        #expect(try local("/leader?consistency=linearizable").freshness.level == .linearizable)
    }

    @Test func `choose what happens on a node that does not lead`() throws {
        #expect(try write(.put, "/kv/a", body: "").routing == .forward)
        #expect(try write(.put, "/kv/a?redirect=1", body: "").routing == .redirect)
        #expect(try write(.put, "/kv/a?redirect", body: "").routing == .redirect)
        #expect(try write(.put, "/kv/a?forward=never", body: "").routing == .never)
        #expect(try write(.put, "/kv/a", ["Prefer": "redirect"], body: "").routing == .redirect)
        #expect(try write(.put, "/kv/a?redirect=0", ["Prefer": "redirect"], body: "").routing == .forward)
        #expect(immediate(.put, "/kv/a?forward=never&redirect", body: "")?.code == "bad_request")
    }

    @Test func `take wishes of Prefer only where they make sense`() throws {
        #expect(try read("/kv/a", ["Prefer": "wait=30"]).wait == nil)
        #expect(try read("/kv/a?after=3", ["Prefer": "wait=30"]).wait == .seconds(30))
        #expect(try read("/kv/a?after=3&wait=1s", ["Prefer": "wait=30"]).wait == .seconds(1))
        #expect(try read("/kv/a", ["Prefer": "nonsense, handling=strict"]).wait == nil)
    }
}
