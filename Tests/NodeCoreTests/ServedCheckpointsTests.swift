import Consensus
import Primitives
import Replication
import Store
import Testing

@testable import NodeCore

/// Damage that is found while a checkpoint is read for a peer.
@Suite struct ServedCheckpointsTests {
    private static let bytes: [UInt8] = {
        var keyspace = Keyspace()
        for index in 1...UInt64(100) { keyspace.skip(index: LogIndex(index), term: Term(1)) }
        var writer = CheckpointWriter(keyspace, cluster: ClusterID(7))
        var bytes: [UInt8] = []
        while let chunk = writer.next() { bytes += chunk }
        return bytes
    }()
    private static let damaged: [UInt8] = {
        var bytes = ServedCheckpointsTests.bytes
        bytes[bytes.count - 1] ^= 1
        return bytes
    }()
    private var served = ServedCheckpoints()

    private static func position(_ index: UInt64) -> LogPosition {
        LogPosition(index: LogIndex(index), term: Term(1))
    }

    /// Sends a part of a file; false if it is found damaged.
    private mutating func send(_ bytes: [UInt8], _ range: Range<Int>, of index: UInt64 = 100) -> Bool {
        served.take(
            Array(bytes[range]), of: Self.position(index), at: UInt64(range.lowerBound),
            total: UInt64(bytes.count))
    }

    @Test mutating func `damage is found in the part that completes a damaged block`() {
        let (middle, end) = (Self.bytes.count / 2, Self.bytes.count)
        var isSound = send(Self.damaged, 0..<middle)
        #expect(isSound && !served.isDamaged(Self.position(100)))
        isSound = send(Self.damaged, middle..<end)
        #expect(!isSound && served.isDamaged(Self.position(100)))
        #expect(!served.isDamaged(Self.position(99)))
    }

    @Test mutating func `two peers fetch the same file side by side, and a part may be asked for twice`() {
        let (middle, end) = (Self.bytes.count / 2, Self.bytes.count)
        for range in [0..<10, 0..<10, 10..<middle, 10..<middle, 10..<middle, middle..<end, middle..<end] {
            let isSound = send(Self.bytes, range)
            #expect(isSound, "\(range)")
        }
        // What began somewhere else can't be judged, and what it finds in the end is the peer's affair.
        let isTaken = send(Self.damaged, middle..<end)
        #expect(isTaken && !served.isDamaged(Self.position(100)))
    }

    @Test mutating func `of too many transfers the oldest is not followed any more`() {
        for _ in 0...ServedCheckpoints.transferLimit { _ = send(Self.damaged, 0..<10) }
        let rest = 10..<Self.bytes.count
        var other = ServedCheckpointsTests()
        _ = other.send(Self.damaged, 0..<10)
        for _ in 0..<ServedCheckpoints.transferLimit { _ = other.send(Self.bytes, 0..<10, of: 101) }
        let isTaken = other.send(Self.damaged, rest)
        #expect(isTaken, "its beginning is forgotten")
        let isSound = send(Self.damaged, rest)
        #expect(!isSound, "there are as many as are followed")
    }

    @Test mutating func `damage is told at once, and then ever more seldom`() {
        served.noteDamage(of: Self.position(100), "rot")
        var now = Instant.zero + .seconds(1)
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            let told = served.report(Self.position(100), at: now)
            #expect(told == "rot")
            now = now + .seconds(pause)
            let early = served.report(Self.position(100), at: now + .milliseconds(-1))
            #expect(early == nil, "after \(pause) s")
        }
        // A new file that is bad again does not shorten it; one that was read whole does.
        served.replaced()
        #expect(!served.isDamaged(Self.position(100)))
        let isSound = send(Self.bytes, 0..<Self.bytes.count)
        #expect(isSound)
        served.noteDamage(of: Self.position(100), "rot again")
        for pause in [10, 20] {
            let told = served.report(Self.position(100), at: now)
            #expect(told == "rot again")
            now = now + .seconds(pause)
        }
        let other = served.report(Self.position(99), at: now)
        #expect(other == nil, "nothing is known against it")
    }

    @Test func `a node in which nothing happens writes its state again at the same position`() {
        let configuration = Configuration(voters: (1...3).map { NodeID($0) })
        let reference = SnapshotReference(position: Self.position(100), configuration: configuration)
        var keyspace = Keyspace()
        for index in 1...UInt64(100) { keyspace.skip(index: LogIndex(index), term: Term(1)) }
        let raft = Raft(
            options: Raft.Options(id: NodeID(1)),
            restored: Raft.Restored(
                hardState: HardState(term: Term(1)), snapshot: reference,
                log: LogTerms(after: reference.position), configurations: []),
            seed: 1, now: .zero)
        var node = Node(
            cluster: ClusterID(7), peers: [NodeID(2), NodeID(3)],
            replica: Replica(
                raft: raft, keyspace: keyspace, configuration: configuration, tail: [],
                checkpoint: reference, now: .zero),
            incarnation: 1)
        func writes(after report: CheckpointReport) -> [SnapshotReference] {
            var effects: [NodeEffect] = []
            node.step(.checkpoint(report), at: .zero, wall: WallTime(milliseconds: 1))
            node.endTurn(at: .zero, wall: WallTime(milliseconds: 1), into: &effects)
            return effects.compactMap {
                guard case .checkpoint(.write(_, let reference)) = $0 else { return nil }
                return reference
            }
        }
        #expect(writes(after: .damaged(Self.position(99), "an older one")).isEmpty)
        #expect(writes(after: .damaged(Self.position(100), "rot")) == [reference])
        #expect(writes(after: .damaged(Self.position(100), "it is being written")).isEmpty)
        #expect(writes(after: .failed("no room")).isEmpty)
        #expect(writes(after: .damaged(Self.position(100), "rot")) == [reference])
    }
}
