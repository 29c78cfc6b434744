extension SmallScope {
    /// Bounds that lead somewhere, with a name.
    public struct Scope: Sendable {
        /// A word.
        public var name: String
        /// What it looks for.
        public var words: String
        /// The bounds.
        public var bounds: Bounds
    }

    /// Scopes that between them reach what one cannot. The first lets everything happen in any order, and
    /// gets not far from the start, since that is very much. The others restrict the order and what may go
    /// wrong, and get to the end, or several elections deep.
    public static let scopes: [Scope] = [
        scope("all", "Everything, messages in any order; from the first start on.") { _ in },
        scope("elections", "Elections without entries, messages in any order; to the end.") { bounds in
            bounds.terms = 2
            bounds.entries = 0
            bounds.timeouts = 2
            bounds.heartbeats = 0
            bounds.reads = 0
            bounds.duplicates = 1
        },
        scope("turns", "Events that share a turn, messages in any order.") { bounds in
            bounds.terms = 2
            bounds.entries = 1
            bounds.timeouts = 2
            bounds.heartbeats = 0
            bounds.reads = 0
            bounds.crashes = 0
            bounds.duplicates = 0
            bounds.slowPersists = 0
            bounds.sharedTurns = 1
        },
        ordered("one-fault", "Three elections and two entries, and any one thing goes wrong.", faults: 1) {
            $0.start = .fresh
            $0.timeouts = 3
        },
        ordered("two-faults", "An election after the first, and any two things go wrong.", faults: 2) {
            $0.terms = 2
            $0.timeouts = 1
            $0.entries = 1
            $0.heartbeats = 0
            $0.sharedTurns = 0
        },
        scope("links", "Messages between two nodes in order, those of others in any.") { bounds in
            bounds.order = .link
            bounds.start = .led
            bounds.terms = 2
            bounds.entries = 1
            bounds.timeouts = 1
            bounds.heartbeats = 0
            bounds.reads = 1
            bounds.delays = 1
            bounds.haste = 1
            bounds.partitions = 1
            bounds.faults = 1
        },
        scope("partitions", "Nodes on the other side of a partition, and late news of it.") { bounds in
            restrict(&bounds)
            bounds.entries = 2
            bounds.timeouts = 2
            bounds.heartbeats = 1
            bounds.partitions = 2
            bounds.shortened = 1
            bounds.unreachables = 1
            bounds.faults = 3
        },
        scope("disks", "Slow disks, with crashes that lose what was not durable.") { bounds in
            restrict(&bounds)
            bounds.terms = 2
            bounds.timeouts = 1
            bounds.slowPersists = 2
            bounds.crashes = 1
            bounds.duplicates = 1
            bounds.faults = 4
        },
        scope("reads", "Reads of leaders and followers across elections.") { bounds in
            restrict(&bounds)
            bounds.terms = 2
            bounds.timeouts = 1
            bounds.heartbeats = 1
            bounds.reads = 1
            bounds.delays = 2
            bounds.partitions = 1
            bounds.haste = 1
            bounds.faults = 2
        },
        scope("tokens", "Questions of reads that outlive a crash.") { bounds in
            restrict(&bounds)
            bounds.terms = 1
            bounds.timeouts = 0
            bounds.reads = 2
            bounds.crashes = 1
            bounds.delays = 2
            bounds.haste = 1
            bounds.partitions = 1
            bounds.faults = 4
        },
        scope("checkpoints", "Followers that need a checkpoint.") { bounds in
            restrict(&bounds)
            bounds.terms = 2
            bounds.timeouts = 1
            bounds.entries = 3
            bounds.heartbeats = 1
            bounds.checkpoints = 1
            bounds.partitions = 1
            bounds.unreachables = 1
            bounds.faults = 2
        },
        scope("transfers", "Leaders that hand over.") { bounds in
            restrict(&bounds)
            bounds.timeouts = 1
            bounds.heartbeats = 1
            bounds.transfers = 2
            bounds.crashes = 1
            bounds.delays = 1
            bounds.haste = 1
            bounds.partitions = 1
            bounds.faults = 2
        },
        scope("two-nodes", "Two nodes, of which both must agree.") { bounds in
            bounds.nodes = 2
            bounds.terms = 2
            bounds.entries = 1
            bounds.timeouts = 2
        },
        scope("four-nodes", "Four nodes, of which three must agree.") { bounds in
            restrict(&bounds)
            bounds.nodes = 4
            bounds.terms = 2
            bounds.timeouts = 1
            bounds.delays = 2
            bounds.partitions = 2
            bounds.faults = 2
        },
        scope("five-nodes", "Five nodes, of which two are cut off with the leader.") { bounds in
            restrict(&bounds)
            bounds.nodes = 5
            bounds.terms = 2
            bounds.timeouts = 1
            bounds.reads = 1
            bounds.partitions = 2
            bounds.faults = 2
        },
    ]

    private static func scope(_ name: String, _ words: String, _ change: (inout Bounds) -> Void) -> Scope {
        var bounds = Bounds()
        change(&bounds)
        return Scope(name: name, words: words, bounds: bounds)
    }

    /// A scope in which all kinds of things may go wrong, but only so many.
    private static func ordered(
        _ name: String, _ words: String, faults: Int, _ change: (inout Bounds) -> Void
    ) -> Scope {
        scope(name, words) { bounds in
            bounds.order = .whole
            bounds.start = .led
            bounds.entries = 2
            bounds.faults = faults
            bounds.crashes = faults
            bounds.duplicates = faults
            bounds.delays = faults
            bounds.shortened = faults
            bounds.partitions = faults
            bounds.haste = faults
            bounds.slowPersists = faults
            bounds.sharedTurns = faults
            bounds.unreachables = faults
            change(&bounds)
        }
    }

    /// From an elected leader, messages in order, and nothing that is not asked for.
    private static func restrict(_ bounds: inout Bounds) {
        bounds.order = .whole
        bounds.start = .led
        bounds.entries = 1
        bounds.heartbeats = 0
        bounds.reads = 0
        bounds.crashes = 0
        bounds.duplicates = 0
        bounds.haste = 0
        bounds.slowPersists = 0
    }
}
