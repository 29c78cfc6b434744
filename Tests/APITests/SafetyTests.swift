// What keeps web pages of other sites and rebound names out, and lets those of allowed origins in.

import API
import HTTP
import JSON
import Primitives
import Testing

@Suite struct `Origins and hosts` {
    private func api(cors: [String] = [], hosts: [String] = []) -> NativeAPI {
        var settings = settings
        settings.corsOrigins = cors
        settings.allowedHosts = hosts
        return NativeAPI(settings: settings)
    }

    private func answer(_ plan: Plan) -> HTTP.Response? {
        if case .answer(let response) = plan { response } else { nil }
    }

    @Test(arguments: [
        ("http://evil.example", false), ("https://n2.example:7070", true), ("http://n2.example:7070", true),
        ("http://N2.EXAMPLE:7070", true), ("http://n2.example", false),
        ("http://n2.example:7070.evil", false),
        ("null", false), ("ftp://n2.example:7070", false), ("", false), ("http://ops.example", true),
        ("http://n2.example:7070, http://evil.example", false),
    ])
    func `decide who may change something`(_ origin: String, _ isAllowed: Bool) throws {
        let api = api(cors: ["http://ops.example"])
        for (method, target) in [
            (HTTP.Method.put, "/kv/a"), (.post, "/kv/a?op=incr"), (.delete, "/kv/a"), (.post, "/messages/n1"),
            (.post, "/leader/transfer"), (.post, "/inbox/n1/ack?id=1"), (.post, "/compact?keep=1"),
        ] {
            let response = answer(api.plan(for: request(method, target, ["Origin": origin], body: "x")))
            #expect((response == nil) == isAllowed, "\(method) \(target)")
            if !isAllowed {
                #expect(response?.status == 403)
                #expect(response?.code == "origin_denied")
                #expect(response?.fieldText("Access-Control-Allow-Origin") == nil)
            }
        }
        #expect(answer(api.plan(for: request(.get, "/kv/a", ["Origin": origin]))) == nil)
    }

    @Test func `let listed pages read answers, and no others`() throws {
        let api = api(cors: ["http://ops.example"])
        var fixture = Fixture()
        fixture.put("a", "1")
        for (origin, isListed) in [("http://ops.example", true), ("http://evil.example", false)] {
            guard case .read(let plan) = api.plan(for: request(.get, "/kv/a", ["Origin": origin])),
                case .answer(let response) = api.render(
                    read: plan, keyspace: fixture.keyspace, context: fixture.context)
            else { continue }
            #expect(response.fieldText("Access-Control-Allow-Origin") == (isListed ? origin : nil))
            #expect(response.fieldText("Vary") == (isListed ? "Origin" : nil))
            #expect(response.fieldText("Access-Control-Allow-Credentials") == nil)
            #expect(
                response.fieldText("Access-Control-Expose-Headers")?.contains("Parley-Revision") ?? false
                    == isListed)
            let problem = try #require(answer(api.plan(for: request(.get, "/nothing", ["Origin": origin]))))
            #expect(problem.fieldText("Access-Control-Allow-Origin") == (isListed ? origin : nil))
        }
        let all = self.api(cors: ["*"])
        let version = try #require(answer(all.plan(for: request(.get, "/version", ["Origin": "http://x"]))))
        #expect(version.fieldText("Access-Control-Allow-Origin") == "http://x")
    }

    @Test func `answer the question before a request across origins`() throws {
        let fields = ["Origin": "http://ops.example", "Access-Control-Request-Method": "PUT"]
        let response = try #require(
            answer(api(cors: ["http://ops.example"]).plan(for: request(.options, "/kv/a", fields))))
        #expect(response.status == 204)
        #expect(response.fieldText("Access-Control-Allow-Origin") == "http://ops.example")
        #expect(response.fieldText("Access-Control-Allow-Methods")?.contains("PUT") == true)
        #expect(response.fieldText("Access-Control-Allow-Headers")?.contains("if-match") == true)
        #expect(response.fieldText("Access-Control-Max-Age") == "600")
        let denied = try #require(answer(api().plan(for: request(.options, "/kv/a", fields))))
        #expect(denied.fieldText("Access-Control-Allow-Origin") == nil)
        #expect(denied.fieldText("Access-Control-Allow-Methods") == nil)
    }

    @Test(arguments: [
        ("n2.example:7070", true), ("N2.example", true), ("localhost:7070", true), ("127.0.0.1:7070", true),
        ("[::1]:7070", true), ("db.internal", true), ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example:7070", false), ("", false), ("256.0.0.1", false),
    ])
    func `answer only for hosts that are listed, if any are`(_ host: String, _ isAllowed: Bool) throws {
        let request = HTTP.Request(method: .get, target: "/version", fields: [("Host", host)])
        let response = try #require(answer(api(hosts: ["db.internal"]).plan(for: request)))
        #expect(response.status == (isAllowed ? 200 : 421))
        if !isAllowed { #expect(response.code == "misdirected_host") }
        #expect(answer(api().plan(for: request))?.status == 200)
    }

    @Test func `put nothing into headers that would end them`() throws {
        var fixture = Fixture()
        let response = try fixture.answer(.put, "/kv/a%0d%0aSet-Cookie:%20x=1", body: "1")
        #expect(response.fieldText("Set-Cookie") == nil)
        #expect(response.fieldText("Location") == "/kv/a%0D%0ASet-Cookie%3A%20x%3D1")
        let origin = "http://ops.example"
        let evil = try #require(
            answer(api(cors: ["*"]).plan(for: request(.get, "/version", ["Origin": origin + "\u{1}x"]))))
        #expect(evil.fieldText("Access-Control-Allow-Origin") == origin + "%01x")
    }

    @Test func `refuse two Authorization headers`() throws {
        let fields = [("Host", "n2.example"), ("Authorization", "Bearer a"), ("authorization", "Bearer b")]
        let request = HTTP.Request(method: .get, target: "/version", fields: fields)
        #expect(answer(settings.api.plan(for: request))?.code == "bad_request")
    }
}

extension NativeAPI.Settings {
    fileprivate var api: NativeAPI { NativeAPI(settings: self) }
}
