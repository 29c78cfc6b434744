// Plans for tasks and workers.

import HTTP
import JSON
import Primitives
import Store

/// How the answer to a request about a task is told.
struct TaskForm: Sendable {
    /// What a claim asks for, and whether it comes as a list.
    struct Claim: Sendable {
        var worker: String
        var kinds: [String]
        var wantsItems: Bool
        var wait: Instant.Span?
    }

    /// Nil for everything but claims.
    var claim: Claim?
}

/// A question about tasks or workers.
public struct TaskQuery: Sendable {
    enum Target: Sendable {
        case one(TaskID)
        case all(state: TaskState?, kind: String?)
        case workers
    }

    static let fingerprint = fnv1a("tasks".utf8)
    static let workers = fnv1a("workers".utf8)

    let target: Target
    let limit: Int
    /// Only those after this one.
    let after: String?
    let link: PageLink
}

extension NativeAPI {
    /// `POST /tasks`: the body says what is to be done.
    func planAddTask(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        let new = try TaskReader.read(asked.request.body)
        return .write(try task(.add(new), asked))
    }

    /// `POST /tasks/claim`.
    func planClaimTasks(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let maximum = try parameters.number(.max, in: 1...UInt64(Store.Limits.taskClaims))
        guard let worker = try parameters.text(.worker), Store.Limits.isName(worker) else {
            throw Problem(.badRequest, "worker is missing: the name of who asks, of 1 to 255 bytes")
                .with("parameter", .text("worker"))
        }
        let kinds = try names(.kinds, parameters, most: Store.Limits.taskKinds)
        let claim = TaskForm.Claim(
            worker: worker, kinds: kinds, wantsItems: maximum ?? 1 > 1,
            wait: try wait(parameters)
                ?? parameters.preferredWait.map { min($0, settings.limits.maximumWait) })
        let command = TaskCommand.claim(worker: worker, kinds: kinds, maximum: Int(maximum ?? 1))
        return .write(
            try write(.operation(.coordinate(.task(command))), .task(TaskForm(claim: claim)), asked))
    }

    /// `POST /tasks/{task}/…`: what the holder of a claim says.
    func planTaskReport(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        let (id, parameters) = (try taskID(asked), asked.parameters)
        guard let token = try parameters.number(.token, in: 0...UInt64.max) else {
            throw Problem(.badRequest, "token is missing: what the claim said").with(
                "parameter", .text("token"))
        }
        let body = asked.request.body
        let most = route == .completeTask ? Store.Limits.taskResultBytes : Store.Limits.taskNoteBytes
        guard body.count <= most else {
            throw Problem(
                .contentTooLarge, "what is said here has up to \(most) bytes, this has \(body.count)")
        }
        let command: TaskCommand =
            switch route {
            case .progressTask: .progress(id, token: token, body)
            case .completeTask: .complete(id, token: token, result: body)
            case .failTask:
                .fail(id, token: token, reason: body, isFinal: try parameters.flag(.final))
            case .releaseTask: .release(id, token: token)
            default: .heartbeat(id, token: token)
            }
        return .write(try task(command, asked))
    }

    /// `DELETE /tasks/{task}`.
    func planCancelTask(_ asked: Asked) throws(Problem) -> Plan {
        .write(try task(.cancel(try taskID(asked)), asked))
    }

    /// `PUT /workers/{worker}`.
    func planRegisterWorker(_ asked: Asked) throws(Problem) -> Plan {
        let (name, parameters) = (try thing("worker", asked), asked.parameters)
        let most = UInt64(Store.Limits.workerCapacity)
        let command = TaskCommand.register(
            worker: name, timeToLive: try milliseconds(.ttl, parameters, from: 1) ?? 30_000,
            capacity: Int(try parameters.number(.capacity, in: 1...most) ?? most),
            labels: try names(.labels, parameters, most: Store.Limits.taskLabels))
        return .write(try heldIfAsked(try task(command, asked), asked))
    }

    /// `DELETE /workers/{worker}`.
    func planRemoveWorker(_ asked: Asked) throws(Problem) -> Plan {
        .write(try task(.remove(worker: try thing("worker", asked)), asked))
    }

    /// `GET /tasks`, `GET /tasks/{task}` and `GET /workers`.
    func planTasks(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let target: TaskQuery.Target
        switch route {
        case .listWorkers: target = .workers
        case .getTask: target = .one(try taskID(asked))
        default:
            let kind = try parameters.text(.kind)
            guard let text = try parameters.text(.state) else {
                target = .all(state: nil, kind: kind)
                break
            }
            guard let state = TaskState(rawValue: text), state != .absent else {
                let states = TaskState.allCases.dropFirst().map(\.rawValue).joined(separator: ", ")
                throw parameters.bad(.state, Array(text.utf8), "is one of \(states)")
            }
            target = .all(state: state, kind: kind)
        }
        let list = route == .listWorkers ? TaskQuery.workers : TaskQuery.fingerprint
        let query = TaskQuery(
            target: target, limit: try limit(parameters) ?? settings.limits.pageCount,
            after: try place(parameters, in: list), link: PageLink(asked.request))
        return .read(
            ReadPlan(
                target: .tasks(query), freshness: try freshness(parameters), wait: try wait(parameters),
                traits: asked.traits))
    }

    private func task(_ command: TaskCommand, _ asked: Asked) throws(Problem) -> WritePlan {
        try write(.operation(.coordinate(.task(command))), .task(TaskForm()), asked)
    }

    private func taskID(_ asked: Asked) throws(Problem) -> TaskID {
        let text = try asked.name("id of a task")
        guard let id = TaskID(text) else {
            throw Problem(.badRequest, "a task's id is t- and a number, not '\(readable(text.utf8))'")
        }
        return id
    }

    /// Names between commas, sorted, each once.
    private func names(
        _ name: Parameter, _ parameters: Parameters, most: Int
    ) throws(Problem) -> [String] {
        guard let text = try parameters.text(name), !text.isEmpty else { return [] }
        let names = Set(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
        guard names.count <= most, names.allSatisfy(Store.Limits.isName) else {
            throw parameters.bad(
                name, Array(text.utf8), "is up to \(most) names of 1 to 255 bytes between commas")
        }
        return names.sorted()
    }
}

/// Reads what a new task is.
private struct TaskReader {
    private static let names = [
        "kind", "payload", "labels", "priority", "run_at", "delay_ms", "after", "max_attempts", "timeout_ms",
        "dedupe",
    ]

    private var task = NewTask(kind: "", payload: Array("null".utf8))

    static func read(_ json: [UInt8]) throws(Problem) -> NewTask {
        var reading = TaskReader()
        do {
            var reader = try JSONReader(json)
            try reader.beginObject()
            while let name = try reader.nextName() { try reading.read(name, &reader, json) }
            try reader.finish()
        } catch { throw Problem(reading: error) }
        guard !reading.task.kind.isEmpty else { throw NativeAPI.invalid("kind", "is missing") }
        return reading.task
    }

    private mutating func read(_ name: String, _ reader: inout JSONReader, _ json: [UInt8]) throws {
        let most = Store.Limits.queueMilliseconds
        func number(from least: Int64, to most: Int64) throws -> Int64 {
            let number = try reader.int64()
            guard least...most ~= number else {
                throw NativeAPI.invalid(name, "is from \(least) to \(most)")
            }
            return number
        }
        switch name {
        case "kind": task.kind = try Self.name(name, &reader)
        case "payload": task.payload = try Self.payload(&reader, json)
        case "labels": task.labels = try Self.labels(&reader)
        case "after": task.after = try Self.after(&reader)
        case "priority": task.priority = UInt8(try number(from: 0, to: 255))
        case "max_attempts":
            task.maximumAttempts = UInt32(try number(from: 1, to: Int64(Store.Limits.taskAttempts)))
        case "timeout_ms": task.timeout = try number(from: 1, to: most)
        case "run_at", "delay_ms":
            guard task.start == .after(0) else {
                throw NativeAPI.invalid(name, "and the other one of run_at and delay_ms exclude each other")
            }
            if name == "delay_ms" {
                task.start = .after(try number(from: 0, to: most))
            } else {
                guard let time = parseInstant(try reader.bytes()), time.milliseconds >= 0 else {
                    throw NativeAPI.invalid(name, "is an instant as in 2026-11-23T10:00:00Z")
                }
                task.start = .at(time)
            }
        case "dedupe":
            let id = try reader.string()
            guard Store.Limits.isDedupeID(id) else {
                throw NativeAPI.invalid(name, "has 1 to \(Store.Limits.dedupeBytes) bytes")
            }
            task.dedupe = id
        default:
            let problem = Problem(
                .unknownParameter,
                "a task has no \(readable(name.utf8)); it has \(Self.names.joined(separator: ", "))"
            ).with("parameter", .text(readable(name.utf8)))
            guard let suggestion = nearest(to: name, among: Self.names) else { throw problem }
            throw problem.with("nearest", .text(suggestion))
        }
    }

    private static func name(_ field: String, _ reader: inout JSONReader) throws -> String {
        let name = try reader.string()
        guard Store.Limits.isName(name) else {
            throw NativeAPI.invalid(field, "is a name of 1 to \(Store.Limits.nameBytes) bytes")
        }
        return name
    }

    /// Any JSON value, as it was sent.
    private static func payload(_ reader: inout JSONReader, _ json: [UInt8]) throws -> [UInt8] {
        _ = try reader.peek()
        let start = reader.offset
        try reader.skip()
        let payload = Array(json[start..<reader.offset])
        guard payload.count <= Store.Limits.taskPayloadBytes else {
            throw Problem(
                .contentTooLarge,
                "a payload has up to \(Store.Limits.taskPayloadBytes) bytes, this one has \(payload.count)")
        }
        return payload
    }

    private static func labels(_ reader: inout JSONReader) throws -> [String] {
        var labels: Set<String> = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard labels.count < Store.Limits.taskLabels else {
                throw NativeAPI.invalid("labels", "are up to \(Store.Limits.taskLabels)")
            }
            labels.insert(try name("labels", &reader))
        }
        return labels.sorted()
    }

    private static func after(_ reader: inout JSONReader) throws -> [TaskID] {
        var ids: Set<TaskID> = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard ids.count < Store.Limits.taskDependencies, let id = TaskID(try reader.string()) else {
                throw NativeAPI.invalid(
                    "after", "is up to \(Store.Limits.taskDependencies) ids of tasks, as in t-7")
            }
            ids.insert(id)
        }
        return ids.sorted()
    }
}
