// Opaque page tokens (AIP-158). A token holds the revision that all pages of a list are read at, the place to
// go on from, and a fingerprint of the list, so that it can't be used for another one.

import HTTP
import Primitives
import Store

/// Where the next page of a list begins.
struct CursorPosition: Sendable, Equatable {
    enum Place: Sendable, Equatable {
        /// After this key, in the order of the keys.
        case key([UInt8])
        /// After so many entries, in any other order.
        case offset(Int)
        /// After this revision of a key's history.
        case history(Revision)
        /// After this key, in what is different from a revision.
        case difference(from: Revision, after: [UInt8])
    }

    /// The revision of the first page; 0 for a history without an end, which only grows.
    let revision: Revision
    let place: Place

    /// Whether this place can stand in such a list.
    func fits(_ query: RangeQuery) -> Bool {
        switch place {
        case .key: query.sort == .key
        case .offset: query.sort != .key
        case .history, .difference: false
        }
    }
}

extension CursorPosition {
    private static let version: UInt8 = 1

    /// Reads a token that was made for the list with this fingerprint; nil for anything else.
    init?(_ token: [UInt8], of fingerprint: UInt64) {
        var text: [UInt8] = token.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "+") : $0 }
        text = text.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "/") : $0 }
        while text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
        guard let bytes = Base64.decode(text) else { return nil }
        var reader = ByteReader(bytes)
        do {
            guard try reader.byte() == Self.version else { return nil }
            guard try reader.fixed(UInt64.self) == fingerprint else { return nil }
            revision = try reader.counter()
            switch try reader.byte() {
            case 0: place = .key(Array(try reader.sized()))
            case 1: place = .offset(try reader.count())
            case 2: place = .history(try reader.counter())
            case 3: place = .difference(from: try reader.counter(), after: Array(try reader.sized()))
            default: return nil
            }
            try reader.expectEnd()
        } catch { return nil }
    }

    /// The token, in the URL-safe alphabet of base 64 without padding (RFC 4648, section 5).
    func token(for fingerprint: UInt64) -> String {
        var writer = ByteWriter(capacity: 32)
        writer.byte(Self.version)
        writer.fixed(fingerprint)
        writer.counter(revision)
        switch place {
        case .key(let key):
            writer.byte(0)
            writer.sized(key)
        case .offset(let count):
            writer.byte(1)
            writer.varint(UInt64(count))
        case .history(let revision):
            writer.byte(2)
            writer.counter(revision)
        case .difference(let from, let key):
            writer.byte(3)
            writer.counter(from)
            writer.sized(key)
        }
        var text: [UInt8] = []
        Base64.encode(writer.bytes, into: &text)
        return String(
            decoding: text.compactMap { byte -> UInt8? in
                switch byte {
                case UInt8(ascii: "+"): UInt8(ascii: "-")
                case UInt8(ascii: "/"): UInt8(ascii: "_")
                case UInt8(ascii: "="): nil
                default: byte
                }
            }, as: UTF8.self)
    }
}

extension RangeQuery {
    /// Equal for pages of one list.
    var fingerprint: UInt64 {
        var writer = ByteWriter()
        writer.sized(range.start)
        writer.bool(range.end != nil)
        writer.sized(range.end ?? [])
        writer.bool(delimiter != nil)
        writer.sized(delimiter ?? [])
        writer.string(sort.rawValue)
        writer.bool(descending)
        writer.varint(since?.rawValue ?? 0)
        return fnv1a(writer.bytes)
    }
}

/// What the link to the next page is made of: the request's own path and query, with another cursor.
struct PageLink: Sendable {
    private let path: [UInt8]
    private let query: [UInt8]

    /// Parameters that the cursor stands for.
    private static let replaced = ["cursor=", "rev=", "at=", "from=", "to="]

    init(_ request: HTTP.Request) {
        path = request.path
        query = request.query
    }

    /// The value of a `Link` header (RFC 8288) that leads to the page that `cursor` stands for.
    func next(_ cursor: String) -> String {
        let kept = query.split(separator: UInt8(ascii: "&")).filter { part in
            !Self.replaced.contains { part.starts(with: $0.utf8) }
        }
        var target = path + [UInt8(ascii: "?")]
        for part in kept { target += part + [UInt8(ascii: "&")] }
        // Brackets of the path or query would end the link too early.
        let link = String(decoding: target, as: UTF8.self).replacing("<", with: "%3C").replacing(
            ">", with: "%3E")
        return "<\(link)cursor=\(cursor)>; rel=\"next\""
    }
}
