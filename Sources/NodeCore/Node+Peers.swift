import Consensus
public import Primitives
import Replication
import Wire

extension Node {
    /// Tells the peers what the turn has for them: in the answers to what they asked, else in requests.
    mutating func exchange(at now: Instant) {
        for place in links.indices {
            while let (request, messages, batch) = links[place].nextAnswer(durable: durable, at: now) {
                let envelope = envelope(messages, batch, to: links[place].id)
                pending.append(.answer(request.id, envelope, wantsJSON: request.wantsJSON))
            }
            while let (messages, batch) = links[place].nextBatch(at: now) {
                pending.append(.post(envelope(messages, batch, to: links[place].id)))
            }
        }
    }

    private func envelope(_ messages: [PeerMessage], _ batch: UInt64, to peer: NodeID) -> Envelope {
        Envelope(
            cluster: cluster, from: own, to: peer, incarnation: incarnation, batch: batch, messages: messages)
    }

    /// The owner has lost a batch, or the answer to it, on purpose: the node is told no more than that it
    /// need not wait. Nothing happens if there is no such peer.
    public mutating func lose(_ batch: UInt64, to peer: NodeID, isCut: Bool) {
        guard let place = linkPlace(peer) else { return }
        links[place].lost(batch, isCut: isCut)
    }

    mutating func take(
        request id: PeerRequestID, _ envelope: Envelope, wantsJSON: Bool, _ now: Instant, _ wall: WallTime
    ) {
        guard let place = linkPlace(envelope.from) else { return }
        take(envelope, link: place, now, wall)
        links[place].hold(PeerLink.Held(id: id, since: now, releaseAfter: .max, wantsJSON: wantsJSON))
    }

    mutating func take(_ envelope: Envelope, link place: Int, _ now: Instant, _ wall: WallTime) {
        guard envelope.cluster == cluster, envelope.to == own, envelope.from == links[place].id,
            links[place].note(envelope, at: now)
        else { return }
        for message in envelope.messages { step(.received(message, from: envelope.from), now, wall) }
    }
}
