// What the tests of the interface share: requests in one line, a store with a history, answers taken apart.

import API
import Clocks
import Foundation
import Gossip
import HTTP
import JSON
import Primitives
import Store
import Testing

let settings = {
    var settings = NativeAPI.Settings(
        nodeName: "n2", advertisedURL: "http://n2.example:7070", clusterName: "test", version: "0.1.0")
    settings.memberNames = ["n1", "n2", "n3"]
    settings.algorithms = [.membership, .clock, .lease, .claim(.lock)]
    return settings
}()
let api = NativeAPI(settings: settings)

/// A request as curl would send it.
func request(
    _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
) -> HTTP.Request {
    var list = [(name: "Host", value: "n2.example:7070")]
    if let body { list.append((name: "Content-Length", value: String(body.utf8.count))) }
    list += fields.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    return HTTP.Request(method: method, target: target, fields: list, body: Array((body ?? "").utf8))
}

/// The plan of a request.
func plan(
    _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
) -> Plan {
    api.plan(for: request(method, target, fields, body: body))
}

/// The answer that a request gets at once, or nil if there is something to do first.
func immediate(
    _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
) -> HTTP.Response? {
    guard case .answer(let response) = plan(method, target, fields, body: body) else { return nil }
    return response
}

func write(
    _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
) throws -> WritePlan {
    guard case .write(let plan) = plan(method, target, fields, body: body) else {
        throw Unexpected(plan(method, target, fields, body: body))
    }
    return plan
}

func read(_ target: String, _ fields: [String: String] = [:], method: HTTP.Method = .get) throws -> ReadPlan {
    guard case .read(let plan) = plan(method, target, fields) else {
        throw Unexpected(plan(method, target, fields))
    }
    return plan
}

func local(_ target: String, _ fields: [String: String] = [:], method: HTTP.Method = .get) throws -> LocalPlan
{
    guard case .local(let plan) = plan(method, target, fields) else {
        throw Unexpected(plan(method, target, fields))
    }
    return plan
}

/// A plan of another kind than the test expects.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ plan: Plan) {
        if case .answer(let response) = plan {
            description = "answered \(response.status): \(response.text)"
        } else {
            description = "\(plan)"
        }
    }
}

extension HTTP.Response {
    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    var code: String? { json["code"]?.string }
    /// The lines of an NDJSON body.
    var lines: [JSONValue] {
        body.split(separator: UInt8(ascii: "\n")).map { (try? JSONValue(parsing: $0)) ?? .null }
    }
}

/// A store and the entries that made it.
struct Fixture {
    var keyspace = Keyspace()
    private var index: UInt64 = 0

    @discardableResult mutating func apply(
        _ operation: Store.Operation, once: OnceKey? = nil
    ) -> Outcome {
        index += 1
        let command = Command(
            requestID: RequestID(high: 1, low: index), time: WallTime(milliseconds: Int64(index)),
            operation: operation, once: once)
        return keyspace.apply(command, index: LogIndex(index), term: Term(1))
    }

    @discardableResult mutating func put(_ key: String, _ value: String) -> Outcome {
        apply(.put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false))
    }

    @discardableResult mutating func delete(_ key: String) -> Outcome {
        apply(.delete(key: Array(key.utf8), guard: nil, returnPrevious: false, mustExist: false))
    }

    /// Carries a write out, from the request to the answer.
    mutating func answer(
        _ method: HTTP.Method, _ target: String, _ fields: [String: String] = [:], body: String? = nil
    ) throws -> HTTP.Response {
        let plan = try write(method, target, fields, body: body)
        let outcome = apply(plan.operation(at: keyspace.revision), once: plan.once)
        return api.render(write: plan, outcome: outcome, context: context)
    }

    /// Carries a read out; nil if it has to wait.
    func get(
        _ target: String, _ fields: [String: String] = [:], isFinal: Bool = false
    ) throws -> HTTP.Response? {
        let plan = try read(target, fields)
        switch api.render(read: plan, keyspace: keyspace, context: context, isFinal: isFinal) {
        case .answer(let response): return response
        case .wait: return nil
        case .stream(var response, var lines):
            while let part = lines.next(atLeast: 64) { response.body += part }
            return response
        case .watch(let head, _), .claimWatch(let head, _): return head
        }
    }

    /// Carries a HEAD of a stream out; nil if it begins a stream, which it must not.
    func head(_ target: String) throws -> HTTP.Response? {
        let plan = try read(target, ["Accept": "text/event-stream"], method: .head)
        guard case .answer(let head) = api.render(read: plan, keyspace: keyspace, context: context) else {
            return nil
        }
        return head
    }

    var context: AnswerContext {
        var context = AnswerContext(
            revision: keyspace.revision, term: Term(7),
            leader: AnswerContext.Leader(name: "n1", url: "http://n1.example:7070"))
        context.requestID = RequestID(high: 1, low: 2)
        return context
    }
}

/// The document as it stands in the repository.
func documentOnDisk() throws -> [UInt8] {
    let path = String(#filePath).split(separator: "/").dropLast().joined(separator: "/")
    let data = try #require(FileManager.default.contents(atPath: "/\(path)/../../openapi/openapi.json"))
    return Array(data)
}
