// Limits of the product that a run draws small, so that what is rare in production is common here: rolled
// segments, checkpoints, snapshots for followers, refused writes, entries read back from disk.

public import Consensus
import Primitives
public import Replication
public import Store
public import WAL

/// The product's limits as a run uses them. Every node has the same.
public struct Knobs: Sendable {
    /// Parts of the knobs that can be set back to their defaults by themselves.
    public enum Group: String, CaseIterable, Sendable {
        /// Bounds of consensus.
        case raft
        /// Bounds of the replica.
        case replica
        /// How often checkpoints are written.
        case checkpoints
        /// Sizes of the log's files.
        case log
        /// History of the store.
        case history
        /// Chunks of a snapshot that is fetched.
        case fetch
    }

    /// Consensus, apart from the node's number.
    public var raft = Raft.Options(id: NodeID(1))
    /// The replica.
    public var replica = Replica.Limits()
    /// The log.
    public var log: WAL.Limits
    /// The store.
    public var store = Store.Limits()
    /// Bytes of one part of a snapshot.
    public var fetchChunk = 4 << 20
    /// What was drawn small, for people.
    public internal(set) var notes: [(group: Group, text: String)] = []

    /// The defaults of production, but for the log's segments, which would take too long to fill with zeros.
    public init() {
        log = WAL.Limits(segmentBytes: 256 << 10, spareSliceBytes: 256 << 10)
    }

    /// Sets a part back to its defaults.
    public mutating func reset(_ group: Group) {
        let plain = Knobs()
        switch group {
        case .raft: raft = plain.raft
        case .replica:
            let (kept, interval) = (replica.checkpointLogBytes, replica.entryCacheBytes)
            replica = plain.replica
            (replica.checkpointLogBytes, replica.entryCacheBytes) = (kept, interval)
        case .checkpoints:
            replica.checkpointLogBytes = plain.replica.checkpointLogBytes
            replica.entryCacheBytes = plain.replica.entryCacheBytes
        case .log: log = plain.log
        case .history: store = plain.store
        case .fetch: fetchChunk = plain.fetchChunk
        }
        notes.removeAll { $0.group == group }
    }

    /// Draws some of them small.
    mutating func draw(using random: inout SeededGenerator, pressure: Bool, everything: Bool) {
        // One generator a group, so that a draw more in one does not change the others.
        var (a, b, c, d, e, f) = (
            random.split(), random.split(), random.split(), random.split(), random.split(), random.split()
        )
        if everything {
            drawLog(using: &b)
            drawRaft(using: &c)
            drawReplica(using: &d)
            drawHistory(using: &e)
            if f.coin() {
                fetchChunk = f.magnitude(64...65_536)
                note(.fetch, "fetchChunk", fetchChunk)
            }
        }
        if pressure { drawCheckpoints(using: &a) }
    }

    private mutating func note(_ group: Group, _ name: String, _ value: Int) {
        notes.append((group, "\(name) \(value)"))
    }

    private mutating func drawCheckpoints(using random: inout SeededGenerator) {
        replica.checkpointLogBytes = random.magnitude(256...(random.chance(900_000) ? 2048 : 65_536))
        note(.checkpoints, "checkpointLogBytes", replica.checkpointLogBytes)
        if random.coin() {
            replica.entryCacheBytes = random.below(4096)
            note(.checkpoints, "entryCacheBytes", replica.entryCacheBytes)
        }
        // Some snapshots take long, so that something may happen meanwhile.
        if random.chance(600_000) {
            fetchChunk = random.magnitude(16...2048)
            note(.fetch, "fetchChunk", fetchChunk)
        }
        // The log is cut by whole segments: small ones, or nobody ever needs a snapshot.
        guard random.chance(900_000) else { return }
        log.segmentBytes = 4096
        note(.log, "segmentBytes", log.segmentBytes)
    }

    private mutating func drawLog(using random: inout SeededGenerator) {
        let segment = random.magnitude(8...512) * 512
        log = WAL.Limits(
            segmentBytes: max(4096, segment), spareSegments: random.number(in: 1...3),
            spareSliceBytes: max(512, random.magnitude(1...512) * 512),
            markSpacing: random.coin() ? 0 : random.magnitude(64...16_384),
            readBytes: random.magnitude(512...65_536))
        note(.log, "segmentBytes", log.segmentBytes)
        note(.log, "spareSegments", log.spareSegments)
        note(.log, "spareSliceBytes", log.spareSliceBytes)
        note(.log, "markSpacing", log.markSpacing)
        note(.log, "readBytes", log.readBytes)
    }

    private mutating func drawRaft(using random: inout SeededGenerator) {
        func small(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ knobs: inout Knobs) {
            guard random.chance(300_000) else { return }
            value = random.magnitude(range)
            knobs.note(.raft, name, value)
        }
        var raft = raft
        small("maxBytesInFlight", &raft.maxBytesInFlight, 1...10_000, &self)
        small("maxAppendsInFlight", &raft.maxAppendsInFlight, 1...8, &self)
        small("maxBytesPerAppend", &raft.maxBytesPerAppend, 1...4096, &self)
        small("maxEntriesPerAppend", &raft.maxEntriesPerAppend, 1...16, &self)
        small("maxUncommittedBytes", &raft.maxUncommittedBytes, 200...10_000, &self)
        small("maxUncommittedEntries", &raft.maxUncommittedEntries, 1...32, &self)
        small("maxOpenReads", &raft.maxOpenReads, 1...8, &self)
        self.raft = raft
    }

    private mutating func drawReplica(using random: inout SeededGenerator) {
        func small(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ knobs: inout Knobs) {
            guard random.chance(300_000) else { return }
            value = random.magnitude(range)
            knobs.note(.replica, name, value)
        }
        var replica = replica
        small("pendingWrites", &replica.pendingWrites, 1...8, &self)
        small("pendingBytes", &replica.pendingBytes, 100...1000, &self)
        small("pendingReads", &replica.pendingReads, 1...8, &self)
        small("forwardBytes", &replica.forwardBytes, 1...200, &self)
        small("appliesPerTurn", &replica.appliesPerTurn, 1...8, &self)
        small("readRounds", &replica.readRounds, 1...2, &self)
        self.replica = replica
    }

    private mutating func drawHistory(using random: inout SeededGenerator) {
        guard random.coin() else { return }
        store.minimumRevisions = UInt64(random.magnitude(1...64))
        store.maximumRevisions = store.minimumRevisions + UInt64(random.below(64))
        store.historyAge = Int64(random.magnitude(1...10_000))
        store.historyBytes = random.magnitude(512...65_536)
        store.stepsPerCommand = random.number(in: 1...8)
        note(.history, "minimumRevisions", Int(store.minimumRevisions))
        note(.history, "maximumRevisions", Int(store.maximumRevisions))
        note(.history, "historyAge", Int(store.historyAge))
        note(.history, "historyBytes", store.historyBytes)
        note(.history, "stepsPerCommand", store.stepsPerCommand)
    }
}
