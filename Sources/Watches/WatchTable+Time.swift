// Signs of life, bookmarks, and the end of a stream's time.

import Primitives
import Store

extension WatchTable {
    /// Makes sure that a stream is looked at when it is due.
    mutating func schedule(_ slot: UInt32) {
        let tick = wheel.tick(for: dueAt(slot))
        guard tick < watchers[Int(slot)].scheduled else { return }
        watchers[Int(slot)].scheduled = tick
        wheel.insert(slot, at: tick)
    }

    /// When a stream is due for a sign of life or for its end.
    private func dueAt(_ slot: UInt32) -> Instant {
        let watcher = watchers[Int(slot)]
        var due = watcher.lastSent + silence(of: slot)
        if let interval = watcher.bookmarks { due = min(due, watcher.lastBookmark + interval) }
        return min(due, watcher.end)
    }

    /// How long a stream may be silent: a little less for some than for others, so that streams that were
    /// opened together are not all due at the same moment.
    private func silence(of slot: UInt32) -> Instant.Span {
        limits.heartbeat
            - Instant.Span(nanoseconds: limits.heartbeat.nanoseconds / 1024 * Int64(slot % 256 + 8))
    }

    mutating func keepTime(at now: Instant, wall: WallTime, into effects: inout [WatchEffect]) {
        wheel.advance(to: now, into: &due)
        var bookmarks: [WatchFormat: (revision: Revision, piece: [UInt8])] = [:]
        for (slot, tick) in due where watchers[Int(slot)].scheduled == tick {
            watchers[Int(slot)].scheduled = DeadlineWheel.none
            guard watchers[Int(slot)].state != .free else { continue }
            if watchers[Int(slot)].end <= now {
                finish(slot, at: now, wall: wall, into: &effects)
                continue
            }
            if dueAt(slot) <= now { signal(slot, at: now, wall: wall, &bookmarks, into: &effects) }
            schedule(slot)
        }
        due.removeAll(keepingCapacity: true)
    }

    private mutating func signal(
        _ slot: UInt32, at now: Instant, wall: WallTime,
        _ bookmarks: inout [WatchFormat: (revision: Revision, piece: [UInt8])],
        into effects: inout [WatchEffect]
    ) {
        let format = filter(of: slot).format
        // Also where nothing can be said now: the next time comes an interval later.
        defer {
            watchers[Int(slot)].lastSent = now
            watchers[Int(slot)].lastBookmark = now
        }
        let piece: [UInt8]
        if let revision = lastGiven(to: slot), !watchers[Int(slot)].isInside {
            if let written = bookmarks[format], written.revision == revision {
                piece = written.piece
            } else {
                piece = WatchText.bookmark(revision, at: wall, format)
                bookmarks[format] = (revision, piece)
            }
        } else if watchers[Int(slot)].state == .ahead {
            piece = WatchText.waiting(for: watchers[Int(slot)].next, at: wall, format)
        } else {
            return
        }
        // A stream with something unsent is not silent.
        guard watchers[Int(slot)].unsent <= bound / 2 else { return }
        send(piece, to: slot, at: now, into: &effects)
    }

    /// The time that the client gave is over.
    private mutating func finish(
        _ slot: UInt32, at now: Instant, wall: WallTime, into effects: inout [WatchEffect]
    ) {
        if let revision = lastGiven(to: slot), !watchers[Int(slot)].isInside {
            send(
                WatchText.bookmark(revision, at: wall, filter(of: slot).format), to: slot, at: now,
                into: &effects)
        }
        effects.append(.end(watchers[Int(slot)].token))
        remove(slot: slot)
    }
}
