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

    /// How a search ended.
    public struct Result: Sendable, Equatable {
        /// The first violation; nil if there is none as far as was searched.
        public var violation: Violation?
        /// Whether all worlds within the bounds were found and expanded.
        public var isComplete: Bool
        /// How far it came.
        public var progress: Progress
    }

    /// Searches all worlds within `bounds`, breadth first, until there are no more, one breaks an invariant,
    /// `states` of them are known, or `goesOn` answers false, which is asked every few thousand worlds.
    ///
    /// The outcome depends on nothing but the arguments. `furtherCheck` is asked of each world, too; it
    /// answers in words what is wrong.
    public static func explore(
        _ bounds: Bounds, states: Int = .max, furtherCheck: ((borrowing WorldView) -> String?)? = nil,
        goesOn: (Progress) -> Bool = { _ in true }
    ) -> Result {
        precondition(bounds.problem == nil, bounds.problem ?? "")
        var explorer = Explorer(bounds)
        explorer.furtherCheck = furtherCheck
        let isComplete = explorer.run(limit: states) { goesOn($0.progress) }
        return Result(
            violation: explorer.describeViolation(), isComplete: isComplete, progress: explorer.progress)
    }
}

extension SmallScope.Explorer {
    var progress: SmallScope.Progress {
        SmallScope.Progress(
            states: states, expanded: expanded, transitions: transitions, depth: depth,
            nodeStates: members.count, messages: messages.count, runs: outcomes.count, bytes: bytes)
    }
}
