import Primitives
import Testing

@testable import Gossip

/// What is said of the spreading of events is what it does.
@Suite struct `Specification of events` {
    private var node: Events
    private var random: SeededGenerator
    private var now = Instant.zero
    private var ids: [EventID]
    private var steps: Set<String> = []
    private var known: [EventID: EventState] = [:]

    init() { self.init(seed: 1) }

    private init(seed: UInt64) {
        var options = EventOptions()
        (options.mostEvents, options.pushes) = (8, 2)
        random = SeededGenerator(seed: seed)
        node = Events(
            own: NodeID(1), process: 5, peers: [NodeID(2), NodeID(3)], options: options, seed: seed, at: .zero
        )
        ids = (1...440).map { EventID(origin: NodeID(2), process: 5, counter: $0) }
    }

    /// Notes what has become of each event by one call.
    private mutating func look() {
        for id in ids {
            let (before, after) = (known[id] ?? .unknown, node.state(of: id))
            if before != after { steps.insert("\(before) -> \(after)") }
            known[id] = after
        }
    }

    private mutating func turn() throws {
        var effects: [Events.Effect] = []
        switch random.next(below: 8) {
        case 0:
            let id = try? node.publish(
                topic: "t", body: [1], ttl: .seconds(3), at: now, into: &effects)
            if let id { ids.append(id) }
        case 1, 2, 3, 4:
            // Long events first, so that some wait for their rest; later ones with gaps between them.
            let counter = 1 + random.next(below: min(120, 20 + UInt64(now.nanoseconds / 200_000_000)))
            let length = counter % 3 == 0 ? 2 * EventOptions.partSize : 4
            let part = length > 4 ? Int(random.next(below: 2)) : 0
            let count = length > 4 ? EventOptions.partSize : 4
            let message = EventMessage.part(
                EventPart(
                    id: EventID(origin: NodeID(2), process: 5, counter: counter), topic: "t",
                    ttl: .seconds(4), age: .zero, hops: 1, length: length, part: part,
                    bytes: [UInt8](repeating: 7, count: count)[...]))
            node.receive(message.encode()[...], from: NodeID(2), at: now, into: &effects)
        default:
            now = max(now, node.deadline)
            node.wake(at: now, into: &effects)
        }
        look()
    }

    @Test func `every stated step is taken, and none that is not stated`() throws {
        let stated = Set(AlgorithmSpecification.event.transitions.map { "\($0.from) -> \($0.to)" })
        var seen: Set<String> = []
        for seed in 1...3 as ClosedRange<UInt64> {
            var run = Self(seed: seed)
            for _ in 0..<400 { try run.turn() }
            // More gaps than are remembered.
            for counter in stride(from: 160, through: 439, by: 2) as StrideThrough<UInt64> {
                var effects: [Events.Effect] = []
                let part = EventPart(
                    id: EventID(origin: NodeID(2), process: 5, counter: counter), topic: "t",
                    ttl: .seconds(4), age: .zero, hops: 1, length: 1, part: 0, bytes: [1])
                run.node.receive(
                    EventMessage.part(part).encode()[...], from: NodeID(2), at: run.now, into: &effects)
                run.look()
            }
            seen.formUnion(run.steps)
        }
        #expect(seen.subtracting(stated).isEmpty, "taken, but not stated")
        #expect(stated.subtracting(seen).isEmpty, "stated, but never taken")
    }
}
