// Streams that tell how locks and elections stand, carried out on connections.
import API
import HTTP
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store
import Watches

extension NodeLoop {
    /// Begins a stream; what it begins with comes at the end of the turn.
    mutating func beginClaimWatch(
        _ connection: ConnectionID, _ head: consuming Response, _ watch: ClaimWatch, _ traits: RequestTraits
    ) {
        if drain?.handedOver == true { return refuse(connection, .shuttingDown, traits) }
        guard !claimWatches.isFull else { return refuse(connection, .tooManyWatchers, traits) }
        metrics.answered(connection, head.status, at: now)
        dress(&head, for: connection)
        guard server.beginStream(connection, head, at: now) else { return }
        claimWatches.add(connection, watch, at: now)
    }

    /// Tells everybody how things stand who does not know it yet, and gives signs of life.
    mutating func progressClaimWatches() {
        guard claimWatches.deadline <= now else { return }
        writeClaims()
        for connection in claimWatches.takeOwed(at: now) {
            guard let line = claimWatches.news(for: connection) else { continue }
            guard claimWatchTakes(connection), server.write(connection, line, at: now) else {
                claimWatches.passOver(connection, at: now)
                continue
            }
            if !claimWatches.tell(line, to: connection, at: now) {
                claimWatches.remove(connection)
                server.endStream(connection, at: now, into: &inbound)
            }
        }
        for due in claimWatches.takeDue(at: now) {
            let sign = api.claimBookmark(node.replica.keyspace.revision, at: wall, due.format)
            if due.isOver {
                endClaimWatch(connection: due.connection, sign)
            } else if claimWatches.news(for: due.connection) == nil, claimWatchTakes(due.connection) {
                // A client that does not take it is about to lose its connection.
                _ = server.write(due.connection, sign, at: now)
            }
        }
    }

    /// Ends all streams: the node stops.
    mutating func endClaimWatches() {
        writeClaims()
        for connection in claimWatches.connections {
            guard let format = claimWatches.format(of: connection) else { continue }
            let bye = api.claimBye(node.replica.keyspace.revision, at: wall, format)
            endClaimWatch(connection: connection, bye)
        }
    }

    /// Ends a stream. Who was not told how things stand is told now: the latest state always comes.
    private mutating func endClaimWatch(connection: ConnectionID, _ last: [UInt8]) {
        let news = claimWatches.news(for: connection) ?? []
        claimWatches.remove(connection)
        server.endStream(connection, news + last, at: now, into: &inbound)
    }

    private mutating func writeClaims() {
        for view in claimWatches.takeChanged() {
            claimWatches.show(api.line(of: view, in: node.replica.keyspace), to: view)
        }
    }

    private func claimWatchTakes(_ connection: ConnectionID) -> Bool {
        server.outputCount(of: connection) <= claimWatches.limits.unsent
    }
}
