import Primitives

// Transactions. First all conditions are evaluated, which chooses the steps; then whatever could refuse one
// of them is looked at; only then is anything changed.

/// The steps that the conditions have chosen, in their order.
private struct Choice {
    /// What each place of a transaction's results will hold.
    indirect enum Node {
        case step(Int)
        case transaction(succeeded: Bool, [FailedCondition], [Node])
    }

    var steps: [Transaction.Step] = []
    /// Where each stands, from the outermost transaction on.
    var places: [[Int]] = []
}

extension Keyspace {
    /// What a transaction would do now, and what it would return; changes nothing. Of a transaction that only
    /// reads this is all there is.
    public func evaluate(_ transaction: Transaction) -> Outcome {
        var scratch = self
        return scratch.carryOut(transaction)
    }

    mutating func carryOut(_ transaction: Transaction) -> Outcome {
        if let key = transaction.overlap { return .refused(.transaction(.overlap(key: key))) }
        var choice = Choice()
        let root = choose(transaction, at: [], &choice)
        guard case .transaction(let succeeded, let failed, let nodes) = root else {
            return .refused(.malformedCommand)
        }
        if isPlanted(.carriesOutBothBranches), succeeded {
            let taken = choice.steps.compactMap(\.written)
            choice.steps += (transaction.otherwise ?? []).filter { step in
                step.written.map { range in !taken.contains { $0.overlaps(range) } } ?? false
            }
        }
        if !succeeded, transaction.otherwise == nil {
            return .refused(.transaction(.conditionsFailed(failed)))
        }
        for (step, place) in zip(choice.steps, choice.places) {
            if isPlanted(.refusesHalfway), refusal(of: step) != nil {
                var done: [TransactionOutcome.Result?] = Array(repeating: nil, count: choice.steps.count)
                write(Array(choice.steps.prefix { refusal(of: $0) == nil }), into: &done)
            }
            if let refusal = refusal(of: step) { return .refused(.transaction(.step(at: place, refusal))) }
        }
        if let (place, refusal) = queueRefusal(of: choice.steps) {
            return .refused(.transaction(.step(at: choice.places[place], refusal)))
        }
        var results = [TransactionOutcome.Result?](repeating: nil, count: choice.steps.count)
        // Leases are found and made before anything is read, so that reads see the ids that there will be.
        let before = coordination
        let steps = settleLeases(of: choice.steps)
        guard read(steps, into: &results) else {
            coordination = before
            return .refused(.transaction(.tooMuchRead))
        }
        write(steps, into: &results)
        return .transaction(
            TransactionOutcome(
                succeeded: succeeded, results: nodes.compactMap { Self.result($0, results) }, failed: failed),
            revision: revision)
    }

    // MARK: - Conditions

    private func choose(_ transaction: Transaction, at place: [Int], _ choice: inout Choice) -> Choice.Node {
        let failed = transaction.conditions.indices.compactMap { index in
            isPlanted(.ignoresFailedConditions) || (isPlanted(.looksAtFirstCondition) && index > 0)
                ? nil : failure(of: transaction.conditions[index], at: index)
        }
        let branch = failed.isEmpty ? transaction.then : transaction.otherwise ?? []
        var nodes: [Choice.Node] = []
        for (index, step) in branch.enumerated() {
            if case .transaction(let nested) = step {
                let state = isPlanted(.nestedConditionsSeeWrites) ? after(choice.steps) : self
                nodes.append(state.choose(nested, at: place + [index], &choice))
            } else {
                nodes.append(.step(choice.steps.count))
                choice.steps.append(step)
                choice.places.append(place + [index])
            }
        }
        return .transaction(succeeded: failed.isEmpty, failed, nodes)
    }

    /// Why a condition does not hold; nil if it does.
    private func failure(of condition: Transaction.Condition, at index: Int) -> FailedCondition? {
        if case .count(let range, let comparison, let number) = condition {
            guard case .success(let count) = countKeys(in: range) else { return nil }
            if comparison.holds(UInt64(count), number) { return nil }
            return FailedCondition(index: index, found: UInt64(count), revision: nil)
        }
        switch condition {
        case .held(let fence, let isWanted):
            if isHeld(fence.claim, token: fence.token) == isWanted { return nil }
            return FailedCondition(index: index, found: currentToken(of: fence.claim), revision: nil)
        case .leaseExists(let id, let isWanted):
            return (lease(id) != nil) == isWanted
                ? nil : FailedCondition(index: index, found: nil, revision: nil)
        default: break
        }
        var row: Row?
        if let key = condition.key, case .success(let found) = self.row(key) { row = found }
        var found: UInt64?
        var lease: String?
        let holds: Bool
        switch condition {
        case .value(_, let comparison, let value):
            holds =
                row.map { comparison.holds([UInt8]($0.value), value) }
                ?? (isPlanted(.absentValueDiffers) && comparison == .notEqual)
        case .revision(_, let comparison, let number):
            found = row?.modRevision.rawValue ?? 0
            holds = comparison.holds(found ?? 0, number)
        case .createRevision(_, let comparison, let number):
            found = row?.createRevision.rawValue ?? 0
            holds = comparison.holds(found ?? 0, number)
        case .version(_, let comparison, let number):
            found = row?.version ?? 0
            holds = comparison.holds(found ?? 0, number)
        case .lease(_, let id, let isWanted):
            lease = row?.lease
            // Byte by byte: ids that Unicode holds for equal are different leases.
            holds = (lease ?? "").utf8.elementsEqual(id.utf8) == isWanted
        case .count, .leaseExists, .held: holds = true
        }
        return holds
            ? nil
            : FailedCondition(
                index: index, found: found, revision: row?.modRevision.rawValue ?? 0, lease: lease)
    }

    /// The state after some steps.
    private func after(_ steps: [Transaction.Step]) -> Keyspace {
        var state = self
        var isChanged = false
        for step in steps where step.written != nil {
            _ = state.carryOut(step, base: revision, &isChanged)
        }
        return state
    }

    // MARK: - Steps

    private func refusal(of step: Transaction.Step) -> StepRefusal? {
        if case .leasedPut(_, _, _, let lease) = step { return refusal(of: lease) }
        guard case .increment(let key, let by) = step else { return nil }
        switch unsafe key.withUnsafeBytes({ unsafe sum(of: $0, by) }) {
        case .success: return nil
        case .failure(.overflow): return .overflow
        case .failure: return .notAnInteger
        }
    }

    /// Carries out what reads. Where a read follows a write, all is done on a copy, in the order of the
    /// steps. False if that is too much.
    private func read(_ steps: [Transaction.Step], into results: inout [TransactionOutcome.Result?]) -> Bool {
        var scratch = self
        var hasWritten = false
        var isChanged = false
        let needsCopy = steps.contains { step in
            if step.written != nil { hasWritten = true }
            return hasWritten && step.written == nil && !step.isAboutQueue
                && !isPlanted(.readsMissOwnWrites)
        }
        var left = Transaction.readBytes
        for place in steps.indices {
            switch steps[place] {
            case .get(let key):
                guard case .success(let item) = scratch.get(key) else { return false }
                if let item { left -= item.key.count + item.value.count }
                results[place] = .item(item)
            case .list(let range, let limit):
                guard case .success(let page) = scratch.range(range, limit: limit) else { return false }
                left -= page.rows.reduce(0) { $0 + $1.key.count + $1.valueCount }
                if left >= 0 { results[place] = .items(page.items, more: page.more) }
            case .enqueue, .acknowledge: break
            default:
                if needsCopy { _ = scratch.carryOut(steps[place], base: revision, &isChanged) }
            }
            if left < 0 { return false }
        }
        return true
    }

    /// Carries out what writes, in the order of the keys, so that the events of a revision are sorted.
    private mutating func write(
        _ steps: [Transaction.Step], into results: inout [TransactionOutcome.Result?]
    ) {
        let base = revision
        var isChanged = false
        let writes = steps.indices.compactMap { place in steps[place].written.map { (place, $0.start) } }
        for (place, _) in writes.sorted(by: { $0.1.lexicographicallyPrecedes($1.1) }) {
            if isPlanted(.losesLastStep), writes.count > 1, place == writes[writes.count - 1].0 {
                var lost = self
                results[place] = .wrote(lost.carryOut(steps[place], base: base, &isChanged))
                continue
            }
            let base = isPlanted(.splitsTransaction) ? revision : base
            results[place] = .wrote(carryOut(steps[place], base: base, &isChanged))
        }
        carryOutQueues(steps, into: &results)
        // Each that changed something has told the same revision.
        for place in steps.indices {
            guard case .wrote(.deleted(0, _, _)) = results[place] else { continue }
            results[place] = .wrote(.deleted(count: 0, revision: revision, previous: nil))
        }
    }

    /// Carries out a write as if it were the only one after revision `base`; the revision afterwards is the
    /// next one if it, or one before it, has changed something.
    private mutating func carryOut(
        _ step: Transaction.Step, base: Revision, _ isChanged: inout Bool
    ) -> Outcome {
        revision = base
        let outcome: Outcome
        switch step {
        case .put(let key, let value, let returnPrevious):
            outcome = unsafe key.withUnsafeBytes { key in
                unsafe value.withUnsafeBytes { value in
                    unsafe put(PutView(key: key, value: value), nil, returnPrevious: returnPrevious)
                }
            }
        case .delete(let key, let returnPrevious):
            outcome = unsafe key.withUnsafeBytes { key in
                unsafe delete(key, nil, returnPrevious: returnPrevious, mustExist: false)
            }
        case .deleteRange(let range):
            outcome = unsafe range.start.withUnsafeBytes { start in
                guard let end = range.end else { return unsafe deleteRange(start, nil) }
                return unsafe end.withUnsafeBytes { unsafe deleteRange(start, $0) }
            }
        case .increment(let key, let by):
            outcome = unsafe key.withUnsafeBytes { unsafe increment($0, by: by) }
        case .leasedPut(let key, let value, let returnPrevious, let choice):
            outcome = unsafe key.withUnsafeBytes { key in
                unsafe value.withUnsafeBytes { value in
                    let id = unsafe leaseID(choice, for: key)
                    return unsafe put(
                        PutView(key: key, value: value), under: id, returnPrevious: returnPrevious)
                }
            }
        case .get, .list, .transaction, .enqueue, .acknowledge: preconditionFailure("no write: \(step)")
        }
        if revision > base { isChanged = true }
        revision = isChanged ? base.next : base
        return outcome
    }

    private static func result(
        _ node: Choice.Node, _ results: [TransactionOutcome.Result?]
    ) -> TransactionOutcome.Result? {
        switch node {
        case .step(let place): return results[place]
        case .transaction(let succeeded, let failed, let nodes):
            return .transaction(
                TransactionOutcome(
                    succeeded: succeeded, results: nodes.compactMap { result($0, results) }, failed: failed))
        }
    }
}

extension Transaction.Condition {
    /// The key that it is about, nil if it is about a range.
    public var key: [UInt8]? {
        switch self {
        case .value(let key, _, _), .revision(let key, _, _), .createRevision(let key, _, _),
            .version(let key, _, _), .lease(let key, _, _):
            key
        case .count, .leaseExists, .held: nil
        }
    }
}
