import Consensus
import Primitives
import Store

// The leader decides that a timer of the replicated state has run out, by its monotonic clock, and says so in
// the log, naming its term. A new leader goes by the earlier of two deadlines, neither of which is too early:
//
// - Its own, measured from when it applied the entry that armed the timer. That was after the entry was
//   committed, so after the request was sent, and the client can't count on more. Every renewal arms another
//   timer. After a restart, or when a snapshot was installed, it is measured from then, by what was recorded
//   in the state by that time, or from anew where the entry is applied again: both are later still.
// - What was recorded to be left, counted from when the new leader begins. It was no less than what was left
//   by the deadline of the leader that recorded it, and time has passed since.
//
// By induction over leaders no deadline is ever too early, by clocks that run alike; and where they don't, a
// change of leaders adds no error to that of the fastest clock among them, since each measures a part of the
// time at most. So there is no margin. And the deadline of a leader that was not restarted since the timer
// was armed is off by no more than what the entry took to reach it, however many others have led meanwhile.

extension Replica {
    /// Which timers are fired, and when.
    struct Timing: Sendable {
        var queue = TimerQueue()
        /// The term of this node's leadership for which it has looked at what was recorded; nil while it may
        /// fire none.
        var term: Term?
        /// Timers of which a firing is under way.
        var firing: Set<UInt64> = []
        /// Not before then is another batch fired while one is under way.
        var retryAt = Instant.zero
        /// Not before then is it recorded again how much is left of timers.
        var nextNotes = Instant.zero
        /// How far the wall clock was ahead when it was first looked at, which only a planted bug does.
        var wallAhead: Int64?
    }

    /// The running timers by this node's clock.
    public var timers: TimerQueue { timing.queue }

    /// Begins to measure every timer of the state anew: it was restored.
    mutating func measureTimers(at now: Instant) {
        timing = Timing()
        // What the state had to tell before is in the rows.
        _ = keyspace.takeNews()
        var queue = TimerQueue()
        keyspace.coordination.forEachTimer { number, duration, remaining in
            queue.arm(
                number, at: now + .milliseconds(isPlanted(.restartEndsTimers) ? 0 : Int(remaining)),
                duration: .milliseconds(Int(duration)),
                now: now)
        }
        timing.queue = queue
    }

    /// Tells what has just been applied to whoever waits for it.
    mutating func takeNews(at now: Instant, into effects: inout [ReplicaEffect]) {
        for news in keyspace.takeNews() {
            switch news {
            case .armed(let number, let milliseconds):
                let duration = Instant.Span.milliseconds(Int(milliseconds))
                timing.queue.arm(number, at: now + duration, duration: duration, now: now)
            case .disarmed(let number):
                timing.queue.disarm(number)
                timing.firing.remove(number)
            case .settled(let request, let outcome):
                effects.append(.settled(request, .coordinated(outcome)))
            case .changed(let row): effects.append(.changed(row))
            case .stepped(let step): effects.append(.stepped(step))
            case .announced(let request, let announcement):
                effects.append(.announced(request, announcement))
            case .messageEnded(let number, let wasTaken):
                effects.append(.messageEnded(number, wasTaken: wasTaken))
            }
        }
    }

    /// As leader: proposes that what has run out fires, and records what is left of long timers.
    mutating func driveTimers(at now: Instant, wall: WallTime) {
        // Every renewal of earlier terms must be known.
        guard raft.role == .leader, keyspace.appliedTerm == raft.term, raft.transferTarget == nil else {
            timing.term = nil
            return
        }
        var now = now
        if isPlanted(.timersByWallClock) {
            let ahead = wall.milliseconds - now.nanoseconds / 1_000_000
            timing.wallAhead = timing.wallAhead ?? ahead
            now = now + .milliseconds(Int(ahead - (timing.wallAhead ?? ahead)))
        }
        if timing.term != raft.term { beginTerm(at: now) }
        if timing.firing.isEmpty || timing.retryAt <= now {
            let retryAt = now + limits.timerRetry
            let numbers = timing.queue.takeDue(
                at: now, limit: limits.timersPerFiring, retryAt: isPlanted(.firesOnlyOnce) ? .never : retryAt)
            if !numbers.isEmpty {
                timing.firing = Set(numbers)
                timing.retryAt = retryAt
                propose(.timers(.fire(term: raft.term, numbers)), wall: wall)
            }
        }
        if timing.nextNotes <= now, timing.queue.nextNote() <= now {
            let left = timing.queue.takeNotes(at: now, limit: limits.timersPerNote)
            // What is left over comes soon, but not at once: applying it all would hold up everybody else.
            let isAll = left.count < limits.timersPerNote
            timing.nextNotes = now + (isAll ? .seconds(1) : limits.notePause)
            let noted = left.map { left in
                // A part of a millisecond counts as a whole one: what is left never shrinks by being told.
                TimerCommand.TimeLeft(number: left.number, milliseconds: left.left.milliseconds + 1)
            }
            if !noted.isEmpty { propose(.timers(.elapsed(term: raft.term, noted)), wall: wall) }
        }
    }

    private mutating func beginTerm(at now: Instant) {
        timing.term = raft.term
        timing.firing = []
        timing.retryAt = now
        timing.nextNotes = now
        var queue = timing.queue
        keyspace.coordination.forEachTimer { number, _, remaining in
            queue.shorten(number, to: now + .milliseconds(Int(remaining)))
        }
        timing.queue = queue
    }

    /// Notes when a timer is to be seen to, after everything of the turn was applied.
    mutating func noteTimers(at now: Instant) {
        guard timing.term != nil else {
            // A leader that has just applied the first entry of its term begins at once.
            let isReady = raft.role == .leader && keyspace.appliedTerm == raft.term
            nextTimer =
                isReady && raft.transferTarget == nil && timing.queue.count > 0 ? now : .never
            return
        }
        var next = max(timing.queue.nextNote(), timing.nextNotes)
        let due = timing.queue.nextDue()
        next = min(next, timing.firing.isEmpty ? due : max(due, timing.retryAt))
        nextTimer = next
    }

    private mutating func propose(_ command: CoordinationCommand, wall: WallTime) {
        let command = Command(requestID: .none, time: wall, operation: .coordinate(command))
        proposals.append(
            QueuedProposal(requestID: .none, term: raft.term, origin: nil, payload: command.encode()))
    }
}
