// Entity tags of keys (RFC 9110, sections 8.8.3 and 13.1): the tag of a key is its revision in quotes.

import HTTP
public import Primitives

/// What an `If-Match` or `If-None-Match` header names.
public enum EntityTags: Sendable, Equatable {
    /// `*`: whatever is there.
    case any
    /// Revisions. Tags that no key of ours can ever have, such as weak ones, are left out of the list.
    case revisions([Revision])

    /// Whether a key at this revision (nil: absent) is among them.
    func contains(_ revision: Revision?) -> Bool {
        guard let revision else { return false }
        switch self {
        case .any: return true
        case .revisions(let revisions): return revisions.contains(revision)
        }
    }

    /// Reads all lines of one header; nil if there is none. Refuses what is not `*` or a list of tags.
    static func read(_ name: StaticString, of request: HTTP.Request) throws(Problem) -> EntityTags? {
        guard let first = request.field(name) else { return nil }
        let values = request.fields(named: name)
        if values.count == 1, first.count == 1, first.first == UInt8(ascii: "*") { return .any }
        var revisions: [Revision] = []
        for value in values {
            var rest = value
            repeat {
                guard let tag = tag(&rest) else {
                    throw Problem(
                        .badRequest,
                        "\(name) takes * or quoted revisions, as in \"42\", not \(readable(value))")
                }
                if let revision = tag.revision { revisions.append(revision) }
            } while !rest.isEmpty
        }
        return .revisions(revisions)
    }

    /// Takes one tag and the comma after it off the front of a list.
    private static func tag(_ rest: inout ArraySlice<UInt8>) -> (revision: Revision?, ())? {
        let isWeak = rest.starts(with: [UInt8(ascii: "W"), UInt8(ascii: "/")])
        if isWeak { rest = rest.dropFirst(2) }
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        rest = rest.dropFirst()
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        let opaque = rest[..<end]
        guard opaque.allSatisfy({ $0 > 32 && $0 != 127 }) else { return nil }
        rest = rest[(end + 1)...].drop { $0 == 32 || $0 == 9 }
        if !rest.isEmpty {
            guard rest.first == UInt8(ascii: ",") else { return nil }
            rest = rest.dropFirst().drop { $0 == 32 || $0 == 9 }
            guard !rest.isEmpty else { return nil }
        }
        let isCanonical = opaque.first != UInt8(ascii: "0") || opaque.count == 1
        return (isWeak || !isCanonical ? nil : decimal(opaque).map { Revision($0) }, ())
    }
}
