// Answers to transactions.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// Writes `succeeded`, `revision` and `results`.
    func write(
        _ outcome: TransactionOutcome, of transaction: Transaction, revision: Revision?,
        to json: inout JSONWriter
    ) {
        json.field("succeeded", outcome.succeeded)
        if let revision { json.field("revision", revision.rawValue) }
        if !outcome.failed.isEmpty {
            json.name("failed_guards")
            Self.write(outcome.failed, of: transaction, to: &json)
        }
        json.name("results")
        json.beginArray()
        let steps = outcome.succeeded ? transaction.then : transaction.otherwise ?? []
        for (step, result) in zip(steps, outcome.results) {
            json.beginObject()
            write(result, of: step, to: &json)
            json.endObject()
        }
        json.endArray()
    }

    private func write(
        _ result: TransactionOutcome.Result, of step: Transaction.Step, to json: inout JSONWriter
    ) {
        switch (step, result) {
        case (.put(let key, _, _), .wrote(.put(let put))),
            (.leasedPut(let key, _, _, _), .wrote(.put(let put))):
            json.name("put")
            json.beginObject()
            json.bytesField("key", key)
            json.field("revision", put.revision.rawValue)
            json.field("create_revision", put.createRevision.rawValue)
            json.field("version", put.version)
            if let lease = put.lease { json.field("lease", lease) }
            if let previous = put.previous { write(previous, named: "prev", to: &json) }
            json.endObject()
        case (_, .wrote(.deleted(let count, _, let previous))):
            json.name("delete")
            json.beginObject()
            json.field("deleted", count)
            if let previous { write(previous, named: "prev", to: &json) }
            json.endObject()
        case (.increment(let key, _), .wrote(.incremented(let value, let revision, let version))):
            json.name("incr")
            json.beginObject()
            json.bytesField("key", key)
            json.field("value", String(value))
            json.field("revision", revision.rawValue)
            json.field("version", version)
            json.endObject()
        case (_, .item(let item)):
            guard let item else {
                json.name("get")
                return json.null()
            }
            write(item, named: "get", to: &json)
        case (_, .items(let items, let more)):
            json.name("get")
            json.beginObject()
            json.name("items")
            json.beginArray()
            for item in items { write(item, to: &json) }
            json.endArray()
            json.field("more", more)
            json.endObject()
        case (_, .wrote(.coordinated(.queue(.enqueued(let id, let isNew, _))))):
            json.name("enqueue")
            json.beginObject()
            json.field("id", id.description)
            if !isNew { json.field("duplicate", true) }
            json.endObject()
        case (_, .wrote(.coordinated(.queue(.acknowledged(let id))))):
            json.name("ack")
            json.beginObject()
            json.field("id", id.description)
            json.endObject()
        case (.transaction(let nested), .transaction(let outcome)):
            json.name("txn")
            json.beginObject()
            write(outcome, of: nested, revision: nil, to: &json)
            json.endObject()
        default: preconditionFailure("\(result) is no result of \(step)")
        }
    }

    private static func write(
        _ failed: [FailedCondition], of transaction: Transaction, to json: inout JSONWriter
    ) {
        json.beginArray()
        for failure in failed {
            json.beginObject()
            json.field("index", failure.index)
            let condition = transaction.conditions[failure.index]
            if let key = condition.key { json.bytesField("key", key) }
            if case .count(let range, _, _) = condition {
                json.bytesField("start", range.start)
                if let end = range.end { json.bytesField("end", end) }
            }
            write(what: condition, found: failure, to: &json)
            if let revision = failure.revision { json.field("actual_revision", revision) }
            if let found = failure.found, let name = condition.actualName { json.field(name, found) }
            json.endObject()
        }
        json.endArray()
    }

    /// Writes what a guard was about that compares a lease or a token, and what was found in its place.
    private static func write(
        what condition: Transaction.Condition, found: FailedCondition, to json: inout JSONWriter
    ) {
        switch condition {
        case .lease:
            if let lease = found.lease { return json.field("actual_lease", lease) }
            json.name("actual_lease")
            json.null()
        case .leaseExists(let id, let isWanted):
            json.field("lease", id)
            json.field("actual_exists", !isWanted)
        case .held(let fence, _):
            json.field("\(fence.claim.kind)", fence.claim.name)
            json.field("token", fence.token)
            if let token = found.found { return json.field("actual_token", token) }
            json.name("actual_token")
            json.null()
        case .value, .revision, .createRevision, .version, .count: break
        }
    }

    /// The problem that a refused transaction is.
    static func problem(_ refusal: TransactionRefusal, of transaction: Transaction) -> Problem {
        switch refusal {
        case .conditionsFailed(let failed):
            var json = JSONWriter()
            write(failed, of: transaction, to: &json)
            let places = failed.map { "\($0.index)" }.joined(separator: ", ")
            let guards = failed.count == 1 ? "guard \(places) does" : "guards \(places) do"
            return Problem(.txnFailed, "\(guards) not hold, and there is no else")
                .with("failed_guards", .json(json.take()))
        case .overlap(let key):
            return Problem(.invalid, "two operations write '\(readable(key))'").with("key", .bytes(key))
        case .step(let place, let reason):
            let field = Self.field(place, of: transaction)
            let words: String
            switch reason {
            case .notAnInteger: words = "the value is not the decimal text of a 64-bit integer"
            case .overflow: words = "the value would leave the range of 64-bit integers"
            case .queue(let refusal): return Self.problem(refusal).with("field", .text(field))
            case .full: return Self.problem(CoordinationRefusal.full).with("field", .text(field))
            case .leaseNotFound(let id):
                return Self.problem(CoordinationRefusal.leaseNotFound(id)).with("field", .text(field))
            }
            return Problem(.invalid, "\(field) can't be carried out: \(words); nothing was changed")
                .with("errors", .errors([.init(field: field, message: words)]))
        case .tooMuchRead:
            return Problem(
                .invalid,
                "the operations read more than \(Transaction.readBytes >> 20) MiB; nothing was changed")
        }
    }

    /// Where a step stands, as in `then[1].txn.then[0]`. Which branch was chosen is told by nothing but the
    /// steps: where both could be meant, `ops` stands for either.
    private static func field(_ place: [Int], of transaction: Transaction) -> String {
        var words: [String] = []
        var current: Transaction? = transaction
        for (depth, index) in place.enumerated() {
            let branch = current?.otherwise == nil ? "then" : "ops"
            words.append("\(branch)[\(index)]" + (depth + 1 < place.count ? ".txn" : ""))
            let nested = [current?.then, current?.otherwise].compactMap { steps -> Transaction? in
                guard let steps, index < steps.count, case .transaction(let nested) = steps[index] else {
                    return nil
                }
                return nested
            }
            current = nested.count == 1 ? nested[0] : nil
        }
        return words.joined(separator: ".")
    }

    /// The answer to a transaction that was evaluated without being committed.
    func render(
        _ transaction: Transaction, keyspace: borrowing Keyspace, traits: RequestTraits,
        context: AnswerContext
    ) -> HTTP.Response {
        switch keyspace.evaluate(transaction) {
        case .transaction(let outcome, let revision):
            return json(revision: keyspace.revision, traits: traits, context: context) { json in
                json.beginObject()
                write(outcome, of: transaction, revision: revision, to: &json)
                json.endObject()
            }
        case .refused(.transaction(let refusal)):
            return problem(Self.problem(refusal, of: transaction), traits: traits, context: context)
        default:
            return problem(.internal, traits: traits, context: context)
        }
    }
}

extension Transaction.Condition {
    /// How an answer calls what was found in place of what was wanted; nil for a value, which may be large,
    /// and for the revision, which is told anyhow.
    fileprivate var actualName: String? {
        switch self {
        case .value, .revision, .lease, .leaseExists, .held: nil
        case .createRevision: "actual_create_revision"
        case .version: "actual_version"
        case .count: "actual_count"
        }
    }
}
