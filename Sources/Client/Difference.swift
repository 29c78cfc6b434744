public import JSON

/// One page of what is different between two revisions.
public struct DifferencePage: Sendable {
    /// The differences, in the order of their keys, as the node told them.
    public var items: [JSONValue]
    /// Where the next page begins; nil after the last one.
    public var next: String?
    /// The node's answer as it came.
    public var body: [UInt8]
}

extension ClusterClient {
    /// One page of what is different about the keys that begin with `prefix`. `from` and `to` are revisions
    /// or instants (RFC 3339), `to` is now if it is nil; `cursor` is the page before's
    /// ``DifferencePage/next``, and stands for both of them.
    public mutating func difference(
        prefix: [UInt8], from: String, to: String?, keysOnly: Bool, limit: Int, cursor: String? = nil
    ) throws(ClientError) -> DifferencePage {
        var query: [(name: String, value: String?)] = [("limit", "\(limit)")]
        if keysOnly { query.append(("keys", nil)) }
        if let cursor {
            query.append(("cursor", cursor))
        } else {
            query.append(("from", from))
            if let to { query.append(("to", to)) }
        }
        var call = Call("GET", "", query: query)
        // Prefixes are bytes, and need not be text.
        call = Call("GET", "/diff" + call.target + "&prefix=" + percentEncoded(prefix))
        let answer = try succeed(call)
        let json = try answer.json()
        guard let items = json.items("items") else { throw .malformed("no items", answer.endpoint) }
        return DifferencePage(items: items, next: json.text("next"), body: answer.body)
    }
}
