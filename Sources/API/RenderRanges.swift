// Answers to lists of keys.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func render(
        _ query: RangeQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext,
        mayWait: Bool
    ) -> ReadAnswer {
        if let after = query.after, !isNews(query.range, after: after, keyspace: keyspace) {
            if mayWait { return .wait }
            var response = HTTP.Response(status: 304)
            addContext(to: &response, revision: keyspace.revision, traits: traits, context: context)
            return .answer(response)
        }
        let revision = query.revision ?? keyspace.revision
        if query.content == .count {
            switch keyspace.countKeys(in: query.range, at: query.revision) {
            case .failure(let error): return .answer(render(error, traits: traits, context: context))
            case .success(let count):
                return .answer(
                    json(revision: revision, traits: traits, context: context) { json in
                        json.beginObject()
                        json.field("revision", revision.rawValue)
                        json.field("count", count)
                        json.endObject()
                    })
            }
        }
        let isPlain = query.sort == .key && !query.descending && query.delimiter == nil
        if traits.flags.contains(.lines), query.limit == nil, isPlain {
            return stream(query, revision: revision, keyspace: keyspace, traits: traits, context: context)
        }
        do throws(Problem) {
            let listing = try Listing(query, keyspace: keyspace, limits: settings.limits)
            return .answer(
                render(listing, query, revision: revision, traits: traits, context: context))
        } catch {
            return .answer(problem(error, traits: traits, context: context))
        }
    }

    /// Whether any key of the range was written or deleted after the revision.
    private func isNews(_ range: KeyRange, after: Revision, keyspace: borrowing Keyspace) -> Bool {
        var found = false
        let result = keyspace.changes(since: after) { change in
            found = change.row.withKeyIn(range)
            return !found
        }
        // If the history is gone, nobody can tell, and the client is better told.
        if case .failure = result { return after < keyspace.revision }
        return found
    }

    private func render(
        _ listing: Listing, _ query: RangeQuery, revision: Revision, traits: RequestTraits,
        context: AnswerContext
    ) -> HTTP.Response {
        let next = listing.next.map {
            CursorPosition(revision: revision, place: $0).token(for: query.fingerprint)
        }
        var response: HTTP.Response
        if traits.flags.contains(.lines) {
            response = lineHead(revision: revision, traits: traits, context: context)
            var json = JSONWriter(capacity: 64 * listing.rows.count)
            for row in listing.rows {
                write(row, withValue: query.content == .items, to: &json)
                json.lineEnd()
            }
            for prefix in listing.commonPrefixes {
                json.beginObject()
                json.bytesField("common_prefix", prefix)
                json.endObject()
                json.lineEnd()
            }
            response.body = json.take()
        } else {
            response = json(revision: revision, traits: traits, context: context) { json in
                write(listing, query, revision: revision, next: next, to: &json)
            }
        }
        if let next { response.addField("Link", query.link.next(next)) }
        return response
    }

    private func write(
        _ listing: Listing, _ query: RangeQuery, revision: Revision, next: String?, to json: inout JSONWriter
    ) {
        json.beginObject()
        json.field("revision", revision.rawValue)
        json.field("count", listing.rows.count + listing.commonPrefixes.count)
        json.name("items")
        json.beginArray()
        for row in listing.rows { write(row, withValue: query.content == .items, to: &json) }
        json.endArray()
        if query.delimiter != nil {
            json.name("common_prefixes")
            json.beginArray()
            for prefix in listing.commonPrefixes { json.bytesElement(prefix) }
            json.endArray()
        }
        if let next { json.field("next", next) }
        json.endObject()
    }

    private func lineHead(
        revision: Revision, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        var response = HTTP.Response(status: 200, contentType: "application/x-ndjson", body: [])
        response.addField("X-Content-Type-Options", "nosniff" as StaticString)
        response.addField("Cache-Control", "no-store" as StaticString)
        addContext(to: &response, revision: revision, traits: traits, context: context)
        return response
    }

    private func stream(
        _ query: RangeQuery, revision: Revision, keyspace: borrowing Keyspace, traits: RequestTraits,
        context: AnswerContext
    ) -> ReadAnswer {
        if let wanted = query.revision, case .failure(let error) = keyspace.row([0], at: wanted) {
            return .answer(render(error, traits: traits, context: context))
        }
        var after: [UInt8]?
        if case .key(let key)? = query.position?.place { after = key }
        let head = lineHead(revision: revision, traits: traits, context: context)
        let lines = RangeLines(
            api: self, keyspace: copy keyspace, range: query.range, revision: query.revision, after: after,
            since: query.since, withValues: query.content == .items)
        return .stream(head, lines)
    }
}

extension Row {
    /// Whether the key is in a range, without a copy of it.
    func withKeyIn(_ range: KeyRange) -> Bool {
        unsafe withKey { key in unsafe range.contains(key) }
    }
}

extension JSONWriter {
    /// Bytes as an element of a list: text if they are UTF-8, else an object with their base 64.
    mutating func bytesElement(_ bytes: [UInt8]) {
        if let text = String(validating: bytes, as: UTF8.self) { return string(text) }
        beginObject()
        bytesField("prefix", bytes)
        endObject()
    }
}

/// The lines of a long list, made a part at a time from one state of the store, however long that takes.
public struct RangeLines: Sendable {
    private let api: NativeAPI
    private let keyspace: Keyspace
    private let range: KeyRange
    private let revision: Revision?
    private let since: Revision?
    private let withValues: Bool
    private var after: [UInt8]?
    private var isDone = false

    init(
        api: NativeAPI, keyspace: Keyspace, range: KeyRange, revision: Revision?, after: [UInt8]?,
        since: Revision?,
        withValues: Bool
    ) {
        self.api = api
        self.keyspace = keyspace
        self.range = range
        self.revision = revision
        self.after = after
        self.since = since
        self.withValues = withValues
    }

    /// The next lines, about `bytes` of them (one line at least); nil when all were given.
    public mutating func next(atLeast bytes: Int = 64 << 10) -> [UInt8]? {
        if isDone { return nil }
        var json = JSONWriter(capacity: bytes + 1024)
        var last: Row?
        var isCut = false
        let result = keyspace.forEach(in: range, at: revision, after: after, withValues: withValues) {
            row in
            last = row
            if let since, row.modRevision <= since { return true }
            api.write(row, withValue: withValues, to: &json)
            json.lineEnd()
            isCut = json.bytes.count >= bytes
            return !isCut
        }
        if case .failure(let error) = result {
            isDone = true
            return line(error)
        }
        after = last?.key ?? after
        isDone = !isCut
        let lines = json.take()
        return lines.isEmpty ? nil : lines
    }

    /// A failure in the middle, as the last line. The state is held, so only its own limits can bring it
    /// about.
    private func line(_ error: ReadError) -> [UInt8] {
        let problem =
            switch error {
            case .compacted(let compact, let current): NativeAPI.compacted(compact, current)
            case .future(let current): NativeAPI.future(current)
            }
        var json = JSONWriter()
        json.beginObject()
        json.name("error")
        api.write(problem, context: nil, to: &json)
        json.endObject()
        json.lineEnd()
        return json.take()
    }
}
