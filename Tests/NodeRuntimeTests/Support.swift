// What the tests share: folders that go away, loops on threads of their own, and short ways to make values.

import API
import Consensus
import Glibc
import HTTP
import HTTPServer
import NodeCore
import Platform
import Primitives
import Replication
import Store
import Testing
import WAL

@testable import NodeRuntime

/// A folder of the operating system that goes away with its owner.
final class Folder {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(parent)/parley-node-\(Entropy.seed())"
        try Files.makeFolder(path)
    }

    deinit { Self.clear(path) }

    private static func clear(_ path: String) {
        for name in (try? Files.list(path)) ?? [] where unlink("\(path)/\(name)") != 0 {
            clear("\(path)/\(name)")
        }
        rmdir(path)
    }
}

/// Segments of 16 KiB, so that a few entries fill one.
let smallLog = WAL.Limits(
    segmentBytes: 16 << 10, spareSliceBytes: 4 << 10, markSpacing: 1 << 10, readBytes: 4 << 10)

let identity = FolderIdentity(
    cluster: ClusterID(7), node: NodeID(1), nodeName: "n1", group: .first, salt: 0x5a17)

/// A new, empty log in the folder.
func newLog<D: Disk>(in folder: Folder, on disk: D) throws -> WriteAheadLog<D> {
    try WriteAheadLog.create(disk: disk, directory: folder.path, identity: identity, limits: smallLog)
    return try WriteAheadLog(disk: disk, directory: folder.path, identity: identity, limits: smallLog)
}

func entry(_ index: UInt64, term: UInt64 = 1, bytes: Int = 100) -> Entry {
    Entry(
        index: LogIndex(index), term: Term(term), kind: .command,
        payload: [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: bytes))
}

/// A message that can be told from others by its round.
func sign(_ round: UInt64) -> Message {
    Message(from: NodeID(1), to: NodeID(2), term: Term(1), body: .heartbeatResponse(round: round))
}

func round(of message: Message) -> UInt64? {
    guard case .heartbeatResponse(let round) = message.body else { return nil }
    return round
}

func put(_ key: String, _ value: String, number: UInt64) -> Command {
    Command(
        requestID: RequestID(high: 1, low: number), time: WallTime(milliseconds: Int64(number)),
        operation: .put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false))
}

/// A store after as many commands as `count`, which write to that many keys.
func keyspace(_ count: UInt64, valueBytes: Int = 20) -> Keyspace {
    var keyspace = Keyspace()
    for number in 0..<count {
        let value = String(repeating: "v", count: valueBytes)
        let command = put("key-\(number)", value, number: number)
        _ = keyspace.apply(command, index: LogIndex(number + 1), term: Term(1))
    }
    return keyspace
}

func reference(_ index: UInt64, term: UInt64 = 1) -> SnapshotReference {
    SnapshotReference(
        position: LogPosition(index: LogIndex(index), term: Term(term)),
        configuration: Configuration(voters: [NodeID(1), NodeID(2), NodeID(3)]))
}

func connection(_ slot: UInt32) -> ConnectionID { ConnectionID(slot: slot, generation: 1) }

extension Instant {
    static func milliseconds(_ count: Int) -> Instant { .zero + .milliseconds(count) }
}

/// Takes reports out of a mailbox one by one.
final class Reports {
    struct Missing: Error {}

    let mailbox: Mailbox<NodeInput>
    private var taken: [NodeInput] = []

    init(capacity: Int = 1024) throws { mailbox = try Mailbox(capacity: capacity) }

    /// The first report, from the next one on, that `pick` wants; those before it are dropped.
    func next<Result>(within span: Instant.Span = .seconds(20), _ pick: (NodeInput) -> Result?) throws
        -> Result
    {
        let deadline = Clock.now() + span
        while true {
            while !taken.isEmpty {
                if let result = pick(taken.removeFirst()) { return result }
            }
            mailbox.wait(until: deadline, into: &taken)
            if taken.isEmpty { throw Missing() }
        }
    }
}

/// A ``DiskLoop`` on a thread of its own.
final class DiskRunner {
    let inbox: Mailbox<LogCommand>
    let reports: Reports
    private var thread: OwnedThread?

    init<D: Disk & Sendable>(_ log: consuming WriteAheadLog<D>) throws {
        inbox = try Mailbox(capacity: 1024)
        reports = try Reports()
        let loop = DiskLoop(log: log, inbox: inbox, reports: reports.mailbox)
        thread = try startThread(named: "disk", owning: loop) { $0.run() }
    }

    func post(_ command: LogCommand) { inbox.deliver(command) }

    /// Posts entries and waits until they are on disk.
    func persist(_ sequence: UInt64, _ entries: [Entry], hardState: HardState? = nil) throws {
        post(.persist(Persist(sequence: sequence, hardState: hardState, entries: entries)))
        _ = try reports.next { if case .log(.persisted(sequence, _), _) = $0 { true } else { nil } }
    }

    func stop() {
        inbox.deliver(.stop)
        thread.take()?.join()
    }

    deinit { stop() }
}

/// A ``CheckpointLoop`` on a thread of its own, over a folder of its own.
final class CheckpointRunner {
    let folder: Folder
    let store: CheckpointStore<PosixDisk>
    let inbox: Mailbox<CheckpointCommand>
    let reports: Reports
    private var thread: OwnedThread?

    init(cluster: UInt64 = 7) throws {
        folder = try Folder()
        store = CheckpointStore(disk: PosixDisk(), directory: folder.path)
        inbox = try Mailbox(capacity: 1024)
        reports = try Reports()
        let loop = CheckpointLoop(
            store: store, cluster: ClusterID(cluster), inbox: inbox, reports: reports.mailbox)
        thread = try startThread(named: "checkpoint", owning: loop) { $0.run() }
    }

    func post(_ command: CheckpointCommand) { inbox.deliver(command) }

    deinit {
        inbox.deliver(.stop)
        thread.take()?.join()
    }
}
