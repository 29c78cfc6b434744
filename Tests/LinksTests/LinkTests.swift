import Primitives
import Testing

@testable import Links

/// A message that says which one it is.
func labelled(_ number: Int, size: Int = 0) -> [UInt8] {
    var writer = ByteWriter()
    writer.fixed(UInt32(number))
    return writer.bytes + [UInt8](repeating: 7, count: size)
}

func label(_ bytes: ArraySlice<UInt8>) -> Int {
    var reader = ByteReader(bytes)
    return Int((try? reader.fixed(UInt32.self)) ?? .max)
}

@Suite struct LinkTests {
    /// Sends in bursts at random times, both ways, some of it in order; answers what was sent by node.
    private func exchange(_ world: inout LinkWorld, count: Int) throws -> [[(label: Int, number: UInt64)]] {
        var sent: [[(Int, UInt64)]] = [[], []]
        for label in 0..<count {
            let node = Int(world.random.next(below: 2))
            let rung: LinkRung = world.random.next(below: 2) == 0 ? .perfect : .fifo
            let size = Int(world.random.next(below: 1_000))
            let number = try world.send(
                labelled(label, size: size), on: rung, from: node, to: 1 - node)
            sent[node].append((label, number))
            guard world.random.next(below: 4) == 0 else { continue }
            world.flush(node, 1 - node)
            world.run(for: world.random.next(in: .zero..<Instant.Span.milliseconds(5)))
        }
        for node in 0..<2 { world.flush(node, 1 - node) }
        world.run(for: .seconds(120))
        return sent
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `over a bad network every message is delivered once, and FIFO ones in order`(seed: UInt64) throws {
        var network = LinkWorld.Network()
        network.replays = seed % 3 == 0 ? 20 : 0
        var world = LinkWorld(nodes: 2, network: network, seed: seed)
        let sent = try exchange(&world, count: 600)
        for node in 0..<2 {
            let got = world.delivered(at: 1 - node)
            #expect(got.map { label($0.bytes) }.sorted() == sent[node].map(\.label))
            expectOrder(got)
            let acknowledged = world.heard.compactMap { heard -> UInt64? in
                guard heard.node == node, case .acknowledged(let number) = heard.effect else { return nil }
                return number
            }
            #expect(acknowledged.sorted() == sent[node].map(\.number))
            let counters = world.links[node][1 - node].counters
            #expect(counters[.perfect].retransmitted + counters[.fifo].retransmitted > 0)
            #expect(counters[.perfect].duplicates + counters[.fifo].duplicates > 0)
            #expect(counters[.perfect].reordered + counters[.fifo].reordered > 0)
            #expect(counters.malformed == 0)
            #expect(world.links[node][1 - node].load == (0, 0))
        }
    }

    /// A FIFO message comes after all that were sent before it.
    private func expectOrder(_ got: [LinkMessage]) {
        var highest = -1
        for message in got {
            let label = label(message.bytes)
            if message.rung == .fifo { #expect(label > highest, "\(label) after \(highest)") }
            highest = max(highest, message.rung == .fifo ? label : -1)
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `restarts leave messages open, but none comes twice, and none is forgotten`(seed: UInt64) throws {
        var network = LinkWorld.Network()
        network.replays = 10
        var world = LinkWorld(nodes: 2, network: network, seed: seed)
        // What the living process of each node sent.
        var open: [[UInt64: Int]] = [[:], [:]]
        var label = 0
        for round in 0..<12 {
            for _ in 0..<40 {
                let node = Int(world.random.next(below: 2))
                let rung: LinkRung = label % 2 == 0 ? .perfect : .fifo
                let long = world.random.next(below: 4) > 0
                let number = try world.send(
                    labelled(label, size: 100), on: rung, from: node, to: 1 - node,
                    for: long ? .seconds(86_400) : .milliseconds(30))
                open[node][number] = label
                label += 1
                world.flush(node, 1 - node)
                world.run(for: world.random.next(in: .zero..<Instant.Span.milliseconds(40)))
            }
            let node = Int(world.random.next(below: 2))
            check(&world, open)
            for node in 0..<2 { #expect(world.links[node][1 - node].counters.malformed == 0) }
            guard round < 11 else { break }
            world.restart(node)
            open[node] = [:]
        }
        world.run(for: .seconds(200))
        check(&world, open, isOver: true)
        let restarts = (0..<2).map { world.links[$0][1 - $0].counters.restarts }
        #expect(restarts.max() != 0, "who lives longest has seen the other one restart")
    }

    /// Holds what was told of the messages of the living processes against what was delivered.
    private func check(_ world: inout LinkWorld, _ open: [[UInt64: Int]], isOver: Bool = false) {
        for node in 0..<2 {
            var got: [Int: Int] = [:]
            for message in world.delivered(at: 1 - node) { got[label(message.bytes), default: 0] += 1 }
            #expect(got.values.allSatisfy { $0 == 1 }, "delivered twice")
            var outcomes: [UInt64: [Link.Effect]] = [:]
            for heard in world.heard where heard.node == node && heard.process == world.processes[node] {
                switch heard.effect {
                case .acknowledged(let number), .expired(let number, _), .lost(let number):
                    outcomes[number, default: []].append(heard.effect)
                default: break
                }
            }
            for (number, label) in open[node] {
                let told = outcomes[number] ?? []
                #expect(told.count <= 1, "\(label): \(told)")
                if isOver { #expect(told.count == 1, "nobody was told of \(label)") }
                if case .expired(_, wasSent: false)? = told.first { #expect(got[label] == nil) }
                guard isOver, case .acknowledged? = told.first else { continue }
                // A FIFO message may have been held back when the process that had it ended.
                if label % 2 == 0 { #expect(got[label] == 1, "\(label) was acknowledged and not delivered") }
            }
        }
        let perProcess = Dictionary(
            grouping: world.heard, by: { "\($0.node) \($0.process)" })
        for heard in perProcess.values { expectOrderPerSender(heard) }
    }

    private func expectOrderPerSender(_ heard: [LinkWorld.Heard]) {
        var last = -1
        for case .deliver(let message) in heard.map(\.effect) where message.rung == .fifo {
            let label = label(message.bytes)
            #expect(label > last)
            last = label
        }
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `what runs out of time is told, and holds nothing up`(seed: UInt64) throws {
        var world = LinkWorld(nodes: 2, seed: seed)
        world.network.replays = 5
        var numbers: [UInt64: Int] = [:]
        for round in 0..<20 {
            world.isCut = round % 3 == 1
            for place in 0..<20 {
                let label = round * 20 + place
                let number = try world.send(
                    labelled(label), on: place % 3 == 0 ? .perfect : .fifo, from: 0, to: 1,
                    for: world.random.next(in: .milliseconds(5)..<(.milliseconds(200))))
                numbers[number] = label
            }
            world.flush(0, 1)
            world.run(for: .milliseconds(40))
        }
        world.isCut = false
        world.run(for: .seconds(100))
        expectOrderPerSender(world.heard.filter { $0.node == 1 })
        let got = Set(world.delivered(at: 1).map { label($0.bytes) })
        #expect(world.delivered(at: 1).count == got.count)
        var told: [UInt64: Int] = [:]
        for heard in world.heard where heard.node == 0 {
            switch heard.effect {
            case .acknowledged(let number):
                told[number, default: 0] += 1
                // Held messages were let go when their predecessors were given up.
                #expect(got.contains(numbers[number] ?? -1))
            case .expired(let number, let wasSent):
                told[number, default: 0] += 1
                if !wasSent { #expect(!got.contains(numbers[number] ?? -1)) }
            case .connected(.answered, _): break
            default: Issue.record("\(heard.effect)")
            }
        }
        #expect(told.count == 400)
        #expect(told.values.allSatisfy { $0 == 1 })
        #expect(world.links[0][1].counters[.fifo].expired > 0)
        #expect(world.links[1][0].reception.heldCount == 0)
        // Nothing is left to do for either side.
        #expect(world.links[0][1].deadline == .never)
    }

    @Test func `stubborn messages come again and again until they are stopped or expire`() throws {
        var network = LinkWorld.Network()
        network.duplication = 0
        var world = LinkWorld(nodes: 2, network: network, seed: 4)
        let first = try world.send([1], on: .stubborn, from: 0, to: 1)
        let second = try world.send([2], on: .stubborn, from: 0, to: 1, for: .seconds(60))
        world.flush(0, 1)
        world.run(for: .seconds(20))
        let before = world.delivered(at: 1).filter { $0.bytes == [1] }.count
        #expect(before > 3 && before < 20)
        let stopped = world.links[0][1].stop(first)
        let again = world.links[0][1].stop(first)
        #expect(stopped && !again)
        world.run(for: .milliseconds(100))
        let late = world.delivered(at: 1).filter { $0.bytes == [1] }.count
        world.run(for: .seconds(100))
        #expect(world.delivered(at: 1).filter { $0.bytes == [1] }.count == late)
        #expect(world.delivered(at: 1).filter { $0.bytes == [2] }.count > 10)
        let told = world.heard.filter { $0.node == 0 }.map(\.effect)
        #expect(told.last == .expired(second, wasSent: true) && told.count == 2)
        #expect(world.links[0][1].load == (0, 0))
    }

    @Test func `fair-loss messages leave once, known peer or not`() throws {
        var network = LinkWorld.Network()
        network.duplication = 0
        var world = LinkWorld(nodes: 2, network: network, seed: 5)
        for label in 0..<1_000 {
            _ = try world.send(labelled(label), kind: 9, on: .fairLoss, from: 0, to: 1)
            world.flush(0, 1)
            world.run(for: .microseconds(10))
        }
        world.run(for: .seconds(10))
        let got = world.delivered(at: 1)
        #expect(got.count > 600 && got.count < 800)
        #expect(Set(got.map { label($0.bytes) }).count == got.count)
        #expect(got.allSatisfy { $0.kind == 9 && $0.rung == .fairLoss })
        #expect(world.links[0][1].deadline == .never)
    }
}
