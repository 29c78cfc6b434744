import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Queues` {
    @Test func `take a message and give it raw, with a receipt that acknowledges it`() throws {
        var fixture = Fixture()
        let enqueued = try fixture.answer(.post, "/queues/mail", body: "hello")
        #expect(enqueued.status == 201)
        let id = try #require(enqueued.json["id"]?.string)
        #expect(enqueued.json["revision"]?.integer == 1)
        let received = try fixture.answer(.post, "/queues/mail/receive")
        #expect(received.status == 200 && received.text == "hello")
        #expect(received.fieldText("Parley-Message-Id") == id)
        #expect(received.fieldText("Parley-Attempt") == "1")
        #expect(received.fieldText("Parley-Enqueued-At") == "1970-01-01T00:00:00.001Z")
        #expect(received.fieldText("X-Content-Type-Options") == "nosniff")
        #expect(received.fieldText("Content-Type") == "application/octet-stream")
        let receipt = try #require(received.fieldText("Parley-Receipt"))
        let acknowledged = try fixture.answer(.post, "/queues/mail/ack?receipt=\(receipt)")
        #expect(acknowledged.text == #"{"id":"\#(id)","acknowledged":true}"# + "\n")
        let again = try fixture.answer(.post, "/queues/mail/ack?receipt=\(receipt)")
        #expect(again.status == 409 && again.code == "receipt_expired")
        #expect(again.json["receipt"]?.string == receipt && again.json["applied"]?.string == "no")
        let empty = try fixture.answer(.post, "/queues/mail/receive")
        #expect(empty.status == 204 && empty.body.isEmpty && empty.fieldText("Parley-Receipt") == nil)
    }

    @Test func `give several messages as items, and one if JSON is asked for`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.post, "/queues/mail?priority=7", body: "a")
        fixture.apply(.coordinate(.queue(.enqueue("mail", NewMessage(body: [0xff])))))
        _ = try fixture.answer(.post, "/queues/mail", body: "c")
        let two = try fixture.answer(.post, "/queues/mail/receive?max=2&visibility=1m&consumer=c1")
        let items = try #require(two.json["items"]?.elements)
        #expect(items.map { $0["body"]?.string } == ["a", nil] && items[1]["body_b64"]?.string == "/w==")
        #expect(items[0]["priority"]?.integer == 7 && items[0]["attempt"]?.integer == 1)
        let one = try fixture.answer(.post, "/queues/mail/receive", ["Accept": "application/json"])
        #expect(one.json["items"]?[0]?["body"]?.string == "c")
        let receipt = try #require(items[0]["receipt"]?.string)
        let extended = try fixture.answer(.post, "/queues/mail/extend?receipt=\(receipt)&visibility=90s")
        #expect(extended.json["visibility_ms"]?.integer == 90_000)
        let returned = try fixture.answer(.post, "/queues/mail/nack?receipt=\(receipt)&delay=5s")
        #expect(returned.json["dead"]?.bool == false)
        let counts = try #require(try fixture.get("/queues/mail"))
        for (name, count) in [("ready", 0), ("in_flight", 2), ("delayed", 1), ("dead", 0)] {
            #expect(counts.json[name]?.integer == Int64(count), "\(name)")
        }
        #expect(try fixture.answer(.post, "/queues/mail/receive?max=5").status == 204)
    }

    @Test func `are configured by JSON, whose missing members mean the defaults`() throws {
        var fixture = Fixture()
        let made = try fixture.answer(
            .put, "/queues/mail%20in",
            body:
                #"{"visibility_ms":1000,"max_attempts":3,"dead_letter":"dead","max_length":1,"order":"priority"}"#
        )
        #expect(made.status == 201 && made.fieldText("Location") == "/queues/mail%20in")
        #expect(
            made.text
                == #"{"name":"mail in","visibility_ms":1000,"max_attempts":3,"dead_letter":"dead","#
                + #""max_length":1,"retention_ms":0,"order":"priority","created_at":"1970-01-01T00:00:00.001Z"}"#
                + "\n")
        #expect(try fixture.answer(.post, "/queues/mail%20in", body: "a").status == 201)
        let full = try fixture.answer(.post, "/queues/mail%20in", body: "b")
        #expect(full.status == 429 && full.code == "queue_full" && full.fieldText("Retry-After") == "1")
        let changed = try fixture.answer(.put, "/queues/mail%20in")
        #expect(changed.status == 409 && changed.code == "queue_not_empty")
        #expect(
            try fixture.answer(.delete, "/queues/mail%20in/messages").json["deleted_messages"]?.integer == 1)
        let defaults = try fixture.answer(.put, "/queues/mail%20in")
        #expect(defaults.status == 200 && defaults.json["visibility_ms"]?.integer == 30_000)
        #expect(defaults.json["dead_letter"] == nil && defaults.json["order"]?.string == "fifo")
        #expect(try fixture.answer(.delete, "/queues/mail%20in").status == 200)
        #expect(try fixture.get("/queues/mail%20in")?.code == "queue_not_found")
        for target in ["/queues/x/receive", "/queues/x/ack?receipt=1-2"] {
            #expect(try fixture.answer(.post, target).code == "queue_not_found")
        }
    }

    @Test func `enqueue a dedupe id once`() throws {
        var fixture = Fixture()
        let first = try fixture.answer(.post, "/queues/mail?dedupe=a", body: "1")
        let second = try fixture.answer(.post, "/queues/mail?dedupe=a", body: "2")
        #expect(first.status == 201 && second.status == 200)
        #expect(second.json["id"] == first.json["id"] && second.json["duplicate"]?.bool == true)
    }

    @Test func `are listed in pages and can be looked into`() throws {
        var fixture = Fixture()
        for name in ["a", "b", "c"] { _ = try fixture.answer(.post, "/queues/\(name)", body: name) }
        _ = try fixture.answer(.post, "/queues/a", body: "second")
        let first = try #require(try fixture.get("/queues?limit=2"))
        #expect(first.json["items"]?.elements?.map { $0["name"]?.string } == ["a", "b"])
        #expect(first.json["items"]?[0]?["ready"]?.integer == 2)
        let cursor = try #require(first.json["next"]?.string)
        let second = try #require(try fixture.get("/queues?limit=2&cursor=\(cursor)"))
        #expect(second.json["items"]?.elements?.map { $0["name"]?.string } == ["c"])
        #expect(second.json["next"] == nil)
        let peek = try #require(try fixture.get("/queues/a/peek?limit=1"))
        #expect(peek.json["items"]?[0]?["body"]?.string == "a")
        #expect(peek.json["items"]?[0]?["receipt"] == nil && peek.json["ready"]?.integer == 2)
        let stats = try #require(try fixture.get("/queues/a"))
        #expect(stats.json["oldest_age_ms"]?.integer == 3)
    }

    @Test func `tell the node how long a receiver waits, and for what`() throws {
        var fixture = Fixture()
        let plan = try write(.post, "/queues/mail/receive?wait=20s")
        #expect(plan.repeats?.wait == .seconds(20) && plan.repeats?.row == RowKey(.queue, "mail"))
        #expect(try write(.post, "/queues/mail/receive", ["Prefer": "wait=3"]).repeats?.wait == .seconds(3))
        for target in ["/queues/mail/receive", "/queues/mail/receive?wait=0"] {
            #expect(try write(.post, target).repeats == nil)
        }
        #expect(try write(.post, "/queues/mail", body: "a").repeats == nil)
        for target in ["/queues/mail/receive?wait=1s", "/queues/mail"] {
            #expect(try write(.post, target, ["Idempotency-Key": "k"], body: "").once != nil)
        }
        fixture.apply(.coordinate(.queue(.configure("mail", QueueSettings()))))
        #expect(fixture.apply(plan.operation(at: .zero)).isEmptyReceive)
        fixture.apply(.coordinate(.queue(.enqueue("mail", NewMessage(body: [])))))
        #expect(!fixture.apply(plan.operation(at: .zero)).isEmptyReceive)
    }

    @Test func `take part in transactions`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.post, "/queues/in", body: "job")
        let receipt = try #require(
            try fixture.answer(.post, "/queues/in/receive").fieldText("Parley-Receipt"))
        let body = #"""
            {"then":[{"ack":{"queue":"in","receipt":"\#(receipt)"}},{"put":{"key":"done","value":"1"}},
                     {"enqueue":{"queue":"out","body":"next","priority":3,"delay_ms":1,"dedupe":"d"}}]}
            """#
        let done = try fixture.answer(.post, "/txn", body: body)
        #expect(done.status == 200 && done.json["revision"]?.integer == 2, "\(done.text)")
        #expect(done.json["results"]?[0]?["ack"]?["id"]?.string?.hasPrefix("m-") == true)
        #expect(done.json["results"]?[2]?["enqueue"]?["id"]?.string?.hasPrefix("m-") == true)
        #expect(try fixture.get("/queues/out")?.json["delayed"]?.integer == 1)
        let again = try fixture.answer(.post, "/txn", body: body)
        #expect(again.status == 409 && again.code == "receipt_expired")
        #expect(again.json["field"]?.string == "then[0]")
        for (step, code) in [
            (#"{"ack":{"queue":"in"}}"#, "invalid"), (#"{"ack":{"queue":"in","receipt":"x"}}"#, "invalid"),
            (#"{"enqueue":{"queue":"","body":""}}"#, "invalid"), (#"{"enqueue":{"queue":"q"}}"#, "invalid"),
            (#"{"enqueue":{"queue":"q","body":"","priority":256}}"#, "invalid"),
            (#"{"enqueue":{"queue":"q","body":"","prio":1}}"#, "unknown_parameter"),
        ] {
            #expect(immediate(.post, "/txn", body: #"{"then":[\#(step)]}"#)?.code == code, "\(step)")
        }
    }

    @Test(
        arguments: [
            (.post, "/queues/mail?priority=256", "bad_request"),
            (.post, "/queues/mail?delay=soon", "bad_duration"),
            (.post, "/queues/mail?ttl=0", "bad_duration"), (.post, "/queues/mail?ttl=8761h", "bad_duration"),
            (.post, "/queues/mail?dedupe=", "bad_request"), (.post, "/queues/a%00b", "bad_request"),
            (.post, "/queues/%ff", "bad_request"), (.post, "/queues/mail?prio=1", "unknown_parameter"),
            (.post, "/queues/mail/receive?max=0", "bad_request"),
            (.post, "/queues/mail/receive?max=101", "bad_request"),
            (.post, "/queues/mail/receive?visibility=0", "bad_duration"),
            (.post, "/queues/mail/receive?wait=11m", "bad_duration"),
            (.post, "/queues/mail/receive?consumer=a%0ab", "bad_request"),
            (.post, "/queues/mail/ack", "bad_request"), (.post, "/queues/mail/ack?receipt=x", "bad_request"),
            (.post, "/queues/mail/extend?receipt=1-2", "bad_request"),
            (.get, "/queues?cursor=nonsense", "bad_request"),
            (.get, "/queues/a/peek?limit=101", "bad_request"),
            (.get, "/queues/a/receive", "method_not_allowed"),
        ] as [(HTTP.Method, String, String)])
    func `name what makes no sense`(_ method: HTTP.Method, _ target: String, _ code: String) {
        #expect(immediate(method, target)?.code == code)
    }

    @Test(
        arguments: [
            (#"{"visibility_ms":0}"#, "invalid"), (#"{"max_attempts":-1}"#, "invalid"),
            (#"{"dead_letter":"mail"}"#, "invalid"), (#"{"dead_letter":""}"#, "invalid"),
            (#"{"max_length":0}"#, "invalid"), (#"{"retention_ms":31536000001}"#, "invalid"),
            (#"{"order":"lifo"}"#, "invalid"), (#"{"visibility":1}"#, "unknown_parameter"),
            (#"{"order":1}"#, "bad_json"), ("[]", "bad_json"), (#"{"order":"fifo"}x"#, "bad_json"),
        ])
    func `refuse settings that make no sense`(_ body: String, _ code: String) {
        #expect(immediate(.put, "/queues/mail", body: body)?.code == code)
    }

    @Test func `refuse a message that is too long`() {
        let body = String(repeating: "x", count: Store.Limits.messageBytes)
        #expect(immediate(.post, "/queues/mail", body: body) == nil)
        #expect(immediate(.post, "/queues/mail", body: body + "x")?.code == "content_too_large")
    }
}
