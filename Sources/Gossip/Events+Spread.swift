internal import Primitives

/// Pushing, comparing, and telling the origin.
extension Events {
    /// Sends news to random others: those first that were pushed least.
    mutating func push(at now: Instant, into effects: inout [Effect]) {
        let news = kept.indices.filter { kept[$0].pushesLeft > 0 }.sorted {
            (kept[$1].pushesLeft, $0) < (kept[$0].pushesLeft, $1)
        }
        guard !news.isEmpty, !peers.isEmpty else { return }
        let targets = choose(options.fanout)
        var room = EventOptions.mostInRound
        for place in news {
            let parts = EventPart.count(of: kept[place].event.body.count) * targets.count
            guard parts <= room else { break }
            room -= parts
            kept[place].pushesLeft -= 1
            for target in targets { sendParts(of: kept[place].event, to: target, at: now, into: &effects) }
        }
    }

    private mutating func choose(_ count: Int) -> [NodeID] {
        var candidates = peers
        var chosen: [NodeID] = []
        while chosen.count < count, !candidates.isEmpty {
            let place = Int(random.next(below: UInt64(candidates.count)))
            candidates.swapAt(place, candidates.count - 1)
            chosen.append(candidates.removeLast())
        }
        return chosen
    }

    private mutating func send(_ message: EventMessage, to peer: NodeID, into effects: inout [Effect]) {
        let payload = message.encode()
        counters.sent += 1
        counters.bytesSent += UInt64(payload.count)
        effects.append(.send(to: peer, payload: payload))
    }

    private mutating func sendParts(
        of event: Event, to peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        let age = min(event.ttl, event.age + (now - event.received))
        for part in 0..<EventPart.count(of: event.body.count) {
            let start = part * EventOptions.partSize
            let bytes = event.body[start..<min(start + EventOptions.partSize, event.body.count)]
            let message = EventPart(
                id: event.id, topic: event.topic, ttl: event.ttl, age: age, hops: event.hops,
                length: event.body.count, part: part, bytes: bytes)
            send(.part(message), to: peer, into: &effects)
        }
    }

    // MARK: Taking

    mutating func take(_ part: EventPart, at now: Instant, into effects: inout [Effect]) {
        guard origins.contains(part.id.origin) else {
            counters.unknownOrigins += 1
            return
        }
        guard !isStale(part.id.stream) else {
            counters.stale += 1
            return
        }
        guard !hasSeen(part.id) || isPlanted(.eventsComeTwice), part.age < part.ttl else {
            counters.duplicates += 1
            return
        }
        let count = EventPart.count(of: part.length)
        var parts = [ArraySlice<UInt8>?](repeating: nil, count: count)
        let place = partial.firstIndex { $0.first.id == part.id }
        if let place {
            // Another copy that does not fit what is here is of no use.
            guard partial[place].first.length == part.length, partial[place].first.topic == part.topic else {
                counters.malformed += 1
                return
            }
            partial[place].parts[part.part] = part.bytes
            parts = partial[place].parts
        } else {
            parts[part.part] = part.bytes
        }
        guard parts.allSatisfy({ $0 != nil }) else {
            if place == nil {
                if partial.count == EventOptions.mostPartial { partial.removeFirst() }
                partial.append(Partial(first: part, received: now, parts: parts))
            }
            return
        }
        if let place { partial.remove(at: place) }
        counters.delivered += 1
        keep(
            Event(
                id: part.id, topic: part.topic, body: parts.flatMap { Array($0 ?? []) }, ttl: part.ttl,
                hops: part.hops + 1, age: part.age, received: now, place: 0), into: &effects)
    }

    // MARK: Comparing

    /// Tells a peer what was seen here: of as many streams as fit, beginning where the last digest ended.
    mutating func sendDigest(to peer: NodeID, wantsAnswer: Bool, into effects: inout [Effect]) {
        var digest = EventDigest(wantsAnswer: wantsAnswer, first: cursor, last: .last, streams: [])
        // A kind, a truth value, and four numbers of ten bytes at the most.
        var size = 42
        for (stream, counters) in seen where stream >= cursor {
            var writer = ByteWriter(capacity: 32)
            counters.encode(into: &writer)
            size += 20 + writer.count
            guard size <= MembershipOptions.longestPayload else {
                digest.last = digest.streams.last?.stream ?? cursor
                break
            }
            digest.streams.append((stream, counters))
        }
        cursor = digest.last == .last ? .first : EventStream(after: digest.last)
        send(.digest(digest), to: peer, into: &effects)
    }

    /// Sends what the peer lacks, oldest first, and says what is here if it wants to know.
    mutating func compare(
        _ digest: EventDigest, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        let theirs = Dictionary(digest.streams.map { ($0.stream, $0.seen) }) { first, _ in first }
        var room = EventOptions.mostInRepair
        for place in kept.indices {
            let event = kept[place].event
            let stream = event.id.stream
            guard stream >= digest.first, stream <= digest.last, event.expires > now,
                theirs[stream]?.contains(event.id.counter) != true, !isPlanted(.comparisonsRepairNothing)
            else { continue }
            room -= EventPart.count(of: event.body.count)
            guard room >= 0 else { break }
            counters.repairs += 1
            sendParts(of: event, to: peer, at: now, into: &effects)
        }
        if digest.wantsAnswer { sendDigest(to: peer, wantsAnswer: false, into: &effects) }
    }

    // MARK: Receipts

    /// Tells origins what came of theirs, again and again until they have noted it, at growing intervals.
    mutating func tellOrigins(at now: Instant, into effects: inout [Effect]) {
        var receipts: [NodeID: [EventReceipt]] = [:]
        for place in kept.indices {
            guard let due = kept[place].receipt, due.at <= now else { continue }
            let event = kept[place].event
            guard receipts[event.id.origin, default: []].count < EventMessage.mostReceipts else { continue }
            receipts[event.id.origin, default: []].append(
                EventReceipt(
                    process: event.id.process, counter: event.id.counter, hops: event.hops, age: event.age))
            kept[place].receipt = (now + due.wait, min(due.wait * 2, .seconds(30)))
        }
        for (origin, receipts) in receipts.sorted(by: { $0.key < $1.key }) {
            send(.receipts(receipts), to: origin, into: &effects)
        }
    }

    /// Notes who has this node's events, and says that it has noted it: also for what is no more here.
    mutating func note(_ receipts: [EventReceipt], from peer: NodeID, into effects: inout [Effect]) {
        for receipt in receipts {
            let id = EventID(origin: own, process: receipt.process, counter: receipt.counter)
            guard let place = kept.firstIndex(where: { $0.event.id == id }) else { continue }
            kept[place].reached[peer] = EventCoverage.Entry(node: peer, hops: receipt.hops, age: receipt.age)
        }
        send(.noted(receipts), to: peer, into: &effects)
    }

    mutating func forget(_ receipts: [EventReceipt], notedBy origin: NodeID) {
        for receipt in receipts {
            let id = EventID(origin: origin, process: receipt.process, counter: receipt.counter)
            guard let place = kept.firstIndex(where: { $0.event.id == id }) else { continue }
            kept[place].receipt = nil
        }
    }
}

extension EventStream {
    /// The least stream that is greater.
    init(after stream: EventStream) {
        self = stream
        if process < .max {
            process += 1
        } else {
            (origin, process) = (origin.next, 0)
        }
    }
}
