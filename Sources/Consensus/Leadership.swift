import Primitives

/// What only a leader has.
struct Leadership: Sendable {
    /// When the node became leader.
    let since: Instant
    /// The index of the no-op that opened the term.
    let termStart: LogIndex
    /// The peers, in ascending order, without the leader itself.
    var peers: [Progress]
    var nextHeartbeat: Instant
    /// Whether something has changed that may move the commit index.
    var mayCommit = true
    var reads = ReadRounds()
    var transfer: Transfer?

    /// The place of `node` among the peers.
    func place(of node: NodeID) -> Int? { peers.firstIndex { $0.id == node } }

    /// A transfer of leadership under way.
    struct Transfer: Sendable {
        let target: NodeID
        let deadline: Instant
    }
}

/// What only a candidate has: the answers to its request.
struct Candidacy: Sendable {
    let isPreVote: Bool
    /// Each voter that has answered, and whether it grants. A list, because it is short.
    private var answers: [(node: NodeID, granted: Bool)] = []

    init(isPreVote: Bool) { self.isPreVote = isPreVote }

    /// Counts an answer; the first one of each node counts.
    mutating func count(_ granted: Bool, from node: NodeID) {
        if !answers.contains(where: { $0.node == node }) { answers.append((node, granted)) }
    }

    /// Whether a quorum has granted.
    func isWon(_ quorum: Quorum) -> Bool { quorum.isReached { answer(of: $0) == true } }

    /// Whether no quorum can grant any more.
    func isLost(_ quorum: Quorum) -> Bool { !quorum.isReached { answer(of: $0) != false } }

    private func answer(of node: NodeID) -> Bool? { answers.first { $0.node == node }?.granted }
}
