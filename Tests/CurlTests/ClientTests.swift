import Curl
import Glibc
import Platform
import Primitives
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct ClientTests {
    private func text(_ answer: HTTPAnswer) -> String { String(decoding: answer.body, as: UTF8.self) }

    @Test func `methods, headers and bodies arrive as they were given`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        for method in ["GET", "DELETE", "POST", "PUT", "PATCH", "GET"] {
            var call = HTTPCall(method, "\(server.url)/describe?q=\(method)")
            call.headers = [("X-Test", "a b"), ("X-Empty", "")]
            let answer = try client.perform(call)
            #expect(answer.status == 200)
            #expect(text(answer) == "\(method) q=\(method) 1.1 expect=- content-type=- x-test=a b x-empty=")
        }
        var typed = HTTPCall("POST", "\(server.url)/describe", body: [1])
        #expect(text(try client.perform(typed)).contains(" content-type=- "))
        typed.headers = [("Content-Type", "text/plain")]
        #expect(text(try client.perform(typed)).contains(" content-type=text/plain "))
        let head = try client.perform(HTTPCall("HEAD", "\(server.url)/describe"))
        #expect(head.status == 200 && head.body.isEmpty)
        #expect(try client.perform(HTTPCall("GET", "\(server.url)/x")).body.isEmpty)
        for size in [0, 1, 5000, 1_500_000] {
            let body = [UInt8](repeating: 65, count: size)
            let call = HTTPCall("PUT", "\(server.url)/x", body: body)
            #expect(try client.perform(call).body == body)
        }
        #expect(server.accepted.now == 1, "one connection serves them all")
    }

    @Test func `response fields are found in any case and kept in order`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        let answer = try client.perform(HTTPCall("GET", "\(server.url)/describe"))
        #expect(answer.field("x-one") == "first")
        #expect(answer.headers.filter { $0.name == "X-One" }.map(\.value) == ["first", "second"])
        #expect(answer.field("none") == nil)
    }

    @Test func `redirects are followed only when asked for`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        var call = HTTPCall("POST", "\(server.url)/moved", body: [1])
        let answer = try client.perform(call)
        #expect(answer.status == 307)
        #expect(answer.field("location") == "/describe")
        call.followsRedirects = true
        #expect(text(try client.perform(call)).hasPrefix("POST "))
    }

    @Test func `the environment's proxy is ignored`() async {
        await #expect(processExitsWith: .success) {
            setenv("http_proxy", "http://127.0.0.1:1", 1)
            setenv("ALL_PROXY", "http://127.0.0.1:1", 1)
            let server = try EchoServer()
            var client = HTTPClient()
            guard try client.perform(HTTPCall("GET", "\(server.url)/x")).status == 200 else { exit(2) }
        }
    }

    @Test func `a response beyond the limit is refused`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        var call = HTTPCall("GET", "\(server.url)/big")
        call.responseLimit = 999_999
        let error = #expect(throws: CurlError.self) { _ = try client.perform(call) }
        #expect(error?.kind == .responseTooLarge)
        #expect(error?.reason == "the response is larger than 999999 bytes")
        call.responseLimit = 1_000_000
        #expect(try client.perform(call).body.count == 1_000_000)
    }

    @Test func `failures say what happened and whether the server may know`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        var call = HTTPCall("GET", "\(server.url)/never")
        call.timeout = .milliseconds(50)
        let late = #expect(throws: CurlError.self) { _ = try client.perform(call) }
        #expect(late?.kind == .timedOut)
        #expect(late?.reached == true)
        server.stop()
        let refused = #expect(throws: CurlError.self) {
            _ = try client.perform(HTTPCall("GET", "\(server.url)/x"))
        }
        #expect(refused?.kind == .cannotConnect)
        #expect(refused?.reached == false)
        #expect(refused?.reason.contains("port \(server.port)") == true)
        let unknown = #expect(throws: CurlError.self) {
            _ = try client.perform(HTTPCall("GET", "http://no-such-host.invalid/"))
        }
        #expect(unknown?.kind == .cannotResolve)
    }

    @Test(arguments: [
        HTTPCall("GET", "file:///etc/passwd"), HTTPCall("GET", "ftp://127.0.0.1/"), HTTPCall("GET", ""),
        HTTPCall("GET", "http://127.0.0.1:1/" + String(repeating: "a", count: 70_000)),
        HTTPCall("G T", "http://127.0.0.1:1/"), HTTPCall("GET", "http://127.0.0.1:1/\r\nX: y"),
    ])
    func `what is not an HTTP request is refused before it is sent`(call: HTTPCall) {
        var client = HTTPClient()
        let error = #expect(throws: CurlError.self) { _ = try client.perform(call) }
        #expect(error?.kind == .badRequest)
        #expect(error?.reached == false)
    }

    @Test(arguments: [("X", "a\r\nY: b"), ("X: y", "z"), ("", "z"), ("X\n", "z"), ("X;", "z")])
    func `a header cannot smuggle another`(name: String, value: String) {
        var client = HTTPClient()
        var call = HTTPCall("GET", "http://127.0.0.1:1/")
        call.headers = [(name, value)]
        let error = #expect(throws: CurlError.self) { _ = try client.perform(call) }
        #expect(error?.kind == .badRequest)
    }

    @Test func `a body can be consumed while it comes, and given up`() throws {
        let server = try EchoServer()
        var client = HTTPClient()
        var seen = ""
        let answer = try client.perform(HTTPCall("GET", "\(server.url)/stream")) { status, piece in
            seen += "\(status):" + String(decoding: piece, as: UTF8.self)
            return true
        }
        #expect(answer.status == 200 && answer.body.isEmpty)
        #expect(seen.hasSuffix("piece 4\n") && seen.hasPrefix("200:piece 0\n"))
        let error = #expect(throws: CurlError.self) {
            _ = try client.perform(HTTPCall("GET", "\(server.url)/big")) { _, _ in false }
        }
        #expect(error?.kind == .cancelled)
        #expect(text(try client.perform(HTTPCall("GET", "\(server.url)/describe"))).hasPrefix("GET "))
    }

    @Test(arguments: [("PUT", false), ("POST", false), ("DELETE", false), ("GET", true)])
    func `a request that may have been carried out is not sent again on a new connection`(
        method: String, isRepeated: Bool
    ) throws {
        let peer = try ScriptedPeer { listener in
            // One connection serves a request, takes a second and ends; then another one waits.
            guard let first = nextConnection(listener) else { return }
            _ = readUntil("\r\n\r\n", first)
            say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", first)
            _ = readUntil("\r\n\r\n", first)
            first.finishSending()
            _ = readUntil("never", first)
            guard isRepeated, let second = nextConnection(listener) else { return }
            _ = readUntil("\r\n\r\n", second)
            say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain", second)
        }
        var client = HTTPClient()
        #expect(try client.perform(HTTPCall("GET", "\(peer.url)/first")).status == 200)
        let call = HTTPCall(method, "\(peer.url)/second", body: method == "GET" ? nil : [])
        if isRepeated {
            #expect(text(try client.perform(call)) == "again")
        } else {
            let error = #expect(throws: CurlError.self) { _ = try client.perform(call) }
            #expect(error?.reason == "the connection ended without an answer")
            #expect(error?.reached == true)
        }
        peer.join()
    }
}
