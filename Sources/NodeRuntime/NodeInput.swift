// What the node's threads say to each other. Only values cross; nobody shares state.
import Consensus
import HTTPServer
import PeerTransport
import Platform
import Primitives
import Store

/// What the other threads tell the node loop.
enum NodeInput: Sendable {
    /// Everything up to this sequence is on disk, and these messages may leave. The sync took so long.
    case persisted(sequence: UInt64, thenSend: [Message], took: Instant.Span)
    /// Entries that were asked for; empty if the log no longer holds them.
    case logRead(Replicate, [Entry])
    /// Entries for `GET /raft/log`.
    case logShown(token: UInt64, [Entry])
    /// The log was cut below a checkpoint.
    case logCut(SnapshotReference, firstIndex: LogIndex)
    /// How many bytes the log takes on disk.
    case logSize(Int)
    /// Whether the disk has room beyond the reserve.
    case storage(isShortOfSpace: Bool)
    /// The node can't go on.
    case fatal(String)
    /// A checkpoint is durable; the log may be cut below the older one that is kept.
    case checkpointWritten(SnapshotReference, cutBelow: LogIndex, bytes: Int, took: Instant.Span)
    /// A checkpoint could not be written.
    case checkpointFailed(String)
    /// A part of a checkpoint for a peer; nil bytes if there is no such checkpoint.
    case checkpointPart(ConnectionID, offset: UInt64, bytes: [UInt8]?, total: UInt64)
    /// The leader's snapshot is durable and loaded.
    case snapshotLoaded(Keyspace, SnapshotReference)
    /// The leader's snapshot could not be had.
    case snapshotFailed(SnapshotReference, String)
    /// News of the peers.
    case peer(PeerReport)
}

extension Mailbox {
    /// Posts, and waits if the mailbox is full: for reports that must not be lost, towards a thread that
    /// always drains.
    func deliver(_ element: Element) {
        var pause = Instant.Span.microseconds(50)
        while !post(element) {
            CurrentThread.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(10))
        }
    }
}
