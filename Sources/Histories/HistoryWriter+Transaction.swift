import JSON
import Primitives

// The form is described in Format.md.

extension HistoryOperation.Transaction {
    func encode(into writer: inout JSONWriter) {
        writer.name("if")
        writer.beginArray()
        for condition in conditions {
            writer.beginObject()
            condition.encode(into: &writer)
            writer.endObject()
        }
        writer.endArray()
        encode("then", then, into: &writer)
        if let otherwise { encode("else", otherwise, into: &writer) }
    }

    private func encode(_ name: String, _ steps: [Step], into writer: inout JSONWriter) {
        writer.name(name)
        writer.beginArray()
        for step in steps {
            writer.beginObject()
            step.action.encode(into: &writer)
            if case .list(_, let limit) = step { writer.field("limit", limit) }
            writer.endObject()
        }
        writer.endArray()
    }
}

extension HistoryOperation.Transaction.Step {
    /// The operation that is like it, whose form it has.
    var action: HistoryOperation.Action {
        switch self {
        case .put(let key, let value): .put(key, value: value)
        case .delete(let key): .delete(key)
        case .deleteRange(let selection): .deleteRange(selection)
        case .increment(let key, let by): .increment(key, by: by)
        case .get(let key): .get(key)
        case .list(let selection, _): .list(selection)
        case .transaction(let transaction): .transaction(transaction)
        }
    }
}

extension HistoryOperation.Transaction.Condition {
    fileprivate func encode(into writer: inout JSONWriter) {
        switch self {
        case .value(let key, let relation, let value):
            writer.bytesField("key", key)
            writer.field("of", "value")
            writer.field("is", relation.rawValue)
            writer.bytesField("value", value)
        case .number(let key, let property, let relation, let number):
            writer.bytesField("key", key)
            writer.field("of", property.rawValue)
            writer.field("is", relation.rawValue)
            writer.field("number", number)
        case .count(let selection, let relation, let number):
            selection.encode(into: &writer)
            writer.field("of", "count")
            writer.field("is", relation.rawValue)
            writer.field("number", number)
        }
    }
}

extension HistoryOperation.TransactionAnswer {
    func encode(into writer: inout JSONWriter) {
        writer.field("succeeded", succeeded)
        writer.name("results")
        writer.beginArray()
        for result in results {
            writer.beginObject()
            result.encode(into: &writer)
            writer.endObject()
        }
        writer.endArray()
        if !failed.isEmpty { HistoryOperation.encode(failed, into: &writer) }
    }
}

extension HistoryOperation {
    static func encode(_ failed: [FailedCondition], into writer: inout JSONWriter) {
        writer.name("failed")
        writer.beginArray()
        for condition in failed {
            writer.beginObject()
            writer.field("index", condition.index)
            if let found = condition.found { writer.field("found", found) }
            if let revision = condition.revision { writer.field("revision", revision) }
            writer.endObject()
        }
        writer.endArray()
    }
}
