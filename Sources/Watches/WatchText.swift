// The bytes of a stream. All that a client sees of a watch but its errors is written here.

public import JSON
import Primitives
import Store

/// Some changes of one revision that belong together on one stream, each with the place of the range that it
/// was found in.
struct Selection: Hashable, Sendable {
    struct Hit: Hashable, Sendable {
        var part: Int
        /// The change's place in the store's log.
        var place: Int
    }

    /// In the order of ranges, then of keys.
    var hits: [Hit] = []
    /// Whether more of the same revision follows in another piece.
    var more = false
}

enum WatchText {
    /// Some changes of one revision as lines, one for each range that has any. All but the last say that
    /// there is more, so that a client that saw the last one has seen the whole revision.
    static func lines(
        _ selection: Selection, of revision: Revision, for filter: WatchFilter, in keyspace: Keyspace
    ) -> [UInt8] {
        var output: [UInt8] = []
        var rest = selection.hits[...]
        while let first = rest.first {
            let end = rest.firstIndex { $0.part != first.part } ?? rest.endIndex
            let part = filter.parts[first.part]
            let hits = rest[rest.startIndex..<end]
            rest = rest[end...]
            let more = selection.more || !rest.isEmpty
            let time = keyspace.change(at: first.place).time
            line("change", id: more ? nil : revision, filter.format, to: &output) { json in
                head(revision, time, part.id, to: &json)
                json.name("events")
                json.beginArray()
                for hit in hits { event(at: hit.place, of: part, in: keyspace, to: &json) }
                json.endArray()
                if more { json.field("more", true) }
            }
        }
        return output
    }

    /// The end of a revision whose last changes did not concern a stream that had been told there was more.
    static func end(of revision: Revision, for filter: WatchFilter) -> [UInt8] {
        var output: [UInt8] = []
        line("change", id: revision, filter.format, to: &output) { json in
            head(revision, nil, filter.parts[filter.parts.count - 1].id, to: &json)
            json.name("events")
            json.beginArray()
            json.endArray()
        }
        return output
    }

    /// One change.
    private static func event(
        at place: Int, of part: WatchPart, in keyspace: Keyspace, to json: inout JSONWriter
    ) {
        let change = keyspace.change(at: place)
        json.beginObject()
        json.field("type", change.isDelete ? "delete" : "put")
        json.bytesField("key", change.row.key)
        if !change.isDelete {
            if !part.isKeysOnly { json.bytesField("value", change.row.value) }
            json.field("create_revision", change.row.createRevision)
            json.field("version", change.row.version)
            if let lease = change.row.lease { json.field("lease", lease) }
        } else {
            json.field("cause", change.row.lease.map { "lease:\($0)" } ?? "user")
        }
        if part.withPrevious, let previous = keyspace.previousRow(at: place) {
            json.name("prev")
            item(previous, withValue: !part.isKeysOnly, to: &json)
        }
        json.endObject()
    }

    /// A part of the items that a stream begins with.
    static func items(
        _ rows: [Row], at revision: Revision, of part: WatchPart, _ format: WatchFormat
    ) -> [UInt8] {
        var output: [UInt8] = []
        line("change", id: nil, format, to: &output) { json in
            head(revision, nil, part.id, to: &json)
            json.name("items")
            json.beginArray()
            for row in rows { item(row, withValue: !part.isKeysOnly, to: &json) }
            json.endArray()
            json.field("snapshot", true)
        }
        return output
    }

    private static func item(_ row: Row, withValue: Bool, to json: inout JSONWriter) {
        json.beginObject()
        json.bytesField("key", row.key)
        if withValue { json.bytesField("value", row.value) }
        json.field("revision", row.modRevision)
        json.field("create_revision", row.createRevision)
        json.field("version", row.version)
        if let lease = row.lease { json.field("lease", lease) }
        json.endObject()
    }

    /// Everything up to a revision was told.
    static func bookmark(
        _ revision: Revision, at wall: WallTime, _ format: WatchFormat, endsSnapshot: Bool = false
    ) -> [UInt8] {
        var output: [UInt8] = []
        line("bookmark", id: revision, format, to: &output) { json in
            json.field("bookmark", revision)
            if endsSnapshot { json.field("snapshot_end", true) }
            json.field("time", wall.rfc3339)
        }
        return output
    }

    /// Nothing that could be a bookmark: the stream begins with a revision that has not come yet.
    static func waiting(for revision: Revision, at wall: WallTime, _ format: WatchFormat) -> [UInt8] {
        guard format == .lines else { return Array(": hb\n\n".utf8) }
        var output: [UInt8] = []
        line("", id: nil, format, to: &output) { json in
            json.field("waiting_for", revision)
            json.field("time", wall.rfc3339)
        }
        return output
    }

    /// The node takes its leave; `revision` is the last one that was told completely.
    static func bye(after revision: Revision?, at wall: WallTime, _ format: WatchFormat) -> [UInt8] {
        var output: [UInt8] = []
        if format == .events { output += Array("retry: 1000\n".utf8) }
        line("bye", id: revision, format, to: &output) { json in
            json.field("bye", "shutting_down")
            if let revision { json.field("bookmark", revision) }
            json.field("time", wall.rfc3339)
        }
        return output
    }

    private static func head(
        _ revision: Revision, _ time: WallTime?, _ id: String?, to json: inout JSONWriter
    ) {
        if let id { json.field("watch", id) }
        json.field("revision", revision)
        if let time { json.field("time", time.rfc3339) }
    }

    private static func line(
        _ event: String, id: Revision?, _ format: WatchFormat, to output: inout [UInt8],
        _ members: (inout JSONWriter) -> Void
    ) {
        if format == .events {
            if let id { output += "id: \(id)\n".utf8 }
            output += "event: \(event)\ndata: ".utf8
        }
        var json = JSONWriter(continuing: output)
        output = []
        object(format, to: &json, members)
        output = json.take()
    }

    static func object(
        _ format: WatchFormat, to json: inout JSONWriter, _ members: (inout JSONWriter) -> Void
    ) {
        json.beginObject()
        members(&json)
        json.endObject()
        json.lineEnd()
        if format == .events { json.lineEnd() }
    }
}

/// One JSON object as a piece of a stream, for those who end streams for reasons of their own.
public func watchLine(
    _ event: String, _ format: WatchFormat, _ members: (inout JSONWriter) -> Void
) -> [UInt8] {
    var json = JSONWriter(
        continuing: format == .events ? Array("event: \(event)\ndata: ".utf8) : [])
    WatchText.object(format, to: &json, members)
    return json.take()
}
