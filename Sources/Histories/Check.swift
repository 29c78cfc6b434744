/// What the search looks at together.
public enum SearchScope: Sendable {
    /// Each key by itself (P-compositionality). What concerns several keys is judged as if it had been done
    /// key by key, so that it is not noticed if an operation took effect in part.
    case keys
    /// Keys that an operation names together are searched together. Dearer by far.
    case whole
}

/// How many steps a search may take for each key unless told otherwise: some seconds.
public let defaultSearchBudget = 5_000_000

/// Replays a history in the order of its revisions, in time n log n.
///
/// It checks that no revision was given twice; that the revisions agree with the order in time; that every
/// answer, also a stale one, is what a store would have said at its revision; and, if the history is
/// exclusive, that no revision is left over. A write of unknown outcome may stand at any revision that is
/// free and higher than those told before it was invoked, or at none. A write labelled as not applied may
/// not.
///
/// Every write that changed something must tell its revision, otherwise the replay is undecided.
public func checkRevisions(_ history: History, budget: Int = defaultSearchBudget) -> Verdict {
    RevisionReplay(history, budget: budget).verdict()
}

/// Searches for an order that explains every answer, without believing that revisions are in order: they are
/// opaque names of versions, as entity tags are. Reads of the past are not looked at.
///
/// An operation of unknown outcome may take effect at any time after its invocation, or never. The budget
/// counts steps, not time, so that a verdict is the same on every machine.
public func checkLinearizability(
    _ history: History, scope: SearchScope = .keys, budget: Int = defaultSearchBudget
) -> Verdict {
    BlackBox(history, scope: scope, budget: budget).verdict()
}

/// Asks both checkers and says how their verdicts fit together.
public func judge(
    _ history: History, scope: SearchScope = .keys, budget: Int = defaultSearchBudget
) -> Judgement {
    let revisions = checkRevisions(history, budget: budget)
    let search = checkLinearizability(history, scope: scope, budget: budget)
    let agreement: Judgement.Agreement =
        switch (revisions, search) {
        case (.linearizable, .linearizable), (.violation, .violation), (.undecided, .undecided): .agreed
        case (.undecided, _), (_, .undecided): .oneUndecided
        case (.violation, .linearizable): .revisionsAlone
        case (.linearizable, .violation): .contradiction
        }
    return Judgement(revisions: revisions, search: search, agreement: agreement)
}
