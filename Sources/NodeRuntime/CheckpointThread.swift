// The thread that writes checkpoints from frozen keyspaces, serves them to peers and loads those of a leader,
// so that none of it holds up the node loop. It works in small pieces and looks at its mailbox between them.
import Consensus
import HTTPServer
import Platform
import Primitives
import Store
import WAL

/// What the node loop asks of the checkpoint thread.
enum CheckpointCommand: Sendable {
    /// Write this frozen state.
    case write(Keyspace, SnapshotReference)
    /// Read a part of a checkpoint for a peer.
    case serve(ConnectionID, LogPosition, offset: UInt64, count: UInt64)
    /// The leader's snapshot is about to come.
    case beginReceiving(SnapshotReference)
    /// A part of it has come.
    case receive(SnapshotReference, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// End.
    case stop
}

/// The checkpoint thread and what it owns.
struct CheckpointLoop<D: Disk & Sendable>: ~Copyable {
    /// At most so many bytes of a checkpoint are written in a second, so that the log's syncs don't wait for
    /// them.
    static var bytesPerSecond: Int { 16 << 20 }

    private let store: CheckpointStore<D>
    private let cluster: ClusterID
    private let inbox: Mailbox<CheckpointCommand>
    private let reports: Mailbox<NodeInput>
    private var batch: [CheckpointCommand] = []
    private var writing: Writing?
    private var receiving: Receiving?

    /// A checkpoint in the making.
    private struct Writing: ~Copyable {
        var source: Store.CheckpointWriter
        var file: CheckpointFileWriter<D>
        var reference: SnapshotReference
        var started: Instant
    }

    /// A snapshot that comes in.
    private struct Receiving: ~Copyable {
        var file: CheckpointFileWriter<D>
        var reader: Store.CheckpointReader
        var reference: SnapshotReference
        var offset: UInt64
    }

    init(
        store: CheckpointStore<D>, cluster: ClusterID, inbox: Mailbox<CheckpointCommand>,
        reports: Mailbox<NodeInput>
    ) {
        self.store = store
        self.cluster = cluster
        self.inbox = inbox
        self.reports = reports
    }

    consuming func run() {
        try? CurrentThread.lowerPriority()
        while turn() {}
    }

    private mutating func turn() -> Bool {
        batch.removeAll(keepingCapacity: true)
        inbox.wait(until: writing == nil ? .never : .zero, into: &batch)
        for command in batch {
            switch command {
            case .write(let keyspace, let reference): begin(keyspace, reference)
            case .serve(let connection, let position, let offset, let count):
                serve(connection, position, offset, count)
            case .beginReceiving(let reference): beginReceiving(reference)
            case .receive(let reference, let offset, let bytes, let isLast):
                receive(reference, offset, bytes, isLast)
            case .stop: return false
            }
        }
        if writing != nil { writeSome() }
        return true
    }

    // MARK: Writing

    private mutating func begin(_ keyspace: Keyspace, _ reference: SnapshotReference) {
        do throws(DiskError) {
            let file = try store.write(reference.position, from: .own)
            let source = Store.CheckpointWriter(
                keyspace, cluster: cluster, configuration: reference.configuration.encode())
            writing = Writing(source: source, file: file, reference: reference, started: Clock.now())
        } catch {
            reports.deliver(.checkpointFailed("\(error)"))
        }
    }

    private mutating func writeSome() {
        guard var current = writing.take() else { return }
        do throws(DiskError) {
            guard let chunk = current.source.next() else {
                let written = try current.file.finish()
                try store.prune()
                return reports.deliver(
                    .checkpointWritten(
                        current.reference, cutBelow: try cutBelow(), bytes: written.bytes,
                        took: Clock.now() - current.started))
            }
            try current.file.append(chunk)
            let due = current.started + Self.time(for: current.file.bytes)
            let now = Clock.now()
            if due > now { CurrentThread.sleep(for: min(due - now, .milliseconds(50))) }
            writing = consume current
        } catch {
            try? current.file.abandon()
            reports.deliver(.checkpointFailed("\(error)"))
        }
    }

    /// Below which entry the log may be cut: what the oldest checkpoint covers, if the newer ones may all
    /// turn out damaged. While there is only one the log stays whole.
    private func cutBelow() throws(DiskError) -> LogIndex {
        let present = try store.list()
        guard present.count >= store.kept, let oldest = present.last else { return .zero }
        return oldest.position.index.next
    }

    private static func time(for bytes: Int) -> Instant.Span {
        .microseconds(bytes / (bytesPerSecond / 1_000_000))
    }

    // MARK: Serving and receiving

    private func serve(
        _ connection: ConnectionID, _ position: LogPosition, _ offset: UInt64, _ count: UInt64
    ) {
        do throws(DiskError) {
            let reader = try store.read(position)
            let total = reader.checkpoint.bytes
            let bytes = offset < UInt64(total) ? try reader.read(at: Int(offset), count: Int(count)) : []
            reports.deliver(.checkpointPart(connection, offset: offset, bytes: bytes, total: UInt64(total)))
        } catch {
            reports.deliver(.checkpointPart(connection, offset: offset, bytes: nil, total: 0))
        }
    }

    private mutating func beginReceiving(_ reference: SnapshotReference) {
        do throws(DiskError) {
            if var old = receiving.take() { try old.file.abandon() }
            receiving = Receiving(
                file: try store.write(reference.position, from: .fetched), reader: Store.CheckpointReader(),
                reference: reference, offset: 0)
        } catch {
            reports.deliver(.snapshotFailed(reference, "\(error)"))
        }
    }

    private mutating func receive(
        _ reference: SnapshotReference, _ offset: UInt64, _ bytes: [UInt8], _ isLast: Bool
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
            _ = try current.file.finish()
            try store.prune()
            return reports.deliver(.snapshotLoaded(keyspace, reference))
        } catch {
            reason = "\(error)"
            try? current.file.abandon()
        }
        if let reason { reports.deliver(.snapshotFailed(reference, reason)) }
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
