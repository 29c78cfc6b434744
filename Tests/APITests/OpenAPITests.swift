// The route table and the OpenAPI document say the same, and the document's examples are requests that are taken.

import API
import HTTP
import JSON
import Testing

@Suite struct `OpenAPI document` {
    let document: JSONValue

    init() throws { document = try JSONValue(parsing: documentOnDisk()) }

    @Test func `is served byte by byte as it stands in the repository`() throws {
        let response = try #require(immediate(.get, "/openapi.json"))
        #expect(response.status == 200)
        // A failure must not print both.
        let isSame = try response.body == documentOnDisk()
        #expect(isSame)
    }

    private func path(of entry: RouteEntry) -> String { entry.pattern.replacing("...}", with: "}") }

    private func operation(_ entry: RouteEntry) -> JSONValue? {
        document["paths"]?[path(of: entry)]?[entry.method.name.description.lowercased()]
    }

    @Test(arguments: RouteID.allCases) func `describes the route`(_ route: RouteID) throws {
        let entry = route.entry
        #expect(entry.id == route)
        let operation = try #require(
            self.operation(entry), "\(entry.method.name) \(entry.pattern) is not described")
        #expect(operation["operationId"]?.string == "\(route)")
        var described: Set<String> = []
        for parameter in operation["parameters"]?.elements ?? [] {
            guard let reference = parameter["$ref"]?.string else { continue }
            let name = String(reference.split(separator: "/").last ?? "")
            let component = try #require(
                document["components"]?["parameters"]?[name], "\(name) is not defined")
            if component["in"]?.string == "query" { described.insert(component["name"]?.string ?? "") }
        }
        #expect(described == Set(entry.parameters.map(\.rawValue)))
    }

    @Test func `describes nothing that is not routed`() throws {
        for path in try #require(document["paths"]?.members) {
            for method in path.value.members ?? [] {
                let isRouted = RouteEntry.all.contains {
                    self.path(of: $0) == path.name && $0.method.name.description.lowercased() == method.name
                }
                #expect(isRouted, "\(method.name) \(path.name)")
            }
        }
    }

    @Test func `lists exactly the codes of the catalogue`() throws {
        let codes = document["components"]?["schemas"]?["Problem"]?["properties"]?["code"]?["enum"]?.elements
        #expect(codes?.compactMap(\.string) == ProblemCode.allCases.map(\.name))
    }

    @Test func `has examples that are understood, also below the versioned prefix`() throws {
        var count = 0
        for path in try #require(document["paths"]?.members) {
            for operation in path.value.members ?? [] {
                let examples = operation.value["x-parley-examples"]?.elements ?? []
                #expect(!examples.isEmpty || path.name.hasSuffix("{check}"), "\(operation.name) \(path.name)")
                for example in examples {
                    try check(example, operation: operation.value["operationId"]?.string)
                    count += 1
                }
            }
        }
        #expect(count > 50)
    }

    private func check(_ example: JSONValue, operation: String?) throws {
        let target = try #require(example["target"]?.string)
        let name = try #require(example["method"]?.string)
        let method = try #require(HTTP.Method.allCases.first { $0.name.description == name })
        var fields: [String: String] = [:]
        for member in example["headers"]?.members ?? [] { fields[member.name] = member.value.string }
        for prefix in ["", "/api/v1"] {
            let (plan, route) = api.planAndRoute(
                for: request(method, prefix + target, fields, body: example["body"]?.string))
            #expect(route.map { "\($0)" } == operation, "\(name) \(target)")
            if case .answer(let response) = plan {
                #expect(response.status < 400, "\(name) \(target): \(response.text)")
            }
        }
        #expect(example["status"]?.elements?.isEmpty == false)
    }
}
