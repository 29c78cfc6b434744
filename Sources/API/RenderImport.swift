// The answer to an import: a line for each line, and a last one that counts.

public import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// The answer to an import. There is one outcome for each batch, in order; missing ones count as never
    /// sent.
    ///
    /// If no batch reached the store, or the first was refused there, the answer is the problem of the first.
    /// Otherwise the status is 200 and each line tells its own revision or error.
    public func render(
        import plan: ImportPlan, outcomes: [BatchOutcome], context: AnswerContext
    ) -> HTTP.Response {
        let reached = outcomes.contains { if case .outcome = $0 { true } else { false } }
        if !reached {
            var code = ProblemCode.overloaded
            for case .failed(let failure) in outcomes.prefix(1) { code = failure }
            return problem(code, traits: plan.traits, context: context)
        }
        if case .outcome(.refused(let refusal)) = outcomes.first {
            return problem(Self.importProblem(refusal), traits: plan.traits, context: context)
        }
        var report = ImportReport(outcomes: outcomes)
        report.read(plan)
        var json = JSONWriter(capacity: 64 * report.results.count + 128)
        for (line, result) in report.results { write(line, result, to: &json) }
        json.beginObject()
        json.field("lines", report.results.count)
        json.field("applied", report.applied)
        json.field("failed", report.results.count - report.applied)
        json.field("revision", report.revision.rawValue)
        json.endObject()
        json.lineEnd()
        var response = HTTP.Response(
            status: 200, contentType: "application/x-ndjson", body: json.take())
        response.addField("Cache-Control", "no-store" as StaticString)
        addContext(
            to: &response, revision: max(report.revision, context.revision), traits: plan.traits,
            context: context)
        if let requestID = context.requestID { response.setField("Parley-Request-Id", requestID.description) }
        return response
    }

    /// Why a command of an import was refused: all but a malformed one have to do with its idempotency key or
    /// its fences. A token that was lost does not come back.
    fileprivate static func importProblem(_ refusal: Refusal) -> Problem {
        switch refusal {
        case .keyReused: keyReused
        case .cancelled: cancelled
        case .fenceStale(let fence, let current): problem(fence, current: current)
        case .coordination(let refusal): problem(refusal)
        default: Problem(.internal, "the store refused the command; nothing was changed")
        }
    }

    private func write(_ line: Int, _ result: ImportReport.Result, to json: inout JSONWriter) {
        json.beginObject()
        json.field("line", line)
        switch result {
        case .applied(let revision): json.field("revision", revision.rawValue)
        case .failed(let code, let detail):
            json.field("error", code.name)
            json.field("detail", detail)
            json.field("applied", code.entry.applied.rawValue)
        }
        json.endObject()
        json.lineEnd()
    }
}

/// The results of all lines, in the order of the body.
private struct ImportReport {
    enum Result {
        case applied(Revision)
        case failed(ProblemCode, String)
    }

    let outcomes: [BatchOutcome]
    private(set) var results: [(line: Int, result: Result)] = []
    private(set) var applied = 0
    private(set) var revision = Revision.zero

    init(outcomes: [BatchOutcome]) { self.outcomes = outcomes }

    mutating func read(_ plan: ImportPlan) {
        for (place, batch) in plan.batches.enumerated() {
            let outcome = place < outcomes.count ? outcomes[place] : .failed(.overloaded)
            for (put, line) in batch.lines.enumerated() { results.append((line, result(put, of: outcome))) }
        }
        for bad in plan.badLines { results.append((bad.line, .failed(bad.code, bad.detail))) }
        results.sort { $0.line < $1.line }
    }

    private mutating func result(_ put: Int, of outcome: BatchOutcome) -> Result {
        switch outcome {
        case .outcome(.batch(let results, let revision)) where put < results.count:
            self.revision = max(self.revision, revision)
            guard case .put(let revision) = results[put] else {
                return .failed(.alreadyExists, "the key exists")
            }
            applied += 1
            return .applied(revision)
        case .outcome(.replayed(let first, _)): return result(put, of: .outcome(first))
        case .outcome(.refused(let refusal)):
            let problem = NativeAPI.importProblem(refusal)
            return .failed(problem.code, problem.detail)
        case .outcome: return .failed(.internal, "the store's answer is not that to an import")
        case .failed(let code): return .failed(code, code.entry.cause)
        }
    }
}
