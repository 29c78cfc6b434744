import API
import Clocks
import Gossip
import HTTP
import JSON
import Primitives
import Testing
import Watches

private struct Surprise: Error {}

@Suite struct `Events` {
    private func ask(
        _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String = ""
    ) throws -> EventPlan {
        let plan = api.plan(for: request(method, target, fields, body: body))
        guard case .events(let events) = plan else { throw Unexpected(plan) }
        return events
    }

    @Test func `are published for an hour unless said`() throws {
        guard
            case .publish("deploy", Array("v42".utf8), .seconds(3_600)) =
                try ask(.post, "/events/deploy?scope=all", body: "v42").question
        else { throw Surprise() }
        guard case .publish("a/b", [], .seconds(600)) = try ask(.post, "/events/a%2Fb?ttl=10m").question
        else { throw Surprise() }
    }

    @Test func `are listed, or followed as lines or server-sent events`() throws {
        let all = try ask(.get, "/events").question
        guard case .list(EventQuery(topic: nil, after: nil), limit: 1_000) = all else {
            Issue.record("\(all)")
            return
        }
        let id = try #require(EventID("1-18f2a-7"))
        guard
            case .list(EventQuery(topic: "t", after: id), limit: 5) =
                try ask(.get, "/events?topic=t&after=1-18f2a-7&max=5").question
        else { throw Surprise() }
        guard
            case .follow(EventQuery(topic: "t", after: nil), .lines, most: nil, wait: .seconds(60)?) =
                try ask(.get, "/events?topic=t&wait=1m").question
        else { throw Surprise() }
        let resumed = try ask(
            .get, "/events?max=2", ["Accept": "text/event-stream", "Last-Event-ID": "1-18f2a-7"])
        guard case .follow(EventQuery(topic: nil, after: id), .events, most: 2, wait: nil) = resumed.question
        else { throw Surprise() }
    }

    @Test(arguments: [
        (HTTP.Method.post, "/events/" + String(repeating: "t", count: 129), "bad_request"),
        (.post, "/events/t?ttl=0", "bad_duration"), (.post, "/events/t?ttl=25h", "bad_duration"),
        (.post, "/events/t?ttl=soon", "bad_duration"), (.post, "/events/t?scope=n1", "not_implemented"),
        (.post, "/events/t?fanout=3", "not_implemented"), (.post, "/events/%ff", "bad_request"),
        (.get, "/events?after=1", "bad_request"), (.get, "/events?max=0", "bad_request"),
        (.get, "/events/nonsense", "event_not_found"), (.get, "/events/1-18f2a-07", "event_not_found"),
    ]) func `that make no sense are refused by name`(
        _ method: HTTP.Method, _ target: String, _ code: String
    ) {
        let response = immediate(method, target)
        #expect(response?.code == code, "\(target): \(response?.text ?? "taken")")
    }

    @Test func `have 4 KiB of body`() throws {
        let body = String(repeating: "x", count: 4_096)
        _ = try ask(.post, "/events/t", body: body)
        #expect(immediate(.post, "/events/t", body: body + "x")?.code == "content_too_large")
    }

    @Test func `carry the times of their publication`() throws {
        let stamp = Stamp(lamport: 7, hybrid: HybridTime(WallTime(milliseconds: 5), 3))
        var events = Gossip.Events(own: NodeID(1), process: 9, peers: [], seed: 1, at: .zero)
        var effects: [Gossip.Events.Effect] = []
        let news: [UInt8] = [0, 255]
        let id = try events.publish(
            topic: "t", body: EventStamp.seal(stamp, before: news), ttl: .seconds(1), at: .zero,
            into: &effects)
        let opened = try #require(events.event(id).flatMap(EventStamp.open))
        #expect(opened.event.body == news && opened.stamp == stamp)
        var short = try #require(events.event(id))
        short.body = Array(short.body.prefix(EventStamp.byteCount - 1))
        #expect(EventStamp.open(short) == nil)
        // Times that no calendar has would stop who shows them.
        for wall in [Int64.min, -1, 253_402_300_800_000, .max] {
            var odd = try #require(events.event(id))
            let stamp = Stamp(lamport: 1, hybrid: HybridTime(WallTime(milliseconds: wall)))
            odd.body = EventStamp.seal(stamp, before: news)
            #expect(EventStamp.open(odd) == nil)
        }
    }
}
