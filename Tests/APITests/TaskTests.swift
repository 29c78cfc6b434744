import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Tasks` {
    private func add(_ fixture: inout Fixture, _ body: String) throws -> HTTP.Response {
        try fixture.answer(.post, "/tasks", ["Content-Type": "application/json"], body: body)
    }

    @Test func `are added, claimed with a token, and completed once`() throws {
        var fixture = Fixture()
        let added = try add(&fixture, #"{"kind":"thumb","payload":{"f": "a.png"},"timeout_ms":500}"#)
        #expect(added.status == 201 && added.json["state"]?.string == "ready")
        let id = try #require(added.json["id"]?.string)
        #expect(added.fieldText("Location") == "/tasks/\(id)")
        let claimed = try fixture.answer(.post, "/tasks/claim?worker=w&kinds=thumb,mail")
        #expect(claimed.status == 200 && claimed.json["id"]?.string == id)
        #expect(claimed.json["payload"]?["f"]?.string == "a.png" && claimed.text.contains(#"{"f": "a.png"}"#))
        #expect(claimed.json["attempt"]?.integer == 1 && claimed.json["timeout_ms"]?.integer == 500)
        let token = try #require(claimed.json["token"]?.integer)
        #expect(try fixture.answer(.post, "/tasks/claim?worker=v").status == 204)
        let other = try fixture.answer(.post, "/tasks/\(id)/complete?token=\(token + 1)", body: "x")
        #expect(other.status == 409 && other.code == "not_holder" && other.json["applied"]?.string == "no")
        let kept = try fixture.answer(.post, "/tasks/\(id)/progress?token=\(token)", body: "half")
        #expect(kept.json["deadline"]?.string != nil)
        let shown = try #require(try fixture.get("/tasks/\(id)"))
        #expect(shown.json["state"]?.string == "claimed" && shown.json["worker"]?.string == "w")
        #expect(shown.json["progress"]?.string == "half")
        for body in ["done", "something else"] {
            let done = try fixture.answer(.post, "/tasks/\(id)/complete?token=\(token)", body: body)
            #expect(done.status == 200 && done.json["state"]?.string == "completed")
        }
        let end = try #require(try fixture.get("/tasks/\(id)"))
        #expect(end.json["result"]?.string == "done" && end.json["finished_at"]?.string != nil)
        let late = try fixture.answer(.delete, "/tasks/\(id)")
        #expect(late.status == 409 && late.code == "task_finished")
        #expect(try fixture.get("/tasks/t-9999")?.code == "task_not_found")
    }

    @Test func `come several at a time, fail, are released and called off`() throws {
        var fixture = Fixture()
        for kind in ["a", "b", "c"] { _ = try add(&fixture, #"{"kind":"\#(kind)","priority":1}"#) }
        let claimed = try fixture.answer(.post, "/tasks/claim?worker=w&max=2")
        let items = try #require(claimed.json["items"]?.elements)
        #expect(items.map { $0["kind"]?.string } == ["a", "b"])
        func target(_ place: Int, _ verb: String) throws -> String {
            let (id, token) = (items[place]["id"]?.string, items[place]["token"]?.integer)
            return "/tasks/\(try #require(id))/\(verb)?token=\(try #require(token))"
        }
        let failed = try fixture.answer(.post, try target(0, "fail"), body: "no disk")
        #expect(failed.json["state"]?.string == "waiting" && failed.json["retry_after_ms"]?.integer == 1_000)
        let final = try fixture.answer(.post, try target(1, "fail") + "&final", body: "never")
        #expect(final.json["state"]?.string == "failed" && final.json["retry_after_ms"] == nil)
        let dead = try #require(try fixture.get("/tasks?state=failed"))
        #expect(dead.json["items"]?.elements?.map { $0["cause"]?.string } == ["reported"])
        let again = try fixture.answer(.post, "/tasks/claim?worker=w")
        let (id, token) = (again.json["id"]?.string ?? "", again.json["token"]?.integer ?? 0)
        #expect(try fixture.answer(.post, "/tasks/\(id)/heartbeat?token=\(token)").status == 200)
        let released = try fixture.answer(.post, "/tasks/\(id)/release?token=\(token)")
        #expect(released.json["state"]?.string == "ready")
        let after = try add(&fixture, #"{"kind":"d","after":["\#(id)"]}"#)
        #expect(after.json["state"]?.string == "waiting")
        #expect(try fixture.answer(.delete, "/tasks/\(id)").json["state"]?.string == "cancelled")
        let lost = try #require(try fixture.get("/tasks/\(after.json["id"]?.string ?? "")"))
        #expect(lost.json["cause"]?.string == "dependency_failed" && lost.json["dependency"]?.string == id)
    }

    @Test func `are listed in pages by state and kind`() throws {
        var fixture = Fixture()
        for number in 0..<5 { _ = try add(&fixture, #"{"kind":"k\#(number % 2)"}"#) }
        let first = try #require(try fixture.get("/tasks?kind=k0&state=ready&limit=2"))
        #expect(first.json["items"]?.elements?.count == 2)
        let cursor = try #require(first.json["next"]?.string)
        let second = try #require(try fixture.get("/tasks?kind=k0&state=ready&limit=2&cursor=\(cursor)"))
        #expect(second.json["items"]?.elements?.count == 1 && second.json["next"] == nil)
    }

    @Test func `go to workers that have the labels, up to their capacity`() throws {
        var fixture = Fixture()
        let made = try fixture.answer(.put, "/workers/w1?ttl=30s&capacity=1&labels=ssd,gpu")
        #expect(made.status == 201 && made.json["labels"]?.elements?.map(\.string) == ["gpu", "ssd"])
        #expect(try fixture.answer(.put, "/workers/w1?ttl=30s&capacity=1&labels=gpu").status == 200)
        for _ in 0..<2 { _ = try add(&fixture, #"{"kind":"k","labels":["gpu"]}"#) }
        #expect(try fixture.answer(.post, "/tasks/claim?worker=w2").status == 204)
        let claimed = try fixture.answer(.post, "/tasks/claim?worker=w1&max=5")
        #expect(claimed.json["items"]?.elements?.count == 1)
        let workers = try #require(try fixture.get("/workers"))
        #expect(workers.json["items"]?[0]?["worker"]?.string == "w1")
        #expect(workers.json["items"]?[0]?["claims"]?.integer == 1)
        #expect(try fixture.answer(.delete, "/workers/w1").json["claims"]?.integer == 1)
        #expect(try fixture.answer(.delete, "/workers/w1").code == "worker_not_found")
    }

    @Test func `are refused by name if nothing good can come of them`() throws {
        var fixture = Fixture()
        for (body, code) in [
            (#"{}"#, "invalid"), (#"{"kind":""}"#, "invalid"), (#"{"kind":"a","after":["t-99"]}"#, "invalid"),
            (#"{"kind":"a","after":["7"]}"#, "invalid"), (#"{"kind":"a","priority":256}"#, "invalid"),
            (#"{"kind":"a","max_attempts":0}"#, "invalid"), (#"{"kind":"a","timeout_ms":0}"#, "invalid"),
            (#"{"kind":"a","run_at":"soon"}"#, "invalid"),
            (#"{"kind":"a","run_at":"2026-12-01T00:00:00Z","delay_ms":5}"#, "invalid"),
            (#"{"kind":"a","run_at":"2999-12-01T00:00:00Z"}"#, "invalid"),
            (#"{"kind":"a","prio":1}"#, "unknown_parameter"), (#"{"kind":"a","payload":}"#, "bad_json"),
        ] {
            let type = ["Content-Type": "application/json"]
            let response = try immediate(.post, "/tasks", type, body: body) ?? add(&fixture, body)
            #expect(response.code == code && response.status >= 400, "\(body): \(response.text)")
        }
        for target in [
            "/tasks/claim", "/tasks/claim?worker=w&max=101", "/tasks/7/complete?token=1",
            "/tasks/t-7/complete",
            "/tasks/claim?worker=w&kinds=a,,b",
        ] {
            #expect(immediate(.post, target)?.status == 400, "\(target)")
        }
        let long = String(repeating: "x", count: Store.Limits.taskNoteBytes + 1)
        #expect(immediate(.post, "/tasks/t-7/progress?token=1", body: long)?.status == 413)
        #expect(immediate(.get, "/tasks?state=lost")?.status == 400)
        #expect(immediate(.put, "/workers/w?capacity=0")?.status == 400)
    }

    @Test func `tell the node for what a claim waits`() throws {
        var fixture = Fixture()
        let any = try write(.post, "/tasks/claim?worker=w&wait=20s")
        #expect(any.repeats?.row == RowKey(.taskLane) && any.repeats?.wait == .seconds(20))
        let one = try write(.post, "/tasks/claim?worker=w&wait=20s&kinds=a")
        #expect(one.repeats?.row == RowKey(.taskLane, "a"))
        #expect(try write(.post, "/tasks/claim?worker=w").repeats == nil)
        #expect(fixture.apply(one.operation(at: .zero)).isEmptyReceive)
        _ = try add(&fixture, #"{"kind":"b"}"#)
        #expect(any.mayFind(in: fixture.keyspace) && !one.mayFind(in: fixture.keyspace))
    }
}
