import HTTP
import JSON
import Primitives
import Store
import Testing

@testable import API

@Suite struct `Logged messages over HTTP` {
    private func write(_ target: String, _ fields: [String: String] = [:], body: String) throws -> WritePlan {
        let plan = api.plan(for: request(.post, target, fields, body: body))
        guard case .write(let plan) = plan else { throw Unexpected(plan) }
        return plan
    }

    @Test func `go through the log, to participants and nodes`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.put, "/participants/a")
        let answer = try fixture.answer(
            .post, "/messages", ["Content-Type": "application/json"],
            body: #"{"to":["a","node:n3","x"],"body":"hi","delivery":"logged","from":"me"}"#)
        #expect(answer.status == 202)
        #expect(answer.json["deliveries"]?["a"]?.string == "delivered")
        #expect(answer.json["deliveries"]?["node:n3"]?.string == "delivered")
        #expect(answer.json["deliveries"]?["x"]?.string == "unknown")
        let id = try #require(answer.json["id"]?.string)
        #expect(answer.fieldText("Location") == "/messages/\(id)")
        let kept = fixture.keyspace.loggedMessages(in: "n3", limit: 9) { _ in true }
        #expect(kept.map(\.sender) == ["me"] && kept.map(\.body) == [Array("hi".utf8)])
        let unknown = try fixture.answer(.post, "/messages/x?delivery=logged", body: "hi")
        #expect(unknown.status == 404 && unknown.code == "participant_not_found")
    }

    @Test func `are once only, however often they are sent under a key`() throws {
        var fixture = Fixture()
        let fields = ["Idempotency-Key": "k"]
        _ = try fixture.answer(.post, "/messages/n1?delivery=logged", fields, body: "hi")
        let again = try fixture.answer(.post, "/messages/n1?delivery=logged", fields, body: "hi")
        #expect(again.status == 202 && again.fieldText("Idempotent-Replayed") == "true")
        #expect(fixture.keyspace.loggedCount(in: "n1") == 1)
    }

    @Test func `all others are the members`() throws {
        let plan = try write("/messages/*?delivery=logged&ttl=1h", body: "hi")
        guard case .operation(.coordinate(.participant(.send(let letter)))) = plan.change else {
            throw Unexpected(.write(plan))
        }
        let others = settings.memberNames.filter { $0 != settings.nodeName }
        #expect(letter.to == others.map { .init(inbox: $0, isNode: true) } && !others.isEmpty)
        #expect(letter.timeToLive == 3_600_000)
    }

    @Test func `their sender may wait for the end`() throws {
        let plan = try write("/messages/n1?delivery=logged&wait=ack&timeout=3s", body: "hi")
        #expect(plan.message?.wait == .seconds(3))
        let id = RequestID(high: 1, low: 2)
        let outcome = Outcome.coordinated(.participant(.sent([.kept(7)])))
        let found = api.record(of: plan, id: id, outcome: outcome, at: WallTime(milliseconds: 5))
        var (record, deliveries) = try #require(found)
        #expect(deliveries == [.kept(7)] && !record.isFinal)
        let message = try #require(plan.message)
        let context = Fixture().context
        #expect(api.render(awaited: message, record: record, of: id, context: context).status == 202)
        record.recipients[0].step(to: .acked, at: WallTime(milliseconds: 9))
        let answer = api.render(awaited: message, record: record, of: id, context: context)
        #expect(answer.status == 200 && answer.json["deliveries"]?["n1"]?.string == "acked")
        let path = answer.json["paths"]?["n1"]?.elements
        #expect(path?.map { $0["state"]?.string } == ["delivered", "acked"])
        #expect(path?.last?["at"]?.string == "1970-01-01T00:00:00.009Z")
    }

    @Test(arguments: [
        ("/messages/n1?explain", "explain"), ("/messages/n1?forward=never", "forward"),
        ("/messages/n1?ordering=causal", "ordering"), ("/messages/n1?ordering=total", "ordering"),
    ])
    func `only they take what goes through the log`(_ target: String, _ parameter: String) throws {
        let response = try #require(immediate(.post, target, body: "x"))
        #expect(response.status == 400 && response.json["parameter"]?.string == parameter)
        let plan = try write(target + "&delivery=logged", body: "x")
        #expect(plan.message != nil)
    }
}
