/// What the search looks at together.
public enum SearchScope: Sendable {
    /// Each key by itself (P-compositionality). What concerns several keys is judged as if it had been done
    /// key by key, so that it is not noticed if an operation took effect in part.
    case keys
    /// Keys that an operation names together are searched together. Dearer by far.
    case whole
}

/// How many steps a search may take for each key unless told otherwise: some seconds.
public let defaultSearchBudget = 3_000_000

/// How many operations may be looked at to make evidence short unless told otherwise, summed over all smaller
/// histories that are tried: some seconds. What is left then is evidence, too, but perhaps not the shortest.
public let defaultShortening = 1_000_000

/// Replays a history in the order of its revisions, in time n log n.
///
/// It checks that no revision was given twice; that the revisions agree with the order in time; that every
/// answer, also a stale one, is what a store would have said at its revision; and, if the history is
/// exclusive, that no revision is left over. A write of unknown outcome may stand at any revision that is
/// free and higher than those told before it was invoked, or at none. A write labelled as not applied may
/// not.
///
/// Every write that changed something must tell its revision, otherwise the replay is undecided. If all do,
/// and the budget suffices, the verdict is exact. Without writes of unknown outcome there is nothing to
/// search for. `shortening` bounds the work on the evidence; 0 leaves it as it was found.
public func checkRevisions(
    _ history: History, budget: Int = defaultSearchBudget, shortening: Int = defaultShortening
) -> Verdict {
    RevisionReplay(history, budget: budget).verdict(shortening: shortening)
}

/// Searches for an order that explains every answer, without believing that revisions are in order: they are
/// opaque names of versions, as entity tags are. Reads of the past are not looked at.
///
/// An operation of unknown outcome may take effect at any time after its invocation, or never. The budget
/// counts steps, not time, so that a verdict is the same on every machine; so does `shortening`, which bounds
/// the work on the evidence, and leaves it as it was found if 0.
public func checkLinearizability(
    _ history: History, scope: SearchScope = .keys, budget: Int = defaultSearchBudget,
    shortening: Int = defaultShortening
) -> Verdict {
    BlackBox(history, scope: scope, budget: budget).verdict(shortening: shortening)
}

/// Asks both checkers and says how their verdicts fit together, and what the pair says.
///
/// The pair decides whether a store can have given these answers at these times with these revisions; see
/// ``Judgement/verdict``.
public func judge(
    _ history: History, scope: SearchScope = .keys, budget: Int = defaultSearchBudget,
    shortening: Int = defaultShortening
) -> Judgement {
    let revisions = checkRevisions(history, budget: budget, shortening: shortening)
    let search = checkLinearizability(history, scope: scope, budget: budget, shortening: shortening)
    let agreement: Judgement.Agreement =
        switch (revisions, search) {
        case (.linearizable, .linearizable), (.violation, .violation), (.undecided, .undecided): .agreed
        case (.undecided, _), (_, .undecided): .oneUndecided
        case (.violation, .linearizable): .revisionsAlone
        case (.linearizable, .violation): .contradiction
        }
    var judgement = Judgement(revisions: revisions, search: search, agreement: agreement)
    guard case .undecided(.noRevisions) = revisions, !search.isViolation else { return judgement }
    // Without revisions and reads of the past the search of the whole knows all there is.
    let isPlain = history.operations.allSatisfy { operation in
        if case .transaction = operation.action { return false }
        return !operation.tellsRevisions
            && !(operation.isAnswered && operation.action.freshness != .linearizable)
    }
    if !isPlain {
        judgement.remainder = RevisionReplay.remainder(of: history, budget: budget, shortening: shortening)
    } else if scope == .keys {
        judgement.remainder = checkLinearizability(
            history, scope: .whole, budget: budget, shortening: shortening)
    } else {
        judgement.remainder = search
    }
    return judgement
}
