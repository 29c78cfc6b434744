// How much history the cluster keeps.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// `GET /compaction`.
    func planCompaction(_ asked: Asked) throws(Problem) -> Plan {
        .read(
            ReadPlan(
                target: .compaction, freshness: try freshness(asked.parameters), wait: nil,
                traits: asked.traits))
    }

    /// `PATCH /compaction?max_revisions=1000`: what is not named stays as it is.
    func planChangeCompaction(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        var command = HistoryCommand()
        if let value = parameters[.maxAge] {
            guard let span = parseSpan(value), HistoryBounds.ages.contains(span.milliseconds) else {
                throw Problem(
                    .badDuration, "max_age is a length of time from 0 to 87600h, not '\(readable(value))'"
                ).with("parameter", .text("max_age"))
            }
            command.maximumAge = span.milliseconds
        }
        command.minimumRevisions = try parameters.number(.minRevisions, in: HistoryBounds.revisions)
        command.maximumRevisions = try parameters.number(.maxRevisions, in: HistoryBounds.revisions)
        command.maximumBytes = try parameters.number(.maxBytes, in: HistoryBounds.bytes)
        guard !command.isEmpty else {
            throw Problem(
                .badRequest,
                "nothing is to be changed: give max_age, min_revisions, max_revisions or max_bytes")
        }
        return .write(try write(.operation(.coordinate(.history(command))), .compaction, asked))
    }

    /// The answer to a change of how much history is kept.
    func render(
        _ bounds: HistoryBounds, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        answer(plan, revision: context.revision, context: context) { json in write(bounds, to: &json) }
    }

    /// How much history is kept, and how much there is.
    func renderCompaction(
        _ keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            write(keyspace.historyBounds, to: &json)
            json.field("revision", keyspace.revision.rawValue)
            json.field("compact_revision", keyspace.compactRevision.rawValue)
            if let oldest = keyspace.oldestTime { json.field("oldest_time", oldest.rfc3339) }
            json.field("time", keyspace.lastTime.rfc3339)
            json.field("changes", keyspace.changeCount)
            json.field("old_versions", keyspace.historyCount)
            json.field("old_bytes", keyspace.historyBytes)
            json.endObject()
        }
    }

    private func write(_ bounds: HistoryBounds, to json: inout JSONWriter) {
        json.name("history")
        json.beginObject()
        json.field("max_age_ms", bounds.maximumAge)
        json.field("min_revisions", bounds.minimumRevisions)
        json.field("max_revisions", bounds.maximumRevisions)
        json.field("max_bytes", bounds.maximumBytes)
        json.endObject()
    }
}
