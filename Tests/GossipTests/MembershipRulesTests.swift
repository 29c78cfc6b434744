import Primitives
import Testing

@testable import Gossip

/// One node, and what others say to it.
@Suite struct MembershipRulesTests {
    private let one = NodeID(1), two = NodeID(2), three = NodeID(3), four = NodeID(4)

    private struct Single {
        var node: Membership
        var now = Instant.zero
        var sent: [(to: NodeID, message: MembershipMessage, claims: [Claim])] = []
        var transitions: [MemberTransition] = []
        var longest = 0

        init(peers: Int = 4, options: MembershipOptions = MembershipOptions()) {
            node = Membership(
                own: NodeID(1), process: 10, peers: (2..<(2 + peers)).map { NodeID(UInt64($0)) },
                options: options, seed: 7, at: .zero)
        }

        mutating func take(_ effects: [Membership.Effect]) {
            for effect in effects {
                switch effect {
                case .transition(let what): transitions.append(what)
                case .send(let to, let payload):
                    longest = max(longest, payload.count)
                    var reader = ByteReader(payload)
                    guard let message = try? MembershipMessage(from: &reader) else { continue }
                    var claims: [Claim] = []
                    while !reader.isAtEnd, let claim = try? Claim(from: &reader) { claims.append(claim) }
                    sent.append((to, message, claims))
                }
            }
        }

        mutating func receive(
            _ body: MembershipMessage.Body, from: UInt64, _ claims: [Claim] = [], process: UInt64 = 10,
            refutation: UInt32 = 0, paused: UInt64 = 0
        ) {
            var writer = ByteWriter()
            MembershipMessage(
                body: body, incarnation: Incarnation(process: process, refutation: refutation),
                isLeaving: false, health: 0, paused: paused
            ).encode(into: &writer)
            for claim in claims { claim.encode(into: &writer) }
            receive(raw: writer.bytes, from: from)
        }

        mutating func receive(raw: [UInt8], from: UInt64) {
            var effects: [Membership.Effect] = []
            node.receive(raw[...], from: NodeID(from), at: now, into: &effects)
            take(effects)
        }

        /// Wakes the node whenever it wants to be woken.
        mutating func run(until end: Instant) {
            while node.deadline <= end {
                now = max(now, node.deadline)
                var effects: [Membership.Effect] = []
                node.wake(at: now, into: &effects)
                take(effects)
            }
            now = end
        }

        /// Runs until the first probe has just left, and says of whom.
        mutating func runToProbe() -> NodeID? {
            run(until: node.deadline)
            return sent.first?.to
        }
    }

    private func claim(
        _ member: NodeID, _ state: MemberState, process: UInt64 = 10, _ refutation: UInt32 = 0,
        by source: UInt64 = 3
    ) -> Claim {
        Claim(
            member: member, state: state, incarnation: Incarnation(process: process, refutation: refutation),
            source: NodeID(source))
    }

    @Test func `who is suspected objects with a greater incarnation`() throws {
        var single = Single()
        single.receive(.ping(1), from: 2, [claim(one, .suspect, 4)])
        #expect(single.node.incarnation == Incarnation(process: 10, refutation: 5))
        let answer = try #require(single.sent.last)
        #expect(answer.message.body == .ack(1, one))
        #expect(answer.claims.first == claim(one, .alive, 5, by: 1))
        #expect(
            single.transitions.contains {
                $0.member == one && $0.cause == .objected(to: .suspect, source: three)
            })
        // What was said of an earlier incarnation needs no answer.
        single.receive(.tell, from: 2, [claim(one, .dead, 4)])
        #expect(single.node.counters.objections == 1)
    }

    @Test func `an earlier process's greater number is objected to as well`() {
        var single = Single()
        single.receive(.tell, from: 2, [claim(one, .dead, process: 99, 3)])
        #expect(single.node.incarnation == Incarnation(process: 99, refutation: 4))
    }

    @Test func `claims of older incarnations change nothing`() {
        var single = Single()
        single.receive(.tell, from: 2, refutation: 5)
        for state in MemberState.allCases { single.receive(.tell, from: 3, [claim(two, state, 4)]) }
        #expect(single.node.state(of: two) == .alive)
        single.receive(.tell, from: 3, [claim(two, .suspect, 5)])
        #expect(single.node.state(of: two) == .suspect)
        single.receive(.tell, from: 3, [claim(two, .alive, 5)])
        #expect(single.node.state(of: two) == .suspect, "the same incarnation refutes nothing")
        single.receive(.tell, from: 3, [claim(two, .alive, 6)])
        #expect(single.node.state(of: two) == .alive)
        single.receive(.tell, from: 3, [claim(two, .dead, process: 9, 99)])
        #expect(single.node.state(of: two) == .alive)
    }

    @Test func `the order in which claims come does not matter`() {
        let claims = [
            claim(two, .alive, 1), claim(two, .suspect, 1), claim(two, .dead, 1), claim(two, .alive, 2),
            claim(two, .suspect, 2),
        ]
        var random = SeededGenerator(seed: 1)
        for _ in 0..<50 {
            var shuffled = claims
            for last in stride(from: claims.count - 1, to: 0, by: -1) {
                shuffled.swapAt(last, Int(random.next(below: UInt64(last + 1))))
            }
            var single = Single()
            for claim in shuffled { single.receive(.tell, from: 3, [claim]) }
            #expect(single.node.state(of: two) == .suspect)
            #expect(single.node.view(at: single.now).members[0].incarnation.refutation == 2)
        }
    }

    @Test func `a suspicion ends in death, and sooner the more confirm it`() throws {
        func death(_ confirmations: Int) throws -> Int64 {
            var single = Single(peers: 7)
            for source in 3..<(4 + UInt64(confirmations)) {
                single.receive(.tell, from: source, [claim(two, .suspect, by: source)])
            }
            // Node 2 is silent, the others answer.
            for _ in 0..<200 where single.node.state(of: two) == .suspect {
                single.run(until: single.now + .milliseconds(50))
                for (to, message, _) in single.sent.splice() where to != two {
                    if case .ping(let number) = message.body {
                        single.receive(.ack(number, to), from: to.rawValue)
                    }
                }
            }
            #expect(single.node.state(of: two) == .dead)
            let last = try #require(single.transitions.last { $0.member == two })
            guard case .suspicionExpired(let by) = last.cause else { throw Unexpected() }
            #expect(by.count >= 1 + confirmations)
            return last.at.nanoseconds / 1_000_000
        }
        // log2 of 8 nodes is 3: the shortest time is 3 s, the longest 9 s.
        let times = [try death(0), try death(1), try death(2), try death(4)]
        #expect(times[2] == 3_000 && times[3] == 3_000)
        #expect(times[1] > 3_000 && times[1] < 9_000 && times[0] > times[1] && times[0] <= 9_000)
    }

    @Test func `a node that wakes late gives suspects their time again, and says how long it slept`() throws {
        var single = Single(peers: 7)
        single.receive(.tell, from: 3, [claim(two, .suspect)])
        let slept = single.node.deadline
        single.now = slept + .seconds(20)
        var effects: [Membership.Effect] = []
        single.node.wake(at: single.now, into: &effects)
        #expect(single.node.state(of: two) == .suspect)
        #expect(single.node.counters.pauses == 1 && single.node.view(at: single.now).health == 1)
        single.receive(.ping(1), from: 2)
        #expect(single.sent.last?.message.paused == 20_000)
        single.run(until: single.now + .seconds(10))
        #expect(single.node.state(of: two) == .dead)
    }

    @Test func `a rumour is passed on three times log2 of n, and no more`() {
        var single = Single(peers: 7)
        single.receive(.tell, from: 2, [claim(three, .alive, 1)])
        for number in 0..<50 as Range<UInt32> { single.receive(.ping(number), from: 4) }
        let copies = single.sent.count { $0.claims.contains { $0.member == three } }
        #expect(copies == 9)
        #expect(single.node.rumours.count == 0)
    }

    @Test func `a datagram carries as many rumours as fit, and the next ones carry the others`() {
        var single = Single(peers: 400)
        for member in 3..<400 as Range<UInt64> {
            single.receive(.tell, from: 2, [claim(NodeID(member), .dead, process: 1 << 60, 1)])
        }
        for number in 0..<8 as Range<UInt32> { single.receive(.ping(number), from: 2) }
        #expect(single.longest <= MembershipOptions.longestPayload && single.longest > 1_150)
        #expect(Set(single.sent.flatMap(\.claims).map(\.member)).count >= 397)
    }

    @Test func `who is suspect hears so first in every datagram that goes to it`() throws {
        var single = Single()
        single.receive(.tell, from: 3, [claim(two, .suspect)])
        for number in 0..<60 as Range<UInt32> { single.receive(.ping(number), from: 2) }
        #expect(single.sent.allSatisfy { $0.claims.first == claim(two, .suspect) })
        #expect(single.sent.count == 60)
    }

    @Test func `without an answer three others are asked, and their nacks keep the node's health`() throws {
        for hasNacks in [true, false] {
            var single = Single(peers: 5)
            let probed = single.runToProbe()
            let target = try #require(probed)
            single.run(until: single.now + .milliseconds(600))
            let asked = single.sent.filter {
                if case .pingRequest = $0.message.body { return true }
                return false
            }
            #expect(asked.count == 3)
            #expect(!asked.contains { $0.to == target } && Set(asked.map(\.to)).count == 3)
            for (to, message, _) in asked where hasNacks {
                guard case .pingRequest(let number, _) = message.body else { continue }
                single.receive(.nack(number, target), from: to.rawValue)
            }
            single.run(until: single.now + .milliseconds(500))
            #expect(single.node.state(of: target) == .suspect)
            #expect(single.node.view(at: single.now).health == (hasNacks ? 0 : 3))
            let first = try #require(single.transitions.first { $0.to == .suspect })
            guard case .probeFailed(_, let helpers, let nacks) = first.cause else { throw Unexpected() }
            #expect(helpers.count == 3 && nacks == (hasNacks ? 3 : 0))
        }
    }

    @Test func `answered probes bring the node's health back`() {
        var single = Single(peers: 5)
        _ = single.runToProbe()
        single.run(until: single.now + .milliseconds(1_100))
        #expect(single.node.view(at: single.now).health == 3)
        for _ in 0..<200 {
            for (to, message, _) in single.sent.splice() {
                guard case .ping(let number) = message.body else { continue }
                single.receive(.ack(number, to), from: to.rawValue)
            }
            single.run(until: single.now + .milliseconds(100))
        }
        #expect(single.node.view(at: single.now).health == 0)
    }

    @Test func `a helper probes, answers, and says when it has no answer`() throws {
        var single = Single()
        single.receive(.pingRequest(77, three), from: 2)
        let ping = try #require(single.sent.last)
        #expect(ping.to == three)
        guard case .ping(let number) = ping.message.body else { throw Unexpected() }
        single.receive(.ack(number, three), from: 4)
        #expect(single.sent.count == 1, "only the one that was probed can answer")
        single.run(until: single.now + .milliseconds(400))
        let nacks = single.sent.filter { $0.message.body == .nack(77, three) }
        #expect(nacks.count == 1 && nacks[0].to == two)
        single.receive(.ack(number, three), from: 3)
        #expect(single.sent.last?.message.body == .ack(77, three) && single.sent.last?.to == two)
        for number in 0..<200 { single.receive(.pingRequest(UInt32(number), three), from: 2) }
        #expect(single.node.counters.helpsRefused == 200 - UInt64(MembershipOptions.mostHelped))
        single.receive(.pingRequest(5, NodeID(99)), from: 2)
        #expect(single.node.counters.unknownMembers == 1)
    }

    @Test func `answers count only for the probe under way, from whom was probed`() throws {
        var single = Single()
        _ = single.runToProbe()
        let first = try #require(single.sent.first)
        guard case .ping(let number) = first.message.body else { throw Unexpected() }
        let other: UInt64 = first.to == two ? 3 : 2
        single.receive(.ack(number, first.to), from: other)
        single.receive(.ack(number &+ 1, first.to), from: first.to.rawValue)
        #expect(single.node.counters.acks == 0 && single.node.counters.lateAcks == 2)
        single.receive(.ack(number, first.to), from: first.to.rawValue)
        single.receive(.ack(number, first.to), from: first.to.rawValue)
        #expect(single.node.counters.acks == 1)
    }

    @Test func `members come and go`() {
        var single = Single(peers: 2)
        #expect(single.node.add(NodeID(9), at: .zero) == true)
        #expect(single.node.add(NodeID(9), at: .zero) == false)
        #expect(single.node.add(one, at: .zero) == false)
        single.receive(.ping(1), from: 9)
        #expect(single.sent.last?.to == NodeID(9))
        #expect(single.node.remove(NodeID(9)) == true)
        #expect(single.node.remove(NodeID(9)) == false)
        single.receive(.ping(1), from: 9)
        #expect(single.node.counters.unknownSenders == 1)
        single.receive(.tell, from: 2, [claim(NodeID(9), .dead)])
        #expect(single.node.counters.unknownMembers == 1 && single.node.state(of: NodeID(9)) == nil)
        for number in 10..<5_000 { _ = single.node.add(NodeID(UInt64(number)), at: .zero) }
        #expect(single.node.view(at: .zero).members.count == MembershipOptions.mostMembers)
    }

    // MARK: Bytes

    @Test func `a message by byte`() {
        var writer = ByteWriter()
        MembershipMessage(
            body: .ack(0x0403_0201, NodeID(5)), incarnation: Incarnation(process: 300, refutation: 2),
            isLeaving: false, health: 3, paused: 130
        ).encode(into: &writer)
        claim(two, .suspect, 1).encode(into: &writer)
        #expect(writer.bytes == [3, 0xac, 2, 2, 0, 3, 0x82, 1, 1, 2, 3, 4, 5, 2, 1, 10, 1, 3])
    }

    @Test func `what is malformed is counted and changes nothing`() {
        var writer = ByteWriter()
        MembershipMessage(
            body: .pingRequest(9, three), incarnation: Incarnation(process: 10), isLeaving: false, health: 0,
            paused: 0
        ).encode(into: &writer)
        let bodyEnd = writer.count
        claim(four, .dead, 1).encode(into: &writer)
        let whole = writer.bytes
        for end in 0..<whole.count where end != bodyEnd {
            var single = Single()
            single.receive(raw: Array(whole[..<end]), from: 2)
            #expect(single.node.counters.malformed == 1 && single.sent.isEmpty, "\(end) bytes")
            #expect(single.node.state(of: four) == .alive)
        }
        var single = Single()
        let last = claim(four, .dead, .max)
        single.receive(.ping(1), from: 2, [last])
        single.receive(raw: whole + [UInt8](repeating: 0, count: 1_200), from: 2)
        single.receive(raw: [9] + whole.dropFirst(), from: 2)
        #expect(single.node.counters.malformed == 3 && single.sent.isEmpty)
        single.receive(raw: whole, from: 99)
        #expect(single.node.counters.unknownSenders == 1)
    }

    @Test func `no bytes stop the process`() {
        var random = SeededGenerator(seed: 5)
        var single = Single()
        var writer = ByteWriter()
        MembershipMessage(
            body: .pingRequest(9, three), incarnation: Incarnation(process: 10), isLeaving: false, health: 0,
            paused: 0
        ).encode(into: &writer)
        for member in 1...4 as ClosedRange<UInt64> {
            claim(NodeID(member), .suspect, 1).encode(into: &writer)
        }
        for _ in 0..<20_000 {
            var bytes = writer.bytes
            for _ in 0..<random.next(below: 4) {
                bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(random.next(below: 256))
            }
            bytes.removeLast(Int(random.next(below: 3)))
            single.receive(raw: bytes, from: 2 + random.next(below: 4))
            if random.next(below: 10) == 0 { single.run(until: single.now + .milliseconds(20)) }
        }
        #expect(single.node.counters.malformed > 1_000)
        #expect(single.sent.count > 100)
    }
}

private struct Unexpected: Error {}

extension Array {
    /// Takes all out.
    fileprivate mutating func splice() -> [Element] {
        defer { self = [] }
        return self
    }
}
