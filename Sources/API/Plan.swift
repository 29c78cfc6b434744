// What a request turned out to ask for. A plan holds everything that is needed to carry the request out and
// to word the answer; the request itself is not needed again.

public import Clocks
public import HTTP
public import Primitives
public import Store

/// What to do about a request.
public enum Plan: Sendable {
    /// Nothing: here is the answer. The owner passes it through ``NativeAPI/complete(_:context:)`` and sends
    /// it.
    case answer(HTTP.Response)
    /// Have a command committed and applied, then render its outcome.
    case write(WritePlan)
    /// Have several commands committed one after another, then render all outcomes.
    case importLines(ImportPlan)
    /// Make sure of the consistency asked for, then render from the keyspace.
    case read(ReadPlan)
    /// Gather what this node knows, then render it.
    case local(LocalPlan)
    /// Move leadership.
    case transfer(TransferPlan)
    /// Deliver a message to other nodes' inboxes.
    case message(MessagePlan)
    /// Tell what became of a message.
    case messageRecord(RequestID, RequestTraits)
    /// Publish events, look at them, or follow them.
    case events(EventPlan)
    /// Tell of the steps that algorithms take.
    case transitions(TransitionPlan)
    /// Say something to all nodes over links.
    case broadcast(BroadcastPlan)
    /// Set or end faults, or list them.
    case fault(FaultPlan)
}

/// How the client wants its answer worded, and where the request came from.
public struct RequestTraits: Sendable, Equatable {
    /// Presentation wishes that are either present or not.
    public struct Flags: OptionSet, Sendable {
        /// The bits.
        public let rawValue: UInt8
        /// Makes the set with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The method is HEAD: the answer's body is not sent.
        public static let isHead = Flags(rawValue: 1)
        /// `Accept: text/plain`: problems come as one line.
        public static let wantsText = Flags(rawValue: 2)
        /// `?pretty`: JSON is indented.
        public static let pretty = Flags(rawValue: 4)
        /// `Prefer: return=minimal`: no body after a write.
        public static let minimal = Flags(rawValue: 8)
        /// `?explain`: leader, term and timings are added.
        public static let explain = Flags(rawValue: 16)
        /// `Accept: application/x-ndjson`: lists come as lines.
        public static let lines = Flags(rawValue: 32)
    }

    /// The presentation wishes.
    public var flags: Flags
    /// The origin to be named in `Access-Control-Allow-Origin`, if the request came from an allowed one.
    public var allowedOrigin: String?

    /// Traits of a request that asks for nothing special.
    public init(flags: Flags = [], allowedOrigin: String? = nil) {
        self.flags = flags
        self.allowedOrigin = allowedOrigin
    }
}

/// What a node does with a write while another one leads.
public enum Routing: Sendable, Equatable {
    /// Pass it on to the leader and relay the outcome.
    case forward
    /// Answer 307 with the leader's URL (``NativeAPI/redirect(to:target:traits:context:)``).
    case redirect
    /// Answer 421 `not_leader`.
    case never
}

/// A write of one command.
public struct WritePlan: Sendable {
    /// What is to be changed.
    public enum Change: Sendable {
        /// This operation.
        case operation(Store.Operation)
        /// Dropping history but the newest so many revisions.
        case compactKeeping(UInt64)
    }

    /// How the outcome is told.
    enum Form: Sendable {
        case put(key: [UInt8])
        case delete(key: [UInt8])
        case deleteRange
        case increment
        case compact
        case transaction(Transaction)
        case lease
        case compaction
        case request([UInt8])
        case queue(QueueForm)
        case barrier(String)
        case claim(ClaimName)
        case announcement
        case task(TaskForm)
        case participant
        /// With the names that the client called the recipients by.
        case message(MessagePlan, [String])
    }

    /// How the client said its condition.
    enum Condition: String, Sendable {
        case ifMatch = "If-Match"
        case ifNoneMatch = "If-None-Match"
        case ifRevision = "if_rev"
        case ifAbsent = "if_absent"
    }

    /// What is to be changed.
    public var change: Change
    /// How long the client waits for the outcome.
    public var timeout: Instant.Span
    /// What to do if another node leads.
    public var routing: Routing
    /// The wording of the answer.
    public var traits: RequestTraits
    /// The request's path and query, for the location of a redirect.
    public var target: [UInt8]
    let form: Form
    /// Where the condition came from, for the detail of a 412.
    let condition: Condition?
    /// Whether what it gives is to be kept for as long as the client stays connected, and how.
    public var hold: HoldPlan?
    /// By what the request is recognised if it comes again.
    public let once: OnceKey?
    /// The tokens that have to be current.
    let fences: [Fence]

    /// The operation to commit, given the revision that this node has applied.
    public func operation(at revision: Revision) -> Store.Operation {
        let operation = unfenced(at: revision)
        return fences.isEmpty ? operation : .fenced(fences, operation)
    }

    private func unfenced(at revision: Revision) -> Store.Operation {
        switch change {
        case .operation(let operation): return operation
        case .compactKeeping(let count):
            let target = revision.rawValue > count ? revision.rawValue - count : 0
            return .compact(Revision(target))
        }
    }
}

/// An import of many keys: commands to be committed in the order given.
public struct ImportPlan: Sendable {
    /// Some lines that are applied together, as one command.
    public struct Batch: Sendable {
        /// The operation to commit.
        public let operation: Store.Operation
        /// The number of each line in the body, from 1, in the order of the operation's puts.
        public let lines: [Int]
    }

    /// A line that was not understood, and why.
    struct BadLine: Sendable {
        let line: Int
        let code: ProblemCode
        let detail: String
    }

    /// The commands.
    public let batches: [Batch]
    /// How long the client waits for all outcomes together.
    public let timeout: Instant.Span
    /// What to do if another node leads.
    public let routing: Routing
    /// The wording of the answer.
    public let traits: RequestTraits
    /// The request's path and query, for the location of a redirect.
    public let target: [UInt8]
    let badLines: [BadLine]
    /// By what the request is recognised if it comes again: the commands have parts of it.
    public let once: OnceKey?
}

/// How one command of an import ended.
public enum BatchOutcome: Sendable {
    /// It was applied (or refused) by the store.
    case outcome(Store.Outcome)
    /// It did not get there, or nobody knows.
    case failed(ProblemCode)
}

/// How fresh an answer must be.
public struct Freshness: Sendable, Equatable {
    /// The guarantee asked for.
    public enum Level: Sendable, Equatable {
        /// The answer shows every write that was completed before the request began.
        case linearizable
        /// The answer shows some state of the past, no older than the lag if there is one.
        case stale(maxLag: Instant.Span?, orLinearizable: Bool)
    }

    /// The guarantee.
    public var level: Level
    /// Wait until the node has applied at least this revision.
    public var minRevision: Revision?
    /// How long to wait for all that.
    public var timeout: Instant.Span

    /// Makes a demand.
    public init(level: Level, minRevision: Revision? = nil, timeout: Instant.Span) {
        self.level = level
        self.minRevision = minRevision
        self.timeout = timeout
    }
}

/// A read of the keyspace.
public struct ReadPlan: Sendable {
    /// What is read.
    public enum Target: Sendable {
        /// One key.
        case key(KeyQuery)
        /// The versions of one key.
        case history(HistoryQuery)
        /// Many keys.
        case range(RangeQuery)
        /// What a transaction would do and return now.
        case transaction(Transaction)
        /// What changes from a revision on.
        case watch(WatchQuery)
        /// Leases.
        case leases(LeaseQuery)
        /// What is different between two revisions.
        case difference(DifferenceQuery)
        /// How much history is kept.
        case compaction
        /// Locks, elections or semaphores.
        case claims(ClaimQuery)
        /// How a lock or an election stands, now and whenever that has changed.
        case claimWatch(ClaimWatch)
        /// What became of a request, which the client called so.
        case request(RequestName, shown: [UInt8])
        /// Queues, or the next messages of one.
        case queues(QueueQuery)
        /// Barriers.
        case barriers(BarrierQuery)
        /// Tasks, or workers.
        case tasks(TaskQuery)
        /// Client processes with a name.
        case participants(ParticipantQuery)

        /// Whether the answer tells how much time is left of something.
        public var showsTimers: Bool {
            switch self {
            case .leases, .claims: true
            case .key, .history, .range, .transaction, .request, .queues, .barriers, .tasks, .participants,
                .watch, .claimWatch, .difference, .compaction:
                false
            }
        }
    }

    /// What is read.
    public var target: Target
    /// How fresh it must be.
    public var freshness: Freshness
    /// For how long the answer may be held back until something changes; nil: not at all.
    public var wait: Instant.Span?
    /// The wording of the answer.
    public var traits: RequestTraits
    /// The instant to read at, instead of a revision.
    var at: WallTime?
}

/// One key and how it is to be shown.
public struct KeyQuery: Sendable {
    /// The key.
    public let key: [UInt8]
    /// The revision to read at; nil: now.
    public var revision: Revision?
    /// Whether JSON with the key's revisions is wanted instead of the value.
    var meta = false
    /// Unchanged means: not modified after this revision.
    var after: Revision?
    /// Unchanged means: at one of these tags.
    var ifNoneMatch: EntityTags?
    /// 412 unless at one of these tags.
    var ifMatch: EntityTags?
}

/// The versions of one key, oldest first.
public struct HistoryQuery: Sendable {
    /// The key.
    public let key: [UInt8]
    let limit: Int
    /// Only versions after this revision.
    let after: Revision?
    /// Only versions up to this revision; nil: all.
    var last: Revision?
    /// The request's query without the cursor, for the link to the next page.
    let link: PageLink
}

/// Many keys and how they are to be shown.
public struct RangeQuery: Sendable {
    /// What the list is ordered by.
    public enum Sort: String, Sendable { case key, revision, create, version, value }
    /// What is shown of each key.
    enum Content: Sendable { case items, keys, count }

    /// The keys.
    public let range: KeyRange
    /// The revision to read at; nil: now.
    public var revision: Revision?
    var content = Content.items
    /// Keys that go on after the prefix with this are shown as one.
    var delimiter: [UInt8]?
    /// How many entries a page has; nil: no limit, for lines only.
    var limit: Int?
    var sort = Sort.key
    var descending = false
    /// Only keys modified after this revision.
    var since: Revision?
    /// Unchanged means: no key of the range was modified after this revision.
    var after: Revision?
    var position: CursorPosition?
    /// The length of the prefix that the client gave: a delimiter is looked for after it.
    var prefixCount = 0
    let link: PageLink
}

/// A question about this node and what it knows of the cluster.
public struct LocalPlan: Sendable {
    /// What is asked.
    public enum View: Sendable, Equatable {
        /// This node as a process.
        case state
        /// The node's clocks; some questions move them.
        case clock(ClockQuestion)
        /// Who is there, in the node's opinion, and what it told and was told.
        case gossip
        /// What the node makes of each of the others.
        case detector
        /// The cluster as a whole.
        case cluster
        /// All members.
        case members
        /// One member.
        case member(String)
        /// Who leads. With HEAD: whether this node does.
        case leader
        /// The whole of Raft's state.
        case raft
        /// Entries of the log from an index on.
        case raftLog(from: LogIndex?, limit: Int)
        /// The newest changes of role; with `wait`, held back until there is another one.
        case transitions(limit: Int, wait: Instant.Span?)
        /// One of the probes.
        case probe(ProbeQuery)
        /// The summary in etcd's shape, or in full.
        case health(full: Bool)
        /// The metrics, in the OpenMetrics form or the older one.
        case metrics(openMetrics: Bool)
        /// Messages that arrived for a participant.
        case inbox(InboxQuery)
        /// Takes messages out of an inbox.
        case acknowledge(participant: String, id: String, andAllBefore: Bool)
        /// What a participant shows of itself.
        case participantState(String)
        /// From now on a participant shows this, which is JSON.
        case showState(String, [UInt8])
    }

    /// What is asked.
    public var view: View
    /// How fresh this node's knowledge must be. Stale unless asked otherwise, so that a node without a quorum
    /// can still be looked at.
    public var freshness: Freshness
    /// The wording of the answer.
    public var traits: RequestTraits
    /// The request's path and query, for the location of a redirect.
    public var target: [UInt8]
}

/// A question about clocks.
public enum ClockQuestion: Sendable, Equatable {
    /// What they show.
    case read
    /// What the machine's clock shows, and between which times true time is.
    case now(uncertainty: Bool)
    /// How far the clocks of the nodes are from each other.
    case skew
    /// What they show after an event of the caller's own.
    case tick
    /// What they show after a message with this stamp was received.
    case observe(Stamp)
}

/// A probe's question.
public struct ProbeQuery: Sendable, Equatable {
    /// Which probe.
    public enum Kind: String, Sendable { case livez, readyz, startupz }
    /// Which probe.
    public let kind: Kind
    /// The only check that is asked for.
    public var check: String?
    /// Whether every check gets a line.
    public var isVerbose = false
    /// Checks that do not count.
    public var excluded: [String] = []
}

/// A look into an inbox.
public struct InboxQuery: Sendable, Equatable {
    /// Whose inbox.
    public let participant: String
    /// How long to wait for a first message; nil: not at all.
    public var wait: Instant.Span?
    /// How many messages at most.
    public var max: Int
    /// Only messages of this channel.
    public var channel: String?
    /// Whether what is shown is also taken out.
    public var takes: Bool
}

/// A change of leader.
public struct TransferPlan: Sendable {
    /// The name of the member to lead next; nil: the most up-to-date one.
    public let to: String?
    /// How long to wait until the new leader has committed.
    public let wait: Instant.Span
    /// What to do if another node leads.
    public let routing: Routing
    /// The wording of the answer.
    public let traits: RequestTraits
    /// The request's path and query, for the location of a redirect.
    public let target: [UInt8]
}

/// A message to other nodes.
public struct MessagePlan: Sendable {
    /// Who gets it.
    public enum Recipients: Sendable, Equatable {
        /// Every node but the sender.
        case all
        /// These.
        case named([String])
    }

    /// Who gets it.
    public let to: Recipients
    /// A name that keeps streams of messages apart.
    public let channel: String
    /// What is said.
    public let body: [UInt8]
    /// Who says it: the node's name unless the client gave another.
    public let from: String
    /// What is promised.
    public let delivery: MessageDelivery
    /// In what order it comes.
    public let ordering: MessageOrdering
    /// For how long it is sent, until it is known to have come.
    public let ttl: Instant.Span
    /// For how long the sender waits until it is known what became of it; nil: not at all.
    public let wait: Instant.Span?
    /// The wording of the answer.
    public let traits: RequestTraits
}

extension WritePlan {
    /// The logged message that it sends, nil if it does something else.
    public var message: MessagePlan? {
        guard case .message(let message, _) = form else { return nil }
        return message
    }
}
