import Primitives

/// The checker that goes by revisions; see `checkRevisions`.
///
/// The order of all operations is known but for three kinds: writes of unknown outcome, which are at some
/// free revision or nowhere; refusals, which need not tell at which revision they were decided; and reads
/// that do not tell it. So the search has next to nothing to do: it walks through the operations in the order
/// of revisions, and puts in a write of unknown outcome where nothing else explains what was seen.
struct RevisionReplay {
    private let history: History
    private let budget: Int
    private let only: Set<[UInt8]>?
    /// Revisions that operations outside of this history have told to be theirs.
    private let taken: [UInt64]

    /// With `only` nothing but the answers about these keys is looked at.
    init(_ history: History, budget: Int, only: Set<[UInt8]>? = nil, taken: [UInt64] = []) {
        self.history = history
        self.budget = budget
        self.only = only
        self.taken = taken
    }

    /// The verdict with the evidence made short.
    func verdict() -> Verdict {
        switch finding() {
        case .fine: return .linearizable
        case .undecided(let doubt): return .undecided(doubt)
        case .violation(let finding):
            let keys = finding.keys.map { Set($0) }
            let others = history.operations.filter { operation in
                keys.map { keys in !operation.concerns(keys) } ?? false
            }.compactMap { $0.writtenRevision?.rawValue }
            let explainer = Explainer(history, finding) { candidate, keys in
                RevisionReplay(candidate, budget: budget / 10, only: keys, taken: others).answers()
            }
            return .violation(explainer.counterexample())
        }
    }

    /// The verdict as it stands.
    func finding() -> CheckResult {
        if let finding = malformedAnswer(in: history) { return .violation(finding) }
        if let operation = history.operations.first(where: { $0.hasChanged && $0.writtenRevision == nil }) {
            return .undecided(
                .noRevisions("operation \(operation.id) changed the store and does not tell its revision"))
        }
        let order = RevisionOrder(history)
        if let finding = order.finding() { return .violation(finding) }
        let answers = answers()
        if case .violation = answers { return answers }
        if let finding = order.sharedRevision() { return .violation(finding) }
        if history.isExclusive, let finding = order.gap() { return .violation(finding) }
        return answers
    }

    /// Whether every answer is the one of its revision.
    func answers() -> CheckResult {
        let compiled = Compiled(history, only: only)
        let order = RevisionOrder(history)
        let slots = Slots(taken: (order.writes.map(\.revision) + taken).sorted())
        let rules = { (group: [Int]) in
            KeyRules(
                values: compiled.values, traits: group.map { compiled.traits[$0] },
                isOwned: { _, revision in slots.isTaken(revision) })
        }
        // A write that tells its revision is at one place for all of its keys. What binds keys together is
        // what has no place, and how many keys a delete of a range found.
        let groups = compiled.groups { index in
            let operation = history.operations[index]
            if case .deleteRange = operation.action { return true }
            return operation.isOpenWrite
        }
        var doubt: Doubt?
        for (group, members) in zip(groups, compiled.members(of: groups)) {
            let question = question(compiled, group, members, order, slots, rules(group))
            switch question.ask().result {
            case .found: continue
            case .exhausted:
                let names = group.prefix(3).map { readable(compiled.keys[$0]) }.joined(separator: ", ")
                doubt = doubt ?? .budget("the replay of key \(names) took more than \(budget) steps")
            case .impossible(let stuck, _):
                return .violation(
                    Finding(
                        kind: .answer, keys: group.map { compiled.keys[$0] },
                        culprit: history.operations[question.required[stuck]].id))
            }
        }
        return doubt.map { .undecided($0) } ?? .fine
    }

    private func question(
        _ compiled: Compiled, _ group: [Int], _ members: [Int], _ order: RevisionOrder, _ slots: Slots,
        _ rules: KeyRules
    ) -> Question {
        var required: [Question.Member] = []
        var optional: [Question.Member] = []
        for index in members {
            let source = history.operations[index]
            guard var operation = compiled.operation(index, in: group) else { continue }
            let (place, interval) = order.place(of: index)
            operation.place = place
            operation.floor = order.floors[index]
            if case .ok(.deleted(let count, _), _) = source.outcome, group.count > 1 {
                operation.total = count
            }
            let member = Question.Member(source: index, operation: operation, interval: interval)
            if source.isAnswered { required.append(member) } else { optional.append(member) }
        }
        return Question(
            required: required, optional: optional, keyCount: group.count, rules: rules, slots: slots,
            budget: budget)
    }
}

extension HistoryOperation {
    /// Whether it asks for one of these keys or was told of one.
    func concerns(_ keys: Set<[UInt8]>) -> Bool {
        switch action {
        case .list(let selection, _), .deleteRange(let selection): keys.contains(where: selection.contains)
        case .get, .put, .delete, .increment, .batch: namedKeys.contains(where: keys.contains)
        }
    }
}
