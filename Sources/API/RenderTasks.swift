// Answers about tasks and workers.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// Why nothing was changed about tasks, as a problem.
    static func problem(_ refusal: TaskRefusal) -> Problem {
        switch refusal {
        case .notFound(let id):
            Problem(.taskNotFound, "there is no task \(id), or it was forgotten")
                .with("task", .text(id.description))
        case .notHolder(let id, let token):
            Problem(.notHolder, "\(id) is not claimed, or not with token \(token)")
                .with("task", .text(id.description))
        case .finished(let id, let state):
            Problem(.taskFinished, "\(id) is \(state.rawValue) already")
                .with("task", .text(id.description)).with("state", .text(state.rawValue))
        case .unknownDependency(let id): invalid("after", "names \(id), which is no task that is known")
        case .tooLate: invalid("run_at", "is more than a year ahead")
        case .tooMany(let count):
            Problem(.quotaExceeded, "\(count) tasks are unfinished, as many as may be")
        case .tooManyLanes(let count):
            Problem(
                .quotaExceeded,
                "unfinished tasks have \(count) different kinds and sets of labels, as many as may be")
        case .workerNotFound(let name):
            Problem(.workerNotFound, "there is no worker '\(name)'").with("worker", .text(name))
        case .tooManyWorkers(let count):
            Problem(.quotaExceeded, "there are \(count) workers, as many as may be")
        }
    }
}

extension NativeAPI {
    func render(
        _ outcome: TaskOutcome, of form: TaskForm, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        func told(_ status: Int = 200, _ fields: (inout JSONWriter) -> Void) -> HTTP.Response {
            answer(plan, status: status, revision: context.revision, context: context, fields)
        }
        switch outcome {
        case .added(let id, let state, let isNew):
            var response = told(isNew ? 201 : 200) { json in
                json.field("id", id.description)
                json.field("state", state.rawValue)
                if !isNew { json.field("duplicate", true) }
            }
            if isNew { addLocation("/tasks/", id.description, to: &response) }
            return response
        case .claimed(let tasks): return render(tasks, of: form, plan: plan, context: context)
        case .kept(let id, let deadline):
            return told { json in
                json.field("id", id.description)
                json.field("deadline", deadline.rfc3339)
            }
        case .completed(let id): return told { Self.write(id, .completed, to: &$0) }
        case .released(let id): return told { Self.write(id, .ready, to: &$0) }
        case .cancelled(let id): return told { Self.write(id, .cancelled, to: &$0) }
        case .failed(let id, let retryAfter):
            return told { json in
                Self.write(id, retryAfter == nil ? .failed : .waiting, to: &json)
                if let retryAfter { json.field("retry_after_ms", retryAfter) }
            }
        case .registered(let worker, let isNew):
            return told(isNew ? 201 : 200) { write(worker, to: &$0) }
        case .removed(let name, let claims):
            return told { json in
                json.field("worker", name)
                json.field("claims", claims)
            }
        }
    }

    private static func write(_ id: TaskID, _ state: TaskState, to json: inout JSONWriter) {
        json.field("id", id.description)
        json.field("state", state.rawValue)
    }

    private func render(
        _ tasks: [ClaimedTask], of form: TaskForm, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        var response: HTTP.Response
        if tasks.isEmpty {
            response = HTTP.Response(status: 204)
            addContext(to: &response, revision: context.revision, traits: plan.traits, context: context)
        } else {
            let wantsItems = form.claim?.wantsItems ?? true
            response = json(revision: context.revision, traits: plan.traits, context: context) { json in
                guard wantsItems else { return write(tasks[0], to: &json) }
                json.beginObject()
                json.name("items")
                json.beginArray()
                for task in tasks { write(task, to: &json) }
                json.endArray()
                json.endObject()
            }
        }
        if let requestID = context.requestID {
            response.addField("Parley-Request-Id", requestID.description)
        }
        return response
    }

    private func write(_ task: ClaimedTask, to json: inout JSONWriter) {
        json.beginObject()
        json.field("id", task.id.description)
        json.field("kind", task.kind)
        json.name("payload")
        json.raw(task.payload)
        json.field("attempt", UInt64(task.attempt))
        json.field("max_attempts", UInt64(task.maximumAttempts))
        json.field("token", task.token)
        json.field("deadline", task.deadline.rfc3339)
        json.field("timeout_ms", task.timeout)
        json.endObject()
    }

    // MARK: - Questions

    func render(
        _ query: TaskQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext,
        mayWait: Bool
    ) -> ReadAnswer {
        switch query.target {
        case .workers:
            return .answer(renderWorkers(query, keyspace: keyspace, traits: traits, context: context))
        case .all(let state, let kind):
            let after = query.after.flatMap { TaskID($0) }
            let (tasks, last) = keyspace.tasks(in: state, kind: kind, after: after, limit: query.limit)
            let response = page(
                last?.description, TaskQuery.fingerprint, query.link, keyspace.revision, traits, context
            ) { json in
                for task in tasks {
                    json.beginObject()
                    write(task, to: &json)
                    json.endObject()
                }
            }
            return .answer(response)
        case .one(let id):
            guard let task = keyspace.task(id) else {
                return .answer(
                    problem(Self.problem(TaskRefusal.notFound(id)), traits: traits, context: context))
            }
            if mayWait, !task.state.isFinal { return .wait }
            let (payload, progress) = (keyspace.payload(of: id), keyspace.progress(of: id))
            let (reason, result) = (keyspace.reason(of: id), keyspace.result(of: id))
            return .answer(
                json(revision: keyspace.revision, traits: traits, context: context) { json in
                    json.beginObject()
                    write(task, to: &json)
                    if !payload.isEmpty {
                        json.name("payload")
                        json.raw(payload)
                    }
                    if let progress { json.bytesField("progress", progress) }
                    if let reason { json.bytesField("reason", reason) }
                    if let result { json.bytesField("result", result) }
                    json.endObject()
                })
        }
    }

    private func renderWorkers(
        _ query: TaskQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let workers = keyspace.workers(after: query.after, limit: query.limit + 1)
        let claims = workers.map { keyspace.claimCount(of: $0.name) }
        let last = workers.count > query.limit ? workers[query.limit - 1].name : nil
        return page(last, TaskQuery.workers, query.link, keyspace.revision, traits, context) { json in
            for (worker, count) in zip(workers, claims).prefix(query.limit) {
                json.beginObject()
                write(worker, to: &json)
                json.field("claims", count)
                json.endObject()
            }
        }
    }

    private func write(_ worker: Worker, to json: inout JSONWriter) {
        json.field("worker", worker.name)
        json.field("lease", worker.lease)
        json.field("capacity", worker.capacity)
        json.field("labels", worker.labels)
        json.field("registered_at", worker.registeredAt.rfc3339)
    }

    private func write(_ task: TaskRecord, to json: inout JSONWriter) {
        Self.write(task.id, task.state, to: &json)
        json.field("kind", task.kind)
        if !task.labels.isEmpty { json.field("labels", task.labels) }
        if task.priority > 0 { json.field("priority", UInt64(task.priority)) }
        json.field("attempts", UInt64(task.attempts))
        json.field("max_attempts", UInt64(task.maximumAttempts))
        json.field("timeout_ms", task.timeout)
        if !task.after.isEmpty { json.field("after", task.after.map(\.description)) }
        if let dedupe = task.dedupe { json.field("dedupe", dedupe) }
        json.field("created_at", task.createdAt.rfc3339)
        json.field("run_at", task.due.rfc3339)
        switch task.standing {
        case .claimed(let claim):
            json.field("worker", claim.worker)
            json.field("token", claim.token)
            json.field("deadline", claim.deadline.rfc3339)
        case .failed(.reported): json.field("cause", "reported")
        case .failed(.timedOut): json.field("cause", "timed_out")
        case .failed(.workerGone): json.field("cause", "worker_gone")
        case .failed(.dependency(let id)):
            json.field("cause", "dependency_failed")
            json.field("dependency", id.description)
        case .waiting, .ready, .completed, .cancelled: break
        }
        if let finished = task.finishedAt { json.field("finished_at", finished.rfc3339) }
    }
}
