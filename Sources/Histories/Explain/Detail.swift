/// How much of what was told is looked at when evidence is made short. Less is judged faster, and what is
/// wrong by less is wrong by all.
enum Detail {
    /// Values alone.
    case values
    /// Values and the revisions of writes, but no versions and no revisions of creation.
    case revisions
    /// Everything.
    case all
}

extension HistoryOperation {
    /// The operation with less told; nil if nothing is left that says anything.
    func weakened(to detail: Detail) -> HistoryOperation? {
        if detail == .all { return self }
        var weaker = self
        let keepsRevisions = detail == .revisions
        if !keepsRevisions {
            switch action {
            case .put(let key, let value, .revision):
                if isRefused { return nil }
                weaker.action = .put(key, value: value)
            case .delete(let key, .revision, let mustExist):
                if isRefused { return nil }
                weaker.action = .delete(key, mustExist: mustExist)
            case .get, .list, .put, .delete, .deleteRange, .increment, .batch, .transaction: break
            }
        }
        if case .ok(let answer, let seen) = outcome {
            weaker.outcome = .ok(answer.weakened(keepsRevisions), at: seen)
        }
        return weaker
    }

    private var isRefused: Bool {
        if case .ok(.refused, _) = outcome { true } else { false }
    }
}

extension HistoryOperation.Answer {
    fileprivate func weakened(_ keepsRevisions: Bool) -> HistoryOperation.Answer {
        func weaker(_ sighting: HistoryOperation.Sighting) -> HistoryOperation.Sighting {
            HistoryOperation.Sighting(
                value: sighting.value, revision: keepsRevisions ? sighting.revision : nil)
        }
        switch self {
        case .found(let sighting): return .found(weaker(sighting))
        case .items(let items):
            return .items(items.map { HistoryOperation.Item(key: $0.key, weaker($0.sighting)) })
        case .written(let revision, _, _): return .written(revision: keepsRevisions ? revision : nil)
        case .incremented(let sum, let revision, _):
            return .incremented(sum, revision: keepsRevisions ? revision : nil)
        case .refused(.condition(.revision)) where !keepsRevisions: return .refused(.condition(.untold))
        case .absent, .deleted, .batch, .transaction, .refused: return self
        }
    }
}
