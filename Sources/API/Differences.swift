// The difference of a range of keys between two revisions.

import HTTP
import JSON
import Primitives
import Store

/// What is different between two revisions.
public struct DifferenceQuery: Sendable {
    let range: KeyRange
    let from: Moment
    /// Nil: now.
    let to: Moment?
    let limit: Int
    /// Only keys after this one.
    let after: [UInt8]?
    let withValues: Bool
    let link: PageLink

    /// Equal for pages of one list.
    static func fingerprint(_ range: KeyRange, withValues: Bool) -> UInt64 {
        var writer = ByteWriter()
        writer.string("diff")
        writer.sized(range.start)
        writer.bool(range.end != nil)
        writer.sized(range.end ?? [])
        writer.bool(withValues)
        return fnv1a(writer.bytes)
    }
}

extension NativeAPI {
    /// `GET /diff?prefix=a/&from=17&to=42`.
    func planDifference(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let range = try range(parameters).range
        let withValues = try !parameters.flag(.keys)
        var (from, to) = (try parameters.moment(.from), try parameters.moment(.to))
        var after: [UInt8]?
        if let cursor = parameters[.cursor] {
            try parameters.refuse(.from, .to, with: .cursor)
            let fingerprint = DifferenceQuery.fingerprint(range, withValues: withValues)
            guard let position = CursorPosition(cursor, of: fingerprint),
                case .difference(let start, let key) = position.place
            else {
                throw parameters.bad(.cursor, cursor, "is what the next member of the same difference said")
            }
            (from, to, after) = (.revision(start), .revision(position.revision), key)
        }
        guard let from else {
            throw Problem(
                .badRequest, "a difference needs from, a revision or an instant; to is now unless given"
            ).with("parameter", .text("from"))
        }
        let query = DifferenceQuery(
            range: range, from: from, to: to, limit: try limit(parameters) ?? settings.limits.pageCount,
            after: after, withValues: withValues, link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .difference(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    func render(
        _ query: DifferenceQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        do throws(Problem) {
            let to = try query.to.map { (to) throws(Problem) in
                try revision(to, of: .to, keyspace, context)
            }
            let end = to ?? keyspace.revision
            let start = try revision(query.from, of: .from, keyspace, context)
            guard start <= end else {
                throw Problem(.badRequest, "from is revision \(start), which is after to, revision \(end)")
                    .with("parameter", .text("from"))
            }
            let page = try keyspace.differences(
                in: query.range, from: start, to: end, limit: query.limit, after: query.after
            ).orProblem()
            let times = (keyspace.time(of: start), keyspace.time(of: end))
            return render(page, query, (start, times.0), (end, times.1), traits: traits, context: context)
        } catch {
            return problem(error, traits: traits, context: context)
        }
    }

    private func render(
        _ page: DifferencePage, _ query: DifferenceQuery, _ from: (revision: Revision, time: WallTime?),
        _ to: (revision: Revision, time: WallTime?), traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        var next: String?
        if page.more, let last = page.items.last {
            next = CursorPosition(
                revision: to.revision, place: .difference(from: from.revision, after: last.key)
            ).token(for: DifferenceQuery.fingerprint(query.range, withValues: query.withValues))
        }
        var response = json(revision: to.revision, traits: traits, context: context) { json in
            json.beginObject()
            json.field("from", from.revision.rawValue)
            if let time = from.time { json.field("from_time", time.rfc3339) }
            json.field("to", to.revision.rawValue)
            if let time = to.time { json.field("to_time", time.rfc3339) }
            json.field("revision", to.revision.rawValue)
            json.field("count", page.items.count)
            json.name("items")
            json.beginArray()
            for item in page.items { write(item, withValues: query.withValues, to: &json) }
            json.endArray()
            if let next { json.field("next", next) }
            json.endObject()
        }
        if let next { response.addField("Link", query.link.next(next)) }
        return response
    }

    private func write(_ item: Difference, withValues: Bool, to json: inout JSONWriter) {
        json.beginObject()
        json.field("type", item.kind.rawValue)
        json.bytesField("key", item.key)
        json.field("revision", item.revision.rawValue)
        if let time = item.time { json.field("time", time.rfc3339) }
        if let new = item.new { writeVersion(new, withValue: withValues, to: &json) }
        if let old = item.old {
            json.name("old")
            json.beginObject()
            json.field("revision", old.modRevision.rawValue)
            writeVersion(old, withValue: withValues, to: &json)
            json.endObject()
        }
        json.endObject()
    }

    private func writeVersion(_ row: Row, withValue: Bool, to json: inout JSONWriter) {
        json.field("create_revision", row.createRevision.rawValue)
        json.field("version", row.version)
        if let lease = row.lease { json.field("lease", lease) }
        if withValue { json.bytesField("value", row.value) }
    }
}
