import Primitives

/// A history as the replay of all keys together takes it: which operations have a place in the order of
/// revisions, which have not, and which may be left out.
struct JointProblem {
    /// Where an operation stands.
    enum Place {
        /// It made this revision.
        case write(UInt64)
        /// It saw the store at this revision.
        case read(UInt64)
        /// Nobody told.
        case floating
    }

    /// An operation that was answered.
    struct Member {
        /// Its place in the history.
        var source: Int
        var parts: [KeyPart]
        var place: Place
        /// Nothing that returned before this precedes it. A read of the past is preceded by nothing.
        var start: Int64
        var end: Int64
        /// Whether it changed the store.
        var isWrite: Bool
        /// Of a delete of many keys: how many there were.
        var total: Int?
        /// A transaction is carried out as a whole; its parts only say what was seen.
        var transaction: ExactTransaction?
    }

    /// A write of unknown outcome.
    struct Option {
        var source: Int
        var parts: [KeyPart]
        var start: Int64
        var transaction: ExactTransaction?
    }

    /// What was told of a key at the revision that wrote it.
    struct Sighting {
        var revision: UInt64
        var key: Int
        var seen: Seen
        /// Whether the key was made at this revision.
        var isCreation = false
    }

    let history: History
    let values: ValueTable
    let traits: [KeyTraits]
    private(set) var required: [Member] = []
    /// Places in `required`: those with a place, in the order of revisions.
    private(set) var pinned: [Int] = []
    /// Those without one, ascending by start.
    private(set) var floating: [Int] = []
    /// All, ascending by end.
    private(set) var byEnd: [Int] = []
    /// Writes of unknown outcome. Those of a class are interchangeable but for their start, which ascends.
    private(set) var classes: [[Option]] = []
    /// The revisions that answers claim to have made.
    let slots: Slots
    /// Ascending by revision.
    private(set) var sightings: [Sighting] = []
    /// Revisions that nobody claims and that somebody saw: some operation must have made each. Ascending.
    private(set) var owed: [UInt64] = []
    /// Revisions that nobody claims and that are named anywhere, ascending.
    private(set) var named: [UInt64] = []
    /// Whether each revision is made by one of the operations.
    var isDense: Bool
    /// Whether conditions ask for more of revisions than whether they are equal.
    private(set) var ordersRevisions = false
    /// Whether a revision is told or named anywhere. All others are alike, unless their order counts.
    func isNamed(_ revision: UInt64) -> Bool {
        if ordersRevisions { return true }
        if slots.isTaken(revision) { return true }
        let place = named.firstPlace { $0 >= revision }
        return place < named.count && named[place] == revision
    }

    var startRevision: UInt64 { history.startRevision.rawValue }

    init(_ history: History, isDense: Bool) {
        let compiled = Compiled(history)
        self.history = history
        self.isDense = isDense
        values = compiled.values
        traits = compiled.traits
        slots = Slots(taken: history.operations.compactMap { $0.writtenRevision?.rawValue }.sorted())
        var open: [Option] = []
        for (index, operation) in history.operations.enumerated() {
            let parts = compiled.parts[index]
            if operation.isAnswered {
                var member = JointProblem.member(index, operation, parts)
                member.transaction = compiled.transactions[index]
                required.append(member)
            } else if operation.isOpenWrite, !parts.isEmpty {
                open.append(
                    Option(
                        source: index, parts: parts, start: operation.invoked,
                        transaction: compiled.transactions[index]))
            }
        }
        sort()
        classify(open)
        collect()
    }

    private static func member(_ index: Int, _ operation: HistoryOperation, _ parts: [KeyPart]) -> Member {
        let isPast = operation.action.freshness != .linearizable
        var member = Member(
            source: index, parts: parts, place: .floating, start: isPast ? .min : operation.invoked,
            end: operation.returned ?? .max, isWrite: operation.hasChanged)
        guard case .ok(let answer, let seen) = operation.outcome else { return member }
        if let revision = operation.writtenRevision {
            member.place = .write(revision.rawValue)
        } else if case .at(let revision) = operation.action.freshness {
            member.place = .read(revision.rawValue)
        } else if let seen, !operation.hasChanged {
            member.place = .read(seen.rawValue)
        }
        if case (.deleteRange, .deleted(let count, _)) = (operation.action, answer) { member.total = count }
        return member
    }

    private mutating func sort() {
        func position(_ index: Int) -> UInt64? {
            switch required[index].place {
            case .write(let revision): 2 * revision
            case .read(let revision): 2 * revision + 1
            case .floating: nil
            }
        }
        func precedes(_ a: Int, _ b: Int) -> Bool {
            let (one, other) = (required[a], required[b])
            return (one.start, one.end, a) < (other.start, other.end, b)
        }
        pinned = required.indices.filter { position($0) != nil }.sorted { a, b in
            guard let one = position(a), let other = position(b), one != other else { return precedes(a, b) }
            return one < other
        }
        floating = required.indices.filter { position($0) == nil }.sorted(by: precedes)
        byEnd = required.indices.sorted { (required[$0].end, $0) < (required[$1].end, $1) }
    }

    private mutating func classify(_ open: [Option]) {
        var places: [[KeyPart.Key]: Int] = [:]
        // Operations are in the order of their invocation, and so are the members of a class.
        for option in open {
            if option.transaction != nil {
                classes.append([option])
                continue
            }
            let key = option.parts.map { KeyPart.Key(key: $0.key, action: $0.action) }
            if let place = places[key] {
                classes[place].append(option)
            } else {
                places[key] = classes.count
                classes.append([option])
            }
        }
    }

    /// Collects what was seen of revisions and which of them nobody claims.
    private mutating func collect() {
        var named: Set<UInt64> = []
        for operation in required { for part in operation.parts { collect(part, &named) } }
        for option in classes.joined() {
            for part in option.parts { if let revision = part.conditionRevision { named.insert(revision) } }
        }
        for operation in history.operations { collect(operation, &named) }
        sightings.sort { ($0.revision, $0.key) < ($1.revision, $1.key) }
        let owed = Set(sightings.map(\.revision)).filter { !slots.isTaken($0) }
        self.owed = owed.sorted()
        self.named = named.filter { $0 < revisionLimit && !slots.isTaken($0) }.union(owed).sorted()
    }

    /// Collects the revisions that a transaction names or was told.
    private mutating func collect(_ operation: HistoryOperation, _ named: inout Set<UInt64>) {
        guard case .transaction(let transaction, _) = operation.action else { return }
        named.formUnion(operation.toldRevisions.map(\.rawValue))
        // When a key was made may be told by nothing but a condition that failed. To name other numbers, too,
        // does no harm.
        if case .ok(let answer, _) = operation.outcome { named.formUnion(answer.failed.compactMap(\.found)) }
        for case .number(_, let property, let relation, let number) in transaction.allConditions
        where property != .version {
            named.insert(number)
            if relation.isEquality { continue }
            // The lowest that is free stands for those below, and the first behind it for those above.
            ordersRevisions = true
            named.insert(slots.free(above: number))
        }
    }

    private mutating func collect(_ part: KeyPart, _ named: inout Set<UInt64>) {
        func add(_ seen: Seen, toJoint: inout [Sighting]) {
            if let revision = seen.revision {
                toJoint.append(Sighting(revision: revision, key: part.key, seen: seen))
            }
            if let created = seen.created {
                toJoint.append(
                    Sighting(
                        revision: created, key: part.key, seen: Seen(created: created), isCreation: true))
            }
        }
        if let revision = part.conditionRevision { named.insert(revision) }
        switch part.result {
        case .present(let seen): add(seen, toJoint: &sightings)
        case .done(let seen, _):
            add(Seen(created: seen.created), toJoint: &sightings)
            if let revision = part.conditionRevision { add(Seen(revision: revision), toJoint: &sightings) }
        case .refused(.condition(let current?, isTold: true)):
            add(Seen(revision: current), toJoint: &sightings)
        case .absent, .refused, .unknown: break
        }
    }
}

extension KeyPart {
    /// The revision that its condition names.
    fileprivate var conditionRevision: UInt64? {
        switch action {
        case .put(_, .revision(let revision)), .delete(.revision(let revision), _): revision
        case .put, .delete, .increment, .observe: nil
        }
    }
}

extension JointProblem.Sighting {
    /// Whether a key may have been seen so after it was written at this revision.
    func isMet(by state: ExactKey?) -> Bool {
        guard let state else { return false }
        return isCreation ? state.created == revision : state.matches(seen)
    }
}
