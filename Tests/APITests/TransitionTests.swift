import API
import Clocks
import Gossip
import HTTP
import JSON
import Primitives
import Store
import Testing
import Watches

@Suite struct `Transitions and specifications` {
    private func ask(_ target: String, _ fields: [String: String] = [:]) throws -> TransitionPlan {
        let plan = plan(.get, target, fields)
        guard case .transitions(let asked) = plan else { throw Unexpected(plan) }
        return asked
    }

    @Test func `are followed as lines, or as server-sent events`() throws {
        let all = try ask("/transitions")
        #expect(all.query == TransitionQuery() && all.format == .lines && all.most == nil && all.wait == nil)
        let some = try ask("/transitions?algorithm=lock&subject=cron&after=18f2a-7&max=5&wait=0s")
        #expect(some.query.algorithm == "lock" && some.query.subject == "cron")
        #expect(some.query.after == TransitionID(process: 0x18f2a, number: 7))
        #expect(some.most == 5 && some.wait == .zero)
        let resumed = try ask("/transitions", ["Accept": "text/event-stream", "Last-Event-ID": "18f2a-7"])
        #expect(resumed.format == .events && resumed.query.after == some.query.after)
    }

    @Test(arguments: [
        ("/transitions?algorithm=paxos", "bad_request"), ("/transitions?after=7", "bad_request"),
        ("/transitions?after=x-1", "bad_request"), ("/transitions?max=0", "bad_request"),
        ("/transitions?wait=soon", "bad_duration"), ("/transitions?topic=t", "unknown_parameter"),
        ("/spec/paxos", "no_such_route"), ("/spec/%ff", "bad_request"),
        ("/spec?algorithm=x", "unknown_parameter"),
    ]) func `that make no sense are refused by name`(_ target: String, _ code: String) {
        #expect(immediate(.get, target)?.code == code)
    }

    @Test func `an algorithm that is not there is answered with those that are`() throws {
        let detail = try #require(immediate(.get, "/transitions?algorithm=locks")?.json["detail"]?.string)
        #expect(detail.contains("did you mean lock?") && detail.contains("membership, clock, lease, lock"))
    }

    private let record = TransitionRecord(
        id: TransitionID(process: 0x18f2a, number: 7), algorithm: "lock", subject: "cr\"on", from: "waiting",
        to: "holding", cause: "turn", reason: "it is free",
        details: [("owner", .text("me")), ("token", .number(51))],
        time: WallTime(milliseconds: 0), hybrid: HybridTime(WallTime(milliseconds: 5), 3))

    @Test func `have a line each, with their cause and clock`() throws {
        let line = try JSONValue(parsing: api.line(of: record, .lines))
        #expect(line["id"]?.string == "18f2a-7" && line["node"]?.string == "n2")
        #expect(line["subject"]?.string == "cr\"on" && line["token"]?.integer == 51)
        #expect(line["from"]?.string == "waiting" && line["to"]?.string == "holding")
        #expect(line["time"]?.string == "1970-01-01T00:00:00.000Z")
        #expect(line["hlc"]?.string == "1970-01-01T00:00:00.005Z/0003")
        let event = String(decoding: api.line(of: record, .events), as: UTF8.self)
        #expect(event.hasPrefix("id: 18f2a-7\nevent: transition\ndata: {") && event.hasSuffix("}\n\n"))
    }

    @Test func `say what an algorithm is`() throws {
        let all = try #require(immediate(.get, "/spec")?.json["items"]?.elements)
        #expect(all.map { $0["name"]?.string } == ["membership", "clock", "lease", "lock"])
        let lock = try #require(immediate(.get, "/spec/lock")?.json)
        #expect(lock["purpose"]?.string == "coordination")
        let states = try #require(lock["states"]?.elements)
        #expect(states.map { $0["name"]?.string } == ["outside", "waiting", "holding"])
        #expect(states.map { $0["initial"] } == [.bool(true), .bool(false), .bool(false)])
        let turn = lock["transitions"]?.elements?.first { $0["cause"]?.string == "turn" }
        #expect(turn?["from"]?.string == "waiting" && turn?["to"]?.string == "holding")
        #expect(turn?["guard"]?.string?.isEmpty == false)
        #expect(lock["messages"]?.elements?.isEmpty == true)
        #expect(all[0]["messages"]?.elements?.count == 5)
    }
}
