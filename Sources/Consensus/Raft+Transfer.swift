import Primitives

// Handing over leadership (thesis 3.10).

extension Raft {
    /// Begins to hand leadership to `target`, or to the voter that holds most of the log.
    mutating func transferLeadership(to target: NodeID?, at now: Instant, into effects: inout [Effect]) {
        guard let leadership else { return effects.append(.transferEnded(target: target, .notLeader)) }
        if target == id { return effects.append(.transferEnded(target: target, .alreadyLeader)) }
        guard let target = target ?? bestSuccessor, configuration.voters.contains(target) else {
            return effects.append(.transferEnded(target: target, .noSuchVoter))
        }
        if let old = leadership.transfer {
            effects.append(.transferEnded(target: old.target, .superseded))
        }
        // "If leadership transfer does not complete after about an election timeout, the prior leader aborts
        // the transfer and resumes accepting client requests."
        self.leadership?.transfer = Leadership.Transfer(
            target: target, deadline: now + options.electionTimeout.upperBound)
        resumeTransfer(into: &effects)
    }

    /// The voter that holds most of the log; of several, the one heard last; of those, the one with the
    /// lowest number.
    private var bestSuccessor: NodeID? {
        var best: Progress?
        for peer in leadership?.peers ?? [] where configuration.voters.contains(peer.id) {
            guard let leading = best else {
                best = peer
                continue
            }
            if (peer.match, peer.lastContact ?? .zero) > (leading.match, leading.lastContact ?? .zero) {
                best = peer
            }
        }
        return best?.id
    }

    /// `node` holds more than it did: if it is the target, it may be ready.
    mutating func continueTransfer(with node: NodeID, into effects: inout [Effect]) {
        if leadership?.transfer?.target == node { resumeTransfer(into: &effects) }
    }

    /// "The prior leader fully updates the target server's log to match its own […]. The prior leader sends a
    /// TimeoutNow request to the target server." Repeated with the heartbeats, since it may get lost.
    mutating func resumeTransfer(into effects: inout [Effect]) {
        guard let leadership, let target = leadership.transfer?.target,
            let place = leadership.place(of: target), leadership.peers[place].match == log.lastIndex
        else { return }
        send(.timeoutNow, to: target, into: &effects)
    }

    /// Gives up a transfer whose time is over.
    mutating func expireTransfer(at now: Instant, into effects: inout [Effect]) {
        guard let transfer = leadership?.transfer, now >= transfer.deadline else { return }
        leadership?.transfer = nil
        effects.append(.transferEnded(target: transfer.target, .timedOut))
    }

    /// The leader hands over to this node: "the target server starts a new election", without a pre-vote,
    /// since it is meant to replace a living leader.
    mutating func receiveTimeoutNow(from node: NodeID, at now: Instant, into effects: inout [Effect]) {
        guard role == .follower, node == leader, isPromotable else { return }
        startElection(because: .transfer(from: node), isTransfer: true, at: now, into: &effects)
    }
}
