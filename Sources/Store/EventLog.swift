import Primitives

// What changed, in the order of the revisions: appended to at one end, compacted away at the other. Kept in
// pieces, so that after a freeze the next command copies one piece and the list of pieces, not everything.

/// One change of one key. Within a revision, changes are in the order of the keys.
struct Event: Sendable {
    let revision: Revision
    let time: WallTime
    /// The version written, or the mark of the deletion; nil once compacted. Never written to.
    nonisolated(unsafe) var record: Record?
}

/// The changes that were not compacted away yet.
struct EventLog: Sendable {
    private static let pieceCount = 256
    private var pieces: [[Event]] = []
    /// How many events of the first piece are gone.
    private var gone = 0
    private(set) var count = 0

    var first: Event? { count > 0 ? pieces[0][gone] : nil }

    /// Revision and time of the oldest event, without touching its record, which nobody has for long.
    var oldest: (revision: Revision, time: WallTime)? {
        count > 0 ? (pieces[0][gone].revision, pieces[0][gone].time) : nil
    }

    mutating func append(_ event: Event) {
        if pieces.last.map({ $0.count == EventLog.pieceCount }) ?? true {
            var piece: [Event] = []
            piece.reserveCapacity(EventLog.pieceCount)
            pieces.append(piece)
        }
        pieces[pieces.count - 1].append(event)
        count += 1
    }

    /// Takes out the oldest event. There must be one.
    mutating func removeFirst() -> Event {
        let event = pieces[0][gone]
        count -= 1
        gone += 1
        if gone == EventLog.pieceCount || count == 0 {
            pieces.removeFirst()
            gone = 0
        } else {
            unsafe pieces[0][gone - 1].record = nil  // Or the piece would keep its bytes in memory.
        }
        return event
    }

    /// The event at a place counted from the oldest one.
    subscript(place: Int) -> Event {
        let place = place + gone
        return pieces[place / EventLog.pieceCount][place % EventLog.pieceCount]
    }

    /// The place of the first event with a revision above `revision`.
    func firstPlace(after revision: Revision) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
