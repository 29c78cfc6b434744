// Makes questions to the search out of histories.

/// A model and a question about it, with where the operations came from.
struct Question {
    let core: ModelCore
    let keyCount: Int
    private(set) var problem: SearchProblem
    /// By required and by optional operation: its place in the history.
    let required: [Int]
    let optional: [Int]

    /// One operation of the question.
    struct Member {
        var source: Int
        var operation: ModelOperation
        var interval: Interval
    }

    /// Puts a question. Optional members need only the start of their interval. With several keys there are
    /// no slots.
    init(
        required: [Member], optional: [Member], keyCount: Int, rules: KeyRules, slots: Slots?, budget: Int
    ) {
        let required = required.sorted { a, b in
            (a.interval.start, a.interval.end, a.source) < (b.interval.start, b.interval.end, b.source)
        }
        // Equal actions of unknown outcome are interchangeable but for their start.
        var classes: [[KeyPart.Key]: Int] = [:]
        var members: [[Member]] = []
        for member in optional {
            let key = member.operation.parts.map { KeyPart.Key(key: $0.key, action: $0.action) }
            if let place = classes[key] {
                members[place].append(member)
            } else {
                classes[key] = members.count
                members.append([member])
            }
        }
        for place in members.indices {
            members[place].sort { ($0.interval.start, $0.source) < ($1.interval.start, $1.source) }
        }
        var bounds = [0]
        for group in members { bounds.append(bounds[bounds.count - 1] + group.count) }
        let sorted = members.flatMap { $0 }
        self.required = required.map(\.source)
        self.optional = sorted.map(\.source)
        self.keyCount = keyCount
        core = ModelCore(
            required: required.map(\.operation), optional: sorted.map(\.operation), rules: rules,
            slots: slots)
        problem = SearchProblem(
            required: required.map(\.interval), optional: sorted.map(\.interval.start), classes: bounds,
            budget: budget, placeLimit: 1_000_000 / keyCount)
        // A small question needs no help, and without it the operation that fails shows.
        if keyCount == 1, required.count > 16 || sorted.count > 64 {
            problem.tokens = Tokens(
                required: core.required.map { $0.parts[0] }, optional: core.optional.map { $0.parts[0] })
        }
    }

    /// Searches, and answers how many steps it took, too.
    func ask() -> (result: SearchResult, steps: Int) {
        if keyCount == 1 {
            var search = Search(SoloModel(core: core, tokens: problem.tokens), problem)
            return (search.run(), search.steps)
        }
        var search = Search(JointModel(core: core, keyCount: keyCount), problem)
        return (search.run(), search.steps)
    }
}

extension KeyPart {
    /// What makes two operations of unknown outcome equal.
    struct Key: Hashable {
        var key: Int
        var action: Action
    }
}

extension Compiled {
    /// Puts a question for each group of keys and sums the answers up. `name` is what asks, for people.
    func ask(
        _ groups: [[Int]], scope: SearchScope, budget: Int, name: String,
        _ question: (_ group: [Int], _ members: [Int]) -> Question
    ) -> CheckResult {
        var doubt: Doubt?
        for (group, members) in zip(groups, members(of: groups)) {
            let question = question(group, members)
            switch question.ask().result {
            case .found: continue
            case .exhausted:
                let names = group.prefix(3).map { readable(keys[$0]) }.joined(separator: ", ")
                doubt = doubt ?? .budget("the \(name) of \(names) took more than \(budget) steps")
            case .impossible(let stuck, _):
                return .violation(
                    Finding(
                        kind: .answer, keys: group.map { keys[$0] },
                        culprit: history.operations[question.required[stuck]].id, scope: scope))
            }
        }
        return doubt.map { .undecided($0) } ?? .fine
    }

    /// Each key by itself.
    var singleKeys: [[Int]] { keys.indices.map { [$0] } }

    /// What of an operation concerns a group of keys, with keys as places in the group. What a transaction of
    /// unknown outcome may do is apart, since other keys decide which of it happens.
    func operations(_ index: Int, in group: [Int]) -> [ModelOperation] {
        var parts: [KeyPart] = []
        for var part in self.parts[index] {
            guard let place = group.firstIndex(of: part.key) else { continue }
            part.key = place
            parts.append(part)
        }
        if parts.isEmpty { return [] }
        if case .transaction = history.operations[index].action, history.operations[index].isOpenWrite {
            return parts.map { ModelOperation(parts: [$0]) }
        }
        return [ModelOperation(parts: parts)]
    }

    /// By group: the operations that concern it, ascending.
    func members(of groups: [[Int]]) -> [[Int]] {
        var groupOfKey = [Int](repeating: 0, count: keys.count)
        for (place, group) in groups.enumerated() { for key in group { groupOfKey[key] = place } }
        var members = [[Int]](repeating: [], count: groups.count)
        for (index, parts) in parts.enumerated() {
            for part in parts {
                let group = groupOfKey[part.key]
                if members[group].last != index { members[group].append(index) }
            }
        }
        return members
    }
}
