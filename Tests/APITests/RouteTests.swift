import API
import HTTP
import JSON
import Primitives
import Testing

@Suite struct `Routes` {
    @Test(arguments: [
        (HTTP.Method.get, "/keys", 404, "no_such_route"),
        (.get, "//kv/a", 404, "no_such_route"),
        (.get, "//v1//kv", 404, "no_such_route"),
        (.get, "/kv2/a", 404, "no_such_route"),
        (.get, "/KV/a", 404, "no_such_route"),
        (.get, "/members/", 404, "no_such_route"),
        (.get, "/members/a/b", 404, "no_such_route"),
        (.get, "/v1/kv/a", 404, "no_such_route"),
        (.get, "/%6bv/a", 404, "no_such_route"),
        (.get, "/leases/a/b", 404, "no_such_route"),
        (.get, "/txn", 405, "method_not_allowed"),
        (.get, "/help/nothing", 404, "no_such_route"),
        (.get, "/problems/nothing", 404, "no_such_route"),
        (.get, "/kv/", 400, "bad_key"),
        (.put, "/kv/", 400, "bad_key"),
        (.get, "/kv/%zz", 400, "bad_key"),
        (.patch, "/kv/a", 405, "method_not_allowed"),
        (.trace, "/kv/a", 405, "method_not_allowed"),
        (.post, "/health", 405, "method_not_allowed"),
        (.put, "/leader", 405, "method_not_allowed"),
        (.get, "/compact", 405, "method_not_allowed"),
        (.delete, "/", 405, "method_not_allowed"),
    ])
    func `that lead nowhere say so`(
        _ method: HTTP.Method, _ target: String, _ status: Int, _ code: String
    ) throws {
        let response = try #require(immediate(method, target))
        #expect(response.status == status)
        #expect(response.code == code)
        if status == 405 { #expect(response.fieldText("Allow")?.contains("OPTIONS") == true) }
    }

    @Test(arguments: [
        ("/kv/a", "GET, HEAD, PUT, POST, DELETE, OPTIONS"), ("/kv", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/leader", "GET, HEAD, OPTIONS"), ("/leader/transfer", "POST, OPTIONS"),
        ("*", "GET, HEAD, PUT, POST, DELETE, PATCH, OPTIONS"),
    ])
    func `tell their methods`(_ target: String, _ allow: String) throws {
        let response = try #require(immediate(.options, target))
        #expect(response.status == 204)
        #expect(response.fieldText("Allow") == allow)
    }

    @Test(arguments: [
        ("/kv/a", "a"), ("/kv/a/b", "a/b"), ("/kv/a%2fb", "a/b"), ("/kv/a%252fb", "a%2fb"),
        ("/kv/a+b", "a+b"),
        ("/kv/../admin", "../admin"), ("/kv/%2e%2e/admin", "../admin"), ("/kv//a", "/a"), ("/kv/a/", "a/"),
        ("/kv/%C3%A4", "ä"), ("/api/v1/kv/a%2fb", "a/b"), ("/kv/kv/a", "kv/a"),
        ("/kv/a;b=c:d@e", "a;b=c:d@e"),
    ])
    func `take a key as it is, decoded once`(_ target: String, _ key: String) throws {
        guard case .key(let query) = try read(target).target else {
            Issue.record("not one key")
            return
        }
        #expect(query.key == Array(key.utf8))
    }

    @Test func `take keys of any bytes`() throws {
        guard case .key(let query) = try read("/kv/%ff%c0%ae%ed%a0%80").target else {
            Issue.record("not one key")
            return
        }
        #expect(query.key == [0xff, 0xc0, 0xae, 0xed, 0xa0, 0x80])
        #expect(immediate(.get, "/members/%ff")?.code == "bad_request")
        #expect(immediate(.get, "/members/a%0d%0ab")?.code == "bad_request")
    }

    @Test func `bound keys and values exactly`() throws {
        let longest = String(repeating: "k", count: 4096)
        #expect(immediate(.get, "/kv/\(longest)") == nil)
        #expect(immediate(.get, "/kv/\(longest)k")?.code == "bad_key")
        let value = String(repeating: "v", count: 3 << 19)
        #expect(immediate(.put, "/kv/a", body: value) == nil)
        #expect(immediate(.put, "/kv/a", body: value + "v")?.status == 413)
    }

    @Test func `name the metrics' label by the pattern, never by the path`() {
        #expect(api.planAndRoute(for: request(.get, "/kv/secret")).route == .getKey)
        #expect(api.planAndRoute(for: request(.get, "/api/v1/members/secret")).route == .member)
        #expect(api.planAndRoute(for: request(.get, "/kv/secret?nonsense")).route == .getKey)
        #expect(api.planAndRoute(for: request(.get, "/secret")).route == nil)
        for route in RouteID.allCases { #expect(route.entry.pattern.hasPrefix("/")) }
    }

    @Test func `need a body where a value is stored, though it may be empty`() {
        #expect(immediate(.put, "/kv/a")?.code == "length_required")
        #expect(immediate(.put, "/kv/a", body: "") == nil)
        #expect(immediate(.put, "/kv/a", ["Transfer-Encoding": "chunked"]) == nil)
    }

    @Test func `ignore the body of a read and of a delete`() throws {
        #expect(immediate(.get, "/kv/a", body: "ignored") == nil)
        #expect(try write(.delete, "/kv/a", body: "ignored").timeout == .seconds(5))
    }

    @Test(arguments: [("gzip", 415), ("br", 415), ("gzip, identity", 415), ("identity", 0)])
    func `take no content encoding`(_ coding: String, _ status: Int) {
        let response = immediate(.put, "/kv/a", ["Content-Encoding": coding], body: "x")
        #expect(response?.status ?? 0 == status)
        if status == 415 { #expect(response?.fieldText("Accept-Encoding") == "identity") }
    }

    @Test func `take any type for a value`() {
        for type in ["text/plain", "application/x-www-form-urlencoded", "image/png", "nonsense"] {
            #expect(immediate(.put, "/kv/a", ["Content-Type": type], body: "x") == nil)
        }
    }

    @Test func `trust no header that claims another method or sender`() {
        let fields = [
            "X-HTTP-Method-Override": "DELETE", "X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1",
        ]
        guard case .read = plan(.get, "/kv/a", fields) else {
            Issue.record("not a read")
            return
        }
    }
}
