// A small cluster for watches: one log, replicas that apply it at different times, clients with sockets of
// limited patience, and an account of all changes that is kept in a way of its own.

import JSON
import Primitives
import Store
import Testing
import Watches

/// What happened to one key.
struct Fact: Equatable, CustomStringConvertible {
    var key: String
    /// nil: the key was deleted.
    var value: String?
    var createRevision: UInt64 = 0
    var version: UInt64 = 0
    /// What was there before; nil if nothing was.
    var previous: String?

    var description: String { "\(key)=\(value ?? "-") (\(createRevision), \(version), \(previous ?? "-"))" }
}

/// The log, and what each revision of it changed.
struct Account {
    private(set) var log: [Command] = []
    /// The changes of each revision from 2 on, in the order of the keys.
    private(set) var facts: [[Fact]] = []
    private var present: [String: (value: String, create: UInt64, version: UInt64)] = [:]

    var revision: UInt64 { UInt64(facts.count) + 1 }

    mutating func append(_ operation: Operation, changes: [(key: String, value: String?)] = []) {
        let index = UInt64(log.count) + 1
        log.append(
            Command(
                requestID: RequestID(high: 1, low: index), time: WallTime(milliseconds: Int64(index)),
                operation: operation))
        var new: [Fact] = []
        for (key, value) in changes.sorted(by: { $0.key < $1.key }) {
            let old = present[key]
            guard value != nil || old != nil else { continue }
            var fact = Fact(key: key, value: value, previous: old?.value)
            if let value {
                fact.createRevision = old?.create ?? revision + 1
                fact.version = (old?.version ?? 0) + 1
                present[key] = (value, fact.createRevision, fact.version)
            } else {
                present[key] = nil
            }
            new.append(fact)
        }
        if !new.isEmpty { facts.append(new) }
    }

    mutating func put(_ key: String, _ value: String) {
        append(
            .put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false),
            changes: [(key, value)])
    }

    mutating func batch(_ puts: [(key: String, value: String)]) {
        append(
            .batch(
                puts.map { BatchPut(key: Array($0.key.utf8), value: Array($0.value.utf8)) }, createOnly: false
            ), changes: puts.map { ($0.key, $0.value) })
    }

    mutating func delete(_ key: String) {
        append(
            .delete(key: Array(key.utf8), guard: nil, returnPrevious: false, mustExist: false),
            changes: [(key, nil)])
    }

    mutating func delete(prefix: String) {
        append(
            .deleteRange(.prefix(Array(prefix.utf8))),
            changes: present.keys.filter { $0.hasPrefix(prefix) }.map { ($0, nil) })
    }

    mutating func compact(_ revision: UInt64) { append(.compact(Revision(revision))) }

    /// What a part of a watch is to be told of a revision.
    func expected(_ revision: UInt64, _ part: WatchPart) -> [Fact] {
        guard revision > 1 else { return [] }  // The empty store.
        return facts[Int(revision) - 2].filter { fact in
            guard part.range.contains(fact.key.utf8) else { return false }
            return part.only == nil || (part.only == .delete) == (fact.value == nil)
        }
    }

    /// The items of a range at a revision.
    func items(_ range: KeyRange, at revision: UInt64) -> [String: String] {
        var items: [String: String] = [:]
        for fact in facts.prefix(Int(revision) - 1).joined() where range.contains(fact.key.utf8) {
            items[fact.key] = fact.value
        }
        return items
    }
}

/// One node: a state of the store, and its watches.
struct Member {
    var keyspace: Keyspace
    var watches: WatchTable
    var effects: [WatchEffect] = []

    init(limits: WatchTable.Limits = WatchTable.Limits(), store: Store.Limits = Store.Limits()) {
        keyspace = Keyspace(limits: store)
        watches = WatchTable(limits: limits, at: .zero)
    }

    mutating func apply(_ log: [Command], upTo end: Int = .max) {
        while keyspace.appliedIndex.rawValue < min(UInt64(log.count), UInt64(clamping: end)) {
            let index = keyspace.appliedIndex.next
            _ = keyspace.apply(log[Int(index.rawValue) - 1], index: index, term: Term(1))
        }
    }

    /// What a node that was far behind does: another one's checkpoint takes the place of its state.
    mutating func install(_ other: Keyspace) throws {
        var writer = CheckpointWriter(other, cluster: ClusterID(99))
        var reader = CheckpointReader(limits: other.limits)
        while let part = writer.next() { try reader.receive(part) }
        keyspace = try reader.finish()
    }

    mutating func add(_ token: UInt64, _ request: WatchRequest, at now: Instant = .zero) {
        watches.add(
            token, request, in: keyspace, at: now, wall: WallTime(milliseconds: 0), into: &effects)
    }

    mutating func step(at now: Instant = .zero) {
        watches.step(
            keyspace, at: now, wall: WallTime(milliseconds: now.nanoseconds / 1_000_000), into: &effects)
    }

    /// Steps until there is nothing to do at this moment; all that is given is taken at once.
    mutating func settle(at now: Instant = .zero) -> [WatchEffect] {
        var all: [WatchEffect] = []
        for _ in 0..<100_000 {
            step(at: now)
            all += effects
            effects = []
            for token in watches.asking() { #expect(watches.report(token, unsent: 0) == false) }
            if watches.deadline > now { return all }
        }
        Issue.record("it does not come to rest")
        return all
    }

    mutating func take() -> [WatchEffect] {
        defer { effects = [] }
        return effects
    }
}

extension WatchRequest {
    /// A stream of lines with one range.
    init(_ range: KeyRange, from start: Start = .now, _ change: (inout WatchPart) -> Void = { _ in }) {
        var part = WatchPart(range: range)
        change(&part)
        self.init(filter: WatchFilter(parts: [part], format: .lines), start: start)
    }

    static func prefix(_ prefix: String, from start: Start = .now) -> WatchRequest {
        WatchRequest(.prefix(Array(prefix.utf8)), from: start)
    }

    static func key(_ key: String, from start: Start = .now) -> WatchRequest {
        WatchRequest(.only(Array(key.utf8)), from: start)
    }
}

extension [WatchEffect] {
    /// All that one stream was given.
    func bytes(_ token: UInt64) -> [UInt8] {
        reduce(into: []) { bytes, effect in
            if case .send(token, let piece) = effect { bytes += piece }
        }
    }

    /// The lines that one stream was given.
    func lines(_ token: UInt64) -> [JSONValue] {
        bytes(token).split(separator: UInt8(ascii: "\n")).map {
            (try? JSONValue(parsing: [UInt8]($0))) ?? .null
        }
    }

    /// The revisions that one stream was given.
    func revisions(_ token: UInt64) -> [UInt64] { lines(token).compactMap { $0["revision"]?.unsigned } }

    var text: String {
        reduce(into: "") { text, effect in
            if case .send(_, let piece) = effect { text += String(decoding: piece, as: UTF8.self) }
        }
    }
}
