import Clocks
import HTTP
import JSON
import Primitives
import Store
import Testing

@testable import API

@Suite struct `Participants` {
    private func local(_ method: HTTP.Method, _ target: String, body: String = "") throws -> LocalPlan {
        let plan = api.plan(for: request(method, target, body: body))
        guard case .local(let plan) = plan else { throw Unexpected(plan) }
        return plan
    }

    private func code(_ method: HTTP.Method, _ target: String, body: String = "") -> String? {
        guard case .answer(let response) = api.plan(for: request(method, target, body: body)) else {
            return nil
        }
        return response.code
    }

    @Test func `make themselves known, are found, and go`() throws {
        var fixture = Fixture()
        let first = try fixture.answer(.put, "/participants/a?ttl=60s")
        #expect(first.status == 201 && first.fieldText("Location") == "/participants/a")
        #expect(first.json["home"]?.string == "n2" && first.json["ttl_ms"]?.integer == 60_000)
        #expect(try fixture.answer(.put, "/participants/a").status == 200)
        _ = try fixture.answer(.put, "/participants/b")
        let found = try #require(try fixture.get("/participants/a"))
        #expect(found.json["participant"]?.string == "a" && found.json["lease"]?.string != nil)
        let list = try #require(try fixture.get("/participants?limit=1"))
        #expect(list.json["items"]?.elements?.map { $0["participant"]?.string } == ["a"])
        let cursor = try #require(list.json["next"]?.string)
        let rest = try #require(try fixture.get("/participants?limit=1&cursor=\(cursor)"))
        #expect(rest.json["items"]?.elements?.map { $0["participant"]?.string } == ["b"])
        #expect(try fixture.answer(.delete, "/participants/a").json["participant"]?.string == "a")
        let gone = try fixture.answer(.delete, "/participants/a")
        #expect(gone.status == 404 && gone.code == "participant_not_found")
        #expect(try fixture.get("/participants/a")?.code == "participant_not_found")
    }

    @Test(arguments: [
        "/participants/n1", "/participants/node:n2", "/participants/*", "/participants/a?ttl=1ms",
        "/participants/a?move=maybe", "/participants/a?on_disconnect=revoke",
    ]) func `are refused with names of nodes, and other nonsense`(target: String) throws {
        #expect(code(.put, target) != nil, "\(target)")
    }

    @Test func `show a state, which has to be JSON of up to 64 KiB`() throws {
        let plan = try local(.put, "/participants/a/state", body: #"{"x": [1]}"#)
        #expect(plan.view == .showState("a", Array(#"{"x": [1]}"#.utf8)))
        #expect(code(.put, "/participants/a/state", body: #"{"x":"#) == "bad_json")
        #expect(code(.put, "/participants/a/state") == "bad_json")
        let long = "\"" + String(repeating: "x", count: 65_535) + "\""
        #expect(code(.put, "/participants/a/state", body: long) == "content_too_large")
        var status = NodeStatus()
        status.participantState = ParticipantState(
            json: Array(#"{"x": [1]}"#.utf8), time: WallTime(milliseconds: 0),
            stamp: Stamp(lamport: 7))
        let context = Fixture().context
        let shown = api.render(local: plan, status: status, context: context)
        #expect(shown.text.contains(#""state":{"x": [1]}"#) && shown.json["lamport"]?.integer == 7)
        let question = try local(.get, "/participants/a/state")
        status.participantState = nil
        #expect(api.render(local: question, status: status, context: context).text.contains(#""state":null"#))
    }

    @Test(arguments: ["/inbox/a?wait=1s&ack=auto", "/participants/a/state"])
    func `are looked for at their home`(target: String) throws {
        let plan = try local(.get, target)
        var status = NodeStatus()
        let context = Fixture().context
        status.whereabouts = .away(node: "n3", url: "http://n3:7")
        let elsewhere = api.render(local: plan, status: status, context: context)
        #expect(elsewhere.status == 307 && elsewhere.fieldText("Location") == "http://n3:7\(target)")
        #expect(elsewhere.json["home"]?.string == "n3")
        status.whereabouts = .unknown
        let unknown = api.render(local: plan, status: status, context: context)
        #expect(unknown.code == "participant_not_found" && unknown.json["participant"]?.string == "a")
    }
}
