// What the node tells about itself as a program: examples, explanations, the OpenAPI document.

import COpenAPI
import HTTP
import JSON
import Primitives

extension NativeAPI {
    func meta(_ route: RouteID, _ asked: Asked) throws(Problem) -> HTTP.Response {
        switch route {
        case .root: return page(Help.cheatSheet(settings), asked)
        case .help: return page(Help.overview, asked)
        case .helpTopic:
            let topic = try asked.name("topic")
            guard let text = Help.topics.first(where: { $0.name == topic })?.text else {
                let names = Help.topics.map(\.name)
                let suggestion = nearest(to: topic, among: names).map { "; did you mean \($0)?" } ?? ""
                throw Problem(
                    .noSuchRoute,
                    "there is no help on '\(readable(topic.utf8))'\(suggestion) Topics: "
                        + names.joined(separator: ", "))
            }
            return page(text, asked)
        case .problems: return document(asked) { write(problemsTo: &$0) }
        case .problem:
            let name = try asked.name("code")
            guard let code = ProblemCode(name: name) else {
                throw Problem(
                    .noSuchRoute, "there is no problem called '\(readable(name.utf8))'; see /problems")
            }
            return document(asked) { write(code.entry, to: &$0) }
        case .openAPI:
            var response = HTTP.Response(
                status: 200, contentType: "application/json", body: NativeAPI.openAPIDocument)
            response.addField("Cache-Control", "no-store" as StaticString)
            addOrigin(to: &response, traits: asked.traits)
            return response
        case .version:
            return document(asked) { json in
                json.beginObject()
                json.field("etcdserver", "3.5.21")
                json.field("etcdcluster", "3.5.0")
                json.endObject()
            }
        default: return document(asked) { write(infoTo: &$0) }
        }
    }

    /// The OpenAPI document as it is served: the bytes of `openapi/openapi.json`.
    public static var openAPIDocument: [UInt8] {
        // Safe: the C array is constant and has this size.
        unsafe Array(
            UnsafeBufferPointer(start: parley_openapi_bytes(), count: Int(parley_openapi_count())))
    }

    private func page(_ text: String, _ asked: Asked) -> HTTP.Response {
        var response = HTTP.Response(
            status: 200, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
        response.addField("Cache-Control", "no-store" as StaticString)
        addOrigin(to: &response, traits: asked.traits)
        return response
    }

    func document(_ asked: Asked, _ write: (inout JSONWriter) -> Void) -> HTTP.Response {
        var json = JSONWriter(pretty: asked.traits.flags.contains(.pretty))
        write(&json)
        json.lineEnd()
        var response = HTTP.Response(status: 200, contentType: "application/json", body: json.take())
        response.addField("Cache-Control", "no-store" as StaticString)
        addOrigin(to: &response, traits: asked.traits)
        return response
    }

    private func write(problemsTo json: inout JSONWriter) {
        json.beginObject()
        json.name("items")
        json.beginArray()
        for entry in ProblemCode.catalogue { write(entry, to: &json) }
        json.endArray()
        json.endObject()
    }

    private func write(_ entry: ProblemCode.Entry, to json: inout JSONWriter) {
        json.beginObject()
        json.field("type", "/problems/\(entry.name)")
        json.field("code", entry.name)
        json.field("status", entry.status)
        json.field("title", entry.title)
        json.field("applied", entry.applied.rawValue)
        json.field("retry", entry.retry.rawValue)
        json.field("cause", entry.cause)
        json.field("remedy", entry.remedy)
        json.field("example", entry.example)
        json.endObject()
    }

    private func write(infoTo json: inout JSONWriter) {
        let limits = settings.limits
        json.beginObject()
        json.field("name", "parley")
        json.field("version", settings.version)
        json.field("node", settings.nodeName)
        json.field("url", settings.advertisedURL)
        json.field("cluster", settings.clusterName)
        json.field("features", ["kv", "history", "import", "leadership", "messages", "health", "metrics"])
        json.name("limits")
        json.beginObject()
        json.field("key_bytes", limits.keyBytes)
        json.field("value_bytes", limits.valueBytes)
        json.field("batch_count", limits.batchCount)
        json.field("message_bytes", limits.messageBytes)
        json.field("page_count", limits.maximumPageCount)
        json.field("timeout_ms", limits.timeout.milliseconds)
        json.field("max_timeout_ms", limits.maximumTimeout.milliseconds)
        json.field("max_wait_ms", limits.maximumWait.milliseconds)
        json.endObject()
        json.endObject()
    }
}
