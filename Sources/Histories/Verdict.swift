/// What a checker says of a history.
public enum Verdict: Sendable, Equatable {
    /// There is an order that explains every answer.
    case linearizable
    /// There is none.
    case violation(Counterexample)
    /// The checker cannot tell.
    case undecided(Doubt)

    /// Whether it is a violation.
    public var isViolation: Bool { if case .violation = self { true } else { false } }
    /// What was found against the history, if it is a violation.
    public var counterexample: Counterexample? {
        if case .violation(let example) = self { example } else { nil }
    }
}

/// Why a checker cannot tell.
public enum Doubt: Sendable, Equatable, CustomStringConvertible {
    /// The search took too many steps.
    case budget(String)
    /// Some write does not tell its revision.
    case noRevisions(String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .budget(let text), .noRevisions(let text): text
        }
    }
}

/// Evidence against a history, as short as it could be made.
public struct Counterexample: Sendable, Equatable {
    /// What is wrong.
    public enum Kind: String, Sendable {
        /// An answer that no order of the operations explains.
        case answer
        /// The revisions contradict the order in time.
        case order
        /// Two writes have one revision.
        case duplicateRevision = "duplicate revision"
        /// A revision that none of the operations can have made.
        case gap
        /// An answer whose form is wrong.
        case malformedAnswer = "malformed answer"
        /// A write that was labelled as not applied, and was.
        case label
    }

    /// What is wrong.
    public var kind: Kind
    /// One sentence for a person.
    public var reason: String
    /// The id of the operation whose answer or label cannot be, if there is one.
    public var culprit: Int?
    /// The shortest sub-history found that is wrong by itself, in the order of invocation.
    public var operations: [HistoryOperation]
    /// Whether none of these operations can be left out. If not, the limit of the work on the evidence was
    /// reached.
    public var isMinimal = true
    /// What the culprit could have answered instead.
    public var alternatives: [String]
    /// How many operations were looked at.
    public var considered: Int
}

/// What both checkers say of a history.
public struct Judgement: Sendable, Equatable {
    /// How the two verdicts fit together.
    public enum Agreement: Sendable, Equatable {
        /// They are the same.
        case agreed
        /// Only one of them could tell.
        case oneUndecided
        /// The values have an explanation, but not in the order that the revisions tell: the store is wrong
        /// about its revisions, or spread the changes of one operation over several.
        case revisionsAlone
        /// The search convicts what the replay has explained: one of the checkers is wrong.
        case contradiction
    }

    /// The replay in the order of revisions.
    public var revisions: Verdict
    /// The search that does not believe revisions.
    public var search: Verdict
    /// How they fit together.
    public var agreement: Agreement

    /// What is said of a history by looking at all there is at once, if some write does not tell its
    /// revision, so that the replay could not tell, and the search found nothing wrong.
    public internal(set) var remainder: Verdict?

    /// What the pair says. A violation if either found one. Linearizable if one order of all operations on
    /// all keys was found that explains every answer, every revision and every read of the past. Undecided
    /// only if the budget ended before.
    public var verdict: Verdict {
        if revisions.isViolation { return revisions }
        if search.isViolation { return search }
        return remainder ?? revisions
    }
}
