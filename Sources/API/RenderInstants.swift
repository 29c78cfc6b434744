// Answers of the past by the clock.

import HTTP
import Primitives
import Store

extension NativeAPI {
    /// The answer to a read of an instant: that of its revision, and when that was committed.
    func render(
        _ plan: ReadPlan, at instant: WallTime, keyspace: borrowing Keyspace, context: AnswerContext,
        isFinal: Bool
    ) -> ReadAnswer {
        let revision: Revision
        do throws(Problem) {
            revision = try self.revision(.instant(instant), of: .at, keyspace, context)
        } catch {
            return .answer(problem(error, traits: plan.traits, context: context))
        }
        var plan = plan
        plan.at = nil
        plan.target = plan.target.read(at: revision)
        func dated(_ response: consuming HTTP.Response) -> HTTP.Response {
            response.setField("Parley-Revision", revision.rawValue)
            if let time = keyspace.time(of: revision) {
                response.setField("Parley-Revision-Time", time.rfc3339)
            }
            return response
        }
        switch render(read: plan, keyspace: keyspace, context: context, isFinal: isFinal) {
        case .answer(let response): return .answer(dated(response))
        case .stream(let head, let lines): return .stream(dated(head), lines)
        case .wait: return .wait
        case .watch(let head, let request): return .watch(head, request)
        case .claimWatch(let head, let watch): return .claimWatch(head, watch)
        }
    }

    /// The revision that a parameter means.
    func revision(
        _ moment: Moment, of name: Parameter, _ keyspace: borrowing Keyspace, _ context: AnswerContext
    ) throws(Problem) -> Revision {
        switch moment {
        case .revision(let revision):
            if revision > keyspace.revision { throw Self.future(keyspace.revision) }
            if revision < keyspace.compactRevision {
                throw Self.compacted(keyspace.compactRevision, keyspace.revision)
            }
            return revision
        case .instant(let instant):
            let now = max(keyspace.lastTime, context.time ?? keyspace.lastTime)
            guard instant <= now else {
                throw Problem(
                    .futureRevision,
                    "\(name.rawValue) is \(instant.rfc3339), in the future; it is \(now.rfc3339) here"
                ).with("parameter", .text(name.rawValue)).with("time", .text(now.rfc3339))
                    .with("current_revision", .number(keyspace.revision.rawValue))
            }
            guard let revision = keyspace.revision(notAfter: instant) else {
                let oldest = keyspace.oldestTime?.rfc3339 ?? ""
                throw Problem(
                    .compacted,
                    "\(name.rawValue) is \(instant.rfc3339), but history before \(oldest) was dropped"
                ).with("parameter", .text(name.rawValue)).with("oldest_time", .text(oldest))
                    .with("compact_revision", .number(keyspace.compactRevision.rawValue))
                    .with("current_revision", .number(keyspace.revision.rawValue))
            }
            return revision
        }
    }
}

extension ReadPlan.Target {
    /// The same read of an earlier revision, where it can be.
    fileprivate func read(at revision: Revision) -> ReadPlan.Target {
        switch self {
        case .key(var query):
            query.revision = revision
            return .key(query)
        case .history(var query):
            query.last = revision
            return .history(query)
        case .range(var query):
            query.revision = revision
            return .range(query)
        default: return self
        }
    }
}
