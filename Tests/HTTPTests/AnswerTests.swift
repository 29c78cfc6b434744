import HTTP
import Primitives
import Testing

@Suite struct AnswerTests {
    static func answer(_ request: String = LifecycleTests.get, _ body: (inout Played) -> Void) -> (
        String, Played
    ) {
        var played = Played()
        played.receive(request)
        #expect(played.connection.nextRequest() != nil)
        body(&played)
        return (played.sent(), played)
    }

    static func request(_ method: String, version: String = "1.1", lines: String = "") -> String {
        "\(method) /a HTTP/\(version)\r\nHost: h\r\n\(lines)\r\n"
    }

    static let start = "HTTP/1.1 200 OK\r\nServer: parley/test\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

    @Test func `an answer has status, server, date, its fields and a length`() {
        let (text, _) = Self.answer { played in
            var response = Response(status: 200, contentType: "text/plain", body: Array("ok\n".utf8))
            response.setField("ETag", "\"42\"")
            response.setField("Parley-Revision", UInt64.max)
            played.connection.respond(response, at: played.moment)
        }
        #expect(
            text == Self.start + "Content-Type: text/plain\r\nETag: \"42\"\r\n"
                + "Parley-Revision: 18446744073709551615\r\nContent-Length: 3\r\n\r\nok\n")
    }

    @Test func `the date follows the clock`() {
        var moment = Exchange.moment
        moment.advance(to: Instant(nanoseconds: 1), wallTime: WallTime(milliseconds: 1_000))
        var connection = Connection(at: moment)
        connection.received(Array(LifecycleTests.get.utf8), at: moment)
        _ = connection.nextRequest()
        connection.respond(Response(status: 200), at: moment)
        #expect(
            String(decoding: connection.output, as: UTF8.self).contains(
                "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n"))
    }

    @Test func `H68: HEAD, 204 and 304 have no body and leave the connection usable`() {
        let (head, first) = Self.answer(Self.request("HEAD")) { $0.respond(200, "hello") }
        #expect(head == Self.start + "Content-Length: 5\r\n\r\n")
        for status in [204, 304] {
            let (text, played) = Self.answer { $0.respond(status, "hello") }
            #expect(!text.contains("Content-Length") && text.hasSuffix("GMT\r\n\r\n"))
            #expect(!played.connection.wantsShutdown)
        }
        var again = first
        again.receive(LifecycleTests.get)
        #expect(again.connection.nextRequest() != nil)
    }

    @Test func `an answer may close, and HTTP 1.0 is told whether it keeps alive`() {
        let (closing, played) = Self.answer { played in
            var response = Response(status: 200)
            response.closes = true
            played.connection.respond(response, at: played.moment)
        }
        #expect(
            closing.hasSuffix("Content-Length: 0\r\nConnection: close\r\n\r\n")
                && played.connection.wantsShutdown)
        let (old, _) = Self.answer(Self.request("GET", version: "1.0")) { $0.respond() }
        #expect(old.contains("HTTP/1.1 200 OK") && old.contains("\r\nConnection: close\r\n"))
        let keeping = Self.request("GET", version: "1.0", lines: "Connection: Keep-Alive\r\n")
        let (kept, open) = Self.answer(keeping) { $0.respond() }
        #expect(kept.contains("\r\nConnection: keep-alive\r\n") && !open.connection.wantsShutdown)
    }

    @Test func `a status without a phrase of its own is still a status line`() {
        let (text, _) = Self.answer { $0.respond(299) }
        #expect(text.hasPrefix("HTTP/1.1 299 \r\nServer"))
    }

    @Test func `H80: a value never ends its line`() {
        var response = Response(status: 200)
        response.setField("Location", "/kv/a\r\nSet-Cookie: x=1\0\u{7f}\t\u{e9}")
        #expect(response.fieldText("location") == "/kv/a%0D%0ASet-Cookie: x=1%00%7F\t\u{e9}")
        let (text, _) = Self.answer { $0.connection.respond(response, at: $0.moment) }
        #expect(!text.contains("\r\nSet-Cookie"))
    }

    @Test func `setting a field replaces it, adding does not`() {
        var response = Response(status: 200, contentType: "text/plain", body: [])
        response.setField("content-type", "application/json")
        response.addField("Link", "<a>")
        response.addField("Link", "<b>")
        response.setField("ETag", 1)
        response.setField("ETag", 2)
        let (text, _) = Self.answer { $0.connection.respond(response, at: $0.moment) }
        #expect(
            text.contains(
                "GMT\r\ncontent-type: application/json\r\nLink: <a>\r\nLink: <b>\r\nETag: 2\r\nContent-Length"
            ))
    }

    @Test func `an error of the connection is a problem that tells that nothing was applied`() {
        let exchange = Exchange("GET / HTTP/1.1\r\n\r\n")
        #expect(
            exchange.output
                == "HTTP/1.1 400 Bad Request\r\nServer: parley/test\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                + "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n"
                + "X-Content-Type-Options: nosniff\r\nContent-Length: 150\r\nConnection: close\r\n\r\n"
                + #"{"type":"/problems/bad_request","code":"bad_request","title":"Bad request","status":400,"#
                + #""detail":"there is no Host line","applied":"no","retry":"no"}"# + "\n")
    }

    // MARK: Streams

    @Test func `a stream is chunked, and the connection goes on after it`() {
        let (text, played) = Self.answer { played in
            played.connection.beginStream(Response(status: 200, body: Array("a\n".utf8)), at: played.moment)
            #expect(played.connection.isStreaming)
            #expect(
                played.connection.writeStream(
                    Array(String(repeating: "b", count: 26).utf8), at: played.moment) == true)
            #expect(played.connection.writeStream([], at: played.moment) == true)
            played.connection.endStream(Array("c".utf8), at: played.moment)
        }
        #expect(
            text == Self.start + "Transfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n1a\r\n"
                + String(repeating: "b", count: 26) + "\r\n1\r\nc\r\n0\r\n\r\n")
        #expect(!played.connection.wantsShutdown && !played.connection.isStreaming)
    }

    @Test func `a stream to HTTP 1.0 ends with the connection`() {
        let request = Self.request("GET", version: "1.0", lines: "Connection: keep-alive\r\n")
        let (text, played) = Self.answer(request) { played in
            played.connection.beginStream(Response(status: 200), at: played.moment)
            _ = played.connection.writeStream(Array("abc".utf8), at: played.moment)
            played.connection.endStream(at: played.moment)
        }
        #expect(text == Self.start + "Connection: close\r\n\r\nabc")
        #expect(played.connection.wantsShutdown)
    }

    @Test func `a stream of known length has one, and is seen to be cut off if it falls short`() {
        for (count, closes) in [(5, false), (3, true)] {
            let (text, played) = Self.answer { played in
                played.connection.beginStream(Response(status: 206), length: 5, at: played.moment)
                _ = played.connection.writeStream(Array("hello".utf8.prefix(count)), at: played.moment)
                played.connection.endStream(at: played.moment)
            }
            #expect(
                text.hasPrefix("HTTP/1.1 206 Partial Content\r\n")
                    && text.contains("\r\nContent-Length: 5\r\n\r\nhel"))
            #expect(played.connection.wantsShutdown == closes)
        }
    }

    @Test func `a stream for HEAD has a head only`() {
        let (text, played) = Self.answer(Self.request("HEAD")) { played in
            played.connection.beginStream(Response(status: 200), at: played.moment)
            #expect(played.connection.writeStream(Array("abc".utf8), at: played.moment) == true)
            played.connection.endStream(at: played.moment)
        }
        #expect(text == Self.start + "Transfer-Encoding: chunked\r\n\r\n" && !played.connection.wantsShutdown)
    }

    @Test func `a stream refuses what a slow reader cannot take, but not its last words`() {
        let (text, _) = Self.answer { played in
            played.connection.beginStream(Response(status: 200), at: played.moment)
            let piece = [UInt8](repeating: 120, count: 64 * 1024)
            var taken = 0
            while played.connection.writeStream(piece, at: played.moment) { taken += 1 }
            #expect(taken == 3 && played.connection.streamRoom < piece.count)
            played.connection.endStream(Array("{\"error\":{}}\n".utf8), at: played.moment)
        }
        #expect(text.hasSuffix("{\"error\":{}}\n\r\n0\r\n\r\n"))
    }

    @Test func `a piece larger than the buffer is taken when nothing waits`() {
        var played = Played()
        played.receive(LifecycleTests.get)
        _ = played.connection.nextRequest()
        played.connection.beginStream(Response(status: 200), at: played.moment)
        _ = played.sent()
        #expect(
            played.connection.writeStream([UInt8](repeating: 0, count: 1 << 20), at: played.moment) == true)
        #expect(played.connection.writeStream([1], at: played.moment) == false)
    }

    @Test func `a stream that flows never holds more than its buffer`() {
        var played = Played()
        played.receive(LifecycleTests.get)
        _ = played.connection.nextRequest()
        played.connection.beginStream(Response(status: 200), at: played.moment)
        for _ in 0..<200 {
            while played.connection.writeStream([UInt8](repeating: 0, count: 30_000), at: played.moment) {}
            #expect(played.connection.outputCount <= 257 * 1024)
            played.connection.wrote(100_000, at: played.moment)
        }
    }
}
