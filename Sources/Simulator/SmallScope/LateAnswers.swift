import Consensus
import Primitives

// Answers that can't make a difference any more are taken out of flight, since otherwise every state would
// come in many forms that behave the same.

extension SmallScope {
    /// What decides whether a message in flight still matters.
    struct Header {
        enum Kind: UInt8 { case other, vote, preVoteGrant, report, preVoteRefusal, readAnswer }

        let kind: Kind
        let term: Int
        let isVoteRequest: Bool
        let hasEntries: Bool

        init(_ message: Message) {
            term = Int(message.term.rawValue)
            var isVoteRequest = false
            var hasEntries = false
            switch message.body {
            case .voteResponse(let response) where !response.isPreVote: kind = .vote
            case .voteResponse(let response): kind = response.granted ? .preVoteGrant : .preVoteRefusal
            case .appendResponse, .heartbeatResponse: kind = .report
            case .readIndexResponse: kind = .readAnswer
            case .voteRequest(let request):
                isVoteRequest = !request.isTransfer
                kind = .other
            case .append(let append):
                hasEntries = !append.entries.isEmpty
                kind = .other
            default: kind = .other
            }
            self.isVoteRequest = isVoteRequest
            self.hasEntries = hasEntries
        }

        /// Whether the message can never matter again to its receiver, whatever happens to it: its term, or
        /// what it answers, is over there durably, so not even a crash brings it back.
        func isOver(for node: Summary) -> Bool {
            switch kind {
            case .other: false
            case .preVoteRefusal, .readAnswer: term < node.durableTerm
            case .preVoteGrant: term <= node.durableTerm
            case .vote, .report:
                // A candidate of the term still counts votes; a leader of the term, reports.
                term < node.durableTerm
                    || (term == node.durableTerm && term == node.term && !mayCount(node.role))
            }
        }

        private func mayCount(_ role: Role) -> Bool {
            kind == .vote ? role == .candidate : role == .leader || role == .candidate
        }
    }
}
