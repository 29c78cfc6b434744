// Looks for an order of all operations on all keys that explains every answer and every revision. It decides:
// whatever a store can have done is found, and nothing else, unless the budget ends first.
//
// Most operations tell their revision, which leaves no choice. What is left to choose:
//
//  - An answer that changed nothing and does not tell its revision is taken as soon as it fits: whatever
//    order there is, it is still one with the operation moved to here.
//  - A write of unknown outcome takes one of the revisions that nobody claims. All that nobody names are
//    alike but for their order, so that the lowest one stands for them.
//  - A revision that was seen and that nobody claims must be made by somebody, and nothing goes past it
// before.
//
// The search goes deep first without recursion, takes steps back through a trail of what they changed, and
// remembers the places from where there was no way on.

import Primitives

/// The search; see above.
struct JointReplay {
    enum Result: Equatable {
        /// There is an order.
        case found
        /// There is none. `stuck` is the operation, by its place in the history, that nothing got past.
        case impossible(stuck: Int)
        /// The budget was used up.
        case exhausted
    }

    /// One way to go on.
    private enum Choice {
        /// A required operation, at this revision if it changes anything.
        case required(Int, at: UInt64)
        /// The next of a class, at this revision.
        case optional(Int, at: UInt64)

        /// Whether it may lead to a place to which another order of ways leads, too.
        var isBranch: Bool { if case .optional = self { true } else { false } }
    }

    /// Which way to try next.
    private struct Cursor {
        /// 0: the next operation with a place; 1: writes without one; 2: writes of unknown outcome.
        var stage = 0
        var index = 0
        var slot = 0
    }

    private struct Frame {
        var choice: Choice
        /// Nil: there was no other way.
        var cursor: Cursor?
        var trail: Int
        var clock: UInt64
        var ended: Int
        var floatBase: Int
        var mark: Mark
    }

    /// How much the memory may hold: some hundred megabytes.
    private static let memoryLimit = 30_000_000

    private let problem: JointProblem
    private let budget: Int
    private(set) var steps = 0
    private var frames: [Frame] = []
    private var cursor = Cursor()
    private var memo = PlaceMemory()

    // Where the search stands.
    private var keys: [ExactKey?]
    private var clock: UInt64
    private var isDone: [Bool]
    private var remaining: Int
    private var nextPinned = 0
    /// All before these are done, of those by end and of those without a place.
    private var ended = 0
    private var floatBase = 0
    private var usedOfClass: [UInt16]
    private var mark = Mark()
    private var trail: [(key: Int, old: ExactKey?)] = []

    private var stuck = 0
    private var furthest = -1
    private let hasChoices: Bool

    init(_ problem: JointProblem, budget: Int) {
        self.problem = problem
        self.budget = budget
        keys = problem.traits.map { _ in nil }
        clock = problem.startRevision
        remaining = problem.required.count
        isDone = [Bool](repeating: false, count: remaining)
        usedOfClass = problem.classes.map { _ in 0 }
        hasChoices =
            !problem.classes.isEmpty || problem.floating.contains { problem.required[$0].isWrite }
    }

    /// Searches until there is an answer.
    mutating func run() -> Result {
        skipDone()
        while remaining > 0 {
            if steps > budget || memo.size > JointReplay.memoryLimit { return .exhausted }
            if cursor.stage == 0, takeWithoutChoice() { continue }
            if advance() { continue }
            noteStuck()
            if !backtrack() { return .impossible(stuck: stuck) }
        }
        return .found
    }

    // MARK: Choices

    /// When the first of the required operations that are not done returned: what was invoked later waits.
    private var horizon: Int64 { problem.required[problem.byEnd[ended]].end }

    /// Takes an operation that may come next, fits, and takes away no other choice.
    private mutating func takeWithoutChoice() -> Bool {
        let horizon = horizon
        if nextPinned < problem.pinned.count {
            let operation = problem.pinned[nextPinned]
            if case .read(clock) = problem.required[operation].place,
                problem.required[operation].start <= horizon,
                push(.required(operation, at: clock), cursor: nil)
            {
                return true
            }
        }
        var index = floatBase
        while index < problem.floating.count {
            let operation = problem.floating[index]
            index += 1
            let member = problem.required[operation]
            if member.start > horizon { break }
            if isDone[operation] || member.isWrite { continue }
            if push(.required(operation, at: clock), cursor: nil) { return true }
        }
        return false
    }

    /// Takes the next way that leads to where the search has not been.
    private mutating func advance() -> Bool {
        if cursor.stage == 0 {
            let following = Cursor(stage: 1)
            if let choice = pinnedChoice() {
                if enter(choice, cursor: hasChoices ? following : nil) { return true }
            }
            cursor = following
        }
        guard hasChoices else { return false }
        let revisions = freeRevisions()
        if revisions.isEmpty { return false }
        while let choice = nextChoice(revisions) { if enter(choice, cursor: cursor) { return true } }
        return false
    }

    /// The next operation with a place, if its place comes next.
    private func pinnedChoice() -> Choice? {
        guard nextPinned < problem.pinned.count else { return nil }
        let operation = problem.pinned[nextPinned]
        let member = problem.required[operation]
        guard member.start <= horizon else { return nil }
        switch member.place {
        case .write(let revision):
            guard clock < revision, !isOwed(above: clock, through: revision - 1) else { return nil }
            return .required(operation, at: revision)
        case .read(let revision):
            guard clock <= revision, !isOwed(above: clock, through: revision) else { return nil }
            return .required(operation, at: revision)
        case .floating: return nil
        }
    }

    /// Whether somebody must make a revision among these.
    private func isOwed(above lower: UInt64, through upper: UInt64) -> Bool {
        if problem.isDense { return lower < upper }
        let place = problem.owed.firstPlace(above: lower)
        return place < problem.owed.count && problem.owed[place] <= upper
    }

    /// The revisions that a write may take that does not tell its own, before the next operation with a
    /// place.
    private func freeRevisions() -> [UInt64] {
        var limit = UInt64.max
        if nextPinned < problem.pinned.count {
            switch problem.required[problem.pinned[nextPinned]].place {
            case .write(let revision): limit = revision - 1
            case .read(let revision): limit = revision
            case .floating: break
            }
        }
        if problem.isDense {
            return clock + 1 <= limit && !problem.slots.isTaken(clock + 1) ? [clock + 1] : []
        }
        var place = problem.owed.firstPlace(above: clock)
        if place < problem.owed.count { limit = min(limit, problem.owed[place]) }
        var revisions: [UInt64] = []
        var plain = problem.slots.free(above: clock)
        place = problem.named.firstPlace(above: clock)
        while place < problem.named.count, problem.named[place] <= limit {
            revisions.append(problem.named[place])
            if problem.named[place] == plain { plain = problem.slots.free(above: plain) }
            place += 1
        }
        if plain <= limit { revisions.append(plain) }
        return revisions
    }

    /// Moves the cursor on, and answers the way that it has passed.
    private mutating func nextChoice(_ revisions: [UInt64]) -> Choice? {
        let horizon = horizon
        while cursor.stage == 1 {
            let place = floatBase + cursor.index
            guard place < problem.floating.count,
                problem.required[problem.floating[place]].start <= horizon
            else {
                cursor.stage = 2
                cursor.index = 0
                cursor.slot = 0
                break
            }
            let operation = problem.floating[place]
            guard !isDone[operation], problem.required[operation].isWrite, cursor.slot < revisions.count
            else {
                cursor.index += 1
                cursor.slot = 0
                continue
            }
            cursor.slot += 1
            return .required(operation, at: revisions[cursor.slot - 1])
        }
        while cursor.index < problem.classes.count {
            let group = cursor.index
            let used = Int(usedOfClass[group])
            let options = problem.classes[group]
            guard used < options.count, options[used].start <= horizon, cursor.slot < revisions.count else {
                cursor.index += 1
                cursor.slot = 0
                continue
            }
            cursor.slot += 1
            return .optional(group, at: revisions[cursor.slot - 1])
        }
        return nil
    }

    // MARK: Steps

    /// Makes a step unless its end is known to lead nowhere. Without a cursor there is no need to know.
    private mutating func enter(_ choice: Choice, cursor: Cursor?) -> Bool {
        guard push(choice, cursor: cursor) else { return false }
        guard let cursor, choice.isBranch, memo.contains(place, used: usedOfClass) else { return true }
        pop()
        self.cursor = cursor
        return false
    }

    /// What tells the place where the search stands from others, but for the writes that were used up.
    private var place: Mark {
        var place = mark
        place.toggle(clock, kind: 0)
        return place
    }

    /// Makes a step; false, with nothing changed, if it cannot be.
    private mutating func push(_ choice: Choice, cursor: Cursor?) -> Bool {
        steps += 1
        let start = trail.count
        let oldMark = mark
        guard carryOut(choice) else {
            undo(to: start)
            mark = oldMark
            return false
        }
        frames.append(
            Frame(
                choice: choice, cursor: cursor, trail: start, clock: clock, ended: ended,
                floatBase: floatBase, mark: oldMark))
        switch choice {
        case .required(let operation, let revision):
            isDone[operation] = true
            mark.toggle(UInt64(operation), kind: 1)
            remaining -= 1
            switch problem.required[operation].place {
            case .write, .read:
                nextPinned += 1
                clock = revision
            case .floating: if problem.required[operation].isWrite { clock = revision }
            }
            skipDone()
        case .optional(let group, let revision):
            usedOfClass[group] += 1
            clock = revision
        }
        self.cursor = Cursor()
        return true
    }

    private mutating func carryOut(_ choice: Choice) -> Bool {
        switch choice {
        case .required(let operation, let revision):
            let member = problem.required[operation]
            if let total = member.total {
                guard member.parts.count(where: { keys[$0.key] != nil }) == total else { return false }
            }
            guard take(member.parts, member.transaction, at: revision) != nil else { return false }
            return !member.isWrite || isAsSeen(at: revision)
        case .optional(let group, let revision):
            let before = trail.count
            let option = problem.classes[group][Int(usedOfClass[group])]
            // One that changes nothing is as good as none, unless its revision is needed.
            guard take(option.parts, option.transaction, at: revision) == true,
                problem.isDense || trail.count > before
            else { return false }
            return isAsSeen(at: revision)
        }
    }

    /// Answers whether anything was written; nil if it cannot have been.
    private mutating func take(
        _ parts: [KeyPart], _ transaction: ExactTransaction?, at revision: UInt64
    ) -> Bool? {
        let name = problem.isNamed(revision) ? revision : ExactKey.nameless
        if let transaction { return take(transaction, name) }
        var hasWritten = false
        for part in parts {
            let old = keys[part.key]
            var next = old
            let step = ExactStep(
                values: problem.values, traits: problem.traits[part.key], revision: name)
            guard let isWrite = step.take(part, &next) else { return nil }
            hasWritten = hasWritten || isWrite
            set(part.key, next)
        }
        return hasWritten
    }

    private mutating func take(_ transaction: ExactTransaction, _ revision: UInt64) -> Bool? {
        var run = TransactionRun(values: problem.values, traits: problem.traits, revision: revision)
        guard let hasWritten = run.carryOut(transaction, on: keys) else { return nil }
        for (key, state) in run.changes { set(key, state) }
        return hasWritten
    }

    private mutating func set(_ key: Int, _ next: ExactKey?) {
        let old = keys[key]
        if next == old { return }
        trail.append((key, old))
        keys[key] = next
        mark.change(key, from: old, to: next)
    }

    /// Whether the keys that a write leaves are those that were seen of its revision.
    private func isAsSeen(at revision: UInt64) -> Bool {
        var place = problem.sightings.firstPlace { $0.revision >= revision }
        while place < problem.sightings.count, problem.sightings[place].revision == revision {
            let sighting = problem.sightings[place]
            if !sighting.isMet(by: keys[sighting.key]) { return false }
            place += 1
        }
        return true
    }

    private mutating func skipDone() {
        while ended < problem.byEnd.count, isDone[problem.byEnd[ended]] { ended += 1 }
        while floatBase < problem.floating.count, isDone[problem.floating[floatBase]] { floatBase += 1 }
    }

    private mutating func undo(to start: Int) {
        while trail.count > start {
            let (key, old) = trail.removeLast()
            keys[key] = old
        }
    }

    /// Undoes the last step.
    private mutating func pop() {
        let frame = frames.removeLast()
        undo(to: frame.trail)
        clock = frame.clock
        ended = frame.ended
        floatBase = frame.floatBase
        mark = frame.mark
        switch frame.choice {
        case .required(let operation, _):
            isDone[operation] = false
            remaining += 1
            if case .floating = problem.required[operation].place { break }
            nextPinned -= 1
        case .optional(let group, _): usedOfClass[group] -= 1
        }
    }

    /// Goes back to the last place where there was another way; false if there is none.
    private mutating func backtrack() -> Bool {
        while let frame = frames.last {
            if frame.cursor != nil, frame.choice.isBranch { memo.insert(place, used: usedOfClass) }
            pop()
            if let cursor = frame.cursor {
                self.cursor = cursor
                return true
            }
        }
        return false
    }

    /// Keeps what could not be passed where the search came furthest.
    private mutating func noteStuck() {
        let count = problem.required.count - remaining
        guard count > furthest else { return }
        furthest = count
        var operation = problem.byEnd[ended]
        if nextPinned < problem.pinned.count,
            problem.required[problem.pinned[nextPinned]].start <= horizon
        {
            operation = problem.pinned[nextPinned]
        }
        stuck = problem.required[operation].source
    }
}
