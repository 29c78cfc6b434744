import Consensus
import NodeCore
import Platform
import Primitives
import Replication
import Store
import Testing
import WAL

@testable import NodeRuntime

@Suite struct RestoreTests {
    private let folder: Folder
    private let disk = PosixDisk()
    private var configuration: NodeConfiguration
    private let roster: Roster

    init() throws {
        folder = try Folder()
        configuration = NodeConfiguration(
            name: "b", listen: ":1", dataDirectory: "\(folder.path)/data",
            members: [("a", "http://h:1"), ("b", "http://h:2"), ("c", "http://h:3")])
        roster = try Roster(configuration)
    }

    private var identity: FolderIdentity {
        FolderIdentity(cluster: roster.cluster, node: roster.own, nodeName: "b", group: .first, salt: 9)
    }

    private func command(_ index: UInt64) -> Entry {
        Entry(
            index: LogIndex(index), term: Term(1), kind: .command,
            payload: put("key-\(index % 7)", "value-\(index)", number: index).encode())
    }

    /// The state after so many of these commands.
    private func state(_ count: UInt64) -> Keyspace {
        var keyspace = Keyspace()
        for index in 0..<count {
            let entry = command(index + 1)
            _ = keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
        }
        return keyspace
    }

    /// Makes the folder of a node whose log holds so many commands.
    private func prepare(entries count: UInt64, committed: UInt64, after base: UInt64 = 0) throws {
        var data = try DataFolder(disk: disk, path: configuration.dataDirectory)
        try data.initialise(as: identity, limits: smallLog)
        var log = try WriteAheadLog(
            disk: disk, directory: data.logDirectory, identity: identity, limits: smallLog)
        if base > 0 { try log.reset(to: LogPosition(index: LogIndex(base), term: Term(1))) }
        let state = HardState(term: Term(4), vote: NodeID(3), commit: LogIndex(committed))
        let entries = count > base ? (base + 1...count).map(command) : []
        try log.append(hardState: state, entries: entries)
        try log.sync()
    }

    private func writeCheckpoint(_ count: UInt64, cluster: ClusterID? = nil, flipping byte: Int? = nil) throws
    {
        let store = CheckpointStore(disk: disk, directory: "\(configuration.dataDirectory)/checkpoints")
        let members = Configuration(voters: roster.members.map(\.id))
        var source = Store.CheckpointWriter(
            state(count), cluster: cluster ?? roster.cluster, configuration: members.encode())
        var bytes: [UInt8] = []
        while let chunk = source.next() { bytes += chunk }
        if let byte { bytes[byte] ^= 1 }
        var file = try store.write(LogPosition(index: LogIndex(count), term: Term(1)), from: .own)
        try file.append(bytes)
        _ = try file.finish()
    }

    private struct Found {
        var replica: Replica
        var notes: [String]
    }

    private func restored() throws -> Found {
        let restored = try restore(configuration, roster, disk: disk, seed: 1, now: .zero)
        return Found(replica: restored.replica, notes: restored.notes)
    }

    private func failure() -> String {
        do {
            _ = try restored()
            return "started"
        } catch {
            guard case StartError.failure(let reason) = error else { return "\(error)" }
            return reason
        }
    }

    @Test func `an empty folder becomes a node's that knows nothing, once and again`() throws {
        for _ in 0..<2 {
            let found = try restored()
            #expect(found.notes.isEmpty)
            #expect(found.replica.keyspace.digest == Keyspace().digest)
            #expect(found.replica.raft.lastIndex == .zero && found.replica.raft.term == .zero)
            #expect(found.replica.raft.configuration.voters == [NodeID(1), NodeID(2), NodeID(3)])
            #expect(found.replica.raft.id == NodeID(2))
        }
    }

    @Test func `the log is applied up to where it is known to be committed, and no further`() throws {
        try prepare(entries: 300, committed: 200)
        let replica = try restored().replica
        #expect(replica.keyspace.digest == state(200).digest)
        #expect(replica.raft.commit == LogIndex(200) && replica.raft.lastIndex == LogIndex(300))
        #expect(replica.raft.term == Term(4) && replica.raft.vote == NodeID(3))
    }

    @Test func `a checkpoint spares what it covers`() throws {
        try prepare(entries: 300, committed: 200)
        try writeCheckpoint(100)
        try writeCheckpoint(150)
        let replica = try restored().replica
        #expect(replica.checkpoint.position.index == LogIndex(150))
        #expect(replica.keyspace.digest == state(200).digest)
    }

    @Test func `a checkpoint beyond the known commit index says what is committed`() throws {
        try prepare(entries: 300, committed: 100)
        try writeCheckpoint(150)
        let replica = try restored().replica
        #expect(replica.raft.commit == LogIndex(150))
        #expect(replica.keyspace.digest == state(150).digest)
    }

    @Test(arguments: [0, 40, 200]) func `a damaged checkpoint gives way to the older one`(byte: Int) throws {
        try prepare(entries: 300, committed: 200)
        try writeCheckpoint(100)
        try writeCheckpoint(150, flipping: byte)
        let found = try restored()
        #expect(found.replica.checkpoint.position.index == LogIndex(100))
        #expect(found.replica.keyspace.digest == state(200).digest)
        #expect(found.notes.contains { $0.contains("checkpoint") && $0.contains("damaged") })
        // It is not found again, nor kept in place of a sound one.
        #expect(try restored().notes.isEmpty)
    }

    @Test func `without any sound checkpoint the whole log will do`() throws {
        try prepare(entries: 300, committed: 200)
        try writeCheckpoint(150, flipping: 100)
        let found = try restored()
        #expect(found.replica.checkpoint.position == .origin)
        #expect(found.replica.keyspace.digest == state(200).digest)
    }

    @Test func `a node whose log does not reach back to a sound checkpoint refuses to start`() throws {
        try prepare(entries: 200, committed: 200, after: 150)
        try writeCheckpoint(150, flipping: 100)
        #expect(failure().contains("a checkpoint is missing or damaged"))
        // And leaves everything for whoever repairs it.
        #expect(try Files.list("\(configuration.dataDirectory)/checkpoints").count == 1)
    }

    @Test func `a snapshot that was installed just before a crash is what the log begins after`() throws {
        try prepare(entries: 20, committed: 20)
        try writeCheckpoint(150)
        let replica = try restored().replica
        #expect(replica.keyspace.digest == state(150).digest)
        #expect(replica.raft.lastIndex == LogIndex(150) && replica.raft.commit == LogIndex(150))
        #expect(replica.raft.term == Term(4) && replica.raft.vote == NodeID(3))
    }

    @Test func `a checkpoint of another cluster is refused`() throws {
        try prepare(entries: 20, committed: 20)
        try writeCheckpoint(10, cluster: ClusterID(1))
        #expect(failure().contains("is of another cluster"))
    }

    @Test mutating func `a folder of another node or another cluster is refused`() throws {
        try prepare(entries: 1, committed: 1)
        configuration.name = "c"
        #expect(throws: StartError.self) {
            _ = try restore(configuration, try Roster(configuration), disk: disk, seed: 1, now: .zero)
        }
        configuration.name = "b"
        configuration.clusterName = "other"
        #expect(throws: StartError.self) {
            _ = try restore(configuration, try Roster(configuration), disk: disk, seed: 1, now: .zero)
        }
        #expect(failure() == "started")
    }

    @Test func `a folder that is in use is refused`() throws {
        let running = try restore(configuration, roster, disk: disk, seed: 1, now: .zero)
        #expect(failure().contains("in use by another process"))
        _ = running.folder.path
    }

    @Test mutating func `restarts do not put off a checkpoint that is due`() throws {
        try prepare(entries: 300, committed: 300)
        configuration.checkpointLogBytes = 10_000
        var replica = try restored().replica
        var effects: [ReplicaEffect] = []
        replica.endTurn(at: Clock.now(), wall: Clock.wallTime(), into: &effects)
        #expect(effects.contains { if case .checkpoint = $0 { true } else { false } })
        try writeCheckpoint(290)
        replica = try restored().replica
        effects = []
        replica.endTurn(at: Clock.now(), wall: Clock.wallTime(), into: &effects)
        #expect(!effects.contains { if case .checkpoint = $0 { true } else { false } })
    }
}
