import JSON
import Primitives

extension LineReader {
    /// Transactions are not nested deeper than this, the outermost counted.
    private static var depth: Int { 8 }

    mutating func transaction(depth: Int) throws(HistoryError) -> HistoryOperation.Transaction {
        if depth > Self.depth { throw error("the transactions are nested deeper than \(Self.depth)") }
        var transaction = HistoryOperation.Transaction(then: [])
        for element in try elements("if") ?? [] {
            var members = try LineReader(element, line: line)
            transaction.conditions.append(try members.transactionCondition())
            try members.finish()
        }
        transaction.then = try steps(try need(elements("then"), "then"), depth)
        if let otherwise = try elements("else") { transaction.otherwise = try steps(otherwise, depth) }
        return transaction
    }

    private func steps(
        _ elements: [JSONValue], _ depth: Int
    ) throws(HistoryError) -> [HistoryOperation.Transaction.Step] {
        var steps: [HistoryOperation.Transaction.Step] = []
        for element in elements {
            var members = try LineReader(element, line: line)
            steps.append(try members.step(depth))
            try members.finish()
        }
        return steps
    }

    private mutating func step(_ depth: Int) throws(HistoryError) -> HistoryOperation.Transaction.Step {
        let limit = try integer("limit")
        let step: HistoryOperation.Transaction.Step
        switch try action(depth: depth + 1) {
        case .get(let key, .linearizable): step = .get(key)
        case .list(let selection, .linearizable):
            let limit = try need(limit, "limit")
            if limit < 1 { throw error("\"limit\" must be at least 1") }
            return .list(selection, limit: Int(limit))
        case .put(let key, let value, nil): step = .put(key, value: value)
        case .delete(let key, nil, false): step = .delete(key)
        case .deleteRange(let selection): step = .deleteRange(selection)
        case .increment(let key, let by): step = .increment(key, by: by)
        case .transaction(let nested, false): step = .transaction(nested)
        default: throw error("this can not be a step of a transaction")
        }
        if limit != nil { throw error("the member \"limit\" has no place here") }
        return step
    }

    private mutating func transactionCondition() throws(HistoryError)
        -> HistoryOperation.Transaction.Condition
    {
        let property = try need(text("of"), "of")
        let sign = try need(text("is"), "is")
        guard let relation = HistoryOperation.Transaction.Relation(rawValue: sign) else {
            throw error("there is no relation \"\(sign)\"")
        }
        switch property {
        case "value": return .value(try key(), relation, try need(bytes("value"), "value"))
        case "count": return .count(try selection(), relation, try need(unsigned("number"), "number"))
        default:
            guard let known = HistoryOperation.Transaction.Property(rawValue: property) else {
                throw error("a key has no \"\(property)\"")
            }
            return .number(try key(), known, relation, try need(unsigned("number"), "number"))
        }
    }

    // MARK: Answers

    mutating func transactionAnswer(
        to transaction: HistoryOperation.Transaction
    ) throws(HistoryError) -> HistoryOperation.TransactionAnswer {
        _ = try need(peek("succeeded"), "succeeded")
        let succeeded = try flag("succeeded")
        let steps = transaction.branch(succeeded)
        let elements = try need(elements("results"), "results")
        if elements.count != steps.count {
            throw error("there are \(elements.count) results for \(steps.count) steps")
        }
        var results: [HistoryOperation.Answer] = []
        for (step, element) in zip(steps, elements) {
            var members = try LineReader(element, line: line)
            results.append(try members.answer(to: step.action))
            try members.finish()
        }
        return HistoryOperation.TransactionAnswer(
            succeeded: succeeded, results: results, failed: try failedConditions())
    }

    mutating func failedConditions() throws(HistoryError) -> [HistoryOperation.FailedCondition] {
        var failed: [HistoryOperation.FailedCondition] = []
        for element in try elements("failed") ?? [] {
            var members = try LineReader(element, line: line)
            let index = Int(try members.need(members.integer("index"), "index"))
            failed.append(
                HistoryOperation.FailedCondition(
                    index: index, found: try members.unsigned("found"),
                    revision: try members.unsigned("revision")))
            try members.finish()
        }
        return failed
    }

    mutating func stepRefusal() throws(HistoryError) -> HistoryOperation.Refusal {
        var place: [Int] = []
        for element in try need(elements("at"), "at") {
            guard let index = element.integer else { throw error("\"at\" must be a list of whole numbers") }
            place.append(Int(index))
        }
        let why = try need(text("why"), "why")
        guard let refusal = HistoryOperation.StepRefusal(rawValue: why) else {
            throw error("no step is refused as \"\(why)\"")
        }
        return .step(at: place, refusal)
    }
}
