import JSON
import Primitives

// The form is described in Format.md.

extension History {
    /// The file form: JSON lines.
    public func encode() -> [UInt8] {
        var writer = JSONWriter(capacity: 200 * operations.count + 100)
        writer.beginObject()
        writer.field("parley_history", 1)
        writer.field("exclusive", isExclusive)
        writer.field("start_revision", startRevision)
        writer.endObject()
        writer.lineEnd()
        for operation in operations {
            operation.encode(into: &writer)
            writer.lineEnd()
        }
        return writer.take()
    }
}

extension HistoryOperation {
    fileprivate func encode(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("id", id)
        writer.field("client", client)
        if let node { writer.field("node", node) }
        writer.field("invoked", invoked)
        action.encode(into: &writer)
        if let returned { writer.field("returned", returned) }
        switch outcome {
        case .ok(let answer, let revision):
            writer.field("outcome", "ok")
            if let revision { writer.field("at", revision) }
            writer.name("answer")
            writer.beginObject()
            answer.encode(into: &writer)
            writer.endObject()
        case .failed(let reason): encode("failed", reason, into: &writer)
        case .unknown(let reason): encode("unknown", reason, into: &writer)
        }
        writer.endObject()
    }

    private func encode(_ outcome: String, _ reason: String, into writer: inout JSONWriter) {
        writer.field("outcome", outcome)
        if !reason.isEmpty { writer.field("reason", reason) }
    }
}

extension HistoryOperation.Action {
    /// The name of the operation in the file and for people.
    var name: String {
        switch self {
        case .get: "get"
        case .list: "list"
        case .put: "put"
        case .delete: "delete"
        case .deleteRange: "delete_range"
        case .increment: "increment"
        case .batch: "batch"
        case .transaction: "transaction"
        }
    }

    func encode(into writer: inout JSONWriter) {
        writer.field("op", name)
        switch self {
        case .get(let key, let freshness):
            writer.bytesField("key", key)
            freshness.encode(into: &writer)
        case .list(let selection, let freshness):
            selection.encode(into: &writer)
            freshness.encode(into: &writer)
        case .put(let key, let value, let condition):
            writer.bytesField("key", key)
            writer.bytesField("value", value)
            condition?.encode(into: &writer)
        case .delete(let key, let condition, let mustExist):
            writer.bytesField("key", key)
            condition?.encode(into: &writer)
            if mustExist { writer.field("must_exist", true) }
        case .deleteRange(let selection): selection.encode(into: &writer)
        case .increment(let key, let by):
            writer.bytesField("key", key)
            writer.field("by", by)
        case .batch(let puts, let createOnly):
            writer.name("puts")
            writer.beginArray()
            for put in puts {
                writer.beginObject()
                writer.bytesField("key", put.key)
                writer.bytesField("value", put.value)
                writer.endObject()
            }
            writer.endArray()
            if createOnly { writer.field("create_only", true) }
        case .transaction(let transaction, let isDry):
            transaction.encode(into: &writer)
            if isDry { writer.field("dry", true) }
        }
    }
}

extension HistoryOperation.Freshness {
    fileprivate func encode(into writer: inout JSONWriter) {
        switch self {
        case .linearizable: break
        case .stale: writer.field("consistency", "stale")
        case .at(let revision): writer.field("rev", revision)
        }
    }
}

extension HistoryOperation.Condition {
    fileprivate func encode(into writer: inout JSONWriter) {
        switch self {
        case .revision(let revision): writer.field("if_revision", revision)
        case .absent: writer.field("if_absent", true)
        case .exists: writer.field("if_exists", true)
        case .value(let value): writer.bytesField("if_value", value)
        }
    }
}

extension KeySelection {
    func encode(into writer: inout JSONWriter) {
        switch self {
        case .prefix(let prefix): writer.bytesField("prefix", prefix)
        case .range(let start, let end):
            writer.bytesField("start", start)
            if let end { writer.bytesField("end", end) }
        }
    }
}

extension HistoryOperation.Answer {
    func encode(into writer: inout JSONWriter) {
        switch self {
        case .absent: writer.field("absent", true)
        case .found(let sighting): sighting.encode(into: &writer)
        case .items(let items):
            writer.name("items")
            writer.beginArray()
            for item in items {
                writer.beginObject()
                writer.bytesField("key", item.key)
                item.sighting.encode(into: &writer)
                writer.endObject()
            }
            writer.endArray()
        case .written(let revision, let createRevision, let version):
            if let revision { writer.field("revision", revision) }
            if let createRevision { writer.field("create_revision", createRevision) }
            if let version { writer.field("version", version) }
        case .deleted(let count, let revision):
            writer.field("deleted", count)
            if let revision { writer.field("revision", revision) }
        case .incremented(let value, let revision, let version):
            writer.field("value", value)
            if let revision { writer.field("revision", revision) }
            if let version { writer.field("version", version) }
        case .batch(let results):
            writer.name("puts")
            writer.beginArray()
            for result in results {
                switch result {
                case .written(let revision?): writer.number(revision)
                case .written(nil): writer.null()
                case .exists: writer.string("exists")
                }
            }
            writer.endArray()
        case .transaction(let answer, let revision):
            answer.encode(into: &writer)
            if let revision { writer.field("revision", revision) }
        case .refused(let refusal): refusal.encode(into: &writer)
        }
    }
}

extension HistoryOperation.Sighting {
    fileprivate func encode(into writer: inout JSONWriter) {
        if let value { writer.bytesField("value", value) }
        if let revision { writer.field("revision", revision) }
        if let createRevision { writer.field("create_revision", createRevision) }
        if let version { writer.field("version", version) }
    }
}

extension HistoryOperation.Refusal {
    fileprivate func encode(into writer: inout JSONWriter) {
        switch self {
        case .condition(let current):
            writer.field("refused", "condition")
            switch current {
            case .untold: break
            case .absent:
                writer.name("current")
                writer.null()
            case .revision(let revision): writer.field("current", revision)
            }
        case .notFound: writer.field("refused", "not_found")
        case .notAnInteger: writer.field("refused", "not_an_integer")
        case .overflow: writer.field("refused", "overflow")
        case .conditions(let failed):
            writer.field("refused", "conditions")
            if !failed.isEmpty { HistoryOperation.encode(failed, into: &writer) }
        case .step(let place, let reason):
            writer.field("refused", "step")
            writer.name("at")
            writer.beginArray()
            for index in place { writer.number(index) }
            writer.endArray()
            writer.field("why", reason.rawValue)
        }
    }
}
