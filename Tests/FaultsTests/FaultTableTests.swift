import Faults
import Primitives
import Testing

private let one = NodeID(1)
private let two = NodeID(2)
private let three = NodeID(3)

private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

private func link(
    _ id: String = "f", from: NodeID? = one, to: NodeID? = two, until end: Instant = at(60_000),
    _ change: (inout LinkEffect) -> Void
) -> Fault {
    var effect = LinkEffect()
    change(&effect)
    return Fault(id: id, kind: .link(from: from, to: to, effect), expires: end)
}

private func partition(_ partition: Partition) -> Fault {
    Fault(id: "p", kind: .partition(partition), expires: at(60_000))
}

@Suite struct FaultTableTests {
    private var table = FaultTable()

    private mutating func fates(
        _ count: Int, from: NodeID = one, to: NodeID = two, every span: Int = 1
    ) -> [FaultVerdict] {
        (0..<count).map { table.decide(from: from, to: to, bytes: 100, at: at($0 * span)) }
    }

    @Test mutating func `without faults everything passes, and nothing is counted`() {
        #expect(fates(10) == Array(repeating: .pass, count: 10))
        #expect(table.total == FaultHits() && table.deadline == .never)
    }

    @Test mutating func `a block concerns one direction, and only as long as it lasts`() throws {
        try table.set(link(until: at(100)) { $0.blocks = true }, at: at(0))
        #expect(table.decide(from: one, to: two, bytes: 1, at: at(99)) == .drop(isCut: true))
        #expect(table.decide(from: two, to: one, bytes: 1, at: at(99)) == .pass)
        #expect(table.decide(from: one, to: three, bytes: 1, at: at(99)) == .pass)
        #expect(table.cuts(one, two, at: at(99)) && !table.cuts(two, one, at: at(99)))
        // At its end it is over, even if nobody has taken it out yet.
        #expect(table.decide(from: one, to: two, bytes: 1, at: at(100)) == .pass)
        #expect(!table.cuts(one, two, at: at(100)))
        #expect(table.deadline == at(100))
        #expect(table.expire(at: at(99)).isEmpty == true)
        #expect(table.expire(at: at(100)).map(\.id) == ["f"])
        #expect(table.isEmpty && table.deadline == .never)
        #expect(table.total.blocked == 1 && table.total.seen == 1)
    }

    @Test mutating func `a star stands for every node`() throws {
        try table.set(link("in", from: nil, to: two) { $0.blocks = true }, at: at(0))
        #expect(fates(1, from: three) == [.drop(isCut: true)])
        #expect(fates(1, from: two, to: three) == [.pass])
        _ = table.heal(nil)
        try table.set(link("out", from: two, to: nil) { $0.blocks = true }, at: at(0))
        #expect(fates(1, from: two, to: one) == [.drop(isCut: true)])
        #expect(fates(1, from: one, to: two) == [.pass])
    }

    @Test(arguments: [0.0, 0.1, 0.3, 1.0])
    mutating func `about as many are lost as the likelihood says, and all are counted`(drop: Double) throws {
        try table.set(
            link {
                $0.drop = drop
                $0.delay = FaultDelay(least: .milliseconds(1), greatest: .milliseconds(1))
                $0.seed = 7
            }, at: at(0))
        let lost = fates(10_000).count { $0 == .drop(isCut: false) }
        #expect(abs(Double(lost) - drop * 10_000) <= 200)
        #expect(table.total.dropped == UInt64(lost) && table.total.seen == 10_000)
        #expect(table.total.delayed == UInt64(10_000 - lost))
        #expect(table.faults.first?.hits.dropped == UInt64(lost))
    }

    @Test mutating func `the same seed brings the same fate, whatever happens on other links`() throws {
        func change(_ effect: inout LinkEffect) {
            effect.drop = 0.3
            effect.duplicate = 0.2
            effect.reorder = 0.2
            effect.delay = FaultDelay(least: .zero, greatest: .milliseconds(50), distribution: .pareto)
            effect.seed = 42
        }
        try table.set(link(from: nil, to: nil, change), at: at(0))
        let alone = fates(500)
        var other = FaultTable()
        try other.set(link("other", from: nil, to: nil, change), at: at(0))
        var beside: [FaultVerdict] = []
        for place in 0..<500 {
            _ = other.decide(from: two, to: one, bytes: 1, at: at(place))
            beside.append(other.decide(from: one, to: two, bytes: 9, at: at(place)))
            _ = other.decide(from: one, to: three, bytes: 1, at: at(place))
        }
        #expect(alone == beside)
        #expect(Set(alone.map { "\($0)" }).count > 100)
        #expect(fates(500, from: two, to: one) != alone)
    }

    @Test mutating func `a delay is between its bounds, and leaves the order as it is`() throws {
        for distribution in FaultDelay.Distribution.allCases {
            let delay = FaultDelay(
                least: .milliseconds(20), greatest: .milliseconds(200), distribution: distribution)
            try table.set(link(until: at(600_000)) { $0.delay = delay }, at: at(0))
            var last = Instant.zero
            var early = 0
            for place in 0..<1_000 {
                // So far apart that none has to wait for the one before.
                let now = at(place * 300)
                guard case .deliver(let after, 1) = table.decide(from: one, to: two, bytes: 1, at: now) else {
                    continue
                }
                #expect(.milliseconds(20) <= after && after <= .milliseconds(201))
                if after < .milliseconds(110) { early += 1 }
            }
            #expect((distribution == .pareto ? 900...1_000 : 150...600).contains(early), "\(distribution)")
            for place in 0..<1_000 {
                let now = at(300_000 + place)
                guard case .deliver(let after, 1) = table.decide(from: one, to: two, bytes: 1, at: now) else {
                    continue
                }
                #expect(now + after > last)
                last = now + after
            }
        }
    }

    @Test mutating func `what is reordered is overtaken, and holds up nothing`() throws {
        try table.set(
            link {
                $0.reorder = 0.2
                $0.seed = 3
            }, at: at(0))
        let fates = fates(1_000)
        let held = fates.count {
            if case .deliver(let after, 1) = $0 { after >= .milliseconds(5) } else { false }
        }
        #expect((150...250).contains(held))
        #expect(fates.count { $0 == .pass } == 1_000 - held)
        #expect(table.total.reordered == UInt64(held))
    }

    @Test mutating func `duplicates are copies, one for each fault that doubles`() throws {
        try table.set(link("a") { $0.duplicate = 1 }, at: at(0))
        try table.set(link("b", from: nil) { $0.duplicate = 1 }, at: at(0))
        #expect(fates(2) == [.deliver(after: .zero, copies: 3), .deliver(after: .zero, copies: 3)])
        #expect(table.total.duplicated == 2)
    }

    @Test mutating func `a message that any fault loses is lost, and delays add up`() throws {
        try table.set(
            link("a") { $0.delay = FaultDelay(least: .milliseconds(5), greatest: .milliseconds(5)) },
            at: at(0))
        try table.set(
            link("b", to: nil) { $0.delay = FaultDelay(least: .milliseconds(7), greatest: .milliseconds(7)) },
            at: at(0))
        #expect(fates(1) == [.deliver(after: .milliseconds(12), copies: 1)])
        try table.set(link("c") { $0.drop = 1 }, at: at(0))
        #expect(fates(1) == [.drop(isCut: false)])
        try table.set(link("d") { $0.blocks = true }, at: at(0))
        #expect(fates(1) == [.drop(isCut: true)])
    }

    @Test mutating func `a partition cuts between groups, both ways, but not at the bridge`() throws {
        let four = NodeID(4)
        try table.set(partition(.groups([[one], [two, three]], bridge: [four])), at: at(0))
        let all = [one, two, three, four]
        var cut: [String] = []
        for from in all {
            for to in all where from != to && table.cuts(from, to, at: at(1)) { cut.append("\(from)\(to)") }
        }
        #expect(cut == ["12", "13", "21", "31"])
        try table.set(partition(.oneWay(from: [one], to: [two, three])), at: at(0))
        #expect(table.cuts(one, two, at: at(1)) && table.cuts(one, three, at: at(1)))
        #expect(!table.cuts(two, one, at: at(1)) && !table.cuts(three, one, at: at(1)))
        #expect(table.count == 1)
    }

    @Test mutating func `a pause concerns no link`() throws {
        try table.set(Fault(id: "z", kind: .pause(one), expires: at(5_000)), at: at(0))
        #expect(fates(1) == [.pass])
        #expect(!table.cuts(one, two, at: at(1)))
    }

    @Test mutating func `there is a limit to how many, and to how long`() throws {
        for number in 0..<FaultTable.most { try table.set(link("\(number)") { $0.drop = 0.1 }, at: at(0)) }
        #expect(refusal(link("more") { $0.drop = 0.1 }) == .tooMany)
        // One more of the same name is none more.
        #expect(refusal(link("7") { $0.drop = 0.2 }) == nil)
        #expect(table.heal("7").count == 1)
        #expect(refusal(link("more") { $0.drop = 0.1 }) == nil)
        _ = table.heal(nil)
        #expect(refusal(link(until: at(600_001)) { $0.drop = 0.1 }) == .unsound)
        #expect(refusal(link(until: at(600_000)) { $0.drop = 0.1 }) == nil)
        #expect(refusal(link(until: at(0)) { $0.drop = 0.1 }) == .unsound)
        #expect(refusal(link { _ in }) == .unsound)
        #expect(refusal(link { $0.drop = 1.1 }) == .unsound)
        #expect(refusal(link { $0.reorder = .nan }) == .unsound)
        #expect(refusal(Fault(id: "z", kind: .pause(one), expires: at(60_001))) == .unsound)
        let many = (1...UInt64(Partition.most)).map { NodeID($0) }
        #expect(refusal(partition(.oneWay(from: many, to: [one]))) == .unsound)
    }

    private mutating func refusal(_ fault: Fault) -> FaultError? {
        do throws(FaultError) {
            try table.set(fault, at: at(0))
            return nil
        } catch { return error }
    }

    @Test mutating func `the fault of a link is found by its ends`() throws {
        try table.set(link("a", from: nil, to: two) { $0.drop = 0.1 }, at: at(0))
        try table.set(link("b", from: one, to: two) { $0.drop = 0.1 }, at: at(0))
        #expect(table.fault(from: one, to: two)?.id == "b")
        #expect(table.fault(from: nil, to: two)?.id == "a")
        #expect(table.fault(from: two, to: one) == nil)
        #expect(table.faults.map(\.fault.id) == ["a", "b"])
        #expect(table.heal("a").map(\.id) == ["a"])
        #expect(table.heal("a").isEmpty == true)
    }

    @Test mutating func `what came over a cut way is counted with the fault that cuts it`() throws {
        try table.set(link { $0.blocks = true }, at: at(0))
        table.noteCut(one, two, at: at(1))
        table.noteCut(two, one, at: at(1))
        #expect(table.total.blocked == 1 && table.faults.first?.hits.blocked == 1)
        table.noteOverflow()
        #expect(table.total.byKind.map(\.count) == [0, 1, 0, 0, 0, 1])
    }
}

@Suite struct DelayLineTests {
    @Test func `elements come out when they are due, the earliest first`() {
        var line = DelayLine<Int>()
        #expect(line.deadline == .never)
        for (number, due) in [(1, 30), (2, 10), (3, 20)] {
            #expect(line.hold(number, bytes: 10, until: at(due)) == true)
        }
        #expect(line.deadline == at(10) && line.count == 3 && line.bytes == 30)
        #expect(line.next(at: at(9)) == nil)
        #expect(line.next(at: at(25)) == 2)
        #expect(line.next(at: at(25)) == 3)
        #expect(line.next(at: at(25)) == nil)
        #expect(line.next(at: at(30)) == 1)
        #expect(line.count == 0 && line.bytes == 0)
    }

    @Test func `there is room for so many elements and so many bytes`() {
        var line = DelayLine<Int>(most: 2, bytes: 100)
        #expect(line.hold(1, bytes: 60, until: at(1)) == true)
        #expect(line.hold(2, bytes: 41, until: at(1)) == false)
        #expect(line.hold(3, bytes: 40, until: at(1)) == true)
        #expect(line.hold(4, bytes: 0, until: at(1)) == false)
        _ = line.next(at: at(1))
        #expect(line.hold(5, bytes: 0, until: at(1)) == true)
    }
}

@Suite struct FaultOrderTests {
    private static let actions: [FaultOrder.Action] = {
        var effect = LinkEffect()
        effect.drop = 0.25
        effect.duplicate = 0.5
        effect.reorder = 1
        effect.blocks = true
        effect.seed = .max
        var slow = LinkEffect()
        slow.delay = FaultDelay(
            least: .milliseconds(20), greatest: .milliseconds(200), distribution: .pareto)
        return [
            .heal(id: nil), .heal(id: "n1-7"),
            .set(id: "n1-1", .link(from: one, to: nil, effect), ttl: .seconds(60)),
            .set(id: "n1-2", .link(from: nil, to: two, slow), ttl: .milliseconds(1)),
            .set(
                id: "n1-3", .partition(.groups([[one], [two, three]], bridge: [NodeID(4)])),
                ttl: .seconds(600)),
            .set(id: "n1-4", .partition(.oneWay(from: [one], to: [two, three])), ttl: .seconds(1)),
            .set(id: "n1-5", .pause(three), ttl: .seconds(5)),
        ]
    }()

    private func order(_ action: FaultOrder.Action) -> FaultOrder {
        FaultOrder(cluster: ClusterID(0xfeed), from: one, to: two, action: action)
    }

    @Test(arguments: actions.indices) func `arrives as it was sent`(place: Int) throws {
        let order = order(Self.actions[place])
        #expect(try FaultOrder(decoding: order.encode()) == order)
    }

    @Test(arguments: actions.indices) func `is refused if a bit of it is wrong, or its end is missing`(
        place: Int
    ) {
        let bytes = order(Self.actions[place]).encode()
        for length in bytes.indices {
            #expect(throws: ByteReaderError.self) { try FaultOrder(decoding: Array(bytes[..<length])) }
        }
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 1 << UInt8(position % 8)
            #expect(throws: ByteReaderError.self) { try FaultOrder(decoding: damaged) }
        }
    }

    @Test func `forged content with a sound checksum never stops the process`() {
        var random = SeededGenerator(seed: 11)
        for round in 0..<20_000 {
            var bytes = Array(order(Self.actions[round % Self.actions.count]).encode().dropLast(4))
            for _ in 0...random.next(below: 3) {
                let position = Int(random.next(below: UInt64(bytes.count)))
                bytes[position] = UInt8(truncatingIfNeeded: random.next())
            }
            var writer = ByteWriter(continuing: bytes)
            writer.fixed(CRC32C.checksum(bytes))
            guard let order = try? FaultOrder(decoding: writer.bytes) else { continue }
            guard case .set(let id, let kind, let ttl) = order.action else { continue }
            var table = FaultTable()
            _ = try? table.set(Fault(id: id, kind: kind, expires: at(0) + ttl), at: at(0))
            _ = table.decide(from: one, to: two, bytes: 1, at: at(0))
        }
    }
}
