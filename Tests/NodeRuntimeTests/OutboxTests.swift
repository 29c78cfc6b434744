import API
import Clocks
import Primitives
import Replication
import Store
import Testing

@testable import NodeRuntime

@Suite struct `Messages that were sent` {
    private let outbox = Outbox()
    private let peers = [NodeID(2), NodeID(3)]
    private let wall = WallTime(milliseconds: 5)

    private func id(_ number: UInt64) -> RequestID { RequestID(high: 1, low: number) }

    /// A message to two peers, with parts of these numbers for each.
    private func send(_ number: UInt64, _ delivery: MessageDelivery = .reliable, parts: [UInt64] = [1, 2]) {
        var record = MessageRecord(
            id: id(number), delivery: delivery, ordering: .none, channel: "c", from: "a",
            sent: WallTime(milliseconds: 0), until: WallTime(milliseconds: 1))
        record.recipients = peers.map { .init(name: "n\($0)", node: $0, state: .sent) }
        outbox.add(record)
        for (place, peer) in peers.enumerated() {
            outbox.expect(parts, of: id(number), to: peer, place: place)
        }
    }

    private func states(_ number: UInt64) -> [MessageRecord.State]? {
        outbox.record(id(number))?.recipients.map(\.state)
    }

    @Test func `a message is delivered when all its parts are, to each recipient by itself`() {
        send(1)
        #expect(states(1) == [.sent, .sent])
        outbox.end(1, .acknowledged, to: peers[0], at: wall)
        outbox.end(2, .acknowledged, to: peers[1], at: wall)
        #expect(states(1) == [.sent, .sent])
        outbox.end(2, .acknowledged, to: peers[0], at: wall)
        #expect(states(1) == [.delivered, .sent])
        #expect(outbox.settle(id(1), .taken, in: "n2", of: peers[0], at: wall) == [])
        #expect(states(1) == [.acked, .sent])
        outbox.end(1, .expired, to: peers[1], at: wall)
        #expect(states(1) == [.acked, .expired])
        // It had come after all.
        #expect(outbox.settle(id(1), .taken, in: "n3", of: peers[1], at: wall) == [])
        #expect(states(1) == [.acked, .acked])
    }

    @Test func `what was taken is not lost afterwards, and what is lost is not delivered`() {
        send(1)
        _ = outbox.settle(id(1), .taken, in: "n2", of: peers[0], at: wall)
        outbox.end(1, .lost, to: peers[0], at: wall)
        #expect(states(1)?[0] == .acked)
        outbox.end(1, .lost, to: peers[1], at: wall)
        outbox.end(2, .acknowledged, to: peers[1], at: wall)
        #expect(states(1)?[1] == .lost)
        #expect(
            outbox.settle(id(1), .taken, in: "n2", of: NodeID(9), at: wall) == [], "nobody it was sent to")
        #expect(
            outbox.settle(id(7), .taken, in: "n2", of: peers[0], at: wall) == [], "no message of this node's")
    }

    @Test func `a stubborn message that was taken need not be sent any more`() {
        send(1, .stubborn, parts: [5])
        #expect(outbox.settle(id(1), .taken, in: "n2", of: peers[0], at: wall) == [5])
        #expect(outbox.settle(id(1), .taken, in: "n2", of: peers[0], at: wall) == [])
        #expect(outbox.wayCount == 1)
        outbox.end(5, .expired, to: peers[1], at: wall)
        #expect(states(1) == [.acked, .expired])
        #expect(outbox.counters[.stubborn] == [.sent: 2, .acked: 1, .expired: 1])
    }

    @Test func `a logged message is acknowledged when it was taken, and else its time is over`() {
        var record = MessageRecord(
            id: id(1), delivery: .logged, ordering: .total, channel: "c", from: "a",
            sent: WallTime(milliseconds: 0), until: WallTime(milliseconds: 1))
        record.recipients = ["a", "b", "c"].map { .init(name: $0, node: nil, state: .delivered) }
        outbox.add(record, [.kept(7), .refused, .kept(9)])
        outbox.await(id(1))
        #expect(outbox.expectedLogged.map(\.number).sorted() == [7, 9])
        outbox.end(logged: 8, wasTaken: true, at: wall)
        #expect(!outbox.isStirred && states(1) == [.delivered, .delivered, .delivered])
        outbox.end(logged: 7, wasTaken: true, at: wall)
        outbox.end(logged: 9, wasTaken: false, at: wall)
        #expect(outbox.isStirred && states(1) == [.acked, .delivered, .expired])
        #expect(outbox.record(id(1))?.recipients[0].path == [.init(state: .acked, time: wall)])
        #expect(outbox.expectedLogged.isEmpty)
    }

    @Test func `the newest are remembered`() {
        for number in 1...UInt64(Outbox.most + 1) { send(number, parts: []) }
        #expect(outbox.record(id(1)) == nil && outbox.record(id(2)) != nil)
    }

    // MARK: Its messages by byte

    @Test func `what is said can be read back`() throws {
        let trace = TraceContext(traceHigh: 1, traceLow: 2, span: 3, isSampled: true, state: "shop=1")
        for (trace, recipient) in [(trace, "n2"), (nil, "")] {
            let note = Note(
                sender: "a", recipient: recipient, channel: "c", id: id(7), body: [0, 255], trace: trace)
            let stamp = Stamp(lamport: 812, hybrid: HybridTime(WallTime(milliseconds: 5), 3))
            let words = try #require(Spoken(Spoken(note, stamp).encoded()))
            #expect(words.note == note && words.stamp == stamp)
        }
    }

    @Test func `no bytes stop the process`() {
        let note = Note(sender: "a", recipient: "n2", channel: "c", id: id(7), body: [1, 2, 3])
        let whole = Spoken(note, Stamp(lamport: 1, hybrid: nil)).encoded()
        for count in 0..<(whole.count - 3) { #expect(Spoken(Array(whole.prefix(count))) == nil) }
        // A time that no calendar has.
        for milliseconds in [-1, 253_402_300_800_000, Int64.max] {
            let time = HybridTime(WallTime(milliseconds: milliseconds))
            #expect(Spoken(Spoken(note, Stamp(hybrid: time)).encoded()) == nil)
        }
    }
}
