/// Writes a history down while it happens.
///
/// Every event gets a time later than the one before, if need be by nanoseconds, so that the order in which
/// the recorder was told of them is the order that the history has. Several threads share one under a lock,
/// and tell it of an invocation before the request leaves and of a return after the answer came.
public struct HistoryRecorder: Sendable {
    /// The number of operations so far.
    public var count: Int { operations.count }

    private var operations: [HistoryOperation] = []
    private var last: Int64 = .min
    private let isExclusive: Bool

    /// Starts an empty history; see ``History/isExclusive``.
    public init(isExclusive: Bool) { self.isExclusive = isExclusive }

    /// Notes that a client sends a request, and answers the operation's id.
    public mutating func invoke(
        _ action: HistoryOperation.Action, client: Int, node: String? = nil, at time: Int64
    ) -> Int {
        let id = operations.count
        operations.append(
            HistoryOperation(
                id: id, client: client, node: node, action: action, invoked: tick(time), returned: nil,
                outcome: .unknown("")))
        return id
    }

    /// Notes what came of an operation.
    public mutating func finish(_ id: Int, _ outcome: HistoryOperation.Outcome, at time: Int64) {
        operations[id].returned = tick(time)
        operations[id].outcome = outcome
    }

    /// Notes another node than the one that was to be asked first.
    public mutating func note(node: String, of id: Int) { operations[id].node = node }

    /// What was written down. Operations that have not returned are of unknown outcome.
    public var history: History { History(operations, isExclusive: isExclusive) }

    private mutating func tick(_ time: Int64) -> Int64 {
        last = max(time, last == .min ? .min : last + 1)
        return last
    }
}
