import HTTP
import Primitives
import Testing

/// A connection whose clock the test turns.
struct Played {
    var moment = Moment(now: .zero, wallTime: WallTime(milliseconds: 0), server: "parley/test")
    var connection: Connection

    init(limits: Limits = Limits(), admission: Connection.Admission? = nil) {
        connection = Connection(limits: limits, at: moment, admission: admission)
    }

    mutating func receive(_ text: String) { connection.received(Array(text.utf8), at: moment) }

    mutating func respond(_ status: Int = 200, _ body: String = "ok\n") {
        connection.respond(Response(status: status, body: Array(body.utf8)), at: moment)
    }

    /// Lets time pass up to the deadline that is expected, and then expires.
    mutating func expire(after seconds: Int) {
        let due = moment.now + .seconds(seconds)
        #expect(connection.deadline == due)
        moment.advance(to: Instant(nanoseconds: due.nanoseconds - 1), wallTime: WallTime(milliseconds: 0))
        let before = connection.shouldClose
        connection.expire(at: moment)
        #expect(connection.shouldClose == before)
        moment.advance(to: due, wallTime: WallTime(milliseconds: 0))
        connection.expire(at: moment)
    }

    mutating func wait(_ seconds: Int) {
        moment.advance(to: moment.now + .seconds(seconds), wallTime: WallTime(milliseconds: 0))
    }

    /// What waits to be written, which is thereby written.
    mutating func sent() -> String {
        let text = String(decoding: connection.output, as: UTF8.self)
        connection.wrote(connection.outputCount, at: moment)
        return text
    }
}

@Suite struct LifecycleTests {
    static let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    static let put = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"

    // MARK: Expect

    @Test func `H55, H57: one hundred is said at once, and once`() {
        var played = Played()
        played.receive(Self.put + "Expect: 100-Continue\r\n\r\n")
        #expect(played.sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        played.receive("hello")
        #expect(played.connection.nextRequest()?.body == Array("hello".utf8))
        played.respond()
        #expect(played.sent().hasPrefix("HTTP/1.1 200 OK\r\n"))
        played.receive("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n")
        #expect(played.sent() == "")
        #expect(played.connection.nextRequest() != nil)
    }

    @Test func `H56: a refusal is said instead of one hundred`() {
        var large = Played()
        large.receive(
            "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        let answer = large.sent()
        #expect(answer.hasPrefix("HTTP/1.1 413 Content Too Large\r\n") && !answer.contains("100 Continue"))
        #expect(large.connection.wantsShutdown)
        var refused = Played(admission: { $0.field("authorization") == nil ? Response(status: 401) : nil })
        refused.receive(Self.put + "Expect: 100-continue\r\n\r\n")
        #expect(refused.sent().hasPrefix("HTTP/1.1 401 Unauthorized\r\n"))
        #expect(refused.connection.wantsShutdown && refused.connection.nextRequest() == nil)
        var admitted = Played(admission: { $0.field("authorization") == nil ? Response(status: 401) : nil })
        admitted.receive(Self.put + "Authorization: x\r\nExpect: 100-continue\r\n\r\nhello")
        #expect(admitted.sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        #expect(admitted.connection.nextRequest() != nil)
    }

    // MARK: The client's end

    @Test(arguments: [
        "", "GET /a HT", put + "\r\nhel",
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "\r\n",
    ])
    func `H8, H26: an incomplete request has no effect and no answer`(text: String) {
        let exchange = Exchange(text, ending: true)
        #expect(exchange.requests == [] && exchange.output == "" && exchange.isEnded)
    }

    @Test func `H59: a half-closed client gets its answers, pipelined ones too`() {
        var played = Played()
        played.receive(Self.get + Self.get + "GET /half")
        #expect(played.connection.nextRequest() != nil)
        played.connection.receivedEnd(at: played.moment)
        #expect(!played.connection.wantsRead && !played.connection.shouldClose)
        played.respond()
        #expect(played.connection.nextRequest() != nil)
        #expect(!played.connection.shouldClose)
        played.respond()
        #expect(!played.connection.shouldClose)
        #expect(played.sent().components(of: "HTTP/1.1 200").count == 2)
        #expect(played.connection.shouldClose && !played.connection.wantsShutdown)
    }

    @Test func `H60: a half-closed stream is over`() {
        var played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        played.connection.beginStream(Response(status: 200), at: played.moment)
        played.connection.receivedEnd(at: played.moment)
        #expect(played.connection.shouldClose && played.connection.peerHasEnded)
        #expect(played.connection.writeStream([1], at: played.moment) == false)
        played.connection.endStream(at: played.moment)
    }

    // MARK: Pipelining

    @Test func `H61: a thousand pipelined requests are answered in order, one at a time`() {
        var played = Played()
        var text = ""
        for number in 0..<1000 { text += "GET /\(number) HTTP/1.1\r\nHost: h\r\n\r\n" }
        played.receive(text)
        var paths: [String] = []
        while let request = played.connection.nextRequest() {
            #expect(played.connection.nextRequest() == nil)
            paths.append(String(decoding: request.path, as: UTF8.self))
            played.respond(200, paths.last ?? "")
        }
        #expect(paths == (0..<1000).map { "/\($0)" })
        let bodies = played.sent().components(of: "\r\n\r\n").map { $0.prefix { $0 != "H" } }
        #expect(bodies.map(String.init) == paths)
    }

    @Test func `what waits behind a request under way is bounded`() {
        var played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        var received = 0
        while played.connection.wantsRead, received < 1 << 20 {
            played.receive(String(repeating: "x", count: 4096))
            received += 4096
        }
        #expect(received == 64 * 1024)
    }

    @Test func `the next request is held back while too much output waits`() {
        var played = Played()
        played.receive(Self.get + Self.get)
        _ = played.connection.nextRequest()
        played.respond(200, String(repeating: "x", count: 300 * 1024))
        #expect(played.connection.nextRequest() == nil)
        played.connection.wrote(60 * 1024, at: played.moment)
        #expect(played.connection.nextRequest() != nil)
    }

    // MARK: Deadlines

    @Test func `H64: a client that says nothing is closed without a word`() {
        var played = Played()
        played.expire(after: 10)
        #expect(played.connection.shouldClose && played.sent() == "")
    }

    @Test func `H63: a slow head is answered 408 ten seconds after its beginning`() {
        var played = Played()
        played.receive("GET /a HT")
        played.wait(9)
        played.receive("TP")
        played.expire(after: 1)
        #expect(played.sent().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
        #expect(played.connection.wantsShutdown)
    }

    @Test func `between requests a client may wait for 75 seconds, in a head for ten`() {
        var played = Played()
        played.receive(Self.get)
        #expect(played.connection.nextRequest() != nil)
        #expect(played.connection.deadline == .never)
        played.wait(100)
        played.respond()
        _ = played.sent()
        played.wait(74)
        played.receive("GET")
        played.expire(after: 10)
        #expect(played.sent().hasPrefix("HTTP/1.1 408"))
        played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        played.respond()
        _ = played.sent()
        played.expire(after: 75)
        #expect(played.connection.shouldClose && played.sent() == "")
    }

    @Test func `H9: a body that pauses is answered 408 after thirty seconds`() {
        var played = Played()
        played.receive(Self.put + "\r\nhel")
        played.expire(after: 30)
        #expect(played.sent().hasPrefix("HTTP/1.1 408"))
    }

    @Test func `a body that only drips is answered 408 too`() {
        var played = Played()
        played.receive("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        var seconds = 0
        while seconds < 1000, !played.connection.wantsShutdown {
            played.wait(10)
            seconds += 10
            played.receive("x")
            played.connection.expire(at: played.moment)
            if seconds >= 40 { _ = played.sent() }
        }
        #expect(seconds == 40)
    }

    @Test func `H62: a client that takes nothing is dropped, one that takes something is not`() {
        var played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        played.respond(200, String(repeating: "x", count: 1000))
        played.wait(9)
        played.connection.wrote(1, at: played.moment)
        played.expire(after: 10)
        #expect(played.connection.shouldClose && played.connection.outputCount == 0)
    }

    @Test func `a client that takes a long answer slowly is not idle`() {
        var played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        played.respond(200, String(repeating: "x", count: 1000))
        for _ in 0..<100 {
            played.wait(5)
            played.connection.expire(at: played.moment)
            played.connection.wrote(1, at: played.moment)
        }
        #expect(!played.connection.shouldClose)
    }

    // MARK: The server's end

    @Test func `H89: after a refusal reading stops, then lingers for 64 KiB or a second`() {
        for byTime in [true, false] {
            var played = Played()
            played.receive("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\nxxxx")
            #expect(!played.connection.wantsRead && !played.connection.wantsShutdown)
            _ = played.sent()
            #expect(played.connection.wantsShutdown && !played.connection.shouldClose)
            played.connection.didShutdown(at: played.moment)
            #expect(played.connection.wantsRead && !played.connection.wantsShutdown)
            played.receive(String(repeating: "x", count: 65_535))
            #expect(!played.connection.shouldClose)
            if byTime { played.expire(after: 1) } else { played.receive("x") }
            #expect(played.connection.shouldClose)
        }
    }

    @Test func `a lingering connection closes when the client does`() {
        var played = Played()
        played.receive("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        _ = played.connection.nextRequest()
        played.respond()
        _ = played.sent()
        played.connection.didShutdown(at: played.moment)
        played.connection.receivedEnd(at: played.moment)
        #expect(played.connection.shouldClose)
    }

    @Test func `a finishing server closes idle connections and lets others have their answer`() {
        var idle = Played()
        idle.connection.finish(at: idle.moment)
        #expect(idle.connection.wantsShutdown)
        var busy = Played()
        busy.receive(Self.get + Self.get)
        _ = busy.connection.nextRequest()
        busy.connection.finish(at: busy.moment)
        #expect(!busy.connection.wantsShutdown)
        busy.respond()
        #expect(busy.connection.nextRequest() == nil)
        #expect(busy.sent().contains("\r\nConnection: close\r\n"))
        #expect(busy.connection.wantsShutdown)
    }

    @Test func `H65: what is given up takes no more answers`() {
        var played = Played()
        played.receive(Self.get)
        _ = played.connection.nextRequest()
        played.connection.abandon()
        played.respond()
        played.receive(Self.get)
        #expect(
            played.connection.shouldClose && played.connection.outputCount == 0
                && !played.connection.wantsRead)
        #expect(played.connection.nextRequest() == nil && played.connection.deadline == .never)
    }
}
