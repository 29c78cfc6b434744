import Primitives

// What changed, in the order of the revisions: appended to at one end, compacted away at the other. It is
// also all there is of the past: each change holds the version that it superseded, and knows where the change
// that made that version stands. So a write puts nothing into a second map, and compaction need not search.

/// One change of one key. Within a revision, changes are in the order of the keys.
@safe struct Event {
    let revision: Revision
    let time: WallTime
    /// The version written, or the mark of the deletion. The log does not own it: to count one more
    /// reference with each write and each step of compaction would be dear. It lives in the map of current
    /// versions, in that of deletions, or as what a later change superseded; and compaction forgets this
    /// change before it gives up any of these.
    let record: Unmanaged<Record>
    /// What the key was before: an older version or the mark of a deletion, nil if nothing is known of it.
    /// The log owns it.
    let superseded: Unmanaged<Record>?
    /// How far back in the log stands the key's change before this one; 0 if it was gone already. A log too
    /// long for these numbers would take 200 GB.
    let previous: UInt32
    /// How far back stands an older change of the key to jump to; 0 if there is none. See `EventLog.link`.
    let jump: UInt32
    /// The jump leads over 2^n - 1 changes of the key.
    let jumpOrder: UInt8
    /// Whether the key was deleted.
    let isDelete: Bool
}

/// A few hundred changes in a row, so that after a freeze the next command copies one piece and the list of
/// pieces, not everything.
///
/// As a node's, its memory is written to only by the log that found it uniquely referenced.
private final class EventPiece: ManagedBuffer<EventPiece.Header, Event> {
    struct Header {
        var count = 0
        /// What the first events superseded was given up already.
        var forgotten = 0
    }

    static let capacity = 256

    static func make() -> EventPiece {
        let buffer = EventPiece.create(minimumCapacity: capacity) { _ in Header() }
        return unsafe unsafeDowncast(buffer, to: EventPiece.self)
    }

    deinit { unsafe forget(upTo: counts.pointee.count) }

    func copy() -> EventPiece {
        let copy = EventPiece.make()
        let (forgotten, count) = unsafe (counts.pointee.forgotten, counts.pointee.count)
        unsafe copy.events.initialize(from: events, count: count)
        unsafe copy.counts.pointee = unsafe counts.pointee
        for place in forgotten..<count {
            if let superseded = unsafe events[place].superseded {
                unsafe Prefetch.request(superseded.toOpaque())
            }
        }
        for place in forgotten..<count { _ = unsafe events[place].superseded?.retain() }
        return copy
    }

    /// Gives up what the events before `end` superseded.
    func forget(upTo end: Int) {
        for place in unsafe counts.pointee.forgotten..<end { unsafe events[place].superseded?.release() }
        unsafe counts.pointee.forgotten = end
    }

    /// `header`, without the checks of exclusive access that a property of an object is subject to.
    var counts: UnsafeMutablePointer<Header> { unsafe withUnsafeMutablePointerToHeader { unsafe $0 } }

    var events: UnsafeMutablePointer<Event> {
        unsafe withUnsafeMutablePointerToElements { unsafe $0 }
    }
}

/// The changes that were not compacted away yet.
struct EventLog: Sendable {
    /// Written to only where they are not shared.
    nonisolated(unsafe) private var pieces: [EventPiece] = []
    /// How many events of the first piece are gone.
    private var gone = 0
    private(set) var count = 0

    /// The oldest event.
    var first: Event? { count > 0 ? self[0] : nil }

    /// The event at a place counted from the oldest one. It must not outlive the log.
    subscript(place: Int) -> Event {
        let place = place &+ gone
        return unsafe pieces[place / EventPiece.capacity].events[place % EventPiece.capacity]
    }

    /// Adds a change that is later than all others. The log takes over the reference to `superseded`.
    mutating func append(
        revision: Revision, time: WallTime, record: Unmanaged<Record>, superseded: Unmanaged<Record>?,
        isDelete: Bool
    ) {
        let (previous, jump, order) = unsafe link(to: superseded)
        let used = (gone + count) % EventPiece.capacity
        if used == 0 { unsafe pieces.append(.make()) }
        let last = unsafe pieces.count - 1
        if unsafe !isKnownUniquelyReferenced(&pieces[last]) {
            unsafe pieces[last] = unsafe pieces[last].copy()
        }
        let event = unsafe Event(
            revision: revision, time: time, record: record, superseded: superseded, previous: previous,
            jump: jump, jumpOrder: order, isDelete: isDelete)
        unsafe (pieces[last].events + used).initialize(to: event)
        unsafe pieces[last].counts.pointee.count = used + 1
        count += 1
    }

    /// How the event that is to be appended refers to the one that made the version it supersedes.
    ///
    /// Besides that one, it gets an older one to jump to, so that thousands of versions of a key are passed
    /// in a few dozen steps (Myers, "An applicative random-access stack", 1983): if the two jumps before it
    /// are of one length, both and the step to them become one jump.
    private func link(to superseded: Unmanaged<Record>?) -> (previous: UInt32, jump: UInt32, order: UInt8) {
        guard let superseded = unsafe superseded,
            let place = unsafe superseded._withUnsafeGuaranteedRef({ self.place(of: $0) })
        else { return (0, 0, 0) }
        let previous = UInt32(count - place)
        guard let (middle, near) = jump(from: place), let (end, far) = jump(from: middle), near == far else {
            return (previous, previous, 1)
        }
        return (previous, UInt32(count - end), self[place].jumpOrder + 1)
    }

    /// Forgets the oldest event. There must be one.
    mutating func removeFirst() {
        count -= 1
        gone += 1
        if gone == EventPiece.capacity || count == 0 {
            unsafe pieces.removeFirst()
            gone = 0
        } else if unsafe isKnownUniquelyReferenced(&pieces[0]) {
            unsafe pieces[0].forget(upTo: gone)
            // What will be given up soon was not looked at for long. All of it is asked for, since the memory
            // goes to the next record, whose writing would have to wait for it.
            let coming = unsafe min(gone + Prefetch.distance, pieces[0].counts.pointee.count - 1)
            if let superseded = unsafe pieces[0].events[coming].superseded {
                unsafe Prefetch.request(superseded.toOpaque(), lines: Prefetch.mostLines)
            }
        }
    }

    // MARK: Searching

    /// The place of the first event with a revision above `revision`.
    func firstPlace(after revision: Revision) -> Int {
        guard count > 0, self[count - 1].revision > revision else { return count }
        var (low, high) = (0, count - 1)
        // Usually each revision has one event, and this is the place.
        let guess = count - Int(min(self[count - 1].revision - revision, UInt64(count)))
        if self[guess].revision <= revision {
            low = guess + 1
        } else {
            high = guess
            if guess == 0 { return 0 }
            if self[guess - 1].revision <= revision { return guess }
        }
        while low < high {
            let middle = (low + high) / 2
            if self[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The place of the change that made a record; nil if it is gone.
    func place(of record: Record) -> Int? {
        let revision = record.modRevision
        guard count > 0, revision >= self[0].revision else { return nil }
        var low = firstPlace(after: revision.previous)
        guard low < count, self[low].revision == revision else { return nil }
        let wanted = unsafe Unmanaged.passUnretained(record).toOpaque()
        if unsafe self[low].record.toOpaque() == wanted { return low }
        var high = firstPlace(after: revision)
        while low < high {
            let middle = (low + high) / 2
            let order = unsafe self[middle].record._withUnsafeGuaranteedRef {
                unsafe Place.compare($0.key, record.key)
            }
            if order == 0 { return middle }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}
