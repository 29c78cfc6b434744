// Answers about requests and what became of them.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// The answer to a question about a request.
    func render(
        _ request: RequestName, shown: [UInt8], keyspace: borrowing Keyspace, traits: RequestTraits,
        context: AnswerContext
    ) -> HTTP.Response {
        let state = keyspace.state(of: request)
        if case .key = request, state == .unknown {
            let problem = Problem(
                .requestNotFound, "no request with that idempotency key was carried out, or not of late")
            return self.problem(problem, traits: traits, context: context)
        }
        return json(revision: keyspace.revision, traits: traits, context: context) { json in
            json.beginObject()
            write(state, shown: shown, to: &json)
            json.endObject()
        }
    }

    /// The answer to a wish to cancel a request.
    func render(
        _ state: RequestState, shown: [UInt8], plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        answer(plan, revision: context.revision, context: context) { json in
            write(state, shown: shown, to: &json)
        }
    }

    private func write(_ state: RequestState, shown: [UInt8], to json: inout JSONWriter) {
        json.field("id", String(decoding: shown, as: UTF8.self))
        switch state {
        case .known(let record):
            json.field("outcome", record.verdict.isApplied ? "applied" : "rejected")
            if let status = record.verdict.status { json.field("status", status) }
            json.field("request_id", record.id.description)
            json.field("revision", record.revision.rawValue)
            json.field("index", record.index.rawValue)
            json.field("term", record.term.rawValue)
        case .never: json.field("outcome", "never")
        case .expired:
            json.field("outcome", "expired")
            json.field("detail", "the request is older than what is remembered")
        case .unknown:
            json.field("outcome", "pending")
            json.field(
                "detail",
                "it was not carried out so far; POST /requests/{id}/cancel makes sure that it never will be")
        }
    }
}

extension Verdict {
    fileprivate var isApplied: Bool {
        switch self {
        case .applied, .created, .waiting: true
        case .conditionFailed, .notFound, .invalid, .compacted, .future, .conflict, .full, .cancelled,
            .malformed, .keyReused, .queueFull:
            false
        }
    }

    /// The status that the answer had.
    fileprivate var status: Int? {
        switch self {
        case .applied: 200
        case .created: 201
        case .waiting: nil
        case .conditionFailed: 412
        case .notFound: 404
        case .invalid, .keyReused: 422
        case .compacted: 410
        case .future: 400
        case .conflict, .cancelled: 409
        case .full: 507
        case .queueFull: 429
        case .malformed: 500
        }
    }
}
