// Requests that nobody would send by mistake: nothing here may stop the process, whatever it is answered.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Hostile requests` {
    private static let pieces = [
        "/kv/a", "/kv", "/kv/", "/members/", "/inbox/", "?", "&", "=", "%", "%00", "%ff", "%2f", "cursor=",
        "limit=",
        "AQAAAA", "rev=", "18446744073709551615", "9999999999999999999999", "-", "wait=", "after=", "\"",
        "W/\"", ",",
        "*", "prefix=", "start=", "end=", "delimiter=", "history", "sort=value", "é", "\u{1}", " ",
        "timeout=", "ms",
        "consistency=stale", "max_lag=", "op=incr", "by=",
    ]

    @Test func `never stop the process`() {
        var random = SeededGenerator(seed: 7)
        func word() -> String { Self.pieces[Int(random.next(below: UInt64(Self.pieces.count)))] }
        func text(_ most: UInt64) -> String { (0...random.next(below: most)).map { _ in word() }.joined() }
        var fixture = Fixture()
        for number in 0..<20 { fixture.put("a\(number)", "v") }
        for _ in 0..<20_000 {
            let method = HTTP.Method.allCases[Int(random.next(below: 9))]
            let target =
                ["/kv/a?", "/kv?", "/", "/raft/log?", "/messages/"][Int(random.next(below: 5))] + text(6)
            let fields = [
                "If-Match": text(4), "If-None-Match": text(4), "Prefer": text(3), "Accept": text(2),
            ]
            let plan = api.plan(
                for: request(method, target, random.next(below: 4) == 0 ? fields : [:], body: text(4)))
            switch plan {
            case .write(let plan): _ = fixture.apply(plan.operation(at: fixture.keyspace.revision))
            case .read(let plan):
                if case .answer(let response) = api.render(
                    read: plan, keyspace: fixture.keyspace, context: fixture.context)
                {
                    #expect(response.status < 500)
                }
            case .answer(let response): #expect(response.status != 500)
            case .importLines, .local, .transfer, .message, .messageRecord, .broadcast, .events, .transitions,
                .fault:
                break
            }
        }
    }

    @Test func `can't be cursors of other positions than a list has`() throws {
        // version, fingerprint of the list, revision, place: all but the fingerprint forged.
        var fixture = Fixture()
        for number in 0..<20 { fixture.put("a\(number)", "v") }
        let page = try #require(try fixture.get("/kv?limit=1"))
        let token = try #require(page.json["next"]?.string)
        var padded = token.replacing("-", with: "+").replacing("_", with: "/")
        while padded.utf8.count % 4 != 0 { padded += "=" }
        let bytes = try #require(Base64.decode(Array(padded.utf8)))
        for revision in [UInt64(0), 1, 22, .max] {
            for place: [UInt8] in [[0, 0], [0, 1, 255], [1, 5], [2, 9], [3], [0, 200, 1]] {
                var writer = ByteWriter(continuing: Array(bytes[..<9]))
                writer.varint(revision)
                writer.raw(place)
                var forged: [UInt8] = []
                Base64.encode(writer.bytes, into: &forged)
                var encoded: [UInt8] = []
                Percent.encode(forged, into: &encoded)
                let target = "/kv?cursor=" + String(decoding: encoded, as: UTF8.self)
                if immediate(.get, target)?.status == 400 { continue }
                let status = try #require(try fixture.get(target)).status
                #expect([200, 400, 410].contains(status))
            }
        }
    }
}
