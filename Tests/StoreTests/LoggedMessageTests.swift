import Primitives
import Testing

@testable import Store

extension TimedStore {
    /// How a message stands with each of those whom it is for.
    fileprivate mutating func send(
        _ text: String, to names: [String], nodes: [String] = [], for timeToLive: Int64 = 60_000,
        id: RequestID? = nil
    ) -> [LoggedDelivery]? {
        let letter = LoggedLetter(
            to: names.map { .init(inbox: $0, isNode: nodes.contains($0)) }, sender: "s", channel: "c",
            body: Array(text.utf8), timeToLive: timeToLive)
        guard
            case .coordinated(.participant(.sent(let deliveries))) = apply(
                .participant(.send(letter)), id: id)
        else { return nil }
        return deliveries
    }

    fileprivate mutating func take(_ numbers: [UInt64], from inbox: String) -> Int? {
        guard
            case .coordinated(.participant(.taken(let count))) = apply(
                .participant(.take(inbox: inbox, numbers)))
        else { return nil }
        return count
    }

    fileprivate mutating func enter(_ name: String, for timeToLive: Int64 = 1_000_000_000) {
        apply(.participant(.register(name: name, home: "n1", moves: false, timeToLive: timeToLive)))
    }

    fileprivate func texts(_ inbox: String) -> [String] {
        keyspace.loggedMessages(in: inbox, limit: .max) { _ in true }.map {
            String(decoding: $0.body, as: UTF8.self)
        }
    }

    fileprivate func numbers(_ inbox: String) -> [UInt64] {
        keyspace.loggedMessages(in: inbox, limit: .max) { _ in true }.map(\.number)
    }

    /// What a store without a message takes up besides participants.
    fileprivate var inboxRows: Int {
        keyspace.coordination.count(RowKey(.loggedMessage))
            + keyspace.coordination.count(RowKey(.loggedInbox))
    }
}

@Suite struct `Logged messages` {
    @Test func `they wait in the order of the log until they are taken`() throws {
        var store = TimedStore()
        store.enter("a")
        store.enter("b")
        let id = store.nextRequest()
        let first = store.send("1", to: ["a", "b"], id: id)
        _ = store.send("2", to: ["a"])
        _ = store.send("3", to: ["b", "a"])
        #expect(store.texts("a") == ["1", "2", "3"] && store.texts("b") == ["1", "3"])
        let message = store.keyspace.loggedMessages(in: "a", limit: 1) { _ in true }.first
        #expect(message?.id == id && message?.sender == "s" && message?.channel == "c")
        let number = try #require(store.numbers("a").first)
        #expect(first?.first == .kept(number))
        #expect(store.keyspace.hasLoggedMessage(number, in: "a"))
        store.ended = []
        let taken = store.take([number], from: "a")
        #expect(taken == 1 && store.texts("a") == ["2", "3"] && store.texts("b") == ["1", "3"])
        #expect(store.ended.map(\.number) == [number] && store.ended.map(\.wasTaken) == [true])
        let again = store.take([number], from: "a")
        #expect(again == 0, "taken once")
        let numbers = store.numbers("a")
        let foreign = store.take(numbers, from: "b")
        #expect(foreign == 0, "each inbox has its own numbers")
        #expect(store.keyspace.loggedCount(in: "a") == 2)
    }

    @Test func `recipients must be known, each by itself`() {
        var store = TimedStore()
        store.enter("a")
        let mixed = store.send("x", to: ["nobody", "a", "n2"], nodes: ["n2"])
        #expect(mixed?.first == .unknown && mixed?.count == 3)
        #expect(store.texts("a") == ["x"] && store.texts("n2") == ["x"] && store.texts("nobody") == [])
        let before = store.keyspace.coordination.count
        let letter = LoggedLetter(
            to: [.init(inbox: "nobody", isNode: false)], sender: "s", channel: "c", body: [], timeToLive: 1)
        let refused = store.apply(.participant(.send(letter)))
        #expect(refused == .refused(.coordination(.participant(.notFound("nobody")))))
        #expect(store.keyspace.coordination.count == before)
    }

    @Test func `they outlive the participant's lease, and end with their own time`() {
        var store = TimedStore()
        store.enter("a", for: 1_000)
        _ = store.send("long", to: ["a"], for: 10_000)
        _ = store.send("short", to: ["a"], for: 3_000)
        store.pass(2_000)
        #expect(store.keyspace.participant("a") == nil && store.texts("a") == ["long", "short"])
        store.enter("a")
        store.ended = []
        store.pass(1_100)
        #expect(store.texts("a") == ["long"])
        #expect(store.ended.map(\.wasTaken) == [false])
        store.pass(7_000)
        #expect(store.texts("a") == [] && store.inboxRows == 0)
        #expect(store.keyspace.coordination.timerCount == 1, "that of the participant's lease")
    }

    @Test func `a full inbox refuses, and has room again`() {
        var store = TimedStore()
        store.enter("a")
        store.enter("b")
        let big = String(repeating: "x", count: 1 << 20)
        for _ in 0..<15 { _ = store.send(big, to: ["a"]) }
        let full = LoggedLetter(
            to: [.init(inbox: "a", isNode: false)], sender: "s", channel: "c", body: Array(big.utf8),
            timeToLive: 1)
        let refused = store.apply(.participant(.send(full)))
        #expect(refused == .refused(.coordination(.participant(.inboxFull("a")))))
        let both = store.send(big, to: ["a", "b"])
        #expect(both?.first == .refused && store.texts("b").count == 1)
        let first = store.numbers("a").prefix(1)
        _ = store.take(Array(first), from: "a")
        let again = store.send(big, to: ["a"])
        #expect(again?.count == 1)
        for _ in 0..<Limits.inboxMessages { _ = store.send("", to: ["n1"], nodes: ["n1"]) }
        #expect(store.keyspace.loggedCount(in: "n1") == Limits.inboxMessages)
        let last = store.send("", to: ["n1"], nodes: ["n1"])
        #expect(last == nil)
    }

    /// Against a model: what was sent and neither taken nor over is there, in order, after checkpoints, too.
    @Test(arguments: 1...8) func `none is lost, repeated or out of order`(_ seed: Int) throws {
        struct Kept: Equatable {
            var text: String
            var until: Int64
        }
        var random = TestRandom(seed: UInt64(seed))
        var store = TimedStore()
        let names = ["a", "b", "n1"]
        for name in names.dropLast() { store.enter(name) }
        var model: [String: [Kept]] = [:]
        var sent = 0
        for _ in 0..<600 {
            switch random.below(10) {
            case 0..<5:
                let to = names.filter { _ in random.below(2) == 0 }
                guard !to.isEmpty else { continue }
                sent += 1
                let time = Int64(1 + random.below(5_000))
                _ = store.send("\(sent)", to: to, nodes: ["n1"], for: time)
                for name in to {
                    model[name, default: []].append(Kept(text: "\(sent)", until: store.now + time))
                }
            case 5..<8:
                let name = names[random.below(names.count)]
                let numbers = store.numbers(name)
                let places = numbers.indices.filter { _ in random.below(3) == 0 }
                guard !places.isEmpty else { continue }
                let count = store.take(places.map { numbers[$0] }, from: name)
                #expect(count == places.count)
                for place in places.reversed() { model[name]?.remove(at: place) }
            case 8:
                // What is over goes a tenth of a second later at most.
                store.pass(Int64(random.below(2_000)))
                for name in names {
                    let left = Set(store.texts(name))
                    model[name]?.removeAll { $0.until <= store.now && !left.contains($0.text) }
                    #expect(model[name]?.allSatisfy { $0.until > store.now - 100 } ?? true)
                }
            default:
                let isSame = try store.restore()
                #expect(isSame)
            }
            for name in names {
                #expect(store.texts(name) == (model[name] ?? []).map(\.text), "seed \(seed)")
                #expect(store.keyspace.loggedCount(in: name) == model[name]?.count ?? 0)
            }
        }
        store.pass(6_000)
        #expect(store.inboxRows == 0, "nothing is left behind")
    }

    @Test func `what is not well formed is refused`() throws {
        func letter(_ names: [String], _ time: Int64 = 1, sender: String = "s") -> ParticipantCommand {
            .send(
                LoggedLetter(
                    to: names.map { .init(inbox: $0, isNode: false) }, sender: sender, channel: "c", body: [],
                    timeToLive: time))
        }
        for command in [
            letter([]), letter([""]), letter([String](repeating: "a", count: 129)), letter(["a"], 0),
            letter(["a"], Limits.messageMilliseconds + 1),
            letter(["a"], sender: String(repeating: "x", count: 257)), .take(inbox: "", [1]),
            .take(inbox: "a", []),
        ] {
            var writer = ByteWriter()
            command.encode(into: &writer)
            let bytes = writer.take()
            #expect(throws: ByteReaderError.self) {
                var reader = ByteReader(bytes)
                _ = try ParticipantCommand(reading: &reader)
            }
        }
    }
}
