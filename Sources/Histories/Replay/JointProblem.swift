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
    }

    /// A write of unknown outcome.
    struct Option {
        var source: Int
        var parts: [KeyPart]
        var start: Int64
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
    /// By key: the classes that touch it.
    private(set) var classesOfKey: [[Int]] = []
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
    /// Whether a revision is told or named anywhere. All others are alike.
    func isNamed(_ revision: UInt64) -> Bool {
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
                required.append(JointProblem.member(index, operation, parts))
            } else if operation.isOpenWrite, !parts.isEmpty {
                open.append(Option(source: index, parts: parts, start: operation.invoked))
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
            let key = option.parts.map { KeyPart.Key(key: $0.key, action: $0.action) }
            if let place = places[key] {
                classes[place].append(option)
            } else {
                places[key] = classes.count
                classes.append([option])
            }
        }
        classesOfKey = traits.map { _ in [] }
        for (place, options) in classes.enumerated() {
            for part in options[0].parts { classesOfKey[part.key].append(place) }
        }
    }

    /// The key of which a revision was seen that nobody claims.
    func witness(of revision: UInt64) -> Int? {
        if slots.isTaken(revision) { return nil }
        let place = sightings.firstPlace { $0.revision >= revision }
        guard place < sightings.count, sightings[place].revision == revision else { return nil }
        return sightings[place].key
    }

    /// Collects what was seen of revisions and which of them nobody claims.
    private mutating func collect() {
        var named: Set<UInt64> = []
        for operation in required { for part in operation.parts { collect(part, &named) } }
        for option in classes.joined() {
            for part in option.parts { if let revision = part.conditionRevision { named.insert(revision) } }
        }
        sightings.sort { ($0.revision, $0.key) < ($1.revision, $1.key) }
        let owed = Set(sightings.map(\.revision)).filter { !slots.isTaken($0) }
        self.owed = owed.sorted()
        self.named = named.filter { $0 < revisionLimit && !slots.isTaken($0) }.union(owed).sorted()
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
