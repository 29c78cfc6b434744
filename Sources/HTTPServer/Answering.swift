// What the owner says to a connection. Nothing here touches a socket: output waits for the end of the turn.
// A connection that is gone swallows what is said to it; its `.closed` is in the inbox, or was.

public import HTTP
import Platform
public import Primitives

extension HTTPServer {
    /// Answers the request under way. The next pipelined request may come into the inbox.
    public mutating func respond(
        to id: ConnectionID, _ response: Response, at now: Instant, into inbox: inout [Inbound]
    ) {
        guard let index = answering(id) else { return }
        advance(to: now)
        table[index].respond(response, at: moment)
        touch(index)
        surface(index, into: &inbox)
    }

    /// Begins an answer that comes in pieces; with `length`, that many bytes must follow, `head.body`
    /// included. False: the connection is gone.
    public mutating func beginStream(
        _ id: ConnectionID, _ head: Response, length: Int? = nil, at now: Instant
    ) -> Bool {
        guard let index = answering(id) else { return false }
        advance(to: now)
        table[index].http.beginStream(head, length: length, at: moment)
        touch(index)
        return true
    }

    /// Adds a piece to a stream. False: the piece was not taken, because the connection is gone or the client
    /// reads so slowly that more than ``HTTP/Limits/outputBuffer`` would wait.
    public mutating func write(_ id: ConnectionID, _ bytes: [UInt8], at now: Instant) -> Bool {
        guard let index = answering(id) else { return false }
        advance(to: now)
        let taken = table[index].http.writeStream(bytes, at: moment)
        touch(index)
        return taken
    }

    /// Whether the connection is open and waits for an answer, or for the rest of one.
    public func isWaiting(_ id: ConnectionID) -> Bool { answering(id) != nil }

    /// Bytes that wait to be written to the connection; 0 if it is gone.
    public func outputCount(of id: ConnectionID) -> Int {
        table.index(of: id).map { table[$0].outputCount } ?? 0
    }

    /// Tells with ``Inbound/drained(_:)``, once, when nothing waits to be written to the connection any more;
    /// if that is so already, after the next ``flush(at:on:into:)``.
    public mutating func reportDrain(of id: ConnectionID) {
        guard let index = table.index(of: id) else { return }
        table[index].reportsDrain = true
        touch(index)
    }

    /// Lets the kernel hold no more than `bytes` that it has not sent yet for the connection, give or take a
    /// segment, so that what a client does not read stays with the owner, who may not even have to keep it.
    /// What is on its way to the client is not limited.
    public mutating func limitUnsent(_ id: ConnectionID, to bytes: Int32) {
        guard let index = table.index(of: id) else { return }
        table[index].socket.limitUnsent(to: bytes)
    }

    /// Ends a stream, after a last piece. The next pipelined request may come into the inbox.
    public mutating func endStream(
        _ id: ConnectionID, _ last: [UInt8] = [], at now: Instant, into inbox: inout [Inbound]
    ) {
        guard let index = answering(id) else { return }
        advance(to: now)
        table[index].endStream(last, at: moment)
        touch(index)
        surface(index, into: &inbox)
    }

    /// Whether the end of the connection shall be reported as ``Inbound/closed(_:)`` even while no request is
    /// under way, and as soon as the client ends its side: that is how the death of a peer's process is
    /// noticed, and a client that no longer waits for a long poll. A watched client cannot half-close.
    public mutating func watch(_ id: ConnectionID, _ isWatched: Bool = true) {
        guard let index = table.index(of: id) else { return }
        table[index].isWatched = isWatched
        guard isWatched, table[index].peerHasEnded else { return }
        // The end came before the wish: settle closes the connection.
        touch(index)
    }

    /// Closes a connection at once, with what was not written yet. Nothing is reported.
    public mutating func close(_ id: ConnectionID) {
        guard let index = table.index(of: id) else { return }
        remove(index)
    }

    /// Hands the next request to the owner if there is one and none is under way.
    mutating func surface(_ index: Int, into inbox: inout [Inbound]) {
        guard let request = table[index].nextRequest() else { return }
        counters.requests += 1
        inbox.append(.request(table.id(at: index), request))
    }

    private func answering(_ id: ConnectionID) -> Int? {
        guard let index = table.index(of: id), table[index].owesAnswer else { return nil }
        return index
    }
}
