// NDJSON to commands. Lines are independent: a bad one is told and does not stop the others.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func planImport(_ asked: Asked) throws(Problem) -> Plan {
        enum Mode: String { case upsert, create }
        let mode = try asked.parameters.choice(.mode, of: Mode.self, words: "upsert or create")
        var reader = ImportReader(
            limits: settings.limits, createOnly: mode == .create, fences: try fences(asked))
        reader.read(asked.request.body)
        if reader.batches.isEmpty {
            guard let first = reader.badLines.first else {
                throw Problem(.badRequest, "the body has no lines; each is an object with key and value")
            }
            let errors = reader.badLines.prefix(10).map { bad in
                Problem.FieldError(field: "line \(bad.line)", message: bad.detail)
            }
            throw Problem(.invalid, "no line can be imported; line \(first.line): \(first.detail)")
                .with("errors", .errors(errors))
        }
        return .importLines(
            ImportPlan(
                batches: reader.batches, timeout: try timeout(asked.parameters),
                routing: try routing(asked.parameters), traits: asked.traits, target: asked.target,
                badLines: reader.badLines, once: try onceKey(asked)))
    }
}

/// Collects lines into commands of bounded size. A key comes at most once in a command, so that every line
/// has an outcome of its own.
private struct ImportReader {
    private(set) var batches: [ImportPlan.Batch] = []
    private(set) var badLines: [ImportPlan.BadLine] = []
    private let limits: NativeAPI.Limits
    private let createOnly: Bool
    private let fences: [Fence]
    private var puts: [BatchPut] = []
    private var lines: [Int] = []
    private var keys: Set<[UInt8]> = []
    private var bytes = 0

    init(limits: NativeAPI.Limits, createOnly: Bool, fences: [Fence]) {
        self.limits = limits
        self.createOnly = createOnly
        self.fences = fences
    }

    mutating func read(_ body: [UInt8]) {
        var number = 0
        var start = 0
        while start < body.count {
            let end = body[start...].firstIndex(of: UInt8(ascii: "\n")) ?? body.count
            number += 1
            let line = body[start..<end]
            start = end + 1
            if line.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) { continue }
            switch put(line) {
            case .success(let put): add(put, line: number)
            case .failure(let problem):
                badLines.append(.init(line: number, code: problem.code, detail: problem.detail))
            }
        }
        finishBatch()
    }

    private mutating func add(_ put: BatchPut, line: Int) {
        let size = put.key.count + put.value.count
        if puts.count == limits.batchCount || !puts.isEmpty && bytes + size > limits.batchBytes
            || keys.contains(put.key)
        {
            finishBatch()
        }
        puts.append(put)
        lines.append(line)
        keys.insert(put.key)
        bytes += size
    }

    private mutating func finishBatch() {
        if puts.isEmpty { return }
        let operation = Store.Operation.batch(puts, createOnly: createOnly)
        batches.append(
            .init(operation: fences.isEmpty ? operation : .fenced(fences, operation), lines: lines))
        puts = []
        lines = []
        keys = []
        bytes = 0
    }

    private func put(_ line: ArraySlice<UInt8>) -> Result<BatchPut, Problem> {
        do {
            var fields = LineFields()
            try fields.read(line)
            guard let key = fields.key else { return .failure(Problem(.badJSON, "the line has no key")) }
            guard let value = fields.value else {
                return .failure(Problem(.badJSON, "the line has no value"))
            }
            guard !key.isEmpty, key.count <= limits.keyBytes else {
                return .failure(Problem(.badKey, "a key has 1 to \(limits.keyBytes) bytes"))
            }
            guard value.count <= limits.valueBytes else {
                return .failure(Problem(.contentTooLarge, "a value has up to \(limits.valueBytes) bytes"))
            }
            return .success(BatchPut(key: key, value: value))
        } catch {
            return .failure(error)
        }
    }
}

/// The members of one line of an import.
private struct LineFields {
    private(set) var key: [UInt8]?
    private(set) var value: [UInt8]?

    /// What an exported line tells besides key and value; an import gives the keys revisions of its own.
    private static let told: Set<String> = ["revision", "create_revision", "version", "size"]
    private static let later: Set<String> = ["ttl_ms", "lease"]

    mutating func read(_ line: ArraySlice<UInt8>) throws(Problem) {
        do {
            var reader = try JSONReader(line)
            try reader.beginObject()
            while let name = try reader.nextName() {
                switch name {
                case "key": try Self.set(&key, reader.bytes(), name)
                case "key_b64": try Self.set(&key, reader.base64(), name)
                case "value": try Self.set(&value, reader.bytes(), name)
                case "value_b64": try Self.set(&value, reader.base64(), name)
                case let name where Self.told.contains(name): try reader.skip()
                default: throw Self.unknown(name)
                }
            }
            try reader.finish()
        } catch { throw Problem(reading: error) }
    }

    private static func set(_ field: inout [UInt8]?, _ bytes: [UInt8], _ name: String) throws(Problem) {
        guard field == nil else {
            throw Problem(.badJSON, "\(name) comes beside its other form")
        }
        field = bytes
    }

    private static func unknown(_ name: String) -> Problem {
        let shown = readable(name.utf8)
        if later.contains(name) { return Problem(.notImplemented, "\(shown) is not supported yet") }
        return Problem(
            .unknownParameter, "a line has no member \(shown); it has key and value, or their _b64 forms")
    }
}
