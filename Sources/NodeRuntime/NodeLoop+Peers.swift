import API
import Clocks
import Consensus
import HTTP
import HTTPServer
import JSON
import NodeCore
import PeerTransport
import Platform
import Primitives
import Replication
import Watches
import Wire

extension NodeLoop {
    /// Puts a message in line for a peer.
    mutating func send(_ message: PeerMessage, to peer: NodeID) {
        node.send(message, to: peer, at: now, wall: wall)
    }

    mutating func post(_ envelope: Envelope) {
        noteForwards(envelope)
        if faults != nil, !passesFaults(envelope) { return }
        transmit(envelope)
    }

    /// Hands a batch to the transport.
    mutating func transmit(_ envelope: Envelope) {
        var envelope = envelope
        envelope.clock = clocks.departure(at: wall)
        let body = envelope.encode()
        metrics.peerBytes(body.count)
        guard let member = roster.member(envelope.to) else { return }
        let url = member.url + "/peer/messages"
        if !peers.post(.send(peer: member.id, batch: envelope.batch, url: url, body: body)) {
            step(.peerFailed(member.id, batch: envelope.batch, reached: false))
        }
    }

    private mutating func noteForwards(_ envelope: Envelope) {
        for case .forward(let forward) in envelope.messages {
            metrics.forwarded(forward.commands.count)
            if !writeTimes.isEmpty { writeTimes.noteForward(forward, at: Clock.now()) }
        }
    }

    mutating func answer(_ request: PeerRequestID, _ envelope: Envelope, wantsJSON: Bool) {
        noteForwards(envelope)
        var envelope = envelope
        // What does not pass may yet go in a request of its own; the answer then is as if there were nothing.
        if faults != nil, !envelope.messages.isEmpty, !passesFaults(envelope) { envelope.messages = [] }
        if !envelope.messages.isEmpty { envelope.clock = clocks.departure(at: wall) }
        var response = Response(status: 204)
        if wantsJSON {
            response = Response(
                status: 200, contentType: "application/json", body: envelope.json.serialized(pretty: true))
        } else if !envelope.messages.isEmpty {
            response = Response(
                status: 200, contentType: "application/x-parley-frames", body: envelope.encode())
        }
        server.respond(to: ConnectionID(request), response, at: now, into: &inbound)
    }

    /// A request under `/peer/`.
    mutating func handlePeer(_ request: Request, on connection: ConnectionID) {
        let path = request.path
        if path.elementsEqual("/peer/messages".utf8) {
            guard request.method == .post else { return refusePeer(connection, .methodNotAllowed, "POST it") }
            return takeMessages(request, on: connection)
        }
        let snapshots = "/peer/snapshots/"
        if path.starts(with: snapshots.utf8), request.method == .get {
            let name = String(decoding: path.dropFirst(snapshots.utf8.count), as: UTF8.self)
            return servePart(request, name: name, connection)
        }
        if path.elementsEqual("/peer/faults".utf8), request.method == .post {
            return takeFaultOrder(request, on: connection)
        }
        refusePeer(connection, .noSuchRoute, "peers use /peer/messages and /peer/snapshots/{index}-{term}")
    }

    private mutating func takeMessages(_ request: Request, on connection: ConnectionID) {
        let isJSON = request.field("content-type")?.starts(with: "application/json".utf8) ?? false
        let envelope: Envelope
        do throws(WireError) {
            envelope = isJSON ? try Envelope(json: request.body) : try Envelope(decoding: request.body)
        } catch {
            return refusePeer(connection, isJSON ? .badJSON : .badRequest, error.description)
        }
        guard envelope.cluster == roster.cluster else {
            let detail = "this node belongs to cluster \(roster.cluster), the message to \(envelope.cluster)"
            return refusePeer(connection, .misdirectedHost, detail)
        }
        guard envelope.to == roster.own, let place = node.linkPlace(envelope.from) else {
            let detail =
                "the message is from node \(envelope.from) to node \(envelope.to); this is \(roster.own)"
            return refusePeer(connection, .misdirectedHost, detail)
        }
        guard envelope.group == .first else {
            return refusePeer(connection, .badRequest, "there is no group \(envelope.group)")
        }
        if peerConnections[place].insert(connection).inserted { server.watch(connection) }
        if faults != nil, isLost(envelope) {
            return server.respond(to: connection, Response(status: 204), at: now, into: &inbound)
        }
        follow(envelope)
        step(.peerRequest(PeerRequestID(connection), envelope, wantsJSON: isJSON))
    }

    mutating func refusePeer(_ connection: ConnectionID, _ code: ProblemCode, _ detail: String) {
        let response = api.problem(code, detail: detail, context: context())
        server.respond(to: connection, response, at: now, into: &inbound)
    }

    /// What the transport reports.
    mutating func take(_ news: PeerReport) {
        guard faults == nil || arrives(news) else { return }
        receive(news)
    }

    /// What the transport reports, if nothing comes between.
    mutating func receive(_ news: PeerReport) {
        switch news {
        case .answered(let peer, let batch, let status, let body):
            guard status == 200 || status == 204 else {
                metrics.peerRefused()
                report(.warning("\(name(of: peer)) refused messages with status \(status)"))
                // It refuses whole batches, before the first message is looked at; but the transport may have
                // sent this one twice, and the first copy may have been taken.
                return step(.peerFailed(peer, batch: batch, reached: true))
            }
            let envelope = status == 200 ? try? Envelope(decoding: body) : nil
            if let envelope { follow(envelope) }
            step(.peerAnswered(peer, batch: batch, envelope))
        case .failed(let peer, let batch, _, let reached):
            step(.peerFailed(peer, batch: batch, reached: reached))
        case .fetched(let id, let offset, let bytes, let isLast):
            step(.fetched(id: id, offset: offset, bytes: bytes, isLast: isLast))
        case .fetchFailed(let id, let reason):
            report(.warning("fetching a snapshot: \(reason)"))
            step(.fetchFailed(id: id))
        }
    }

    func name(of peer: NodeID) -> String { roster.name(of: peer) }

    /// A connection is gone. When the last one of a peer goes, its process may be gone too.
    mutating func forget(_ connection: ConnectionID) {
        waiters.remove(connection)
        streams[connection] = nil
        if !holds.isEmpty { letGo(connection) }
        if !parked.isEmpty { abandon(connection) }
        if !repeats.isEmpty { _ = repeats.remove(connection) }
        watches.remove(connection.number)
        claimWatches.remove(connection)
        datagrams.events.followers.remove(connection)
        trail.followers.remove(connection)
        traced[connection] = nil
        clocked.remove(connection)
        for place in peerConnections.indices where peerConnections[place].remove(connection) != nil {
            step(.peerRequestGone(PeerRequestID(connection)))
            // On a link that is cut nobody learns of that.
            if peerConnections[place].isEmpty, faults == nil || !isCut(from: node.links[place].id) {
                step(.peerDisconnected(node.links[place].id))
            }
        }
    }
}

extension PeerRequestID {
    init(_ connection: ConnectionID) {
        self.init(UInt64(connection.slot) << 32 | UInt64(connection.generation))
    }
}

extension ConnectionID {
    init(_ request: PeerRequestID) {
        self.init(
            slot: UInt32(request.rawValue >> 32),
            generation: UInt32(truncatingIfNeeded: request.rawValue))
    }
}

// MARK: - Snapshots

extension NodeLoop {
    /// What a checkpoint is called in URLs.
    static func snapshotName(_ position: LogPosition) -> String { "\(position.index)-\(position.term)" }

    mutating func fetch(_ id: UInt64, _ reference: SnapshotReference, from source: NodeID) {
        if faults != nil, !asks(source, in: id) { return }
        let url = roster.member(source).map { $0.url + "/peer/snapshots/" }
        guard let url,
            peers.post(
                .fetch(
                    id: id, url: url + Self.snapshotName(reference.position), offset: 0, limit: 1 << 40))
        else { return step(.fetchFailed(id: id)) }
    }

    /// A peer asks for a part of a checkpoint.
    private mutating func servePart(_ request: Request, name: String, _ connection: ConnectionID) {
        let parts = name.split(separator: "-")
        guard parts.count == 2, let index = UInt64(parts[0]), let term = UInt64(parts[1]) else {
            return refusePeer(connection, .badRequest, "a snapshot is named {index}-{term}")
        }
        guard let range = ByteRange(request.fieldText("range")) else {
            return refusePeer(
                connection, .badRequest, "a snapshot is served in ranges: Range: bytes=FIRST-LAST")
        }
        checkpoints.deliver(
            .serve(
                PeerRequestID(connection), LogPosition(index: LogIndex(index), term: Term(term)),
                offset: range.first,
                count: range.count))
    }

    mutating func answerPart(_ request: PeerRequestID, _ offset: UInt64, _ bytes: [UInt8]?, _ total: UInt64) {
        let connection = ConnectionID(request)
        guard let bytes else {
            return refusePeer(connection, .noSuchRoute, "there is no such snapshot, or it is damaged")
        }
        guard !bytes.isEmpty else {
            var response = Response(status: 416)
            response.setField("Content-Range", "bytes */\(total)")
            return server.respond(to: connection, response, at: now, into: &inbound)
        }
        var response = Response(status: 206, contentType: "application/octet-stream", body: bytes)
        response.setField("Content-Range", "bytes \(offset)-\(offset + UInt64(bytes.count) - 1)/\(total)")
        server.respond(to: connection, response, at: now, into: &inbound)
    }
}

/// A request for some bytes of a whole, as in `Range: bytes=0-1023` (RFC 9110, section 14.1.2).
struct ByteRange {
    /// The most that one answer carries.
    static let countLimit: UInt64 = 4 << 20
    let first: UInt64
    let count: UInt64

    init?(_ field: String?) {
        guard let field, field.hasPrefix("bytes="), let dash = field.firstIndex(of: "-"),
            !field.utf8.contains(UInt8(ascii: "+")),  // `UInt64` would take it for a sign.
            let first = UInt64(field[field.index(field.startIndex, offsetBy: 6)..<dash])
        else { return nil }
        self.first = first
        let end = field[field.index(after: dash)...]
        if end.isEmpty {
            count = Self.countLimit
        } else {
            guard let last = UInt64(end), last >= first else { return nil }
            count = min(last - first, Self.countLimit - 1) + 1
        }
    }
}
