import Consensus
import NodeCore
import Primitives
import Replication

extension Mark {
    static let elections: [Mark: String] = [
        .voteDeniedStaleLog: "vote denied: the candidate's log is behind",
        .voteDeniedAlreadyVoted: "vote denied: given to another candidate in this term",
        .voteDeniedLeaderKnown: "vote denied: the term has a leader already",
        .voteRepeated: "vote given again to the same candidate, who has asked twice",
        .voteRequestOfOldTerm: "candidate told that its term is past",
        .voteRequestIgnored:
            "request for a vote in a later term ignored, because a leader was heard just now",
        .voteAgainstLivingLeader: "vote given although a leader was heard just now: it hands over",
        .preVoteDeniedLiveLeader: "pre-vote denied: a leader was heard just now",
        .preVoteDeniedStaleLog: "pre-vote denied: the candidate's log is behind",
        .preVoteDeniedOldTerm: "pre-vote denied: the term it would open is past",
        .preVoteGrantedByLeaderless: "pre-vote granted by a node without a leader",
        .preVoteGrantLate: "grant of a pre-vote came when it was of no use any more",
        .preVoteLost: "pre-candidate gave way",
        .preCandidateHeardLeader: "pre-candidate heard the leader of its term again, and no term was lost",
        .preCandidateBeatenByTerm: "pre-candidate heard of a later term",
        .electionSplit: "candidate without a majority in time",
        .electionLost: "candidate refused by a majority",
        .candidateBeatenByAppend: "candidate heard the leader of its own term",
        .candidateBeatenByTerm: "candidate heard of a later term",
        .candidateDied: "candidate died in the middle of its election",
        .voteOnItsWayAtDeath: "node died while a vote was on its way to the disk",
        .checkQuorumStepDown: "leader stepped down because it heard no quorum",
        .leaderDeposedByTerm: "leader stepped down because of a later term",
        .leaderDeposedByLeader: "leader met the leader of a later term",
        .electionByTimeout: "pre-vote begun because no leader was heard",
        .electionByDisconnect: "pre-vote begun because the leader's connections closed",
        .electionByTransfer: "election begun because the leader hands over",
        .leaderElectedAgain: "leader elected again, in a later term, without having died",
        .leaderElectedAfterRestart: "former leader elected again after a restart",
        .electedWithUncommitted: "leader elected whose log goes on beyond what is committed",
        .electedByBareQuorum: "leader elected by exactly a majority",
        .electedBesideLeader: "leader elected while a former one still thinks it leads",
        .electedBesidePausedLeader: "leader elected while a former one stands still",
        .termsWithoutLeader: "three or more terms without a leader",
        .termSkipped: "node heard of a term more than one beyond its own",
        .allVotedForOne: "leader elected by all voters",
        .termRememberedAfterRestart: "vote given in a former life denied to another candidate",
    ]
}

/// Marks about elections.
final class ElectionMarks: FactListener {
    let facts: FactKinds = [.receivedVote, .sentVote, .client, .elected, .died, .turned, .started]
    private let book: MarkBook
    private var lastLeader: (node: Int, life: Int, term: Term)?
    /// The request for a vote that each node (first number) has last had of another.
    private var asked: [Int: [NodeID: (term: Term, last: LogPosition)]] = [:]
    private var ignored: (node: Int, term: Term)?
    /// The vote and its term with which a node has started.
    private var restartVotes: [Int: (term: Term, vote: NodeID)] = [:]

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .received(let place, let message): received(message, chronicle.nodes[place])
        case .sent(let place, let message): sent(message, chronicle.nodes[place])
        case .client(_, .transition(let transition)): changed(transition)
        case .elected(let place): elected(chronicle.nodes[place], chronicle)
        case .died(let place, _): died(chronicle.nodes[place])
        case .started(let place):
            let node = chronicle.nodes[place]
            asked[place] = nil
            restartVotes[place] = node.now.vote.map { (node.now.term, $0) }
        case .turned(let place):
            let node = chronicle.nodes[place]
            if let open = ignored, open.node == place {
                book.hit(.voteRequestIgnored, if: node.now.term < open.term)
                ignored = nil
            }
            book.hit(.termSkipped, if: node.now.term.rawValue > node.before.term.rawValue + 1)
        default: break
        }
    }

    private func received(_ message: Message, _ node: NodeGhost) {
        switch message.body {
        case .voteRequest(let request):
            asked[node.index, default: [:]][message.from] = (message.term, request.last)
            if !request.isPreVote, !request.isTransfer, message.term > node.now.term {
                ignored = (node.index, message.term)
            }
            let isVoted = node.now.term == message.term && node.now.vote == message.from
            book.hit(.voteRepeated, if: !request.isPreVote && isVoted)
            book.hit(
                .voteAgainstLivingLeader,
                if: request.isTransfer && message.term > node.now.term && node.now.leader != nil)
        case .voteResponse(let response) where response.granted && response.isPreVote:
            book.hit(.preVoteGrantLate, if: node.now.role != .preCandidate)
        default: break
        }
    }

    private func sent(_ message: Message, _ node: NodeGhost) {
        guard case .voteResponse(let response) = message.body else { return }
        let request = asked[node.index]?[message.to]
        if response.isPreVote {
            if response.granted {
                book.hit(.preVoteGrantedByLeaderless, if: node.now.leader == nil)
            } else if let request {
                if request.term <= node.now.term {
                    book.hit(.preVoteDeniedOldTerm)
                } else if !request.last.isAtLeastAsUpToDate(as: node.now.last) {
                    book.hit(.preVoteDeniedStaleLog)
                } else {
                    book.hit(.preVoteDeniedLiveLeader)
                }
            }
        } else if !response.granted, let request {
            if request.term < message.term {
                book.hit(.voteRequestOfOldTerm)
            } else if let vote = node.now.vote, vote != message.to {
                book.hit(.voteDeniedAlreadyVoted)
                if let old = restartVotes[node.index] {
                    book.hit(.termRememberedAfterRestart, if: old.term == message.term && old.vote == vote)
                }
            } else if !request.last.isAtLeastAsUpToDate(as: node.now.last) {
                book.hit(.voteDeniedStaleLog)
            } else {
                book.hit(.voteDeniedLeaderKnown, if: node.now.leader != nil)
            }
        }
    }

    private func changed(_ transition: Transition) {
        switch (transition.reason, transition.from) {
        case (.electionTimeout, _): book.hit(.electionByTimeout)
        case (.leaderDisconnected, _): book.hit(.electionByDisconnect)
        case (.transfer, _): book.hit(.electionByTransfer)
        case (.electionUndecided, .candidate): book.hit(.electionSplit)
        case (.preVoteLost, _): book.hit(.preVoteLost)
        case (.electionLost, _): book.hit(.electionLost)
        case (.quorumLost, _): book.hit(.checkQuorumStepDown)
        case (.laterTerm, .leader): book.hit(.leaderDeposedByTerm)
        case (.laterTerm, .candidate): book.hit(.candidateBeatenByTerm)
        case (.laterTerm, .preCandidate): book.hit(.preCandidateBeatenByTerm)
        case (.leaderFound, .leader): book.hit(.leaderDeposedByLeader)
        case (.leaderFound, .candidate): book.hit(.candidateBeatenByAppend)
        case (.leaderFound, .preCandidate): book.hit(.preCandidateHeardLeader)
        default: break
        }
    }

    private func elected(_ node: NodeGhost, _ chronicle: Chronicle) {
        if let last = lastLeader {
            book.hit(.leaderElectedAgain, if: last.node == node.index && last.life == node.life)
            book.hit(.leaderElectedAfterRestart, if: last.node == node.index && last.life != node.life)
            book.hit(.termsWithoutLeader, if: node.now.term.rawValue > last.term.rawValue + 3)
        }
        lastLeader = (node.index, node.life, node.now.term)
        book.hit(.electedWithUncommitted, if: node.memory.lastIndex > chronicle.ledger.lastIndex.next)
        let votes = chronicle.nodes.count { $0.disk.votes[node.now.term] == node.id }
        book.hit(.electedByBareQuorum, if: votes == Quorum.majority(of: chronicle.nodes.count))
        book.hit(.allVotedForOne, if: votes == chronicle.nodes.count)
        for other in chronicle.nodes where other.isAlive && other.index != node.index {
            guard other.now.role == .leader else { continue }
            book.hit(other.isPaused ? .electedBesidePausedLeader : .electedBesideLeader)
        }
    }

    private func died(_ node: NodeGhost) {
        book.hit(.candidateDied, if: node.now.role == .candidate)
        let isVoting = node.pending.contains { $0.hardState.map { $0.vote != nil } ?? false }
        book.hit(.voteOnItsWayAtDeath, if: isVoting && node.now.term > node.disk.term)
    }
}
