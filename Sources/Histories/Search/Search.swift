// Wing and Gong's search for an order that explains everything, with Lowe's memory of what was tried, and
// without recursion. What is added for histories with many unknown outcomes:
//
//  - Operations of unknown outcome are kept apart. They have no return, and an order may leave them out, so
//    they are tried after all others; among equal ones only the first that was invoked is tried.
//  - A place that was reached with fewer of them used up is better in every way than one with more of them:
//    the memory keeps the smallest sets, and refuses all that contain one (see `Memo`).
//  - An operation that never changes anything and fits is taken at once: whatever order there is, it is still
//    one with the operation moved to here.
//  - A value that somebody must see and nobody can write again is not overwritten (see `Tokens`).

import Primitives

/// A question to the search.
struct SearchProblem {
    /// By required operation, ascending by start.
    var required: [Interval]
    /// By optional operation: when it was invoked. Those of a class are neighbours, ascending by this.
    var optional: [Int64] = []
    /// Where each class begins, and the number of optional operations at the end. Members of a class are
    /// interchangeable but for their start.
    var classes: [Int] = [0]
    var tokens: Tokens?
    /// How many steps may be tried.
    var budget: Int
    /// How many places may be remembered: some hundreds of bytes each, and more with many keys.
    var placeLimit = 1_000_000
}

/// What the search found.
enum SearchResult: Equatable {
    /// An order that explains everything.
    case found([SearchChoice])
    /// There is none. `stuck` is the required operation that nothing got past, `reached` the order that came
    /// furthest, up to there.
    case impossible(stuck: Int, reached: [SearchChoice])
    /// The budget was used up.
    case exhausted
}

/// A step of an order.
enum SearchChoice: Equatable {
    case required(Int)
    case optional(Int)
}

/// One search.
struct Search<Model: SearchModel> {
    private struct Frame {
        var choice: SearchChoice
        var state: Int32
        /// Where to go on if this leads nowhere; nil: there was no other choice.
        var cursor: Cursor?
        var hash: UInt64
        var base: Int
        var top: Int
    }

    /// The next choice to try.
    private enum Cursor {
        /// The first required operation that may come next.
        case start
        case required(node: Int32)
        case optional(class: Int)
    }

    private let model: Model
    private let problem: SearchProblem
    private var list: EventList
    private var memo: Memo
    private var states: [Model.State]
    private var stateCodes: [Model.State: Int32]
    private var frames: [Frame] = []
    private var cursor = Cursor.start
    private(set) var steps = 0
    private var remaining: Int

    // Where the search stands.
    private var state: Int32 = 0
    private var hash: UInt64 = 0
    private var done: [UInt64]
    /// All required operations below are done, and none above `top`.
    private var base = 0
    private var top = -1
    private var used: [UInt64]
    private var usedOfClass: [Int]
    /// By token: how many operations that are not done need it, and how many can make it.
    private var needed: [Int]
    private var makers: [Int]

    private var stuck = 0
    private var reached: [SearchChoice] = []
    private var reachedCount = -1

    init(_ model: Model, _ problem: SearchProblem) {
        self.model = model
        self.problem = problem
        list = EventList(problem.required)
        let usedCount = (problem.optional.count + 63) / 64
        memo = Memo(usedCount: usedCount)
        states = [model.initial]
        stateCodes = [model.initial: 0]
        remaining = problem.required.count
        done = [UInt64](repeating: 0, count: (remaining + 63) / 64)
        used = [UInt64](repeating: 0, count: usedCount)
        usedOfClass = [Int](repeating: 0, count: problem.classes.count - 1)
        needed = [Int](repeating: 0, count: problem.tokens?.count ?? 0)
        makers = needed
        if let tokens = problem.tokens {
            for token in tokens.needs where token >= 0 { needed[token] += 1 }
            for token in tokens.makes + tokens.mayMake where token >= 0 { makers[token] += 1 }
        }
    }

    /// Searches until there is an answer.
    mutating func run() -> SearchResult {
        while remaining > 0 {
            if steps > problem.budget || memo.count > problem.placeLimit { return .exhausted }
            if case .start = cursor, takeObserver() { continue }
            if advance() { continue }
            noteStuck()
            if !backtrack() { return .impossible(stuck: stuck, reached: reached) }
        }
        return .found(frames.map(\.choice))
    }

    // MARK: Choices

    /// Takes an operation that may come next, fits, and changes nothing.
    private mutating func takeObserver() -> Bool {
        var node = list.node(after: EventList.head)
        while !list.isReturn(node) {
            let operation = list.operation(node)
            if model.isObserver(operation), let next = model.required(operation, states[Int(state)]),
                next == states[Int(state)]
            {
                steps += 1
                push(.required(operation), state, cursor: nil)
                return true
            }
            node = list.node(after: node)
        }
        return false
    }

    /// Takes the next choice that leads to where the search has not been.
    private mutating func advance() -> Bool {
        var node = list.node(after: EventList.head)
        if case .required(let place) = cursor { node = place }
        if case .optional(let group) = cursor { return advanceOptional(from: group) }
        let isOnlyChoice = problem.optional.isEmpty && isAlone(node)
        while node != EventList.head, !list.isReturn(node) {
            let operation = list.operation(node)
            let following = list.node(after: node)
            steps += 1
            if let next = model.required(operation, states[Int(state)]),
                enter(.required(operation), next, cursor: isOnlyChoice ? nil : .required(node: following))
            {
                return true
            }
            node = following
        }
        return advanceOptional(from: 0)
    }

    /// Whether an operation is the only required one that may come next.
    private func isAlone(_ node: Int32) -> Bool {
        if case .required = cursor { return false }
        return list.isReturn(list.node(after: node))
    }

    private mutating func advanceOptional(from first: Int) -> Bool {
        guard !problem.optional.isEmpty else { return false }
        var node = list.node(after: EventList.head)
        while !list.isReturn(node) { node = list.node(after: node) }
        let limit = list.time(node)
        for group in first..<usedOfClass.count {
            let operation = problem.classes[group] + usedOfClass[group]
            guard operation < problem.classes[group + 1], problem.optional[operation] <= limit else {
                continue
            }
            steps += 1
            if let next = model.optional(operation, states[Int(state)]),
                enter(.optional(operation), next, cursor: .optional(class: group + 1))
            {
                return true
            }
        }
        return false
    }

    // MARK: Steps

    /// Makes a step unless its end is known to lead nowhere. Without a cursor there is no need to know.
    private mutating func enter(_ choice: SearchChoice, _ next: Model.State, cursor: Cursor?) -> Bool {
        let from = model.token(of: states[Int(state)])
        push(choice, code(of: next), cursor: cursor)
        if from >= 0, needed[from] > 0, makers[from] == 0, model.token(of: next) != from {
            pop()
            return false
        }
        guard cursor != nil else { return true }
        let window = Memo.Window(first: base / 64, words: done[(base / 64)..<max(base / 64, top / 64 + 1)])
        if memo.insert(state, hash: hash, done: window, used: used) { return true }
        pop()
        return false
    }

    private mutating func code(of state: Model.State) -> Int32 {
        if let code = stateCodes[state] { return code }
        let code = Int32(states.count)
        states.append(state)
        stateCodes[state] = code
        return code
    }

    private mutating func push(_ choice: SearchChoice, _ next: Int32, cursor: Cursor?) {
        frames.append(Frame(choice: choice, state: state, cursor: cursor, hash: hash, base: base, top: top))
        state = next
        self.cursor = .start
        count(choice, -1)
        switch choice {
        case .required(let operation):
            list.lift(operation)
            remaining -= 1
            done[operation / 64] |= 1 << UInt64(operation % 64)
            hash ^= mixed(UInt64(operation) + 1)
            top = max(top, operation)
            while base < problem.required.count, done[base / 64] >> UInt64(base % 64) & 1 == 1 { base += 1 }
        case .optional(let operation):
            used[operation / 64] |= 1 << UInt64(operation % 64)
            usedOfClass[group(of: operation)] += 1
        }
    }

    /// Undoes the last step and leaves the cursor of before.
    private mutating func pop() {
        let frame = frames.removeLast()
        state = frame.state
        hash = frame.hash
        base = frame.base
        top = frame.top
        count(frame.choice, 1)
        switch frame.choice {
        case .required(let operation):
            list.putBack(operation)
            remaining += 1
            done[operation / 64] &= ~(1 << UInt64(operation % 64))
        case .optional(let operation):
            used[operation / 64] &= ~(1 << UInt64(operation % 64))
            usedOfClass[group(of: operation)] -= 1
        }
    }

    /// Goes back to the last place where there was another choice; false if there is none.
    private mutating func backtrack() -> Bool {
        while let frame = frames.last {
            pop()
            if let cursor = frame.cursor {
                self.cursor = cursor
                return true
            }
        }
        return false
    }

    private func group(of operation: Int) -> Int {
        var low = 0
        var high = usedOfClass.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if problem.classes[middle] <= operation { low = middle } else { high = middle }
        }
        return low
    }

    private mutating func count(_ choice: SearchChoice, _ change: Int) {
        guard let tokens = problem.tokens else { return }
        switch choice {
        case .required(let operation):
            if tokens.needs[operation] >= 0 { needed[tokens.needs[operation]] += change }
            if tokens.makes[operation] >= 0 { makers[tokens.makes[operation]] += change }
        case .optional(let operation):
            if tokens.mayMake[operation] >= 0 { makers[tokens.mayMake[operation]] += change }
        }
    }

    /// Keeps the furthest that the search came, and what it could not get past there.
    private mutating func noteStuck() {
        let count = problem.required.count - remaining
        guard count > reachedCount else { return }
        reachedCount = count
        var node = list.node(after: EventList.head)
        while !list.isReturn(node) { node = list.node(after: node) }
        stuck = list.operation(node)
        reached = frames.map(\.choice)
    }
}
