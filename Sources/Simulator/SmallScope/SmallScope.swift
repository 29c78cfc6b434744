/// The small-scope search: every order in which a handful of things can happen to a small cluster, breadth
/// first, with the product's own core.
///
/// A world is a few `Raft` values, what is on each node's disk and on its way there, the messages in flight,
/// and what must be remembered of the past to judge the present (the ledger of committed entries, who led in
/// which term, where each open read began). One step is one event of one node:
///
/// - a message in flight arrives. Messages wait as long as they like, so any order and any loss is covered: a
///   lost message is one that never arrives. Within bounds it arrives and stays in flight (a duplicate);
/// - a timeout, a proposal, a read, a transfer of leadership, a peer found unreachable, a checkpoint, the end
///   of the fetch of one;
/// - a disk is done with a persist that was slow. Other persists are durable at once, before anything else
///   happens to the node: that differs from a little later only in what a crash loses and in what the node
///   does in between, and both is what slow persists are for;
/// - a crash: what was not durable is lost, and the node starts again from its disk. What happens to a node
///   that is down is what happens to one that gets no messages.
///
/// The first violation found is one with the fewest steps.
///
/// # Time
///
/// Each node has a clock of its own that stands still but for two things: a timeout moves it to the node's
/// own deadline, and a request for a vote may arrive late, that is when a follower has not heard its leader
/// for so long that it no longer refuses. Clocks are not compared, so any drift, pause and delay is covered.
/// The ranges that a node draws its timeouts from are one nanosecond wide; since nothing relates the clocks
/// of two nodes, who times out first does not depend on them.
///
/// # What makes states equal
///
/// Times count relative to the node's own clock, and no further than they make a difference
/// (`Raft.feed(_:relativeTo:)`). States that differ only in the names of the nodes count once, if
/// ``Bounds/mergesMirrorImages`` is set. Entries have no content but their kind: log matching says that index
/// and term determine it, and that is checked from the other side, since no two leaders share a term and no
/// leader rewrites its log.
///
/// # What is not explored
///
/// - More of anything than ``Bounds`` allow; more than one event in a turn beyond ``Bounds/sharedTurns``.
/// - Equal messages in flight to the same node at the same time count as one; that both arrive is a duplicate
///   and must be paid for as one.
/// - An answer in a term that its receiver has durably left, or to a vote that is over, is taken out of
///   flight. That it would change nothing is checked when it is taken out.
/// - What hangs on lengths of time: a follower's read that is given up because no answer came in time; a
///   leader's choice among successors when a transfer names none; the waits before a leader sends again,
///   which double, beyond the heartbeats that the bounds allow. A timeout comes at its deadline, and a leader
///   that hears nobody steps down at its second heartbeat, or never, if it has no more.
/// - Closed connections: to a follower they are like a timeout and a late request for a vote, to a leader
///   like a peer found unreachable.
/// - Checkpoints are taken when nothing is on its way to the disk, at the commit index, and replace the log.
/// - The order among nodes decides which of two pre-candidates with equal logs steps back. When mirror images
///   are merged, the other outcome may be left out where the two nodes differ in something else.
/// - Members do not change, and appends are never cut short by their size.
public enum SmallScope {
    /// How many of each thing may happen from the start.
    public struct Bounds: Sendable, Equatable {
        /// How many nodes there are, from 1 to 5.
        public var nodes = 3
        /// The highest term; up to 12.
        public var terms = 3
        /// Entries proposed to leaders.
        public var entries = 3
        /// Election timeouts of all nodes.
        public var timeouts = 3
        /// Timeouts of leaders: heartbeats, and at the second without an answer the end of its leadership.
        public var heartbeats = 1
        /// Reads, at leaders and at followers that know one; up to 7.
        public var reads = 1
        /// Transfers of leadership.
        public var transfers = 0
        /// Checkpoints that replace the log up to them.
        public var checkpoints = 0
        /// Crashes, each followed by a restart.
        public var crashes = 1
        /// Messages that arrive and stay in flight.
        public var duplicates = 2
        /// In which order messages arrive.
        public var order = Order.any
        /// Messages that are delayed: they leave the order and arrive at any time, or never.
        public var delays = 0
        /// Appends whose last entry is cut off on the way, as an owner may do that sends less than it is
        /// asked.
        public var shortened = 0
        /// Nodes that go to the other side of a partition: messages that would have to cross it are lost,
        /// until they come back.
        public var partitions = 0
        /// Steps that nodes take by themselves while messages are in flight that have not been delayed. Nil:
        /// that is nothing special.
        public var haste: Int?
        /// Persists that are not durable at once.
        public var slowPersists = 1
        /// Events that share a turn with the next event of the same node.
        public var sharedTurns = 0
        /// Peers found unreachable by a leader.
        public var unreachables = 0
        /// All of the last nine together.
        public var faults = 15
        /// The most entries in one append.
        public var entriesPerAppend = 2
        /// Where the search begins.
        public var start = Start.fresh
        /// Whether states that differ only in the names of the nodes count once.
        public var mergesMirrorImages = true

        /// The defaults.
        public init() {}

        /// What is wrong with the bounds; nil if nothing is.
        public var problem: String? {
            guard (1...5).contains(nodes) else { return "nodes must be from 1 to 5" }
            guard (1...12).contains(terms) else { return "terms must be from 1 to 12" }
            guard (0...7).contains(reads) else { return "reads must be from 0 to 7" }
            guard entriesPerAppend > 0 else { return "entries per append must be at least 1" }
            guard entries >= 0, entries + terms <= 16 else { return "terms and entries must be 16 at most" }
            let counts = [
                entries, crashes, duplicates, timeouts, heartbeats, transfers, checkpoints, slowPersists,
                sharedTurns, unreachables, faults, delays, haste ?? 0, shortened,
                partitions,
            ]
            guard counts.allSatisfy({ (0...15).contains($0) }) else { return "counts must be from 0 to 15" }
            return nil
        }
    }

    /// In which order messages arrive, unless they are delayed.
    public enum Order: String, Sendable, CaseIterable {
        /// In any.
        case any
        /// Those from one node to another in the order in which they were sent.
        case link
        /// All in the order in which they were sent.
        case whole
    }

    /// The world that the search begins with.
    public enum Start: String, Sendable, CaseIterable {
        /// No node has ever run.
        case fresh
        /// Node 1 leads in term 1, and its first entry is committed and known to be so everywhere.
        case led
    }
}
