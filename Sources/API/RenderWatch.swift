// Answers to watches: the head of a stream, and the errors that end one.

import HTTP
import JSON
public import Primitives
import Store
public import Watches

extension NativeAPI {
    func render(
        _ query: WatchQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> ReadAnswer {
        if case .from(let revision) = query.request.start, revision <= keyspace.compactRevision {
            let problem = Self.compactedWatch(keyspace.compactRevision, keyspace.revision)
            return .answer(self.problem(problem, traits: traits, context: context))
        }
        let head = streamHead(
            query.request.filter.format, revision: keyspace.revision, traits: traits, context: context)
        return traits.flags.contains(.isHead) ? .answer(head) : .watch(head, query.request)
    }

    /// How a stream begins; with HEAD it is all that there is.
    func streamHead(
        _ format: WatchFormat, revision: Revision, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let isEvents = format == .events
        var head = HTTP.Response(
            status: 200, contentType: isEvents ? "text/event-stream" : "application/x-ndjson",
            body: isEvents ? Array("retry: 1000\n\n".utf8) : [])
        head.addField("X-Content-Type-Options", "nosniff" as StaticString)
        head.addField("Cache-Control", "no-store" as StaticString)
        head.addField("X-Accel-Buffering", "no" as StaticString)
        addContext(to: &head, revision: revision, traits: traits, context: context)
        if traits.flags.contains(.isHead) { head.body = [] }
        return head
    }

    /// The last piece of a stream whose next changes were compacted away.
    public func compactedLine(
        _ compact: Revision, _ current: Revision, _ format: WatchFormat, context: AnswerContext
    ) -> [UInt8] {
        line(Self.compactedWatch(compact, current), format, context: context)
    }

    /// The last piece of a stream that could not take what it was given.
    public func slowConsumerLine(_ format: WatchFormat, context: AnswerContext) -> [UInt8] {
        line(Problem(.slowConsumer), format, context: context)
    }

    private func line(_ problem: Problem, _ format: WatchFormat, context: AnswerContext) -> [UInt8] {
        watchLine("error", format) { json in
            json.name("error")
            write(problem, context: context, to: &json)
        }
    }

    private static func compactedWatch(_ compact: Revision, _ current: Revision) -> Problem {
        compacted(compact, current).with("first_revision", .number(compact.rawValue + 1))
    }
}
