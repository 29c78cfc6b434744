// Random histories, replicas and clients; what each client is given is judged against the account of all changes.
// The guarantees are those of the contract: order, no repeat, no gap, whole revisions, resuming on any replica,
// bookmarks, exact filters, previous values, nothing below the start, compaction told, bounded memory, nothing left
// of a stream that is gone.

import JSON
import Primitives
import Store
import Testing
import Watches

/// One client and all that it knows.
private struct Client {
    var request: WatchRequest
    var member: Int
    var token: UInt64
    /// Given by the watches, not read yet.
    var socket: [UInt8] = []
    /// The watches must be told when nothing of it is left.
    var reportsDrain = false
    var isGone = false
    /// Everything up to here was told, or was before the start.
    var told: UInt64
    /// What the parts were told of the revision after it so far.
    var inside: [[Fact]]
    var wasSnapshot: [String: String]?
    var isInside = false

    var parts: [WatchPart] { request.filter.parts }

    /// Judges one line.
    mutating func judge(_ line: JSONValue, _ account: Account) {
        if let bookmark = line["bookmark"]?.unsigned {
            #expect(!isInside, "a bookmark within a revision")
            if let items = wasSnapshot {
                #expect(line["snapshot_end"]?.bool == true)
                let wanted = parts.map { account.items($0.range, at: bookmark) }.reduce(into: [:]) {
                    $0.merge($1) { first, _ in first }
                }
                #expect(items == wanted)
                wasSnapshot = nil
                told = bookmark
                return
            }
            #expect(bookmark >= told, "the bookmark \(bookmark) after \(told)")
            passOver(upTo: bookmark, account)
            told = max(told, bookmark)
            return
        }
        if line["waiting_for"] != nil { return }
        guard let revision = line["revision"]?.unsigned else {
            Issue.record("a line of an unknown kind: \(line)")
            return
        }
        if let items = line["items"]?.elements {
            for item in items { wasSnapshot?[item["key"]?.string ?? ""] = item["value"]?.string ?? "" }
            #expect(wasSnapshot != nil)
            return
        }
        take(revision, line, account)
    }

    private mutating func take(_ revision: UInt64, _ line: JSONValue, _ account: Account) {
        #expect(wasSnapshot == nil)
        guard revision > told, revision <= account.revision else {
            Issue.record("revision \(revision) after \(told)")
            return
        }
        passOver(upTo: revision - 1, account)
        told = revision - 1
        let name = line["watch"]?.string
        guard let part = parts.firstIndex(where: { $0.id == name }) else {
            Issue.record("no part is called \(name ?? "nothing")")
            return
        }
        for event in line["events"]?.elements ?? [] {
            inside[part].append(
                Fact(
                    key: event["key"]?.string ?? "",
                    value: event["type"]?.string == "put" ? event["value"]?.string : nil,
                    createRevision: event["create_revision"]?.unsigned ?? 0,
                    version: event["version"]?.unsigned ?? 0, previous: event["prev"]?["value"]?.string))
        }
        isInside = line["more"]?.bool == true
        guard !isInside else { return }
        for (place, part) in parts.enumerated() {
            var wanted = account.expected(revision, part)
            if !part.withPrevious { for index in wanted.indices { wanted[index].previous = nil } }
            #expect(inside[place] == wanted, "revision \(revision)")
            inside[place] = []
        }
        told = revision
    }

    /// Nothing up to a revision may have been of interest.
    private func passOver(upTo revision: UInt64, _ account: Account) {
        guard revision > told else { return }
        for skipped in (told + 1)...revision {
            let missing = parts.flatMap { account.expected(skipped, $0) }
            #expect(missing.isEmpty, "revision \(skipped) was left out")
        }
    }
}

private struct Trial {
    var random: SeededGenerator
    var account = Account()
    var members: [Member] = []
    var clients: [Client] = []
    var lastToken: UInt64 = 0
    var now = Instant.zero
    var (compactions, falls, resumes, installs) = (0, 0, 0, 0)

    static let limits = {
        var limits = WatchTable.Limits()
        limits.unsent = 900
        limits.leastUnsent = 300
        limits.unsentInAll = 6000
        limits.line = 400
        limits.slice = 500
        limits.sliceChanges = 5
        limits.ownBytes = 1500
        limits.ownChanges = 20
        limits.commonChanges = 6
        limits.commonPieces = 8
        limits.kept = 2000
        return limits
    }()

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var store = Store.Limits()
        store.minimumRevisions = 30
        store.maximumRevisions = 80
        store.historyAge = 0
        members = (0..<3).map { _ in Member(limits: Self.limits, store: store) }
    }

    mutating func below(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }
    mutating func key() -> String { ["a", "b", "c"][below(3)] + "/" + ["1", "2", "3", "4"][below(4)] }
    mutating func value() -> String {
        String(repeating: "v", count: [1, 10, 60][below(3)]) + "\(below(1000))"
    }

    mutating func write() {
        switch below(20) {
        case 0..<11: account.put(key(), value())
        case 11..<14: account.delete(key())
        case 14..<17:
            let prefix = ["a", "b", "c"][below(3)]
            let count = 1 + below(12)
            account.batch((0..<count).map { ("\(prefix)/\($0)", value()) })
        case 17: account.delete(prefix: ["a/", "b/", "c/"][below(3)])
        case 18: if account.revision > 20 { account.compact(account.revision - UInt64(below(20))) }
        default: break
        }
    }

    mutating func part(_ id: String?) -> WatchPart {
        var part = WatchPart(id: id, range: .all)
        switch below(5) {
        case 0: part.range = .only(Array(key().utf8))
        case 1, 2: part.range = .prefix(Array(["a/", "b/", "c"][below(3)].utf8))
        case 3: part.range = KeyRange(start: Array(key().utf8), end: Array("b/9".utf8))
        default: break
        }
        if part.range.isEmpty { part.range = .all }
        part.only = [nil, nil, nil, .put, .delete][below(5)]
        part.withPrevious = below(2) == 0
        return part
    }

    mutating func connect() {
        let member = below(3)
        let current = members[member].keyspace.revision.rawValue
        let compact = members[member].keyspace.compactRevision.rawValue
        let isMany = below(4) == 0
        let parts = isMany ? (0...below(3)).map { part("\($0)") } : [part(nil)]
        var request = WatchRequest(filter: WatchFilter(parts: parts, format: .lines), start: .now)
        var told = current
        switch below(4) {
        case 0: request.start = .snapshot
        case 1:
            let from = compact + 1 + UInt64(below(Int(current - compact) + 6))
            request.start = .from(Revision(from))
            told = from - 1
        default: break
        }
        if below(3) == 0 { request.bookmarks = .milliseconds(200) }
        lastToken += 1
        var client = Client(
            request: request, member: member, token: lastToken, told: told,
            inside: parts.map { _ in [] })
        if request.start == .snapshot { client.wasSnapshot = [:] }
        clients.append(client)
        members[member].add(lastToken, request, at: now)
    }

    /// The client goes to another member, behind the last thing that it was told.
    mutating func resume(_ place: Int) {
        var client = clients[place]
        if !client.isGone { members[client.member].watches.remove(client.token) }
        client.member = below(3)
        client.socket = []
        client.reportsDrain = false
        client.inside = client.parts.map { _ in [] }
        client.isInside = false
        client.isGone = false
        lastToken += 1
        client.token = lastToken
        let keyspace = members[client.member].keyspace
        if client.wasSnapshot != nil || client.told < keyspace.compactRevision.rawValue {
            client.wasSnapshot = [:]
            client.request.start = .snapshot
            client.told = keyspace.revision.rawValue
        } else {
            client.request.start = .from(Revision(client.told + 1))
            resumes += 1
        }
        clients[place] = client
        members[client.member].add(client.token, client.request, at: now)
    }

    mutating func turn(_ member: Int) {
        for token in members[member].watches.asking() {
            let place = clients.firstIndex { $0.token == token }
            let unsent = place.map { clients[$0].socket.count } ?? 0
            let isStuck = members[member].watches.report(token, unsent: unsent)
            if isStuck, let place { clients[place].reportsDrain = true }
        }
        for place in clients.indices where clients[place].member == member && clients[place].reportsDrain {
            guard clients[place].socket.isEmpty else { continue }
            clients[place].reportsDrain = false
            let isStuck = members[member].watches.report(clients[place].token, unsent: 0)
            #expect(!isStuck, "a stream with nothing unsent goes on")
        }
        members[member].step(at: now)
        for effect in members[member].take() {
            switch effect {
            case .send(let token, let piece):
                let place = clients.firstIndex { $0.token == token && !$0.isGone }
                guard let place else {
                    Issue.record("something for \(token), which is gone")
                    continue
                }
                let before = clients[place].socket.count
                #expect(before == 0 || before + piece.count <= Self.limits.unsent, "too much for \(token)")
                clients[place].socket += piece
            case .end(let token): Issue.record("\(token) ended without a cause")
            case .compacted(let token, _, let compact, let current):
                guard let place = clients.firstIndex(where: { $0.token == token }) else { continue }
                #expect(compact == members[member].keyspace.compactRevision && current >= compact)
                read(place, .max)
                #expect(clients[place].told < compact.rawValue)
                clients[place].isGone = true
                compactions += 1
            }
        }
    }

    /// The client takes some bytes and judges the whole lines among them.
    mutating func read(_ place: Int, _ count: Int) {
        let taken = clients[place].socket.prefix(count)
        // Only whole lines are taken, which is as good as any other split.
        guard let end = taken.lastIndex(of: UInt8(ascii: "\n")) else { return }
        let lines = taken[...end].split(separator: UInt8(ascii: "\n"))
        clients[place].socket.removeFirst(end + 1)
        for line in lines {
            guard let json = try? JSONValue(parsing: Array(line)) else {
                Issue.record("not JSON: \(String(decoding: line, as: UTF8.self))")
                return
            }
            clients[place].judge(json, account)
        }
    }

    mutating func act() throws {
        let member = below(3)
        switch below(40) {
        case 0..<14: write()
        case 14..<22: members[member].apply(account.log, upTo: account.log.count - below(4) * below(10))
        case 22..<30: turn(member)
        case 30..<35: if !clients.isEmpty { read(below(clients.count), [300, 1000, .max][below(3)]) }
        case 35: if clients.count < 12 { connect() }
        case 36: if !clients.isEmpty, below(3) == 0 { resume(below(clients.count)) }
        case 37: now = now + .milliseconds(below(400))
        case 38:
            let other = below(3)
            if members[other].keyspace.appliedIndex > members[member].keyspace.appliedIndex, below(3) == 0 {
                installs += 1
                try members[member].install(members[other].keyspace)
            }
        default:
            for place in clients.indices where clients[place].isGone { resume(place) }
        }
    }

    mutating func run() throws {
        for _ in 0..<1500 { try act() }
        // Everybody comes to the end, and nothing is left out.
        for place in clients.indices where clients[place].isGone { resume(place) }
        for member in members.indices { members[member].apply(account.log) }
        for _ in 0..<400 {
            now = now + .milliseconds(10)
            for member in members.indices { turn(member) }
            for place in clients.indices {
                read(place, .max)
                if clients[place].isGone { resume(place) }
            }
        }
        for client in clients {
            #expect(client.wasSnapshot == nil && !client.isInside)
            guard client.told < account.revision else { continue }
            for revision in (client.told + 1)...account.revision {
                #expect(
                    client.parts.flatMap { account.expected(revision, $0) }.isEmpty, "\(revision) is missing")
            }
        }
        for member in members { falls += Int(member.watches.counters.fellBehind) }
        for place in clients.indices where !clients[place].isGone {
            members[clients[place].member].watches.remove(clients[place].token)
        }
        for member in members {
            #expect(member.watches.isEmpty && member.watches.behind == 0)
            #expect(member.watches.deadline == .never)
        }
    }
}

@Suite struct `Watches in random worlds` {
    @Test(arguments: 1...12 as ClosedRange<UInt64>) func `keep every promise`(_ seed: UInt64) throws {
        var trial = Trial(seed: seed)
        try trial.run()
        #expect(trial.resumes > 0)
    }

    @Test func `come to the states that matter`() throws {
        var (compactions, falls, installs) = (0, 0, 0)
        for seed in 101...104 as ClosedRange<UInt64> {
            var trial = Trial(seed: seed)
            try trial.run()
            compactions += trial.compactions
            falls += trial.falls
            installs += trial.installs
        }
        #expect(compactions > 0 && falls > 0 && installs > 0)
    }
}
