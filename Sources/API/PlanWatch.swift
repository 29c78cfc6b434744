// Plans for watches: what is to be told, from where on, and in which form.

import HTTP
import JSON
import Primitives
import Store
public import Watches

/// A stream of changes.
public struct WatchQuery: Sendable {
    /// What is to be told. Without ranges of its own it would be empty, so there is at least one.
    public let request: WatchRequest
}

extension NativeAPI {
    func planWatch(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        try parameters.refuse(.prefix, .start, .end, with: .key)
        var part = try options(of: parameters)
        if let key = parameters[.key] {
            part.range = .only(try checked(key: key))
        } else {
            part.range = try range(parameters).range
        }
        return try planWatch([part], asked)
    }

    func planWatches(_ asked: Asked) throws(Problem) -> Plan {
        try expectJSON(asked.request)
        let parts = try WatchReader.read(
            asked.request.body, defaults: try options(of: asked.parameters), limits: settings.limits)
        return try planWatch(parts, asked)
    }

    /// What is wanted of every range.
    private func options(of parameters: Parameters) throws(Problem) -> WatchPart {
        var part = WatchPart(range: .all)
        part.only = try parameters.choice(.only, of: WatchPart.Kind.self, words: "put or delete")
        part.isKeysOnly = try parameters.flag(.keys)
        part.withPrevious = try parameters.flag(.prev)
        return part
    }

    private func planWatch(_ parts: [WatchPart], _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let format: WatchFormat = wantsEvents(asked.request) ? .events : .lines
        var request = WatchRequest(
            filter: WatchFilter(parts: parts, format: format), start: try start(asked))
        (request.most, request.wait) = try streamEnd(parameters)
        if let interval = try parameters.span(.bookmarks, most: .seconds(3600)) {
            guard interval >= .milliseconds(100) else {
                throw Problem(.badDuration, "bookmarks come every 100 ms at the most")
                    .with("parameter", .text(Parameter.bookmarks.rawValue))
            }
            request.bookmarks = interval
        }
        return .read(
            ReadPlan(
                target: .watch(WatchQuery(request: request)), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    /// A browser that takes a stream up again repeats the URL and says how far it was: that counts more.
    private func start(_ asked: Asked) throws(Problem) -> WatchRequest.Start {
        let parameters = asked.parameters
        try parameters.refuse(.from, with: .snapshot)
        let from = try parameters.revision(.from)
        let isSnapshot = try parameters.flag(.snapshot)
        if let last = asked.request.field("last-event-id") {
            guard let revision = decimal(Array(last)), revision < .max else {
                throw Problem(
                    .badRequest,
                    "Last-Event-ID is the id of an event of such a stream, not '\(readable(last))'"
                )
                .with("header", .text("Last-Event-ID"))
            }
            return .from(Revision(revision + 1))
        }
        if isSnapshot { return .snapshot }
        return from.map { .from($0) } ?? .now
    }

    /// After how many messages, and after what time, a stream ends; nil: never.
    func streamEnd(_ parameters: Parameters) throws(Problem) -> (most: Int?, wait: Instant.Span?) {
        let most = settings.limits.maximumStream
        return (
            try parameters.number(.max, in: 1...1_000_000_000).map { Int($0) },
            try parameters.span(.wait, most: most) ?? parameters.preferredWait.map { min($0, most) }
        )
    }

    /// Whether a stream is wanted as server-sent events.
    func wantsEvents(_ request: HTTP.Request) -> Bool {
        guard let accept = request.field("accept"), accept.count > 3 else { return false }
        return String(decoding: accept, as: UTF8.self).lowercased().contains("text/event-stream")
    }
}

/// Reads `{"watches":[{"id":"x","prefix":"a/"},…]}`.
private struct WatchReader {
    /// How many ranges a stream has at most.
    static let count = 128
    static let idBytes = 128

    private static let names = ["id", "key", "key_b64", "prefix", "start", "end", "only", "keys", "prev"]

    private var reader: JSONReader
    private let defaults: WatchPart
    private let limits: NativeAPI.Limits

    static func read(
        _ json: [UInt8], defaults: WatchPart, limits: NativeAPI.Limits
    ) throws(Problem) -> [WatchPart] {
        do {
            var reader = WatchReader(reader: try JSONReader(json), defaults: defaults, limits: limits)
            let parts = try reader.watches()
            try reader.reader.finish()
            return parts
        } catch { throw Problem(reading: error) }
    }

    private mutating func watches() throws -> [WatchPart] {
        var parts: [WatchPart]?
        try reader.beginObject()
        while let name = try reader.nextName() {
            guard name == "watches" else { throw Self.unknown(name, "", ["watches"]) }
            var list: [WatchPart] = []
            try reader.beginArray()
            while try reader.nextElement() {
                guard list.count < Self.count else {
                    throw Self.invalid("watches", "has up to \(Self.count) ranges")
                }
                let part = try part(list.count)
                guard !list.contains(where: { $0.id == part.id }) else {
                    throw Self.invalid(
                        "watches[\(list.count)].id", "is '\(part.id ?? "")', as that of another range")
                }
                list.append(part)
            }
            parts = list
        }
        guard let parts, !parts.isEmpty else { throw Self.invalid("watches", "needs at least one range") }
        return parts
    }

    private mutating func part(_ place: Int) throws -> WatchPart {
        let path = "watches[\(place)]"
        var part = defaults
        part.id = "\(place)"
        var (key, prefix, start, end): ([UInt8]?, [UInt8]?, [UInt8]?, [UInt8]?)
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "id":
                let id = try reader.string()
                guard id.utf8.count <= Self.idBytes else {
                    throw Self.invalid(path + ".id", "has up to \(Self.idBytes) bytes")
                }
                part.id = id
            case "key" where key == nil: key = try reader.bytes()
            case "key_b64" where key == nil: key = try reader.base64()
            case "key", "key_b64": throw Self.invalid(path, "key and key_b64 exclude each other")
            case "prefix": prefix = try reader.bytes()
            case "start": start = try reader.bytes()
            case "end": end = try reader.bytes()
            case "keys": part.isKeysOnly = try reader.bool()
            case "prev": part.withPrevious = try reader.bool()
            case "only":
                guard let only = WatchPart.Kind(rawValue: try reader.string()) else {
                    throw Self.invalid(path + ".only", "is put or delete")
                }
                part.only = only
            default: throw Self.unknown(name, path + ".", Self.names)
            }
        }
        part.range = try range(path, key, prefix, start, end)
        return part
    }

    private func range(
        _ path: String, _ key: [UInt8]?, _ prefix: [UInt8]?, _ start: [UInt8]?, _ end: [UInt8]?
    ) throws -> KeyRange {
        let kinds = [key != nil, prefix != nil, start != nil || end != nil].filter(\.self).count
        guard kinds == 1 else {
            throw Self.invalid(path, "needs one of key, prefix, or start and end")
        }
        for bytes in [key, prefix, start, end] where bytes?.count ?? 0 > limits.keyBytes {
            throw Problem(.badKey, "a key has up to \(limits.keyBytes) bytes, one of \(path) has more")
        }
        if let key {
            guard !key.isEmpty else { throw Problem(.badKey, "the key of \(path) is empty") }
            return .only(key)
        }
        if let prefix { return .prefix(prefix) }
        let range = KeyRange(start: start ?? [], end: end)
        if range.isEmpty { throw Self.invalid(path + ".start", "has to come before end") }
        return range
    }

    private static func invalid(_ field: String, _ message: String) -> Problem {
        Problem(.invalid, "\(field) \(message)")
            .with("errors", .errors([.init(field: field, message: message)]))
    }

    private static func unknown(_ name: String, _ path: String, _ names: [String]) -> Problem {
        let shown = readable((path + name).utf8)
        let problem = Problem(
            .unknownParameter,
            "there is no \(shown); what may stand there is \(names.joined(separator: ", "))"
        ).with("parameter", .text(shown))
        guard let suggestion = nearest(to: name, among: names) else { return problem }
        return problem.with("nearest", .text(suggestion))
    }
}
