import API
import Consensus
import HTTP
import HTTPServer
import JSON
import PeerTransport
import Platform
import Primitives
import Replication
import Wire

extension NodeLoop {
    func linkPlace(_ peer: NodeID) -> Int? { links.firstIndex { $0.id == peer } }

    /// Puts a message in line for a peer.
    mutating func send(_ message: PeerMessage, to peer: NodeID) {
        guard let place = linkPlace(peer) else { return }
        if case .forward(let forward) = message { metrics.forwarded(forward.commands.count) }
        let givenUp = links[place].enqueue(message)
        if !givenUp.isEmpty { step(.undelivered(givenUp)) }
    }

    /// Tells the peers what the turn has for them: in the answers to what they asked, else in requests.
    mutating func exchange() {
        for place in links.indices {
            while let (request, messages, batch) = links[place].nextAnswer(durable: durable, at: now) {
                answer(request, messages, batch, link: place)
            }
            while let (messages, batch) = links[place].nextBatch(at: now) {
                let body = envelope(messages, batch, to: links[place].id).encode()
                metrics.peerBytes(body.count)
                let url = links[place].url + "/peer/messages"
                if !peers.post(.send(peer: links[place].id, batch: batch, url: url, body: body)) {
                    failed(place, batch, reached: false)
                    break
                }
            }
        }
    }

    private func envelope(_ messages: [PeerMessage], _ batch: UInt64, to peer: NodeID) -> Envelope {
        Envelope(
            cluster: roster.cluster, from: roster.own, to: peer, incarnation: incarnation, batch: batch,
            messages: messages)
    }

    private mutating func answer(
        _ request: PeerLink.Held, _ messages: [PeerMessage], _ batch: UInt64, link place: Int
    ) {
        let envelope = envelope(messages, batch, to: links[place].id)
        var response = Response(status: 204)
        if request.wantsJSON {
            response = Response(
                status: 200, contentType: "application/json", body: envelope.json.serialized(pretty: true))
        } else if !messages.isEmpty {
            response = Response(
                status: 200, contentType: "application/x-parley-frames", body: envelope.encode())
        }
        server.respond(to: request.connection, response, at: now, into: &inbound)
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
        guard envelope.to == roster.own, let place = linkPlace(envelope.from) else {
            let detail =
                "the message is from node \(envelope.from) to node \(envelope.to); this is \(roster.own)"
            return refusePeer(connection, .misdirectedHost, detail)
        }
        guard envelope.group == .first else {
            return refusePeer(connection, .badRequest, "there is no group \(envelope.group)")
        }
        if links[place].connections.insert(connection).inserted { server.watch(connection) }
        take(envelope, link: place)
        links[place].hold(
            PeerLink.Held(connection: connection, since: now, releaseAfter: .max, wantsJSON: isJSON))
    }

    private mutating func take(_ envelope: Envelope, link place: Int) {
        guard links[place].note(envelope, at: now) else { return }
        for message in envelope.messages { step(.received(message, from: envelope.from)) }
    }

    private mutating func refusePeer(_ connection: ConnectionID, _ code: ProblemCode, _ detail: String) {
        let response = api.problem(code, detail: detail, context: context())
        server.respond(to: connection, response, at: now, into: &inbound)
    }

    /// What the transport reports.
    mutating func take(_ news: PeerReport) {
        switch news {
        case .answered(let peer, let batch, let status, let body):
            guard let place = linkPlace(peer) else { return }
            guard status == 200 || status == 204 else {
                metrics.peerRefused()
                report(.warning("\(links[place].name) refused messages with status \(status)"))
                // It refuses whole batches, before the first message is looked at.
                return failed(place, batch, reached: status >= 500)
            }
            links[place].answered(batch, at: now)
            guard status == 200, let envelope = try? Envelope(decoding: body),
                envelope.cluster == roster.cluster,
                envelope.from == peer, envelope.to == roster.own
            else { return }
            take(envelope, link: place)
        case .failed(let peer, let batch, _, let reached):
            guard let place = linkPlace(peer) else { return }
            failed(place, batch, reached: reached)
        case .fetched(let id, let offset, let bytes, let isLast):
            guard let fetching, fetching.id == id else { return }
            checkpoints.deliver(
                .receive(fetching.reference, offset: offset, bytes: bytes, isLast: isLast))
        case .fetchFailed(let id, let reason):
            guard let fetching, fetching.id == id else { return }
            report(.warning("fetching snapshot \(fetching.reference.position): \(reason)"))
            self.fetching = nil
            step(.snapshotFailed(fetching.reference))
        }
    }

    private mutating func failed(_ place: Int, _ batch: UInt64, reached: Bool) {
        let undelivered = links[place].failed(batch, reached: reached)
        if !undelivered.isEmpty { step(.undelivered(undelivered)) }
        step(.peerUnreachable(links[place].id))
    }

    /// A connection is gone. When the last one of a peer goes, its process may be gone too.
    mutating func forget(_ connection: ConnectionID) {
        waiters.remove(connection)
        streams[connection] = nil
        for place in links.indices where links[place].connections.contains(connection) {
            links[place].forget(connection)
            if links[place].connections.isEmpty { step(.peerDisconnected(links[place].id)) }
        }
    }

    /// The held requests of this turn wait for what the turn is about to write.
    mutating func scheduleAnswers() {
        for place in links.indices {
            links[place].scheduleHeld(after: persistFor[place])
            persistFor[place] = 0
        }
    }
}

// MARK: - Snapshots

/// A snapshot that is being fetched.
struct SnapshotFetch {
    var id: UInt64
    var reference: SnapshotReference
}

extension NodeLoop {
    /// What a checkpoint is called in URLs.
    static func snapshotName(_ position: LogPosition) -> String { "\(position.index)-\(position.term)" }

    mutating func fetchSnapshot(_ reference: SnapshotReference, from source: NodeID) {
        guard let place = linkPlace(source) else { return step(.snapshotFailed(reference)) }
        if let fetching {
            if fetching.reference == reference { return }
            _ = peers.post(.cancelFetch(id: fetching.id))
        }
        lastFetch += 1
        let id = lastFetch
        fetching = SnapshotFetch(id: id, reference: reference)
        let url = links[place].url + "/peer/snapshots/" + Self.snapshotName(reference.position)
        checkpoints.deliver(.beginReceiving(reference))
        if !peers.post(.fetch(id: id, url: url, offset: 0, limit: 1 << 40)) {
            fetching = nil
            step(.snapshotFailed(reference))
        }
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
                connection, LogPosition(index: LogIndex(index), term: Term(term)), offset: range.first,
                count: range.count))
    }

    mutating func answerPart(_ connection: ConnectionID, _ offset: UInt64, _ bytes: [UInt8]?, _ total: UInt64)
    {
        guard let bytes else { return refusePeer(connection, .noSuchRoute, "there is no such snapshot") }
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
