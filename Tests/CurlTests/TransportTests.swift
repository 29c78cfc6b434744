import Glibc
import PeerTransport
import Platform
import Primitives
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct TransportTests {
    /// A transport and where its reports go.
    private final class Subject {
        let transport: PeerTransport
        let reports: Mailbox<PeerReport>
        private var waiting: [PeerReport] = []

        init(_ limits: PeerTransport.Limits = PeerTransport.Limits()) throws {
            let reports = try Mailbox<PeerReport>(capacity: 100_000)
            self.reports = reports
            transport = try PeerTransport(limits: limits, headers: ["X-Test: yes"]) { _ = reports.post($0) }
        }

        func send(_ batch: UInt64, to peer: UInt64 = 1, _ url: String, _ body: String = "") {
            #expect(transport.post(.send(peer: NodeID(peer), batch: batch, url: url, body: Array(body.utf8))))
        }

        /// The next report, at most ten seconds from now.
        func next() -> PeerReport? {
            if waiting.isEmpty { reports.wait(until: Clock.now() + .seconds(10), into: &waiting) }
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }

        func next(_ count: Int) -> [PeerReport] { (0..<count).compactMap { _ in next() } }

        var isQuiet: Bool {
            if waiting.isEmpty { reports.drain(into: &waiting) }
            return waiting.isEmpty
        }
    }

    private func failure(_ report: PeerReport?) -> (batch: UInt64, reason: String, reached: Bool)? {
        guard case .failed(_, let batch, let reason, let reached) = report else { return nil }
        return (batch, reason, reached)
    }

    @Test func `a batch is posted and its answer reported`() throws {
        let server = try EchoServer()
        let subject = try Subject()
        subject.send(1, "\(server.url)/describe?x")
        let described =
            "POST x 1.1 expect=- content-type=application/x-parley-frames x-test=yes x-empty=-"
        #expect(
            subject.next() == .answered(peer: NodeID(1), batch: 1, status: 200, body: Array(described.utf8)))
        for size in [0, 1, 100, 100_000, 1_900_000] {
            let body = [UInt8](repeating: 65, count: size)
            #expect(
                subject.transport.post(.send(peer: NodeID(1), batch: 2, url: "\(server.url)/x", body: body)))
            #expect(subject.next() == .answered(peer: NodeID(1), batch: 2, status: 200, body: body))
        }
        subject.send(3, "\(server.url)/missing")
        #expect(subject.next() == .answered(peer: NodeID(1), batch: 3, status: 404, body: []))
        #expect(server.accepted.now == 1, "the connection is used again")
    }

    @Test func `many batches to many peers all come back, over few connections`() throws {
        let servers = try (0..<3).map { _ in try EchoServer() }
        var limits = PeerTransport.Limits()
        limits.queuedPerPeer = 1000
        let subject = try Subject(limits)
        let commands = (0..<3000).map { number in
            PeerCommand.send(
                peer: NodeID(UInt64(number % 3)), batch: UInt64(number), url: "\(servers[number % 3].url)/x",
                body: Array("\(number)".utf8))
        }
        #expect(subject.transport.post(contentsOf: commands) == 3000)
        var seen = Set<UInt64>()
        for report in subject.next(3000) {
            guard case .answered(let peer, let batch, 200, let body) = report else {
                Issue.record("\(report)")
                continue
            }
            #expect(peer == NodeID(batch % 3) && body == Array("\(batch)".utf8))
            seen.insert(batch)
        }
        #expect(seen.count == 3000)
        for server in servers { #expect(server.accepted.now <= 4) }
    }

    @Test func `a dead peer fails fast, rests, and is found again`() throws {
        let first = try EchoServer()
        let (url, port) = (first.url, first.port)
        let subject = try Subject()
        subject.send(1, "\(url)/x")
        _ = subject.next()
        first.stop()
        subject.send(2, "\(url)/x")
        let refused = try #require(failure(subject.next()))
        #expect(refused.batch == 2 && !refused.reached)
        // While it rests nothing is tried.
        subject.send(3, "\(url)/x")
        let resting = try #require(failure(subject.next()))
        #expect(!resting.reached)
        #expect(resting.reason == "connecting to the peer failed a moment ago")
        let second = try EchoServer(port: port)
        usleep(150_000)
        subject.send(4, "\(url)/x", "back")
        #expect(subject.next() == .answered(peer: NodeID(1), batch: 4, status: 200, body: Array("back".utf8)))
        _ = second
    }

    @Test func `a peer that died after it got a request may have carried it out`() throws {
        // The connection is used again, and the peer dies with the second request in its hands: libcurl tries
        // once more on a new connection and is refused there, but the first attempt did reach the peer.
        let peer = try ScriptedPeer { listener in
            guard let socket = nextConnection(listener) else { return }
            _ = readUntil("one", socket)
            say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", socket)
            _ = readUntil("two", socket)
        }
        let subject = try Subject()
        subject.send(1, "\(peer.url)/x", "one")
        #expect(subject.next() == .answered(peer: NodeID(1), batch: 1, status: 200, body: []))
        subject.send(2, "\(peer.url)/x", "two")
        let lost = try #require(failure(subject.next()))
        #expect(lost.reached, "\(lost.reason)")
        peer.join()
    }

    @Test func `a silent peer times out and delays nobody else`() throws {
        let peer = try ScriptedPeer { listener in
            var held: [Int32] = []
            for _ in 0..<4 {
                guard let socket = nextConnection(listener) else { return }
                _ = readUntil("slow", socket)
                held.append(socket.release())
            }
            sleep(1)
            for socket in held { close(socket) }
        }
        let server = try EchoServer()
        var limits = PeerTransport.Limits()
        limits.sendTimeout = .milliseconds(700)
        let subject = try Subject(limits)
        for batch in 0..<4 { subject.send(UInt64(batch), to: 9, "\(peer.url)/x", "slow") }
        let start = Clock.now()
        for batch in 100..<200 {
            subject.send(UInt64(batch), "\(server.url)/x")
            guard case .answered(NodeID(1), UInt64(batch), 200, _) = subject.next() else {
                Issue.record("batch \(batch) was not answered")
                break
            }
        }
        #expect(Clock.now() - start < .milliseconds(600))
        for report in subject.next(4) {
            let late = try #require(failure(report))
            #expect(late.reached)
            #expect(late.reason == "Timeout was reached")
        }
        peer.join()
    }

    @Test func `what waits for a peer is bounded, and the oldest goes`() throws {
        let server = try EchoServer()
        var limits = PeerTransport.Limits()
        limits.inFlightPerPeer = 1
        limits.queuedPerPeer = 3
        limits.sendTimeout = .milliseconds(300)
        let subject = try Subject(limits)
        let commands = (0..<6).map { number in
            PeerCommand.send(
                peer: NodeID(1), batch: UInt64(number), url: "\(server.url)/\(number == 0 ? "never" : "x")",
                body: [])
        }
        #expect(subject.transport.post(contentsOf: commands) == 6)
        let reports = subject.next(6)
        #expect(reports.prefix(2).map { failure($0)?.batch } == [1, 2])
        #expect(failure(reports[0])?.reason == "too many batches wait for the peer")
        #expect(failure(reports[0])?.reached == false)
        #expect(failure(reports[2])?.batch == 0)
        #expect(failure(reports[2])?.reached == true)
        #expect(
            reports.suffix(3)
                == (3..<6).map { .answered(peer: NodeID(1), batch: $0, status: 200, body: []) }[...])
    }

    @Test func `an answer beyond the limit is a failure`() throws {
        let server = try EchoServer()
        var limits = PeerTransport.Limits()
        limits.answer = 1000
        let subject = try Subject(limits)
        subject.send(1, "\(server.url)/big")
        let tooLarge = try #require(failure(subject.next()))
        #expect(tooLarge.reached)
        #expect(tooLarge.reason == "the response is larger than 1000 bytes")
        subject.send(2, "\(server.url)/x")
        #expect(subject.next() == .answered(peer: NodeID(1), batch: 2, status: 200, body: []))
    }

    @Test func `forgetting a peer and stopping report what was under way`() throws {
        let server = try EchoServer()
        var limits = PeerTransport.Limits()
        limits.inFlightPerPeer = 1
        let subject = try Subject(limits)
        for batch in 1...2 { subject.send(UInt64(batch), "\(server.url)/never") }
        for batch in 3...4 { subject.send(UInt64(batch), to: 2, "\(server.url)/never") }
        usleep(50_000)
        #expect(subject.transport.post(.forget(NodeID(1))))
        #expect(subject.transport.post(.forget(NodeID(77))))
        let forgotten = subject.next(2).compactMap { failure($0) }
        #expect(forgotten.map(\.batch) == [1, 2])
        #expect(forgotten.map(\.reached) == [true, false])
        subject.transport.stop()
        let stopped = subject.next(2).compactMap { failure($0) }
        #expect(stopped.map(\.batch) == [3, 4])
        #expect(subject.isQuiet)
        subject.transport.stop()
    }

    @Test func `the command to stop ends the thread too`() throws {
        let subject = try Subject()
        #expect(subject.transport.post(.stop))
        subject.transport.stop()
    }
}

@Suite(.serialized, .timeLimit(.minutes(1))) struct FetchTests {
    private func run(
        _ url: String, offset: UInt64 = 0, limit: UInt64 = .max, chunk: Int = 1000
    ) throws -> (bytes: [UInt8], offsets: [UInt64], end: String) {
        let reports = try Mailbox<PeerReport>(capacity: 100_000)
        var limits = PeerTransport.Limits()
        limits.fetchChunk = chunk
        let transport = try PeerTransport(limits: limits) { _ = reports.post($0) }
        #expect(transport.post(.fetch(id: 5, url: url, offset: offset, limit: limit)))
        var (bytes, offsets): ([UInt8], [UInt64]) = ([], [])
        while true {
            var batch: [PeerReport] = []
            reports.wait(until: Clock.now() + .seconds(10), into: &batch)
            for report in batch {
                switch report {
                case .fetched(5, let offset, let piece, let isLast):
                    bytes += piece
                    offsets.append(offset)
                    if isLast { return (bytes, offsets, "done") }
                case .fetchFailed(5, let reason): return (bytes, offsets, reason)
                default: Issue.record("\(report)")
                }
            }
            if batch.isEmpty { return (bytes, offsets, "silence") }
        }
    }

    private let resource = (0..<5500).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    @Test func `a resource comes in ranges, from the beginning or from anywhere`() throws {
        let server = try EchoServer(resource: resource)
        let whole = try run("\(server.url)/resource")
        #expect(whole.bytes == resource && whole.end == "done")
        #expect(whole.offsets == [0, 1000, 2000, 3000, 4000, 5000])
        let rest = try run("\(server.url)/resource", offset: 4800)
        #expect(rest.bytes == Array(resource[4800...]) && rest.end == "done")
        #expect(rest.offsets == [4800])
        let exact = try run("\(server.url)/resource", chunk: 1100)
        #expect(exact.bytes == resource && exact.offsets.count == 5 && exact.end == "done")
        let small = try run("\(server.url)/resource", chunk: 1_000_000)
        #expect(small.bytes == resource && small.offsets == [0] && small.end == "done")
    }

    @Test func `a fetch that cannot be completed says why`() throws {
        let server = try EchoServer(resource: resource)
        #expect(try run("\(server.url)/resource", limit: 2500).end == "the resource is larger than the limit")
        #expect(try run("\(server.url)/resource", limit: 2500).bytes.count == 2500)
        #expect(try run("\(server.url)/resource", offset: 6000).end == "the peer answered 416")
        #expect(try run("\(server.url)/missing").end == "the peer answered 404")
        #expect(try run("\(server.url)/liar").end == "the peer answered another range than was asked for")
        #expect(try run("\(server.url)/big").end == "the response is larger than 1000 bytes")
        #expect(try run("\(server.url)/resource", limit: 0).end == "nothing to fetch")
        #expect(try run("http://127.0.0.1:1/resource").end.contains("connect"))
    }

    @Test func `a cancelled fetch is silent and makes room`() throws {
        let server = try EchoServer(resource: resource)
        let reports = try Mailbox<PeerReport>(capacity: 100)
        var limits = PeerTransport.Limits()
        limits.fetches = 1
        let transport = try PeerTransport(limits: limits) { _ = reports.post($0) }
        #expect(transport.post(.fetch(id: 1, url: "\(server.url)/never", offset: 0, limit: 10)))
        #expect(transport.post(.fetch(id: 2, url: "\(server.url)/never", offset: 0, limit: 10)))
        #expect(transport.post(.cancelFetch(id: 1)))
        #expect(transport.post(.cancelFetch(id: 9)))
        #expect(transport.post(.fetch(id: 3, url: "\(server.url)/resource", offset: 5490, limit: 10)))
        var seen: [PeerReport] = []
        while seen.count < 2 {
            var batch: [PeerReport] = []
            reports.wait(until: Clock.now() + .seconds(10), into: &batch)
            guard !batch.isEmpty else { break }
            seen += batch
        }
        #expect(
            seen == [
                .fetchFailed(id: 2, reason: "too many fetches"),
                .fetched(id: 3, offset: 5490, bytes: Array(resource[5490...]), isLast: true),
            ])
    }
}
