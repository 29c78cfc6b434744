// Raft as local states, steps and messages. `Raft.enter` makes sure that it takes no step that is not here.

public import Primitives

/// What a node is doing in its term (thesis, figure 3.3, with the pre-vote of 9.6).
public enum Role: String, Sendable, CustomStringConvertible, SpecifiedState {
    /// Follows a leader, or waits for one.
    case follower
    /// Asks whether an election could succeed, without a change of term.
    case preCandidate
    /// Stands for election.
    case candidate
    /// Leads.
    case leader

    /// The role's name.
    public var description: String { rawValue }

    /// What it means to be in it.
    public var meaning: String {
        switch self {
        case .follower: "follows a leader, or waits for one"
        case .preCandidate: "asks whether an election could succeed, without a change of term"
        case .candidate: "stands for election in a new term"
        case .leader: "leads: it alone adds to the log"
        }
    }

    /// Every node begins as a follower.
    public static var initial: Role { .follower }
}

extension Transition {
    /// Why a node changes, whoever brings it about: ``Reason`` tells that too.
    public enum Cause: String, SpecifiedCause {
        case electionTimeout = "election_timeout"
        case electionUndecided = "election_undecided"
        case leaderDisconnected = "leader_disconnected"
        case preVoteWon = "pre_vote_won"
        case preVoteLost = "pre_vote_lost"
        case electionWon = "election_won"
        case electionLost = "election_lost"
        case laterTerm = "later_term"
        case leaderFound = "leader_found"
        case quorumLost = "quorum_lost"
        case transfer
        case removed

        /// What has to be so.
        public var condition: String {
            switch self {
            case .electionTimeout: "a voter heard no leader for an election timeout"
            case .electionUndecided: "neither won nor lost within the time for a campaign"
            case .leaderDisconnected: "the leader's connections closed, and it has not been heard since"
            case .preVoteWon: "a quorum would grant its votes"
            case .preVoteLost: "a quorum would not grant its votes, or another candidate goes first"
            case .electionWon: "a quorum granted its votes, its own durable"
            case .electionLost: "a quorum refused its votes"
            case .laterTerm: "a message came with a later term"
            case .leaderFound: "the leader of this term, or of a later one, showed itself"
            case .quorumLost: "no quorum was heard for an election timeout"
            case .transfer: "the leader handed leadership over to this node"
            case .removed: "a committed configuration has this node as no voter"
            }
        }

        /// From which roles to which it leads.
        public var steps: [SpecifiedStep<Role>] {
            switch self {
            case .electionTimeout, .leaderDisconnected: [.init(.follower, .preCandidate)]
            case .electionUndecided: [.init(.candidate, .preCandidate)]
            case .preVoteWon: [.init(.preCandidate, .candidate)]
            case .preVoteLost: [.init(.preCandidate, .follower)]
            case .electionWon: [.init(.candidate, .leader)]
            case .electionLost: [.init(.candidate, .follower)]
            case .laterTerm, .leaderFound: Self.steps(from: Role.allCases, to: .follower)
            case .quorumLost, .removed: [.init(.leader, .follower)]
            case .transfer: [.init(.follower, .candidate)]
            }
        }
    }
}

extension Message {
    /// What sort of message it is.
    public enum Kind: String, SpecifiedMessage {
        case append
        case appendResponse = "append_response"
        case heartbeat
        case heartbeatResponse = "heartbeat_response"
        case preVoteRequest = "pre_vote_request"
        case preVoteResponse = "pre_vote_response"
        case voteRequest = "vote_request"
        case voteResponse = "vote_response"
        case installSnapshot = "install_snapshot"
        case timeoutNow = "timeout_now"
        case readIndexRequest = "read_index_request"
        case readIndexResponse = "read_index_response"

        /// What it says.
        public var meaning: String {
            switch self {
            case .append: "a leader's entries, and its commit index"
            case .appendResponse: "up to where the follower holds the leader's log, durably"
            case .heartbeat: "a leader lives, and asks whether it still leads"
            case .heartbeatResponse: "the follower hears this leader"
            case .preVoteRequest: "would you vote for me in the next term?"
            case .preVoteResponse: "whether it would"
            case .voteRequest: "vote for me in this term"
            case .voteResponse: "whether it does"
            case .installSnapshot: "the entries that you need are gone: fetch this checkpoint"
            case .timeoutNow: "start an election at once: I hand over to you"
            case .readIndexRequest: "up to where must I have applied to answer a read?"
            case .readIndexResponse: "up to there, or: I don't lead"
            }
        }
    }
}

extension Message.Body {
    /// What sort of message it is.
    public var kind: Message.Kind {
        switch self {
        case .append: .append
        case .appendResponse: .appendResponse
        case .heartbeat: .heartbeat
        case .heartbeatResponse: .heartbeatResponse
        case .voteRequest(let request): request.isPreVote ? .preVoteRequest : .voteRequest
        case .voteResponse(let response): response.isPreVote ? .preVoteResponse : .voteResponse
        case .installSnapshot: .installSnapshot
        case .timeoutNow: .timeoutNow
        case .readIndexRequest: .readIndexRequest
        case .readIndexResponse: .readIndexResponse
        }
    }
}

extension AlgorithmSpecification {
    /// The consensus log.
    public static let raft = AlgorithmSpecification(
        "raft", title: "Raft: one log on many nodes", purpose: .consensus, subject: "each node",
        source: "Ongaro, Consensus: Bridging Theory and Practice, 2014 (chapters 3, 6.4, 9.6, 3.10)",
        causes: Transition.Cause.self, messages: Message.Kind.self)
}
