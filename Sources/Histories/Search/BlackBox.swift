import Primitives

/// The checker that believes nothing but times and values; see `checkLinearizability`.
struct BlackBox {
    private let history: History
    private let scope: SearchScope
    private let budget: Int
    private let only: Set<[UInt8]>?

    /// With `only` nothing but these keys is looked at.
    init(_ history: History, scope: SearchScope, budget: Int, only: Set<[UInt8]>? = nil) {
        self.history = history
        self.scope = scope
        self.budget = budget
        self.only = only
    }

    /// The verdict with the evidence made short.
    func verdict(shortening: Int) -> Verdict {
        switch finding() {
        case .fine: return .linearizable
        case .undecided(let doubt): return .undecided(doubt)
        case .violation(let finding):
            let details: [Detail] = [.values, .revisions, .all]
            let explainer = Explainer(history, finding, limit: shortening, details: details) {
                candidate, keys in
                BlackBox(candidate, scope: finding.scope, budget: min(budget, trialBudget), only: keys)
                    .answers(finding.scope)
            }
            return .violation(explainer.counterexample())
        }
    }

    /// The verdict as it stands.
    private func finding() -> CheckResult {
        if let finding = malformedAnswer(in: history) { return .violation(finding) }
        // Most of what is wrong shows in one key, where it is found and explained sooner.
        let answers = answers(.keys)
        if case .violation = answers { return answers }
        return scope == .keys ? answers : self.answers(.whole)
    }

    /// Whether some order explains every answer.
    private func answers(_ scope: SearchScope) -> CheckResult {
        let compiled = Compiled(history, only: only)
        let groups =
            scope == .keys
            ? compiled.singleKeys : compiled.groups { !isPast(history.operations[$0]) }
        return compiled.ask(groups, scope: scope, budget: budget, name: "search") { group, members in
            question(compiled, group, members)
        }
    }

    private func isPast(_ operation: HistoryOperation) -> Bool { operation.action.freshness != .linearizable }

    private func question(_ compiled: Compiled, _ group: [Int], _ members: [Int]) -> Question {
        var required: [Question.Member] = []
        var optional: [Question.Member] = []
        var owned = [[UInt64]](repeating: [], count: group.count)
        for index in members {
            let source = history.operations[index]
            if isPast(source) { continue }
            let operations = compiled.operations(index, in: group)
            guard source.isAnswered else {
                let interval = Interval(start: source.invoked, end: .max)
                optional += operations.map {
                    Question.Member(source: index, operation: $0, interval: interval)
                }
                continue
            }
            guard var operation = operations.first else { continue }
            if let revision = source.writtenRevision {
                for part in operation.parts where part.result.isWritten {
                    owned[part.key].append(revision.rawValue)
                }
            }
            if case .ok(.deleted(let count, _), _) = source.outcome, group.count > 1 {
                operation.total = count
            }
            required.append(
                Question.Member(
                    source: index, operation: operation,
                    interval: Interval(start: source.invoked, end: source.returned ?? .max)))
        }
        let tables = owned.map { Set($0) }
        let rules = KeyRules(
            values: compiled.values, traits: group.map { compiled.traits[$0] },
            isOwned: { key, revision in tables[key].contains(revision) })
        return Question(
            required: required, optional: optional, keyCount: group.count, rules: rules, slots: nil,
            budget: budget)
    }
}

extension KeyPart.Result {
    /// Whether the operation certainly wrote the key.
    var isWritten: Bool { if case .done = self { true } else { false } }
}
