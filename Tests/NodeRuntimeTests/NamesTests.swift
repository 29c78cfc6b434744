import API
import Clocks
import HTTP
import HTTPServer
import Primitives
import Replication
import Testing

@testable import NodeRuntime

@Suite struct RosterTests {
    private let three = [
        (name: "b", url: "http://h2:2"), (name: "a", url: "http://h1:1/"), (name: "c", url: "http://[::1]:3"),
    ]

    private func roster(
        _ members: [(name: String, url: String)], own: String = "a", cluster: String = "parley"
    ) throws(StartError) -> Roster {
        var configuration = NodeConfiguration(
            name: own, listen: ":1", dataDirectory: "data", members: members)
        configuration.clusterName = cluster
        return try Roster(configuration)
    }

    private func refusal(_ members: [(name: String, url: String)], own: String = "a") -> String {
        do {
            _ = try roster(members, own: own)
            return "accepted"
        } catch {
            guard case .usage(let reason) = error else { return "\(error)" }
            return reason
        }
    }

    @Test func `numbers the members by name, whatever the order of the list`() throws {
        let roster = try roster(three, own: "b")
        #expect(roster.members.map(\.name) == ["a", "b", "c"])
        #expect(roster.members.map(\.id) == [NodeID(1), NodeID(2), NodeID(3)])
        #expect(roster.members.map(\.url) == ["http://h1:1", "http://h2:2", "http://[::1]:3"])
        #expect(roster.own == NodeID(2))
        #expect(roster.ownMember.name == "b")
        #expect(roster.peers.map(\.name) == ["a", "c"])
        #expect(roster.member(NodeID(3))?.name == "c")
        #expect(roster.member(named: "c")?.id == NodeID(3))
        #expect(roster.member(NodeID(4)) == nil && roster.member(named: "d") == nil)
    }

    @Test func `makes the cluster's identity of its name and its members' names alone`() throws {
        let known = try roster(three).cluster
        #expect(try roster(three.reversed(), own: "c").cluster == known)
        let moved = three.map { (name: $0.name, url: "http://other-\($0.name):9") }
        #expect(try roster(moved).cluster == known)
        #expect(try roster(three, cluster: "other").cluster != known)
        #expect(try roster(Array(three.dropLast())).cluster != known)
        #expect(try roster(three + [(name: "d", url: "http://h4:4")]).cluster != known)
    }

    @Test func `refuses lists that make no cluster`() {
        #expect(refusal([]) == "the cluster has no members")
        #expect(refusal(three, own: "x") == "node 'x' is not a member of the cluster (a, b, c)")
        #expect(refusal(three + [(name: "b", url: "http://h9:9")]) == "the cluster names 'b' twice")
        #expect(
            refusal(three + [(name: "d", url: "http://h2:2/")])
                == "members 'b' and 'd' have the same URL http://h2:2")
    }

    @Test(arguments: ["", "a b", "a/b", "ä", "a\n", String(repeating: "x", count: 65)])
    func `refuses names that would not fit in a URL`(name: String) {
        #expect(refusal([(name: name, url: "http://h:1")], own: name).contains("is not a name"))
    }

    @Test(arguments: [
        "", "h:1", "https://h:1", "http://h", "http://:1", "http://h:0", "http://h:65536", "http://h:+80",
        "http://h:1/path", "http://h:1?x", "http://user@h:1", "http://h h:1", "http://h\n:1", "http://hé:1",
        "http://h:", "ftp://h:1",
    ])
    func `refuses URLs that peers could not use`(url: String) {
        #expect(refusal([(name: "a", url: url)]).contains("is not a URL of the form"))
    }

    @Test(arguments: ["http://h:1", "http://h:65535//", "http://127.0.0.1:80", "http://a-b.example:7070"])
    func `takes URLs that name a host and a port`(url: String) {
        #expect(refusal([(name: "a", url: url)]) == "accepted")
    }
}

@Suite struct ByteRangeTests {
    @Test(
        arguments: [
            ("bytes=0-0", 0, 1), ("bytes=0-1023", 0, 1024), ("bytes=7-", 7, 4 << 20), ("bytes=5-5", 5, 1),
            ("bytes=0-99999999999", 0, 4 << 20), ("bytes=10-18446744073709551615", 10, 4 << 20),
            ("bytes=0-18446744073709551615", 0, 4 << 20), ("bytes=18446744073709551615-", .max, 4 << 20),
        ] as [(String, UInt64, UInt64)])
    func `reads one range, no longer than the limit`(field: String, first: UInt64, count: UInt64) throws {
        let range = try #require(ByteRange(field))
        #expect(range.first == first && range.count == count)
    }

    @Test(arguments: [
        "", "bytes", "bytes=", "bytes=-", "bytes=-5", "bytes=5", "bytes=6-5", "bytes=0-1,3-4", "bytes= 0-1",
        "bytes=0-1 ", "bytes=a-b", "bytes=+1-2", "bytes=1-+2", "items=0-1", "bytes=18446744073709551616-",
        "-",
    ])
    func `refuses everything else`(field: String) { #expect(ByteRange(field) == nil) }

    @Test func `refuses a request without one`() { #expect(ByteRange(nil) == nil) }
}

@Suite struct RequestIDTests {
    @Test func `no two are the same, on one node or on several, even if their clocks stand still`() {
        var random = SeededGenerator(seed: 1)
        var seen: Set<RequestID> = []
        for _ in 0..<20 {
            var ids = RequestIDs(seed: random.next())
            for _ in 0..<5_000 { seen.insert(ids.next(at: WallTime(milliseconds: 1_700_000_000_000))) }
        }
        #expect(seen.count == 100_000)
    }

    @Test func `later ones sort after earlier ones`() {
        var ids = RequestIDs(seed: .max)
        var last = ids.next(at: WallTime(milliseconds: 1))
        for time in 2...100 as ClosedRange<Int64> {
            let id = ids.next(at: WallTime(milliseconds: time))
            #expect(id.high > last.high)
            last = id
        }
    }
}

@Suite struct RequestTableTests {
    @Test func `each request is found once, by a token that no other had`() {
        var table = RequestTable()
        let importing = { (slot: UInt32) -> PendingRequest in
            .importing(
                PendingRequest.Importing(
                    connection: connection(slot), plan: Self.emptyImport, deadline: .never,
                    requestID: RequestID(high: 0, low: 0)))
        }
        #expect(table.isEmpty)
        let tokens = (1...3).map { table.insert(importing($0)) }
        #expect(Set(tokens).count == 3 && table.count == 3)
        guard case .importing(let found) = table.remove(tokens[1]) else {
            Issue.record("nothing found")
            return
        }
        #expect(found.connection == connection(2))
        #expect(table.remove(tokens[1]) == nil)
        #expect(table.count == 2)
        #expect(!tokens.contains(table.insert(importing(4))))
    }

    private static let emptyImport: ImportPlan = {
        let api = NativeAPI(
            settings: NativeAPI.Settings(
                nodeName: "n", advertisedURL: "http://n:1", clusterName: "c", version: "0")
        )
        let line = Array(#"{"key":"a","value":"b"}"#.utf8)
        let fields = [
            (name: "Host", value: "n:1"), (name: "Content-Type", value: "application/x-ndjson"),
            (name: "Content-Length", value: "\(line.count)"),
        ]
        guard
            case .importLines(let plan) = api.plan(
                for: .init(method: .post, target: "/kv", fields: fields, body: line))
        else { preconditionFailure("not an import") }
        return plan
    }()
}

@Suite struct InboxTests {
    private func note(_ number: UInt64, channel: String = "a") -> Note {
        Note(
            sender: "n2", recipient: "n1", channel: channel, id: RequestID(high: 5, low: number),
            body: [UInt8(truncatingIfNeeded: number)])
    }

    private func filled(_ count: UInt64) -> Inbox {
        var inbox = Inbox()
        for number in 1...count {
            let channel = number % 2 == 0 ? "even" : "odd"
            let arrived = WallTime(milliseconds: Int64(number))
            inbox.put(note(number, channel: channel), Stamp(), from: nil, at: arrived)
        }
        return inbox
    }

    private func numbers(_ messages: [Inbox.Message]) -> [UInt64] { messages.map(\.note.id.low) }

    @Test func `messages stay in the order in which they came, until they are taken out`() {
        var inbox = filled(6)
        #expect(numbers(inbox.first(4, channel: nil)) == [1, 2, 3, 4])
        #expect(numbers(inbox.first(9, channel: "even")) == [2, 4, 6])
        #expect(inbox.first(9, channel: "none").isEmpty)
        #expect(inbox.first(1, channel: nil)[0].arrived == WallTime(milliseconds: 1))
        #expect(inbox.remove(upTo: 3, alone: true).count == 1)
        #expect(inbox.remove(upTo: 3, alone: true).count == 0)
        #expect(numbers(inbox.first(9, channel: nil)) == [1, 2, 4, 5, 6])
        #expect(inbox.remove(upTo: 4, alone: false).count == 3)
        #expect(numbers(inbox.first(9, channel: nil)) == [5, 6])
    }

    @Test func `a message is found by its identifier`() {
        let inbox = filled(3)
        #expect(inbox.order(of: RequestID(high: 5, low: 2).description) == 2)
        #expect(inbox.order(of: "nonsense") == nil)
    }

    private func put(
        _ number: UInt64, into inboxes: Inboxes, _ name: String = "a", to recipient: String = "a",
        bytes: Int = 1
    ) -> Bool {
        var note = note(number)
        note.recipient = recipient
        note.body = Array(repeating: 7, count: bytes)
        return inboxes.put(note, into: name, at: WallTime(milliseconds: 0))
    }

    @Test func `a full inbox refuses what comes, until something is taken out`() {
        let inboxes = Inboxes(own: "n1")
        for number in 1...UInt64(Inbox.limit) { #expect(put(number, into: inboxes)) }
        #expect(!put(777_777, into: inboxes))
        #expect(put(1, into: inboxes, "b"), "another one has room")
        #expect(inboxes["a"].messages.count == Inbox.limit && inboxes["a"].messages[0].order == 1)
        #expect(inboxes.change("a") { $0.remove(upTo: 1, alone: true) }.count == 1)
        #expect(put(777_777, into: inboxes))
        #expect(inboxes.dropped == 0)
    }

    @Test func `what is said to all makes the oldest such message give way, and no other`() {
        let inboxes = Inboxes(own: "n1")
        #expect(put(1, into: inboxes, "n1", to: "n1"))
        #expect(put(2, into: inboxes, "n1", to: ""))
        for number in 3...UInt64(Inbox.limit) { #expect(put(number, into: inboxes, "n1", to: "n1")) }
        #expect(put(777_777, into: inboxes, "n1", to: ""))
        #expect(numbers(inboxes["n1"].first(2, channel: nil)) == [1, 3])
        #expect(inboxes["n1"].messages.last?.note.id.low == 777_777 && inboxes.dropped == 1)
    }

    @Test func `an inbox holds so many bytes, and so do all together`() {
        let inboxes = Inboxes(own: "n1")
        let (most, half) = (Inbox.byteLimit, Inbox.byteLimit / 2 - 1_000)
        #expect(!put(1, into: inboxes, bytes: most))
        let names = (1...100).map { "p\($0)" }
        let taken = names.filter { name in
            put(1, into: inboxes, name, bytes: half) && put(2, into: inboxes, name, bytes: half)
                && !put(3, into: inboxes, name, bytes: half)
        }
        #expect(taken.count == Inboxes.byteLimit / most)
        let state = ParticipantState(
            json: Array(repeating: 49, count: 40_000), time: WallTime(milliseconds: 0), stamp: Stamp())
        #expect(!inboxes.show(state, of: "p1"), "states count, too")
        #expect(inboxes.close("p1").map(\.note.id.low) == [1, 2])
        #expect(inboxes.show(state, of: "p1") && inboxes.state(of: "p1") == state)
        #expect(!put(1, into: inboxes, "p1", bytes: most - 1_000))
        #expect(inboxes.close("p1").isEmpty && inboxes.state(of: "p1") == nil)
        #expect(put(1, into: inboxes, "p1", bytes: most - 1_000))
    }

    @Test func `receipts for many messages go in pieces`() {
        let ids = (1...200).map { RequestID(high: 1, low: $0) }
        let receipt = Receipt(verdict: .full, inbox: "a", ids: ids)
        let pieces = receipt.encoded(most: 1_000)
        #expect(pieces.count == 4 && pieces.allSatisfy { $0.count <= 1_000 })
        let read = pieces.compactMap { Receipt($0[...]) }
        #expect(read.flatMap(\.ids) == ids)
        #expect(read.allSatisfy { $0.verdict == .full && $0.inbox == "a" })
        #expect(Receipt([9, 1, 97]) == nil && Receipt([]) == nil)
    }
}
