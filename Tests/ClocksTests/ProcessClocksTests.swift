import Clocks
import Primitives
import Testing

@Suite struct ProcessClocksTests {
    private static func at(_ milliseconds: Int64) -> WallTime { WallTime(milliseconds: milliseconds) }

    @Test func `every event moves all clocks`() {
        var clocks = ProcessClocks(name: "a")
        clocks.tick(at: Self.at(5))
        #expect(clocks.lamport == 1 && clocks.hybrid == HybridTime(Self.at(5)))
        #expect(clocks.stamp.vector == VectorTime(["a": 1]))
        clocks.tick(at: Self.at(5))
        #expect(clocks.hybrid == HybridTime(Self.at(5), 1) && clocks.lamport == 2 && clocks.vector["a"] == 2)
        // The machine's clock has gone back.
        clocks.tick(at: Self.at(3))
        #expect(clocks.hybrid == HybridTime(Self.at(5), 2))
        clocks.tick(at: Self.at(6))
        #expect(clocks.hybrid == HybridTime(Self.at(6)))
    }

    @Test func `what nodes tell each other moves the hybrid clock alone`() throws {
        var clocks = ProcessClocks(name: "a")
        clocks.tick(at: Self.at(5))
        #expect(clocks.departure(at: Self.at(5)) == HybridTime(Self.at(5), 1))
        try clocks.follow(HybridTime(Self.at(9), 4), at: Self.at(6))
        #expect(clocks.hybrid == HybridTime(Self.at(9), 5))
        #expect(clocks.departure(at: Self.at(12)) == HybridTime(Self.at(12)))
        try clocks.follow(HybridTime(Self.at(9), 4), at: Self.at(11))
        #expect(clocks.hybrid == HybridTime(Self.at(12), 1))
        #expect(clocks.lamport == 1 && clocks.vector.counts == ["a": 1])
        #expect(throws: ClockError.ahead(milliseconds: 10_001, most: .seconds(10))) {
            try clocks.follow(HybridTime(Self.at(10_020)), at: Self.at(19))
        }
        #expect(throws: ClockError.self) {
            try clocks.follow(HybridTime(WallTime(milliseconds: .max), .max), at: Self.at(-5))
        }
        #expect(clocks.hybrid == HybridTime(Self.at(12), 1))
    }

    @Test func `a receipt is after the sending and after all that was before`() throws {
        var clocks = ProcessClocks(name: "a")
        clocks.tick(at: Self.at(5))
        try clocks.observe(
            Stamp(lamport: 10, hybrid: HybridTime(Self.at(9), 4), vector: VectorTime(["b": 7, "a": 1])),
            at: Self.at(6))
        #expect(clocks.lamport == 11 && clocks.hybrid == HybridTime(Self.at(9), 5))
        #expect(clocks.vector.counts == ["a": 2, "b": 7])
        try clocks.observe(Stamp(lamport: 3), at: Self.at(6))
        #expect(clocks.lamport == 12 && clocks.hybrid == HybridTime(Self.at(9), 6))
        #expect(clocks.vector.counts == ["a": 3, "b": 7])
    }

    @Test func `a full counter goes on in the next millisecond`() throws {
        var clocks = ProcessClocks(name: "a")
        try clocks.observe(Stamp(hybrid: HybridTime(Self.at(5), .max)), at: Self.at(5))
        #expect(clocks.hybrid == HybridTime(Self.at(6)))
    }

    @Test func `what can't be right is refused, and changes nothing`() {
        var clocks = ProcessClocks(name: "a", maximumSkew: .seconds(1))
        clocks.tick(at: Self.at(1))
        let before = clocks.stamp
        func refusal(_ stamp: Stamp) -> ClockError? {
            do throws(ClockError) {
                try clocks.observe(stamp, at: Self.at(1))
                return nil
            } catch {
                return error
            }
        }
        #expect(
            refusal(Stamp(lamport: 7, hybrid: HybridTime(Self.at(1002))))
                == .ahead(milliseconds: 1001, most: .seconds(1)))
        #expect(refusal(Stamp(hybrid: HybridTime(Self.at(.max)))) != nil)
        #expect(refusal(Stamp(lamport: .max)) == .tooLarge(.lamport))
        #expect(refusal(Stamp(lamport: ProcessClocks.most)) == .tooLarge(.lamport))
        #expect(refusal(Stamp(vector: VectorTime(["b": ProcessClocks.most]))) == .tooLarge(.vector))
        let many = Dictionary(uniqueKeysWithValues: (0..<VectorTime.most).map { ("p\($0)", UInt64(1)) })
        #expect(refusal(Stamp(vector: VectorTime(many))) == .tooManyProcesses)
        #expect(clocks.stamp == before)
        #expect(refusal(Stamp(hybrid: HybridTime(Self.at(1001)))) == nil)
        #expect(VectorTime(many.merging(["q": 1]) { $1 }) == nil)
    }

    @Test func `vectors tell concurrent events from those that follow`() {
        let one = VectorTime(["a": 2, "b": 1])
        let both = VectorTime(["a": 2, "b": 3])
        let other = VectorTime(["a": 1, "c": 1])
        #expect(one?.compared(with: one ?? VectorTime()) == .equal)
        #expect(one.flatMap { one in both.map { one.compared(with: $0) } } == .before)
        #expect(one.flatMap { one in both.map { $0.compared(with: one) } } == .after)
        #expect(one.flatMap { one in other.map { one.compared(with: $0) } } == .concurrent)
        #expect(VectorTime(["a": 0]) == VectorTime())
    }

    @Test func `stamps are compared by the clock that tells most`() {
        let one = Stamp(lamport: 1, hybrid: HybridTime(Self.at(9)), vector: VectorTime(["a": 1]))
        let two = Stamp(lamport: 2, hybrid: HybridTime(Self.at(8)), vector: VectorTime(["b": 1]))
        func compare(_ a: Stamp, _ b: Stamp) -> String? {
            a.compared(with: b).map { "\($0.order.rawValue) by \($0.by.rawValue)" }
        }
        #expect(compare(one, two) == "concurrent by vector")
        #expect(compare(Stamp(lamport: 1, hybrid: one.hybrid), two) == "after by hlc")
        #expect(compare(one, Stamp(lamport: 2)) == "before by lamport")
        #expect(compare(Stamp(lamport: 2), two) == "equal by lamport")
        #expect(compare(Stamp(lamport: 2), Stamp(hybrid: two.hybrid)) == nil)
    }

    /// Processes that do things and send messages, by clocks that are wrong by different amounts and go back:
    /// if one event happened before another, all clocks say so, and vectors say no more than that.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `clocks never contradict what happened before what`(seed: UInt64) throws {
        struct Event {
            var stamp: Stamp
            var known: Set<Int>
        }
        var random = SeededGenerator(seed: seed)
        let names = ["a", "b", "c", "d"]
        var clocks = names.map { ProcessClocks(name: $0) }
        var known = names.map { _ in Set<Int>() }
        var events: [Event] = []
        var mail: [(to: Int, stamp: Stamp, known: Set<Int>)] = []
        for time in 0..<120 {
            let who = Int(random.next(below: 4))
            let wall = Self.at(1_000 + Int64(time / 4) + Int64(random.next(below: 7)) + Int64(who * 5))
            if let place = mail.firstIndex(where: { $0.to == who }), random.next(below: 2) == 0 {
                let message = mail.remove(at: place)
                try clocks[who].observe(message.stamp, at: wall)
                known[who].formUnion(message.known)
            } else {
                clocks[who].tick(at: wall)
            }
            known[who].insert(events.count)
            events.append(Event(stamp: clocks[who].stamp, known: known[who]))
            if random.next(below: 2) == 0 {
                mail.append((Int(random.next(below: 4)), clocks[who].stamp, known[who]))
            }
        }
        for (place, event) in events.enumerated() {
            for (other, earlier) in events.enumerated() where other != place {
                let order = earlier.stamp.compared(with: event.stamp)?.order
                let happenedBefore = event.known.contains(other)
                #expect((order == .before) == happenedBefore)
                guard happenedBefore else { continue }
                let (one, two) = (earlier.stamp, event.stamp)
                #expect(one.lamport ?? 0 < two.lamport ?? 0)
                #expect(one.hybrid.flatMap { one in two.hybrid.map { one < $0 } } == true)
            }
        }
    }

    @Test func `texts of hybrid times are in the order of the times`() {
        let times = [
            HybridTime(Self.at(-5)), HybridTime(Self.at(0)), HybridTime(Self.at(0), 0x1f),
            HybridTime(Self.at(0), .max), HybridTime(Self.at(1)), HybridTime(Self.at(1_795_000_000_000)),
        ]
        #expect(times == times.sorted() && times.map(\.text) == times.map(\.text).sorted())
        #expect(HybridTime(Self.at(1_795_344_753_120), 3).text == "2026-11-22T10:52:33.120Z/0003")
    }
}
