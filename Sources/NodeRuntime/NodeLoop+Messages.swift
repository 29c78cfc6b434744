// Messages from node to node, and the inbox of this one.
import API
import Clocks
import HTTP
import HTTPServer
import Links
import NodeCore
import Primitives
import Replication

extension NodeLoop {
    // MARK: Sending

    mutating func message(_ plan: MessagePlan, on connection: ConnectionID) {
        let id = requestIDs.next(at: wall)
        clocks.tick(at: wall)
        let stamp = clocks.stamp
        let names: [String]
        switch plan.to {
        case .all: names = roster.peers.map(\.name)
        case .named(let named): names = named
        }
        var record = MessageRecord(
            id: id, delivery: plan.delivery, ordering: plan.ordering, channel: plan.channel, from: plan.from,
            sent: wall, until: WallTime(milliseconds: wall.milliseconds + Int64(plan.ttl.milliseconds)))
        var ways: [(place: Int, node: NodeID, numbers: [UInt64])] = []
        for (place, name) in names.enumerated() {
            let bare = name.hasPrefix("node:") ? String(name.dropFirst(5)) : name
            var recipient = MessageRecord.Recipient(
                name: name, node: roster.member(named: bare)?.id, state: .unknown)
            if let node = recipient.node {
                let note = Note(
                    sender: plan.from, recipient: bare, channel: plan.channel, id: id, body: plan.body,
                    trace: traced[connection]?.trace)
                do throws(LinkRefusal) {
                    let sent = try send(Spoken(note, stamp), plan, to: node)
                    recipient.state = sent.state
                    ways.append((place, node, sent.numbers))
                } catch .tooLong {
                    let most = Parcel.longestSingle
                    return answer(connection, api.tooLong(plan, most: most, context: context()))
                } catch {
                    recipient.state = .refused
                }
            }
            record.recipients.append(recipient)
        }
        outbox.add(record)
        for way in ways { outbox.expect(way.numbers, of: id, to: way.node, place: way.place) }
        var context = context()
        context.requestID = id
        answer(connection, api.render(message: plan, record: record, stamp: stamp, context: context))
    }

    /// Sends a message to one node; answers how it stands, and under which numbers its end will be told.
    private mutating func send(
        _ words: Spoken, _ plan: MessagePlan, to node: NodeID
    ) throws(LinkRefusal) -> (state: MessageRecord.State, numbers: [UInt64]) {
        guard node != roster.own else {
            inboxes.put(words.note, words.stamp, from: nil, at: wall)
            waiters.isStirred = true
            return (.delivered, [])
        }
        let bytes = words.encoded()
        if plan.delivery != .reliable, bytes.count > Parcel.longestSingle {
            guard plan.delivery == .unreliable else { throw .tooLong }
            // What does not fit in a datagram goes with the peer requests: once, too.
            guard let place = self.node.linkPlace(node), self.node.links[place].hasRoomForNotes else {
                throw .full
            }
            send(.note(words.note), to: node)
            return (.sent, [])
        }
        let numbers = try datagrams.links.send(
            bytes, to: node, on: plan.rung, expires: now + plan.ttl, at: now)
        return (.sent, plan.delivery == .unreliable ? [] : numbers)
    }

    /// Takes what came over links for inboxes, and what became of what was sent.
    mutating func hearMessages() {
        for news in datagrams.links.takeNews() {
            switch news {
            case .parcel(let bytes, let peer): hear(bytes, from: peer)
            case .ended(let number, let outcome, let peer): outbox.end(number, outcome, to: peer)
            case .receipt(let bytes, let peer):
                for id in RequestID.list(from: bytes) {
                    for number in outbox.take(id, by: peer) { datagrams.links.stop(number, to: peer) }
                }
            }
        }
    }

    /// A message came over a link: puts it into the inbox, and sets the clocks after its sender's.
    mutating func hear(_ bytes: [UInt8], from peer: NodeID) {
        guard let words = Spoken(bytes) else { return }
        do throws(ClockError) {
            try clocks.observe(words.stamp, at: wall)
        } catch {
            clockWatch.refuse(error, of: name(of: peer), at: now)
        }
        put(words.note, words.stamp, from: words.note.recipient.isEmpty ? nil : peer)
    }

    // MARK: The inbox

    func isOwn(_ participant: String) -> Bool {
        participant == configuration.name || participant == "node:\(configuration.name)"
    }

    func hasMessage(for plan: LocalPlan) -> Bool {
        guard case .inbox(let query) = plan.view, isOwn(query.participant) else { return false }
        return !inboxes.first(1, channel: query.channel).isEmpty
    }

    mutating func fill(_ status: inout NodeStatus, _ query: InboxQuery) {
        guard isOwn(query.participant) else { return }
        let messages = inboxes.first(query.max, channel: query.channel)
        status.inboxItems = messages.map { message in
            NodeStatus.InboxItem(
                id: message.note.id.description, from: message.note.sender, channel: message.note.channel,
                body: message.note.body, time: message.arrived, trace: message.note.trace,
                stamp: message.stamp)
        }
        if query.takes { finish(inboxes.remove(messages)) }
    }

    /// Takes a message out of the inbox, or all up to it; answers how many there were.
    mutating func take(upTo order: UInt64, alone: Bool) -> Int {
        let taken = inboxes.remove(upTo: order, alone: alone)
        finish(taken)
        return taken.count
    }

    /// Tells those who sent these messages that they were taken.
    private mutating func finish(_ messages: [Inboxes.Message]) {
        var receipts: [NodeID: [RequestID]] = [:]
        for message in messages {
            if let origin = message.origin {
                receipts[origin, default: []].append(message.note.id)
            } else {
                _ = outbox.take(message.note.id, by: roster.own)
            }
        }
        for (peer, ids) in receipts {
            for names in RequestID.lists(of: ids, most: Link.longestMessage) {
                datagrams.links.acknowledge(names, to: peer, at: now)
            }
        }
    }
}

extension MessagePlan {
    /// The rung of links that promises what is asked for.
    fileprivate var rung: LinkRung {
        switch (delivery, ordering) {
        case (.unreliable, _): .fairLoss
        case (.stubborn, _): .stubborn
        case (.reliable, .none): .perfect
        case (.reliable, .fifo): .fifo
        }
    }
}

extension RequestID {
    /// Ids one behind the other, sixteen bytes each, in pieces of so many bytes at most.
    fileprivate static func lists(of ids: [RequestID], most: Int) -> [[UInt8]] {
        let count = most / 16
        return stride(from: 0, to: ids.count, by: count).map { start in
            var writer = ByteWriter(capacity: most)
            for id in ids[start..<min(start + count, ids.count)] {
                writer.fixed(id.high)
                writer.fixed(id.low)
            }
            return writer.take()
        }
    }

    fileprivate static func list(from bytes: ArraySlice<UInt8>) -> [RequestID] {
        var reader = ByteReader(bytes)
        var ids: [RequestID] = []
        while let high = try? reader.fixed(UInt64.self), let low = try? reader.fixed(UInt64.self) {
            ids.append(RequestID(high: high, low: low))
        }
        return ids
    }
}
