// Answers to reads of one key.

public import HTTP
import JSON
import Primitives
public import Store
public import Watches

/// What a read came to.
public enum ReadAnswer: Sendable {
    /// This is the answer.
    case answer(HTTP.Response)
    /// The answer's head; the body comes in parts from the second value.
    case stream(HTTP.Response, RangeLines)
    /// The answer's head; the body comes from the node's watches.
    case watch(HTTP.Response, WatchRequest)
    /// The answer's head; the body tells how a lock or an election stands, again and again.
    case claimWatch(HTTP.Response, ClaimWatch)
    /// Nothing has changed yet: ask again when something did, and at the end of the wait with `isFinal`.
    case wait
}

extension NativeAPI {
    /// The answer to a read. With ``ReadPlan/wait`` it may be ``ReadAnswer/wait`` unless `isFinal` says that
    /// the time is up.
    public func render(
        read plan: ReadPlan, keyspace: borrowing Keyspace, context: AnswerContext, isFinal: Bool = false
    ) -> ReadAnswer {
        if let at = plan.at {
            return render(plan, at: at, keyspace: keyspace, context: context, isFinal: isFinal)
        }
        let mayWait = plan.wait != nil && !isFinal
        switch plan.target {
        case .key(let query):
            return render(
                query, keyspace: keyspace, traits: plan.traits, context: context, mayWait: mayWait)
        case .history(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .transaction(let transaction):
            return .answer(
                render(transaction, keyspace: keyspace, traits: plan.traits, context: context))
        case .request(let name, let shown):
            return .answer(
                render(name, shown: shown, keyspace: keyspace, traits: plan.traits, context: context))
        case .queues(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .barriers(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .tasks(let query):
            return render(
                query, keyspace: keyspace, traits: plan.traits, context: context, mayWait: mayWait)
        case .participants(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .claims(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .leases(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .difference(let query):
            return .answer(render(query, keyspace: keyspace, traits: plan.traits, context: context))
        case .compaction:
            return .answer(renderCompaction(keyspace, traits: plan.traits, context: context))
        case .range(let query):
            return render(
                query, keyspace: keyspace, traits: plan.traits, context: context, mayWait: mayWait)
        case .watch(let query):
            return render(query, keyspace: keyspace, traits: plan.traits, context: context)
        case .claimWatch(let watch):
            return render(watch, keyspace: keyspace, traits: plan.traits, context: context)
        }
    }

    private func render(
        _ query: KeyQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext,
        mayWait: Bool
    ) -> ReadAnswer {
        let row: Row?
        switch keyspace.row(query.key, at: query.revision) {
        case .success(let found): row = found
        case .failure(let error): return .answer(render(error, traits: traits, context: context))
        }
        if let tags = query.ifMatch, !tags.contains(row?.modRevision) {
            return .answer(render(mismatch: query.key, row, traits: traits, context: context))
        }
        let news = isNews(row, query, keyspace: keyspace)
        if !news && mayWait { return .wait }
        let revision = query.revision ?? keyspace.revision
        guard let row else {
            let problem = Problem(.keyNotFound, "there is no key '\(readable(query.key))'")
                .with("key", .bytes(query.key))
            return .answer(self.problem(problem, traits: traits, context: context))
        }
        if !news {
            var response = HTTP.Response(status: 304)
            describe(row, in: &response)
            addContext(to: &response, revision: revision, traits: traits, context: context)
            return .answer(response)
        }
        return .answer(render(row, query, revision: revision, traits: traits, context: context))
    }

    private func render(
        _ row: Row, _ query: KeyQuery, revision: Revision, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        if query.meta {
            var response = json(revision: revision, traits: traits, context: context) { json in
                json.beginObject()
                json.bytesField("key", query.key)
                json.bytesField("value", row.value)
                json.field("revision", row.modRevision.rawValue)
                json.field("create_revision", row.createRevision.rawValue)
                json.field("version", row.version)
                if let lease = row.lease { json.field("lease", lease) }
                json.field("size", row.valueCount)
                json.endObject()
            }
            addTag(row.modRevision, to: &response)
            return response
        }
        // Values are anybody's bytes: a browser must neither guess their type nor run them.
        var response = HTTP.Response(status: 200, contentType: "application/octet-stream", body: row.value)
        response.addField("X-Content-Type-Options", "nosniff" as StaticString)
        response.addField("Content-Security-Policy", "sandbox" as StaticString)
        describe(row, in: &response)
        addContext(to: &response, revision: revision, traits: traits, context: context)
        return response
    }

    private func describe(_ row: Row, in response: inout HTTP.Response) {
        response.addField("Cache-Control", "no-store" as StaticString)
        addTag(row.modRevision, to: &response)
        response.addField("Parley-Create-Revision", String(row.createRevision.rawValue))
        response.addField("Parley-Key-Version", String(row.version))
        if let lease = row.lease { response.addField("Parley-Lease", Array(lease.utf8)) }
    }

    /// Whether the key is another than the one that the client knows.
    private func isNews(_ row: Row?, _ query: KeyQuery, keyspace: borrowing Keyspace) -> Bool {
        if let tags = query.ifNoneMatch { return !tags.contains(row?.modRevision) }
        guard let after = query.after else { return true }
        if let row { return row.modRevision > after }
        // The key is absent. That is news if it was deleted after `after`; if the history since then is gone,
        // nobody can tell, and the client is better told. After revision 0 nothing can have been deleted that
        // the client knew: it waits for the key to be made.
        if after == .zero { return false }
        if after < keyspace.compactRevision { return true }
        return !keyspace.history(of: query.key, after: after, limit: 1).changes.isEmpty
    }

    private func render(
        mismatch key: [UInt8], _ row: Row?, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let state = row.map { "is at revision \($0.modRevision)" } ?? "does not exist"
        var problem = Problem(.preconditionFailed, "key '\(readable(key))' \(state), If-Match said another")
            .with("key", .bytes(key))
        if let row { problem = problem.with("current_revision", .number(row.modRevision.rawValue)) }
        return self.problem(problem, traits: traits, context: context)
    }

    func render(_ error: ReadError, traits: RequestTraits, context: AnswerContext) -> HTTP.Response {
        switch error {
        case .compacted(let compact, let current):
            problem(Self.compacted(compact, current), traits: traits, context: context)
        case .future(let current): problem(Self.future(current), traits: traits, context: context)
        }
    }

    private func render(
        _ query: HistoryQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let end = query.last ?? keyspace.revision
        if let error = keyspace.readError(at: query.last) {
            return render(error, traits: traits, context: context)
        }
        let page = keyspace.history(
            of: query.key, after: query.after ?? .zero, upTo: end, limit: query.limit)
        var next: String?
        if page.more, let last = page.changes.last {
            next = CursorPosition(revision: query.last ?? .zero, place: .history(last.revision))
                .token(for: fnv1a(query.key))
        }
        var response = json(revision: end, traits: traits, context: context) { json in
            json.beginObject()
            json.bytesField("key", query.key)
            json.field("revision", end.rawValue)
            json.name("items")
            json.beginArray()
            for change in page.changes { write(change, to: &json) }
            json.endArray()
            if let next { json.field("next", next) }
            json.endObject()
        }
        if let next { response.addField("Link", query.link.next(next)) }
        return response
    }

    private func write(_ change: Change, to json: inout JSONWriter) {
        json.beginObject()
        json.field("type", change.isDelete ? "delete" : "put")
        json.field("revision", change.revision.rawValue)
        if let time = change.time { json.field("time", time.rfc3339) }
        if !change.isDelete {
            json.field("create_revision", change.row.createRevision.rawValue)
            json.field("version", change.row.version)
            if let lease = change.row.lease { json.field("lease", lease) }
            json.bytesField("value", change.row.value)
        } else if let lease = change.row.lease {
            json.field("cause", "lease:\(lease)")
        }
        json.endObject()
    }
}
