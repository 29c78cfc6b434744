// Fences: what is understood, and what is answered.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Fenced writes` {
    private func fences(
        _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = "x"
    ) throws -> [Fence] {
        let plan = try write(method, target, fields, body: body)
        guard case .fenced(let fences, _) = plan.operation(at: .zero) else { return [] }
        return fences
    }

    @Test func `name locks, and other things by their collection, in header and parameter`() throws {
        let lock = Fence(ClaimName(.lock, "cron"), token: 17)
        #expect(try fences(.put, "/kv/a") == [])
        #expect(try fences(.put, "/kv/a?fence=cron:17") == [lock])
        #expect(try fences(.put, "/kv/a", ["Parley-Fence": "cron=17"]) == [lock])
        let all = [
            lock, Fence(ClaimName(.lock, "a/b,c:d=é"), token: 1), Fence(ClaimName(.election, "e"), token: 2),
            Fence(ClaimName(.semaphore, "s"), token: .max),
        ]
        let name = "a%2Fb%2Cc%3Ad%3D%C3%A9"
        let most = "18446744073709551615"
        #expect(
            try fences(
                .put, "/kv/a",
                ["Parley-Fence": "cron=17, locks/\(name)=1 ,elections/e=2,semaphores/s=\(most)"])
                == all)
        let twice = name.replacing("%", with: "%25")
        #expect(
            try fences(.put, "/kv/a?fence=cron:17,\(twice):1,elections/e:2,semaphores/s:\(most)") == all)
        #expect(try fences(.put, "/kv/a?fence=cron:17", ["Parley-Fence": "cron=17"]) == [lock, lock])
    }

    @Test(arguments: [
        "", ",", "a", "a=", "=1", "a=x", "a=0", "a=-1", "a=1,", "a=1,,b=2", "a=18446744073709551616", "a:1",
        "queues/a=1", "a/b=1", "locks/a/b=1", "a%0=1", "a%00=1", "a%FF=1", "locks/=1",
    ])
    func `that can't be read are refused by name, never ignored`(_ text: String) throws {
        let header = try #require(immediate(.put, "/kv/a", ["Parley-Fence": text], body: "x"))
        #expect(header.status == 400 && header.json["header"]?.string == "Parley-Fence", "\(header.text)")
        let list = text.contains(":") ? "a=1" : text.replacing("=", with: ":").replacing("%", with: "%25")
        let parameter = try #require(immediate(.put, "/kv/a?fence=\(list)", body: "x"))
        #expect(parameter.status == 400 && parameter.json["parameter"]?.string == "fence", "\(list)")
    }

    @Test func `are at most sixteen`() throws {
        func list(_ count: Int) -> String { (1...count).map { "a=\($0)" }.joined(separator: ",") }
        #expect(try fences(.put, "/kv/a", ["Parley-Fence": list(16)]).count == 16)
        #expect(immediate(.put, "/kv/a", ["Parley-Fence": list(17)], body: "x")?.status == 400)
        #expect(immediate(.put, "/kv/a?fence=b:1", ["Parley-Fence": list(16)], body: "x")?.status == 400)
    }

    @Test(
        arguments: [
            (.put, "/kv/a", "x"), (.delete, "/kv/a", nil), (.post, "/kv/a?op=incr", nil),
            (.delete, "/kv?prefix=a", nil), (.post, "/txn", #"{"then":[{"delete":{"key":"a"}}]}"#),
            (.post, "/queues/q", "x"), (.put, "/queues/q", "{}"), (.post, "/queues/q/receive", nil),
            (.post, "/queues/q/ack?receipt=1-1", nil), (.post, "/queues/q/nack?receipt=1-1", nil),
            (.post, "/queues/q/extend?receipt=1-1&visibility=5s", nil), (.delete, "/queues/q/messages", nil),
            (.delete, "/queues/q", nil),
        ] as [(HTTP.Method, String, String?)])
    func `may be all that change keys and queues`(_ method: HTTP.Method, _ target: String, _ body: String?)
        throws
    {
        let wanted = [Fence(ClaimName(.lock, "l"), token: 3)]
        #expect(try fences(method, target, ["Parley-Fence": "l=3"], body: body) == wanted)
        let query = target.contains("?") ? "&fence=l:3" : "?fence=l:3"
        #expect(try fences(method, target + query, body: body) == wanted)
    }

    @Test func `are nothing else: where they would mean nothing they are refused`() throws {
        for (method, target) in [
            (.post, "/locks/a/acquire"), (.post, "/leases?ttl=5s"), (.post, "/messages/n1"),
            (.post, "/compact?keep=1"), (.post, "/requests/key:a/cancel"),
        ] as [(HTTP.Method, String)] {
            let header = try #require(immediate(method, target, ["Parley-Fence": "l=3"], body: ""))
            #expect(
                header.code == "bad_request" && header.json["header"]?.string == "Parley-Fence", "\(target)")
            let query = target.contains("?") ? "&fence=l:3" : "?fence=l:3"
            #expect(immediate(method, target + query, body: "")?.code == "unknown_parameter", "\(target)")
        }
        let get = #"{"then":[{"get":{"key":"a"}}]}"#
        #expect(immediate(.post, "/txn", ["Parley-Fence": "l=3"], body: get)?.status == 400)
        #expect(immediate(.post, "/txn?fence=l:3", body: get)?.status == 400)
        #expect(
            immediate(.post, "/txn?fence=l:3&dry_run", body: #"{"then":[{"delete":{"key":"a"}}]}"#)?.status
                == 400)
        #expect(immediate(.get, "/kv/a?fence=l:3")?.code == "unknown_parameter")
    }

    @Test func `are answered 412 once the lock has passed on`() throws {
        var fixture = Fixture()
        let acquired = try fixture.answer(.post, "/locks/x%2Fy/acquire")
        let first = try #require(acquired.json["token"]?.integer)
        #expect(try fixture.answer(.put, "/kv/k?fence=x%252Fy:\(first)", body: "1").status == 201)
        _ = try fixture.answer(.post, "/locks/x%2Fy/release?token=\(first)")
        let free = try fixture.answer(.put, "/kv/k", ["Parley-Fence": "x%2Fy=\(first)"], body: "2")
        #expect(free.status == 412 && free.code == "fence_stale" && free.json["current_token"] == nil)
        #expect(free.json["detail"]?.string == "lock 'x/y' is not held with token \(first): nobody holds it")
        let second = try #require(
            try fixture.answer(.post, "/locks/x%2Fy/acquire").json["token"]?.integer)
        let stale = try fixture.answer(
            .post, "/txn?fence=x%252Fy:\(first)", body: #"{"then":[{"put":{"key":"k","value":"2"}}]}"#)
        #expect(stale.status == 412 && stale.code == "fence_stale" && stale.json["applied"]?.string == "no")
        #expect(stale.json["name"]?.string == "x/y" && stale.json["kind"]?.string == "lock")
        #expect(stale.json["token"]?.integer == first && stale.json["current_token"]?.integer == second)
        #expect(
            try fixture.answer(.post, "/queues/q?fence=x%252Fy:\(first)", body: "m").code == "fence_stale")
        #expect(try fixture.get("/kv/k")?.text == "1")
    }

    @Test func `may be imports, each command of which is looked at`() throws {
        guard
            case .importLines(let plan) = plan(
                .post, "/kv", ["Parley-Fence": "l=3"], body: #"{"key":"a","value":"1"}"#)
        else {
            Issue.record("no import")
            return
        }
        guard case .fenced([Fence(ClaimName(.lock, "l"), token: 3)], .batch)? = plan.batches.first?.operation
        else {
            Issue.record("not fenced: \(plan.batches)")
            return
        }
        let fixture = Fixture()
        let stale = Outcome.refused(.fenceStale(Fence(ClaimName(.lock, "l"), token: 3), current: 5))
        let refused = api.render(import: plan, outcomes: [.outcome(stale)], context: fixture.context)
        #expect(refused.status == 412 && refused.code == "fence_stale")
        let lines = #"{"key":"a","value":"1"}"# + "\n" + #"{"key":"a","value":"2"}"#
        guard case .importLines(let two) = fenced(lines) else {
            Issue.record("no import")
            return
        }
        let halfway = api.render(
            import: two,
            outcomes: [.outcome(.batch([.put(Revision(2))], revision: Revision(2))), .outcome(stale)],
            context: fixture.context)
        #expect(halfway.status == 200)
        #expect(halfway.lines.map { $0["error"]?.string } == [nil, "fence_stale", nil])
    }

    private func fenced(_ lines: String) -> Plan {
        plan(.post, "/kv", ["Parley-Fence": "l=3"], body: lines)
    }

    @Test func `are part of what an idempotency key stands for`() throws {
        func fingerprint(_ fence: String?) throws -> UInt64? {
            var fields = ["Idempotency-Key": "k"]
            if let fence { fields["Parley-Fence"] = fence }
            return try write(.put, "/kv/a", fields, body: "x").once?.fingerprint
        }
        #expect(try fingerprint("l=3") == fingerprint("l=3"))
        #expect(try fingerprint("l=3") != fingerprint("l=4"))
        #expect(try fingerprint("l=3") != fingerprint(nil))
    }
}
