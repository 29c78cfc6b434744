public import Primitives

/// The running timers of the replicated state by this node's monotonic clock.
///
/// Every replica keeps them, so that whoever becomes the leader knows how long each has run here. Since a
/// timer is armed when its entry is applied, which is never before the request for it was sent, no queue is
/// ever ahead of what the client may count on.
public struct TimerQueue: Sendable {
    private struct Running: Sendable {
        var deadline: Instant
        var duration: Instant.Span
        /// When it is next worth recording how much is left.
        var noteAt: Instant
    }

    /// Never iterated, so that no order of hashing reaches an effect.
    private var running: [UInt64: Running] = [:]
    /// When timers are due. An entry counts only if it tells its timer's deadline.
    private var due = Agenda<UInt64>()
    /// When what is left of timers is to be recorded; as above.
    private var notes = Agenda<UInt64>()

    /// No timer runs.
    public init() {}

    /// How many timers run.
    var count: Int { running.count }

    /// How many entries stand for them, outdated ones included.
    var entryCount: Int { due.count + notes.count }

    /// When the first timer is due.
    mutating func nextDue() -> Instant {
        while let first = due.first, running[first.id]?.deadline != first.at { due.removeFirst() }
        return due.first?.at ?? .never
    }

    /// When something is next to be recorded.
    mutating func nextNote() -> Instant {
        while let first = notes.first, running[first.id]?.noteAt != first.at { notes.removeFirst() }
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

    /// Brings a timer's deadline forward, and never puts it off.
    mutating func shorten(_ number: UInt64, to deadline: Instant) {
        guard var timer = running[number], deadline < timer.deadline else { return }
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
            running[first.id]?.deadline = retryAt
            due.insert(first.id, at: retryAt)
            numbers.append(first.id)
        }
        return numbers
    }

    /// At most `limit` timers of which it is time to record how much is left.
    mutating func takeNotes(at now: Instant, limit: Int) -> [(number: UInt64, left: Instant.Span)] {
        var left: [(UInt64, Instant.Span)] = []
        while left.count < limit, nextNote() <= now, let first = notes.first {
            notes.removeFirst()
            guard var timer = running[first.id] else { continue }
            timer.noteAt = now + Self.step(of: timer.duration)
            running[first.id] = timer
            if timer.noteAt < timer.deadline { notes.insert(first.id, at: timer.noteAt) }
            if timer.deadline > now { left.append((first.id, timer.deadline - now)) }
        }
        return left
    }

    private mutating func rebuild() {
        let (dues, noted) = (due.entries, notes.entries)
        due = Agenda<UInt64>()
        notes = Agenda<UInt64>()
        for entry in dues where running[entry.id]?.deadline == entry.at {
            due.insert(entry.id, at: entry.at)
        }
        for entry in noted where running[entry.id]?.noteAt == entry.at {
            notes.insert(entry.id, at: entry.at)
        }
    }

    /// After how long it is worth recording what is left of a timer: so much may be added to it by a leader
    /// that was restarted since. What is renewed in time is recorded once or twice between renewals.
    private static func step(of duration: Instant.Span) -> Instant.Span {
        let fifth = Instant.Span.milliseconds(Int(duration.milliseconds / 5))
        return min(max(fifth, .seconds(1)), .seconds(60))
    }
}
