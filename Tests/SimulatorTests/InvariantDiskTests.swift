import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing
import WAL

@testable import Simulator

/// Each promise about disks and bounds, kept and broken; with the product's own log on a simulated disk.
struct InvariantDiskTests {
    private func settings(_ place: Int) -> RestoreSettings {
        var settings = RestoreSettings(
            dataDirectory: "/data/n", nodeName: "n\(place + 1)", cluster: ClusterID(7),
            voters: (1...3).map { NodeID($0) }, options: Raft.Options(id: NodeID(UInt64(place) + 1)))
        settings.logLimits = WAL.Limits(segmentBytes: 4096, spareSliceBytes: 4096)
        return settings
    }

    /// Three nodes with disks, on which everything that the scene takes for durable is, if `isHonest`.
    private func scene(_ invariant: any FactListener, isHonest: Bool) throws -> Scene {
        let scene = try Scene(invariant)
        try scene.elect(0, term: 1)
        let entries = [entry(1, 1), put(2, 1, request: 1)]
        try scene.commit(entries, by: 0)
        for place in 0..<3 {
            let disk = SimulatedDisk(seed: UInt64(place) + 1, folders: ["/data"])
            var restored = try restore(settings(place), disk: disk, seed: 1, now: .zero)
            try restored.log.append(
                hardState: HardState(term: Term(1), vote: NodeID(1), commit: .zero), entries: entries)
            if isHonest || place == 2 { try restored.log.sync() }
            scene.source.machines[place] = (disk, settings(place))
        }
        return scene
    }

    @Test func `I17: an answered write that a power failure would undo`() throws {
        let outcome = Outcome.put(
            PutOutcome(revision: Revision(2), createRevision: Revision(2), version: 1))
        let answered = Fact.client(0, .answered(token: 1, RequestID(high: 0, low: 1), outcome))
        let honest = try scene(DurableBeforeAcknowledged(seed: 1), isHonest: true)
        for _ in 0..<100 { try honest.tell(answered) }
        let lying = try scene(DurableBeforeAcknowledged(seed: 1), isHonest: false)
        expectViolation("I17") { for _ in 0..<100 { try lying.tell(answered) } }
    }

    @Test func `I44: what was said to be durable is not on the disk`() throws {
        let honest = try scene(NothingDurableIsLost(seed: 1), isHonest: true)
        for _ in 0..<1000 { try honest.tell(.durable(0)) }
        let lying = try scene(NothingDurableIsLost(seed: 1), isHonest: false)
        expectViolation("I44") { for _ in 0..<1000 { try lying.tell(.durable(0)) } }
        lying.node(0).isInjured = true
        for _ in 0..<1000 { try lying.tell(.durable(0)) }
    }

    @Test func `I44: a start without what was durable, or with a vote forgotten`() throws {
        let scene = try Scene(NothingDurableIsLost())
        try scene.turn(0, term: 1, vote: 2, entries: [entry(1, 1), entry(2, 1)])
        try scene.sync(0)
        try scene.turn(0, entries: [entry(3, 1), entry(4, 1)])
        try scene.chronicle.dies(scene.node(0), .power)
        func start(upTo last: UInt64, vote: UInt64? = 2) throws {
            var state = NodeState()
            state.term = Term(1)
            state.vote = vote.map { NodeID($0) }
            state.last = position(last, 1)
            let node = scene.node(0)
            let (disk, pending) = (node.disk, node.pending)
            defer { (node.disk, node.pending) = (disk, pending) }
            let log = scene.chronicle.recall(base: .origin, upTo: LogIndex(last)) { _ in Term(1) }
            try scene.chronicle.starts(node, state, log: log)
        }
        // Any part of what was on its way may be there.
        for last in 2...4 { try start(upTo: UInt64(last)) }
        expectViolation("I44") { try start(upTo: 1) }
        expectViolation("I44") { try start(upTo: 2, vote: nil) }
    }

    @Test func `I45: something durable after a failed sync, or a process that goes on`() throws {
        let scene = try Scene(FailedSyncsAreFinal())
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        scene.source.machines[0] = (disk, settings(0))
        try scene.tell(.started(0))
        let good = LogTurn(
            node: 0, life: 1, commands: [], reports: [.persisted(sequence: 1, thenSend: [])])
        try scene.tell(.disk(0, good))
        disk.inject(.syncErrorKept)
        let file = try disk.create("/data/a.log")
        try disk.write([1], to: file, at: 0)
        #expect(throws: DiskError.self) { try disk.sync(file) }
        try scene.tell(.disk(0, LogTurn(node: 0, life: 1, commands: [], reports: [])))
        try scene.tell(.tick)
        expectViolation("I45") { try scene.tell(.disk(0, good)) }
        scene.chronicle.time = .zero + .seconds(61)
        expectViolation("I45") { try scene.tell(.tick) }
    }

    @Test func `I46: a write taken, or its refusal left open, while the disk is full`() throws {
        let scene = try Scene(FullDisksRefuse())
        let write = Write(
            token: 3, requestID: RequestID(high: 0, low: 3), operation: .compact(Revision(1)),
            deadline: .never)
        let refusal = { (reason: WriteRefusal) in
            Fact.client(0, .refused(token: 3, RequestID(high: 0, low: 3), reason))
        }
        try scene.turn(0, hears: [.event(0, .write(write))])
        try scene.turn(0) { $0.isShortOfSpace = true }
        try scene.turn(0, hears: [.event(0, .write(write))], says: [refusal(.storageFull)])
        expectViolation("I46") { try scene.turn(0, hears: [.event(0, .write(write))]) }
        expectViolation("I46") {
            try scene.turn(0, hears: [.event(0, .write(write))], says: [refusal(.unknown)])
        }
    }

    @Test func `V5: a queue that grows beyond its bound`() throws {
        let scene = try Scene(BoundedQueues())
        var sizes = QueueSizes()
        sizes.outbox = BoundedQueues.outbox
        scene.source.queues = [0: sizes, 1: sizes, 2: sizes]
        for _ in 0..<3 { try scene.tell(.tick) }
        sizes.outbox += 1
        scene.source.queues = [0: sizes, 1: sizes, 2: sizes]
        expectViolation("V5") { try scene.tell(.tick) }
    }

    @Test func `every promise has a name and a sentence of its own, and holds where nothing happens`() throws
    {
        let names = standardInvariants.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(standardInvariants.allSatisfy { $0.promise.hasSuffix(".") })
        let all = allInvariants(seed: 1)
        let source = ScriptedNodes(count: 3)
        let chronicle = Chronicle(count: 3, listeners: all)
        chronicle.source = source
        for node in chronicle.nodes { try chronicle.starts(node, NodeState(), log: LogGhost()) }
        try chronicle.tell(.tick, .tick)
        try chronicle.tell(.ended, .ended)
    }
}
