import API
import HTTP
import JSON
import Primitives
import Testing

@Suite struct `Problems` {
    @Test func `are catalogued in the order of their codes, each once`() {
        #expect(ProblemCode.catalogue.map(\.code) == ProblemCode.allCases)
        #expect(Set(ProblemCode.allCases.map(\.name)).count == ProblemCode.allCases.count)
    }

    @Test(arguments: HTTP.ProtocolError.Code.allCases)
    func `of a connection are in the catalogue too`(_ code: HTTP.ProtocolError.Code) throws {
        let known = try #require(ProblemCode(name: code.rawValue))
        #expect(known.status == code.status)
    }

    @Test(arguments: ProblemCode.allCases)
    func `say whether the write happened and what to do`(_ code: ProblemCode) throws {
        let context = Fixture().context
        let response = api.problem(code, context: context)
        #expect(response.status == code.status)
        #expect(response.fieldText("Content-Type") == "application/problem+json")
        #expect(response.fieldText("X-Content-Type-Options") == "nosniff")
        #expect(response.fieldText("Cache-Control") == "no-store")
        #expect(response.fieldText("Parley-Node") == "n2")
        #expect(response.fieldText("Parley-Revision") == "1")
        #expect(response.fieldText("Parley-Request-Id") == context.requestID?.description)
        #expect(response.json["type"]?.string == "/problems/\(code.name)")
        #expect(response.json["code"]?.string == code.name)
        #expect(response.json["status"]?.integer == Int64(code.status))
        #expect(
            response.json["applied"]?.string
                == (code == .outcomeUnknown || code == .internal ? "unknown" : "no"))
        #expect(["safe", "no", "with_idempotency_key"].contains(response.json["retry"]?.string))
        if [503, 504, 429].contains(code.status) {
            #expect(response.fieldText("Retry-After") == "1")
            #expect(response.json["retry"]?.string != "no")
        }
        if code == .outcomeUnknown { #expect(response.json["retry"]?.string == "with_idempotency_key") }
        #expect(response.body.last == UInt8(ascii: "\n"))
    }

    @Test(arguments: ProblemCode.allCases) func `are explained`(_ code: ProblemCode) throws {
        let response = try #require(immediate(.get, "/problems/\(code.name)"))
        #expect(response.status == 200)
        #expect(response.json["code"]?.string == code.name)
        for member in ["title", "cause", "remedy", "example"] {
            #expect(response.json[member]?.string?.isEmpty == false)
        }
        #expect(ProblemCode(name: code.name) == code)
    }

    @Test func `are all listed`() throws {
        let items = try #require(immediate(.get, "/problems")?.json["items"]?.elements)
        #expect(items.count == ProblemCode.allCases.count)
    }

    @Test func `come as one line if asked`() throws {
        let response = try #require(immediate(.get, "/kv/a?revv=1", ["Accept": "text/plain"]))
        #expect(response.fieldText("Content-Type") == "text/plain; charset=utf-8")
        #expect(
            response.text
                == "error: unknown_parameter: GET /kv/{key...} has no parameter revv; did you mean rev?\n")
        let hostile = try #require(immediate(.get, "/members/a%0ab?x", ["Accept": "text/plain"]))
        #expect(hostile.text.count { $0.isNewline } == 1)
    }

    @Test func `name the leader and the lag where that helps`() throws {
        var context = Fixture().context
        context.lagMilliseconds = 2300
        #expect(
            api.problem(.notLeader, context: context).json["leader_url"]?.string == "http://n1.example:7070")
        let stale = api.problem(.tooStale, context: context).json
        #expect(stale["lag_ms"]?.integer == 2300)
        #expect(api.problem(.noLeader, context: AnswerContext(revision: Revision(1))).json["leader"] == nil)
    }

    @Test func `found early get what every answer has`() throws {
        var response = try #require(immediate(.get, "/nothing"))
        #expect(response.fieldText("Parley-Revision") == nil)
        api.complete(&response, context: Fixture().context)
        #expect(response.fieldText("Parley-Node") == "n2")
        #expect(response.fieldText("Parley-Revision") == "1")
        #expect(response.fieldText("Parley-Request-Id") != nil)
        var version = try #require(immediate(.get, "/version"))
        api.complete(&version, context: Fixture().context)
        #expect(version.fieldText("Parley-Request-Id") == nil)
    }

    @Test func `are indented if asked`() throws {
        let response = try #require(immediate(.get, "/kv/a?pretty&rev=0"))
        #expect(response.text.hasPrefix("{\n  \"type\": "))
    }
}

@Suite struct `The program about itself` {
    @Test func `gives examples in plain text, also to browsers`() throws {
        let response = try #require(immediate(.get, "/", ["Accept": "text/html"]))
        #expect(response.status == 200)
        #expect(response.fieldText("Content-Type") == "text/plain; charset=utf-8")
        #expect(
            response.text.hasPrefix("parley 0.1.0, node n2 of cluster test\n\nP=http://n2.example:7070\n"))
        let lines = response.text.split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("curl ") } >= 25)
        #expect(immediate(.get, "/api/v1")?.status == 200)
    }

    @Test(arguments: ["consistency", "writes", "waiting", "lists", "messages", "tracing"])
    func `helps`(_ topic: String) throws {
        #expect(try #require(immediate(.get, "/help/\(topic)")).status == 200)
        #expect(try #require(immediate(.get, "/help")).text.contains("  \(topic)\n"))
    }

    @Test func `tells its version as etcd does, in two keys of plain numbers`() throws {
        let version = try #require(immediate(.get, "/version")).json
        #expect(version.members?.map(\.name) == ["etcdserver", "etcdcluster"])
        let isNumeric = version["etcdserver"]?.string?.split(separator: ".").allSatisfy { Int($0) != nil }
        #expect(isNumeric == true)
    }

    @Test func `tells its limits`() throws {
        let info = try #require(immediate(.get, "/info")).json
        #expect(info["version"]?.string == "0.1.0")
        #expect(info["limits"]?["key_bytes"]?.integer == 4096)
        #expect(info["limits"]?["value_bytes"]?.integer == 1_572_864)
        #expect(info["limits"]?["max_wait_ms"]?.integer == 600_000)
    }
}
