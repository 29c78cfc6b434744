// Locks, elections and semaphores: what is understood, and what is answered.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Locks and the like` {
    private func command(_ method: HTTP.Method, _ target: String) throws -> ClaimCommand? {
        let plan = try write(method, target)
        guard case .coordinate(.claim(let command)) = plan.operation(at: .zero) else { return nil }
        return command
    }

    @Test func `are asked for in the ways of the contract`() throws {
        let lock = ClaimName(.lock, "a/b é")
        let path = "/locks/a%2Fb%20%C3%A9"
        #expect(
            try command(.post, "\(path)/acquire?owner=me&ttl=1m&wait=1h&mode=read")
                == .acquire(
                    ClaimRequest(lock, owner: "me", mode: .read, timeToLive: 60_000, wait: 3_600_000)))
        #expect(try command(.post, "\(path)/acquire") == .acquire(ClaimRequest(lock)))
        #expect(
            try command(.post, "\(path)/acquire?lease=l-1")
                == .acquire(ClaimRequest(lock, lease: "l-1")))
        #expect(try command(.post, "\(path)/renew?token=7") == .renew(lock, token: 7))
        #expect(try command(.post, "\(path)/release?token=7") == .release(lock, token: 7))
        #expect(try command(.delete, path) == .clear(lock))
        let election = ClaimName(.election, "e")
        #expect(
            try command(.post, "/elections/e/campaign?candidate=a&value=v&priority=3&wait=5s")
                == .acquire(ClaimRequest(election, owner: "a", priority: 3, value: "v", wait: 5000)))
        #expect(
            try command(.post, "/elections/e/proclaim?token=2&value=")
                == .proclaim(election, token: 2, value: ""))
        #expect(try command(.post, "/elections/e/resign?token=2") == .release(election, token: 2))
        #expect(try command(.post, "/elections/e/renew?token=2") == .renew(election, token: 2))
        let semaphore = ClaimName(.semaphore, "s")
        #expect(try command(.put, "/semaphores/s?permits=5") == .configure("s", permits: 5))
        #expect(
            try command(.post, "/semaphores/s/acquire?permits=2&owner=o")
                == .acquire(ClaimRequest(semaphore, owner: "o", permits: 2)))
        #expect(try command(.post, "/semaphores/s/release?token=1") == .release(semaphore, token: 1))
        #expect(try command(.post, "/semaphores/s/renew?token=1") == .renew(semaphore, token: 1))
        #expect(try command(.delete, "/semaphores/s") == .clear(semaphore))
        #expect(try write(.post, "/locks/a/acquire?hold").hold?.endsAtOnce == true)
        #expect(try write(.post, "/locks/a/acquire").hold == nil)
    }

    @Test(arguments: [
        ("/locks/a/acquire?wait=25h", "bad_duration"), ("/locks/a/acquire?wait=soon", "bad_duration"),
        ("/locks/a/acquire?ttl=0", "bad_duration"), ("/locks/a/acquire?ttl=25h", "bad_duration"),
        ("/locks/a/acquire?ttl=5s&lease=l", "bad_request"), ("/locks/a/acquire?mode=both", "bad_request"),
        ("/locks/a/acquire?permits=2", "unknown_parameter"), ("/locks/%FF/acquire", "bad_request"),
        ("/locks/a%00b/acquire", "bad_request"), ("/locks/a/release", "bad_request"),
        ("/locks/a/renew?token=x", "bad_request"), ("/locks/a/renew?token=0", "bad_request"),
        ("/elections/e/campaign", "bad_request"), ("/elections/e/campaign?candidate=", "bad_request"),
        ("/elections/e/campaign?candidate=a&priority=-1", "bad_request"),
        ("/elections/e/proclaim?token=1", "bad_request"),
        ("/semaphores/s/acquire?permits=0", "bad_request"),
        ("/semaphores/s/acquire?permits=1000001", "bad_request"),
        ("/locks/\(String(repeating: "x", count: 256))/acquire", "bad_request"),
        ("/locks/a/acquire?owner=\(String(repeating: "x", count: 256))", "bad_request"),
        ("/elections/e/campaign?candidate=a&value=\(String(repeating: "x", count: 4097))", "bad_request"),
    ])
    func `are refused by name if they make no sense`(_ target: String, _ code: String) throws {
        #expect(try #require(immediate(.post, target)).code == code)
    }

    @Test func `tell who holds a lock, who waits, and that a token is stale`() throws {
        var fixture = Fixture()
        let granted = try fixture.answer(.post, "/locks/x/acquire?owner=a&ttl=60s")
        #expect(granted.status == 200)
        let token = try #require(granted.json["token"]?.integer)
        #expect(granted.json["owner"]?.string == "a" && granted.json["mode"]?.string == "write")
        #expect(granted.json["ttl_ms"]?.integer == 60_000)
        let refused = try fixture.answer(.post, "/locks/x/acquire?owner=b")
        #expect(refused.status == 409 && refused.code == "lock_held")
        #expect(refused.json["holder"]?["owner"]?.string == "a")
        #expect(refused.json["queue_position"]?.integer == 1)
        #expect(refused.fieldText("Retry-After") != nil)
        fixture.apply(
            .coordinate(.claim(.acquire(ClaimRequest(ClaimName(.lock, "x"), owner: "c", wait: 9)))))
        let lock = try #require(try fixture.get("/locks/x")).json
        #expect(lock["held"]?.bool == true && lock["holder"]?["token"]?.integer == token)
        #expect(lock["queue"]?.elements?.first?["owner"]?.string == "c")
        #expect(lock["readers"]?.elements?.isEmpty == true && lock["queue_length"]?.integer == 1)
        #expect(try fixture.get("/locks/x/check?token=\(token)")?.json["valid"]?.bool == true)
        let renewed = try fixture.answer(.post, "/locks/x/renew?token=\(token)")
        #expect(renewed.json["remaining_ms"]?.integer == 60_000)
        let released = try fixture.answer(.post, "/locks/x/release?token=\(token)")
        #expect(released.json["released"]?.bool == true)
        let again = try fixture.answer(.post, "/locks/x/release?token=\(token)")
        #expect(again.status == 200 && again.json["released"]?.bool == false)
        let stale = try #require(try fixture.get("/locks/x/check?token=\(token)"))
        #expect(stale.status == 412 && stale.code == "fence_stale")
        #expect(try #require(stale.json["current_token"]?.integer) > token)
        #expect(try fixture.answer(.post, "/locks/x/renew?token=\(token)").code == "not_holder")
        #expect(try fixture.answer(.delete, "/locks/x").json["holders"]?.integer == 1)
        #expect(try fixture.answer(.delete, "/locks/x").code == "lock_not_found")
        #expect(try fixture.get("/locks/x")?.json["held"]?.bool == false)
    }

    @Test func `are listed page by page`() throws {
        var fixture = Fixture()
        for name in ["a1", "a2", "a3", "b1"] { _ = try fixture.answer(.post, "/locks/\(name)/acquire") }
        let first = try #require(try fixture.get("/locks?prefix=a&limit=2"))
        #expect(first.json["items"]?.elements?.compactMap { $0["name"]?.string } == ["a1", "a2"])
        let next = try #require(first.json["next"]?.string)
        #expect(first.fieldText("Link") != nil)
        let second = try #require(try fixture.get("/locks?prefix=a&limit=2&cursor=\(next)"))
        #expect(second.json["items"]?.elements?.compactMap { $0["name"]?.string } == ["a3"])
        #expect(second.json["next"] == nil)
        #expect(immediate(.get, "/locks?prefix=b&cursor=\(next)")?.code == "bad_request")
    }

    @Test func `elect one, who tells a value`() throws {
        var fixture = Fixture()
        #expect(try fixture.get("/elections/e")?.code == "no_leader_elected")
        let won = try fixture.answer(.post, "/elections/e/campaign?candidate=a&value=v1")
        #expect(won.json["leader"]?.string == "a" && won.json["value"]?.string == "v1")
        let token = try #require(won.json["token"]?.integer)
        let lost = try fixture.answer(.post, "/elections/e/campaign?candidate=b")
        #expect(lost.status == 409 && lost.code == "election_lost")
        #expect(lost.json["elected"]?["candidate"]?.string == "a", "\(lost.text)")
        let told = try fixture.answer(.post, "/elections/e/proclaim?token=\(token)&value=v2")
        #expect(told.json["value"]?.string == "v2")
        #expect(try fixture.get("/elections/e")?.json["leader"]?["value"]?.string == "v2")
        #expect(try fixture.answer(.post, "/elections/e/proclaim?token=99&value=v").code == "not_holder")
        #expect(try fixture.answer(.post, "/elections/e/resign?token=\(token)").status == 200)
    }

    @Test func `count the permits of a semaphore`() throws {
        var fixture = Fixture()
        #expect(try fixture.answer(.post, "/semaphores/s/acquire").code == "semaphore_not_found")
        #expect(try fixture.get("/semaphores/s")?.code == "semaphore_not_found")
        #expect(try fixture.answer(.put, "/semaphores/s?permits=3").status == 201)
        #expect(try fixture.answer(.put, "/semaphores/s?permits=2").status == 200)
        let granted = try fixture.answer(.post, "/semaphores/s/acquire?permits=2")
        #expect(granted.json["permits"]?.integer == 2 && granted.json["available"]?.integer == 0)
        let refused = try fixture.answer(.post, "/semaphores/s/acquire")
        #expect(refused.status == 409 && refused.code == "no_permits")
        #expect(refused.json["available"]?.integer == 0)
        #expect(try fixture.answer(.post, "/semaphores/s/acquire?permits=3").code == "invalid")
        let state = try #require(try fixture.get("/semaphores/s")).json
        #expect(state["held"]?.integer == 2 && state["holders"]?.elements?.count == 1)
        #expect(try fixture.answer(.delete, "/semaphores/s").json["deleted"]?.bool == true)
        #expect(try fixture.answer(.delete, "/semaphores/s").code == "semaphore_not_found")
    }

    @Test func `tell how a wait ended, and how much time is left by the node's clock`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.post, "/locks/x/acquire?owner=a")
        let plan = try write(.post, "/locks/x/acquire?owner=b&wait=1s")
        #expect(fixture.apply(plan.operation(at: .zero)) == .coordinated(.claim(.waiting(position: 1))))
        var context = fixture.context
        context.timeLeft = { _ in 12_345 }
        let holder = try #require(fixture.keyspace.holders(of: ClaimName(.lock, "x"), limit: 1).first)
        let outcome = Outcome.coordinated(.claim(.granted(holder)))
        let granted = api.render(write: plan, outcome: outcome, context: context)
        // A lease of its own has all its time when it is granted, whoever tells it, and whenever it is told.
        #expect(granted.status == 200 && granted.json["remaining_ms"] == granted.json["ttl_ms"])
        let refused = try write(.post, "/locks/x/acquire")
        let answer = api.render(
            write: refused, outcome: fixture.apply(refused.operation(at: .zero)), context: context)
        #expect(answer.json["remaining_ms"]?.integer == 12_345 && answer.json["queue_position"]?.integer == 2)
        #expect(answer.fieldText("Retry-After") == "13")
        let gone = ClaimRefusal.leaseEnded(ClaimName(.lock, "x"), lease: "l")
        let ended = api.render(write: plan, outcome: .coordinated(.claim(.gaveUp(gone))), context: context)
        #expect(ended.code == "lease_not_found")
        let full = ClaimRefusal.tooManyWaiters(ClaimName(.lock, "x"))
        let many = api.render(
            write: plan, outcome: .refused(.coordination(.claim(full))), context: context)
        #expect(many.status == 429 && many.code == "too_many_waiters")
    }
}
