public import Primitives

/// What the owner asks of a ``PeerTransport``.
public enum PeerCommand: Sendable {
    /// POST a batch of frames to a peer. It is answered by exactly one
    /// ``PeerReport/answered(peer:batch:status:body:)`` or ``PeerReport/failed(peer:batch:reason:reached:)``.
    case send(peer: NodeID, batch: UInt64, url: String, body: [UInt8])
    /// GET a large resource from `offset` on, in ranges of ``PeerTransport/Limits/fetchChunk`` bytes, no more
    /// than `limit` bytes in all.
    case fetch(id: UInt64, url: String, offset: UInt64, limit: UInt64)
    /// End a fetch without a report; unknown ids are ignored.
    case cancelFetch(id: UInt64)
    /// Drop a peer's connections, queue and state; what was under way is reported as failed.
    case forget(NodeID)
    /// End the thread. What is under way is reported as failed.
    case stop
}

/// What a ``PeerTransport`` tells its owner, on its own thread.
public enum PeerReport: Sendable, Equatable {
    /// The peer answered, with whatever status.
    case answered(peer: NodeID, batch: UInt64, status: Int, body: [UInt8])
    /// There is no answer. `reached` is false only if the peer certainly never got any of the request, so
    /// that repeating it cannot do it twice.
    case failed(peer: NodeID, batch: UInt64, reason: String, reached: Bool)
    /// The next bytes of a fetch, which begin at `offset` in the resource.
    case fetched(id: UInt64, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// A fetch ended early. What was reported before is good; a new fetch may go on from there.
    case fetchFailed(id: UInt64, reason: String)
}
