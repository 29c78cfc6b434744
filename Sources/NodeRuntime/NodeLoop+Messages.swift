// Messages from node to node, and the inbox of this one.
import API
import Clocks
import HTTP
import HTTPServer
import Links
import NodeCore
import Primitives
import Replication
import Store

extension NodeLoop {
    // MARK: Sending

    /// Sends a message. Who is not known here is looked for in the newest state, unless it `isCurrent`.
    mutating func message(_ plan: MessagePlan, on connection: ConnectionID, isCurrent: Bool) {
        if !isCurrent, case .named(let names) = plan.to, names.contains(where: { home(of: $0) == nil }) {
            let token = requests.insert(.message(connection, plan))
            return step(.read(token: token, deadline: now + .seconds(5)))
        }
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
            var recipient = MessageRecord.Recipient(name: name, node: home(of: name), state: .unknown)
            defer {
                recipient.step(to: recipient.state, at: wall)
                record.recipients.append(recipient)
            }
            if let node = recipient.node {
                let note = Note(
                    sender: plan.from, recipient: recipient.inbox, channel: plan.channel, id: id,
                    body: plan.body, trace: traced[connection]?.trace)
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
        }
        outbox.add(record)
        for way in ways { outbox.expect(way.numbers, of: id, to: way.node, place: way.place) }
        if plan.wait != nil { return awaitEnd(of: id, plan, on: connection) }
        var context = context()
        context.requestID = id
        answer(connection, api.render(message: plan, record: record, stamp: stamp, context: context))
    }

    /// Answers once it is known what became of a message, or the client's patience is over.
    mutating func awaitEnd(of id: RequestID, _ plan: MessagePlan, on connection: ConnectionID) {
        outbox.await(id)
        hold(connection, .delivery(plan, id), until: now + (plan.wait ?? .zero), plan.traits)
        waiters.isStirred = true
    }

    /// Sends a message to one node; answers how it stands, and under which numbers its end will be told.
    private mutating func send(
        _ words: Spoken, _ plan: MessagePlan, to node: NodeID
    ) throws(LinkRefusal) -> (state: MessageRecord.State, numbers: [UInt64]) {
        guard node != roster.own else {
            let name = words.note.recipient
            guard inboxes.put(words.note, into: name, words.stamp, at: wall) else { throw .full }
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
            case .ended(let number, let outcome, let peer): outbox.end(number, outcome, to: peer, at: wall)
            case .receipt(let bytes, let peer):
                guard let receipt = Receipt(bytes) else { break }
                for id in receipt.ids {
                    let numbers = outbox.settle(id, receipt.verdict, in: receipt.inbox, of: peer, at: wall)
                    for number in numbers { datagrams.links.stop(number, to: peer) }
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

    /// A message came for an inbox here; the node that it came from is told if it is refused.
    mutating func receive(_ note: Note, _ stamp: Stamp, from origin: NodeID?) {
        let name = note.recipient.isEmpty ? configuration.name : note.recipient
        let verdict: Inboxes.Verdict
        if home(of: name) != roster.own {
            verdict = .absent
        } else if inboxes.put(note, into: name, stamp, from: origin, at: wall) {
            waiters.isStirred = true
            return
        } else {
            verdict = .full
        }
        if let origin { tell(origin, Receipt(verdict: verdict, inbox: name, ids: [note.id])) }
    }

    private mutating func tell(_ peer: NodeID, _ receipt: Receipt) {
        for bytes in receipt.encoded(most: Link.longestMessage) {
            datagrams.links.acknowledge(bytes, to: peer, at: now)
        }
    }

    /// Whether a question about an inbox is to be answered now: there is something in it, or it is elsewhere.
    func hasNews(for plan: LocalPlan) -> Bool {
        guard case .inbox(let query) = plan.view else { return true }
        let name = inboxName(query.participant)
        return !inboxes[name].first(1, channel: query.channel).isEmpty
            || !logged(in: name, query, most: 1).isEmpty || home(of: query.participant) != roster.own
    }

    mutating func fill(_ status: inout NodeStatus, _ query: InboxQuery) {
        let name = inboxName(query.participant)
        let logged = logged(in: name, query, most: query.max)
        let messages = inboxes[name].first(query.max - logged.count, channel: query.channel)
        status.inboxItems = logged.map { message in
            NodeStatus.InboxItem(
                id: message.id.description, from: message.sender, channel: message.channel,
                body: message.body, time: message.sentAt, order: message.number)
        }
        status.inboxItems += messages.map { message in
            NodeStatus.InboxItem(
                id: message.note.id.description, from: message.note.sender, channel: message.note.channel,
                body: message.note.body, time: message.arrived, trace: message.note.trace,
                stamp: message.stamp)
        }
        if query.takes {
            if !messages.isEmpty { finish(inboxes.change(name) { $0.remove(messages) }, in: name, .taken) }
            if !logged.isEmpty { take(logged.map(\.number), from: name, for: nil) }
        }
        status.inboxDepth = depth(of: name)
    }

    /// How many messages wait in an inbox.
    func depth(of name: String) -> Int {
        inboxes[name].messages.count + node.replica.keyspace.loggedCount(in: name)
            - inboxes.taking(from: name).count
    }

    /// Takes a message out of an inbox, or all up to it; answers how many there were.
    mutating func take(_ id: String, of participant: String, andAllBefore: Bool) -> Int {
        let name = inboxName(participant)
        guard let order = inboxes[name].order(of: id) else { return 0 }
        let taken = inboxes.change(name) { $0.remove(upTo: order, alone: !andAllBefore) }
        finish(taken, in: name, .taken)
        return taken.count
    }

    /// Tells those who sent these messages what became of them.
    private mutating func finish(_ messages: [Inbox.Message], in name: String, _ verdict: Inboxes.Verdict) {
        var receipts: [NodeID: [RequestID]] = [:]
        for message in messages {
            if let origin = message.origin {
                receipts[origin, default: []].append(message.note.id)
            } else {
                _ = outbox.settle(message.note.id, verdict, in: name, of: roster.own, at: wall)
            }
        }
        for (peer, ids) in receipts { tell(peer, Receipt(verdict: verdict, inbox: name, ids: ids)) }
    }

    // MARK: Participants

    /// The node that keeps an inbox, nil if nobody is called so.
    func home(of name: String) -> NodeID? {
        let bare = inboxName(name)
        if let member = roster.member(named: bare) { return member.id }
        return node.replica.keyspace.participant(bare).flatMap { roster.member(named: $0.home)?.id }
    }

    func inboxName(_ name: String) -> String {
        name.hasPrefix("node:") ? String(name.dropFirst(5)) : name
    }

    func whereabouts(of name: String) -> Whereabouts {
        guard let home = home(of: name), let member = roster.member(home) else { return .unknown }
        return home == roster.own ? .here : .away(node: member.name, url: member.url)
    }

    /// A participant came, went or moved: what it had here ends unless this is its home.
    mutating func settle(participant name: String) {
        guard home(of: name) != roster.own else { return }
        finish(inboxes.close(name), in: name, .absent)
        // Who waits for its messages is told where it is.
        waiters.isStirred = true
    }

    /// Shows another state of a participant; answers false if there is no room for it.
    mutating func show(_ json: [UInt8], of name: String) -> Bool {
        clocks.tick(at: wall)
        return inboxes.show(ParticipantState(json: json, time: wall, stamp: clocks.stamp), of: name)
    }
}

/// What became of messages in an inbox, as its node tells the one that they came from. Its form: the verdict,
/// the inbox as a sized text, and the ids, sixteen bytes each.
struct Receipt {
    var verdict: Inboxes.Verdict
    var inbox: String
    var ids: [RequestID]

    init(verdict: Inboxes.Verdict, inbox: String, ids: [RequestID]) {
        (self.verdict, self.inbox, self.ids) = (verdict, inbox, ids)
    }

    /// In pieces of so many bytes at most.
    func encoded(most: Int) -> [[UInt8]] {
        let count = (most - inbox.utf8.count - 8) / 16
        return stride(from: 0, to: ids.count, by: count).map { start in
            var writer = ByteWriter(capacity: most)
            writer.byte(verdict.rawValue)
            writer.string(inbox)
            for id in ids[start..<min(start + count, ids.count)] {
                writer.fixed(id.high)
                writer.fixed(id.low)
            }
            return writer.take()
        }
    }

    init?(_ bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard let code = try? reader.byte(), let verdict = Inboxes.Verdict(rawValue: code),
            let inbox = try? reader.string()
        else { return nil }
        self.init(verdict: verdict, inbox: inbox, ids: [])
        while let high = try? reader.fixed(UInt64.self), let low = try? reader.fixed(UInt64.self) {
            ids.append(RequestID(high: high, low: low))
        }
    }
}

extension MessagePlan {
    /// The rung of links that promises what is asked for.
    fileprivate var rung: LinkRung {
        switch (delivery, ordering) {
        case (.unreliable, _): .fairLoss
        case (.stubborn, _): .stubborn
        case (.reliable, .fifo): .fifo
        // What is logged does not go over links.
        case (.reliable, _), (.logged, _): .perfect
        }
    }
}
