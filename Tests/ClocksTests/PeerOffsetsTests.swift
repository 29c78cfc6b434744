import Primitives
import Testing

@testable import Clocks

@Suite struct PeerOffsetsTests {
    /// Microseconds on the monotonic clock.
    private func at(_ microseconds: Int) -> Instant { .zero + .microseconds(microseconds) }

    /// A machine whose clock shows the monotonic time plus this, in microseconds.
    private let origin: Int64 = 1_700_000_000_000_000
    private func wall(_ now: Instant) -> Int64 { origin + now.nanoseconds / 1_000 }

    @Test func `a round trip bounds the difference`() throws {
        var offsets = PeerOffsets()
        // The peer is 5 ms ahead and answers 100 µs after the question left.
        offsets.note(
            ClockExchange(asked: at(1_000), answered: at(1_400), peerClock: origin + 1_100 + 5_000),
            with: NodeID(2))
        let found = try #require(offsets.offset(of: NodeID(2), at: at(1_400), wall: wall(at(1_400))))
        #expect(found == OffsetInterval(least: 4_699, most: 5_101))
        #expect(found.estimate == 4_900 && found.error == 201)
        #expect(offsets.offset(of: NodeID(3), at: at(1_400), wall: wall(at(1_400))) == nil)
    }

    @Test func `what is old tells less, and at last nothing`() throws {
        var offsets = PeerOffsets()
        offsets.note(ClockExchange(asked: at(0), answered: at(200), peerClock: origin), with: NodeID(2))
        func error(_ seconds: Int) -> Int64? {
            let now = at(200) + .seconds(seconds)
            return offsets.offset(of: NodeID(2), at: now, wall: wall(now))?.error
        }
        #expect(error(0) == 101)
        // 200 parts per million of 10 s are 2 ms.
        #expect(error(10) == 2_101)
        #expect(error(300) != nil)
        #expect(error(301) == nil)
    }

    @Test func `a step of either clock is seen at once`() throws {
        var offsets = PeerOffsets()
        for place in 0..<5 {
            let asked = place * 1_000
            offsets.note(
                ClockExchange(asked: at(asked), answered: at(asked + 100), peerClock: origin + Int64(asked)),
                with: NodeID(2))
        }
        let now = at(5_000)
        // This machine's clock goes a second forward: the peer's is a second behind it.
        let stepped = try #require(offsets.offset(of: NodeID(2), at: now, wall: wall(now) + 1_000_000))
        #expect(abs(stepped.estimate + 1_000_000) <= 100)
        // The peer's clock goes back an hour: what was known is worth nothing.
        offsets.note(
            ClockExchange(asked: now, answered: at(5_100), peerClock: wall(now) - 3_600_000_000),
            with: NodeID(2))
        let found = try #require(offsets.offset(of: NodeID(2), at: at(5_100), wall: wall(at(5_100))))
        #expect(abs(found.estimate + 3_600_000_000) <= 101)
    }

    @Test func `an exchange that took too long, or went backwards, tells nothing`() {
        var offsets = PeerOffsets()
        offsets.note(ClockExchange(asked: at(0), answered: at(6_000_000), peerClock: origin), with: NodeID(2))
        offsets.note(ClockExchange(asked: at(10), answered: at(0), peerClock: origin), with: NodeID(2))
        #expect(offsets.latest(of: NodeID(2), at: at(6_000_000)) == nil)
    }

    @Test func `the truth is always within the bounds`() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            // A peer with an offset of up to a second that drifts by up to 150 parts per million.
            let offset = Int64(random.next(below: 2_000_000)) - 1_000_000
            let drift = Int64(random.next(below: 300)) - 150
            func peerClock(_ now: Instant) -> Int64 {
                wall(now) + offset + now.nanoseconds / 1_000 * drift / 1_000_000
            }
            var offsets = PeerOffsets()
            var now = at(0)
            for _ in 0..<40 {
                let asked = now
                let read = asked + .microseconds(Int(random.next(below: 20_000)))
                let answered = read + .microseconds(Int(random.next(below: 20_000)))
                offsets.note(
                    ClockExchange(asked: asked, answered: answered, peerClock: peerClock(read)),
                    with: NodeID(2))
                now = answered + .milliseconds(Int(random.next(below: 5_000)))
                let found = try #require(offsets.offset(of: NodeID(2), at: now, wall: wall(now)))
                let truth = peerClock(now) - wall(now)
                #expect(found.least <= truth + 1 && truth - 1 <= found.most, "seed \(seed)")
            }
        }
    }
}

@Suite struct ClockAgreementTests {
    private func around(_ middle: Int64, _ error: Int64 = 100) -> OffsetInterval {
        OffsetInterval(least: middle - error, most: middle + error)
    }

    @Test func `Marzullo's own example`() {
        // 10 ± 2, 12 ± 1 and 11 ± 1 agree on 11 to 12; of 10 ± 2, 12 ± 1 and 14.5 ± 0.5 two agree.
        let (one, three) = ClockAgreement.smallest([
            OffsetInterval(least: 8, most: 12), OffsetInterval(least: 11, most: 13),
            OffsetInterval(least: 10, most: 12),
        ])
        #expect(one == OffsetInterval(least: 11, most: 12) && three == 3)
        let (two, pair) = ClockAgreement.smallest([
            OffsetInterval(least: 80, most: 120), OffsetInterval(least: 110, most: 130),
            OffsetInterval(least: 140, most: 150),
        ])
        #expect(two == OffsetInterval(least: 110, most: 120) && pair == 2)
    }

    @Test func `clocks that are alike agree as they are`() throws {
        let found = try #require(ClockAgreement(of: [around(20), around(-30)], clocks: 3))
        #expect(found.agreeing == 3 && found.disagreement == 0)
    }

    @Test func `one that lies is left out`() throws {
        let found = try #require(ClockAgreement(of: [around(9_000_000), around(-30)], clocks: 3))
        #expect(found.agreeing == 2)
        #expect(found.interval.least <= 0 && found.interval.most >= 0)
    }

    @Test func `if this machine's is the wrong one, the others say where time is`() throws {
        let found = try #require(ClockAgreement(of: [around(5_000_000), around(5_000_050)], clocks: 3))
        #expect(found.agreeing == 2 && found.disagreement == 0)
        #expect(abs(found.interval.estimate - 5_000_025) <= 100)
    }

    @Test func `if none agree, each is taken for wrong by more and more`() throws {
        let found = try #require(ClockAgreement(of: [around(10_000), around(-50_000)], clocks: 3))
        #expect(found.agreeing == 2)
        // The nearest two are 10 ms less 0.1 ms apart, which both sides make up for.
        #expect(found.disagreement == 8_192)
    }

    @Test func `a minority agrees on nothing`() {
        #expect(ClockAgreement(of: [around(0)], clocks: 5) == nil)
        #expect(ClockAgreement(of: [around(100_000_000), around(-100_000_000)], clocks: 3) == nil)
        #expect(ClockAgreement(of: [], clocks: 1)?.agreeing == 1)
    }
}

@Suite struct ClockProbesTests {
    private let clock: Int64 = 1_700_000_000_000_000

    /// Two nodes, and how far the second one's clock is ahead, in microseconds.
    private func exchange(_ ahead: Int64) throws -> (ClockProbes, ClockProbes, Instant) {
        var one = ClockProbes(peers: [NodeID(2)], seed: 1, at: .zero)
        var two = ClockProbes(peers: [NodeID(1)], seed: 2, at: .zero)
        var now = Instant.zero
        for _ in 0..<2 {
            for (asker, asked) in [(1, 2), (2, 1)] {
                let question = asker == 1 ? one.wake(at: now) : two.wake(at: now)
                let payload = try #require(question).payload[...]
                now = now + .microseconds(50)
                let shown = clock + now.nanoseconds / 1_000
                let answer =
                    asked == 2
                    ? two.receive(payload, from: NodeID(1), at: now, clock: shown + ahead)
                    : one.receive(payload, from: NodeID(2), at: now, clock: shown)
                let reply = try #require(answer)
                now = now + .microseconds(50)
                let nothing =
                    asker == 1
                    ? one.receive(reply[...], from: NodeID(2), at: now, clock: shown + 50)
                    : two.receive(reply[...], from: NodeID(1), at: now, clock: shown + 50 + ahead)
                #expect(nothing == nil)
            }
            now = now + ClockProbes.interval
        }
        return (one, two, now)
    }

    @Test func `two nodes know how their clocks stand to each other`() throws {
        let (one, two, now) = try exchange(7_000)
        let shown = clock + now.nanoseconds / 1_000
        let first = try #require(one.row(at: now, clock: shown).first)
        let second = try #require(two.row(at: now, clock: shown + 7_000).first)
        #expect(first.node == NodeID(2) && abs(first.estimate - 7_000) <= first.error && first.error < 200)
        #expect(second.node == NodeID(1) && abs(second.estimate + 7_000) <= second.error)
        // The row of the one came with its second answer to the other.
        #expect(abs(try #require(two.rows[NodeID(1)]?.entries.first).estimate - 7_000) <= 200)
    }

    @Test func `questions are half a second apart, however many are to be asked`() {
        var probes = ClockProbes(peers: (2...200).map { NodeID($0) }, seed: 1, at: .zero)
        var asked: [NodeID] = []
        var now = Instant.zero
        while now < .zero + .seconds(10) {
            if let question = probes.wake(at: now) { asked.append(question.peer) }
            now = probes.deadline
        }
        #expect(asked == (2...21).map { NodeID($0) })
        var alone = ClockProbes(peers: [], seed: 1, at: .zero)
        let none = alone.wake(at: .zero)
        #expect(none == nil && alone.deadline == .never)
    }

    @Test func `answers to nobody's question, of another node, or repeated, are refused`() throws {
        var one = ClockProbes(peers: [NodeID(2), NodeID(3)], seed: 1, at: .zero)
        var two = ClockProbes(peers: [NodeID(1)], seed: 2, at: .zero)
        let asked = one.wake(at: .zero)
        let question = try #require(asked)
        let answered = two.receive(question.payload[...], from: NodeID(1), at: .zero, clock: clock)
        let answer = try #require(answered)
        _ = one.receive(answer[...], from: NodeID(3), at: .zero, clock: clock)
        #expect(one.refused == 1 && one.answered == 0)
        _ = one.receive(answer[...], from: NodeID(2), at: .zero, clock: clock)
        #expect(one.answered == 1)
        _ = one.receive(answer[...], from: NodeID(2), at: .zero, clock: clock)
        #expect(one.refused == 2 && one.answered == 1)
    }

    @Test func `bytes that are no message are refused, and counted`() throws {
        var random = SeededGenerator(seed: 7)
        var one = ClockProbes(peers: [NodeID(2)], seed: 1, at: .zero)
        let hostile: [[UInt8]] = [
            [], [0], [3], [1], [1, 1, 2, 3, 4, 5, 6, 7, 8, 9], [2, 0, 0, 0, 0, 0, 0, 0, 0],
            [2] + [UInt8](repeating: 0, count: 16) + [65],
        ]
        for bytes in hostile {
            let answer = one.receive(bytes[...], from: NodeID(2), at: .zero, clock: clock)
            #expect(answer == nil)
        }
        #expect(one.refused == UInt64(hostile.count))
        for _ in 0..<5_000 {
            let bytes = (0..<Int(random.next(below: 40))).map { _ in UInt8(truncatingIfNeeded: random.next())
            }
            _ = one.receive([2] + bytes, from: NodeID(2), at: .zero, clock: clock)
        }
        #expect(one.answered == 0)
    }
}
