import Primitives
import Testing

@testable import Gossip

/// Whole clusters under virtual time.
@Suite struct EventsTests {
    private func has(_ network: SimulatedNetwork, _ id: EventID) -> Set<NodeID> {
        Set(network.delivered.filter { $0.event == id }.map(\.at))
    }

    @Test(arguments: [0.0, 0.1]) func `an event reaches 99 percent of 200 nodes within ten rounds`(
        loss: Double
    ) throws {
        let network = SimulatedNetwork(200, seed: 1)
        network.loss = loss
        let id = try network.publish(0)
        network.run(for: EventOptions().round * 10)
        #expect(has(network, id).count >= 198)
        #expect(network.delivered.count == has(network, id).count, "nobody has it twice")
        let hops = network.nodes.compactMap { $0.events.event(id)?.hops }
        #expect(try #require(hops.max()) <= 15 && hops.count { $0 == 0 } == 1)
    }

    @Test func `every node has every event once, whatever is lost, doubled and overtaken`() throws {
        let network = SimulatedNetwork(8, seed: 2)
        (network.loss, network.duplication, network.reordering) = (0.3, 0.3, 0.3)
        var ids: Set<EventID> = []
        for number in 0..<40 {
            ids.insert(
                try network.publish(number % 8, [UInt8](repeating: UInt8(number), count: number * 100)))
            network.run(for: .milliseconds(150))
        }
        network.run(for: .seconds(20))
        for place in 0..<8 {
            let here = network.delivered.filter { $0.at == SimulatedNetwork.id(place) }.map(\.event)
            #expect(here.count == 40 && Set(here) == ids)
            for event in network.nodes[place].events.stored {
                let first = event.body.first ?? 0
                #expect(event.body == [UInt8](repeating: first, count: Int(first) * 100))
            }
        }
        #expect(network.longestPayload <= MembershipOptions.longestPayload)
    }

    @Test func `an event spreads in a minority, and crosses over after the healing`() throws {
        let network = SimulatedNetwork(7, seed: 3)
        network.isCut = { ($0.rawValue <= 2) != ($1.rawValue <= 2) }
        let small = try network.publish(0)
        let large = try network.publish(5)
        network.run(for: .seconds(30))
        #expect(has(network, small) == [NodeID(1), NodeID(2)])
        #expect(has(network, large) == Set((3...7).map { NodeID($0) }))
        network.isCut = { _, _ in false }
        let took = network.run(atMost: .seconds(20)) {
            has(network, small).count == 7 && has(network, large).count == 7
        }
        #expect(took != nil)
        #expect(
            network.run(atMost: .seconds(60)) {
                network.nodes[0].events.coverage(of: small)?.reached.count == 7
            } != nil)
    }

    @Test func `who was away, or is a new process, gets what it missed and is not forgotten yet`() throws {
        let network = SimulatedNetwork(4, seed: 4)
        network.crash(3)
        var ids: [EventID] = []
        for _ in 0..<60 {
            ids.append(try network.publish(1, [UInt8](repeating: 7, count: 3_000)))
            network.run(for: .milliseconds(300))
        }
        #expect(network.nodes[3].events.stored.isEmpty)
        network.restart(3)
        let took = network.run(atMost: .seconds(20)) { network.nodes[3].events.stored.count == 60 }
        #expect(took != nil)
        #expect(Set(network.nodes[3].events.stored.map(\.id)) == Set(ids))
        network.run(for: .seconds(620))
        #expect(network.nodes.allSatisfy { $0.events.stored.isEmpty })
        network.restart(2)
        network.run(for: .seconds(30))
        #expect(network.nodes[2].events.stored.isEmpty, "nobody has them any more")
        #expect(network.delivered.count == 4 * 60)
    }

    @Test func `the origin learns who has an event, and over how many hops`() throws {
        let network = SimulatedNetwork(12, seed: 5)
        network.loss = 0.2
        let id = try network.publish(4)
        network.run(for: .seconds(20))
        let reached = try #require(network.nodes[4].events.coverage(of: id)).reached
        #expect(reached.map(\.node) == (0..<12).map(SimulatedNetwork.id))
        for entry in reached {
            let event = network.nodes[SimulatedNetwork.place(entry.node)].events.event(id)
            #expect(event?.hops == entry.hops)
            #expect(entry.age < .seconds(5) && (entry.hops == 0) == (entry.node == NodeID(5)))
        }
        let other = try #require(network.nodes[7].events.coverage(of: id)).reached
        #expect(other.map(\.node) == [NodeID(8)] && other[0].hops > 0)
        // When all have told, only comparisons go on: one a second, and its answer.
        let before = network.eventBytes
        network.run(for: .seconds(20))
        #expect((network.eventBytes - before) / 12 / 20 < 150)
    }
}

/// One node, and what others say to it.
@Suite struct EventRulesTests {
    private let peers = (1...4).map { NodeID($0) }

    private func make(_ options: EventOptions = EventOptions(), process: UInt64 = 1) -> Events {
        Events(own: NodeID(1), process: process, peers: peers, options: options, seed: 1, at: .zero)
    }

    private func part(
        _ counter: UInt64, origin: UInt64 = 2, process: UInt64 = 5, topic: String = "t",
        body: [UInt8] = [1], part: Int = 0, age: Int = 0
    ) -> EventPart {
        let start = part * EventOptions.partSize
        return EventPart(
            id: EventID(origin: NodeID(origin), process: process, counter: counter), topic: topic,
            ttl: .seconds(60), age: .milliseconds(age), hops: 2, length: body.count, part: part,
            bytes: body[start..<min(start + EventOptions.partSize, body.count)])
    }

    private func receive(
        _ message: EventMessage, by node: inout Events, from: UInt64 = 3, at now: Instant = .zero
    ) -> [Events.Effect] {
        var effects: [Events.Effect] = []
        node.receive(message.encode()[...], from: NodeID(from), at: now, into: &effects)
        return effects
    }

    private func delivered(_ effects: [Events.Effect]) -> [Event] {
        effects.compactMap { if case .deliver(let event) = $0 { event } else { nil } }
    }

    @Test func `an event is delivered once, with one hop more`() {
        var node = make()
        let first = delivered(receive(.part(part(1, age: 40)), by: &node))
        #expect(first.map(\.hops) == [3] && first.map(\.age) == [.milliseconds(40)])
        #expect(first.map(\.expires) == [.zero + .milliseconds(59_960)])
        #expect(delivered(receive(.part(part(1)), by: &node, from: 4)).isEmpty)
        #expect(node.counters.duplicates == 1 && node.counters.delivered == 1)
    }

    @Test func `also when it is forgotten an event is not delivered again`() {
        var node = make()
        _ = receive(.part(part(1)), by: &node)
        var effects: [Events.Effect] = []
        node.wake(at: .zero + .seconds(61), into: &effects)
        #expect(node.stored.isEmpty && node.counters.expired == 1)
        #expect(delivered(receive(.part(part(1)), by: &node, at: .zero + .seconds(61))).isEmpty)
    }

    @Test func `what is sent on is as old as it came and was kept here`() throws {
        var node = make()
        _ = receive(.part(part(1, age: 40)), by: &node)
        let now = Instant.zero + .milliseconds(2_000)
        var effects: [Events.Effect] = []
        node.wake(at: now, into: &effects)
        var ages: [Instant.Span] = []
        for case .send(_, let payload) in effects {
            if case .part(let part) = try EventMessage(payload[...]) { ages.append(part.age) }
        }
        #expect(ages == [.milliseconds(2_040), .milliseconds(2_040), .milliseconds(2_040)])
    }

    @Test func `parts come from anybody and in any order`() {
        var node = make()
        let body = (0..<4_096).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var found: [Event] = []
        for place in [4, 0, 2, 0, 3, 1, 1] {
            found += delivered(
                receive(.part(part(1, body: body, part: place)), by: &node, from: UInt64(2 + place % 3)))
        }
        #expect(found.map(\.body) == [body])
        // Half events of many: only the last ones are remembered.
        for counter in 2..<100 as Range<UInt64> {
            _ = receive(.part(part(counter, body: body, part: 0)), by: &node)
        }
        #expect(node.partial.count == EventOptions.mostPartial)
        _ = receive(.part(part(99, topic: "other", body: body, part: 1)), by: &node)
        #expect(node.counters.malformed == 1)
    }

    @Test func `what can't be published is refused by name, and what is kept has limits`() throws {
        var options = EventOptions()
        (options.mostEvents, options.mostBytes) = (8, 10_000)
        var node = make(options)
        var effects: [Events.Effect] = []
        func publish(_ topic: String, _ count: Int, _ ttl: Instant.Span = .seconds(60)) -> EventRefusal? {
            do throws(EventRefusal) {
                let body = [UInt8](repeating: 0, count: count)
                _ = try node.publish(topic: topic, body: body, ttl: ttl, at: .zero, into: &effects)
                return nil
            } catch { return error }
        }
        #expect(publish("", 1) == .badTopic)
        #expect(publish(String(repeating: "x", count: 129), 1) == .badTopic)
        #expect(publish("t", EventOptions.longestBody + 1) == .bodyTooLong)
        #expect(publish("t", 1, .zero) == .badTTL)
        #expect(publish("t", 1, .seconds(86_401)) == .badTTL)
        for _ in 0..<4 { #expect(publish("t", 1) == nil) }
        #expect(publish("t", 1) == .tooMany)
        for counter in 1...100 as ClosedRange<UInt64> { _ = receive(.part(part(counter)), by: &node) }
        #expect(node.stored.count == 8 && node.counters.evicted == 96)
        let large = [UInt8](repeating: 1, count: 900)
        for counter in 101...200 as ClosedRange<UInt64> {
            _ = receive(.part(part(counter, body: large)), by: &node)
        }
        #expect(node.stored.count == 8)
        #expect(node.keptBytes == node.stored.reduce(0) { $0 + $1.body.count + $1.topic.utf8.count })
        // Own events leave room for those of others, also by their bytes.
        var heavy = make(options)
        let most = [UInt8](repeating: 0, count: 3_999)
        _ = try heavy.publish(topic: "t", body: most, ttl: .seconds(9), at: .zero, into: &effects)
        #expect(throws: EventRefusal.tooMany) {
            try heavy.publish(
                topic: "t", body: [UInt8](repeating: 0, count: 1_000), ttl: .seconds(9), at: .zero,
                into: &effects)
        }
        _ = try heavy.publish(
            topic: "t", body: [UInt8](repeating: 0, count: 999), ttl: .seconds(9), at: .zero, into: &effects)
        #expect(heavy.placed == 2 && heavy.dropped == 0)
        options.mostBytes = 3_000
        var small = make(options)
        for counter in 1...10 as ClosedRange<UInt64> {
            _ = receive(.part(part(counter, body: large)), by: &small)
        }
        #expect(small.stored.count == 3 && small.keptBytes <= 3_000)
    }

    @Test func `a comparison sends what the other one lacks, and only that`() throws {
        var node = make()
        for counter in 1...5 as ClosedRange<UInt64> { _ = receive(.part(part(counter)), by: &node) }
        var seen = SeenCounters()
        for counter in [1, 2, 4] as [UInt64] { _ = seen.insert(counter) }
        let stream = EventStream(origin: NodeID(2), process: 5)
        func ask(_ first: EventStream, _ last: EventStream, wantsAnswer: Bool) throws -> [EventMessage] {
            let digest = EventDigest(
                wantsAnswer: wantsAnswer, first: first, last: last, streams: [(stream, seen)])
            return try receive(.digest(digest), by: &node).compactMap {
                if case .send(_, let payload) = $0 { try EventMessage(payload[...]) } else { nil }
            }
        }
        let answer = try ask(.first, .last, wantsAnswer: true)
        #expect(answer.count == 3)
        let counters = answer.compactMap { if case .part(let part) = $0 { part.id.counter } else { nil } }
        #expect(counters == [3, 5])
        guard case .digest(let digest)? = answer.last else {
            Issue.record("no digest")
            return
        }
        #expect(!digest.wantsAnswer && digest.streams.map(\.seen.ranges) == [[1...5]])
        #expect(try ask(.first, .last, wantsAnswer: false).count == 2)
        let beyond = EventStream(after: stream)
        #expect(try ask(beyond, .last, wantsAnswer: false).isEmpty, "that part was not compared")
    }

    @Test func `a receipt is sent until it is noted, and then no more`() throws {
        var node = make()
        _ = receive(.part(part(1, age: 30)), by: &node)
        func receipts(for span: Instant.Span) throws -> Int {
            let end = node.deadline + span
            var count = 0
            while node.deadline < end {
                var effects: [Events.Effect] = []
                node.wake(at: node.deadline, into: &effects)
                for case .send(let to, let payload) in effects {
                    guard case .receipts(let receipts) = try EventMessage(payload[...]) else { continue }
                    #expect(to == NodeID(2) && receipts.map(\.counter) == [1] && receipts[0].hops == 3)
                    count += 1
                }
            }
            return count
        }
        #expect(try receipts(for: .seconds(8)) == 5, "at 0, 0.4, 1.2, 2.8 and 6 seconds")
        let receipt = EventReceipt(process: 5, counter: 1, hops: 3, age: .milliseconds(30))
        _ = receive(.noted([receipt]), by: &node, from: 3)
        #expect(try receipts(for: .seconds(10)) == 1, "only the origin can note it")
        _ = receive(.noted([receipt]), by: &node, from: 2)
        #expect(try receipts(for: .seconds(35)) == 0)
        // An origin notes also what it does not keep any more.
        let answer = receive(.receipts([receipt]), by: &node, from: 4)
        #expect(answer == [.send(to: NodeID(4), payload: EventMessage.noted([receipt]).encode())])
    }

    @Test func `a digest that does not fit goes on where it ended`() throws {
        let many = (1...300).map { NodeID($0) }
        var node = Events(own: NodeID(1), process: 1, peers: many, seed: 1, at: .zero)
        for origin in 2...300 as ClosedRange<UInt64> {
            _ = receive(.part(part(1, origin: origin)), by: &node)
        }
        var streams: [EventStream] = []
        var ends: [EventStream] = []
        while ends.last != .last, ends.count < 100 {
            var effects: [Events.Effect] = []
            node.sendDigest(to: NodeID(2), wantsAnswer: true, into: &effects)
            guard case .send(_, let payload)? = effects.first,
                case .digest(let digest) = try EventMessage(payload[...])
            else { return }
            #expect(digest.first == ends.last.map(EventStream.init(after:)) ?? .first)
            streams += digest.streams.map(\.stream)
            ends.append(digest.last)
        }
        #expect(streams.count == 299 && Set(streams).count == 299 && ends.count > 3)
    }

    @Test func `only the last two processes of a node are heeded`() {
        var node = make()
        for process in [5, 6, 7] as [UInt64] {
            #expect(delivered(receive(.part(part(1, process: process)), by: &node)).count == 1)
        }
        #expect(delivered(receive(.part(part(2, process: 5)), by: &node)).isEmpty)
        #expect(node.counters.stale == 1 && node.seen.count == 2)
        #expect(delivered(receive(.part(part(2, process: 6)), by: &node)).count == 1)
        // This node's own events of its last process are news to this one.
        #expect(delivered(receive(.part(part(1, origin: 1, process: 0)), by: &node)).count == 1)
        #expect(delivered(receive(.part(part(9, origin: 99)), by: &node)).isEmpty)
        #expect(node.counters.unknownOrigins == 1)
    }

    @Test func `what was seen is kept in ranges, and the lowest gap is given up when there are too many`()
        throws
    {
        var seen = SeenCounters()
        for counter in [5, 3, 4, 1, 9] as [UInt64] { #expect(seen.insert(counter) == 0) }
        #expect(seen.ranges == [1...1, 3...5, 9...9])
        #expect(seen.contains(4) && !seen.contains(2) && !seen.contains(10))
        var given: UInt64 = 0
        for step in 0..<100 as Range<UInt64> { given += seen.insert(100 + 2 * step) }
        #expect(seen.ranges.count == SeenCounters.most && given > 0 && seen.contains(2))
        var writer = ByteWriter()
        seen.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try SeenCounters(from: &reader) == seen)
    }

    @Test func `messages by byte, and what is malformed is counted`() throws {
        #expect(
            EventMessage.part(part(3, topic: "ab", body: [7, 8])).encode()
                == [1, 2, 5, 3, 2, 0xe0, 0xd4, 3, 0, 2, 0x61, 0x62, 2, 0, 7, 8])
        let receipt = EventReceipt(process: 5, counter: 3, hops: 2, age: .milliseconds(9))
        #expect(EventMessage.receipts([receipt]).encode() == [3, 1, 5, 3, 2, 9])
        #expect(EventMessage.noted([receipt]).encode() == [4, 1, 5, 3, 2, 9])
        let whole = EventMessage.part(part(3, body: [UInt8](repeating: 1, count: 50))).encode()
        var node = make()
        var effects: [Events.Effect] = []
        for end in 0..<whole.count {
            node.receive(whole[..<end], from: NodeID(2), at: .zero, into: &effects)
        }
        #expect(node.counters.malformed == UInt64(whole.count) && effects.isEmpty)
        node.receive((whole + [0])[...], from: NodeID(2), at: .zero, into: &effects)
        node.receive(whole[...], from: NodeID(9), at: .zero, into: &effects)
        #expect(node.counters.malformed == UInt64(whole.count) + 1 && node.counters.unknownSenders == 1)
        var random = SeededGenerator(seed: 2)
        for _ in 0..<20_000 {
            var bytes = (0..<Int(random.next(below: 40))).map { _ in UInt8(random.next(below: 256)) }
            if !bytes.isEmpty { bytes[0] = UInt8(random.next(below: 6)) }
            if bytes.count > 2, random.next(below: 2) == 0 { bytes[1] = UInt8(random.next(below: 4)) }
            node.receive(bytes[...], from: NodeID(2), at: .zero, into: &effects)
            if random.next(below: 10) == 0 { node.wake(at: node.deadline, into: &effects) }
        }
        #expect(node.counters.malformed > 10_000)
    }

    @Test func `what is kept can be read by topic, and after a place`() {
        var node = make()
        for counter in 1...6 as ClosedRange<UInt64> {
            _ = receive(.part(part(counter, topic: counter % 2 == 0 ? "even" : "odd")), by: &node)
        }
        func counters(_ topic: String?, _ place: UInt64, _ limit: Int) -> [UInt64] {
            node.stored(topic: topic, after: place, limit: limit).map(\.id.counter)
        }
        #expect(counters(nil, 0, 100) == [1, 2, 3, 4, 5, 6])
        #expect(counters("odd", 1, 100) == [3, 5])
        #expect(counters("even", 0, 2) == [2, 4])
        #expect(counters("none", 0, 2).isEmpty)
    }

    @Test func `nodes come and go`() {
        var node = make()
        #expect(node.add(NodeID(9)) == true && node.add(NodeID(9)) == false)
        #expect(delivered(receive(.part(part(1, origin: 9)), by: &node, from: 9)).count == 1)
        node.send(to: [NodeID(9), NodeID(50), NodeID(1)])
        var effects: [Events.Effect] = []
        node.wake(at: node.deadline, into: &effects)
        for effect in effects { if case .send(let to, _) = effect { #expect(to == NodeID(9)) } }
        #expect(!effects.isEmpty)
        #expect(node.remove(NodeID(9)) == true && node.remove(NodeID(9)) == false)
        #expect(receive(.part(part(2)), by: &node, from: 9).isEmpty)
        #expect(node.counters.unknownSenders == 1 && node.peers.isEmpty)
    }

    @Test func `an event's name can be read back`() throws {
        let id = EventID(origin: NodeID(3), process: 0x18f2a, counter: 7)
        #expect(id.description == "3-18f2a-7")
        #expect(EventID("3-18f2a-7") == id)
        for text in [
            "", "3-18f2a", "3-18f2a-7-1", "03-18f2a-7", "3-18F2A-7", "3-x-7", "-1-2-3", "3-18f2a-+7",
        ] {
            #expect(EventID(text) == nil, "\(text)")
        }
    }
}
