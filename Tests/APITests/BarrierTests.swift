import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Barriers` {
    @Test func `release all parties with their place in the order of arrival`() throws {
        var fixture = Fixture()
        let made = try fixture.answer(.put, "/barriers/start?parties=2&ttl=10m")
        #expect(made.status == 201 && made.fieldText("Location") == "/barriers/start")
        #expect(made.json["ttl_ms"]?.integer == 600_000 && made.json["generations"]?.string == "cyclic")
        #expect(try fixture.answer(.put, "/barriers/start?parties=2&ttl=10m").status == 200)
        let first = try fixture.answer(.post, "/barriers/start/arrive?member=w1")
        #expect(first.status == 202)
        #expect(first.text == #"{"released":false,"generation":1,"arrived":1,"parties":2}"# + "\n")
        let last = try fixture.answer(.post, "/barriers/start/arrive?member=w2&wait=60s")
        #expect(last.text == #"{"released":true,"generation":1,"index":2,"parties":2}"# + "\n")
        let again = try fixture.answer(.post, "/barriers/start/arrive?member=w1&generation=1")
        #expect(again.json["released"]?.bool == true && again.json["index"]?.integer == 1)
        let other = try fixture.answer(.post, "/barriers/start/arrive?member=w1&generation=5")
        #expect(other.status == 409 && other.code == "other_generation")
        #expect(other.json["generation"]?.integer == 2)
    }

    @Test func `tell who waits when all have arrived`() throws {
        var fixture = Fixture()
        let plan = try write(.post, "/barriers/b/arrive?member=w1&parties=2&wait=60s")
        let outcome = fixture.apply(plan.operation(at: .zero))
        guard case .coordinated(let told) = outcome, told.isWaiting else {
            Issue.record("does not wait: \(outcome)")
            return
        }
        _ = fixture.keyspace.takeNews()
        _ = try fixture.answer(.post, "/barriers/b/arrive?member=w2")
        let settled = fixture.keyspace.takeNews().compactMap { news -> CoordinationOutcome? in
            if case .settled(_, let outcome) = news { outcome } else { nil }
        }
        let response = api.render(write: plan, outcome: .coordinated(settled[0]), context: fixture.context)
        #expect(response.status == 200 && response.json["index"]?.integer == 1 && settled.count == 1)
    }

    @Test func `say who broke them, until they are reset`() throws {
        var fixture = Fixture()
        fixture.apply(.coordinate(.lease(.grant(LeaseTerms(id: "l", timeToLive: 1000)))))
        let arrived = try fixture.answer(.post, "/barriers/b/arrive?member=w1&parties=3&lease=l")
        #expect(arrived.status == 202)
        let members = try #require(try fixture.get("/barriers/b")).json["members"]
        #expect(members?[0]?["member"]?.string == "w1" && members?[0]?["lease"]?.string == "l")
        fixture.apply(.coordinate(.lease(.revoke(id: "l"))))
        let broken = try fixture.answer(.post, "/barriers/b/arrive?member=w2")
        #expect(broken.status == 409 && broken.code == "barrier_broken")
        #expect(broken.json["broken_by"]?.string == "w1" && broken.json["generation"]?.integer == 1)
        #expect(try fixture.get("/barriers/b")?.json["broken"]?.bool == true)
        let reset = try fixture.answer(.post, "/barriers/b/reset")
        #expect(reset.json["generation"]?.integer == 2 && reset.json["broken"]?.bool == false)
        let gone = try fixture.answer(.post, "/barriers/b/arrive?member=w1&lease=l")
        #expect(gone.status == 404 && gone.code == "lease_not_found")
    }

    @Test func `hold those who leave until all have left`() throws {
        var fixture = Fixture()
        for member in ["w1", "w2"] {
            _ = try fixture.answer(.post, "/barriers/b/arrive?member=\(member)&parties=2")
        }
        let first = try fixture.answer(.post, "/barriers/b/leave?member=w1")
        #expect(first.status == 202)
        #expect(first.text == #"{"all_left":false,"generation":1,"left":1,"parties":2}"# + "\n")
        let last = try fixture.answer(.post, "/barriers/b/leave?member=w2&wait=1s")
        #expect(last.status == 200 && last.json["all_left"]?.bool == true)
        #expect(try fixture.answer(.post, "/barriers/b/leave?member=w9").code == "not_arrived")
        _ = try fixture.answer(.post, "/barriers/b/arrive?member=w3")
        let withdrawn = try fixture.answer(.post, "/barriers/b/leave?member=w3")
        #expect(withdrawn.json["withdrawn"]?.bool == true && withdrawn.json["arrived"]?.integer == 0)
    }

    @Test func `are listed, opened once, and deleted`() throws {
        var fixture = Fixture()
        for name in ["a", "b", "c"] {
            _ = try fixture.answer(.put, "/barriers/\(name)?parties=1&generations=once")
        }
        _ = try fixture.answer(.post, "/barriers/a/arrive?member=w1")
        #expect(try fixture.get("/barriers/a")?.json["open"]?.bool == true)
        let other = try fixture.answer(.put, "/barriers/a?parties=2")
        #expect(other.status == 409 && other.code == "already_exists" && other.json["parties"]?.integer == 1)
        let page = try #require(try fixture.get("/barriers?limit=2"))
        let cursor = try #require(page.json["next"]?.string)
        let rest = try #require(try fixture.get("/barriers?cursor=\(cursor)"))
        #expect(rest.json["items"]?.elements?.map { $0["name"]?.string } == ["c"])
        #expect(try fixture.answer(.delete, "/barriers/a").json["deleted"]?.bool == true)
        #expect(try fixture.get("/barriers/a")?.code == "barrier_not_found")
        for target in ["arrive?member=w1", "leave?member=w1", "reset"] {
            #expect(try fixture.answer(.post, "/barriers/a/\(target)").code == "barrier_not_found")
        }
    }

    @Test(
        arguments: [
            (.put, "/barriers/b", "bad_request"), (.put, "/barriers/b?parties=0", "bad_request"),
            (.put, "/barriers/b?parties=4097", "bad_request"),
            (.put, "/barriers/b?parties=2&generations=twice", "bad_request"),
            (.put, "/barriers/b?parties=2&ttl=0", "bad_duration"),
            (.post, "/barriers/b/arrive", "bad_request"),
            (.post, "/barriers/b/arrive?member=", "bad_request"),
            (.post, "/barriers/b/arrive?member=a&wait=11m", "bad_duration"),
            (.post, "/barriers/b/arrive?member=a&generation=0", "bad_request"),
            (.post, "/barriers/b/leave", "bad_request"), (.post, "/barriers/%0a/reset", "bad_request"),
            (.get, "/barriers?cursor=x", "bad_request"),
        ] as [(HTTP.Method, String, String)])
    func `name what makes no sense`(_ method: HTTP.Method, _ target: String, _ code: String) {
        #expect(immediate(method, target)?.code == code)
    }
}
