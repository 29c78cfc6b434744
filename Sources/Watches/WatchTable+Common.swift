// The common reader: what is new, for all streams that are up to date.

public import Primitives
public import Store

extension WatchTable {
    /// Gives the streams what they are due: what is new, what those behind still lack, and signs of life. No
    /// piece of work is larger than the limits say; if there is more to do, ``deadline`` is
    /// ``Instant/zero``.
    public mutating func step(
        _ keyspace: Keyspace, at now: Instant, wall: WallTime, into effects: inout [WatchEffect]
    ) {
        guard count > 0 else { return }
        if frontier < keyspace.revision { follow(keyspace, at: now, into: &effects) }
        if !queue.isEmpty { readOn(keyspace, at: now, wall: wall, into: &effects) }
        if wheel.deadline <= now { keepTime(at: now, wall: wall, into: &effects) }
    }

    /// Passes new revisions to the synced streams.
    private mutating func follow(
        _ keyspace: Keyspace, at now: Instant, into effects: inout [WatchEffect]
    ) {
        guard case .success(let places) = keyspace.changePlaces(from: frontier.next) else {
            // The common reader itself comes too late, after a snapshot took the place of the store: those
            // that need what was compacted will find out one by one.
            isLate = false
            return letGo(upTo: keyspace.revision)
        }
        var place = places.lowerBound
        let most = counters.pieces + UInt64(limits.commonPieces)
        while place < places.upperBound {
            guard place - places.lowerBound < limits.commonChanges else {
                isLate = true
                return
            }
            let end = keyspace.endOfRevision(at: place)
            let revision = keyspace.changeRevision(at: place)
            if end - place > limits.commonChanges {
                setAside(place..<end, of: revision, in: keyspace)
            } else {
                pass(place..<end, of: revision, in: keyspace, upTo: most, at: now, into: &effects)
            }
            frontier = revision
            place = end
            if !ahead.isEmpty, let slots = ahead.removeValue(forKey: revision.next) {
                slots.forEach { join($0) }
            }
        }
        isLate = false
    }

    /// Every synced stream reads by itself from here on, and the common reader goes on at `revision`.
    private mutating func letGo(upTo revision: Revision) {
        let next = frontier.next
        frontier = revision
        for place in audiences.indices {
            let slots = audiences[place].synced
            audiences[place].synced = []
            for slot in slots {
                watchers[Int(slot)].next = next
                watchers[Int(slot)].done = 0
                readAlone(slot, .own)
            }
        }
        for begin in ahead.keys.sorted() where begin <= revision.next {
            ahead.removeValue(forKey: begin)?.forEach { join($0) }
        }
    }

    /// Leaves a revision of very many changes to the own readers of those whom it may concern.
    private mutating func setAside(_ places: Range<Int>, of revision: Revision, in keyspace: Keyspace) {
        for place in audiences.indices where !audiences[place].synced.isEmpty {
            let parts = audiences[place].filter.parts
            if parts.contains(where: { keyspace.hasChange(in: $0.range, places) }) {
                let slots = audiences[place].synced
                audiences[place].synced = []
                for slot in slots { fallBehind(slot, revision, isSlow: false) }
            }
        }
    }

    private mutating func fallBehind(_ slot: UInt32, _ revision: Revision, isSlow: Bool) {
        watchers[Int(slot)].next = revision
        watchers[Int(slot)].done = 0
        if isSlow { counters.fellBehind += 1 }
        readAlone(slot, .own)
    }

    /// Passes one revision to the synced streams that it concerns. When `most` pieces were given away, the
    /// other streams read by themselves from here on: so the common reader, whom all wait for, is never late
    /// because many changes go to many.
    private mutating func pass(
        _ places: Range<Int>, of revision: Revision, in keyspace: Keyspace, upTo most: UInt64,
        at now: Instant, into effects: inout [WatchEffect]
    ) {
        let found = concerned(places, in: keyspace)
        guard !found.isEmpty else { return }
        var written: [PieceName: [UInt8]] = [:]
        for (number, selection) in found {
            let audience = audiences[Int(number)]
            guard counters.pieces < most, keyspace.cost(of: selection, for: audience.filter) <= limits.line
            else {
                // Or it takes more than one piece.
                audiences[Int(number)].synced = []
                for slot in audience.synced { fallBehind(slot, revision, isSlow: false) }
                continue
            }
            let piece: [UInt8]
            if found.count == 1 {
                piece = write(selection, revision, audience.filter, keyspace)
            } else {
                let name = PieceName(selection, audience.filter)
                piece = written[name] ?? write(selection, revision, audience.filter, keyspace)
                written[name] = piece
            }
            if audience.count > 1 {
                kept.insert(
                    piece, KeptPieces.Name(audience: audience.serial, revision: revision), limit: limits.kept)
            }
            deliver(piece, of: revision, to: number, at: now, into: &effects)
        }
    }

    /// The audiences with synced streams that some changes concern, each with what concerns it.
    private func concerned(
        _ places: Range<Int>, in keyspace: Keyspace
    ) -> [(audience: UInt32, selection: Selection)] {
        var hits: [(watch: RangeIndex.Watch, place: Int)] = []
        for place in places {
            let change = keyspace.change(at: place)
            index.forEach(change.key) { watch in
                let audience = audiences[Int(watch.audience)]
                guard !audience.synced.isEmpty, audience.filter.parts[Int(watch.part)].wants(change) else {
                    return
                }
                hits.append((watch, place))
            }
        }
        if hits.count > 1 {
            hits.sort { a, b in
                if a.watch.audience != b.watch.audience { return a.watch.audience < b.watch.audience }
                if a.watch.part != b.watch.part { return a.watch.part < b.watch.part }
                return a.place < b.place
            }
        }
        var found: [(audience: UInt32, selection: Selection)] = []
        for (watch, place) in hits {
            if found.last?.audience != watch.audience { found.append((watch.audience, Selection())) }
            found[found.count - 1].selection.hits.append(.init(part: Int(watch.part), place: place))
        }
        return found
    }

    mutating func write(
        _ selection: Selection, _ revision: Revision, _ filter: WatchFilter, _ keyspace: Keyspace
    ) -> [UInt8] {
        counters.written += 1
        return WatchText.lines(selection, of: revision, for: filter, in: keyspace)
    }

    private mutating func deliver(
        _ piece: [UInt8], of revision: Revision, to number: UInt32, at now: Instant,
        into effects: inout [WatchEffect]
    ) {
        let slots = audiences[Int(number)].synced
        var slow: [UInt32] = []
        for slot in slots {
            guard takes(slot, piece.count) else {
                slow.append(slot)
                continue
            }
            send(piece, to: slot, at: now, into: &effects)
            counters.pieces += 1
            _ = gaveRevision(to: slot, into: &effects)
        }
        guard !slow.isEmpty else { return }
        let left = Set(slow)
        audiences[Int(number)].synced.removeAll { left.contains($0) }
        for slot in slow {
            watchers[Int(slot)].next = isPlanted(.watchLosesWhenSlow) ? revision.next : revision
            watchers[Int(slot)].done = 0
            watchers[Int(slot)].state = .own
            behind += 1
            counters.fellBehind += 1
            ask(about: slot)
        }
    }
}

/// What decides the bytes of a piece of one revision.
private struct PieceName: Hashable {
    struct Part: Hashable {
        var id: String?
        var isKeysOnly: Bool
        var withPrevious: Bool
        var places: [Int]
    }

    var format: WatchFormat
    var parts: [Part] = []

    init(_ selection: Selection, _ filter: WatchFilter) {
        format = filter.format
        var last: Int?
        for hit in selection.hits {
            if hit.part != last {
                let part = filter.parts[hit.part]
                parts.append(
                    Part(
                        id: part.id, isKeysOnly: part.isKeysOnly, withPrevious: part.withPrevious, places: [])
                )
                last = hit.part
            }
            parts[parts.count - 1].places.append(hit.place)
        }
    }
}

extension Keyspace {
    /// About the bytes that some changes take in a stream.
    func cost(of selection: Selection, for filter: WatchFilter) -> Int {
        selection.hits.reduce(0) { $0 + cost(of: $1, for: filter) }
    }

    func cost(of hit: Selection.Hit, for filter: WatchFilter) -> Int {
        let part = filter.parts[hit.part]
        let row = change(at: hit.place).row
        var cost = 100 + row.keyCount
        if !part.isKeysOnly { cost += row.valueCount }
        if part.withPrevious, let previous = previousRow(at: hit.place) {
            cost += 100 + previous.keyCount + (part.isKeysOnly ? 0 : previous.valueCount)
        }
        return cost
    }

    /// Whether a range has any of the changes of one revision, which are in the order of their keys.
    func hasChange(in range: KeyRange, _ places: Range<Int>) -> Bool {
        var (low, high) = (places.lowerBound, places.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if change(at: middle).key.lexicographicallyPrecedes(range.start) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < places.upperBound && range.contains(change(at: low).key)
    }
}
