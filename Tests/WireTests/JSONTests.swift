import Clocks
import Consensus
import JSON
import Primitives
import Replication
import Testing

@testable import Wire

struct JSONViewTests {
    private func text(_ batch: Envelope) -> [UInt8] { batch.json.serialized(pretty: true) }

    private func read(messages: String) throws -> [PeerMessage] {
        let text = """
            {"cluster": "1122334455667788", "from": 1, "to": 2, "incarnation": "feed", "batch": 300,
             "messages": [\(messages)]}
            """
        return try Envelope(json: Array(text.utf8)).messages
    }

    @Test(arguments: samples)
    func `a message shown as JSON is understood as JSON`(_ sample: Sample) throws {
        let batch = envelope([sample.message])
        switch sample.message {
        case .note, .forwardRefused:
            let error = #expect(throws: WireError.self) { try Envelope(json: text(batch)) }
            #expect(error?.description.contains("not accepted as JSON") == true)
        case .consensus, .forward, .transfer: #expect(try Envelope(json: text(batch)) == batch)
        }
    }

    @Test func `the JSON form is made for people`() throws {
        let batch = envelope([samples[0].message, samples[11].message])
        let json = batch.json
        #expect(json["cluster"] == .string("1122334455667788"))
        #expect(json["incarnation"] == .string("000000000000feed"))
        let append = try #require(json["messages"]?[0])
        #expect(append["type"] == .string("append"))
        #expect(append["previous"]?["index"] == .integer(300))
        #expect(append["entries"]?[0]?["kind"] == .string("command"))
        #expect(append["entries"]?[0]?["payload_b64"] == .string("YWJj"))
        #expect(json["messages"]?[1]?["token"] == .string("ffffffffffffffff"))
        let refusal = try #require(envelope([samples[15].message]).json["messages"]?[0])
        #expect(refusal["reason"] == .string("overloaded"))
        #expect(refusal["requests"]?[0] == .string(RequestID(high: 1, low: 0x0203).description))
    }

    @Test func `traces are shown where there are some, and understood`() throws {
        let forward = try #require(envelope([samples[14].message]).json["messages"]?[0])
        #expect(forward["traces"] == nil)
        let traced = try #require(envelope([samples[19].message]).json["messages"]?[0]?["traces"])
        #expect(traced[0]?["command"] == .integer(1) && traced.elements?.count == 1)
        #expect(
            traced[0]?["traceparent"] == .string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
        #expect(traced[0]?["tracestate"] == .string("a=1"))
        let note = try #require(envelope([samples[20].message]).json["messages"]?[0])
        #expect(
            note["traceparent"] == .string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"))
        #expect(note["tracestate"] == nil)
    }

    @Test func `the group may be left out by hand`() throws {
        #expect(try read(messages: #"{"type": "transfer", "target": null}"#) == [.transfer(to: nil)])
    }

    @Test func `numbers up to the largest are exact`() throws {
        var batch = envelope([
            .consensus(
                Message(
                    from: NodeID(1), to: NodeID(2), term: Term(.max),
                    body: .heartbeat(Heartbeat(commit: LogIndex(.max), round: (1 << 53) + 1))))
        ])
        (batch.cluster, batch.incarnation, batch.batch) = (ClusterID(.max), .max, .max)
        batch.clock = HybridTime(WallTime(milliseconds: (1 << 53) - 1), .max)
        #expect(try Envelope(json: text(batch)) == batch)
    }

    @Test(arguments: [
        ("not JSON", "{", "not JSON"), ("a list", "[]", "not an object"),
        ("nothing", "{}", "lacks 'cluster'"),
        ("an unknown member", #"{"cluster": "1", "tern": 3}"#, "no member 'tern'"),
        ("a member twice", #"{"cluster": "1", "cluster": "1"}"#, "not JSON"),
        ("a cluster that is a number", #"{"cluster": 1}"#, "'cluster' is not text"),
        ("a cluster of 17 digits", #"{"cluster": "11223344556677889"}"#, "not a hexadecimal number"),
    ]) func `a batch that is none is refused with the reason`(
        _ name: String, _ text: String, _ reason: String
    ) {
        let error = #expect(throws: WireError.self, "\(name)") { try Envelope(json: Array(text.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(name): \(String(describing: error))")
    }

    @Test(arguments: [
        ("no type", #"{"term": 3}"#, "lacks 'type'"),
        ("an unknown type", #"{"type": "hartbeat", "term": 3}"#, "not a type of message"),
        ("no term", #"{"type": "timeout_now"}"#, "lacks 'term'"),
        ("a negative term", #"{"type": "timeout_now", "term": -1}"#, "not a whole number"),
        ("a broken term", #"{"type": "timeout_now", "term": 1.5}"#, "not a whole number"),
        ("a term beyond 64 bits", #"{"type": "timeout_now", "term": 18446744073709551616}"#, ""),
        (
            "a previous index of 2^64 - 1",
            #"{"type": "append", "term": 3, "commit": 0, "entries": [{"term": 3, "kind": "noop", "payload_b64": ""}],"#
                + #""previous": {"index": 18446744073709551615, "term": 3}}"#, "too large"
        ),
        (
            "an entry out of place",
            #"{"type": "append", "term": 3, "commit": 0, "previous": {"index": 0, "term": 0},"#
                + #""entries": [{"index": 2, "term": 3, "kind": "noop", "payload_b64": ""}]}"#,
            "where 1 belongs"
        ),
        (
            "an unknown kind of entry",
            #"{"type": "append", "term": 3, "commit": 0, "previous": {"index": 0, "term": 0},"#
                + #""entries": [{"term": 3, "kind": "nope", "payload_b64": ""}]}"#, "'kind' is one of"
        ),
        (
            "a configuration that is none",
            #"{"type": "install_snapshot", "term": 3, "position": {"index": 1, "term": 1},"#
                + #""configuration_b64": "AAAA"}"#, "not a configuration"
        ),
        ("commands not in base 64", #"{"type": "forward", "term": 3, "commands": ["?"]}"#, "not base 64"),
        (
            "a trace of no command",
            #"{"type": "forward", "term": 3, "commands": [""], "traces": [{"command": 1,"#
                + #""traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}]}"#,
            "name commands that are there"
        ),
        (
            "a trace that is none",
            #"{"type": "forward", "term": 3, "commands": [""], "traces": [{"command": 0, "traceparent": ""}]}"#,
            "not a trace context"
        ),
        (
            "granted that is text", #"{"type": "vote_response", "term": 3, "granted": "yes"}"#,
            "not true or false"
        ),
    ]) func `a message that is none is refused with the reason`(
        _ name: String, _ message: String, _ reason: String
    ) {
        let error = #expect(throws: WireError.self, "\(name)") { try read(messages: message) }
        #expect(error?.description.contains(reason) == true, "\(name): \(String(describing: error))")
    }
}
