// Probes, health and metrics: what orchestrators and monitoring ask for.

import HTTP
import JSON
import Primitives

extension NativeAPI {
    func render(
        _ query: ProbeQuery, status: NodeStatus, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let all = status.checks.filter { $0.probes.contains(query.kind) }
        if let name = query.check {
            guard let check = all.first(where: { $0.name == name }) else {
                let names = all.map(\.name).joined(separator: ", ")
                return problem(
                    .noSuchRoute,
                    detail: "\(query.kind.rawValue) has no check '\(readable(name.utf8))'; it has \(names)",
                    traits: traits, context: context)
            }
            return text(
                check.isPassing ? "ok\n" : "[-]\(check.name) failed: \(Self.line(check.reason))\n",
                status: check.isPassing ? 200 : 503, traits: traits, context: context)
        }
        let unknown = query.excluded.filter { name in !all.contains { $0.name == name } }
        if let name = unknown.first {
            let names = all.map(\.name).joined(separator: ", ")
            return problem(
                .badRequest,
                detail:
                    "exclude names no check of \(query.kind.rawValue): '\(readable(name.utf8))'; "
                    + "it has \(names)",
                traits: traits, context: context)
        }
        let counted = all.filter { !query.excluded.contains($0.name) }
        let isPassing = counted.allSatisfy(\.isPassing)
        if isPassing && !query.isVerbose { return text("ok\n", traits: traits, context: context) }
        var lines = ""
        for check in all {
            if query.excluded.contains(check.name) {
                lines += "[+]\(check.name) excluded: ok\n"
            } else {
                lines +=
                    check.isPassing
                    ? "[+]\(check.name) ok\n" : "[-]\(check.name) failed: \(Self.line(check.reason))\n"
            }
        }
        lines += "\(query.kind.rawValue) check \(isPassing ? "passed" : "failed")\n"
        return text(lines, status: isPassing ? 200 : 503, traits: traits, context: context)
    }

    /// Text on one line.
    private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    /// The summary in the shape that etcd's clients know: `health` is text, not a truth value.
    func render(
        health status: NodeStatus, full: Bool, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let failing = status.checks.filter { $0.probes.contains(.readyz) && !$0.isPassing }
        let reason =
            if status.leader == nil { "RAFT NO LEADER" } else if status.isShortOfSpace {
                "ALARM NOSPACE"
            } else {
                failing.first?.reason ?? ""
            }
        let isHealthy = status.leader != nil && !status.isShortOfSpace && failing.isEmpty
        var response = json(
            status: isHealthy ? 200 : 503, revision: context.revision, traits: traits, context: context
        ) { json in
            json.beginObject()
            if full {
                writeHealth(status, isHealthy: isHealthy, reason: reason, to: &json)
            } else {
                json.field("health", isHealthy ? "true" : "false")
                json.field("reason", reason)
            }
            // Without any it has exactly etcd's members.
            if let faults = status.faults, !faults.items.isEmpty { write(faults: faults, to: &json) }
            json.endObject()
        }
        if full { response.setField("Content-Type", "application/health+json") }
        return response
    }

    /// The full document (draft-inadarei-api-health-check-06).
    private func writeHealth(
        _ status: NodeStatus, isHealthy: Bool, reason: String, to json: inout JSONWriter
    ) {
        json.field("status", isHealthy ? "pass" : "fail")
        json.field("version", settings.version)
        json.field("output", reason)
        json.field("node", settings.nodeName)
        json.field("role", status.role.rawValue)
        json.field("leader", status.leader?.name)
        json.field("cluster", status.clusterHealth.rawValue)
        json.field("uptime_ms", status.uptime.milliseconds)
        json.name("checks")
        json.beginObject()
        for check in status.checks {
            json.name(check.name)
            json.beginArray()
            json.beginObject()
            json.field("status", check.isPassing ? "pass" : "fail")
            json.field("output", check.reason)
            json.field("probes", check.probes.map(\.rawValue))
            json.endObject()
            json.endArray()
        }
        json.endObject()
    }

    func render(
        metrics: [UInt8], openMetrics: Bool, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        var response = HTTP.Response(status: 200, body: metrics)
        let type: StaticString =
            openMetrics
            ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
            : "text/plain; version=0.0.4; charset=utf-8"
        response.addField("Content-Type", type)
        response.addField("Cache-Control", "no-store" as StaticString)
        addContext(to: &response, revision: context.revision, traits: traits, context: context)
        return response
    }
}
