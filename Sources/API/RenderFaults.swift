// What is told of faults.

import Faults
public import HTTP
import JSON
import Primitives

extension NativeAPI {
    /// The answer to something about faults: the list, or what became of a change.
    public func render(fault plan: FaultPlan, status: FaultStatus, context: AnswerContext) -> HTTP.Response {
        let code = status.isNew ? 201 : 200
        return json(status: code, revision: context.revision, traits: plan.traits, context: context) { json in
            json.beginObject()
            switch plan.action {
            case .list:
                json.name("items")
                json.beginArray()
                for item in status.items {
                    json.beginObject()
                    writeFields(of: item, to: &json)
                    write(hits: item.hits, to: &json)
                    json.endObject()
                }
                json.endArray()
                write(hits: status.total, to: &json)
            case .heal:
                json.field("healed", status.healed)
                writeReach(status, to: &json)
            case .link, .groups, .oneWay, .pause:
                if let item = status.items.first { writeFields(of: item, to: &json) }
                writeReach(status, to: &json)
            }
            json.endObject()
        }
    }

    private func writeReach(_ status: FaultStatus, to json: inout JSONWriter) {
        json.field("applied_on", status.appliedOn)
        json.field("unreachable", status.unreachable)
        json.field("refused", status.refused)
    }

    private func writeFields(of item: FaultStatus.Item, to json: inout JSONWriter) {
        json.field("id", item.id)
        switch item.kind {
        case .link(let from, let to, let effect):
            json.field("kind", "link")
            json.field("from", from)
            json.field("to", to)
            write(effect, to: &json)
        case .groups(let groups, let bridge):
            json.field("kind", "partition")
            json.name("groups")
            json.beginArray()
            for group in groups {
                json.beginArray()
                for name in group { json.string(name) }
                json.endArray()
            }
            json.endArray()
            json.field("bridge", bridge)
        case .oneWay(let from, let to):
            json.field("kind", "one_way")
            json.field("from", from)
            json.field("to", to)
        case .pause(let node):
            json.field("kind", "pause")
            json.field("node", node)
        }
        json.field("expires_at", item.expires.rfc3339)
        json.field("expires_in_ms", max(0, item.left.milliseconds))
    }

    private func write(_ effect: LinkEffect, to json: inout JSONWriter) {
        json.field("drop", effect.drop)
        if let delay = effect.delay {
            json.name("delay_ms")
            json.beginObject()
            json.field("min", Double(delay.least.microseconds) / 1000)
            json.field("max", Double(delay.greatest.microseconds) / 1000)
            json.field("dist", delay.distribution.rawValue)
            json.endObject()
        }
        json.field("duplicate", effect.duplicate)
        json.field("reorder", effect.reorder)
        json.field("block", effect.blocks)
        json.field("seed", effect.seed)
    }

    private func write(hits: FaultHits, to json: inout JSONWriter) {
        json.name("hits")
        json.beginObject()
        json.field("seen", hits.seen)
        for (kind, count) in hits.byKind { json.field(kind, count) }
        json.endObject()
    }

    /// Writes what `/state` and `/health` tell of the faults that act.
    func write(faults: FaultStatus, to json: inout JSONWriter) {
        json.name("faults")
        json.beginObject()
        json.field("active", faults.items.count)
        json.field("ids", faults.items.map(\.id))
        write(hits: faults.total, to: &json)
        json.endObject()
    }
}
