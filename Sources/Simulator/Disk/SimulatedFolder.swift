// One folder of a simulated disk: its names as the cache shows them, as they are durable, and the changes
// between the two.

/// What a name stands for: a file (its place in the table of files) or a folder (the complement of its place
/// in the table of folders).
typealias NameTarget = Int32

/// Names in order, so that nothing depends on a hash.
struct NameTable: Sendable {
    struct Row: Sendable {
        var name: String
        var target: NameTarget
    }

    private(set) var rows: [Row] = []

    /// Where the name is, or where it belongs.
    private func place(of name: String) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    subscript(_ name: String) -> NameTarget? {
        let place = place(of: name)
        return place < rows.count && rows[place].name == name ? rows[place].target : nil
    }

    mutating func apply(_ change: NameChange) {
        switch change {
        case .put(let name, let target):
            rows.removeAll { $0.target == target }
            let place = place(of: name)
            if place < rows.count && rows[place].name == name {
                rows[place].target = target
            } else {
                rows.insert(Row(name: name, target: target), at: place)
            }
        case .drop(let target):
            rows.removeAll { $0.target == target }
        }
    }
}

/// A change of a folder.
enum NameChange: Sendable {
    /// The target has this name from now on and no other; whatever had the name has none.
    case put(String, NameTarget)
    /// The target has no name any more.
    case drop(NameTarget)

    var target: NameTarget {
        switch self {
        case .put(_, let target), .drop(let target): target
        }
    }

    /// The name that is given.
    var name: String? {
        switch self {
        case .put(let name, _): name
        case .drop: nil
        }
    }
}

/// A folder's names.
struct SimulatedFolder: Sendable {
    /// From the root, without a slash at the end; empty for the root.
    let path: String
    /// Whether the cache shows it.
    var isThere = true
    private(set) var names = NameTable()
    private(set) var durable = NameTable()
    /// What was done since the last sync.
    private(set) var pending: [NameChange] = []

    init(path: String) { self.path = path }

    mutating func change(_ change: NameChange) {
        names.apply(change)
        pending.append(change)
    }

    /// A change that is durable at once.
    mutating func settle(_ change: NameChange) {
        names.apply(change)
        durable.apply(change)
    }

    /// What the cache shows becomes durable.
    mutating func flush() {
        guard !pending.isEmpty else { return }
        durable = names
        pending.removeAll(keepingCapacity: true)
    }

    /// Some changes become durable. The others stay pending, but for those that a later one made void: they
    /// would take a file or a name back to where it was before.
    mutating func flushSome(_ isFlushed: [Bool]) {
        var rest: [NameChange] = []
        for (change, isFlushed) in zip(pending, isFlushed) {
            guard isFlushed else {
                rest.append(change)
                continue
            }
            durable.apply(change)
            rest.removeAll { $0.target == change.target || $0.name != nil && $0.name == change.name }
        }
        pending = rest
    }

    /// The power fails.
    mutating func crash(_ fate: inout CrashFate) {
        guard !pending.isEmpty else { return }
        flushSome(fate.kept(of: pending.count))
        pending = []
        names = durable
    }
}
