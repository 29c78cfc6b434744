// Readers of single streams: those that begin in the past or with the present items, and those that fell
// behind. Each is given a slice in turn; what they need is in the store's history, or the stream ends.

import Primitives
import Store

/// The items that a stream begins with, read piece by piece from the state of one moment.
struct SnapshotReader: Sendable {
    let keyspace: Keyspace
    /// The range that is being read.
    var part = 0
    /// The last key of it that was given.
    var last: [UInt8]?
}

/// What is left of a step for own readers.
private struct Budget {
    var bytes: Int
    var changes: Int
    var isSpent: Bool { bytes <= 0 || changes <= 0 }
}

/// How a slice ended.
private enum SliceEnd {
    /// There is more.
    case more
    /// The client has to take something first.
    case full
    /// Somebody else serves the stream now, or it has ended.
    case over
}

extension WatchTable {
    /// Gives a slice to each stream in the queue, in turn, until the step's share is spent.
    mutating func readOn(
        _ keyspace: Keyspace, at now: Instant, wall: WallTime, into effects: inout [WatchEffect]
    ) {
        var budget = Budget(bytes: limits.ownBytes, changes: limits.ownChanges)
        for _ in 0..<queue.count {
            guard !budget.isSpent, let slot = queue.next() else { return }
            watchers[Int(slot)].isQueued = false
            var slice = Budget(
                bytes: min(limits.slice, budget.bytes), changes: min(limits.sliceChanges, budget.changes))
            let before = slice
            let end: SliceEnd
            switch watchers[Int(slot)].state {
            case .own: end = readChanges(slot, keyspace, &slice, at: now, into: &effects)
            case .snapshot: end = readItems(slot, &slice, at: now, wall: wall, into: &effects)
            case .free, .synced, .ahead: end = .over
            }
            budget.bytes -= before.bytes - slice.bytes
            // Looking at a stream costs something too.
            budget.changes -= before.changes - slice.changes + 1
            switch end {
            case .more: enqueue(slot)
            case .full: ask(about: slot)
            case .over: break
            }
        }
    }

    // MARK: Items

    private mutating func readItems(
        _ slot: UInt32, _ slice: inout Budget, at now: Instant, wall: WallTime,
        into effects: inout [WatchEffect]
    ) -> SliceEnd {
        guard var reader = snapshots[slot] else { preconditionFailure("a snapshot without a reader") }
        let filter = filter(of: slot)
        while reader.part < filter.parts.count {
            if slice.isSpent { return .more }
            let part = filter.parts[reader.part]
            var rows: [Row] = []
            var (bytes, more) = (0, false)
            _ = reader.keyspace.forEach(
                in: part.range, after: reader.last, withValues: !part.isKeysOnly
            ) { row in
                guard bytes < limits.slice, rows.count < limits.sliceChanges else {
                    more = true
                    return false
                }
                bytes += 100 + row.keyCount + (part.isKeysOnly ? 0 : row.valueCount)
                rows.append(row)
                return true
            }
            slice.changes -= rows.count
            if !rows.isEmpty {
                let piece = WatchText.items(rows, at: reader.keyspace.revision, of: part, filter.format)
                slice.bytes -= piece.count
                guard offers(slot, piece.count) else { return .full }
                send(piece, to: slot, at: now, into: &effects)
            }
            reader.last = more ? rows.last?.key : nil
            if !more { reader.part += 1 }
            snapshots[slot] = reader
        }
        let bookmark = WatchText.bookmark(
            reader.keyspace.revision, at: wall, filter.format, endsSnapshot: true)
        guard offers(slot, bookmark.count) else { return .full }
        send(bookmark, to: slot, at: now, into: &effects)
        snapshots[slot] = nil
        behind -= 1
        watchers[Int(slot)].lastBookmark = now
        join(slot)
        return .over
    }

    // MARK: Changes

    private mutating func readChanges(
        _ slot: UInt32, _ keyspace: Keyspace, _ slice: inout Budget, at now: Instant,
        into effects: inout [WatchEffect]
    ) -> SliceEnd {
        let from = watchers[Int(slot)].next
        guard case .success(let places) = keyspace.changePlaces(from: from) else {
            counters.compacted += 1
            effects.append(
                .compacted(
                    watchers[Int(slot)].token, filter(of: slot).format, compact: keyspace.compactRevision,
                    current: keyspace.revision))
            remove(slot: slot)
            return .over
        }
        var place = places.lowerBound
        while place < places.upperBound {
            if watchers[Int(slot)].next == frontier.next, !watchers[Int(slot)].isInside { break }
            if slice.isSpent { return .more }
            let end = keyspace.endOfRevision(at: place)
            guard let piece = nextPiece(slot, place..<end, keyspace, &slice) else {
                finishRevision(slot, keyspace.changeRevision(at: place))
                place = end
                continue
            }
            guard offers(slot, piece.bytes.count) else { return .full }
            if !piece.bytes.isEmpty {
                send(piece.bytes, to: slot, at: now, into: &effects)
                counters.pieces += 1
            }
            guard piece.isLast else {
                watchers[Int(slot)].isInside = watchers[Int(slot)].isInside || !piece.bytes.isEmpty
                watchers[Int(slot)].done = piece.end - place
                continue
            }
            finishRevision(slot, keyspace.changeRevision(at: place))
            guard gaveRevision(to: slot, into: &effects) else { return .over }
            place = end
        }
        behind -= 1
        join(slot)
        return .over
    }

    private mutating func finishRevision(_ slot: UInt32, _ revision: Revision) {
        watchers[Int(slot)].next = revision.next
        watchers[Int(slot)].done = 0
        watchers[Int(slot)].isInside = false
    }

    /// A part of one revision for one stream.
    private struct Piece {
        /// Empty if nothing up to `end` concerns the stream.
        var bytes: [UInt8]
        /// The place up to which it goes.
        var end: Int
        /// Nothing more of the revision concerns the stream.
        var isLast: Bool
    }

    /// The next part of a revision for a stream; nil if nothing (more) of it concerns the stream.
    private mutating func nextPiece(
        _ slot: UInt32, _ places: Range<Int>, _ keyspace: Keyspace, _ slice: inout Budget
    ) -> Piece? {
        let watcher = watchers[Int(slot)]
        let audience = audiences[Int(watcher.audience)]
        let revision = keyspace.changeRevision(at: places.lowerBound)
        let name = KeptPieces.Name(audience: audience.serial, revision: revision)
        if watcher.done == 0, let bytes = kept[name] {
            slice.changes -= 1
            slice.bytes -= bytes.count
            return bytes.isEmpty ? nil : Piece(bytes: bytes, end: places.upperBound, isLast: true)
        }
        var selection = Selection()
        let end = select(
            places.lowerBound + watcher.done..<places.upperBound, audience.filter, keyspace, &selection)
        slice.changes -= end - places.lowerBound - watcher.done
        let isLast = end == places.upperBound
        selection.more = !isLast && !isPlanted(.watchSplitsRevision)
        var bytes: [UInt8] = []
        if !selection.hits.isEmpty {
            bytes = write(selection, revision, audience.filter, keyspace)
        } else if isLast {
            bytes = watcher.isInside ? WatchText.end(of: revision, for: audience.filter) : []
        }
        slice.bytes -= bytes.count
        if watcher.done == 0, isLast, audience.count > 1 { kept.insert(bytes, name, limit: limits.kept) }
        if isLast, bytes.isEmpty { return nil }
        return Piece(bytes: bytes, end: end, isLast: isLast)
    }

    /// Selects changes of one revision from the first place on, as many as make a line or as may be looked at
    /// in one go; returns where it stopped.
    private func select(
        _ places: Range<Int>, _ filter: WatchFilter, _ keyspace: Keyspace, _ selection: inout Selection
    ) -> Int {
        var cost = 0
        var end = places.upperBound
        for place in places {
            guard place - places.lowerBound < limits.commonChanges else {
                end = place
                break
            }
            let change = keyspace.change(at: place)
            let key = change.key
            var hits: [Selection.Hit] = []
            for (number, part) in filter.parts.enumerated()
            where part.wants(change) && part.range.contains(key) {
                hits.append(.init(part: number, place: place))
            }
            let added = hits.reduce(0) { $0 + keyspace.cost(of: $1, for: filter) }
            guard hits.isEmpty || cost == 0 || cost + added <= limits.line else {
                end = place
                break
            }
            cost += added
            selection.hits += hits
        }
        if filter.parts.count > 1 {
            selection.hits.sort { ($0.part, $0.place) < ($1.part, $1.place) }
        }
        return end
    }
}
