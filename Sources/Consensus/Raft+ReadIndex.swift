import Primitives

// Linearizable reads without entries in the log (thesis 6.4).

extension Raft {
    /// A read has begun here.
    mutating func read(_ token: UInt64, into effects: inout [Effect]) {
        if role == .leader { return addRead(ReadRounds.Request(from: nil, token: token), into: &effects) }
        guard role == .follower, leader != nil, forwardedReads.count < options.maxOpenReads else {
            return effects.append(.readFailed(token: token))
        }
        forwardedReads.add(token)
    }

    /// A follower's reads have begun.
    mutating func receiveReadIndexRequest(_ token: UInt64, from node: NodeID, into effects: inout [Effect]) {
        guard role == .leader else {
            return send(.readIndexResponse(token: token, index: nil), to: node, into: &effects)
        }
        // The question itself shows that its sender had not left this term when it asked, which was after its
        // reads began. Where sender and leader are a quorum, no other leader had been elected by then, and
        // nothing that this leader has not committed was acknowledged: the answer needs no heartbeats.
        let areQuorum = configuration.quorum.isReached { $0 == id || $0 == node }
        if isReady, areQuorum || isPlanted(.answersQuestionAlone) {
            return send(.readIndexResponse(token: token, index: commit), to: node, into: &effects)
        }
        addRead(ReadRounds.Request(from: node, token: token), into: &effects)
    }

    private mutating func addRead(_ request: ReadRounds.Request, into effects: inout [Effect]) {
        guard let count = leadership?.reads.count, count < options.maxOpenReads else {
            return answer(request, nil, into: &effects)
        }
        leadership?.reads.add(request)
    }

    /// At the end of a turn: a leader begins a round for the reads that wait, a follower asks its leader.
    mutating func beginReads(at now: Instant, into effects: inout [Effect]) {
        if let leader,
            let number = forwardedReads.takeGroup(deadline: now + options.electionTimeout.upperBound)
        {
            return send(.readIndexRequest(token: number), to: leader, into: &effects)
        }
        // Thesis 6.4: "If the leader has not yet marked an entry from its current term committed, it waits
        // until it has done so. […] The leader saves its current commit index in a local variable readIndex."
        finishReads(into: &effects)  // A change of members may have made the quorum smaller.
        guard isReady || isPlanted(.readsBeforeNoop), leadership?.reads.canBegin == true else { return }
        leadership?.reads.begin(at: commit)
        // "The leader needs to make sure it hasn't been superseded by a newer leader of which it is unaware.
        // It issues a new round of heartbeats and waits for their acknowledgments from a majority of the
        // cluster."
        sendHeartbeats(into: &effects)
        finishReads(into: &effects)
    }

    /// Answers the reads of the round under way if a quorum has acknowledged it.
    mutating func finishReads(into effects: inout [Effect]) {
        guard isRoundConfirmed, let index = leadership?.reads.index else { return }
        for request in leadership?.reads.takeUnderway() ?? [] { answer(request, index, into: &effects) }
    }

    private var isRoundConfirmed: Bool {
        guard let leadership, leadership.reads.isUnderway else { return false }
        let round = leadership.reads.number - (isPlanted(.oldRoundCounts) ? 1 : 0)
        if isPlanted(.readsWithoutRound) { return true }
        if isPlanted(.oneAnswerConfirmsRound) { return leadership.peers.contains { $0.round >= round } }
        return configuration.quorum.isReached { node in
            if node == id { return true }
            guard let place = leadership.place(of: node) else { return false }
            return leadership.peers[place].round >= round
        }
    }

    private mutating func answer(
        _ request: ReadRounds.Request, _ index: LogIndex?, into effects: inout [Effect]
    ) {
        if let node = request.from {
            send(.readIndexResponse(token: request.token, index: index), to: node, into: &effects)
        } else if let index {
            effects.append(.readReady(token: request.token, index: index))
        } else {
            effects.append(.readFailed(token: request.token))
        }
    }

    /// Takes in the leader's answer. The term is still the one of the question, or the reads would have
    /// failed already.
    mutating func receiveReadIndexResponse(
        _ number: UInt64, _ index: LogIndex?, from node: NodeID, into effects: inout [Effect]
    ) {
        guard role == .follower, node == leader, let tokens = forwardedReads.remove(number) else { return }
        for token in tokens {
            effects.append(index.map { .readReady(token: token, index: $0) } ?? .readFailed(token: token))
        }
    }
}
