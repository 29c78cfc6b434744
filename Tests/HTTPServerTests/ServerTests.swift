import Glibc
import HTTP
import HTTPServer
import Platform
import Primitives
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct ServerTests {
    @Test func `a connection serves one request after another`() throws {
        let server = try TestServer()
        let client = try Client(server)
        for number in 0..<5 {
            client.send("GET /a?\(number) HTTP/1.1\r\nHost: x\r\n\r\n")
            let answer = client.read { $0.hasSuffix("/a?\(number)") }
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.contains("Server: test\r\nDate: "))
        }
        #expect(
            server.reaches {
                $0.counters.requests == 5 && $0.counters.accepted == 1 && $0.openConnections == 1
            })
    }

    @Test func `a request may come in pieces`() throws {
        let server = try TestServer()
        let client = try Client(server)
        for piece in ["PUT /x HT", "TP/1.1\r\nHost: x\r\nContent-Le", "ngth: 10\r\n\r", "\n01234", "56789"] {
            client.send(piece)
            usleep(5000)
        }
        #expect(client.expects("0123456789"))
    }

    @Test func `pipelined requests are answered in order with few writes`() throws {
        let server = try TestServer()
        let client = try Client(server)
        let count = 1000
        client.send((0..<count).map { "GET /p?\($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
        let text = client.read { $0.hasSuffix("/p?\(count - 1)") }
        let bodies = text.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "H" } }
        #expect(bodies.map(String.init) == (0..<count).map { "/p?\($0)" })
        #expect(server.now.turns < 200)
    }

    @Test func `a pipelined request waits for the one before, and reading stops`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 })
        // More than the server buffers while a request is under way: it must not read it all.
        client.send(String(repeating: "GET /more HTTP/1.1\r\nHost: x\r\n\r\n", count: 3000))
        usleep(50_000)
        let before = server.now
        #expect(before.counters.requests == 1)
        #expect(before.counters.bytesReceived < 200_000)
        usleep(50_000)
        #expect(server.now.turns - before.turns < 5, "a connection that is not read must not wake the server")
        server.order(.release)
        let text = client.read { $0.contains("/next?") }
        #expect(text.contains("released"))
        #expect(server.reaches { $0.counters.requests == 3002 })
    }

    @Test func `a client that ends its side after a request gets its answer and then the end`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        client.finishSending()
        #expect(client.read { _ in false }.hasSuffix("\r\n\r\n/a?|end"))

        let waiting = try Client(server)
        waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.finishSending()
        #expect(server.reaches { $0.waiting == 1 })
        usleep(20_000)
        #expect(server.now.closed == 0)
        server.order(.release)
        #expect(waiting.read { _ in false }.hasSuffix("released|end"))
        #expect(server.reaches { $0.openConnections == 0 })
    }

    @Test func `Connection close ends the connection after the answer`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(client.read { _ in false }.hasSuffix("/a?|end"))
        let other = try Client(server)
        other.send("GET /a?close HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(other.read { _ in false }.hasSuffix("/a?close|end"))
    }

    @Test func `a reset while a request is under way is reported, and nothing leaks`() throws {
        let server = try TestServer()
        for _ in 0..<20 {
            let client = try Client(server)
            client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(server.reaches { $0.waiting == 1 })
            client.reset()
            #expect(server.reaches { $0.waiting == 0 && $0.openConnections == 0 })
        }
        #expect(server.now.closed == 20)
        // A reset in the middle of a body, and one while the answer is on its way.
        for request in [
            "PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
            "GET /big?3000000 HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            let client = try Client(server)
            client.send(request)
            usleep(20_000)
            client.reset()
            #expect(server.reaches { $0.openConnections == 0 })
        }
        #expect(server.now.closed == 20, "only a request that the owner has is worth a report")
    }

    @Test func `the end of a watched connection is reported even when it is idle`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = client.read { $0.contains("\r\n\r\n") }
        #expect(server.now.closed == 0)
        client.close()
        #expect(server.reaches { $0.closed == 1 && $0.openConnections == 0 })

        let waiting = try Client(server)
        waiting.send("GET /watch-wait HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 })
        waiting.finishSending()
        #expect(
            server.reaches { $0.closed == 2 && $0.waiting == 0 },
            "a watched client that ends its side is gone")
    }

    @Test func `a large answer arrives whole although the client reads late`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /big?30000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        usleep(100_000)
        let before = server.now.turns
        usleep(100_000)
        #expect(server.now.turns - before < 5, "a blocked write must not spin")
        #expect(client.countToEnd() > 30_000_000)
    }

    @Test func `a client that never reads is dropped at the write deadline`() throws {
        var limits = Limits()
        limits.writeTimeout = .milliseconds(200)
        // More than the kernel takes for a client that does not read.
        limits.outputBuffer = 16 * 1024 * 1024
        let server = try TestServer(limits: limits)
        let client = try Client(server)
        client.send("GET /flood?2000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.counters.requests == 1 })
        #expect(server.reaches { $0.closed == 1 && $0.openConnections == 0 })
        let answered = try Client(server)
        answered.send("GET /big?30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.counters.requests == 2 && $0.openConnections == 0 })
        #expect(server.now.closed == 1, "an answered request is not the owner's any more")
    }

    @Test func `the kernel takes little of a stream that is not read, and all of it once it is`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /pour?8000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        var last = server.now.counters.bytesSent
        for _ in 0..<100 {
            usleep(20_000)
            let sent = server.now.counters.bytesSent
            if sent > 0, sent == last { break }
            last = sent
        }
        // What the receiver's window takes, and what may wait for it.
        #expect(last > 10_000 && last < 600_000, "\(last) bytes were taken")
        #expect(client.countToEnd() > 8_000_000)
    }

    @Test func `many streams are written in several turns, after the answers`() throws {
        let server = try TestServer()
        var listeners: [Client] = []
        for _ in 0..<700 {
            let client = try Client(server)
            client.send("GET /listen HTTP/1.1\r\nHost: x\r\n\r\n")
            listeners.append(client)
        }
        #expect(server.reaches { $0.waiting == 700 })
        for client in listeners { #expect(client.read { $0.hasSuffix("\r\n\r\n") }.contains("200 OK")) }
        let before = server.now.turns
        let teller = try Client(server)
        for word in ["one", "two"] {
            teller.send("GET /tell?\(word) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(teller.read { $0.hasSuffix("\r\n\r\n") }.contains("200 OK"))
        }
        for client in listeners {
            #expect(client.read { $0.contains("two") }.hasSuffix("3\r\none\r\n3\r\ntwo\r\n"))
        }
        #expect(server.now.turns - before >= 6)
    }

    @Test func `a stream arrives in chunks`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        let text = client.read { $0.hasSuffix("0\r\n\r\n") }
        #expect(text.contains("Transfer-Encoding: chunked"))
        #expect(text.hasSuffix("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"))
        client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.expects("/a?"))
    }

    @Test func `a stream ends when the client does`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /flood?50000 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 })
        client.finishSending()
        #expect(server.reaches { $0.closed == 1 && $0.openConnections == 0 })
    }
}
