// Streams come and go.

public import Primitives
public import Store

extension WatchTable {
    /// Begins a stream, known to the owner by `token`, which no other open stream may have. There must be
    /// room.
    public mutating func add(
        _ token: UInt64, _ request: WatchRequest, in keyspace: Keyspace, at now: Instant, wall: WallTime,
        into effects: inout [WatchEffect]
    ) {
        precondition(!isFull && byToken[token] == nil && !request.filter.parts.isEmpty)
        if count == 0 { frontier = keyspace.revision }
        var watcher = Watcher()
        watcher.token = token
        watcher.audience = audience(request.filter)
        watcher.left = request.most ?? .max
        watcher.lastSent = now
        watcher.lastBookmark = now
        watcher.bookmarks = request.bookmarks
        if let wait = request.wait { watcher.end = now + wait }
        switch request.start {
        case .now, .snapshot: watcher.next = keyspace.revision.next
        case .from(let revision):
            watcher.next = isPlanted(.watchResumesEarly) ? revision.previous : revision
        }
        let slot: UInt32
        if let used = free.popLast() {
            slot = used
            // What the lists and the wheel still hold of the slot is the new stream's.
            watcher.isQueued = watchers[Int(slot)].isQueued
            watcher.isAsked = watchers[Int(slot)].isAsked
            watcher.scheduled = watchers[Int(slot)].scheduled
            watchers[Int(slot)] = watcher
        } else {
            slot = UInt32(watchers.count)
            watchers.append(watcher)
        }
        byToken[token] = slot
        count += 1
        counters.begun += 1
        if request.start == .snapshot {
            snapshots[slot] = SnapshotReader(keyspace: keyspace)
            readAlone(slot, .snapshot)
        } else {
            join(slot)
            // So that a browser that loses the connection before the first change knows where to go on.
            if request.filter.format == .events, watcher.next <= keyspace.revision.next {
                send(
                    WatchText.bookmark(watcher.next.previous, at: wall, .events), to: slot, at: now,
                    into: &effects)
            }
        }
        schedule(slot)
    }

    /// The stream is gone: its connection broke.
    public mutating func remove(_ token: UInt64) {
        if let slot = byToken[token] { remove(slot: slot) }
    }

    /// The form of an open stream; nil if there is none with this token.
    public func format(of token: UInt64) -> WatchFormat? { byToken[token].map { filter(of: $0).format } }

    /// All streams end, each with a word that the node is stopping.
    public mutating func endAll(at now: Instant, wall: WallTime, into effects: inout [WatchEffect]) {
        for slot in watchers.indices.map(UInt32.init) where watchers[Int(slot)].state != .free {
            let bye = WatchText.bye(after: lastGiven(to: slot), at: wall, filter(of: slot).format)
            send(bye, to: slot, at: now, into: &effects)
            effects.append(.end(watchers[Int(slot)].token))
            remove(slot: slot)
        }
    }

    /// The streams that the owner has to tell the unsent bytes of, by ``report(_:unsent:)``, before the next
    /// step.
    public mutating func asking() -> [UInt64] {
        let slots = unsure
        unsure = []
        return slots.compactMap { slot in
            watchers[Int(slot)].isAsked = false
            return watchers[Int(slot)].state == .free ? nil : watchers[Int(slot)].token
        }
    }

    /// So many bytes of a stream are unsent. True: that is too much to go on, and the owner must report again
    /// when nothing is unsent; until then the stream is not looked at.
    public mutating func report(_ token: UInt64, unsent: Int) -> Bool {
        guard let slot = byToken[token] else { return false }
        watchers[Int(slot)].unsent = unsent
        let isTooFull = unsent > bound / 2 || !takes(slot, watchers[Int(slot)].refused)
        watchers[Int(slot)].isAwaited = isTooFull
        if isTooFull { return true }
        if watchers[Int(slot)].state.readsAlone { enqueue(slot) }
        return false
    }

    // MARK: Parts

    func filter(of slot: UInt32) -> WatchFilter { audiences[Int(watchers[Int(slot)].audience)].filter }

    /// The last revision that was given completely; nil if the stream has not come so far.
    func lastGiven(to slot: UInt32) -> Revision? {
        switch watchers[Int(slot)].state {
        case .free, .snapshot, .ahead: nil
        case .synced: frontier
        case .own: watchers[Int(slot)].next.previous
        }
    }

    private mutating func audience(_ filter: WatchFilter) -> UInt32 {
        if let known = byFilter[filter] {
            audiences[Int(known)].count += 1
            return known
        }
        lastSerial += 1
        let new = Audience(serial: lastSerial, filter: filter, count: 1)
        let number: UInt32
        if let used = freeAudiences.popLast() {
            number = used
            audiences[Int(used)] = new
        } else {
            number = UInt32(audiences.count)
            audiences.append(new)
        }
        byFilter[filter] = number
        for (place, part) in filter.parts.enumerated() {
            index.insert(part.range, RangeIndex.Watch(audience: number, part: UInt16(place)))
        }
        return number
    }

    mutating func remove(slot: UInt32) {
        let watcher = watchers[Int(slot)]
        leave(slot)
        snapshots[slot] = nil
        watchers[Int(slot)].state = .free
        byToken[watcher.token] = nil
        free.append(slot)
        count -= 1
        let number = watcher.audience
        audiences[Int(number)].count -= 1
        guard audiences[Int(number)].count == 0 else { return }
        let filter = audiences[Int(number)].filter
        byFilter[filter] = nil
        freeAudiences.append(number)
        for (place, part) in filter.parts.enumerated() {
            index.remove(part.range, RangeIndex.Watch(audience: number, part: UInt16(place)))
        }
    }

    // MARK: Who serves a stream

    /// Takes a stream out of where it is served.
    private mutating func leave(_ slot: UInt32) {
        switch watchers[Int(slot)].state {
        case .free: break
        case .synced: audiences[Int(watchers[Int(slot)].audience)].synced.removeAll { $0 == slot }
        case .ahead:
            let next = watchers[Int(slot)].next
            ahead[next]?.removeAll { $0 == slot }
            if ahead[next]?.isEmpty == true { ahead[next] = nil }
        case .own, .snapshot: behind -= 1
        }
    }

    /// Puts a stream, which nobody serves, where its next revision is served.
    mutating func join(_ slot: UInt32) {
        let next = watchers[Int(slot)].next
        if next == frontier.next, !watchers[Int(slot)].isInside {
            watchers[Int(slot)].state = .synced
            audiences[Int(watchers[Int(slot)].audience)].synced.append(slot)
        } else if next > frontier.next {
            watchers[Int(slot)].state = .ahead
            ahead[next, default: []].append(slot)
        } else {
            readAlone(slot, .own)
        }
    }

    /// Lets a stream that nobody serves read by itself.
    mutating func readAlone(_ slot: UInt32, _ state: Watcher.State) {
        behind += 1
        watchers[Int(slot)].state = state
        enqueue(slot)
    }

    mutating func enqueue(_ slot: UInt32) {
        guard !watchers[Int(slot)].isQueued else { return }
        watchers[Int(slot)].isQueued = true
        queue.append(slot)
    }

    /// Lets the owner be asked about a stream before the next step.
    mutating func ask(about slot: UInt32) {
        guard !watchers[Int(slot)].isAsked, !watchers[Int(slot)].isAwaited else { return }
        watchers[Int(slot)].isAsked = true
        unsure.append(slot)
    }

    // MARK: Giving

    /// As ``takes(_:_:)``, and remembers what was refused, so that it is not tried in vain.
    mutating func offers(_ slot: UInt32, _ bytes: Int) -> Bool {
        let isTaken = takes(slot, bytes)
        watchers[Int(slot)].refused = isTaken ? 0 : bytes
        return isTaken
    }

    /// Whether a stream takes a piece of this size now. One that has nothing unsent takes any.
    func takes(_ slot: UInt32, _ bytes: Int) -> Bool {
        watchers[Int(slot)].unsent == 0 || watchers[Int(slot)].unsent + bytes <= bound
    }

    mutating func send(_ piece: [UInt8], to slot: UInt32, at now: Instant, into effects: inout [WatchEffect])
    {
        effects.append(.send(watchers[Int(slot)].token, piece))
        watchers[Int(slot)].lastSent = now
        // The framing of a chunk takes some bytes too (RFC 9112, section 7.1).
        watchers[Int(slot)].unsent += piece.count + 12
        if watchers[Int(slot)].unsent > bound / 2 { ask(about: slot) }
    }

    /// Counts a revision that was given completely; false if it was the last one and the stream is gone.
    mutating func gaveRevision(to slot: UInt32, into effects: inout [WatchEffect]) -> Bool {
        guard watchers[Int(slot)].left != .max else { return true }
        watchers[Int(slot)].left -= 1
        guard watchers[Int(slot)].left == 0 else { return true }
        effects.append(.end(watchers[Int(slot)].token))
        remove(slot: slot)
        return false
    }
}

extension Watcher.State {
    /// Whether the stream has a reader of its own.
    var readsAlone: Bool { self == .own || self == .snapshot }
}
