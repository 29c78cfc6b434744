import Primitives

/// How many steps the check of a smaller history may take.
let trialBudget = 100_000

/// Turns what a checker found into evidence: the fewest operations that cannot be, which of them is to blame,
/// and what it could have said instead.
///
/// A smaller history must be wrong because the whole one is, and not because something is missing. So nothing
/// is just left out but what only looks: a read that is not asked for an explanation is one condition less. A
/// write that is put aside becomes one of unknown outcome: it may still have happened, now or later, or
/// never. If a history without some of its reads, and with some of its writes in doubt, has no explanation,
/// then the whole has none; and then the operations that were not put aside have none by themselves.
struct Explainer {
    /// Judges a smaller history by what concerns these keys.
    typealias Check = (History, Set<[UInt8]>?) -> CheckResult

    private let history: History
    private let finding: Finding
    private let check: Check
    private let keys: Set<[UInt8]>
    private let allowance: Allowance
    /// How much is looked at, in the order in which it is tried.
    private let details: [Detail]

    /// `limit` is how many operations may be looked at, summed over all smaller histories.
    init(
        _ history: History, _ finding: Finding, limit: Int, details: [Detail], check: @escaping Check
    ) {
        self.details = details
        self.history = history
        self.finding = finding
        self.check = check
        keys = Set(finding.keys ?? [])
        allowance = Allowance(operations: limit)
    }

    func counterexample() -> Counterexample {
        var example = Counterexample(
            kind: finding.kind, reason: finding.reason, culprit: finding.culprit, operations: [],
            alternatives: [], considered: history.operations.count)
        guard finding.keys != nil else {
            example.operations = history.operations.filter { finding.proof.contains($0.id) }
            blameLabel(&example, reduced: nil)
            return example
        }
        let concerned = history.operations.filter {
            (finding.isAboutAll || $0.concerns(keys)) && !$0.isFailedWrite
        }
        var reduction = Reduction(concerned, allowance)
        let first = reduction.locate(finding.culprit) { isWrong($0) }
        for detail in details where first != nil && !reduction.isReduced {
            allowance.renew(1)
            guard let first else { break }
            reduction.run(from: first, isLast: detail == .all) { isWrong($0, detail) }
            if reduction.isReduced, detail != .all { reduction.finish { isWrong($0) } }
        }
        example.operations = reduction.kept
        example.isMinimal = reduction.isMinimal
        // What explains the evidence is worth as much again.
        allowance.renew(5)
        example.culprit = culprit(reduction.candidate) ?? finding.culprit
        if let culprit = example.operations.first(where: { $0.id == example.culprit }) {
            example.alternatives = alternatives(for: culprit, in: reduction.candidate)
            example.reason = reason(culprit, example.operations.count)
        }
        blameLabel(&example, reduced: reduction.candidate)
        return example
    }

    /// Whether a smaller history is wrong in the same way; nil if that is not found out.
    private func isWrong(_ operations: [HistoryOperation], _ detail: Detail = .all) -> Bool? {
        let operations = detail == .all ? operations : operations.compactMap { $0.weakened(to: detail) }
        guard allowance.allows(operations.count) else { return nil }
        switch check(history.with(operations), keys) {
        case .fine: return false
        case .undecided:
            allowance.noteFailure()
            return nil
        case .violation(let found): return found.kind == finding.kind
        }
    }

    private func culprit(_ operations: [HistoryOperation]) -> Int? {
        guard allowance.allows(operations.count),
            case .violation(let found) = check(history.with(operations), keys)
        else { return nil }
        return found.culprit
    }

    private func reason(_ culprit: HistoryOperation, _ count: Int) -> String {
        let rest = count == 1 ? "by itself" : "together with the other\(count > 2 ? "s" : "")"
        return "operation \(culprit.id) (\(culprit.question)) was answered \(culprit.told), which \(rest) "
            + "no order of the operations explains"
    }

    // MARK: Labels

    /// Says so if writes that were labelled as not applied would explain everything.
    private func blameLabel(_ example: inout Counterexample, reduced: [HistoryOperation]?) {
        var liars: [HistoryOperation] = []
        for failed in history.operations where failed.isFailedWrite && liars.count < 5 {
            guard let reduced else { continue }
            guard finding.isAboutAll || failed.concerns(keys) else { continue }
            var suspect = failed
            suspect.outcome = .unknown("")
            if isWrong(reduced + [suspect]) == false { liars.append(failed) }
        }
        guard let first = liars.first else { return }
        example.kind = .label
        example.reason =
            "operation \(first.id) (\(first.question)) was labelled as not applied, but without it "
            + (example.culprit.map { "what operation \($0) was told" } ?? "what was seen")
            + " has no explanation"
        if liars.count > 1 {
            let others = liars.dropFirst().map { "\($0.id)" }.joined(separator: ", ")
            example.reason += "; so would be operation \(others) in its place"
        }
        example.culprit = first.id
        example.operations = (example.operations + [first]).sorted {
            ($0.invoked, $0.id) < ($1.invoked, $1.id)
        }
    }

    // MARK: What it could have been

    private func alternatives(
        for culprit: HistoryOperation, in operations: [HistoryOperation]
    ) -> [String] {
        var found: [String] = []
        for (text, answer) in candidates(for: culprit, in: operations)
        where found.count < 6 && !found.contains(text) {
            let changed = operations.map { operation in
                guard operation.id == culprit.id, case .ok(_, let revision) = operation.outcome else {
                    return operation
                }
                var other = operation
                other.outcome = .ok(answer, at: revision)
                return other
            }
            guard allowance.allows(changed.count) else { break }
            if case .fine = check(history.with(changed), keys) { found.append(text) }
        }
        return found
    }

    /// Answers to try, with how to call them.
    private func candidates(
        for culprit: HistoryOperation, in operations: [HistoryOperation]
    ) -> [(String, HistoryOperation.Answer)] {
        switch culprit.action {
        case .get(let key, _):
            var result: [(String, HistoryOperation.Answer)] = []
            for operation in operations.reversed() {
                for value in operation.values(of: key) {
                    result.append(
                        (quoted(value), .found(HistoryOperation.Sighting(value: value))))
                }
            }
            return Array(result.prefix(40)) + [("no such key", .absent)]
        case .put, .delete:
            guard case .ok(let answer, _) = culprit.outcome else { return [] }
            if case .refused = answer { return [("done", culprit.action.plainSuccess)] }
            return [("a refusal", .refused(.condition(.untold)))]
        case .list, .deleteRange, .increment, .batch, .transaction: return []
        }
    }
}

extension HistoryOperation.Action {
    fileprivate var plainSuccess: HistoryOperation.Answer {
        if case .delete = self { .deleted(1) } else { .written() }
    }
}

extension HistoryOperation {
    /// The values that it may have given to a key.
    fileprivate func values(of key: [UInt8]) -> [[UInt8]] {
        switch (action, outcome) {
        case (.put(key, let value, _), _): return [value]
        case (.batch(let puts, _), _): return puts.filter { $0.key == key }.map(\.value)
        case (.transaction(let transaction, _), _):
            return transaction.allSteps.compactMap { step in
                if case .put(key, let value) = step { value } else { nil }
            }
        case (.increment(key, _), .ok(.incremented(let sum, _, _), _)): return [Array(String(sum).utf8)]
        default: return []
        }
    }
}
