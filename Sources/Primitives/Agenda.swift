/// What is due when: a binary heap of instants, the first at its root.
///
/// Nothing is taken out before its turn. An entry that does not count any more, because what it stands for
/// has ended or is due at another time, is recognised by its owner when it comes first, and passed over.
public struct Agenda<ID: Sendable>: Sendable {
    /// The entries, in the order of a heap.
    public private(set) var entries: [(at: Instant, id: ID)] = []

    /// Nothing is due.
    public init() {}

    /// The earliest entry.
    public var first: (at: Instant, id: ID)? { entries.first }
    /// How many entries there are.
    public var count: Int { entries.count }

    /// Adds an entry.
    public mutating func insert(_ id: ID, at instant: Instant) {
        entries.append((instant, id))
        var place = entries.count - 1
        while place > 0, entries[place].at < entries[(place - 1) / 2].at {
            entries.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    /// Takes out the earliest entry. There must be one.
    public mutating func removeFirst() {
        let last = entries.removeLast()
        guard !entries.isEmpty else { return }
        entries[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < entries.count && entries[child].at < entries[least].at {
                least = child
            }
            if least == place { return }
            entries.swapAt(place, least)
            place = least
        }
    }
}
