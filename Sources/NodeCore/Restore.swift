// From a data folder to a replica: identity, newest sound checkpoint, log, replay.
public import Consensus
public import Primitives
public import Replication
public import Store
public import WAL

/// Whose data folder it is, and how the replica is to be run.
public struct RestoreSettings: Sendable {
    /// The folder.
    public var dataDirectory: String
    /// The node's name, for error messages.
    public var nodeName: String
    /// The cluster that the node belongs to.
    public var cluster: ClusterID
    /// The members of a cluster that is founded, by number.
    public var voters: [NodeID]
    /// How consensus is run; names the node's number.
    public var options: Raft.Options
    /// Bounds on what the replica holds.
    public var replicaLimits = Replica.Limits()
    /// Sizes of the log.
    public var logLimits = WAL.Limits()
    /// Bounds of the store; those of the group.
    public var storeLimits = Store.Limits()

    /// Makes settings with the default bounds.
    public init(
        dataDirectory: String, nodeName: String, cluster: ClusterID, voters: [NodeID], options: Raft.Options
    ) {
        self.dataDirectory = dataDirectory
        self.nodeName = nodeName
        self.cluster = cluster
        self.voters = voters
        self.options = options
    }
}

/// Why a node can't start from its data folder; in words, with what to do about it.
public struct RestoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// For people.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// What was found in the data folder, made ready. Frozen, so that its owner may take it apart.
@frozen public struct Restored<D: Disk>: ~Copyable {
    /// The folder, locked for as long as this exists.
    public var folder: DataFolder<D>
    /// The log, open for appending.
    public var log: WriteAheadLog<D>
    /// The checkpoints.
    public var checkpoints: CheckpointStore<D>
    /// The state up to the last entry that is known to be committed, and what the log holds beyond.
    public var replica: Replica
    /// What people should know of what was found.
    public var notes: [String]
}

/// Opens the data folder and brings the state up to the last entry that is known to be committed. An empty
/// folder becomes this node's, with an empty state.
///
/// - Parameters:
///   - seed: for the choices of consensus, and of the identity of a new folder.
public func restore<D: Disk>(
    _ settings: RestoreSettings, disk: D, seed: UInt64, now: Instant
) throws(RestoreError) -> Restored<D> {
    let (cluster, own) = (settings.cluster, settings.options.id)
    let folder: DataFolder<D>
    let identity: FolderIdentity
    do throws(DataFolderError) {
        var opened = try DataFolder(disk: disk, path: settings.dataDirectory)
        try opened.verify(cluster: nil, node: nil, nodeName: settings.nodeName)
        try opened.verify(cluster: cluster, node: own, nodeName: settings.nodeName)
        if opened.identity == nil {
            try opened.initialise(
                as: FolderIdentity(
                    cluster: cluster, node: own, nodeName: settings.nodeName, group: .first,
                    salt: UInt32(truncatingIfNeeded: seed)),
                limits: settings.logLimits)
        }
        guard let known = opened.identity else { throw .unidentified(path: settings.dataDirectory) }
        identity = known
        folder = opened
    } catch {
        throw RestoreError("\(error)")
    }
    let checkpoints = CheckpointStore(disk: disk, directory: folder.checkpointDirectory)
    var notes: [String] = []
    do {
        try checkpoints.removeLeftovers()
        var log = try WriteAheadLog(
            disk: disk, directory: folder.logDirectory, identity: identity,
            limits: settings.logLimits)
        notes += log.recovered.notes
        var base = try newestCheckpoint(checkpoints, settings, notes: &notes)
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
            throw RestoreError(
                "the log in \(folder.logDirectory) begins at entry \(log.terms.firstIndex), but the newest "
                    + "sound checkpoint ends at \(base.keyspace.appliedIndex): a checkpoint is missing or "
                    + "damaged")
        }
        // The older one and the log stand for all that these held: they must not pass for sound ones later.
        for position in base.damaged { try checkpoints.remove(position) }
        let replica = try replay(settings, &log, &base, seed: seed, now: now)
        return Restored(folder: folder, log: log, checkpoints: checkpoints, replica: replica, notes: notes)
    } catch let error as RestoreError {
        throw error
    } catch {
        throw RestoreError("\(error)")
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
    _ store: CheckpointStore<D>, _ settings: RestoreSettings, notes: inout [String]
) throws -> Base {
    var damaged: [LogPosition] = []
    for candidate in try store.list() {
        do {
            let file = try store.read(candidate.position)
            var reader = Store.CheckpointReader(limits: settings.storeLimits)
            var offset = 0
            while offset < candidate.bytes {
                let chunk = try file.read(at: offset, count: 1 << 20)
                if chunk.isEmpty { break }
                try reader.receive(chunk)
                offset += chunk.count
            }
            let keyspace = try reader.finish()
            guard let header = reader.header, header.cluster == settings.cluster else {
                throw RestoreError("checkpoint \(candidate.position) is of another cluster")
            }
            let configuration = try Configuration(decoding: header.configuration)
            return Base(
                keyspace: keyspace,
                reference: SnapshotReference(position: candidate.position, configuration: configuration),
                damaged: damaged)
        } catch let error as RestoreError {
            throw error
        } catch let error as DiskError {
            throw error
        } catch {
            notes.append("checkpoint \(candidate.position) is damaged and not used: \(error)")
            damaged.append(candidate.position)
        }
    }
    let first = Configuration(voters: settings.voters)
    return Base(
        keyspace: Keyspace(limits: settings.storeLimits),
        reference: SnapshotReference(position: .origin, configuration: first),
        damaged: damaged)
}

/// Applies what the log holds up to the known commit index, and hands the rest to the replica.
private func replay<D: Disk>(
    _ settings: RestoreSettings, _ log: inout WriteAheadLog<D>, _ base: inout Base, seed: UInt64, now: Instant
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
            let isAdopted =
                isPlanted(.adoptsDamagedIndex) && base.damaged.contains { $0.index >= entry.index }
            switch entry.kind {
            case .command where isAdopted: base.keyspace.skip(index: entry.index, term: entry.term)
            case .command:
                _ = base.keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
                // Nobody waits for anything yet.
                _ = base.keyspace.takeNews()
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
    let raft = Raft(
        options: settings.options,
        restored: Raft.Restored(
            hardState: hardState, snapshot: base.reference, log: log.terms,
            configurations: log.recovered.configurations),
        seed: seed, now: now)
    return Replica(
        raft: raft, keyspace: base.keyspace, configuration: members, tail: tail, checkpoint: base.reference,
        limits: settings.replicaLimits, logBytes: tail.reduce(logBytes) { $0 + $1.payload.count + 40 },
        now: now)
}
