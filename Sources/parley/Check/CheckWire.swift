// Operations of a history as requests to a node, and what became of a request as an outcome. This is where a
// checker could wrong a store: whatever is not certain is unknown, for an unknown outcome convicts nobody.
//
//   what happened                                                 outcome
//   2xx, and 404, 412, 422 if it is the store that decided so     ok
//   a problem with applied "no"                                   failed: certainly not applied
//   the request never reached the node                            failed
//   no answer, a problem without that label, nonsense             unknown

import Client
import Histories
import JSON
import Primitives

extension HistoryOperation.Action {
    /// The request; the node is given so long for it.
    func call(timeout: Instant.Span) -> Call {
        var call = bareCall
        call.query.append(("timeout", "\(max(1, timeout.milliseconds))ms"))
        return call
    }

    private var bareCall: Call {
        switch self {
        case .get(let key, let freshness):
            return Call("GET", Call.keyPath(key), query: freshness.query)
        case .list(.prefix(let prefix), let freshness):
            let query = [("prefix", String(decoding: prefix, as: UTF8.self)), ("limit", "10000")]
            return Call("GET", "/kv", query: query + freshness.query)
        case .put(let key, let value, let condition):
            let fields = [("Content-Type", "application/octet-stream")] + (condition?.fields ?? [])
            return Call("PUT", Call.keyPath(key), fields: fields, body: value)
        case .delete(let key, let condition, let mustExist):
            return Call(
                "DELETE", Call.keyPath(key), query: mustExist ? [("must_exist", "true")] : [],
                fields: condition?.fields ?? [])
        case .increment(let key, let by):
            return Call("POST", Call.keyPath(key), query: [("op", "incr"), ("by", "\(by)")])
        case .list, .deleteRange, .batch, .transaction:
            preconditionFailure("no client of a check asks this: \(self)")
        }
    }
}

extension HistoryOperation.Freshness {
    fileprivate var query: [(name: String, value: String?)] {
        switch self {
        case .linearizable: []
        case .stale: [("consistency", "stale")]
        case .at(let revision): [("rev", "\(revision)")]
        }
    }
}

extension HistoryOperation.Condition {
    fileprivate var fields: [(name: String, value: String)] {
        switch self {
        case .revision(let revision): [("If-Match", "\"\(revision)\"")]
        case .exists: [("If-Match", "*")]
        case .absent: [("If-None-Match", "*")]
        case .value: preconditionFailure("the store has no conditions on values")
        }
    }
}

// MARK: - What came of it

/// What became of a request.
struct CheckOutcome {
    var outcome: HistoryOperation.Outcome
    /// Of what is refused or unknown: why, in a word or two that many operations share.
    var cause = ""

    /// Judges an attempt to carry an action out.
    static func judge(_ attempt: Attempt, _ action: HistoryOperation.Action) -> CheckOutcome {
        switch attempt {
        case .failed(let reason, let mayHaveArrived):
            return CheckOutcome(
                isSettled: !mayHaveArrived, reason,
                cause: mayHaveArrived ? "no answer" : "not reached")
        case .answered(let answer):
            if let decided = answer.outcome(of: action) { return CheckOutcome(outcome: decided) }
            if answer.status < 300 {
                return CheckOutcome(
                    isSettled: false, "status \(answer.status) with an answer that makes no sense",
                    cause: "nonsense")
            }
            let problem = Problem(answer)
            let name = problem.code.isEmpty ? "status \(answer.status)" : problem.code
            return CheckOutcome(
                isSettled: problem.applied == "no", name, cause: name)
        }
    }

    private init(outcome: HistoryOperation.Outcome) { self.outcome = outcome }

    private init(isSettled: Bool, _ reason: String, cause: String) {
        let reason = String(reason.prefix(120))
        outcome = isSettled ? .failed(reason) : .unknown(reason)
        self.cause = cause
    }
}

extension Client.Answer {
    /// What the store said; nil if this is not the store's word, or can not be understood.
    fileprivate func outcome(of action: HistoryOperation.Action) -> HistoryOperation.Outcome? {
        switch status {
        case 200, 201: return success(of: action)
        case 404, 412, 422: return refusal(of: action)
        default: return nil
        }
    }

    /// The revision of the state that a read was answered from.
    private func revisionRead(by action: HistoryOperation.Action) -> Revision? {
        if case .get(_, .at(let revision)) = action { return revision }
        return number("parley-revision").map { Revision($0) }
    }

    private func success(of action: HistoryOperation.Action) -> HistoryOperation.Outcome? {
        if case .get = action { return value(at: revisionRead(by: action)) }
        guard let json = try? json() else { return nil }
        let revision = json.number("revision").map { Revision($0) }
        guard let revision else { return nil }
        switch action {
        case .get: return nil
        case .list: return items(json, at: revision)
        case .put:
            guard let created = json.number("create_revision"), let version = json.number("version") else {
                return nil
            }
            return .ok(
                .written(revision: revision, createRevision: Revision(created), version: version))
        case .delete:
            switch json.number("deleted") {
            case 0: return .ok(.deleted(0), at: revision)
            case 1: return .ok(.deleted(1, revision: revision))
            default: return nil
            }
        case .increment:
            guard let sum = json.text("value").flatMap({ Int64($0) }), let version = json.number("version")
            else { return nil }
            return .ok(.incremented(sum, revision: revision, version: version))
        case .deleteRange, .batch, .transaction: return nil
        }
    }

    private func value(at storeRevision: Revision?) -> HistoryOperation.Outcome? {
        guard let storeRevision, let revision = number("etag"),
            let created = number("parley-create-revision"), let version = number("parley-key-version")
        else { return nil }
        let seen = HistoryOperation.Sighting(
            value: body, revision: Revision(revision), createRevision: Revision(created), version: version)
        return .ok(.found(seen), at: storeRevision)
    }

    private func items(_ json: JSONValue, at revision: Revision) -> HistoryOperation.Outcome? {
        guard let rows = json.items("items"), json["next"] == nil else { return nil }
        var items: [HistoryOperation.Item] = []
        for row in rows {
            guard let key = row.bytes("key"), let value = row.bytes("value"),
                let written = row.number("revision"), let created = row.number("create_revision"),
                let version = row.number("version")
            else { return nil }
            let seen = HistoryOperation.Sighting(
                value: value, revision: Revision(written), createRevision: Revision(created),
                version: version)
            items.append(HistoryOperation.Item(key: key, seen))
        }
        return .ok(.items(items), at: revision)
    }

    private func refusal(of action: HistoryOperation.Action) -> HistoryOperation.Outcome? {
        let problem = Problem(self)
        switch (action, problem.code) {
        case (.get, "key_not_found"): return revisionRead(by: action).map { .ok(.absent, at: $0) }
        case (.delete(_, _, mustExist: true), "key_not_found"): return .ok(.refused(.notFound))
        case (.put(_, _, _?), "precondition_failed"), (.delete(_, _?, _), "precondition_failed"):
            let current = (try? json())?.number("current_revision").map { Revision($0) }
            return .ok(.refused(.condition(current.map { .revision($0) } ?? .absent)))
        // The sums of a check are far from the end of the range.
        case (.increment, "invalid"): return .ok(.refused(.notAnInteger))
        default: return nil
        }
    }
}
