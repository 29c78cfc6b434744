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
    func verdict() -> Verdict {
        switch finding() {
        case .fine: return .linearizable
        case .undecided(let doubt): return .undecided(doubt)
        case .violation(let finding):
            let explainer = Explainer(history, finding) { candidate, keys in
                BlackBox(candidate, scope: scope, budget: budget / 10, only: keys).finding()
            }
            return .violation(explainer.counterexample())
        }
    }

    /// The verdict as it stands.
    func finding() -> CheckResult {
        if let finding = malformedAnswer(in: history) { return .violation(finding) }
        let compiled = Compiled(history, only: only)
        let groups =
            scope == .keys
            ? compiled.keys.indices.map { [$0] } : compiled.groups { !isPast(history.operations[$0]) }
        var doubt: Doubt?
        for (group, members) in zip(groups, compiled.members(of: groups)) {
            let question = question(compiled, group, members)
            switch question.ask().result {
            case .found: continue
            case .exhausted:
                let names = group.prefix(3).map { readable(compiled.keys[$0]) }.joined(separator: ", ")
                doubt = doubt ?? .budget("the search for key \(names) took more than \(budget) steps")
            case .impossible(let stuck, _):
                return .violation(
                    Finding(
                        kind: .answer, keys: group.map { compiled.keys[$0] },
                        culprit: history.operations[question.required[stuck]].id))
            }
        }
        return doubt.map { .undecided($0) } ?? .fine
    }

    private func isPast(_ operation: HistoryOperation) -> Bool { operation.action.freshness != .linearizable }

    private func question(_ compiled: Compiled, _ group: [Int], _ members: [Int]) -> Question {
        var required: [Question.Member] = []
        var optional: [Question.Member] = []
        var owned = [[UInt64]](repeating: [], count: group.count)
        for index in members {
            let source = history.operations[index]
            guard !isPast(source), var operation = compiled.operation(index, in: group) else { continue }
            if let revision = source.writtenRevision {
                for part in operation.parts where part.result.isWritten {
                    owned[part.key].append(revision.rawValue)
                }
            }
            guard source.isAnswered else {
                optional.append(
                    Question.Member(
                        source: index, operation: operation,
                        interval: Interval(start: source.invoked, end: .max)))
                continue
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
