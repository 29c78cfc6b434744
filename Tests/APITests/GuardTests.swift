// Guards on tokens and leases in transactions, and keys that they put under leases.

import API
import HTTP
import JSON
import Primitives
import Store
import Testing

@Suite struct `Guards and leases of transactions` {
    private func transaction(_ body: String) throws -> Transaction {
        switch plan(.post, "/txn", body: body) {
        case .write(let plan):
            guard case .transaction(let transaction) = plan.operation(at: .zero) else { break }
            return transaction
        case .read(let plan):
            guard case .transaction(let transaction) = plan.target else { break }
            return transaction
        default: break
        }
        throw Unexpected(plan(.post, "/txn", body: body))
    }

    @Test func `are understood in the forms of the contract`() throws {
        let body = #"""
            {"if":[{"lock":"cron","token":17},{"token":{"ne":3},"election":"e"},{"semaphore":"s","token":{"eq":9}},
                   {"key":"a","lease":"web"},{"key_b64":"/w==","lease":{"ne":""}},{"lease":"web","exists":true},
                   {"absent":true,"lease":"web"}],
             "then":[{"put":{"key":"a","value":"1","ttl":"30s"}},{"put":{"key":"b","value":"1","ttl_ms":1500}},
                     {"put":{"key":"c","value":"1","lease":"web","prev":true}},
                     {"put":{"key":"d","value":"1","keep_lease":true}},
                     {"put":{"key":"e","value":"1","keep_lease":false}}]}
            """#
        func key(_ text: String) -> [UInt8] { Array(text.utf8) }
        let one: [UInt8] = [49]
        #expect(
            try transaction(body)
                == Transaction(
                    conditions: [
                        .held(Fence(ClaimName(.lock, "cron"), token: 17), isWanted: true),
                        .held(Fence(ClaimName(.election, "e"), token: 3), isWanted: false),
                        .held(Fence(ClaimName(.semaphore, "s"), token: 9), isWanted: true),
                        .lease(key: key("a"), "web", isWanted: true),
                        .lease(key: [255], "", isWanted: false), .leaseExists("web", isWanted: true),
                        .leaseExists("web", isWanted: false),
                    ],
                    then: [
                        .leasedPut(
                            key: key("a"), value: one, returnPrevious: false,
                            lease: .own(milliseconds: 30_000)),
                        .leasedPut(
                            key: key("b"), value: one, returnPrevious: false, lease: .own(milliseconds: 1_500)
                        ),
                        .leasedPut(key: key("c"), value: one, returnPrevious: true, lease: .existing("web")),
                        .leasedPut(key: key("d"), value: one, returnPrevious: false, lease: .kept),
                        .put(key: key("e"), value: one, returnPrevious: false),
                    ]))
    }

    @Test(
        arguments: [
            (#"{"lock":"l"}"#, "if[0].token"), (#"{"token":1}"#, "if[0]"),
            (#"{"lock":"","token":1}"#, "if[0].lock"),
            (#"{"lock":"l","election":"e","token":1}"#, "if[0]"),
            (#"{"lock":"l","token":{"gt":1}}"#, "if[0].token"),
            (#"{"lock":"l","token":1,"key":"a"}"#, "if[0]"),
            (#"{"lock":"l","token":1,"version":1}"#, "if[0]"),
            (#"{"lock":"l","token":1,"lease":"x"}"#, "if[0]"), (#"{"lease":"x"}"#, "if[0].key"),
            (#"{"key":"a","lease":"x","exists":true}"#, "if[0]"),
            (#"{"lease":"","exists":true}"#, "if[0].lease"),
            (#"{"lease":{"ne":"x"},"exists":true}"#, "if[0].lease"),
            (#"{"key":"a","lease":{"lt":"x"}}"#, "if[0].lease"),
            (#"{"prefix":"a","lease":"x"}"#, "if[0].key"),
            (#"{"key":"a","lease":"x","value":"1"}"#, "if[0]"),
        ] as [(String, String)])
    func `that make no sense are refused with the place`(_ condition: String, _ field: String) throws {
        let response = try #require(immediate(.post, "/txn", body: #"{"if":[\#(condition)],"then":[]}"#))
        #expect(response.status == 422 && response.code == "invalid", "\(response.text)")
        #expect(response.json["errors"]?[0]?["field"]?.string == field, "\(response.text)")
    }

    @Test(
        arguments: [
            (#""ttl":"500ms""#, "then[0].put.ttl"), (#""ttl":"25h""#, "then[0].put.ttl"),
            (#""ttl":"soon""#, "then[0].put.ttl"), (#""ttl_ms":999"#, "then[0].put.ttl_ms"),
            (#""ttl":"5s","ttl_ms":5000"#, "then[0].put"), (#""ttl":"5s","lease":"l""#, "then[0].put"),
            (#""lease":"l","keep_lease":true"#, "then[0].put"), (#""lease":"""#, "then[0].put.lease"),
        ] as [(String, String)])
    func `of keys that make no sense are refused with the place`(_ members: String, _ field: String) throws {
        let body = #"{"then":[{"put":{"key":"a","value":"1",\#(members)}}]}"#
        let response = try #require(immediate(.post, "/txn", body: body))
        #expect(response.status == 422 && response.code == "invalid", "\(response.text)")
        #expect(response.json["errors"]?[0]?["field"]?.string == field, "\(response.text)")
    }

    @Test func `of keys that are too long for one are refused, also by themselves`() {
        // Shorter than what other keys may be only where these may be as long as the store takes them.
        var wide = settings
        wide.limits.keyBytes = Store.Limits.keyBytes
        let api = NativeAPI(settings: wide)
        func code(_ request: HTTP.Request) -> String? {
            guard case .answer(let response) = api.plan(for: request) else { return nil }
            return response.code
        }
        let key = String(repeating: "k", count: Store.Limits.leasedKeyBytes + 1)
        func body(_ key: some StringProtocol) -> String {
            #"{"then":[{"put":{"key":"\#(key)","value":"1","ttl":"5s"}}]}"#
        }
        #expect(code(request(.post, "/txn", body: body(key))) == "bad_key")
        #expect(code(request(.post, "/txn", body: body(key.dropLast()))) == nil)
        #expect(code(request(.put, "/kv/\(key)?ttl=5s", body: "1")) == "bad_key")
        #expect(code(request(.put, "/kv/\(key)", body: "1")) == nil)
        #expect(code(request(.put, "/kv/\(key.dropLast())?ttl=5s", body: "1")) == nil)
    }

    @Test func `tell what was found where they fail`() throws {
        var fixture = Fixture()
        let token = try #require(
            try fixture.answer(.post, "/locks/l/acquire?ttl=60s").json["token"]?.integer)
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=web")
        _ = try fixture.answer(.put, "/kv/a?lease=web", body: "1")
        fixture.put("b", "1")
        let body = #"""
            {"if":[{"lock":"l","token":1000},{"lock":"free","token":1},{"key":"a","lease":"x"},{"key":"b","lease":"web"},
                   {"lease":"none","exists":true},{"lock":"l","token":\#(token)}],
             "then":[{"delete":{"key":"a"}}]}
            """#
        let response = try fixture.answer(.post, "/txn", body: body)
        #expect(response.status == 412 && response.code == "txn_failed")
        #expect(
            response.json["failed_guards"].map { String(decoding: $0.serialized(), as: UTF8.self) }
                == #"[{"index":0,"lock":"l","token":1000,"actual_token":\#(token)},"#
                + #"{"index":1,"lock":"free","token":1,"actual_token":null},"#
                + #"{"index":2,"key":"a","actual_lease":"web","actual_revision":2},"#
                + #"{"index":3,"key":"b","actual_lease":null,"actual_revision":3},"#
                + #"{"index":4,"lease":"none","actual_exists":false}]"#, "\(response.text)")
        let nested = try fixture.answer(
            .post, "/txn",
            body: #"""
                {"then":[{"txn":{"if":[{"lock":"l","token":1}],"then":[{"put":{"key":"n","value":"1"}}],
                                 "else":[{"put":{"key":"n","value":"2","ttl":"9s"}}]}}]}
                """#)
        let inner = nested.json["results"]?[0]?["txn"]
        #expect(inner?["failed_guards"]?[0]?["actual_token"]?.integer == token)
        let lease = try #require(inner?["results"]?[0]?["put"]?["lease"]?.string)
        #expect(try fixture.get("/kv/n")?.fieldText("Parley-Lease") == lease)
    }

    @Test func `refuse all of a transaction for one lease that is not there`() throws {
        var fixture = Fixture()
        let body =
            #"{"then":[{"put":{"key":"a","value":"1"}},{"put":{"key":"b","value":"1","lease":"none"}}]}"#
        let response = try fixture.answer(.post, "/txn", body: body)
        #expect(response.status == 404 && response.code == "lease_not_found")
        #expect(response.json["field"]?.string == "then[1]" && response.json["applied"]?.string == "no")
        #expect(try fixture.get("/kv/a")?.status == 404)
    }

    @Test func `a lease tells what is held under it`() throws {
        var fixture = Fixture()
        _ = try fixture.answer(.post, "/leases?ttl=5s&id=web")
        #expect(try fixture.get("/leases/web")?.json["locks"]?.elements?.isEmpty == true)
        var tokens: [Int64] = []
        for target in [
            "/locks/b/acquire?lease=web", "/locks/a/acquire?lease=web&mode=read",
            "/elections/e/campaign?candidate=me&lease=web",
        ] { tokens.append(try #require(try fixture.answer(.post, target).json["token"]?.integer)) }
        let shown = try #require(try fixture.get("/leases/web")?.json["locks"])
        #expect(
            String(decoding: shown.serialized(), as: UTF8.self)
                == #"[{"kind":"lock","name":"a","token":\#(tokens[1])},"#
                + #"{"kind":"lock","name":"b","token":\#(tokens[0])},"#
                + #"{"kind":"election","name":"e","token":\#(tokens[2])}]"#)
    }
}
