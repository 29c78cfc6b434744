import JSON
import Primitives
import Testing

@testable import Client

@Suite(.timeLimit(.minutes(1))) struct FailoverTests {
    private static let put = #"{"key":"k","revision":7,"version":1}"#

    private func client(_ urls: String..., timeout: Int = 2000) throws -> ClusterClient<CurlTransport> {
        let endpoints = try Endpoint.list(urls.joined(separator: ",")).get()
        return ClusterClient(endpoints: endpoints, timeout: .milliseconds(timeout), carrier: CurlTransport())
    }

    @Test func `a node that is not there is passed over`() throws {
        let node = try FakeEndpoint(.answer(201, body: Self.put))
        defer { node.stop() }
        var client = try client(try FakeEndpoint.nobody(), node.url)
        let result = try client.put([107], [118])
        #expect(result.revision == Revision(7))
        #expect(result.created)
        #expect(node.lines == ["PUT /kv/k?timeout=1999ms HTTP/1.1"] || node.lines.count == 1)
    }

    @Test func `a write that was refused with 503 is tried at the next node, once at each`() throws {
        let busy = try FakeEndpoint(
            .answer(503, body: #"{"code":"no_leader","detail":"nobody leads","applied":"no"}"#))
        let node = try FakeEndpoint(.answer(200, body: Self.put))
        defer {
            busy.stop()
            node.stop()
        }
        var client = try client(busy.url, node.url)
        #expect(try client.put([107], [118]).created == false)
        #expect(busy.requests.count == 1)
        #expect(node.requests.count == 1)
    }

    @Test(arguments: [
        FakeReply.answer(504, body: #"{"code":"outcome_unknown","applied":"unknown"}"#), .close,
        .silence(.milliseconds(2500)),
    ])
    func `a write that does the same once or twice is tried elsewhere`(reply: FakeReply) throws {
        let first = try FakeEndpoint(reply)
        let second = try FakeEndpoint(.answer(200, body: #"{"renewed":true}"#))
        defer {
            first.stop()
            second.stop()
        }
        var client = try client(first.url, second.url, timeout: 600)
        try client.renew(.lock, "a/b", token: 7)
        #expect(first.requests.count == 1)
        #expect(second.lines.first?.hasPrefix("POST /locks/a%2Fb/renew?token=7&timeout=") == true)
    }

    @Test func `a thing that is wished for is asked of one node, which may leave it open`() throws {
        let node = try FakeEndpoint(
            .answer(200, body: #"{"token":51}"#),
            .answer(409, body: #"{"code":"lock_held","detail":"a has it"}"#),
            .answer(503, body: #"{"code":"no_leader"}"#), .close,
            .answer(404, body: #"{"code":"lease_not_found"}"#))
        defer { node.stop() }
        var client = try client(node.url, timeout: 300)
        func ask(_ kind: ClaimKind = .lock) throws -> ClaimAnswer {
            try client.acquire(kind, "x", query: [("wait", "5s")], key: "k-1", at: client.endpoints[0])
        }
        guard case .held(51, _) = try ask(), case .inVain = try ask(.semaphore),
            case .open = try ask(.election),
            case .open = try ask()
        else {
            Issue.record("an answer was taken for another")
            return
        }
        #expect(throws: ClientError.self) { _ = try ask() }
        #expect(
            node.lines == [
                "POST /locks/x/acquire?wait=5s HTTP/1.1", "POST /semaphores/x/acquire?wait=5s HTTP/1.1",
                "POST /elections/x/campaign?wait=5s HTTP/1.1", "POST /locks/x/acquire?wait=5s HTTP/1.1",
                "POST /locks/x/acquire?wait=5s HTTP/1.1",
            ])
        #expect(node.requests.allSatisfy { $0.contains("Idempotency-Key: k-1\r\n") })
    }

    @Test(arguments: [
        FakeReply.answer(504, body: #"{"code":"outcome_unknown","applied":"unknown"}"#),
        .answer(503, body: #"{"code":"shutting_down","applied":"unknown"}"#), .answer(500), .close,
        .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), .raw("not HTTP at all\r\n\r\n"),
        .silence(.milliseconds(2500)),
    ])
    func `a write that may have happened is never repeated`(reply: FakeReply) throws {
        let first = try FakeEndpoint(reply)
        let second = try FakeEndpoint(.answer(200, body: Self.put))
        defer {
            first.stop()
            second.stop()
        }
        var client = try client(first.url, second.url, timeout: 300)
        let error = #expect(throws: ClientError.self) { _ = try client.put([107], [118]) }
        guard case .unknownOutcome? = error else {
            Issue.record("not an unknown outcome: \(String(describing: error))")
            return
        }
        #expect(first.requests.count == 1)
        #expect(second.requests.isEmpty)
    }

    @Test func `the request id of an unknown outcome is told`() throws {
        let node = try FakeEndpoint(
            .answer(
                504, fields: ["Parley-Request-Id: 01JD"], body: #"{"code":"outcome_unknown","detail":"lost"}"#
            ))
        defer { node.stop() }
        var client = try client(node.url)
        let error = #expect(throws: ClientError.self) { _ = try client.delete([107]) }
        #expect("\(error.map { "\($0)" } ?? "")".hasSuffix("outcome_unknown: lost (request 01JD)"))
    }

    @Test(arguments: [
        FakeReply.answer(504), .answer(500), .answer(503), .close,
        .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
        .silence(.milliseconds(1500)),
    ])
    func `a read goes on to the next node whatever happened`(reply: FakeReply) throws {
        let first = try FakeEndpoint(reply)
        let second = try FakeEndpoint(.answer(200, fields: ["ETag: \"42\""], body: "value"))
        defer {
            first.stop()
            second.stop()
        }
        var client = try client(first.url, second.url, timeout: 600)
        let found = try client.get([107])
        #expect(found?.value == Array("value".utf8))
        #expect(found?.revision == Revision(42))
        #expect(first.requests.count == 1)
    }

    @Test func `an answer that says no is an answer and nobody else is asked`() throws {
        let first = try FakeEndpoint(
            .answer(
                412, body: #"{"code":"precondition_failed","detail":"at 44","status":412,"applied":"no"}"#))
        let second = try FakeEndpoint(.answer(200, body: Self.put))
        defer {
            first.stop()
            second.stop()
        }
        var client = try client(first.url, second.url)
        let error = #expect(throws: ClientError.self) {
            _ = try client.put([107], [118], if: .revision(Revision(42)))
        }
        guard case .refused(let problem)? = error else {
            Issue.record("not refused")
            return
        }
        #expect(problem.status == 412)
        #expect(problem.code == "precondition_failed")
        #expect(second.requests.isEmpty)
        #expect(first.requests[0].contains("\r\nIf-Match: \"42\"\r\n"))
    }

    @Test func `the node that answered is asked first the next time`() throws {
        let first = try FakeEndpoint(.answer(503))
        let second = try FakeEndpoint(.answer(200, body: "x"))
        defer {
            first.stop()
            second.stop()
        }
        var client = try client(first.url, second.url)
        for _ in 0..<3 { _ = try client.get([107]) }
        #expect(first.requests.count == 1)
        #expect(second.requests.count == 3)
    }

    @Test func `when nobody can serve, each one's reason is told`() throws {
        let absent = try FakeEndpoint.nobody()
        let busy = try FakeEndpoint(
            .answer(503, body: #"{"code":"no_quorum","detail":"two of three are gone"}"#))
        defer { busy.stop() }
        var client = try client(absent, busy.url)
        let error = #expect(throws: ClientError.self) { _ = try client.put([107], [118]) }
        guard case .unavailable(let reasons, let problem)? = error else {
            Issue.record("not unavailable")
            return
        }
        #expect(reasons.contains(absent) && reasons.contains(busy.url))
        #expect(problem?.code == "no_quorum")
    }

    @Test func `a key that is not there is no failure`() throws {
        let node = try FakeEndpoint(
            .answer(404, body: #"{"code":"key_not_found"}"#), .answer(404, body: "proxy"))
        defer { node.stop() }
        var client = try client(node.url)
        #expect(try client.get([107]) == nil)
        // A 404 of something that is no node must not pass for an absent key.
        #expect(throws: ClientError.self) { _ = try client.get([107]) }
    }

    @Test func `pages are followed by their cursor and bytes come out of both forms`() throws {
        let node = try FakeEndpoint(
            .answer(
                200,
                body:
                    #"{"revision":9,"items":[{"key":"a","value":"1","revision":3}],"next":"c+/=","count":2}"#),
            .answer(200, body: #"{"revision":9,"items":[{"key_b64":"/w==","value_b64":"AAE="}]}"#))
        defer { node.stop() }
        var client = try client(node.url)
        let first = try client.list(prefix: [97, 38, 255], limit: 1)
        #expect(first.items.map(\.key) == [[97]])
        #expect(first.next == "c+/=")
        let second = try client.list(prefix: [97, 38, 255], limit: 1, cursor: first.next)
        #expect(second.items.map(\.key) == [[255]])
        #expect(second.items.map(\.value) == [[0, 1]])
        #expect(second.next == nil)
        #expect(
            node.lines == [
                "GET /kv?prefix=a%26%FF&limit=1 HTTP/1.1",
                "GET /kv?prefix=a%26%FF&limit=1&cursor=c%2B%2F%3D HTTP/1.1",
            ])
    }

    @Test func `dots, slashes and odd bytes of a key arrive as they are`() throws {
        let node = try FakeEndpoint(.answer(200, body: "x"))
        defer { node.stop() }
        var client = try client(node.url)
        for key in ["a/../b", "./x", "a//b/", "ü ?#%2F"] { _ = try client.get(Array(key.utf8)) }
        #expect(
            node.lines == [
                "GET /kv/a/%2E%2E/b HTTP/1.1", "GET /kv/%2E/x HTTP/1.1", "GET /kv/a//b/ HTTP/1.1",
                "GET /kv/%C3%BC%20%3F%23%252F HTTP/1.1",
            ])
    }

    @Test func `status asks every member and says who is silent`() throws {
        let absent = try FakeEndpoint.nobody()
        let report = #"{"term":4,"leader":"n1","revision":12,"commit_index":15,"health":"degraded"}"#
        let members = #"{"items":[{"name":"n1","url":"URL"},{"name":"n2","url":"\#(absent)"}]}"#
        let node = try FakeEndpoint(
            .answer(200, body: members.replacing("URL", with: "http://n1.invalid:1")),
            .answer(200, fields: ["Parley-Node: n1"], body: report))
        defer { node.stop() }
        var client = try client(node.url)
        let nodes = try client.status()
        // n1's own URL does not lead anywhere from here, but the endpoint turned out to be n1.
        #expect(nodes.map(\.name) == ["n1", "n2"])
        #expect(nodes[0].report?.commitIndex == 15)
        #expect(nodes[1].report == nil && nodes[1].failure != nil)
    }
}

@Suite struct EndpointTests {
    @Test(arguments: [
        ("127.0.0.1:7071", "http://127.0.0.1:7071"), ("http://a:1/", "http://a:1"),
        ("https://a", "https://a"),
        ("http://[::1]:7071", "http://[::1]:7071"), ("http://p/parley/", "http://p/parley"),
    ])
    func `endpoints are read`(text: String, url: String) {
        #expect(Endpoint(text)?.url == url)
    }

    @Test(arguments: [
        "", "http://", "ftp://a", "http://a:0", "http://a:65536", "http://a:x", "http://a b", "http://u@a",
        "http://a?x", "http://a#x", "http://::1", "http://:7071", "http://[]:1",
    ])
    func `what is no endpoint is refused`(text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test func `lists name what is wrong and drop what stands twice`() throws {
        #expect(try Endpoint.list("a:1, b:2,a:1").get().map(\.url) == ["http://a:1", "http://b:2"])
        guard case .failure(let error) = Endpoint.list("a:1,b:x") else {
            Issue.record("not refused")
            return
        }
        #expect("\(error)" == "\"b:x\" is not of the form http://host:port")
    }
}
