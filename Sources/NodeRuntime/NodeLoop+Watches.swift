// Streams of changes: what the watches decide, carried out on connections.
import API
import HTTP
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store
import Watches

extension NodeLoop {
    /// Begins a stream.
    mutating func beginWatch(
        _ connection: ConnectionID, _ head: consuming Response, _ request: WatchRequest,
        _ traits: RequestTraits
    ) {
        if drain?.handedOver == true { return refuse(connection, .shuttingDown, traits) }
        guard !watches.isFull else { return refuse(connection, .tooManyWatchers, traits) }
        metrics.answered(connection, head.status, at: now)
        dress(&head, for: connection)
        guard server.beginStream(connection, head, at: now) else { return }
        server.limitUnsent(connection, to: Self.unsentInKernel)
        watches.add(
            connection.number, request, in: node.replica.keyspace, at: now, wall: wall, into: &watchEffects)
        carryOutWatchEffects()
    }

    /// Gives all streams what they are due.
    mutating func progressWatches() {
        guard !watches.isEmpty else { return }
        for token in watches.asking() { tellUnsent(on: ConnectionID(number: token)) }
        watches.step(node.replica.keyspace, at: now, wall: wall, into: &watchEffects)
        carryOutWatchEffects()
    }

    /// Tells the watches how much waits to be written to a connection. If that is too much, they hear of it
    /// again when all of it is written.
    mutating func tellUnsent(on connection: ConnectionID) {
        if watches.report(connection.number, unsent: server.outputCount(of: connection)) {
            server.reportDrain(of: connection)
        }
    }

    /// Bytes of a stream that the kernel may hold without having sent them. By itself it would take megabytes
    /// for each client that does not read, all of which would have to be written first.
    private static var unsentInKernel: Int32 { 32 << 10 }

    /// Ends all streams: the node stops.
    mutating func endWatches() {
        watches.endAll(at: now, wall: wall, into: &watchEffects)
        carryOutWatchEffects()
    }

    private mutating func carryOutWatchEffects() {
        for effect in watchEffects {
            switch effect {
            case .send(let token, let piece):
                let connection = ConnectionID(number: token)
                if !server.write(connection, piece, at: now) { giveUp(connection) }
            case .end(let token):
                server.endStream(ConnectionID(number: token), at: now, into: &inbound)
            case .compacted(let token, let format, let compact, let current):
                let line = api.compactedLine(compact, current, format, context: context())
                server.endStream(ConnectionID(number: token), line, at: now, into: &inbound)
            }
        }
        watchEffects.removeAll(keepingCapacity: true)
    }

    /// A piece was not taken: the connection is gone, or it has more unsent than the watches thought.
    private mutating func giveUp(_ connection: ConnectionID) {
        guard let format = watches.format(of: connection.number) else { return }
        watches.remove(connection.number)
        let line = api.slowConsumerLine(format, context: context())
        server.endStream(connection, line, at: now, into: &inbound)
    }
}

extension ConnectionID {
    /// Slot and generation as one number.
    var number: UInt64 { UInt64(slot) << 32 | UInt64(generation) }

    /// The connection with this number.
    init(number: UInt64) {
        self.init(slot: UInt32(number >> 32), generation: UInt32(truncatingIfNeeded: number))
    }
}
