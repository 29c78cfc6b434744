import JSON
import Primitives

extension LineReader {
    /// One operation with all of its members.
    mutating func operation() throws(HistoryError) -> HistoryOperation {
        let id = Int(try need(integer("id"), "id"))
        let client = Int(try need(integer("client"), "client"))
        let node = try text("node")
        let invoked = try need(integer("invoked"), "invoked")
        let returned = try integer("returned")
        if let returned, returned < invoked { throw error("it returned before it was invoked") }
        let action = try self.action()
        let outcome = try self.outcome(action)
        if case .unknown = outcome {} else { _ = try need(returned, "returned") }
        return HistoryOperation(
            id: id, client: client, node: node, action: action, invoked: invoked, returned: returned,
            outcome: outcome)
    }

    // MARK: What was asked

    mutating func action(depth: Int = 1) throws(HistoryError) -> HistoryOperation.Action {
        let name = try need(text("op"), "op")
        switch name {
        case "get": return .get(try key(), try freshness())
        case "list": return .list(try selection(), try freshness())
        case "put": return .put(try key(), value: try need(bytes("value"), "value"), if: try condition())
        case "delete": return .delete(try key(), if: try condition(), mustExist: try flag("must_exist"))
        case "delete_range": return .deleteRange(try selection())
        case "increment": return .increment(try key(), by: try need(integer("by"), "by"))
        case "batch": return .batch(try puts(), createOnly: try flag("create_only"))
        case "transaction": return .transaction(try transaction(depth: depth), dry: try flag("dry"))
        default: throw error("there is no operation \"\(name)\"")
        }
    }

    mutating func key() throws(HistoryError) -> [UInt8] {
        let key = try need(bytes("key"), "key")
        if key.isEmpty { throw error("the key is empty") }
        return key
    }

    private mutating func puts() throws(HistoryError) -> [HistoryOperation.Put] {
        var puts: [HistoryOperation.Put] = []
        for element in try need(elements("puts"), "puts") {
            var put = try LineReader(element, line: line)
            puts.append(
                HistoryOperation.Put(key: try put.key(), value: try put.need(put.bytes("value"), "value")))
            try put.finish()
        }
        if puts.isEmpty { throw error("the batch is empty") }
        return puts
    }

    private mutating func freshness() throws(HistoryError) -> HistoryOperation.Freshness {
        let revision = try counter("rev")
        let consistency = try text("consistency")
        if let revision {
            if consistency != nil { throw error("\"rev\" and \"consistency\" exclude each other") }
            return .at(revision)
        }
        switch consistency {
        case nil, "linearizable": return .linearizable
        case "stale": return .stale
        case let other?: throw error("there is no consistency \"\(other)\"")
        }
    }

    mutating func selection() throws(HistoryError) -> KeySelection {
        let prefix = try bytes("prefix")
        let start = try bytes("start")
        let end = try bytes("end")
        switch (prefix, start) {
        case (let prefix?, nil):
            if end != nil { throw error("\"prefix\" and \"end\" exclude each other") }
            return .prefix(prefix)
        case (nil, let start?): return .range(start: start, end: end)
        default: throw error("there must be either \"prefix\" or \"start\"")
        }
    }

    private mutating func condition() throws(HistoryError) -> HistoryOperation.Condition? {
        var found: [HistoryOperation.Condition] = []
        if let revision = try counter("if_revision") { found.append(.revision(revision)) }
        if try flag("if_absent") { found.append(.absent) }
        if try flag("if_exists") { found.append(.exists) }
        if let value = try bytes("if_value") { found.append(.value(value)) }
        if found.count > 1 { throw error("there is more than one condition") }
        return found.first
    }

    // MARK: What came of it

    private mutating func outcome(
        _ action: HistoryOperation.Action
    ) throws(HistoryError) -> HistoryOperation.Outcome {
        let name = try need(text("outcome"), "outcome")
        switch name {
        case "ok":
            let revision = try counter("at")
            var members = try object("answer")
            let answer = try members.answer(to: action)
            try members.finish()
            return .ok(answer, at: revision)
        case "failed": return .failed(try text("reason") ?? "")
        case "unknown": return .unknown(try text("reason") ?? "")
        default: throw error("there is no outcome \"\(name)\"")
        }
    }

    mutating func answer(
        to action: HistoryOperation.Action
    ) throws(HistoryError) -> HistoryOperation.Answer {
        if action.canBeRefused, let refusal = try refusal() { return .refused(refusal) }
        switch action {
        case .get:
            if try flag("absent") { return .absent }
            let sighting = try sighting()
            _ = try need(sighting.value, "value")
            return .found(sighting)
        case .list:
            var items: [HistoryOperation.Item] = []
            for element in try need(elements("items"), "items") {
                var item = try LineReader(element, line: line)
                items.append(HistoryOperation.Item(key: try item.key(), try item.sighting()))
                try item.finish()
            }
            return .items(items)
        case .put:
            return .written(
                revision: try counter("revision"), createRevision: try counter("create_revision"),
                version: try unsigned("version"))
        case .delete, .deleteRange:
            let count = try need(integer("deleted"), "deleted")
            return .deleted(Int(count), revision: try counter("revision"))
        case .increment:
            return .incremented(
                try need(integer("value"), "value"), revision: try counter("revision"),
                version: try unsigned("version"))
        case .batch: return .batch(try results())
        case .transaction(let transaction, _):
            let answer = try transactionAnswer(to: transaction)
            return .transaction(answer, revision: try counter("revision"))
        }
    }

    private mutating func sighting() throws(HistoryError) -> HistoryOperation.Sighting {
        HistoryOperation.Sighting(
            value: try bytes("value"), revision: try counter("revision"),
            createRevision: try counter("create_revision"), version: try unsigned("version"))
    }

    private mutating func results() throws(HistoryError) -> [HistoryOperation.BatchResult] {
        var results: [HistoryOperation.BatchResult] = []
        for element in try need(elements("puts"), "puts") {
            switch element {
            case .null: results.append(.written(nil))
            case .string("exists"): results.append(.exists)
            default:
                guard let number = element.unsigned else {
                    throw error("a result in \"puts\" must be a revision, null or \"exists\"")
                }
                results.append(.written(Revision(number)))
            }
        }
        return results
    }

    private mutating func refusal() throws(HistoryError) -> HistoryOperation.Refusal? {
        guard let name = try text("refused") else { return nil }
        switch name {
        case "condition":
            guard let current = take("current") else { return .condition(.untold) }
            if current.isNull { return .condition(.absent) }
            guard let number = current.unsigned else { throw error("\"current\" must be a revision or null") }
            return .condition(.revision(Revision(number)))
        case "not_found": return .notFound
        case "not_an_integer": return .notAnInteger
        case "overflow": return .overflow
        case "conditions": return .conditions(try failedConditions())
        case "step": return try stepRefusal()
        default: throw error("there is no refusal \"\(name)\"")
        }
    }
}

extension HistoryOperation.Action {
    /// Whether there may be something that stands in its way.
    fileprivate var canBeRefused: Bool {
        if case .transaction = self { true } else { !isRead }
    }
}
