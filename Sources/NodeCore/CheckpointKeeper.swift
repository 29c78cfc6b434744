// What is done with checkpoints, without the thread that does it: they are written from frozen keyspaces at a
// limited rate, served to peers in parts, and those of a leader are received. All in small pieces.
public import Consensus
public import Primitives
public import Store
public import WAL

/// What a node asks of the keeper of its checkpoints.
public enum CheckpointCommand: Sendable {
    /// Write this frozen state.
    case write(Keyspace, SnapshotReference)
    /// Read a part of a checkpoint for a peer.
    case serve(PeerRequestID, LogPosition, offset: UInt64, count: UInt64)
    /// The leader's snapshot is about to come.
    case beginReceiving(SnapshotReference)
    /// A part of it has come.
    case receive(SnapshotReference, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// End.
    case stop
}

/// What the keeper of checkpoints has done.
public enum CheckpointReport: Sendable {
    /// A checkpoint is durable; the log may be cut below the older one that is kept.
    case written(SnapshotReference, cutBelow: LogIndex, bytes: Int, took: Instant.Span)
    /// A checkpoint could not be written.
    case failed(String)
    /// A part of a checkpoint for a peer; nil bytes if there is no such checkpoint.
    case part(PeerRequestID, offset: UInt64, bytes: [UInt8]?, total: UInt64)
    /// A checkpoint was read for a peer, and is damaged: a new one should take its place. Until then it is
    /// not served. Told again after a while, ever more seldom, if no new one was written.
    case damaged(LogPosition, String)
    /// The leader's snapshot is durable and loaded.
    case snapshotLoaded(Keyspace, SnapshotReference)
    /// The leader's snapshot could not be had.
    case snapshotFailed(SnapshotReference, String)
}

/// Carries out what a node asks about its checkpoints.
public struct CheckpointKeeper<D: Disk>: ~Copyable {
    /// At most so many bytes of a checkpoint are written in a second, so that the log's syncs don't wait for
    /// them.
    static var bytesPerSecond: Int { 16 << 20 }

    private let store: CheckpointStore<D>
    private let cluster: ClusterID
    private let storeLimits: Store.Limits
    private var writing: Writing?
    private var receiving: Receiving?
    private var served = ServedCheckpoints()

    /// A checkpoint in the making.
    private struct Writing: ~Copyable {
        var source: Store.CheckpointWriter
        var file: WAL.CheckpointWriter<D>
        var reference: SnapshotReference
        var started: Instant
    }

    /// A snapshot that comes in.
    private struct Receiving: ~Copyable {
        var file: WAL.CheckpointWriter<D>
        var reader: Store.CheckpointReader
        var reference: SnapshotReference
        var offset: UInt64
    }

    /// Takes over a folder of checkpoints. The limits of the store must be those of the group.
    public init(
        store: CheckpointStore<D>, cluster: ClusterID, storeLimits: Store.Limits = Store.Limits()
    ) {
        self.store = store
        self.cluster = cluster
        self.storeLimits = storeLimits
    }

    /// When ``write(at:into:)`` has something to do.
    public private(set) var wake = Instant.never

    /// Carries out commands. False if it was told to stop.
    public mutating func take(
        _ commands: [CheckpointCommand], at now: Instant, into reports: inout [CheckpointReport]
    ) -> Bool {
        for command in commands {
            switch command {
            case .write(let keyspace, let reference): begin(keyspace, reference, at: now, into: &reports)
            case .serve(let request, let position, let offset, let count):
                let isServed = serve(request, position, offset, count, into: &reports)
                if !isServed, let reason = served.report(position, at: now) {
                    reports.append(.damaged(position, reason))
                }
            case .beginReceiving(let reference): beginReceiving(reference, into: &reports)
            case .receive(let reference, let offset, let bytes, let isLast):
                receive(reference, offset, bytes, isLast, into: &reports)
            case .stop: return false
            }
        }
        return true
    }

    // MARK: Writing

    private mutating func begin(
        _ keyspace: Keyspace, _ reference: SnapshotReference, at now: Instant,
        into reports: inout [CheckpointReport]
    ) {
        do throws(DiskError) {
            let file = try store.write(reference.position, from: .own)
            let source = Store.CheckpointWriter(
                keyspace, cluster: cluster, configuration: reference.configuration.encode())
            writing = Writing(source: source, file: file, reference: reference, started: now)
            wake = now
        } catch {
            reports.append(.failed("\(error)"))
        }
    }

    /// Writes the next piece of a checkpoint, if one is being written and it is time.
    public mutating func write(at now: Instant, into reports: inout [CheckpointReport]) {
        guard now >= wake, var current = writing.take() else { return }
        wake = .never
        do throws(DiskError) {
            guard let chunk = current.source.next() else {
                let written = try current.file.finish()
                try removeDamaged(besides: written.position)
                try store.prune()
                reports.append(
                    .written(
                        current.reference, cutBelow: try cutBelow(), bytes: written.bytes,
                        took: now - current.started))
                return
            }
            try current.file.append(chunk)
            wake = max(now, current.started + Self.time(for: current.file.bytes))
            writing = consume current
        } catch {
            try? current.file.abandon()
            reports.append(.failed("\(error)"))
        }
    }

    /// Removes what was found damaged, now that a new checkpoint is durable: so that the ones that are kept,
    /// and to which the log is cut, are sound as far as is known.
    private mutating func removeDamaged(besides new: LogPosition) throws(DiskError) {
        for old in try store.list() where old.position != new && served.isDamaged(old.position) {
            try store.remove(old.position)
        }
        served.replaced()
    }

    /// Below which entry the log may be cut: what the oldest checkpoint covers, if the newer ones may all
    /// turn out damaged. While there is only one the log stays whole.
    private func cutBelow() throws(DiskError) -> LogIndex {
        let present = try store.list()
        let oldest = isPlanted(.cutsToNewestCheckpoint) ? present.first : present.last
        guard present.count >= store.kept, let oldest else { return .zero }
        return oldest.position.index.next
    }

    private static func time(for bytes: Int) -> Instant.Span {
        .microseconds(bytes / (bytesPerSecond / 1_000_000))
    }

    // MARK: Serving and receiving

    /// Reads a part for a peer. False if there is none to be had.
    private mutating func serve(
        _ request: PeerRequestID, _ position: LogPosition, _ offset: UInt64, _ count: UInt64,
        into reports: inout [CheckpointReport]
    ) -> Bool {
        var bytes: [UInt8]?
        var total: UInt64 = 0
        do throws(DiskError) {
            if !served.isDamaged(position) {
                let reader = try store.read(position)
                total = UInt64(reader.checkpoint.bytes)
                let part = offset < total ? try reader.read(at: Int(offset), count: Int(count)) : []
                if served.take(part, of: position, at: offset, total: total) { bytes = part }
            }
        } catch {
            let isDamage = error.operation == .read || error.code == DiskError.inputOutput
            if isDamage { served.noteDamage(of: position, "\(error)") }
        }
        reports.append(.part(request, offset: offset, bytes: bytes, total: bytes == nil ? 0 : total))
        return bytes != nil
    }

    private mutating func beginReceiving(
        _ reference: SnapshotReference, into reports: inout [CheckpointReport]
    ) {
        do throws(DiskError) {
            if var old = receiving.take() { try old.file.abandon() }
            receiving = Receiving(
                file: try store.write(reference.position, from: .fetched),
                reader: Store.CheckpointReader(limits: storeLimits),
                reference: reference, offset: 0)
        } catch {
            reports.append(.snapshotFailed(reference, "\(error)"))
        }
    }

    private mutating func receive(
        _ reference: SnapshotReference, _ offset: UInt64, _ bytes: [UInt8], _ isLast: Bool,
        into reports: inout [CheckpointReport]
    ) {
        guard var current = receiving.take() else { return }
        guard current.reference == reference else {
            receiving = consume current
            return
        }
        var reason: String?
        do {
            guard offset == current.offset else { throw SnapshotProblem.gap }
            current.offset += UInt64(bytes.count)
            try current.reader.receive(bytes)
            try current.file.append(bytes)
            guard isLast else {
                receiving = consume current
                return
            }
            let keyspace = try current.reader.finish()
            guard keyspace.appliedIndex == reference.position.index,
                keyspace.appliedTerm == reference.position.term, current.reader.header?.cluster == cluster
            else { throw SnapshotProblem.another }
            if !isPlanted(.installsBeforeDurable) { _ = try current.file.finish() }
            served.replaced(reference.position)
            try store.prune()
            return reports.append(.snapshotLoaded(keyspace, reference))
        } catch {
            reason = "\(error)"
            try? current.file.abandon()
        }
        if let reason { reports.append(.snapshotFailed(reference, reason)) }
    }

    private enum SnapshotProblem: Error, CustomStringConvertible {
        case gap, another
        var description: String {
            switch self {
            case .gap: "a part of it is missing"
            case .another: "it is not the snapshot that was promised"
            }
        }
    }
}
