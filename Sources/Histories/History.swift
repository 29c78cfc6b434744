public import Primitives

/// What clients asked of a store and what they were answered.
///
/// All keys are absent at the beginning.
public struct History: Sendable, Equatable {
    /// The operations in the order of their invocation; no two have the same id.
    public private(set) var operations: [HistoryOperation]
    /// Whether nobody but these clients changed the store, so that each revision is one of theirs.
    public var isExclusive: Bool
    /// The store's revision before the first operation.
    public var startRevision: Revision

    /// Makes a history; the operations may come in any order. Stops the process if an id occurs twice.
    public init(
        _ operations: [HistoryOperation], isExclusive: Bool = false, startRevision: Revision = Revision(1)
    ) {
        self.operations = operations.sorted { ($0.invoked, $0.id) < ($1.invoked, $1.id) }
        self.isExclusive = isExclusive
        self.startRevision = startRevision
        precondition(Set(operations.map(\.id)).count == operations.count, "an operation's id occurs twice")
    }

    /// The same history with other operations.
    func with(_ operations: [HistoryOperation]) -> History {
        History(operations, isExclusive: isExclusive, startRevision: startRevision)
    }
}

/// One operation of one client.
public struct HistoryOperation: Sendable, Equatable {
    /// A number that no other operation of the history has.
    public var id: Int
    /// The client. It has one operation under way at a time, but for those whose outcome it does not know.
    public var client: Int
    /// The node that was asked, if that is of interest.
    public var node: String?
    /// What was asked.
    public var action: Action
    /// When the request was sent, in nanoseconds from an origin that all operations share.
    public var invoked: Int64
    /// When the answer was there; with an unknown outcome when the client gave up, nil if it never did.
    public var returned: Int64?
    /// What came of it.
    public var outcome: Outcome

    /// Makes an operation.
    public init(
        id: Int, client: Int, node: String? = nil, action: Action, invoked: Int64, returned: Int64?,
        outcome: Outcome
    ) {
        self.id = id
        self.client = client
        self.node = node
        self.action = action
        self.invoked = invoked
        self.returned = returned
        self.outcome = outcome
    }

    /// What came of an operation.
    public enum Outcome: Sendable, Equatable {
        /// The store answered. `at` is the store's revision that the answer reflects if that is known
        /// exactly; a write that changed something tells it in the answer itself.
        case ok(Answer, at: Revision? = nil)
        /// It was certainly not applied and never will be; the label `applied: no` of an error.
        case failed(String)
        /// It may be applied at any later time, or never.
        case unknown(String)
    }
}
