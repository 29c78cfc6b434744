import Consensus
import Primitives

extension SmallScope {
    /// What must hold, as a list of checks in plain words and code. Three kinds: of a message as it leaves a
    /// node, of a step of one node, and of a world. What a step means for the world's memory is judged where
    /// it is remembered, in `Ledger.swift`.
    enum Invariants {
        /// A check of a message that leaves `member`, whose disk is as it was at that moment.
        struct OfMessage: Sendable {
            let name: String
            let words: String
            let breach: @Sendable (Message, Member) -> String?
        }

        /// A check of a step, with the node before and after it.
        struct OfStep: Sendable {
            let name: String
            let words: String
            let breach: @Sendable (Turn) -> String?
        }

        /// A check of a world in which one node has just changed; the others were checked before. In the
        /// middle of a turn a node's owner has not been told everything, so its log is looked at when the
        /// turn ends.
        struct OfWorld: Sendable {
            let name: String
            let words: String
            let breach: @Sendable (_ nodes: [Summary], _ changed: Int, _ ghost: Ghost) -> String?
        }

        static let ofMessages = [
            termBeforeMessage, voteBeforeAnswer, entriesBeforeAnswer, noVoteAgainstOneself,
        ]
        static let ofSteps = [
            monotony, logShape, voteForTheUpToDate, preVoteChangesNothing, leaderAppendsOnly,
            committedStays, ownTermCommits, progressGrows,
        ]
        static let ofWorlds = [
            logMatching, ledgerAgreement, leaderCompleteness, durableOnQuorum, matchIsDurable,
            electedByQuorum,
        ]

        static func breach(saying message: Message, _ member: Member) -> Breach? {
            for check in ofMessages {
                if let text = check.breach(message, member) {
                    return Breach(invariant: check.name, text: text)
                }
            }
            return nil
        }

        static func breach(by turn: Turn) -> Breach? {
            for check in ofSteps {
                if let text = check.breach(turn) { return Breach(invariant: check.name, text: text) }
            }
            return nil
        }

        static func breach(in nodes: [Summary], changed: Int, _ ghost: Ghost) -> Breach? {
            for check in ofWorlds {
                if let text = check.breach(nodes, changed, ghost) {
                    return Breach(invariant: check.name, text: text)
                }
            }
            return nil
        }
    }
}

extension SmallScope {
    /// The names of all invariants and what they say.
    public static var invariants: [(name: String, words: String)] {
        Invariants.ofMessages.map { ($0.name, $0.words) } + Invariants.ofSteps.map { ($0.name, $0.words) }
            + Invariants.ofWorlds.map { ($0.name, $0.words) } + Ghost.invariants
    }
}
