public import Consensus

extension SmallScope {
    /// How far a search has come.
    public struct Progress: Sendable, Equatable {
        /// Different worlds found.
        public var states: Int
        /// Worlds whose every next step has been taken.
        public var expanded: Int
        /// Steps taken, into known worlds too.
        public var transitions: Int
        /// How many steps the worlds now being expanded are from the start.
        public var depth: Int
        /// Different states of single nodes.
        public var nodeStates: Int
        /// Different messages.
        public var messages: Int
        /// How often the core itself ran: once for each node state and event.
        public var runs: Int
        /// Roughly how much memory the search holds.
        public var bytes: Int

        /// Makes it of these parts.
        public init(
            states: Int, expanded: Int, transitions: Int, depth: Int, nodeStates: Int, messages: Int,
            runs: Int, bytes: Int
        ) {
            self.states = states
            self.expanded = expanded
            self.transitions = transitions
            self.depth = depth
            self.nodeStates = nodeStates
            self.messages = messages
            self.runs = runs
            self.bytes = bytes
        }

    }

    /// A world as a further check sees it.
    public struct WorldView {
        /// The nodes, in order.
        public let nodes: [Raft]
        /// How many entries were ever committed.
        public let committed: Int
        /// What is in flight.
        public let messages: [Message]
    }

    /// A broken promise, and a shortest way to it.
    public struct Violation: Sendable, Equatable {
        /// The invariant's name.
        public var invariant: String
        /// What was found.
        public var text: String
        /// How many steps it takes.
        public var depth: Int
        /// The steps, a line or a few each.
        public var trace: [String]
    }

    /// Why a search ended.
    public enum Ending: String, Sendable {
        /// All worlds within the bounds were found, and all their steps taken.
        case complete
        /// A promise was broken.
        case violation
        /// As many worlds as were asked for are known.
        case states
        /// The worlds known take as much memory as was allowed.
        case memory
        /// The caller wanted no more.
        case interrupted
    }

    /// How a search ended.
    public struct Result: Sendable, Equatable {
        /// The first violation; nil if there is none as far as was searched.
        public var violation: Violation?
        /// Why it ended.
        public var ending: Ending
        /// How far it came.
        public var progress: Progress
    }

    /// Limits and listeners of a search.
    public struct Search {
        /// How many worlds to find at most.
        public var states = Int.max
        /// How much memory to use at most, in bytes: about 45 for each world, and some thousand for each
        /// different state of a node. A search that would need more ends, with what it has found until then.
        public var bytes = 3 << 30
        /// A further check of each world; answers in words what is wrong.
        public var furtherCheck: ((borrowing WorldView) -> String?)?
        /// Told before the core runs: the number of the world, and the step that is taken there. The last of
        /// these calls tells, to ``SmallScope/trace(_:to:step:)``, where the core has stopped the process.
        public var beforeRun: ((_ state: Int, _ step: UInt32) -> Void)?
        /// Asked every few thousand worlds whether the search is to go on.
        public var goesOn: (Progress) -> Bool = { _ in true }

        /// A search without limits but for memory.
        public init() {}
    }

    /// Searches all worlds within `bounds`, breadth first, until there are no more, one breaks an invariant,
    /// or a limit is reached.
    ///
    /// The outcome depends on nothing but the arguments. Stops the process if ``Bounds/problem`` is not nil.
    public static func explore(_ bounds: Bounds, _ search: Search = Search()) -> Result {
        precondition(bounds.problem == nil, bounds.problem ?? "")
        var explorer = Explorer(bounds, search)
        let ending = explorer.run(states: search.states, bytes: search.bytes, search.goesOn)
        return Result(
            violation: explorer.describeViolation(), ending: ending, progress: explorer.progress)
    }

    /// The steps that lead to the world with the number `state`, in words, and then `step`, which is not
    /// taken. Searches from the start again until it is found.
    public static func trace(_ bounds: Bounds, to state: Int, step: UInt32) -> [String] {
        precondition(bounds.problem == nil, bounds.problem ?? "")
        var explorer = Explorer(bounds, Search())
        _ = explorer.run(states: state + 1, bytes: .max) { _ in true }
        guard state < explorer.states else { return [] }
        let steps = explorer.prelude + explorer.steps(to: state)
        let last = explorer.words(for: Action(code: step))
        return explorer.trace(steps) + ["\(steps.count + 1). \(last)"]
    }
}

extension SmallScope.Explorer {
    var progress: SmallScope.Progress {
        SmallScope.Progress(
            states: states, expanded: expanded, transitions: transitions, depth: depth,
            nodeStates: members.count, messages: messages.count, runs: outcomes.count, bytes: bytes)
    }
}
