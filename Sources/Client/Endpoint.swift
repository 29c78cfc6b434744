/// A node as a client reaches it: the part of a URL before the path, without a trailing slash.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// As in `http://127.0.0.1:7071`.
    public let url: String

    /// Reads `http://host:port`, `https://host:port` or `host:port`; a path is kept, as in
    /// `http://proxy/parley`. Nil if there is no host, or what can not stand in a URL's beginning.
    public init?(_ text: some StringProtocol) {
        var url = String(text)
        if !url.contains("://") { url = "http://" + url }
        while url.hasSuffix("/") { url.removeLast() }
        let schemes = ["http://", "https://"]
        guard let scheme = schemes.first(where: url.hasPrefix) else { return nil }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        guard Endpoint.isAuthority(authority) else { return nil }
        guard rest.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 35 && $0 != 63 && $0 != 34 }) else {
            return nil
        }
        self.url = url
    }

    /// Reads endpoints separated by commas; an error names the first that can not be one.
    public static func list(_ text: String) -> Result<[Endpoint], InvalidEndpoint> {
        var endpoints: [Endpoint] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let trimmed = part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            let text = String(trimmed)
            guard let endpoint = Endpoint(text) else { return .failure(InvalidEndpoint(text: text)) }
            if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
        }
        return .success(endpoints)
    }

    /// The URL.
    public var description: String { url }

    private static func isAuthority(_ text: Substring) -> Bool {
        var host = text
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            let digits = text[text.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits), port > 0
            else { return false }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { return host.count > 2 }
        return !host.isEmpty && !host.contains(":") && !host.contains("@")
    }
}

/// Text that is no endpoint.
public struct InvalidEndpoint: Error, Sendable, CustomStringConvertible {
    /// What was given.
    public let text: String
    /// One line for a person.
    public var description: String { "\"\(text)\" is not of the form http://host:port" }
}
