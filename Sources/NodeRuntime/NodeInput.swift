// What the node's threads say to each other. Only values cross; nobody shares state.
import NodeCore
import PeerTransport
import Platform
import Primitives

/// What the other threads tell the node loop.
enum NodeInput: Sendable {
    /// The disk thread has done something; writing and syncing took so long.
    case log(LogReport, took: Instant.Span)
    /// The checkpoint thread has done something.
    case checkpoint(CheckpointReport)
    /// The node can't go on.
    case fatal(String)
    /// News of the peers.
    case peer(PeerReport)
    /// A peer takes datagrams at this address.
    case address(NodeID, SocketAddress)
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
