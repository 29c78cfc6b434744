import Glibc
import HTTP
import HTTPServer
import Platform
import Primitives
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct ResourceTests {
    @Test func `idle connections cost nothing and are closed in time`() throws {
        var limits = Limits()
        limits.keepAliveIdle = .milliseconds(1500)
        let server = try TestServer(limits: limits)
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        for number in 0..<2000 {
            let client = try Client(server)
            client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            if number % 100 == 0 { #expect(client.expects("/a?")) }
            let copy = dup(client.number)
            sockets.append(copy)
        }
        #expect(server.reaches { $0.counters.requests == 2000 })
        #expect(server.now.openConnections == 2000)
        let before = server.now.turns
        let busy = try Client(server)
        for _ in 0..<200 {
            busy.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            guard busy.expects("/b?") else {
                Issue.record("no answer beside idle connections")
                break
            }
        }
        #expect(server.now.turns - before < 600)
        #expect(server.reaches { $0.openConnections == 0 }, "idle connections end at their deadline")
    }

    @Test func `a client that says nothing is closed`() throws {
        var limits = Limits()
        limits.headTimeout = .milliseconds(100)
        let server = try TestServer(limits: limits)
        let client = try Client(server)
        #expect(client.read { _ in false } == "|end")
        let slow = try Client(server)
        slow.send("GET / HT")
        #expect(slow.read { _ in false }.hasPrefix("HTTP/1.1 408 "))
    }

    @Test func `a connection beyond the limit is told so`() throws {
        let server = try TestServer(maxConnections: 2)
        let first = try Client(server)
        let second = try Client(server)
        second.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 && $0.openConnections == 2 })
        let third = try Client(server)
        third.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        let refusal = third.read { _ in false }
        #expect(refusal.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(refusal.contains("\"code\":\"overloaded\""))
        #expect(refusal.hasSuffix("}\n|end"))
        first.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(first.expects("/a?"))
        first.close()
        third.close()
        #expect(server.reaches { $0.openConnections == 1 })
        let fourth = try Client(server)
        fourth.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(fourth.expects("/a?"))
        #expect(server.now.counters.refused == 1)
    }

    @Test func `a body that is too long is refused, and reading stops`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        let block = [UInt8](repeating: 0, count: 1 << 20)
        var blocks = 0
        while blocks < 100, client.send(block) { blocks += 1 }
        #expect(blocks < 100)
        #expect(client.read { $0.contains("\r\n\r\n") }.hasPrefix("HTTP/1.1 413 "))
        #expect(server.reaches { $0.openConnections == 0 })
        #expect(server.now.counters.bytesReceived < 20_000_000)
    }

    @Test func `a server out of descriptors refuses without spinning and recovers`() async {
        await #expect(processExitsWith: .success) {
            let server = try TestServer()
            let client = try Client(server)
            client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            guard client.expects("/a?") else { exit(2) }
            let waiting = try Client(server)
            guard server.reaches({ $0.openConnections == 2 }) else { exit(3) }
            // Sockets that connect later find no descriptor on the server's side, which is the same process.
            var spares: [Int32] = []
            for _ in 0..<50 { spares.append(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)) }
            var limit = rlimit(rlim_cur: rlim_t((spares.max() ?? 0) + 1), rlim_max: 20_000)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = server.port.bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            for spare in spares {
                _ = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(spare, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            guard server.reaches({ $0.counters.refused >= 50 }) else { exit(4) }
            let before = server.now.turns
            usleep(300_000)
            guard server.now.turns - before < 50 else { exit(5) }
            client.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            guard client.expects("/b?") else { exit(6) }
            for spare in spares { close(spare) }
            let later = try Client(server)
            later.send("GET /c HTTP/1.1\r\nHost: x\r\n\r\n")
            guard later.expects("/c?") else { exit(7) }
            waiting.close()
        }
    }

    @Test func `a server that shuts down lets requests end and idle connections go`() throws {
        let server = try TestServer()
        let idle = try Client(server)
        idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(idle.expects("/a?"))
        let waiting = try Client(server)
        waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 })
        server.order(.stopAccepting)
        server.order(.finish)
        #expect(idle.read { _ in false } == "|end")
        server.order(.release)
        let last = waiting.read { _ in false }
        #expect(last.contains("Connection: close"))
        #expect(last.hasSuffix("released|end"))
        #expect(server.reaches { $0.openConnections == 0 })
    }

    @Test func `the owner can close a connection at once, and talking to it then does nothing`() throws {
        let server = try TestServer()
        let client = try Client(server)
        client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.reaches { $0.waiting == 1 })
        server.order(.closeWaiting)
        #expect(client.read { _ in false } == "|end")
        #expect(server.now.closed == 0)
    }
}

@Suite struct DeadlineWheelTests {
    @Test func `a slot is reported after its deadline and soon`() {
        var wheel = DeadlineWheel(at: .zero)
        #expect(wheel.deadline == .never)
        var random = SeededGenerator(seed: 1)
        var deadlines: [Instant] = []
        for slot in 0..<1000 {
            let deadline = Instant(nanoseconds: Int64(random.next(below: 20_000_000_000)))
            deadlines.append(deadline)
            wheel.insert(UInt32(slot), at: wheel.tick(for: deadline))
        }
        var due: [(slot: UInt32, tick: Int64)] = []
        var seen = 0
        while wheel.deadline != .never {
            let now = wheel.deadline
            wheel.advance(to: now, into: &due)
            #expect(!due.isEmpty)
            for (slot, _) in due {
                #expect(deadlines[Int(slot)] < now)
                #expect(now - deadlines[Int(slot)] <= Instant.Span(nanoseconds: DeadlineWheel.tick))
                seen += 1
            }
            due.removeAll()
        }
        #expect(seen == 1000)
    }

    @Test func `a far deadline is looked at within one turn of the wheel`() {
        let start = Instant(nanoseconds: 123_456_789_012)
        var wheel = DeadlineWheel(at: start)
        let tick = wheel.tick(for: start + .seconds(3600))
        wheel.insert(7, at: tick)
        #expect(wheel.deadline > start + .seconds(20) && wheel.deadline < start + .seconds(30))
        var due: [(slot: UInt32, tick: Int64)] = []
        wheel.advance(to: start + .seconds(24), into: &due)
        #expect(due.isEmpty)
        wheel.advance(to: start + .seconds(100), into: &due)
        #expect(due.map(\.slot) == [7])
        #expect(due.map(\.tick) == [tick])
        // The past counts as the next tick.
        wheel.insert(8, at: wheel.tick(for: .zero))
        #expect(wheel.deadline <= start + .seconds(100) + Instant.Span(nanoseconds: DeadlineWheel.tick))
    }
}
