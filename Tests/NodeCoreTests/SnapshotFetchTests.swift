import Consensus
import Primitives
import Replication
import Store
import Testing
import Wire

@testable import NodeCore

@Suite struct SnapshotFetchTests {
    private static let voters = (1...3).map { NodeID($0) }
    private static let configuration = Configuration(voters: voters)
    private var now = Instant.zero
    private var node: Node
    private var batch: UInt64 = 0

    init() {
        let first = SnapshotReference(position: .origin, configuration: Self.configuration)
        let raft = Raft(
            options: Raft.Options(id: NodeID(1)),
            restored: Raft.Restored(
                hardState: HardState(), snapshot: first, log: LogTerms(), configurations: []),
            seed: 1, now: .zero)
        node = Node(
            cluster: ClusterID(7), peers: [NodeID(2), NodeID(3)],
            replica: Replica(
                raft: raft, keyspace: Keyspace(), configuration: Self.configuration, tail: [],
                checkpoint: first, now: .zero),
            incarnation: 1)
    }

    private static func reference(_ index: UInt64, term: UInt64 = 1) -> SnapshotReference {
        SnapshotReference(
            position: LogPosition(index: LogIndex(index), term: Term(term)), configuration: configuration)
    }

    /// The leader of a term, node 2 or 3, names a snapshot; the fetch that this begins.
    private mutating func offer(_ index: UInt64, term: UInt64 = 1) -> UInt64? {
        let leader = NodeID(1 + term)
        batch += 1
        now = now + .milliseconds(10)
        let message = Message(
            from: leader, to: NodeID(1), term: Term(term),
            body: .installSnapshot(Self.reference(index, term: term)))
        let envelope = Envelope(
            cluster: ClusterID(7), from: leader, to: NodeID(1), incarnation: 5, batch: batch,
            messages: [.consensus(message)])
        return fetch(in: step(.peerRequest(PeerRequestID(batch), envelope, wantsJSON: false)))
    }

    private mutating func step(_ event: NodeEvent) -> [NodeEffect] {
        let wall = WallTime(milliseconds: 1)
        node.step(event, at: now, wall: wall)
        var effects: [NodeEffect] = []
        node.endTurn(at: now, wall: wall, into: &effects)
        return effects
    }

    private func fetch(in effects: [NodeEffect]) -> UInt64? {
        for case .fetch(let id, _, _) in effects { return id }
        return nil
    }

    @Test mutating func `a snapshot that is loaded does not hide that the next one's fetch fails`() {
        #expect(offer(10) != nil)
        // Loaded is reported after a new leader has named its own.
        let second = offer(20, term: 2)
        #expect(second != nil)
        var keyspace = Keyspace()
        for index in 1...UInt64(10) { keyspace.skip(index: LogIndex(index), term: Term(1)) }
        _ = step(.checkpoint(.snapshotLoaded(keyspace, Self.reference(10))))
        _ = step(.fetchFailed(id: second ?? 0))
        #expect(offer(20, term: 2) != nil, "the core must not wait for a fetch that is over")
    }

    @Test mutating func `a fetch of which nothing comes is given up, with more patience each time`() {
        for patience in [5, 10, 20, 30, 30] {
            #expect(offer(10) != nil)
            now = now + .milliseconds(1000 * patience - 1)
            _ = step(.timeout)
            #expect(offer(10) == nil, "still on its way after \(patience) s")
            now = now + .milliseconds(1)
            _ = step(.timeout)
        }
    }
}
