import Primitives

/// The checker that goes by revisions; see `checkRevisions`.
///
/// The order of all operations is known but for three kinds: writes of unknown outcome, which are at some
/// free revision or nowhere; refusals, which need not tell at which revision they were decided; and reads
/// that do not tell it. So there is next to nothing to search for: it walks through the operations in the
/// order of revisions, and puts in a write of unknown outcome where nothing else explains what was seen. It
/// does so key by key first, which convicts sooner and explains better, and then for all keys together
/// (`JointReplay`), which decides.
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
    func verdict(shortening: Int) -> Verdict {
        switch finding() {
        case .fine: return .linearizable
        case .undecided(let doubt): return .undecided(doubt)
        case .violation(let finding):
            if finding.isAboutAll {
                return RevisionReplay.explained(history, finding, budget, shortening)
            }
            let keys = finding.keys.map { Set($0) }
            let others = history.operations.filter { operation in
                keys.map { keys in !operation.concerns(keys) } ?? false
            }.compactMap { $0.writtenRevision?.rawValue }
            let details: [Detail] = [.revisions, .all]
            let explainer = Explainer(history, finding, limit: shortening, details: details) {
                candidate, keys in
                RevisionReplay(candidate, budget: min(budget, trialBudget), only: keys, taken: others)
                    .answers()
            }
            let example = explainer.counterexample()
            return .violation(example.isMinimal ? example : plainEvidence(shortening) ?? example)
        }
    }

    /// The verdict as it stands.
    private func finding() -> CheckResult {
        if let finding = malformedAnswer(in: history) { return .violation(finding) }
        if let operation = history.operations.first(where: { $0.hasChanged && $0.writtenRevision == nil }) {
            return .undecided(
                .noRevisions("operation \(operation.id) changed the store and does not tell its revision"))
        }
        let order = RevisionOrder(history)
        if let finding = order.finding() { return .violation(finding) }
        // Most of what is wrong shows in one key, where it is found and explained sooner.
        let answers = answers()
        if case .violation = answers { return answers }
        if let finding = order.sharedRevision() { return .violation(finding) }
        if history.isExclusive, let finding = RevisionGaps(history, order).finding() {
            return .violation(finding)
        }
        let whole = RevisionReplay.whole(history, budget: budget)
        if case .undecided = whole, case .undecided = answers { return answers }
        return whole
    }

    /// Evidence that needs no revisions, if it is short: sometimes it is easier to find.
    private func plainEvidence(_ shortening: Int) -> Counterexample? {
        guard shortening > 0 else { return nil }
        let search = BlackBox(history, scope: .keys, budget: min(budget, trialBudget))
        guard let example = search.verdict(shortening: shortening).counterexample, example.isMinimal else {
            return nil
        }
        return example
    }

    // MARK: All keys together

    /// Judges a history whose writes need not tell their revisions, with the evidence made short.
    static func remainder(of history: History, budget: Int, shortening: Int) -> Verdict {
        if let finding = malformedAnswer(in: history) ?? RevisionOrder(history).finding() {
            return explained(history, finding, budget, shortening)
        }
        switch whole(history, budget: budget) {
        case .fine: return .linearizable
        case .undecided(let doubt): return .undecided(doubt)
        case .violation(let finding): return explained(history, finding, budget, shortening)
        }
    }

    private static func explained(
        _ history: History, _ finding: Finding, _ budget: Int, _ shortening: Int
    ) -> Verdict {
        let explainer = Explainer(history, finding, limit: shortening, details: [.all]) { candidate, _ in
            whole(candidate, budget: min(budget, trialBudget))
        }
        return .violation(explainer.counterexample())
    }

    /// Whether some order explains every answer and every revision. This decides; what comes before it finds
    /// most of what is wrong sooner, and explains it better.
    private static func whole(_ history: History, budget: Int) -> CheckResult {
        var replay = JointReplay(JointProblem(history, isDense: history.isExclusive), budget: budget)
        switch replay.run() {
        case .found: return .fine
        case .exhausted:
            return .undecided(.budget("the replay of all keys together took more than \(budget) steps"))
        case .impossible(let stuck):
            if history.isExclusive, let gap = gap(history, budget: budget) { return .violation(gap) }
            var finding = Finding(
                kind: .answer, keys: Compiled(history).keys, culprit: history.operations[stuck].id,
                scope: .whole)
            finding.isAboutAll = true
            return .violation(finding)
        }
    }

    /// The revision that cannot be explained, if nothing were wrong with others writing, too.
    private static func gap(_ history: History, budget: Int) -> Finding? {
        let gaps = RevisionGaps(history, RevisionOrder(history))
        guard let first = gaps.first else { return nil }
        var replay = JointReplay(JointProblem(history, isDense: false), budget: budget)
        return replay.run() == .found ? gaps.finding(first) : nil
    }

    // MARK: Key by key

    /// Whether every answer about a key is the one of its revision.
    private func answers() -> CheckResult {
        let compiled = Compiled(history, only: only)
        let order = RevisionOrder(history)
        let slots = Slots(taken: (order.writes.map(\.revision) + taken).sorted())
        return compiled.ask(compiled.singleKeys, scope: .keys, budget: budget, name: "replay") {
            question(compiled, $0, $1, order, slots)
        }
    }

    private func question(
        _ compiled: Compiled, _ group: [Int], _ members: [Int], _ order: RevisionOrder, _ slots: Slots
    ) -> Question {
        var required: [Question.Member] = []
        var optional: [Question.Member] = []
        for index in members {
            let source = history.operations[index]
            let (place, interval) = order.place(of: index)
            for var operation in compiled.operations(index, in: group) {
                operation.place = place
                operation.floor = order.floors[index]
                let member = Question.Member(source: index, operation: operation, interval: interval)
                if source.isAnswered { required.append(member) } else { optional.append(member) }
            }
        }
        let rules = KeyRules(
            values: compiled.values, traits: group.map { compiled.traits[$0] },
            isOwned: { _, revision in slots.isTaken(revision) })
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
        case .transaction(let transaction, _):
            namedKeys.contains(where: keys.contains)
                || transaction.selections.contains { keys.contains(where: $0.contains) }
        }
    }
}
