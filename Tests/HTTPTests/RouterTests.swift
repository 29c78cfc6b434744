import HTTP
import Testing

@Suite struct RouterTests {
    static let router = Router<String>([
        Route(.get, "/", "root"),
        Route(.get, "/kv", "list"), Route(.delete, "/kv", "clear"),
        Route(.get, "/kv/{key...}", "read"), Route(.put, "/kv/{key...}", "write"),
        Route(.get, "/members/{name}", "member"), Route(.post, "/members/{name}/promote", "promote"),
        Route(.get, "/leader", "leader"), Route(.head, "/leader", "is leader"),
        Route(.post, "/leader/transfer", "transfer"), Route(.get, "/leader/{rest...}", "rest"),
        Route(.put, "/a/{x}/b/{y...}", "two"),
    ])

    static func lead(_ method: HTTP.Method, _ path: String) -> String {
        switch router.match(method, Array(path.utf8)) {
        case .found(let route, let captures):
            let names = route.pattern.components(of: "{").map { $0.prefix { $0.isLetter } }
            let values = names.map { String(decoding: captures[String($0)], as: UTF8.self) }
            return ([route.handler] + values).joined(separator: " ")
        case .methodNotAllowed(let allow): return "405 \(allow)"
        case .options(let allow): return "204 \(allow)"
        case .notFound: return "404"
        case .malformed: return "400"
        }
    }

    @Test(
        arguments: [
            (.get, "/", "root"), (.get, "/kv", "list"), (.delete, "/kv", "clear"), (.get, "/kv/", "404"),
            (.get, "/kv/a/b", "read a/b"), (.get, "/kv/a%2fb", "read a/b"),
            (.put, "/kv/a%252fb", "write a%2fb"),
            (.get, "/kv//a//", "read /a//"), (.get, "/kv/../../admin", "read ../../admin"),
            (.get, "/kv/%2e%2e/x", "read ../x"), (.get, "/members/n1", "member n1"),
            (.get, "/members/", "404"),
            (.get, "/members/n1/", "404"), (.get, "/members/a%2Fb", "member a/b"),
            (.post, "/members/n1/promote", "promote n1"), (.post, "/members/n1/promote/x", "404"),
            (.get, "/%6bv/a", "404"), (.get, "//kv/a", "404"), (.get, "/KV", "404"), (.get, "/kvx", "404"),
            (.get, "/kv/..%2f..%2fadmin", "read ../../admin"), (.put, "/a/1/b/2/3", "two 1 2/3"),
            (.put, "/a//b/2", "404"),
            (.get, "/api/v1/kv/x", "read x"), (.get, "/api/v1", "root"), (.get, "/api/v1/", "root"),
            (.get, "/api/v1x", "404"), (.get, "/api/v1/api/v1/kv/x", "404"), (.get, "/api/v2/kv", "404"),
            (.head, "/kv/a", "read a"), (.head, "/leader", "is leader"),
            (.head, "/leader/transfer", "405 POST, OPTIONS"),
            (.post, "/kv/a", "405 GET, HEAD, PUT, OPTIONS"), (.trace, "/", "405 GET, HEAD, OPTIONS"),
            (.options, "/kv", "204 GET, HEAD, DELETE, OPTIONS"), (.options, "/nowhere", "404"),
            (.options, "*", "204 GET, HEAD, PUT, POST, DELETE, OPTIONS"), (.get, "*", "404"),
            (.get, "/leader/other/x", "rest other/x"), (.get, "/kv/%zz", "400"), (.get, "/kv/%", "400"),
        ] as [(HTTP.Method, String, String)])
    func `a path leads to one route and to no other`(method: HTTP.Method, path: String, expected: String) {
        #expect(Self.lead(method, path) == expected, "\(method) \(path)")
    }

    @Test func `a table with a fault is refused when it is made`() async {
        await #expect(processExitsWith: .failure) {
            _ = Router<Int>([Route(.get, "/a", 1), Route(.get, "/a", 2)])
        }
        await #expect(processExitsWith: .failure) { _ = Router<Int>([Route(.get, "/{a...}/b", 1)]) }
    }
}

@Suite struct QueryTests {
    static func pairs(_ text: String) -> [String]? {
        (try? Query(parsing: Array(text.utf8)))?.parameters.map {
            "\($0.name)\($0.hasValue ? "=" : "")\(String(decoding: $0.value, as: UTF8.self))"
        }
    }

    @Test func `parameters keep their order and their repetitions`() throws {
        #expect(Self.pairs("") == [])
        #expect(Self.pairs("x=1&x=2&meta&y=") == ["x=1", "x=2", "meta", "y="])
        #expect(Self.pairs("a=b=c&d=%26%3D%2B+%C3%A9") == ["a=b=c", "d=&=+ \u{e9}"])
        #expect(Self.pairs("pre%66ix=%2fa%252f") == ["prefix=/a%2f"])
        let query = try Query(parsing: Array("x=1&y=2&x=3".utf8))
        #expect(query.repeatedName == "x")
        #expect(query["y"]?.text == "2" && query["z"] == nil)
    }

    @Test(
        arguments: [
            ("a=%", .malformedEncoding(parameter: 0)), ("x&a=%4", .malformedEncoding(parameter: 1)),
            ("%zz", .malformedEncoding(parameter: 0)), ("a=%u0041", .malformedEncoding(parameter: 0)),
            ("=1", .emptyName(parameter: 0)), ("a&&b", .emptyName(parameter: 1)),
            ("a&", .emptyName(parameter: 1)),
            ("&", .emptyName(parameter: 0)), ("%ff=1", .nameNotText(parameter: 0)),
        ] as [(String, QueryError)])
    func `a malformed query is refused`(text: String, error: QueryError) {
        #expect(throws: error) { try Query(parsing: Array(text.utf8)) }
    }

    @Test func `values are bytes, text or strict whole numbers`() throws {
        let query = try Query(parsing: Array("k=%ff%00&n=18446744073709551615&big=18446744073709551616".utf8))
        #expect(query["k"]?.value == [255, 0] && query["k"]?.text == nil)
        #expect(query["n"]?.unsigned == .max && query["big"]?.unsigned == nil)
        for text in ["-1", "%2B1", "+1", "1e9", "", "0x1", "1_0", "1.0", "%EF%BC%95"] {
            #expect(try Query(parsing: Array("limit=\(text)".utf8))["limit"]?.unsigned == nil)
        }
        #expect(try Query(parsing: Array("limit=007".utf8))["limit"]?.unsigned == 7)
    }

    @Test func `percent-encoding is undone once and done again`() {
        var output: [UInt8] = []
        Percent.encode(Array("a/b ~\u{e9}%".utf8), into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "a%2Fb%20~%C3%A9%25")
        #expect(Percent.decode(output[...]) == Array("a/b ~\u{e9}%".utf8))
        output = []
        Percent.encode(Array("a/b".utf8), keepingSlashes: true, into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "a/b")
        #expect(Percent.decode(Array("a+b".utf8)[...], plusIsSpace: true) == Array("a b".utf8))
        #expect(Percent.decode(Array("a+b".utf8)[...]) == Array("a+b".utf8))
    }
}
