// From a data folder to a replica: identity, newest sound checkpoint, log, replay.
import Consensus
import Platform
import Primitives
import Replication
import Store
import WAL

/// What was found in the data folder, made ready.
struct Restored<D: Disk & Sendable>: ~Copyable {
    var folder: DataFolder<D>
    var log: WAL<D>
    var checkpoints: CheckpointStore<D>
    var replica: Replica
    var notes: [String]
}

/// Opens the data folder and brings the state up to the last entry that is known to be committed.
func restore<D: Disk & Sendable>(
    _ configuration: NodeConfiguration, _ roster: Roster, disk: D, seed: UInt64
) throws(StartError) -> Restored<D> {
    let folder: DataFolder<D>
    let identity: FolderIdentity
    do throws(DataFolderError) {
        var opened = try DataFolder(disk: disk, path: configuration.dataDirectory)
        try opened.verify(cluster: nil, node: nil, nodeName: configuration.name)
        try opened.verify(cluster: roster.cluster, node: roster.own, nodeName: configuration.name)
        if opened.identity == nil {
            try opened.initialise(
                as: FolderIdentity(
                    cluster: roster.cluster, node: roster.own, nodeName: configuration.name, group: .first,
                    salt: UInt32(truncatingIfNeeded: seed)))
        }
        guard let known = opened.identity else { throw .unidentified(path: configuration.dataDirectory) }
        identity = known
        folder = opened
    } catch {
        throw .failure("\(error)")
    }
    let checkpoints = CheckpointStore(disk: disk, directory: folder.checkpointDirectory)
    var notes: [String] = []
    do {
        try checkpoints.removeLeftovers()
        var log = try WAL(disk: disk, directory: folder.logDirectory, identity: identity)
        notes += log.recovered.notes
        var base = try newestCheckpoint(checkpoints, roster, notes: &notes)
        let position = base.reference.position
        let isPast = position.index > log.terms.lastIndex
        let differs =
            position.index >= log.terms.base.index && log.terms.term(at: position.index) != position.term
        if isPast || differs {
            // A snapshot of the leader was made durable, and the crash came before the log began anew after
            // it.
            try log.reset(to: base.reference.position, hardState: log.hardState)
        }
        guard log.terms.firstIndex <= base.keyspace.appliedIndex.next else {
            throw StartError.failure(
                "the log in \(folder.logDirectory) begins at entry \(log.terms.firstIndex), but the newest "
                    + "sound checkpoint ends at \(base.keyspace.appliedIndex): a checkpoint is missing or "
                    + "damaged")
        }
        // The older one and the log stand for all that these held: they must not pass for sound ones later.
        for position in base.damaged { try checkpoints.remove(position) }
        let replica = try replay(configuration, roster, &log, &base, seed: seed)
        return Restored(folder: folder, log: log, checkpoints: checkpoints, replica: replica, notes: notes)
    } catch let error as StartError {
        throw error
    } catch {
        throw .failure("\(error)")
    }
}

/// A state to start from, and where it came from.
private struct Base {
    var keyspace: Keyspace
    var reference: SnapshotReference
    /// Checkpoints that are of no use.
    var damaged: [LogPosition] = []
}

/// The newest checkpoint that is sound, or the empty state: the log goes back to the older one of those that
/// are kept.
private func newestCheckpoint<D: Disk>(
    _ store: CheckpointStore<D>, _ roster: Roster, notes: inout [String]
) throws -> Base {
    var damaged: [LogPosition] = []
    for candidate in try store.list() {
        do {
            let file = try store.read(candidate.position)
            var reader = Store.CheckpointReader()
            var offset = 0
            while offset < candidate.bytes {
                let chunk = try file.read(at: offset, count: 1 << 20)
                if chunk.isEmpty { break }
                try reader.receive(chunk)
                offset += chunk.count
            }
            let keyspace = try reader.finish()
            guard let header = reader.header, header.cluster == roster.cluster else {
                throw StartError.failure("checkpoint \(candidate.position) is of another cluster")
            }
            let configuration = try Configuration(decoding: header.configuration)
            return Base(
                keyspace: keyspace,
                reference: SnapshotReference(position: candidate.position, configuration: configuration),
                damaged: damaged)
        } catch let error as StartError {
            throw error
        } catch let error as DiskError {
            throw error
        } catch {
            notes.append("checkpoint \(candidate.position) is damaged and not used: \(error)")
            damaged.append(candidate.position)
        }
    }
    let first = Configuration(voters: roster.members.map(\.id))
    return Base(
        keyspace: Keyspace(), reference: SnapshotReference(position: .origin, configuration: first),
        damaged: damaged)
}

/// Applies what the log holds up to the known commit index, and hands the rest to the replica.
private func replay<D: Disk>(
    _ configuration: NodeConfiguration, _ roster: Roster, _ log: inout WAL<D>, _ base: inout Base,
    seed: UInt64
) throws -> Replica {
    var hardState = log.hardState
    hardState.commit = max(hardState.commit, base.keyspace.appliedIndex)
    let commit = min(hardState.commit, max(log.terms.lastIndex, base.keyspace.appliedIndex))
    var members = base.reference.configuration
    var logBytes = 0
    while base.keyspace.appliedIndex < commit {
        let first = base.keyspace.appliedIndex.next
        for entry in try log.entries(from: first, to: commit.next, maxBytes: 4 << 20) {
            logBytes += entry.payload.count + 40
            switch entry.kind {
            case .command:
                _ = base.keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
            case .configuration:
                members = try Configuration(decoding: entry.payload)
                base.keyspace.skip(index: entry.index, term: entry.term)
            case .noop:
                base.keyspace.skip(index: entry.index, term: entry.term)
            }
        }
    }
    var tail: [Entry] = []
    while (tail.last?.index ?? commit) < log.terms.lastIndex {
        let first = (tail.last?.index ?? commit).next
        tail += try log.entries(from: first, to: log.terms.lastIndex.next, maxBytes: 4 << 20)
    }
    var options = Raft.Options(id: roster.own)
    options.heartbeatInterval = configuration.heartbeat
    options.electionTimeout = configuration.electionTimeout..<(configuration.electionTimeout * 2)
    let raft = Raft(
        options: options,
        restored: Raft.Restored(
            hardState: hardState, snapshot: base.reference, log: log.terms,
            configurations: log.recovered.configurations),
        seed: seed, now: Clock.now())
    var limits = Replica.Limits()
    limits.checkpointLogBytes = configuration.checkpointLogBytes
    limits.leaderWait = configuration.electionTimeout * 4
    return Replica(
        raft: raft, keyspace: base.keyspace, configuration: members, tail: tail, checkpoint: base.reference,
        limits: limits, logBytes: tail.reduce(logBytes) { $0 + $1.payload.count + 40 })
}
