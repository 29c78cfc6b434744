// The shapes that most answers share.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// An answer of one JSON document, which `write` writes.
    func json(
        status: Int = 200, revision: Revision, traits: RequestTraits, context: AnswerContext,
        _ write: (inout JSONWriter) -> Void
    ) -> HTTP.Response {
        var json = JSONWriter(pretty: traits.flags.contains(.pretty))
        write(&json)
        json.lineEnd()
        var response = HTTP.Response(status: status, contentType: "application/json", body: json.take())
        response.addField("Cache-Control", "no-store" as StaticString)
        addContext(to: &response, revision: revision, traits: traits, context: context)
        return response
    }

    /// An answer of plain text.
    func text(
        _ text: String, status: Int = 200, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        var response = HTTP.Response(
            status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
        response.addField("X-Content-Type-Options", "nosniff" as StaticString)
        response.addField("Cache-Control", "no-store" as StaticString)
        addContext(to: &response, revision: context.revision, traits: traits, context: context)
        return response
    }

    /// Adds the entity tag of a revision.
    func addTag(_ revision: Revision, to response: inout HTTP.Response) {
        response.addField("ETag", "\"" + String(revision.rawValue) + "\"")
    }

    /// Writes a key with everything that is known of it, as a member or an element.
    func write(_ item: Item, named name: String? = nil, to json: inout JSONWriter) {
        if let name { json.name(name) }
        json.beginObject()
        json.bytesField("key", item.key)
        json.bytesField("value", item.value)
        json.field("revision", item.modRevision.rawValue)
        json.field("create_revision", item.createRevision.rawValue)
        json.field("version", item.version)
        if let lease = item.lease { json.field("lease", lease) }
        json.endObject()
    }

    /// Writes a key of a list.
    func write(_ row: Row, withValue: Bool, to json: inout JSONWriter) {
        json.beginObject()
        json.bytesField("key", row.key)
        if withValue { json.bytesField("value", row.value) }
        json.field("revision", row.modRevision.rawValue)
        json.field("create_revision", row.createRevision.rawValue)
        json.field("version", row.version)
        if let lease = row.lease { json.field("lease", lease) }
        json.endObject()
    }
}

/// Appends a number in decimal.
func appendDecimal(_ number: UInt64, to output: inout [UInt8]) {
    let start = output.count
    var rest = number
    repeat {
        output.append(48 + UInt8(rest % 10))
        rest /= 10
    } while rest > 0
    output[start...].reverse()
}

/// Appends the text of a literal.
func append(_ text: StaticString, to output: inout [UInt8]) {
    // Safe: a static string's storage is constant and has this length.
    unsafe output.append(
        contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

/// Whether bytes are printable ASCII that means nothing to JSON.
func isPlain(_ bytes: [UInt8]) -> Bool {
    for byte in bytes where byte &- 32 >= 95 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        return false
    }
    return true
}
