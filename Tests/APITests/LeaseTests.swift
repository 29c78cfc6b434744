import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Leases` {
    var fixture = Fixture()

    @Test mutating func `are granted, told and found again`() throws {
        fixture.put("k", "1")
        let response = try fixture.answer(
            .post, "/leases?ttl=30s&id=web%201/%C3%A9&name=n&meta=m&on_expire=release&lock_delay=2s")
        #expect(response.status == 201)
        #expect(response.fieldText("Location") == "/leases/web%201%2F%C3%A9")
        #expect(response.fieldText("Parley-Revision") == "2")
        let told = response.json
        #expect(told["id"]?.string == "web 1/é")
        #expect(told["ttl_ms"]?.integer == 30_000 && told["expires_in_ms"]?.integer == 30_000)
        #expect(told["granted_revision"]?.integer == 2)
        #expect(told["name"]?.string == "n" && told["meta"]?.string == "m")
        #expect(told["on_expire"]?.string == "release" && told["lock_delay_ms"]?.integer == 2_000)
        let shown = try #require(try fixture.get("/leases/web%201%2F%C3%A9"))
        #expect(shown.status == 200 && shown.json["id"]?.string == "web 1/é")
        #expect(shown.json["keys"] == nil)
    }

    @Test mutating func `without an id are given one, and plain ones tell only what they have`() throws {
        let response = try fixture.answer(.post, "/leases?ttl=1")
        #expect(response.json["id"]?.string == "l-1")
        #expect(
            response.json.members?.map(\.name)
                == ["id", "ttl_ms", "expires_in_ms", "granted_revision", "granted_at"])
    }

    @Test(arguments: ["1s", "1000ms", "24h", "86400", "5m"]) func `last from a second to a day`(
        _ text: String
    ) throws {
        let plan = try write(.post, "/leases?ttl=\(text)")
        guard case .coordinate(.lease(.grant(let terms))) = plan.operation(at: Revision(1)) else {
            Issue.record("no grant: \(plan)")
            return
        }
        #expect((1_000...86_400_000).contains(terms.timeToLive))
        #expect(plan.hold == nil)
    }

    @Test(arguments: [
        ("ttl=0", "bad_duration"), ("ttl=999ms", "bad_duration"), ("ttl=86401", "bad_duration"),
        ("ttl=-5s", "bad_duration"), ("ttl=soon", "bad_duration"), ("ttl=", "bad_duration"),
        ("ttl=99999999999999999999h", "bad_duration"), ("", "bad_request"), ("ttl=5s&id=", "bad_request"),
        ("ttl=5s&id=a%00b", "bad_request"), ("ttl=5s&id=a%0Ab", "bad_request"),
        ("ttl=5s&id=%FF", "bad_request"),
        ("ttl=5s&on_expire=keep", "bad_request"), ("ttl=5s&lock_delay=x", "bad_duration"),
        ("ttl=5s&lock_delay=100h", "bad_duration"), ("ttl=5s&on_disconnect=revoke", "bad_request"),
        ("ttl=5s&hold&on_disconnect=stay", "bad_request"), ("ttl=5s&holt", "unknown_parameter"),
        ("ttl=5s&ttl=6s", "bad_request"),
    ]) func `that can't be meant are refused by name`(_ query: String, _ code: String) throws {
        let response = try #require(immediate(.post, "/leases?\(query)"))
        #expect(response.status == 400)
        #expect(response.code == code, "\(response.text)")
        #expect(response.json["applied"]?.string == "no")
    }

    @Test func `have ids and texts of bounded length`() throws {
        let id = String(repeating: "x", count: 101)
        #expect(immediate(.post, "/leases?ttl=5s&id=\(id)")?.status == 400)
        #expect(immediate(.post, "/leases?ttl=5s&id=\(id.dropLast())") == nil)
        let name = String(repeating: "n", count: 256)
        #expect(immediate(.post, "/leases?ttl=5s&name=\(name)")?.status == 400)
        let meta = String(repeating: "m", count: 4_097)
        #expect(immediate(.post, "/leases?ttl=5s&meta=\(meta)")?.status == 400)
        #expect(immediate(.post, "/leases?ttl=5s&meta=\(meta.dropLast())") == nil)
    }

    @Test mutating func `with an id that is taken are refused`() throws {
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=a")
        let response = try fixture.answer(.post, "/leases?ttl=5s&id=a")
        #expect(response.status == 409 && response.code == "already_exists")
        #expect(response.json["lease"]?.string == "a" && response.json["applied"]?.string == "no")
    }

    @Test mutating func `are renewed, for another time if wanted`() throws {
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=a")
        let again = try fixture.answer(.post, "/leases/a/renew")
        #expect(again.status == 200 && again.json["remaining_ms"]?.integer == 5_000)
        let longer = try fixture.answer(.post, "/leases/a/renew?ttl=1h")
        #expect(longer.json["remaining_ms"]?.integer == 3_600_000)
        #expect(longer.json["ttl_ms"]?.integer == 3_600_000)
        #expect(immediate(.post, "/leases/a/renew?ttl=0")?.code == "bad_duration")
    }

    @Test(arguments: [
        (HTTP.Method.post, "/leases/a%20b/renew"), (.delete, "/leases/a%20b"), (.get, "/leases/a%20b/hold"),
        (.put, "/kv/k?lease=a%20b"),
    ]) mutating func `that are not there are not found`(_ method: HTTP.Method, _ target: String) throws {
        let response = try fixture.answer(method, target, body: method == .put ? "x" : nil)
        #expect(response.status == 404 && response.code == "lease_not_found")
        #expect(response.json["lease"]?.string == "a b" && response.json["applied"]?.string == "no")
        #expect(fixture.keyspace.count == 0)
        #expect(try fixture.get("/leases/a%20b")?.code == "lease_not_found")
    }

    @Test mutating func `are revoked with their keys`() throws {
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=a")
        for key in ["x", "y"] { _ = try fixture.answer(.put, "/kv/\(key)?lease=a", body: "1") }
        let shown = try #require(try fixture.get("/leases/a?keys"))
        #expect(shown.json["keys"]?.elements?.map(\.string) == ["x", "y"])
        let response = try fixture.answer(.delete, "/leases/a")
        #expect(response.status == 200)
        #expect(response.json["deleted_keys"]?.integer == 2 && response.json["released_holds"]?.integer == 0)
        #expect(response.json["revision"]?.integer == 4 && response.fieldText("Parley-Revision") == "4")
        #expect(try fixture.get("/kv/x")?.status == 404)
    }

    @Test mutating func `show keys that are no text as base 64`() throws {
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=a")
        _ = try fixture.answer(.put, "/kv/%FF?lease=a", body: "1")
        let shown = try #require(try fixture.get("/leases/a?keys"))
        #expect(shown.json["keys"]?.elements?.first?["key_b64"]?.string == "/w==")
    }

    @Test mutating func `are listed page by page, with what is left of them`() throws {
        for id in ["c", "a", "b"] { _ = try fixture.answer(.post, "/leases?ttl=5s&id=\(id)") }
        let first = try #require(try fixture.get("/leases?limit=2"))
        #expect(first.json["items"]?.elements?.compactMap { $0["id"]?.string } == ["a", "b"])
        let next = try #require(first.json["next"]?.string)
        #expect(first.fieldText("Link")?.contains("cursor=\(next)") == true)
        let second = try #require(try fixture.get("/leases?limit=2&cursor=\(next)"))
        #expect(second.json["items"]?.elements?.compactMap { $0["id"]?.string } == ["c"])
        #expect(second.json["next"] == nil && second.json["revision"]?.integer == 1)
        #expect(immediate(.get, "/leases?cursor=xyz")?.status == 400)

        var context = fixture.context
        let timer = fixture.keyspace.lease("b")?.timer
        context.timeLeft = { $0 == timer ? 1_234 : nil }
        guard
            case .answer(let response) = api.render(
                read: try read("/leases"), keyspace: fixture.keyspace, context: context, isFinal: true)
        else {
            Issue.record("no answer")
            return
        }
        #expect(
            response.json["items"]?.elements?.map { $0["remaining_ms"]?.integer } == [nil, 1_234, nil])
        #expect(try read("/leases").target.showsTimers)
        #expect(try !read("/kv/a").target.showsTimers)
    }

    @Test func `are held when that is asked for`() throws {
        #expect(try write(.post, "/leases?ttl=5s&hold").hold?.endsAtOnce == false)
        #expect(try write(.post, "/leases?ttl=5s&hold&on_disconnect=expire").hold?.endsAtOnce == false)
        #expect(try write(.post, "/leases?ttl=5s&hold&on_disconnect=revoke").hold?.endsAtOnce == true)
        #expect(try write(.get, "/leases/a/hold").hold?.endsAtOnce == false)
        #expect(try write(.get, "/leases/a/hold?on_disconnect=revoke").hold?.endsAtOnce == true)
    }

    @Test mutating func `that are held are told in whole lines, and only to those who want a body`() throws {
        let response = try fixture.answer(
            .post, "/leases?ttl=5s&hold&id=a&pretty", ["Prefer": "return=minimal"])
        #expect(response.status == 201 && response.lines.count == 1)
        #expect(response.json["id"]?.string == "a")
        guard case .write(let plan) = plan(.head, "/leases/a/hold?on_disconnect=revoke") else {
            Issue.record("no write")
            return
        }
        #expect(plan.hold == nil)
    }

    @Test mutating func `that are held are told line by line`() throws {
        let head = api.renderHold(try fixture.answer(.post, "/leases?ttl=5s&hold&id=a"))
        #expect(head.status == 201 && head.fieldText("Content-Type") == "application/x-ndjson")
        #expect(head.fieldText("X-Accel-Buffering") == "no" && head.lines.count == 1)
        let line = api.holdLine(lease: "a", renewedAt: WallTime(milliseconds: 0), remaining: 4_999)
        #expect(
            String(decoding: line, as: UTF8.self)
                == #"{"id":"a","renewed_at":"1970-01-01T00:00:00.000Z","remaining_ms":4999}"# + "\n")
        let end = api.errorLine(.leaseNotFound, detail: "lease 'a' has ended", context: fixture.context)
        let error = try JSONValue(parsing: end)["error"]
        #expect(error?["code"]?.string == "lease_not_found" && error?["status"]?.integer == 404)
        #expect(end.last == UInt8(ascii: "\n") && end.count { $0 == UInt8(ascii: "\n") } == 1)
        #expect(try JSONValue(parsing: api.byeLine())["bye"]?.string?.isEmpty == false)
    }
}

@Suite struct `Keys under leases` {
    var fixture = Fixture()

    @Test mutating func `tell their lease wherever they are told`() throws {
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=web1")
        let put = try fixture.answer(.put, "/kv/k?lease=web1", body: "up")
        #expect(put.status == 201 && put.json["lease"]?.string == "web1")
        let plain = try #require(try fixture.get("/kv/k"))
        #expect(plain.fieldText("Parley-Lease") == "web1" && plain.text == "up")
        #expect(try fixture.get("/kv/k?meta")?.json["lease"]?.string == "web1")
        #expect(
            try fixture.get("/kv?prefix=")?.json["items"]?.elements?.first?["lease"]?.string == "web1")
        let prev = try fixture.answer(.put, "/kv/k?prev", body: "down")
        #expect(prev.json["prev"]?["lease"]?.string == "web1" && prev.json["lease"] == nil)
        #expect(try fixture.get("/kv/k")?.fieldText("Parley-Lease") == nil)
    }

    @Test mutating func `may keep it, or have one of their own`() throws {
        let own = try fixture.answer(.put, "/kv/k?ttl=60s", body: "1")
        let id = try #require(own.json["lease"]?.string)
        #expect(try fixture.get("/leases/\(id)")?.json["private"]?.bool == true)
        #expect(try fixture.answer(.put, "/kv/k?keep_lease", body: "2").json["lease"]?.string == id)
        #expect(try fixture.answer(.put, "/kv/k", body: "3").json["lease"] == nil)
        #expect(try fixture.get("/leases/\(id)")?.status == 404)
        #expect(try fixture.answer(.put, "/kv/k?keep_lease=false", body: "4").status == 200)
    }

    @Test mutating func `keep to conditions`() throws {
        let first = try fixture.answer(.put, "/kv/k?ttl=60s&if_absent", body: "1")
        #expect(first.status == 201)
        let second = try fixture.answer(.put, "/kv/k?ttl=60s", ["If-None-Match": "*"], body: "2")
        #expect(second.status == 412 && second.json["current_revision"]?.integer == 2)
        #expect(fixture.keyspace.leases(limit: 9).count == 1)
    }

    @Test(arguments: ["ttl=5s&lease=a", "ttl=5s&keep_lease", "lease=a&keep_lease", "ttl=0", "ttl=25h"])
    func `with two leases, or none that there can be, are refused`(_ query: String) throws {
        let response = try #require(immediate(.put, "/kv/k?\(query)", body: "x"))
        #expect(response.status == 400)
    }

    @Test mutating func `are refused by name when there is no room`() throws {
        let plan = try write(.put, "/kv/k?ttl=5s", body: "x")
        let response = api.render(
            write: plan, outcome: .refused(.coordination(.full)), context: fixture.context)
        #expect(response.status == 507 && response.code == "quota_exceeded")
        #expect(response.json["applied"]?.string == "no" && response.json["retry"]?.string == "safe")
    }
}
