// Streams that tell how locks and elections stand: what is understood, and what their lines say.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing
import Watches

/// What a request asks to be told.
private func watch(_ target: String, _ fields: [String: String] = [:]) throws -> ClaimWatch {
    let plan = try read(target, fields)
    guard case .claimWatch(let watch) = plan.target else { throw Unexpected(.read(plan)) }
    return watch
}

@Suite struct `A watch of a lock or an election` {
    private let lock = ClaimView(ClaimName(.lock, "a/b"), limit: 100, format: .lines)
    private let election = ClaimView(ClaimName(.election, "e"), limit: 100, format: .lines)

    @Test func `says what it is of, in which form, and how long it goes on`() throws {
        let open = try watch("/locks/a%2Fb/watch")
        #expect(open.view == lock && open.most == nil && open.wait == nil)
        #expect(try watch("/elections/e/watch").view == election)
        #expect(try watch("/api/v1/elections/e/watch").view == election)
        let events = try watch(
            "/locks/a%2Fb/watch?limit=7&max=1&wait=3s", ["Accept": "text/event-stream"])
        #expect(events.view == ClaimView(lock.claim, limit: 7, format: .events))
        #expect(events.most == 1 && events.wait == .seconds(3))
        #expect(try watch("/locks/x/watch", ["Prefer": "wait=30"]).wait == .seconds(30))
        #expect(try watch("/locks/x/watch?wait=25h").wait == .seconds(86_400))
    }

    @Test func `begins behind a linearizable point, as every read does`() throws {
        #expect(try read("/locks/x/watch").freshness.level == .linearizable)
        let stale = try read("/elections/x/watch?max_lag=2s&min_revision=9").freshness
        #expect(stale.level == .stale(maxLag: .seconds(2), orLinearizable: false))
        #expect(stale.minRevision == Revision(9))
    }

    @Test(arguments: [
        ("/locks/a/watch?max=0", "bad_request"), ("/locks/a/watch?wait=soon", "bad_duration"),
        ("/locks/a/watch?limit=101", "bad_request"), ("/locks/a/watch?limit=0", "bad_request"),
        ("/locks/a/watch?from=3", "unknown_parameter"), ("/elections/%FF/watch", "bad_request"),
        ("/elections/\(String(repeating: "x", count: 256))/watch", "bad_request"),
        ("/semaphores/s/watch", "no_such_route"),
    ])
    func `is refused by name if it makes no sense`(_ target: String, _ code: String) {
        #expect(immediate(.get, target)?.code == code)
    }

    @Test func `begins with the head of a stream, and is no more than that for HEAD`() throws {
        let fixture = Fixture()
        let lines = try #require(try fixture.get("/locks/x/watch"))
        #expect(lines.status == 200 && lines.body.isEmpty)
        #expect(lines.fieldText("Content-Type") == "application/x-ndjson")
        #expect(lines.fieldText("X-Accel-Buffering") == "no" && lines.fieldText("Parley-Revision") == "1")
        let events = try #require(try fixture.get("/locks/x/watch", ["Accept": "text/event-stream"]))
        #expect(events.fieldText("Content-Type") == "text/event-stream" && events.text == "retry: 1000\n\n")
        let head = try #require(try fixture.head("/locks/x/watch"))
        #expect(head.status == 200 && head.body.isEmpty)
    }

    @Test func `has lines that say what a read says, but for what is left of timers`() throws {
        var fixture = Fixture()
        func lines() throws -> (lock: JSONValue, election: JSONValue) {
            (
                try JSONValue(parsing: api.line(of: lock, in: fixture.keyspace)),
                try JSONValue(parsing: api.line(of: election, in: fixture.keyspace))
            )
        }
        let none = try lines()
        #expect(none.lock["held"]?.bool == false && none.lock["name"]?.string == "a/b")
        #expect(none.lock == (try fixture.get("/locks/a%2Fb"))?.json)
        #expect(none.election["leader"] == .null && none.election["candidates"]?.elements == [])
        _ = try fixture.answer(.post, "/locks/a%2Fb/acquire?owner=me&ttl=60s")
        fixture.apply(
            .coordinate(.claim(.acquire(ClaimRequest(ClaimName(.lock, "a/b"), owner: "you", wait: 9)))))
        let won = try fixture.answer(.post, "/elections/e/campaign?candidate=n1&value=v1")
        let some = try lines()
        #expect(some.lock["holder"]?["owner"]?.string == "me")
        #expect(some.lock["queue"]?.elements?.first?["owner"]?.string == "you")
        #expect(some.election["leader"]?["candidate"]?.string == "n1")
        // The fixture knows no timers, so its reads don't tell what is left of them either.
        #expect(some.lock == (try fixture.get("/locks/a%2Fb"))?.json)
        #expect(some.election == (try fixture.get("/elections/e"))?.json)
        let token = try #require(won.json["token"]?.integer)
        let before = api.line(of: election, in: fixture.keyspace)
        _ = try fixture.answer(.post, "/elections/e/renew?token=\(token)")
        #expect(api.line(of: election, in: fixture.keyspace) == before, "a renewal is no news")
        _ = try fixture.answer(.post, "/elections/e/proclaim?token=\(token)&value=v2")
        #expect(try lines().election["leader"]?["value"]?.string == "v2")
        _ = try fixture.answer(.post, "/elections/e/resign?token=\(token)")
        #expect(try lines().election == none.election)
    }

    @Test func `lists as many who wait as it was asked to`() throws {
        var fixture = Fixture()
        for owner in ["a", "b", "c", "d"] {
            let request = ClaimRequest(ClaimName(.lock, "x"), owner: owner, wait: 9)
            fixture.apply(.coordinate(.claim(.acquire(request))))
        }
        let view = ClaimView(ClaimName(.lock, "x"), limit: 2, format: .lines)
        let line = try JSONValue(parsing: api.line(of: view, in: fixture.keyspace))
        #expect(line["queue"]?.elements?.compactMap { $0["owner"]?.string } == ["b", "c"])
        #expect(line["queue_length"]?.integer == 3)
    }

    @Test func `has pieces of either form`() throws {
        let fixture = Fixture()
        let wall = WallTime(milliseconds: 1)
        func text(_ piece: [UInt8]) -> String { String(decoding: piece, as: UTF8.self) }
        let line = text(api.line(of: lock, in: fixture.keyspace))
        #expect(line.hasPrefix("{\"name\":\"a/b\",") && line.hasSuffix("}\n"))
        let event = text(
            api.line(of: ClaimView(lock.claim, limit: 1, format: .events), in: fixture.keyspace))
        #expect(event == "event: change\ndata: \(line)\n")
        #expect(
            text(api.claimBookmark(Revision(7), at: wall, .lines))
                == "{\"bookmark\":7,\"time\":\"1970-01-01T00:00:00.001Z\"}\n")
        #expect(text(api.claimBookmark(Revision(7), at: wall, .events)) == ": hb\n\n")
        let bye = text(api.claimBye(Revision(7), at: wall, .lines))
        #expect(bye.hasPrefix("{\"bye\":\"shutting_down\",\"bookmark\":7,") && bye.hasSuffix("}\n"))
        #expect(
            text(api.claimBye(Revision(7), at: wall, .events)) == "retry: 1000\nevent: bye\ndata: \(bye)\n")
    }
}
