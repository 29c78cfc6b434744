import Client
import Platform
import Primitives
import Telemetry
import Testing

@testable import parley

@Suite struct ResponseParserTests {
    private static let responses: [(text: String, status: Int, closes: Bool)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, false),
        ("HTTP/1.1 201 Created\r\ncontent-LENGTH:\t0 \r\nETag: \"3\"\r\n\r\n", 201, false),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, false),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"3\"\r\n\r\n", 304, false),
        ("HTTP/1.1 503 X\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n{}", 503, true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na;x=y\r\n0123456789\r\n0\r\n\r\n",
            200, false
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", 200, false),
    ]

    @Test(arguments: Self.responses)
    func `a response is understood wherever it is cut`(text: String, status: Int, closes: Bool) {
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            var parser = ResponseParser()
            var progress = ResponseParser.Progress.incomplete
            for part in [bytes[..<cut], bytes[cut...]] where !part.isEmpty { progress = parser.feed(part) }
            #expect(progress == .complete(status: status, closes: closes), "cut at \(cut)")
        }
        var parser = ResponseParser()
        for place in bytes.indices.dropLast() {
            let progress = parser.feed(bytes[place...place])
            #expect(progress == .incomplete)
        }
        let last = parser.feed(bytes.suffix(1))
        #expect(last == .complete(status: status, closes: closes))
    }

    @Test func `one parser serves many responses`() {
        var parser = ResponseParser()
        for (text, status, closes) in Self.responses {
            let progress = parser.feed(Array(text.utf8)[...])
            #expect(progress == .complete(status: status, closes: closes))
            parser.reset()
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    ])
    func `what is no response is told`(text: String) {
        var parser = ResponseParser()
        guard case .malformed = parser.feed(Array(text.utf8)[...]) else {
            Issue.record("taken: \(text)")
            return
        }
    }

    @Test func `a head without an end is refused`() {
        var parser = ResponseParser()
        let progress = parser.feed([UInt8](repeating: 97, count: 70_000)[...])
        #expect(progress == .malformed("the head is too long"))
    }
}

@Suite struct PaceTests {
    @Test func `a fixed rate is due at its times however late it is asked`() {
        let end = Instant.zero + .milliseconds(10)
        var pace = Pace(rate: 1000, start: .zero, end: end)
        #expect(pace.next(.zero) == .zero)
        var due: [Int64] = []
        for _ in 0..<4 {
            if let at = pace.take(Instant.zero + .microseconds(2500)) { due.append(at.nanoseconds) }
        }
        #expect(due == [0, 1_000_000, 2_000_000])
        #expect(pace.next(.zero) == Instant(nanoseconds: 3_000_000))
        let overdue = pace.overdue(end)
        #expect(overdue == 7)
        #expect(pace.next(end) == nil)
    }

    @Test func `a closed loop is due at once until the end`() {
        var pace = Pace(rate: nil, start: .zero, end: Instant(nanoseconds: 10))
        let first = pace.take(Instant(nanoseconds: 5))
        let last = pace.take(Instant(nanoseconds: 10))
        #expect(first == Instant(nanoseconds: 5))
        #expect(last == nil)
    }
}

@Suite struct WorkloadTests {
    private func workload(_ dialect: BenchDialect) -> Workload {
        Workload(
            dialect: dialect, keys: 1, valueSize: 3, rangeSize: 10, writePercent: 50, prefix: "b/", seed: 1)
    }

    private func request(_ dialect: BenchDialect, _ operation: BenchOperation) -> String {
        var workload = workload(dialect)
        var bytes: [UInt8] = []
        workload.append(operation, host: Array("h".utf8), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `the native requests are what the API takes`() {
        #expect(request(.native, .get) == "GET /kv/b%2F00000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(
            request(.native, .stale) == "GET /kv/b%2F00000000?consistency=stale HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(
            request(.native, .range) == "GET /kv?start=b%2F00000000&limit=10 HTTP/1.1\r\nHost: h\r\n\r\n")
        let put = request(.native, .put)
        #expect(
            put.hasPrefix(
                "PUT /kv/b%2F00000000 HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream"))
        #expect(put.contains("\r\nContent-Length: 3\r\n\r\n"))
    }

    @Test func `etcd's requests are its JSON`() {
        let get = request(.etcd, .get)
        #expect(get.hasPrefix("POST /v3/kv/range HTTP/1.1\r\n"))
        #expect(get.hasSuffix("\r\nContent-Length: 26\r\n\r\n{\"key\":\"Yi8wMDAwMDAwMA==\"}"))
        #expect(request(.etcd, .stale).hasSuffix("\"serializable\":true}"))
        #expect(request(.etcd, .range).hasSuffix("\"range_end\":\"Yi86\",\"limit\":10}"))
        #expect(request(.etcd, .put).contains("{\"key\":\"Yi8wMDAwMDAwMA==\",\"value\":\""))
    }
}

@Suite(.timeLimit(.minutes(1))) struct BenchRunTests {
    @Test func `a server that refuses and closes is measured to the end`() throws {
        let node = try FakeEndpoint(.answer(200, body: "x"), .answer(404), .close, .answer(200, body: "y"))
        defer { node.stop() }
        let workload = Workload(
            dialect: .native, keys: 10, valueSize: 8, rangeSize: 10, writePercent: 50, prefix: "b/", seed: 1)
        var run = BenchRun(
            targets: [try BenchTarget(try #require(Endpoint(node.url)))], connections: 1, workload: workload,
            requestTimeout: .milliseconds(500), pids: [], poller: try Poller())
        try run.connect()
        let result = run.measure(.get, rate: 50, warmUp: .zero, duration: .milliseconds(300))
        #expect(result.failed == 2)
        #expect(result.latency.count + UInt64(result.failed + result.unsent) == 15)
        #expect(result.firstError == "status 404")
    }

    @Test func `a stall is charged to all that it delays`() throws {
        let node = try FakeEndpoint(.answer(200), .silence(.milliseconds(250)), .answer(200))
        defer { node.stop() }
        let workload = Workload(
            dialect: .native, keys: 10, valueSize: 8, rangeSize: 10, writePercent: 50, prefix: "b/", seed: 1)
        var run = BenchRun(
            targets: [try BenchTarget(try #require(Endpoint(node.url)))], connections: 1, workload: workload,
            requestTimeout: .seconds(1), pids: [], poller: try Poller())
        try run.connect()
        let result = run.measure(.get, rate: 100, warmUp: .zero, duration: .milliseconds(200))
        #expect(result.failed == 1)
        #expect(result.unsent == 0)
        #expect(result.latency.count == 19)
        // All but the first were due while the server stood still, and waited 60 ms or more for it.
        #expect(result.latency.quantile(0.1) > 50_000_000)
        #expect(result.latency.max > 200_000_000)
    }

    @Test func `processor time is read whatever the process is called`() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"
        #expect(ProcessTimes.parse(stat, ticksPerSecond: 100) == .seconds(2))
        #expect(ProcessTimes.parse("12 (x) S 1", ticksPerSecond: 100) == nil)
        #expect(ProcessTimes.used(by: [1]) >= .zero)
    }
}
