public import Primitives

/// The running timers of the replicated state by this node's monotonic clock.
///
/// Every replica keeps them, so that whoever becomes the leader knows how long each has run here. Since a
/// timer is armed when its entry is applied, which is never before the leader did so, no queue is ever ahead
/// of the leader's.
public struct TimerQueue: Sendable {
    private struct Running: Sendable {
        var deadline: Instant
        var duration: Instant.Span
        /// When it is next worth recording how much is left.
        var noteAt: Instant
    }

    /// A binary heap of instants, the first at its root.
    private struct Heap: Sendable {
        private(set) var entries: [(at: Instant, number: UInt64)] = []

        var first: (at: Instant, number: UInt64)? { entries.first }

        mutating func insert(_ number: UInt64, at instant: Instant) {
            entries.append((instant, number))
            var place = entries.count - 1
            while place > 0, entries[place].at < entries[(place - 1) / 2].at {
                entries.swapAt(place, (place - 1) / 2)
                place = (place - 1) / 2
            }
        }

        mutating func removeFirst() {
            let last = entries.removeLast()
            guard !entries.isEmpty else { return }
            entries[0] = last
            var place = 0
            while true {
                var least = place
                for child in [2 * place + 1, 2 * place + 2]
                where child < entries.count && entries[child].at < entries[least].at {
                    least = child
                }
                if least == place { return }
                entries.swapAt(place, least)
                place = least
            }
        }
    }

    /// Never iterated, so that no order of hashing reaches an effect.
    private var running: [UInt64: Running] = [:]
    /// When timers are due. An entry counts only if it tells its timer's deadline.
    private var due = Heap()
    /// When what is left of timers is to be recorded; as above.
    private var notes = Heap()

    /// How many timers run.
    var count: Int { running.count }

    /// How many entries stand for them, outdated ones included.
    var entryCount: Int { due.entries.count + notes.entries.count }

    /// When the first timer is due.
    mutating func nextDue() -> Instant {
        while let first = due.first, running[first.number]?.deadline != first.at { due.removeFirst() }
        return due.first?.at ?? .never
    }

    /// When something is next to be recorded.
    mutating func nextNote() -> Instant {
        while let first = notes.first, running[first.number]?.noteAt != first.at { notes.removeFirst() }
        return notes.first?.at ?? .never
    }

    /// A timer of `duration` in all runs out at `deadline`.
    mutating func arm(_ number: UInt64, at deadline: Instant, duration: Instant.Span, now: Instant) {
        let noteAt = now + Self.step(of: duration)
        running[number] = Running(deadline: deadline, duration: duration, noteAt: noteAt)
        due.insert(number, at: deadline)
        if noteAt < deadline { notes.insert(number, at: noteAt) }
    }

    /// A timer does not run any more.
    mutating func disarm(_ number: UInt64) {
        running[number] = nil
        // What was prolonged or ended early leaves entries behind.
        if entryCount > 4 * running.count + 1_024 { rebuild() }
    }

    /// Puts a timer's deadline off, never forward.
    mutating func prolong(_ number: UInt64, to deadline: Instant) {
        guard var timer = running[number], deadline > timer.deadline else { return }
        timer.deadline = deadline
        running[number] = timer
        due.insert(number, at: deadline)
    }

    /// When a timer runs out here; nil if it does not run.
    public func deadline(of number: UInt64) -> Instant? { running[number]?.deadline }

    /// At most `limit` timers that are due. Each is due again at `retryAt` unless it was disarmed by then.
    mutating func takeDue(at now: Instant, limit: Int, retryAt: Instant) -> [UInt64] {
        var numbers: [UInt64] = []
        while numbers.count < limit, nextDue() <= now, let first = due.first {
            due.removeFirst()
            running[first.number]?.deadline = retryAt
            due.insert(first.number, at: retryAt)
            numbers.append(first.number)
        }
        return numbers
    }

    /// At most `limit` timers of which it is time to record how much is left.
    mutating func takeNotes(at now: Instant, limit: Int) -> [(number: UInt64, left: Instant.Span)] {
        var left: [(UInt64, Instant.Span)] = []
        while left.count < limit, nextNote() <= now, let first = notes.first {
            notes.removeFirst()
            guard var timer = running[first.number] else { continue }
            timer.noteAt = now + Self.step(of: timer.duration)
            running[first.number] = timer
            if timer.noteAt < timer.deadline { notes.insert(first.number, at: timer.noteAt) }
            if timer.deadline > now { left.append((first.number, timer.deadline - now)) }
        }
        return left
    }

    private mutating func rebuild() {
        let (dues, noted) = (due.entries, notes.entries)
        due = Heap()
        notes = Heap()
        for entry in dues where running[entry.number]?.deadline == entry.at {
            due.insert(entry.number, at: entry.at)
        }
        for entry in noted where running[entry.number]?.noteAt == entry.at {
            notes.insert(entry.number, at: entry.at)
        }
    }

    /// After how long it is worth recording what is left of a timer: so much may be added to it by a change
    /// of leaders. What is renewed in time is recorded once or twice between renewals.
    private static func step(of duration: Instant.Span) -> Instant.Span {
        let fifth = Instant.Span.milliseconds(Int(duration.milliseconds / 5))
        return min(max(fifth, .seconds(1)), .seconds(60))
    }
}
